"""Files over 600 lines and functions over 80 are two ideas in one house. What is over the aims is listed.

A function that is one table or one honest switch may be longer: its length is counted without the
lines of its `case` labels and without what stands between clang-format off and on.
"""

import re
import lib

FILE_LIMIT, FILE_AIM = 600, 350
FUNCTION_LIMIT, FUNCTION_AIM = 80, 40


def functions(text):
    """(first line, name, counted lines) of each function; braces in column 0, as .clang-format has it."""
    start, name, counted, is_table = None, "", 0, False
    previous = ""
    for number, line in enumerate(text, 1):
        if "clang-format off" in line:
            is_table = True
        if start is None and line == "{" and re.search(r"\)\s*$", previous):
            start, counted = number, 0
        elif start is not None and line.startswith("}"):
            yield start, name, counted
            start = None
        elif start is not None and not is_table and not re.match(r"\s*(case\b.*|default):", line):
            counted += 1
        if "clang-format on" in line:
            is_table = False
        if start is None and re.match(r"\w.*\w\(", line):
            name = re.search(r"(\w+)\(", line).group(1)
        previous = line


lengths, advice = [], []
for name in lib.files("*.c", "*.h", "*.sql", "*.sh", "*.py", "*.awk", "*/run", "deploy/*"):
    if name.endswith((".json", ".ini", ".md", ".png")):
        continue
    text = lib.read(name).split("\n")
    if len(text) > FILE_LIMIT:
        lib.report(name, len(text), f"file has more than {FILE_LIMIT} lines")
    elif len(text) > FILE_AIM:
        advice.append(f"{name}: {len(text)} lines")
    if not name.endswith(".c"):
        continue
    for line, function, length in functions(text):
        if not name.startswith("tests/"):
            lengths.append(length)
        if length > FUNCTION_LIMIT:
            lib.report(name, line, f"{function} has {length} lines, more than {FUNCTION_LIMIT}")

short = sum(1 for n in lengths if n < FUNCTION_AIM)
if lengths:
    print(f"{len(lengths)} functions, {100 * short / len(lengths):.1f} % under {FUNCTION_AIM} lines (aim: 90 %)")
for line in advice:
    print(f"over the aim of {FILE_AIM}: {line}")
lib.end()
