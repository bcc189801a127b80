"""Each mutant of tests/mutants/run still changes its file, and the test that is to notice it is there."""

import os
import re
import subprocess
import lib

RUN = "tests/mutants/run"

text = lib.read(RUN)
table = re.search(r"^MUTANTS='\n(.*?)^'$", text, re.M | re.S)
first = text.count("\n", 0, table.start(1)) + 1
for number, line in enumerate(table.group(1).splitlines(), first):
    name, file, sed, noticed = (field.strip() for field in line.split(" | ", 3))
    kind, test = noticed.split(" ", 1)
    if not os.path.isfile(os.path.join(lib.ROOT, file)):
        lib.report(RUN, number, f"{name}: there is no {file}")
        continue
    made = subprocess.run(["sed", sed, file], cwd=lib.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode or made.stdout.decode() == lib.read(file):
        lib.report(RUN, number, f"{name}: changes nothing in {file}")
    guard, _, case = test.partition("::")
    path = {"unit": f"tests/unit/test_{guard}.c", "fault": "tests/fault/check.sql"}.get(kind, f"tests/{kind}/{guard}")
    if not os.path.isfile(os.path.join(lib.ROOT, path)) or case and f"def {case}(" not in lib.read(path):
        lib.report(RUN, number, f"{name}: there is no {test} to notice it")
lib.end()
