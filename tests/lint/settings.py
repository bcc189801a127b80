"""deploy/tracepool.ini is what every program prints as its reference, and README.md names each setting.

After a change: build, then `tracepool-edge --print-config >deploy/tracepool.ini`.
"""

import re
import lib

REFERENCE = "deploy/tracepool.ini"

expected = lib.read(REFERENCE) if REFERENCE in lib.files(REFERENCE) else ""
for program in lib.PROGRAMS:
    printed = lib.ask(program, "--print-config")
    if printed != expected:
        differing = [n for n, (a, b) in enumerate(zip(printed.split("\n"), expected.split("\n")), 1) if a != b]
        line = differing[0] if differing else min(printed.count("\n"), expected.count("\n")) + 1
        lib.report(REFERENCE, line, f"differs from tracepool-{program} --print-config")

readme = lib.read("README.md") if "README.md" in lib.files("README.md") else ""
section = ""
for line in lib.ask("edge", "--print-config").split("\n"):
    head = re.fullmatch(r"\[(\w+)\]", line.strip())
    setting = re.match(r";?\s*(\w+)\s*=", line)
    if head:
        section = head.group(1)
    elif setting and section and f"`{section}.{setting.group(1)}`" not in readme:
        lib.report("README.md", 0, f"does not name the setting {section}.{setting.group(1)}")
lib.end()
