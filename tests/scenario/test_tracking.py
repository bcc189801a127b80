"""The sender at work: one view, retries, connections, the kill switch, what is on request."""
import time

import farm
import pytest
from adviews import AdViews
from sink import Sink


@pytest.fixture
def ads(db):
    return AdViews(db)


@pytest.fixture
def sink():
    with Sink(farm.exit_addresses(3, first=200)) as made:
        yield made


@pytest.fixture
def firing(worker):
    """A worker that fires, quick to look and to give up."""
    def start(*args, **more):
        return worker("--tracking.mode=fire", "--tracking.poll_ms=100", "--tracking.timeout_ms=1000", "--tracking.host_rate=1000",
                      *args, **more)
    return start


def hosts(sink):
    return list(sink.ports)


def counter(program_db, name):
    """A counter of the farm, from its heartbeat."""
    value = program_db.value("SELECT max((counters ->> %s)::bigint) FROM process_heartbeats", name)
    return value or 0


def test_one_view_goes_out_in_order(ads, sink, firing):
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    view = ads.plan([("impression", 0, sink.url(host, "/ok?e=impression&cb=[CACHEBUSTING]")),
                     ("start", 0, sink.url(host, "/ok?e=start&s=[SERVERSIDE]")),
                     ("creativeView", 0, sink.url(host, "/ok?e=creativeView")),
                     ("firstQuartile", 300, sink.url(host, "/ok?e=q1")),
                     ("complete", 600, sink.url(host, "/ok?e=complete")),
                     ("click", None, sink.url(host, "/ok?e=click"))])
    contact = f"https://{'a' * 2000}.test/"
    program = firing(f"--http.contact={contact}")
    ads.settled()
    names = [hit.url.split("e=")[1].split("&")[0] for hit in sink.hits()]
    assert names == ["impression", "start", "creativeView", "q1", "complete"]   # and no click
    assert ads.state(view) == {"impression": "tracked", "start": "tracked", "creativeView": "tracked", "firstQuartile": "tracked",
                               "complete": "tracked", "click": "pending"}
    assert "s=2" in sink.hits("e=start")[0].url
    assert "[" not in sink.hits("e=impression")[0].url
    moments = {row["event"]: row for row in ads.rows(view)}
    assert (moments["complete"]["due_at"] - moments["impression"]["due_at"]).total_seconds() == 0.6     # as the creative plays
    assert all(row["sent_at"] >= row["due_at"] for row in moments.values() if row["sent_at"])
    for hit in sink.hits():
        assert hit.headers["user-agent"].startswith("tracepool/")
        assert hit.headers["user-agent"].endswith(f"(+{contact}; automated ad-tag QA)")
        assert not [name for name in hit.headers if name.startswith("x-") or name in ("forwarded", "cookie", "referer")]
    line = program.wait_event("tracking.sent", tracking="complete")[0]
    assert (line["state"], line["host"], line["creative"], line["trace"]) == ("tracked", host, "c1", view)
    assert int(line["ms"]) >= 0


def test_what_is_sent_again_and_what_is_not(ads, sink, firing, db):
    """Overload and broken connections are worth another attempt, other answers are not; billing requests never are."""
    host, closed, _ = hosts(sink)
    ads.offer()
    ads.allow(host, closed)
    db.run("UPDATE trace_policy SET tracking_retry_s = 0.05")
    nobody = f"http://{closed}:{farm.free_port(closed)}/"
    view = ads.plan([("impression", 0, sink.url(host, "/ok"))]
                    + [(name, 0, url) for name, url in {
                        "twice503": sink.url(host, "/status/503/2?twice503"), "always429": sink.url(host, "/status/429?always429"),
                        "gone": sink.url(host, "/status/404?gone"), "reset": sink.url(host, "/reset?reset"),
                        "refused": nobody, "hang": sink.url(host, "/hang?hang"), "loop": sink.url(host, "/around?loop"),
                        "big": sink.url(host, "/big?big")}.items()])
    money = {name: ads.plan([("impression", 0, url)]) for name, url in {
        "503": sink.url(host, "/status/503?b503"), "reset": sink.url(host, "/reset?breset"), "hang": sink.url(host, "/hang?bhang"),
        "refused": nobody, "moved": sink.url(host, f"/to?u={nobody}")}.items()}
    firing("--tracking.timeout_ms=300", "--tracking.breaker_failures=1000")
    ads.settled()
    rows = {row["event"]: row for row in ads.rows(view)}
    assert {name: (row["state"], row["attempts"]) for name, row in rows.items() if name != "impression"} == {
        "twice503": ("tracked", 3), "always429": ("failed", 4), "gone": ("failed", 1), "reset": ("failed", 4),
        "refused": ("failed", 4), "hang": ("failed", 4), "loop": ("failed", 1), "big": ("tracked", 1)}
    assert {name: ads.state(request)["impression"] for name, request in money.items()} == {
        "503": "failed", "reset": "unknown", "hang": "unknown", "refused": "failed", "moved": "failed"}
    assert [len(sink.hits(what)) for what in ("b503", "breset", "bhang")] == [1, 1, 1]
    refused = ads.rows(money["refused"])[0]
    assert refused["attempts"] == 4         # not a byte had left: trying again harms nobody
    state = db.one("SELECT * FROM tracking_event_states WHERE event = 'twice503'")
    assert (state["is_tracked"], state["attempts"], state["http_status"]) == (True, 3, 204) and state["avg_response_ms"] >= 0
    phases = db.run("SELECT DISTINCT a.phase FROM tracking_attempts a JOIN tracking_events e ON e.id = a.event_id "
                    "WHERE e.request_id = %s", money["refused"])
    assert [row["phase"] for row in phases] == ["connect"]


def test_the_pause_before_another_attempt(ads, sink, firing, db):
    """1 s times 2^n, and what the receiver asks for when that is longer."""
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    ads.plan([("impression", 0, sink.url(host, "/ok")), ("start", 0, sink.url(host, "/status/503?start"))])
    firing()
    db.wait_for("SELECT state = 'waiting' FROM tracking_events WHERE event = 'start'")
    pause = db.value("SELECT extract(epoch FROM due_at - updated_at) FROM tracking_events WHERE event = 'start'")
    assert 1.6 <= pause <= 2.4


@pytest.mark.parametrize("idle_s, path", [(0.3, "/ok"), (None, "/once-reset")])
def test_the_keep_alive_incident(ads, firing, db, idle_s, path):
    """Events further apart than the receiver keeps connections, and one that breaks them in the middle of a reuse: in the
    original they were dropped silently; here each arrives once and is tracked at the first attempt."""
    host, = farm.exit_addresses(1, first=230)
    with Sink([host], idle_s=idle_s) as sink:
        ads.offer()
        ads.allow(host)
        names = ("start", "creativeView", "firstQuartile", "midpoint", "thirdQuartile", "complete")
        view = ads.plan([("impression", 0, sink.url(host, "/ok"))]
                        + [(name, 500 * place, sink.url(host, f"{path}?{name}")) for place, name in enumerate(names)])
        firing("--worker.heartbeat_s=1")
        ads.settled()
        rows = ads.rows(view)
        assert {row["state"] for row in rows} == {"tracked"} and {row["attempts"] for row in rows} == {1}
        died = 'tracepool_tracking_connections_total{pool="tracking",what="died"}'
        if idle_s:
            assert all(len(sink.hits("?" + name)) == 1 for name in names)
        else:
            farm.wait_for(lambda: counter(db, died) >= 5, "the count of dead connections")
            assert db.value("SELECT bool_and(NOT conn_reused) FROM tracking_attempts")


def test_connections_are_kept_but_not_for_billing(ads, sink, firing, db):
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    view = ads.plan([("impression", 0, sink.url(host, "/ok?1")), ("impression", 0, sink.url(host, "/ok?2")),
                     ("start", 100, sink.url(host, "/ok?3")), ("midpoint", 1500, sink.url(host, "/ok?4")),
                     ("complete", 3000, sink.url(host, "/ok?5"))])
    firing()
    ads.settled()
    assert set(ads.state(view).values()) == {"tracked"}
    used = [hit.connection for hit in sorted(sink.hits(), key=lambda hit: hit.url)]
    assert len(set(used)) == 3 and used[2] == used[3] == used[4]
    reused = 'tracepool_tracking_connections_total{pool="tracking",what="reused"}'
    farm.wait_for(lambda: counter(db, reused) == 2, "the count of reused connections")
    assert counter(db, reused.replace("tracking\"", "billing\"", 1)) == 0


def test_kill_switch(ads, sink, firing, db):
    """What is due stays; what waits for its redirect ends there; released, everything goes on."""
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    flying = ads.plan([("impression", 0, sink.url(host, "/slow/1500?u=fly"))])
    program = firing("--tracking.timeout_ms=5000", "--tracking.poll_ms=1000")
    farm.wait_for(lambda: sink.hits("fly"), "the first request")
    db.run("UPDATE trace_policy SET tracking_stopped = true")
    program.wait_event("tracking.stopped")
    later = [ads.plan([("impression", 0, sink.url(host, f"/ok?later={n}"))]) for n in range(20)]
    ads_due = "SELECT count(*) FROM tracking_events WHERE state = 'pending'"
    db.wait_for("SELECT state = 'tracked' FROM tracking_events WHERE request_id = %s", flying)
    time.sleep(1.5)       # nothing is to happen: there is no event to wait for
    assert db.value(ads_due) == 20 and not sink.hits("later")
    db.run("UPDATE trace_policy SET tracking_stopped = false")
    ads.settled()
    assert all(ads.state(request) == {"impression": "tracked"} for request in later)
    assert len(sink.hits("later")) == 20


def test_events_on_request(ads, sink, firing, db):
    """track_event with macros and parameters; nothing before the impression, and a click once only."""
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    view = ads.plan([("impression", 300, sink.url(host, "/ok?e=impression")),
                     ("click", None, sink.url(host, "/ok?e=click&pos=[CLICKPOS]&who=[SERVERSIDE]")),
                     ("error", None, sink.url(host, "/ok?e=error&code=[ERRORCODE]"))])
    firing()
    assert db.value("SELECT track_event(%s, 'click', '{\"CLICKPOS\": [\"1\", \"2 3\"], \"SERVERSIDE\": \"0\"}', '{\"x\": \"a b\"}')", view) == 1
    assert db.value("SELECT track_event(%s, 'error', '{\"ERRORCODE\": \"405\"}')", view) == 1
    assert db.value("SELECT track_event(%s, 'nothing')", view) == 0
    ads.settled()
    assert db.value("SELECT track_event(%s, 'click')", view) == 0
    ads.settled()
    order = [hit.url for hit in sink.hits()]
    assert order.index("/ok?e=impression") < order.index("/ok?e=click&pos=1,2%203&who=2&x=a%20b")
    assert "/ok?e=error&code=405" in order and len(order) == 3


def test_an_interrupted_view(ads, sink, firing, db):
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    view = ads.plan([("impression", 0, sink.url(host, "/ok")), ("start", 0, sink.url(host, "/ok")),
                     ("midpoint", 60000, sink.url(host, "/ok")), ("complete", 120000, sink.url(host, "/ok")),
                     ("skip", None, sink.url(host, "/ok?skip"))])
    firing()
    db.wait_for("SELECT state = 'tracked' FROM tracking_events WHERE event = 'start'")
    assert db.value("SELECT interrupt_ad_view(ad_view_id, 'closed') FROM ad_view_plans WHERE request_id = %s", view) == 2
    assert db.value("SELECT track_event(%s, 'skip')", view) == 1
    ads.settled()
    assert ads.state(view) == {"impression": "tracked", "start": "tracked", "midpoint": "skipped", "complete": "skipped", "skip": "tracked"}
    summary = db.one("SELECT * FROM ad_views WHERE request_id = %s", view)
    assert (summary["state"], summary["tracked"], summary["skipped"], summary["percent_tracked"]) == ("interrupted", 3, 2, 0)


def test_a_host_that_keeps_failing_is_left_alone(ads, sink, firing, db):
    """After so many failures in a row nothing more is sent there for a while; the neighbour does not notice."""
    host, well, _ = hosts(sink)
    ads.offer()
    ads.allow(host, well)
    for number in range(30):
        ads.plan([("impression", 0, sink.url(host, f"/status/500?n={number}"))])
        ads.plan([("impression", 0, sink.url(well, f"/ok?n={number}"))])
    firing("--tracking.breaker_failures=3", "--tracking.breaker_s=600", "--tracking.host_concurrency=1")
    db.wait_for("SELECT count(*) = 30 FROM tracking_events WHERE state = 'tracked'")
    assert len(sink.hits(host=well)) == 30
    assert len(sink.hits(host=host)) == 3


def test_which_events_are_logged(ads, sink, firing):
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    ads.plan([("impression", 0, sink.url(host, "/ok")), ("progress-100", 100, sink.url(host, "/ok")),
              ("start", 0, sink.url(host, "/ok")), ("complete", 200, sink.url(host, "/ok"))])
    program = firing("--tracking.log_include=impression, progress-*, complete", "--tracking.log_exclude=progress-*")
    ads.settled()
    program.wait_event("tracking.sent", tracking="complete")
    assert {event["tracking"] for event in program.events("tracking.sent")} == {"impression", "complete"}


def test_nothing_of_the_environment_is_used(ads, sink, firing, tmp_path):
    """A proxy in the environment or a .netrc changes nothing: requests leave from this machine, as themselves."""
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    (tmp_path / ".netrc").write_text(f"machine {host} login me password secret\n")
    view = ads.plan([("impression", 0, sink.url(host, "/ok"))])
    firing(http_proxy="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9", HOME=str(tmp_path))
    ads.settled()
    assert ads.state(view) == {"impression": "tracked"}
    assert "authorization" not in sink.hits()[0].headers


def test_a_worker_that_drains(ads, sink, firing, db):
    """SIGTERM: what is under way is finished and written down, the rest is left to others."""
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    for number in range(20):
        ads.plan([("impression", 0, sink.url(host, f"/slow/300?n={number}"))])
    program = firing("--tracking.host_concurrency=2")
    farm.wait_for(lambda: sink.hits(), "the first request")
    program.signal(15)
    assert program.wait() == 0
    assert db.value("SELECT count(*) FROM tracking_events WHERE state NOT IN ('pending', 'waiting', 'tracked')") == 0
    assert db.value("SELECT count(*) FROM tracking_events WHERE state = 'tracked'") == len(sink.hits())
    firing()
    ads.settled()
    assert len({hit.url for hit in sink.hits()}) == len(sink.hits()) == 20
