"""A header compiles alone, and includes what it uses."""

import os
import subprocess
import tempfile
import lib

MODULES = ["libpq", "libuv", "libcurl", "libxml-2.0", "jansson", "inih", "libidn2"]

flags = subprocess.run(["pkg-config", "--cflags", *MODULES], stdout=subprocess.PIPE, check=True).stdout.decode().split()
headers = lib.files("*.h")
base = ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-DTRACEPOOL_VERSION=\"0\"", "-DTRACEPOOL_SCHEMA=0", "-Wall", "-Wextra",
        "-Werror", "-Wno-unused-function", "-fsyntax-only", "-I", lib.ROOT, "-I", lib.BUILD, *flags]
for folder in lib.PROGRAMS:
    base += ["-I", os.path.join(lib.BUILD, folder)]
with tempfile.TemporaryDirectory() as scratch:
    for name in headers:
        unit = os.path.join(scratch, "alone.c")
        with open(unit, "w", encoding="utf-8") as f:
            f.write(f'#include "{name}"\nint alone;\n')
        done = subprocess.run(base + [unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            first = [l for l in done.stdout.decode().split("\n") if "error" in l][:1]
            lib.report(name, 1, "does not compile alone: " + "".join(first))
lib.end()
