"""Processes as /proc shows them: who descends from whom, and what they cost. One that ends while it is looked at is gone, no error."""
import contextlib
import pathlib


def status_of(pid):
    """The lines of /proc/PID/status, or None for a process that is gone or a zombie."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return None if fields["State"].startswith("Z") else fields


def words_of(pid):
    """Its command line; Chromium's own processes write theirs anew, with blanks between."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()
    except OSError:
        return []


def parents():
    """Parent by process id, of everything that runs."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit() and (status := status_of(folder.name)):
            found[int(folder.name)] = int(status["PPid"])
    return found


def below(pid):
    """All processes that descend from pid."""
    of, found = parents(), set()
    for child in of:
        at = child
        while at in of and at != pid:
            at = of[at]
        if at == pid and child != pid:
            found.add(child)
    return found


def family(pid):
    """pid and all that descend from it."""
    return {pid, *below(pid)}


def cpu_s(pids):
    """What they took so far in all their threads, by the scheduler's own clock; of those that have ended, nothing."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(task.read_text().split()[0])
    return total / 1e9


def memory_mb(pids):
    """(their proportional set, the part of it that is no file's), in MiB."""
    whole = own = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = dict(line.split(":") for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
            whole += int(fields["Pss"].split()[0])
            own += int(fields["Pss_Anon"].split()[0]) + int(fields["Pss_Shmem"].split()[0])
    return whole / 1024, own / 1024
