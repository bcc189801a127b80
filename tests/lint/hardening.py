"""The programs are built so that a bug in them is hard to use.

Read from the ELF files themselves: position independent, full RELRO with everything bound at the start, no executable
stack, no segment that is writable and executable, no search path for libraries; checked copies (FORTIFY), stack
protector, stack clash protection and, on x86, landing pads for indirect jumps (CET) in every one of our objects.
How an object was compiled is in the debug information that the compiler leaves.
"""

import platform
import re
import subprocess
import lib

X86 = platform.machine() in ("x86_64", "i686")
FLAGS = ["-fstack-protector-strong", "-fstack-clash-protection"] + (["-fcf-protection"] if X86 else [])


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True, text=True).stdout


def want(name, is_so, what):
    if not is_so:
        lib.report(f"tracepool-{name}", 0, what)


def headers(name, path):
    kinds = re.search(r"Type:\s+(\w+)", readelf(path, "-h"))[1]
    segments = readelf(path, "-l")
    dynamic = readelf(path, "-d")
    want(name, kinds == "DYN" and "PIE" in dynamic, "is no position independent executable (b_pie)")
    want(name, "GNU_RELRO" in segments and "BIND_NOW" in dynamic, "has no full RELRO (-z relro, -z now)")
    want(name, re.search(r"GNU_STACK.* RW +0x", segments), "has an executable stack (-z noexecstack)")
    want(name, not re.search(r"LOAD.* RWE ", segments), "has memory that is writable and executable")
    want(name, not re.search(r"\((RPATH|RUNPATH)\)", dynamic), "looks for libraries in a folder of its own (rpath)")
    want(name, "TEXTREL" not in dynamic, "has text relocations")


def objects(name, path):
    used = readelf(path, "--dyn-syms")
    want(name, "__stack_chk_fail" in used, "uses no stack protector (-fstack-protector-strong)")
    checked = set(re.findall(r"__(\w+)_chk\b", used))
    want(name, {"memcpy", "snprintf", "vsnprintf"} & checked, "copies without checks (-D_FORTIFY_SOURCE with -O2)")
    compiled = re.findall(r"DW_AT_producer.*?: (?:\(indirect.*?\): )?(GNU C\d*.*)", readelf(path, "--debug-dump=info"))
    want(name, len(compiled) > 10, "has no debug information that says how it was compiled (build with gcc)")
    for flag in FLAGS:
        without = [c for c in compiled if flag not in c]
        want(name, not without, f"has {len(without)} of {len(compiled)} objects compiled without {flag}")
    without = [c for c in compiled if not re.search(r" -O[123s]\b", c)]
    want(name, not without, f"has {len(without)} of {len(compiled)} objects compiled without optimization")


def landing_pads(name, path):
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "--disassemble=main", path], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    want(name, re.search(r"<main>:\n\s+\w+:\s+endbr", code), "has no landing pads for indirect jumps (-fcf-protection)")


def machine_paths(name, path):
    """The build's and the source's folders must not be in what is shipped."""
    with open(path, "rb") as f:
        content = f.read()
    for folder in (lib.ROOT, lib.BUILD):
        want(name, folder.encode() + b"/" not in content, "names the folder that it was built in (-ffile-prefix-map)")


for program in lib.PROGRAMS:
    built = lib.program(program)
    headers(program, built)
    objects(program, built)
    if X86:
        landing_pads(program, built)
    machine_paths(program, built)
lib.end()
