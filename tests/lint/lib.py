"""What the lints share: the files of the tree, and how a finding is reported."""

import fnmatch
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("TRACEPOOL_BUILD", "build"))
PROGRAMS = ("edge", "worker", "monitor")
_found = 0


def files(*patterns):
    """Paths from the root of what git knows or would add; a checkout of another user's is fine."""
    git = ["git", "-C", ROOT, "-c", "safe.directory=*"]
    out = subprocess.run(git + ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         check=True, stdout=subprocess.PIPE).stdout.decode()
    names = sorted({n for n in out.split("\0") if n and os.path.isfile(os.path.join(ROOT, n))})
    if not patterns:
        return names
    return [n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns)]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def lines(name):
    return list(enumerate(read(name).split("\n"), 1))


def report(name, line, text):
    global _found
    _found += 1
    print(f"{name}:{line}: {text}")


def end():
    sys.exit(1 if _found else 0)


def program(name):
    """The path of tracepool-NAME in the build folder; ends the lint when it is not built."""
    path = os.path.join(BUILD, name, f"tracepool-{name}")
    if not os.access(path, os.X_OK):
        report(path, 0, "not built; set TRACEPOOL_BUILD to a build folder")
        end()
    return path


def ask(name, *args):
    """What a program prints, in an environment without any setting of ours."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("TRACEPOOL_", "PG")) and k not in ("DATABASE_URL", "LISTEN_URL")}
    done = subprocess.run([program(name), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env, cwd="/", timeout=30)
    if done.returncode != 0:
        report(f"tracepool-{name} {' '.join(args)}", done.returncode, done.stderr.decode().strip())
        end()
    return done.stdout.decode()


def c_without_comments(text):
    """C with comments blanked and line numbers kept; string literals stay."""
    def blank(match):
        piece = match.group(0)
        return re.sub(r"[^\n]", " ", piece) if piece.startswith("/") else piece
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)
