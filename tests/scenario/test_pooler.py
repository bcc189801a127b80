"""The programs behind PgBouncer in transaction mode: every statement may meet another server connection."""
import os
import pathlib
import pwd
import shutil
import signal
import tempfile
import urllib.parse

import pytest

import farm
from edges import add_offer, edge, wait_rows  # noqa: F401  (edge is a fixture)
from monitors import verb
from stage import PAGE, redirect

POOL_SIZE = 2
CONFIG = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {pool_size}
server_idle_timeout = 5
ignore_startup_parameters = extra_float_digits, options
"""


class Bouncer:
    """PgBouncer in front of a database's server; two server connections for all of its clients."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.port = farm.free_port()
        self.url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.port}").geturl()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tracepool-pooler-"))
        (self.folder / "users.txt").write_text(f'"{parts.username}" "{parts.password}"\n')
        config = self.folder / "pgbouncer.ini"
        config.write_text(CONFIG.format(server_port=parts.port, port=self.port, folder=self.folder,
                                        pool_size=POOL_SIZE))
        words = [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", config]
        if os.geteuid() == 0:   # it refuses root
            for path in [self.folder, *self.folder.iterdir()]:
                os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
            words = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *words]
        self.program = farm.Program(words, self.folder / "log")
        farm.wait_port(self.port, "127.0.0.1", self.program.is_running)

    def stop(self):
        self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def pooler_for(db):
    """pooler_for(role): a pooler that takes that role's clients."""
    started = []

    def start_pooler(role):
        started.append(Bouncer(db.url_as(role)))
        return started[-1]

    yield start_pooler
    for bouncer in started:
        bouncer.stop()


@pytest.fixture
def pooler(pooler_for):
    return pooler_for("tracepool_worker")


@pytest.fixture
def shop(db, web, pool, proxies):
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0")
    for proxy in proxies(3):
        pool.add(proxy)
    web.add("http://go.test/", redirect("http://shop.test/"))
    web.add("http://shop.test/", PAGE)


@pytest.mark.parametrize("listens", [True, False], ids=["listen_url", "polling"])
def test_traces_run_through_a_transaction_pooler(listens, shop, db, pool, worker, pooler):
    direct = {"LISTEN_URL": db.url_as("tracepool_worker")} if listens else {}
    working = worker("--database.pooled=true", children=2, DATABASE_URL=pooler.url, **direct)
    requests = [pool.request("http://go.test/") for _ in range(20)]
    rows = [pool.ended(request) for request in requests]
    assert {(r["status"], r["final_url"], r["attempt"]) for r in rows} == {("completed", "http://shop.test/", 1)}
    pool.nothing_held()
    assert db.value("SELECT count(*) FROM trace_attempts") == 20
    assert working.events(level="error") == []
    servers = db.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tracepool_worker'")
    assert (servers > POOL_SIZE) == listens, "one more for each child that listens, and none otherwise"


def test_a_batch_runs_through_a_transaction_pooler(shop, db, pool, worker, pooler, start):
    worker("--database.pooled=true", "--worker.mode=batch", DATABASE_URL=pooler.url)
    requests = [pool.request("http://go.test/") for _ in range(4)]
    asked = start("tracepool-worker", "--database.pooled=true", "run-batch", "3", "2", DATABASE_URL=pooler.url)
    assert asked.wait() == 0, asked.text()
    assert sorted(pool.row(r)["status"] for r in requests) == ["completed"] * 3 + ["pending"]


def test_leases_of_a_killed_child_come_back_through_a_pooler(shop, db, web, pool, worker, pooler):
    web.add("http://slow.test/", PAGE, held=True)
    worker("--database.pooled=true", children=2, DATABASE_URL=pooler.url)
    request = pool.request("http://slow.test/")
    farm.wait_for(lambda: web.visits("http://slow.test/"), "the trace at its target")
    holder = pool.row(request)["claimed_by"]
    os.kill(int(holder.split(".")[-2]), signal.SIGKILL)
    db.wait_for("SELECT count(*) = 1 FROM trace_attempts WHERE worker = %s AND error = 'worker_died'", holder)
    web.release("http://slow.test/")
    assert pool.ended(request)["status"] == "completed"
    pool.nothing_held()


def test_the_pooler_may_restart_under_a_running_worker(shop, db, pool, worker, pooler):
    worker("--database.pooled=true", DATABASE_URL=pooler.url)
    assert pool.ended(pool.request("http://go.test/"))["status"] == "completed"
    config = pooler.program.argv
    pooler.program.stop()
    request = pool.request("http://go.test/")
    pooler.program = farm.Program(config, pooler.folder / "log")
    assert pool.ended(request)["status"] == "completed"
    pool.nothing_held()


def test_clicks_are_shipped_and_offers_read_through_a_transaction_pooler(db, edge, pooler_for):
    add_offer(db)
    running = edge("--database.pooled=true", "--edge.offers_poll_s=1", database=pooler_for("tracepool_edge").url, children=3).wait_ready()
    for n in range(30):
        assert running.click(f"offer=o&n={n}")[0] == 302
    assert {row["inbound_params"]["n"] for row in wait_rows(db, 30)} == {str(n) for n in range(30)}
    add_offer(db, "late")
    farm.wait_for(lambda: running.click("offer=late&x=1")[0] == 302, "an offer that no NOTIFY told of")
    assert running.program.events(level="error") == []


def test_the_monitor_looks_through_a_transaction_pooler(db, start, pooler_for):
    url = pooler_for("tracepool_monitor").url
    assert verb(db, "snapshot", "--database.pooled=true", url=url)[0] == 0
    assert db.value("SELECT count(*) FROM ip_pool_statistics") == 1
    looking = start("tracepool-monitor", "--database.pooled=true", "--monitor.interval_s=1", f"--api.listen=127.0.0.1:{farm.free_port()}",
                    DATABASE_URL=url)
    db.wait_for("SELECT count(*) >= 3 FROM ip_pool_statistics")
    assert looking.events(level="error") == []
