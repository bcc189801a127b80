"""At most once, and nothing forgotten: workers are killed while a ledger writes down what arrives.

TRACEPOOL_DELIVERY=10000,100 is the long version: so many events, so many kills. Kills alternate between any moment and those
that a worker can be caught in: while it claims, claimed and not begun, begun and not answered (a receiver that hesitates),
answered and while it marks. A lock holds PostgreSQL back where a statement is to be cut off in the middle.
"""
import collections
import contextlib
import os
import random
import re
import signal
import time

import farm
import pytest
from adviews import AdViews
from sink import Sink

EVENTS, KILLS = (int(n) for n in os.environ.get("TRACEPOOL_DELIVERY", "300,12").split(","))
PER_VIEW = ("impression", "start", "creativeView", "firstQuartile", "midpoint", "complete")
PER_KILL_MS = 700    # what one round takes: so long are the impressions spread, so that each kill meets some
FIRE = ("--tracking.mode=fire", "--tracking.poll_ms=50", "--tracking.host_rate=10000", "--tracking.host_concurrency=16",
        "--tracking.timeout_ms=1000", "--tracking.lease_s=3", "--tracking.breaker_failures=1000", "--log.level=info")


@pytest.fixture
def ads(db):
    made = AdViews(db)
    made.offer()
    db.run("UPDATE trace_policy SET tracking_retry_s = 0.1, tracking_retries = 19")
    return made


def kill(program):
    """SIGKILL for the parent and every child, at once."""
    for pid in [*program.children(), program.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    program.process.wait()


class Moments:
    """Waits for a state that a worker can be caught in; each returns whether it came."""

    def __init__(self, db, sink):
        self.db, self.sink = db, sink
        self.chance = random.Random(7)

    def any(self):
        time.sleep(self.chance.uniform(0, 0.4))

    def claimed(self):
        self.soon(lambda: self.db.value("SELECT count(*) FROM tracking_events WHERE state = 'sending' AND NOT is_begun"))

    def begun(self):
        self.soon(lambda: self.db.value("SELECT count(*) FROM tracking_events WHERE is_begun"))

    def arrived(self):
        before = len(self.sink.hits())
        self.soon(lambda: len(self.sink.hits()) > before)

    @staticmethod
    def soon(condition):
        until = time.monotonic() + 2
        while not condition() and time.monotonic() < until:
            time.sleep(0.001)


@contextlib.contextmanager
def held_back(db, lock):
    """While somebody has that lock, until a statement of a worker waits for it: whoever is killed then has sent it, and will
    never hear of it. It takes effect when the lock is gone, or not at all."""
    other = farm.Database(db.url)
    other.run("SELECT 1")
    other.connection.autocommit = False
    with other.connection.cursor() as cursor:
        cursor.execute(lock)
        Moments.soon(lambda: db.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                      "AND datname = current_database()"))
        yield
    other.close()


CLAIMS = "LOCK TABLE tracking_events IN SHARE ROW EXCLUSIVE MODE"
MARKS = "SELECT 1 FROM tracking_events WHERE is_begun FOR UPDATE"


def ledger_of(path, host):
    """How often each URL arrived."""
    return collections.Counter(line.split(" ", 1)[1] for line in path.read_text().splitlines() if line.startswith(host))


def key(row):
    """What the request of a row is known by at the receiver."""
    return re.sub(r"^http://[^/]+", "", row["url"] or row["url_template"])


def test_killed_at_every_point(ads, worker, db, tmp_path):
    host, = farm.exit_addresses(1, first=220)
    ledger = tmp_path / "ledger"
    moments = None
    with Sink([host], ledger=ledger) as sink:
        ads.allow(host)
        moments = Moments(db, sink)
        views = -(-EVENTS // len(PER_VIEW))
        for view in range(views):
            begin = view * KILLS * PER_KILL_MS // views
            ads.plan([(event, begin + place * 40, sink.url(host, f"/slow/20?view={view}&event={event}&cb=[CACHEBUSTING]"))
                      for place, event in enumerate(PER_VIEW)])
        points = [(moments.any, None), (moments.any, CLAIMS), (moments.claimed, None), (moments.begun, None), (moments.arrived, None),
                  (moments.arrived, MARKS)]
        for number in range(KILLS):
            moment, lock = points[number % len(points)]
            program = worker(*FIRE, children=2)
            moment()
            with held_back(db, lock) if lock else contextlib.nullcontext():
                kill(program)
        worker(*FIRE, children=2)
        ads.settled(timeout=120 + EVENTS // 50)
    counts = ledger_of(ledger, host)
    rows = ads.rows()
    assert len(rows) == views * len(PER_VIEW) >= EVENTS
    for row in rows:
        times = counts[key(row)]
        if row["is_billing"]:
            assert times <= 1, row
        if row["state"] == "tracked":
            assert times >= 1 and (times == 1 or not row["is_billing"]), row
        elif row["state"] == "unknown":
            assert row["is_billing"] and times <= 1, row
        else:   # of a view whose impression is of unknown fate
            assert row["state"] == "skipped" and times == 0, row
    assert sum(counts.values()) == sum(counts[key(row)] for row in rows)       # one URL for all attempts of an event
    unknown = sum(row["state"] == "unknown" for row in rows)
    assert unknown <= KILLS * 32            # no more than were on their way
    assert db.value("SELECT count(*) FROM tracking_attempts WHERE ended_at IS NULL") == 0
    assert db.value("SELECT count(*) FROM tracking_attempts") == sum(row["attempts"] for row in rows)
    print(f"{len(rows)} events, {KILLS} kills: {unknown} unknown, {sum(r['state'] == 'skipped' for r in rows)} skipped, "
          f"{sum(times > 1 for times in counts.values())} sent again")


def test_a_sibling_takes_over_at_once(ads, worker, db):
    """One child dies with requests that hang: the other frees them without waiting for their lease."""
    host, = farm.exit_addresses(1, first=221)
    with Sink([host]) as sink:
        ads.allow(host)
        billing = ads.plan([("impression", 0, sink.url(host, "/hang?billing"))])
        program = worker("--tracking.mode=fire", "--tracking.timeout_ms=60000", "--tracking.lease_s=3600", children=2)
        farm.wait_for(lambda: sink.hits("billing"), "the request")
        name = db.value("SELECT claimed_by FROM tracking_events")
        os.kill(int(name.split(".")[-2]), signal.SIGKILL)
        db.wait_for("SELECT state = 'unknown' FROM tracking_events")
        assert ads.state(billing) == {"impression": "unknown"}
        assert len(sink.hits()) == 1 and program.is_running()


def test_postgresql_dies_in_between(ads, worker, db, cluster):
    host, = farm.exit_addresses(1, first=222)
    with Sink([host]) as sink:
        ads.allow(host)
        for view in range(30):
            ads.plan([(event, place * 40, sink.url(host, f"/ok?view={view}&event={event}")) for place, event in enumerate(PER_VIEW)])
        worker(*FIRE, children=2)
        farm.wait_for(lambda: len(sink.hits()) > 20, "requests")
        cluster.stop_immediate()
        cluster.start()
        ads.settled()
        counts = collections.Counter(hit.url for hit in sink.hits())
    rows = ads.rows()
    assert len(rows) == 30 * len(PER_VIEW)
    for row in rows:
        assert row["state"] in ("tracked", "unknown", "skipped"), row
        assert counts[key(row)] <= 1 or not row["is_billing"], row
        assert row["state"] != "tracked" or counts[key(row)] >= 1, row
