"""Disks, clocks, proxies and the limits of a process."""
import contextlib
import os
import pathlib
import resource

from kinds import KINDS, kind

RECORD_AT, CHECKPOINT = 48, slice(32, 48)   # edge/segment.h


@kind("spool-disk-full")
def spool_disk_full(stand, *_):
    filler = stand.folder / "spool" / "filler"
    with open(filler, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(65536)):
                pass
        try:
            yield
        finally:
            filler.unlink()


def damaged_segment(damage):
    """A segment of a process that is gone, as a crash may leave it: a copy of what is spooled, none of it committed, and damaged."""
    def fault(stand, rng, _):
        segments = [path for path in (stand.folder / "spool" / "clicks").glob("*.spool") if path.stat().st_size > RECORD_AT]
        if segments:
            content = bytearray(rng.choice(segments).read_bytes())
            content[CHECKPOINT] = bytes(16)
            content = damage(rng, content)
            draft = stand.folder / "spool" / f"clicks/draft-{rng.randrange(1 << 30)}"
            draft.write_bytes(content)
            draft.rename(draft.with_name(f"gone.1.{rng.randrange(1 << 30)}-00000001.spool"))
        yield
    return fault


def torn(rng, content):
    return content[:max(RECORD_AT, len(content) - rng.randrange(1, 200))]


def flipped(rng, content):
    for _ in range(rng.randrange(1, 20)):
        content[rng.randrange(RECORD_AT, len(content))] ^= 1 << rng.randrange(8)
    return content


KINDS["spool-torn"] = damaged_segment(torn)
KINDS["spool-flipped"] = damaged_segment(flipped)


# --- clocks, proxies, limits


@kind("clock-jumps")
def clock_jumps(stand, rng, _):
    unit = stand.units[rng.choice(sorted(stand.units))]
    unit.set_clock(rng.choice(("+2h", "-1h", "+90", "-30", "+400d")))
    try:
        yield
    finally:
        unit.set_clock("+0")


def proxies(how):
    def fault(stand, rng, lasts):
        users = [f"u{number}" for number in range(stand.options.ips)]
        stand.tell_gateway(rng.sample(users, rng.randrange(1, 1 + len(users) // 3)), how, lasts)
        yield
    return fault


for mood in ("die", "hang", "drip", "refuse", "lie"):
    KINDS[f"proxies-{mood}"] = proxies(mood)


@kind("tinyproxy-killed")
def tinyproxy_killed(stand, rng, _):
    proxy = rng.choice(stand.tinyproxies)
    proxy.program.process.kill()
    try:
        yield
    finally:
        stand.jobs.put(lambda: proxy.program.is_running() or proxy.start())


def limited(name, least):
    """A child of some program may have no more of it than it has now, or hardly more."""
    def fault(stand, rng, _):
        unit = stand.units[rng.choice(sorted(stand.units))]
        pid = rng.choice(unit.family()[1:] or unit.family())
        before = None
        with contextlib.suppress(OSError):   # it ended meanwhile
            before = resource.prlimit(pid, name)
            resource.prlimit(pid, name, (least(pid), before[1]))
        yield unit.name
        if before:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, name, before)
    return fault


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd")) - 1


def memory_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize() + (256 << 10)


KINDS["descriptors-used-up"] = limited(resource.RLIMIT_NOFILE, descriptors_of)
KINDS["memory-used-up"] = limited(resource.RLIMIT_AS, memory_of)
