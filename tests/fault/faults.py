"""What each kind of fault does: a generator that breaks something, yields while it stays broken, and mends it.

    with broken(stand, fault): ...        fault is one of schedule.plan()

Each runs in a thread of its own beside others; nothing here may assume that what it needs is still alive. `dice` chooses among what is
there. What a fault touches, for those who judge the outcome, is its family: the first word of its kind, or what FAMILIES says.
"""
import contextlib
import functools
import os
import pathlib
import random
import resource
import signal
import threading
import time

import psycopg2

import farm
import netspace

LOCKABLE = ("active_trace_requests", "ip_rotation_pool", "trace_attempts", "process_heartbeats", "ip_pool_statistics", "tracking_events",
            "offers", "trace_policy")
RECORD_AT, CHECKPOINT = 48, slice(32, 48)   # edge/segment.h
FAMILIES = {"table-locked": "database", "statements-cancelled": "database", "sessions-ended": "database", "deadlocks": "database",
            "serializable": "database", "read-only": "database", "connections-used-up": "database", "spool-disk-full": "edge",
            "proxies-die": "proxy", "proxies-hang": "proxy", "proxies-drip": "proxy", "proxies-refuse": "proxy", "proxies-lie": "proxy",
            "tinyproxy-killed": "proxy", "spool-torn": "spool", "spool-flipped": "spool"}
KINDS = {}


def kind(name, *given):
    def add(function):
        KINDS[name] = functools.partial(function, *given) if given else function
        return function
    return add


def family(name):
    return FAMILIES.get(name, name.split("-", maxsplit=1)[0])


@contextlib.contextmanager
def broken(stand, fault):
    make = contextlib.contextmanager(KINDS[fault.name])
    with make(stand, random.Random(fault.dice), fault.lasts) as touched:
        yield touched or family(fault.name)


def run(stand, fault, over):
    """For a thread: breaks, waits until its time or everything is over, mends, and writes down from when to when."""
    begun, touched, trouble = time.time(), family(fault.name), None
    try:
        with broken(stand, fault) as touched:
            over.wait(fault.lasts)
    except (OSError, psycopg2.Error, ValueError, IndexError, AssertionError) as error:
        trouble = repr(error)
    stand.ledger.note("fault", name=fault.name, family=touched, began=begun, ended=time.time(), trouble=trouble)


# --- processes


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


# --- the database, its network, its moods


@kind("database-crashed")
@kind("database-away")
def database_out(stand, rng, _):
    token = rng.random()
    stand.database_out(token)
    try:
        yield
    finally:
        stand.database_back(token)


@kind("database-stopped")
def database_stopped(stand, *_):
    stand.signal_server(signal.SIGSTOP)
    try:
        yield
    finally:
        stand.signal_server(signal.SIGCONT)


def network(how):
    def fault(stand, *_):
        with netspace.trouble(stand.cluster.port, how):
            yield
    return fault


KINDS["database-cut"] = network("cut")
KINDS["database-lossy"] = network("loss")


@kind("database-reset")
def database_reset(stand, *_):
    with netspace.trouble(stand.cluster.port, "reset"):
        time.sleep(0.5)
    yield


@contextlib.contextmanager
def session(stand, user="postgres"):
    with contextlib.closing(stand.cluster.connect(user=user, connect_timeout=2)) as connection:
        yield connection, connection.cursor()


def insist(stand, *statements):
    """Until the server has taken them, however often it is away."""
    while True:
        with contextlib.suppress(psycopg2.Error), session(stand) as (_, cursor):
            for statement in statements:
                cursor.execute(statement)
            return
        time.sleep(0.2)


@kind("table-locked")
def table_locked(stand, rng, _):
    with session(stand) as (connection, cursor):
        connection.autocommit = False
        cursor.execute(f"LOCK TABLE {rng.choice(LOCKABLE)} IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@contextlib.contextmanager
def again_and_again(stand, step, pause_s):
    """step(connection, cursor) in another thread, with a session for itself, until the fault ends."""
    done = threading.Event()

    def loop():
        while not done.wait(pause_s):
            with contextlib.suppress(psycopg2.Error), session(stand) as (connection, cursor):
                while not done.wait(pause_s):
                    step(connection, cursor)
    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@kind("statements-cancelled")
def statements_cancelled(stand, *_):
    """As a statement_timeout would: whatever runs at a moment."""
    def step(_, cursor):
        cursor.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND usename LIKE 'tracepool_%'")
    with again_and_again(stand, step, 0.01):
        yield


END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'tracepool_%'"


@kind("sessions-ended")
def sessions_ended(stand, *_):
    with session(stand) as (_, cursor):
        cursor.execute(END_SESSIONS)
    yield


@kind("deadlocks")
def deadlocks(stand, *_):
    """Requests are locked before their IPs, against the order that everybody else keeps; who is patient wins."""
    def step(connection, cursor):
        connection.autocommit = False
        cursor.execute("SET LOCAL deadlock_timeout = '60s'")
        cursor.execute("SELECT ip_assigned FROM active_trace_requests WHERE status = 'processing' LIMIT 5 FOR UPDATE SKIP LOCKED")
        ips = [row[0] for row in cursor.fetchall()]
        time.sleep(0.1)
        cursor.execute("SELECT FROM ip_rotation_pool WHERE ip_address = ANY (%s) FOR UPDATE", (ips,))
        connection.rollback()
    with again_and_again(stand, step, 0.05):
        yield


def configured(name, *values):
    def fault(stand, rng, _):
        insist(stand, f"ALTER SYSTEM SET {name} = '{rng.choice(values)}'", "SELECT pg_reload_conf()")
        try:
            yield
        finally:
            insist(stand, "SET default_transaction_read_only = off", f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
    return fault


KINDS["serializable"] = configured("default_transaction_isolation", "serializable", "repeatable read")
KINDS["read-only"] = configured("default_transaction_read_only", "on")


@kind("connections-used-up")
def connections_used_up(stand, *_):
    with contextlib.ExitStack() as taken, session(stand) as (_, cursor):
        cursor.execute(END_SESSIONS)
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                taken.enter_context(contextlib.closing(stand.cluster.connect()))
        yield


# --- the spool


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
    """A child of some program may have no more of it than it has now, or little more."""
    def fault(stand, rng, _):
        unit = stand.units[rng.choice(sorted(stand.units))]
        pid = rng.choice(unit.family()[1:] or unit.family())
        with contextlib.suppress(OSError):
            before = resource.prlimit(pid, name)
            resource.prlimit(pid, name, (least(pid), before[1]))
        yield unit.name
        with contextlib.suppress(OSError):
            resource.prlimit(pid, name, before)
    return fault


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd")) + 1


def memory_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize() + (256 << 10)


KINDS["descriptors-used-up"] = limited(resource.RLIMIT_NOFILE, descriptors_of)
KINDS["memory-used-up"] = limited(resource.RLIMIT_AS, memory_of)
