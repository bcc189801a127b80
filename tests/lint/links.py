"""What a README points at exists."""

import os
import re
import lib

for name in lib.files("*.md"):
    folder = os.path.dirname(os.path.join(lib.ROOT, name))
    for number, line in lib.lines(name):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if not re.match(r"[a-z]+:", target) and not os.path.exists(os.path.join(folder, target)):
                lib.report(name, number, f"points at {target}, which is not there")
lib.end()
