"""What a README points at exists, and so does every document that a comment names."""

import os
import re
import lib

DOCUMENTS = {os.path.basename(name) for name in lib.files("*.md")}

for name in lib.files("*.md"):
    folder = os.path.dirname(os.path.join(lib.ROOT, name))
    for number, line in lib.lines(name):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if not re.match(r"[a-z]+:", target) and not os.path.exists(os.path.join(folder, target)):
                lib.report(name, number, f"points at {target}, which is not there")

for name in lib.files("*.c", "*.h", "*.sql", "*.py", "*.sh", "*.awk", "*/meson.build", "*/run"):
    for number, line in lib.lines(name):
        for target in re.findall(r"\b[\w.-]+\.md\b", line):
            if target not in DOCUMENTS:
                lib.report(name, number, f"names {target}, which is not there")
        for target in re.findall(r"\b(?:DESIGN|STYLE),? \d", line):
            lib.report(name, number, f"names {target}, which is no document here")
lib.end()
