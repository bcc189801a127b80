"""Programs of ours, and the browser, that are killed or stand still."""
import contextlib
import pathlib
import signal

from kinds import KINDS, kind


def kill_child(unit):
    def fault(stand, rng, _):
        children = stand.units[unit].program.children()
        if children:
            stand.units[unit].kill(rng.choice(children))
        yield
    return fault


def kill_parent(unit):
    def fault(stand, _rng, _):
        stand.units[unit].kill(stand.units[unit].program.pid)
        yield
    return fault


def stop_one(unit, children):
    def fault(stand, rng, _):
        running = stand.units[unit]
        pids = running.program.children() if children else running.family()
        pids = [rng.choice(pids)] if children else pids
        for pid in pids:
            running.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                running.kill(pid, signal.SIGCONT)
    return fault


def worker_of(rng):
    return rng.choice(("worker", "worker", "worker-b"))


KINDS["edge-child-killed"] = kill_child("edge")
KINDS["edge-killed"] = kill_parent("edge")
KINDS["edge-child-stopped"] = stop_one("edge", True)
KINDS["monitor-killed"] = kill_parent("monitor")
KINDS["monitor-stopped"] = stop_one("monitor", False)


@kind("worker-child-killed")
def worker_child_killed(stand, rng, lasts):
    return kill_child(worker_of(rng))(stand, rng, lasts)


@kind("worker-killed")
def worker_killed(stand, rng, lasts):
    return kill_parent(worker_of(rng))(stand, rng, lasts)


@kind("worker-child-stopped")
def worker_child_stopped(stand, rng, lasts):
    return stop_one(worker_of(rng), True)(stand, rng, lasts)


def browsers():
    """Chromium's first processes: those that are nobody's renderer or helper."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"headless" in words[0] and b"--remote-debugging-pipe" in words and not any(w.startswith(b"--type=") for w in words):
                found.append(int(entry.name))
    return found


@kind("browser-killed")
def browser_killed(stand, rng, _):
    found = browsers()
    if found:
        stand.units["worker"].kill(rng.choice(found))
    yield
