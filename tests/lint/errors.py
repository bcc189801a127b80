"""Error names that SQL writes into rows are names of common/err.h, whose table says what they mean."""

import re
import lib

known = set(re.findall(r'X\(\w+,\s*"(\w+)"', lib.read("common/err.h")))
WRITES = (
    r"error_code\s*:?=\s*'(\w+)'",
    r"end_leases\(.*?,\s*'(\w+)'",
    r"'error',\s*'(\w+)'",
    r"error_message\s*:?=\s*'(\w+):",
)

for name in lib.files("migrations/*.sql"):
    for number, line in lib.lines(name):
        code = line.split("--")[0]
        for pattern in WRITES:
            for error in re.findall(pattern, code):
                if error not in known:
                    lib.report(name, number, f"{error} is not a name of common/err.h")
lib.end()
