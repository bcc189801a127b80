"""The top level holds exactly the names below and dot-files; no file is an empty placeholder; every unit test is built."""

import os
import lib

TOP = {"README.md", "meson.build", "common", "edge", "worker", "monitor", "migrations", "deploy", "tests"}

names = lib.files()
top = {n.split("/")[0] for n in names}
for extra in sorted(t for t in top - TOP if not t.startswith(".")):
    lib.report(extra, 0, "does not belong at the top level; see README, map of the tree")
for missing in sorted(TOP - top):
    lib.report(missing, 0, "is missing")
for name in names:
    if os.path.getsize(os.path.join(lib.ROOT, name)) == 0 or os.path.basename(name) in (".gitkeep", ".keep"):
        lib.report(name, 1, "is empty")
built = lib.read("tests/unit/meson.build")
for name in names:
    test = os.path.basename(name)[len("test_"):-len(".c")]
    if name.startswith("tests/unit/test_") and f"'{test}'" not in built:
        lib.report(name, 1, "stands not in tests/unit/meson.build, so nothing runs it")
lib.end()
