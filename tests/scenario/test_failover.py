"""Two real servers, a primary and its streaming standby, in one connection string: who follows, and what is lost.

The standby is promoted when the primary is gone. Programs find it by themselves; what was answered 302 is one row
afterwards, also where the standby lacked it.
"""
import contextlib
import json
import os
import signal
import types

import pytest

import farm
from cluster import OWNER, Cluster, Standby
from edges import add_offer, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)
from whole import TOKEN, ask, clicking, site  # noqa: F401  (site is a fixture)


class Pair:
    """A primary with a database of the test's own, and a standby that streams from it."""

    def __init__(self, primary):
        self.primary, self.made = primary, primary.new_database(template=OWNER)
        self.standby = Standby(primary).create()
        self.has_failed_over = False
        self.db = farm.Database(primary.socket_url(user="postgres", database=self.made.name))
        self.db.url_as = lambda user: self.url(user, f"127.0.0.1:{self.standby.port},127.0.0.1:{primary.port}")

    def url(self, user, hosts, wanted="read-write"):
        return f"postgresql://{user}:{self.primary.password}@{hosts}/{self.made.name}?target_session_attrs={wanted}"

    def wait_streaming(self):
        self.db.wait_for("SELECT EXISTS (SELECT FROM pg_stat_get_wal_senders())")

    def be_synchronous(self):
        """A commit is answered when the standby has it, too."""
        run_as_superuser(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        self.db.wait_for("SELECT EXISTS (SELECT FROM pg_stat_get_wal_senders() WHERE sync_state = 'sync')")

    def stop_streaming(self):
        """The standby lives, and hears nothing any more."""
        run_as_superuser(self.standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_get_wal_senders())")

    def fail_over(self):
        self.db.close()
        self.primary.stop_immediate()
        self.standby.promote()
        self.has_failed_over = True
        self.db.url = self.standby.socket_url(user="postgres", database=self.made.name)


def run_as_superuser(server, *statements):
    connection = server.connect(user="postgres")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


@pytest.fixture(scope="module")
def succession():
    """Its head is the server that takes writes now: the first one, or the last that was promoted."""
    with Cluster() as first:
        first.migrate()
        made = types.SimpleNamespace(head=first)
        yield made
        made.head.destroy()


@pytest.fixture
def pair(succession):
    both = Pair(succession.head)
    try:
        both.wait_streaming()
        yield both
    finally:
        both.db.close()
        succession.head, other = (both.standby, both.primary) if both.has_failed_over else (both.primary, both.standby)
        other.destroy()
        succession.head.drop_database(both.made)


@pytest.fixture
def db(pair):
    """What the programs' fixtures work on: both servers in one string, the standby first."""
    return pair.db


def test_all_follow_a_synchronous_standby_and_nothing_is_lost(pair, site, db, web, pool, proxies):
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0")
    for proxy in proxies(3):
        pool.add(proxy)
    pair.be_synchronous()
    site.start_edge(), site.start_monitor()
    site.start_worker("--worker.slots=8", LISTEN_URL=db.url_as("tracepool_worker"))
    with clicking(site) as others:
        db.wait_for("SELECT count(*) > 20 FROM active_trace_requests WHERE status = 'completed'")
        pair.fail_over()
        before = db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'completed'")
        db.wait_for("SELECT count(*) > %s FROM active_trace_requests WHERE status = 'completed'", before + 20)
    assert others == [], "the edge answers through it all"
    site.every_click_is_one_ended_row()
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('new', 'http://shop.test/')")
    site.offers_are_loaded(2)
    report = json.loads(ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")[2])
    assert report["pool_summary"]["us"]["total"] == 3


def test_what_an_asynchronous_standby_lacks_comes_from_the_kept_segments(pair, db, edge):
    add_offer(db)
    running = edge("--edge.spool_keep_s=3600", "--edge.segment_bytes=4096").wait_ready()
    for n in range(20):
        assert running.click(f"offer=o&n={n}&x={'x' * 400}")[0] == 302
    wait_rows(db, 20)
    db.wait_for("SELECT pg_current_wal_lsn() <= replay_lsn FROM pg_stat_get_wal_senders()")
    pair.stop_streaming()
    for n in range(20, 60):
        assert running.click(f"offer=o&n={n}&x={'x' * 400}")[0] == 302
    wait_rows(db, 60)
    farm.wait_for(lambda: running.metric("tracepool_spool_unshipped_bytes") == 0, "the end of shipping")
    assert len(running.segments(".kept")) > 3
    db.run("DELETE FROM active_trace_requests WHERE inbound_params ->> 'n' = '0'")
    pair.fail_over()
    found = wait_rows(db, 60)
    assert sorted(int(row["inbound_params"]["n"]) for row in found) == list(range(60)), "each once"
    assert [e["event"] for e in running.program.events("spool.other_server")] == ["spool.other_server"]
    assert running.metric("tracepool_spool_shipped_again_total") > 3


def test_an_edge_that_was_not_running_finds_out_too(pair, db, edge):
    add_offer(db)
    running = edge("--edge.spool_keep_s=3600").wait_ready()
    db.wait_for("SELECT pg_current_wal_lsn() <= replay_lsn FROM pg_stat_get_wal_senders()")
    pair.stop_streaming()
    assert running.click("offer=o&n=1")[0] == 302
    wait_rows(db, 1)
    running.program.stop()
    pair.fail_over()
    assert rows(db) == []
    edge("--edge.spool_keep_s=3600", ports=running)
    assert [row["inbound_params"] for row in wait_rows(db, 1)] == [{"n": "1"}]


def test_a_server_that_takes_no_writes_is_left_and_asked_again(pair, db, edge):
    add_offer(db)
    # any: as behind a name or a proxy that leads to a server without asking what it takes
    running = edge(database=pair.url("tracepool_edge", f"127.0.0.1:{pair.primary.port}", "any")).wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    run_as_superuser(pair.primary, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        db.wait_for("SELECT current_setting('default_transaction_read_only') = 'on'")
        assert running.click("offer=o&n=1")[0] == 302
        assert "takes no writes" in running.program.wait_event("database.down")[0]["detail"]
        assert running.click("offer=o&n=2")[0] == 302
    finally:
        run_as_superuser(pair.primary, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only",
                         "SELECT pg_reload_conf()")
    assert {row["inbound_params"]["n"] for row in wait_rows(db, 2)} == {"1", "2"}


def signal_all(pids, signum):
    """One of the server's short-lived processes may be gone by now."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def test_a_stopped_server_is_given_up_and_found_again(pair, db, edge):
    """It acknowledges every packet, so the kernel never complains: only a deadline of our own helps."""
    add_offer(db)
    running = edge("--database.query_timeout_ms=1000").wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    db.close()
    stopped = [pair.primary.process.pid, *farm.children_of(pair.primary.process.pid)]
    signal_all(stopped, signal.SIGSTOP)
    try:
        assert running.click("offer=o&n=1")[0] == 302
        assert "no answer within 1000 ms" in running.program.wait_event("database.down")[0]["detail"]
        assert running.click("offer=o&n=2")[0] == 302
    finally:
        signal_all(stopped, signal.SIGCONT)
    assert len(wait_rows(db, 2)) == 2
    assert len(running.program.wait_event("database.up", 2)) >= 2
