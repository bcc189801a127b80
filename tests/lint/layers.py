"""Who may include whom. Includes are written from the root, so that the layer shows in the line."""

import os
import re
import lib

# folder, with what it may include beside itself; the longest match of a path decides
MAY = {
    "common/": (),
    "common/pg/": ("common/",),
    "edge/": ("common/", "common/pg/"),
    "monitor/": ("common/", "common/pg/"),
    "worker/": ("common/", "common/pg/", "worker/chain/", "worker/tracer/", "worker/browser/",
                "worker/evidence/", "worker/vast/"),
    "worker/chain/": ("common/",),
    "worker/tracer/": ("common/", "worker/chain/"),
    "worker/browser/": ("common/", "worker/chain/"),
    "worker/evidence/": ("common/", "worker/chain/"),
    "worker/vast/": ("common/",),
}


def layer(path):
    found = [folder for folder in MAY if path.startswith(folder)]
    return max(found, key=len) if found else None


for name in lib.files("*.c", "*.h"):
    mine = layer(name)
    for number, line in lib.lines(name):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        if re.fullmatch(r"(\w+/)*(queries_\w+|\w+_asset)\.h", target):
            continue  # made by the build from queries.sql, in the folder's own build directory
        if not os.path.isfile(os.path.join(lib.ROOT, target)):
            lib.report(name, number, f'"{target}" is not written from the root of the tree')
        elif mine and layer(target) != mine and layer(target) not in MAY[mine]:
            lib.report(name, number, f'{mine} may not include "{target}"')
lib.end()
