"""A function that a header offers is called from another file, or by a macro of the header; else it is static, or superfluous."""

import re
import lib

DECLARED = re.compile(r"^(?!static|typedef|#|\s|/|\})[^;{}()=]*?\b([a-z]\w+)\(", re.M)
WORD = re.compile(r"\b\w+\b")

users = {}
for name in lib.files("*.c", "*.h"):
    for word in set(WORD.findall(lib.c_without_comments(lib.read(name)))):
        users.setdefault(word, set()).add(name)

for name in lib.files("*.h"):
    if name.startswith("tests/"):
        continue
    text = lib.c_without_comments(lib.read(name))
    for match in DECLARED.finditer(text):
        function = match.group(1)
        is_used_here = len(re.findall(rf"\b{function}\b", text)) > 1
        if len(users[function] - {name}) < 2 and not is_used_here:
            lib.report(name, text.count("\n", 0, match.start(1)) + 1, f"{function} is called from no other file")
lib.end()
