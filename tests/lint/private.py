"""Nothing in the tree names one machine's paths, a package registry, or holds a secret."""

import re
import lib

# Written in pieces, so that this file does not find itself.
PATHS = re.compile(r"(?<![\w.$}/-])/(wo" r"rk|ro" r"ot|ho" r"me/[a-z]+|tm" r"p/tp|fa" r"rm)(/|\b(?=['\" ]))")
HOSTS = re.compile(r"\b(deb\.deb" r"ian\.org|archive\.ubu" r"ntu\.com|registry\.np" r"mjs\.org|py" r"pi\.org"
                   r"|files\.python" r"hosted\.org|docker" r"\.io|gh" r"cr\.io|quay" r"\.io|proxy\.gol" r"ang\.org"
                   r"|crates" r"\.io)\b")
SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIV" r"ATE KEY|AK" r"IA[0-9A-Z]{16}|gh" r"p_[A-Za-z0-9]{30}"
                     r"|xox" r"[bp]-[0-9A-Za-z-]{20}|eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")

for name in lib.files():
    if name.startswith(("tests/fuzz/corpus", "tests/unit/data")):
        continue
    for number, line in lib.lines(name):
        if PATHS.search(line):
            lib.report(name, number, f"a path of one machine: {PATHS.search(line).group(0)}")
        if HOSTS.search(line):
            lib.report(name, number, f"a package registry's host: {HOSTS.search(line).group(0)}")
        if SECRETS.search(line):
            lib.report(name, number, "looks like a secret")
lib.end()
