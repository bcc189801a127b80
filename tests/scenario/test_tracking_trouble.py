"""Receivers in trouble: connections that end while nobody looks, certificates, overload, and the kill switch in between.

What a test waits minutes for in real life is a row here: the schedule is in the database, and ads.forward moves it.
"""
import ssl

import farm
import pytest
from adviews import AdViews
from sink import Sink
from tls import authority, certificate

QUARTILES = ("start", "creativeView", "firstQuartile", "midpoint", "thirdQuartile", "complete")
FIVE_MINUTES_S = 300


@pytest.fixture
def ads(db):
    made = AdViews(db)
    made.offer()
    return made


@pytest.fixture
def sink(ads):
    """Two listed hosts."""
    with Sink(farm.exit_addresses(2, first=235)) as made:
        ads.allow(*made.ports)
        yield made


@pytest.fixture
def firing(worker):
    def start(*args, **more):
        return worker("--tracking.mode=fire", "--tracking.poll_ms=100", "--tracking.timeout_ms=2000", "--tracking.host_rate=1000",
                      *args, **more)
    return start


# --- the original's incident ----------------------------------------------------------------------------------


@pytest.mark.parametrize("idle_s, path", [(1, "/ok"), (None, "/once-reset"), (None, "/once-close")])
def test_events_minutes_apart(ads, firing, db, idle_s, path):
    """The original's tracking stopped without a word when events were further apart than connections live. Here five minutes
    lie between any two, and the receiver closes what rests for a second, or just when it is used again."""
    host, = farm.exit_addresses(1, first=231)
    with Sink([host], idle_s=idle_s) as sink:
        ads.allow(host)
        view = ads.plan([("impression", 0, sink.url(host, f"{path}?impression"))]
                        + [(name, FIVE_MINUTES_S * 1000 * place, sink.url(host, f"{path}?{name}")) for place, name in enumerate(QUARTILES)]
                        + [("click", None, sink.url(host, f"{path}?click"))])
        firing()
        for name in QUARTILES:
            db.wait_for("SELECT state = 'tracked' FROM tracking_events WHERE event = %s", name)
            if idle_s:
                farm.wait_for(lambda: not sink.open, "the receiver's end of the connection")
            ads.forward(FIVE_MINUTES_S)
        assert db.value("SELECT track_event(%s, 'click')", view) == 1
        ads.settled()
        rows = ads.rows(view)
        assert {(row["state"], row["attempts"]) for row in rows} == {("tracked", 1)}
        arrived = [hit.url.partition("?")[2] for hit in sink.hits()]
        assert list(dict.fromkeys(arrived)) == ["impression", *QUARTILES, "click"]
        assert arrived.count("impression") == arrived.count("click") == 1
        summary = db.one("SELECT * FROM ad_views WHERE request_id = %s", view)
        assert (summary["state"], summary["events"], summary["tracked"], summary["percent_tracked"]) == ("complete", 7, 8, 100)


@pytest.mark.parametrize("path, outcome", [("/once-reset", "tracked"), ("/reset", "failed")])
def test_a_receiver_that_ends_every_kept_connection_gets_a_request_twice_at_most(ads, sink, firing, db, path, outcome):
    """One kept connection dies of it, and the other kept ones are not tried: the second time is a fresh one."""
    host = next(iter(sink.ports))
    db.run("UPDATE trace_policy SET tracking_retries = 0")
    for n in range(5):   # five connections at once, all kept
        view = ads.plan([("impression", 0, sink.url(host, "/ok")), ("start", 0, sink.url(host, "/slow/500")),
                         ("complete", FIVE_MINUTES_S * 1000, sink.url(host, f"{path}?{n}"))])
    firing("--tracking.host_concurrency=8")
    db.wait_for("SELECT count(*) = 5 FROM tracking_events WHERE event = 'start' AND state = 'tracked'")
    assert len(sink.open) == 5
    db.run("DELETE FROM tracking_events WHERE event = 'complete' AND request_id <> %s", view)
    ads.forward(FIVE_MINUTES_S)
    ads.settled()
    assert ads.state(view)["complete"] == outcome
    assert len(sink.hits("?4")) == 2


def test_an_answer_that_breaks_off(ads, sink, firing, db):
    """Half of the answer's first line, then a reset: sent again unless it is billed; that one is of unknown fate, and says so."""
    host = next(iter(sink.ports))
    db.run("UPDATE trace_policy SET tracking_retry_s = 0.05")
    view = ads.plan([("impression", 0, sink.url(host, "/ok")), ("start", 0, sink.url(host, "/half/2?start")),
                     ("complete", 100, sink.url(host, "/ok?complete"))])
    money = ads.plan([("impression", 0, sink.url(host, "/half?money")), ("start", 0, sink.url(host, "/ok?never"))])
    firing()
    ads.settled()
    assert ads.state(view) == {"impression": "tracked", "start": "tracked", "complete": "tracked"}
    assert len(sink.hits("?start")) == 3 and len(sink.hits("?complete")) == 1
    assert ads.state(money) == {"impression": "unknown", "start": "skipped"}
    assert len(sink.hits("?money")) == 1 and not sink.hits("?never")
    unknown = db.one("SELECT * FROM tracking_event_states WHERE state = 'unknown'")
    assert host in unknown["last_error"] and db.value("SELECT count(*) FROM tracking_attempts WHERE phase = 'sent'") == 3


def test_a_worker_out_of_descriptors_holds_its_requests(ads, sink, firing, db):
    """Its own trouble is no attempt, and no reason to leave the receiver alone: what waited is sent once, and counted once."""
    host = next(iter(sink.ports))
    db.run("UPDATE trace_policy SET tracking_retries = 0")
    ads.plan([("impression", 0, sink.url(host, "/ok?first"))])
    running = firing("--tracking.breaker_failures=1")
    ads.settled()
    with farm.without_descriptors(running.children()[0]):
        view = ads.plan([("impression", 0, sink.url(host, "/ok?money")), ("start", 0, sink.url(host, "/ok?start"))])
        db.run("NOTIFY tracepool_tracking")
        assert "ulimit -n" in running.wait_event("tracking.exhausted")[0]["detail"]
        assert ads.state(view)["impression"] in ("waiting", "pending", "sending")
    ads.settled()
    assert ads.state(view) == {"impression": "tracked", "start": "tracked"}
    assert [len(sink.hits(name)) for name in ("?money", "?start")] == [1, 1]


# --- https -----------------------------------------------------------------------------------------------


@pytest.fixture
def private_tls(tmp_path):
    """(file of a private authority, context(address, days) of a server with a certificate by it)"""
    issuer = authority(tmp_path)

    def context(address, days=2):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(certificate(tmp_path, address, days, by=issuer))
        return made

    return issuer, context


def test_https_with_a_private_authority(ads, firing, private_tls):
    host, = farm.exit_addresses(1, first=232)
    issuer, context = private_tls
    with Sink([host], tls=context(host)) as sink:
        ads.allow(host)
        view = ads.plan([("impression", 0, sink.url(host, "/ok?1"))]
                        + [(name, 300 * place, sink.url(host, f"/ok?{name}")) for place, name in enumerate(QUARTILES)])
        firing(f"--http.ca_file={issuer}")
        ads.settled()
        assert {(row["state"], row["attempts"]) for row in ads.rows(view)} == {("tracked", 1)}
        assert len(sink.hits()) == 7
        used = {hit.connection for hit in sink.hits() if hit.url != "/ok?1"}
        assert len(used) == 1       # TLS connections are kept, too


@pytest.mark.parametrize("kind, word", [("expired", "expired"), ("other-name", "does not match|no alternative certificate"),
                                        ("unknown-authority", "self.signed|unable to get local issuer")])
def test_https_that_is_refused(ads, firing, db, private_tls, kind, word):
    """Nothing is sent where the certificate is wrong, nothing is tried again, and the row says what is wrong with whom."""
    host, = farm.exit_addresses(1, first=233)
    issuer, context = private_tls
    server = context("127.0.99.99" if kind == "other-name" else host, -1 if kind == "expired" else 2)
    with Sink([host], tls=server) as sink, Sink(farm.exit_addresses(1, first=234)) as plain:
        well = next(iter(plain.ports))
        ads.allow(host, well)
        money = ads.plan([("impression", 0, sink.url(host, "/ok")), ("start", 0, sink.url(host, "/ok"))])
        view = ads.plan([("impression", 0, plain.url(well, "/ok")), ("start", 0, sink.url(host, "/ok")),
                         ("complete", 100, plain.url(well, "/ok"))])
        firing(*([] if kind == "unknown-authority" else [f"--http.ca_file={issuer}"]))
        ads.settled()
        assert ads.state(money) == {"impression": "failed", "start": "skipped"}
        assert ads.state(view) == {"impression": "tracked", "start": "failed", "complete": "tracked"}
        failed = db.run("SELECT * FROM tracking_event_states WHERE state = 'failed'")
        assert [row["attempts"] for row in failed] == [1, 1]
        assert all(db.value("SELECT %s ~* %s", row["last_error"], f"{host}.*({word})") for row in failed), failed
        assert db.run("SELECT DISTINCT phase FROM tracking_attempts WHERE http_status IS NULL") == [{"phase": "tls"}]
        assert sink.connections[host] >= 2 and sink.bytes[host] == 0 and not sink.hits()


def test_a_tls_handshake_that_never_ends(ads, sink, firing, db):
    """Silence in the middle of the handshake: not a byte of the request has left, so even an impression is tried again."""
    host = next(iter(sink.ports))
    db.run("UPDATE trace_policy SET tracking_retry_s = 0.05, tracking_retries = 1")
    view = ads.plan([("impression", 0, sink.url(host, "/ok").replace("http:", "https:"))])
    firing("--tracking.connect_timeout_ms=300")
    ads.settled()
    assert ads.state(view) == {"impression": "failed"}
    assert db.run("SELECT DISTINCT phase FROM tracking_attempts") == [{"phase": "tls"}]
    assert sink.connections[host] == 2 and not sink.hits()


# --- overload ----------------------------------------------------------------------------------------------


def test_a_host_is_tried_by_one_request_and_recovers(ads, sink, firing, db):
    """After three failures in a row the host gets one request for each pause, however many wait; once that one is answered,
    all the others follow."""
    ill, well = sink.ports
    sink.is_ill = True
    db.run("UPDATE trace_policy SET tracking_retry_s = 0.01, tracking_retries = 19")
    for number in range(8):
        ads.plan([("impression", 0, sink.url(well, "/ok")), ("start", 0, sink.url(ill, f"/ill?n={number}"))])
    firing("--tracking.breaker_failures=3", "--tracking.breaker_s=1", "--tracking.host_concurrency=1")
    farm.wait_for(lambda: len(sink.hits("/ill")) >= 6, "three more tries")
    sink.is_ill = False
    ads.settled()
    assert {row["state"] for row in ads.rows()} == {"tracked"}
    tried = [hit.at for hit in sink.hits("/ill")]
    assert all(later - at >= 0.9 for at, later in zip(tried[2:5], tried[3:6]))      # the pause was kept
    assert len(tried) <= 6 + 1 + 8


def test_pauses_grow_and_the_receiver_may_ask_for_more(ads, sink, firing, db):
    """2, 4, 8 s, give or take a fifth; Retry-After when that is longer, up to ten minutes."""
    host = next(iter(sink.ports))
    pauses = {"/status/503?plain": [(1.6, 2.4), (3.2, 4.8), (6.4, 9.6)], "/status/429?after=30": [(30, 31)] * 3,
              "/status/503?after=99999": [(600, 601)] * 3}
    view = ads.plan([("impression", 0, sink.url(host, "/ok"))] + [("start", 0, sink.url(host, path)) for path in pauses])
    firing("--tracking.breaker_failures=1000")
    for attempt in range(3):
        db.wait_for("SELECT count(*) = 3 FROM tracking_events WHERE state = 'waiting' AND attempts = %s", attempt + 1)
        for row in db.run("SELECT url, extract(epoch FROM due_at - updated_at) AS pause FROM tracking_events WHERE state = 'waiting'"):
            low, high = pauses[row["url"].removeprefix(sink.url(host, ""))][attempt]
            assert low <= row["pause"] <= high, (row, attempt)
        ads.forward(601)
    ads.settled()
    assert [(row["state"], row["attempts"]) for row in ads.rows(view)] == [("tracked", 1)] + [("failed", 4)] * 3


def test_the_kill_switch_between_two_hops(ads, sink, firing, db):
    """Thrown while a request waits for its answer, which is a redirect: nobody goes there."""
    host = next(iter(sink.ports))
    away = sink.url(host, "/ok?away")
    view = ads.plan([("impression", 0, sink.url(host, "/ok")), ("start", 0, sink.url(host, f"/slow/1000?then={away}"))])
    money = ads.plan([("impression", 0, sink.url(host, f"/slow/1000?money&then={away}"))])
    program = firing()
    farm.wait_for(lambda: len(sink.hits("/slow")) == 2, "both requests")
    db.run("UPDATE trace_policy SET tracking_stopped = true")
    program.wait_event("tracking.stopped")
    db.wait_for("SELECT count(*) = 2 FROM tracking_events WHERE state = 'failed'")
    assert ads.state(view)["start"] == ads.state(money)["impression"] == "failed"
    assert not [hit.url for hit in sink.hits("?away") if hit.url.startswith("/ok")]
    assert all("stopped before a redirect" in row["last_error"] for row in
               db.run("SELECT last_error FROM tracking_events WHERE state = 'failed'"))
