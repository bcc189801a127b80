"""PostgreSQL: gone, stopped, cut off, locked, and in all its moods."""
import contextlib
import signal
import time

import psycopg2

import farm
import netspace
from kinds import KINDS, kind

LOCKABLE = ("active_trace_requests", "ip_rotation_pool", "trace_attempts", "process_heartbeats", "ip_pool_statistics", "tracking_events",
            "offers", "trace_policy")


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
    def loop(done):
        while not done.wait(pause_s):
            with contextlib.suppress(psycopg2.Error), session(stand) as (connection, cursor):
                while not done.wait(pause_s):
                    step(connection, cursor)
    with farm.meanwhile(loop):
        yield


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


def take_connections(stand, taken):
    with contextlib.suppress(psycopg2.OperationalError):
        while True:
            taken.enter_context(contextlib.closing(stand.cluster.connect()))


@kind("connections-used-up")
def connections_used_up(stand, *_):
    """All that are free, then all that ours had; only a superuser's are left."""
    with contextlib.ExitStack() as taken, session(stand) as (_, cursor):
        for _ in range(2):
            take_connections(stand, taken)
            cursor.execute(END_SESSIONS)
        take_connections(stand, taken)
        yield
