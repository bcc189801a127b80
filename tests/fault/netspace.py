"""A small internet for one campaign: namespaces of its own in which every address answers and nothing else exists.

    netspace.enter(argv)          runs argv inside and returns its exit status
    netspace.prepare(names)       inside: routes, and /etc/hosts with those names; before anything else
    with netspace.trouble(ports, how): ...    how: cut, loss or reset, for TCP on those ports

Networks, mounts and processes are apart from the machine's: what the campaign leaves behind is visible, and ends with it. Without
root the same is made in a user namespace. Packets are dropped by nftables.
"""
import contextlib
import itertools
import os
import pathlib
import signal
import subprocess
import tempfile

import netns

SETUP = ((netns.tool("ip"), "link", "set", "lo", "up"), (netns.tool("ip"), "route", "add", "local", "default", "dev", "lo"),
         ("mount", "-t", "tmpfs", "-o", "mode=1777", "none", "/dev/shm"), (netns.tool("nft"), "add", "table", "inet", "faults"))
VERDICTS = {"cut": ("drop",), "loss": ("numgen", "random", "mod", "100", "lt", "30", "drop"), "reset": ("reject", "with", "tcp", "reset")}
numbers = itertools.count()


def enter(argv):
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        words += ["--user", "--map-current-user", "--keep-caps"]
    process = subprocess.Popen(words + argv, start_new_session=True)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: pass_on(process.pid))
    return process.wait()


def pass_on(pid):
    """To the first process inside; unshare itself would only die and kill it."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            os.kill(int(child), signal.SIGTERM)


def prepare(names):
    for words in SETUP:
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"no namespaces to break things in: {' '.join(words)}: {done.stderr.strip()}")
    with tempfile.NamedTemporaryFile("w", delete=False) as hosts:
        hosts.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items()))
    os.chmod(hosts.name, 0o644)
    subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
    os.unlink(hosts.name)


def tmpfs(folder, size):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)


@contextlib.contextmanager
def trouble(port, how):
    chain = f"{how}{next(numbers)}"
    nft("add", "chain", "inet", "faults", chain, "{ type filter hook output priority 0; }")
    try:
        for side in ("dport", "sport"):
            nft("add", "rule", "inet", "faults", chain, "tcp", side, str(port), *VERDICTS[how])
        yield
    finally:
        nft("delete", "chain", "inet", "faults", chain)


def nft(*words):
    netns.call(netns.tool("nft"), *words)
