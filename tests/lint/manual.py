"""The manual pages of the build have no fault that mandoc knows of, and name every program and verb."""

import os
import re
import subprocess
import sys
import lib

sys.path.insert(0, f"{lib.ROOT}/deploy/man")
import tables  # noqa: E402

PAGES = ("tracepool.7", "tracepool.ini.5", "tracepool-edge.8", "tracepool-worker.8", "tracepool-monitor.8")


def built(page):
    path = os.path.join(lib.BUILD, "deploy", page)
    if not os.path.isfile(path):
        lib.report(path, 0, "not built; set TRACEPOOL_BUILD to a build folder")
        lib.end()
    with open(path, encoding="utf-8") as f:
        return path, f.read()


for page in PAGES:
    path, text = built(page)
    done = subprocess.run(["mandoc", "-Tlint", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in done.stdout.splitlines():
        found = re.match(r"mandoc: .*?:(\d+):\d+: (.*)", line)
        if not found or "referenced manual not found" not in found[2]:   # of pages that this machine may lack
            lib.report(f"deploy/man/{page}.in", found[1] if found else 0, found[2] if found else line)
    for match in re.finditer(r"^@[a-z-]+.*@$|@(?:VERSION|DATE)@", text, re.M):
        lib.report(f"deploy/man/{page}.in", 0, f"{match[0]} was not filled in")
    for name, section in re.findall(r"^\.Xr (tracepool\S*) (\d)", text, re.M):
        if f"{name}.{section}" not in PAGES:
            lib.report(f"deploy/man/{page}.in", 0, f"refers to {name}({section}), which is no page of ours")
for program in ("worker", "monitor"):
    helped = lib.ask(program, "--help")
    _, text = built(f"tracepool-{program}.8")
    for name, *_ in tables.verbs(program):
        if not re.search(rf"\b{name}\b", helped) or f".It Cm {name}" not in text:
            lib.report(f"tracepool-{program}", 0, f"--help or the manual page lacks the verb {name}")
lib.end()
