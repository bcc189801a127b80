"""Functions that write without a bound or start a shell; memory that is asserted; SQL in C strings; marks of unfinished work."""

import re
import lib

CALLS = r"\b(sprintf|vsprintf|strcpy|strcat|stpcpy|gets|system|popen|strtok|asctime|ctime|tmpnam|mktemp|alloca)\s*\("
STRING = r'"(?:\\.|[^"\\\n])*"'
SQL = re.compile(r"\b(SELECT\s|INSERT\s+INTO\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|CREATE\s+(TABLE|FUNCTION)\b"
                 r"|^\"LISTEN\s|BEGIN;|COMMIT;)")
# What has no memory ends by abort(). An assertion says that we were wrong, and a build without assertions would go on.
ASSERTED = re.compile(r"\b(\w+) = (?:malloc|calloc|realloc|strdup|strndup)\([^;]*;\s*assert\(!?\1\b")
MARKS = r"\b(TODO|FIXME|XXX|HACK)\b|not implemented|not yet implemented"
# libpq has no call for these two; both are whole statements and nothing is put into them
ALLOWED_SQL = {"common/pg/conn.c", "common/pg/conn_setup.c"}

for name in lib.files("*.c", "*.h"):
    text = lib.read(name)
    code = lib.c_without_comments(text)
    for match in ASSERTED.finditer(code) if not name.startswith("tests/") else ():
        lib.report(name, code.count("\n", 0, match.start()) + 1, f"memory for {match.group(1)} is asserted")
    for number, line in enumerate(code.split("\n"), 1):
        bare = re.sub(STRING, '""', line)
        for match in re.finditer(CALLS, bare):
            lib.report(name, number, f"{match.group(1)} is not used here")
        for match in re.finditer(STRING, line):
            if SQL.search(match.group(0)) and not name.startswith("tests/") and name not in ALLOWED_SQL:
                lib.report(name, number, "SQL in a C string; it belongs in queries.sql")
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(MARKS, line):
            lib.report(name, number, "mark of unfinished work")
lib.end()
