"""The verb `trace`, run by tests: start it, end it, read what it says."""
import json
import os
import subprocess

import farm


def environment(**more):
    """Ours, without proxies and settings that would change what is tested."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRACEPOOL_") and not k.lower().endswith("_proxy")}
    return {**kept, **more}


def begin(*args, env=None, words=()):
    """words: of a command to run it in, such as a host's (netns.py)."""
    return subprocess.Popen([*words, farm.binary("tracepool-worker"), "trace", *map(str, args)], text=True,
                            env=env or environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def end(process):
    """Exit code, what it printed, what it complained about."""
    out, complaints = process.communicate(timeout=60)
    return process.returncode, out, complaints


def trace(*args, env=None, words=()):
    """The result object of `trace --json`."""
    code, out, complaints = end(begin("--json", *args, env=env, words=words))
    assert not complaints
    result = json.loads(out)
    assert code == (0 if result["outcome"] == "ok" else 1)
    return result
