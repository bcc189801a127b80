"""What the tests with several connections share: a fresh migrated database each, and threads that report errors."""
import json
import pathlib
import select
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from cluster import cluster, db  # noqa: E402, F401

PATIENCE_S = 60   # a net under waits for things that happen at once


class Session:
    """One connection. `one` returns the first row's first column, `all` the rows, `run` nothing."""

    def __init__(self, conn):
        self.conn = conn
        self.pid = conn.get_backend_pid()

    def all(self, sql, *values):
        with self.conn.cursor() as cur:
            cur.execute(sql, values)
            return cur.fetchall()

    def one(self, sql, *values):
        rows = self.all(sql, *values)
        return rows[0][0] if rows else None

    def run(self, sql, *values):
        with self.conn.cursor() as cur:
            cur.execute(sql, values)

    def claim(self, slots, worker, lease_ms=120000, batch=None):
        """(request, attempt, ip) of each pair."""
        return self.all("SELECT request_id::text, attempt, ip_address"
                        " FROM claim_traces(%s, %s, %s, NULL, NULL, NULL, %s)", slots, worker, lease_ms, batch)

    def finish(self, worker, pairs, **result):
        """How many results were accepted."""
        results = [{"outcome": "ok", "blame": "none", "response_ms": 1, "request_id": request, "attempt": attempt, "ip": ip,
                    **result} for request, attempt, ip in pairs]
        return self.one("SELECT count(*) FROM finish_traces(%s, %s) WHERE accepted", worker, json.dumps(results))

    def finish_and_claim(self, worker, pairs, slots, **result):
        """One transaction, as a busy worker has it: how many results were accepted, and the next pairs."""
        self.run("BEGIN")
        try:
            accepted, taken = self.finish(worker, pairs, **result), self.claim(slots, worker)
        except BaseException:
            self.run("ROLLBACK")   # or the others would wait for us
            raise
        self.run("COMMIT")
        return accepted, taken

    def wait_until_blocked(self, pid):
        """Until that backend waits for a lock."""
        self.wait_for("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock')", pid)

    def wait_for(self, sql, *values):
        deadline = time.monotonic() + PATIENCE_S
        while not self.one(sql, *values):
            assert time.monotonic() < deadline, f"never true: {sql}"
            time.sleep(0.005)

    def notified(self):
        """Channels of the notifications that have arrived, in order. A round trip first: what was committed is there."""
        self.run("SELECT 1")
        while select.select([self.conn], [], [], 0)[0]:
            self.conn.poll()
        self.conn.poll()
        found = [note.channel for note in self.conn.notifies]
        self.conn.notifies.clear()
        return found


@pytest.fixture
def session(db):  # noqa: F811
    """session(user=...) opens one more connection to the test's database."""
    opened = []

    def open_session(**options):
        opened.append(db.connect(**options))
        return Session(opened[-1])

    yield open_session
    for conn in opened:
        conn.close()


@pytest.fixture
def together():
    """together(f, g, ...) runs each in a thread of its own and returns their results; the first error is raised."""

    def run_together(*functions):
        results = [None] * len(functions)
        errors = []

        def run(i):
            try:
                results[i] = functions[i]()
            except BaseException as error:   # raised again below
                errors.append(error)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results

    return run_together


@pytest.fixture
def in_background():
    """in_background(f) starts f in a thread; calling what it returns waits for the result."""
    threads = []

    def start(function):
        box = {}

        def run():
            try:
                box["result"] = function()
            except BaseException as error:   # raised by whoever asks for the result
                box["error"] = error

        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)

        def result():
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "still blocked"
            if "error" in box:
                raise box["error"]
            return box["result"]

        return result

    yield start
    for thread in threads:
        thread.join()


@pytest.fixture
def stock(session):
    """stock(ips=, requests=, countries=) fills pool and queue; a cooldown in seconds, 0 unless said otherwise."""
    setup = session()

    def fill(ips, requests, countries=("us",), cooldown_s=0):
        setup.run("UPDATE trace_policy SET cooldown_s = %s", cooldown_s)
        setup.run("INSERT INTO ip_rotation_pool (ip_address, country, provider)"
                  " SELECT c || '-' || i, c, 'other' FROM unnest(%s) AS c, generate_series(1, %s) AS i", list(countries), ips)
        setup.run("INSERT INTO active_trace_requests (tracking_url, target_country)"
                  " SELECT 'https://t.example/' || i, c FROM unnest(%s) AS c, generate_series(1, %s) AS i", list(countries), requests)
        return setup

    return fill
