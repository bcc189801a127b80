"""embed.py OUTPUT FILE... - the dashboard's files as a C table, so that the monitor needs none of them at run time.

Assets are served below a path that contains a hash of all of them, and may be cached for ever: an asset that changes
has another path. @ASSETS@ in index.html becomes that path; scripts and styles name each other relatively.
"""
import hashlib
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json"}


def literal(data):
    """C string literals, a line of the file in each; everything but plain ASCII as three octal digits."""
    def shown(byte):
        return chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}"
    return "\n".join('     "' + "".join(map(shown, line)) + '"' for line in data.splitlines(keepends=True))


def main():
    output, files = sys.argv[1], sorted(map(pathlib.Path, sys.argv[2:]), key=lambda path: path.name)
    together = hashlib.sha256()
    for path in files:
        together.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    tag = together.hexdigest()[:16]
    with open(output, "w", encoding="ascii") as out:
        out.write(f'/* made by monitor/dashboard/embed.py; do not edit */\n#define ASSETS_TAG "{tag}"\n'
                  "static const struct asset assets[] = {\n")
        for path in files:
            data = path.read_bytes().replace(b"@ASSETS@", b"/assets/" + tag.encode())
            out.write(f'    {{STR("{path.name}"), STR("{TYPES[path.suffix]}"), {{(const char *)\n{literal(data)}, {len(data)}}}}},\n')
        out.write("};\n")


main()
