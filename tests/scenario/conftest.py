"""Fixtures of the scenario tests: a database, a scripted web, real proxies, the programs.

    def test_something(db, worker, ...): ...

db        a freshly migrated database of its own for the test (farm.Database; db.url for programs)
cluster   the PostgreSQL server it lives in (tests/lib/cluster.py), shared by the whole run
web       a web that the test sets up (tests/lib/stage.py); also the proxy that the tinyproxies hand on to
start     start(program, *args, ready=EVENT, **environment): any of our programs, ended after the test
worker    worker(*args, **environment): tracepool-worker on db, waited for until a child is ready
proxies   proxies(n, auth=None): n tinyproxies, each with an exit address of its own
pool      add providers, IPs, offers and requests in one line each
"""
import pathlib
import sys
import uuid

import psycopg2.extras
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import farm  # noqa: E402
from cluster import OWNER, cluster  # noqa: E402, F401  (cluster is a fixture)
from stage import Stage  # noqa: E402


@pytest.fixture
def db(cluster):  # noqa: F811
    made = cluster.new_database(template=OWNER)
    database = farm.Database(made.url)
    database.url_as = made.url_as  # as one of the programs' roles
    yield database
    database.close()
    cluster.drop_database(made)


@pytest.fixture
def start(tmp_path):
    """Any program of the build; what still runs when the test ends is ended, newest first."""
    started = []

    def start_program(program, *args, ready=None, ready_count=1, **environment):
        log = tmp_path / f"{program}-{len(started)}.log"
        running = farm.Program([farm.binary(program), *args], log, environment, cwd=tmp_path)
        started.append(running)
        if ready:
            running.wait_event(ready, ready_count)
        return running

    yield start_program
    for running in reversed(started):
        running.stop()
    for running in started:   # a program that heals itself would hide it otherwise
        assert not running.faults(), running.faults()


@pytest.fixture
def web():
    with Stage() as site:
        yield site


@pytest.fixture
def proxies(tmp_path, web):
    started = []
    addresses = iter(farm.exit_addresses(60))

    def start_proxies(count, auth=None):
        new = [farm.Tinyproxy(tmp_path, next(addresses), web.port, auth) for _ in range(count)]
        started.extend(new)
        return new

    yield start_proxies
    for proxy in started:
        proxy.stop()


@pytest.fixture
def secrets_dir(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def worker(start, db, secrets_dir):
    """The farm, small and quick: what a test does not say is one child of 8 slots."""

    def start_worker(*args, children=1, **environment):
        settings = {"worker.children": children, "worker.slots": 8, "worker.poll_ms": 200,
                    "worker.heartbeat_s": 1, "worker.secrets_dir": secrets_dir,
                    "trace.allow_private": "true", "trace.timeout_s": 20, "log.level": "debug",
                    "auto.sample_percent": 0}   # visits are counted, and no test may depend on an id
        options = [f"--{key}={value}" for key, value in settings.items()]
        return start("tracepool-worker", *options, *args, ready="worker.ready", ready_count=children,
                     **{"DATABASE_URL": db.url_as("tracepool_worker"), **environment})

    return start_worker


class Pool:
    """Rows that tests need, in one line each."""

    def __init__(self, db):
        self.db = db

    def add(self, proxy, country="us", provider="other"):
        """A tinyproxy (or anything with address and port) as an IP of that country."""
        self.db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) "
                    "VALUES (%s, %s, %s, %s)", proxy.address, str(proxy.port), country, provider)
        return proxy.address

    def ip(self, address):
        return self.db.one("SELECT * FROM ip_rotation_pool WHERE ip_address = %s", address)

    def request(self, url, country="us", **columns):
        """A pending request; returns its id as text."""
        columns = {"request_id": str(uuid.uuid4()), "tracking_url": url, "target_country": country, **columns}
        values = [psycopg2.extras.Json(v) if isinstance(v, dict) else v for v in columns.values()]
        self.db.run(f"INSERT INTO active_trace_requests ({', '.join(columns)}) "
                    f"VALUES ({', '.join(['%s'] * len(values))})", *values)
        return columns["request_id"]

    def row(self, request_id):
        return self.db.one("SELECT * FROM active_trace_requests WHERE request_id = %s", request_id)

    def ended(self, request_id, timeout=farm.PATIENCE_S):
        """Waits until the request is in a terminal state and returns its row."""
        self.db.wait_for("SELECT status::text IN ('completed', 'failed', 'timeout') "
                         "FROM active_trace_requests WHERE request_id = %s", request_id, timeout=timeout)
        return self.row(request_id)

    def nothing_held(self):
        """The invariant after everything ended: no IP locked, no request in flight."""
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM ip_rotation_pool WHERE status = 'locked') "
                         "AND NOT EXISTS (SELECT FROM active_trace_requests "
                         "WHERE status::text IN ('pending', 'processing'))")


@pytest.fixture
def pool(db):
    return Pool(db)
