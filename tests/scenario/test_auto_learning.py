"""Mode auto checks itself: on a sample both modes run, and an offer learns from what they found."""
import json
import signal
import uuid

import pytest

import farm
from stage import PAGE, redirect

TEXT = "<p>" + "good shoes for good people " * 20
SHOP, END = "http://shop.test/?sub=1", "http://end.test/?sub=1&late=2"


def page(body):
    return {**PAGE, "body": f"<!doctype html><title>shop</title>{TEXT}{body}"}


@pytest.fixture
def offers(db, web):
    """plain: HTTP sees all. hidden: a script that HTTP never reads goes on, behind a page that looks complete."""
    web.add("http://plain.test/", redirect(SHOP))
    web.add("http://shop.test/", page(""))
    web.add("http://hidden.test/", redirect("http://front.test/?sub=1"))
    web.add("http://front.test/", page("<script src='/on.js'></script>"))
    web.add("http://front.test/on.js", {"status": 200, "headers": [["Content-Type", "text/javascript"]],
                                        "body": f"location.href = '{END}'"})
    web.add("http://end.test/", page(""))
    for name in ("plain", "hidden"):
        db.run("INSERT INTO offers (offer_name, final_url) VALUES (%s, %s)", name, f"http://{name}.test/")
    db.run("UPDATE trace_policy SET cooldown_s = 0")


@pytest.fixture
def traced(db, pool):
    """Traces an offer and waits for its end; the row, with `compared` of its last attempt."""
    def trace(offer, request_id=None):
        made = pool.request(f"http://{offer}.test/", offer_id=db.value("SELECT id FROM offers WHERE offer_name = %s", offer),
                            offer_name=offer, request_id=request_id or str(uuid.uuid4()))
        row = pool.ended(made, timeout=60)
        attempt = db.one("SELECT compared, http_ms, browser_ms FROM trace_attempts WHERE request_id = %s "
                         "ORDER BY attempt DESC LIMIT 1", made)
        return {**row, **attempt}
    return trace


def learnt(db):
    return {row["offer_name"]: row["learnt"] for row in db.run("SELECT offer_name, learnt FROM learn_from_traces('0')")}


def result_of(db, offer):
    return db.value("SELECT tracer_detection_result FROM offers WHERE offer_name = %s", offer)


def by(row):
    return row["status"], row["tracer_mode_used"], row["detection_reason"]


def test_both_modes_run_and_agree(worker, db, web, proxies, pool, offers, traced):
    for proxy in proxies(2):
        pool.add(proxy)
    running = worker("--auto.sample_percent=100")
    row = traced("plain")
    assert by(row) == ("completed", "http_only", "http_sufficient") and row["final_url"] == SHOP
    assert row["compared"] == {"agreed": True, "final_host": True, "final_url": True, "params": True, "hosts": True, "status": True}
    assert row["http_ms"] >= 0 and row["browser_ms"] > 0
    visits = web.visits("http://shop.test/")
    assert len(visits) == 2 and {v.peer for v in visits} == {row["ip_assigned"]}   # the same proxy, the same lease
    assert learnt(db) == {} and result_of(db, "plain")["samples"] == {
        "traces": 1, "agreed": 1, "missed": 0, "served": 0, "short": 0, "recent": "a"}
    [said] = running.wait_event("trace.compared", trace=row["request_id"])
    assert said["difference"] == "none"


def test_a_miss_is_recorded_and_the_next_trace_takes_the_browser(worker, start, db, web, proxies, pool, offers, traced):
    """The monitor counts; what it learnt is in its log, in the view, and in the next claim."""
    pool.add(proxies(1)[0])
    db.run("UPDATE offers SET sample_percent = 100")
    running = worker("--auto.sample_percent=0")   # an offer's own share goes before it
    for _ in range(2):
        row = traced("hidden")
        assert by(row) == ("completed", "http_only", "http_sufficient")
        assert row["final_url"] == "http://front.test/?sub=1"   # the result stays HTTP's
        compared = row["compared"]
        assert (compared["agreed"], compared["difference"], compared["params"]) == (False, "missed", False)
        assert (compared["http"], compared["browser"]) == (row["final_url"], END)
    traced("plain")
    monitor = start("tracepool-monitor", "--api.listen=127.0.0.1:0", "--monitor.interval_s=1", ready="monitor.ready",
                    DATABASE_URL=db.url_as("tracepool_monitor"))
    [said] = monitor.wait_event("offer.learnt")
    assert (said["offer"], said["reason"]) == ("hidden", "learnt_missed")
    kept = result_of(db, "hidden")
    assert [(d["http"], d["browser"]) for d in kept["disagreements"]] == [("http://front.test/?sub=1", END)] * 2
    assert db.value("SELECT learnt FROM tracer_detection WHERE offer_name = 'hidden'") == "learnt_missed"
    assert db.value("SELECT learnt FROM tracer_detection WHERE offer_name = 'plain'") is None

    row = traced("hidden")   # sampled: HTTP goes first, is not believed, and is judged once more
    assert by(row) == ("completed", "browser", "learnt_missed") and row["final_url"] == END
    assert row["compared"]["difference"] == "missed"
    db.run("UPDATE offers SET sample_percent = 0")
    before = len(web.visits("http://hidden.test/"))
    row = traced("hidden")
    assert by(row) == ("completed", "browser", "learnt_missed") and row["final_url"] == END
    assert (row["compared"], row["http_ms"]) == (None, None)
    assert len(web.visits("http://hidden.test/")) == before + 1   # one visit, and no more
    assert by(traced("plain")) == ("completed", "http_only", "http_sufficient")

    db.run("UPDATE offers SET tracer_detection_result = NULL WHERE offer_name = 'hidden'")
    assert by(traced("hidden")) == ("completed", "http_only", "http_sufficient")
    assert running.events("trace.done", reason="learnt_missed")


def test_what_learns_nothing(worker, db, web, proxies, pool, offers, traced):
    """A proxy that fails, and a sample that fails: the trace is as good as without it."""
    good, dead = proxies(2)
    pool.add(good, country="us")
    pool.add(dead, country="de")
    dead.stop()
    web.add("http://front.test/on.js", {"status": 200, "headers": [["Content-Type", "text/javascript"]],
                                        "body": "location.href = 'http://silent.test/'"})
    web.add("http://silent.test/", {"drop": True})
    worker("--auto.sample_percent=100")
    row = traced("hidden")
    assert by(row) == ("completed", "http_only", "http_sufficient") and row["compared"] is None
    assert web.visits("http://silent.test/")   # the browser was there
    offer = db.value("SELECT id FROM offers WHERE offer_name = 'plain'")
    failed = pool.ended(pool.request("http://plain.test/", country="de", offer_id=offer, max_retries=0))
    assert failed["status"] == "failed" and failed["error_code"].startswith("proxy")
    assert learnt(db) == {}
    assert result_of(db, "plain") is None
    kept = result_of(db, "hidden")
    assert kept["traces"] == {"http_only": 1, "browser": 0} and kept["samples"]["traces"] == 0


def test_which_traces_are_sampled_is_known_beforehand(worker, db, web, proxies, pool, offers, traced):
    pool.add(proxies(1)[0])
    worker("--auto.sample_percent=50")
    for tail, is_sampled in (("00000031", True), ("00000032", False)):   # 49 and 50
        made = f"01900000-0000-7000-8000-0000{tail}"
        assert db.value("SELECT ('x' || right(%s::uuid::text, 8))::bit(32)::bigint %% 100 < 50", made) is is_sampled
        assert (traced("plain", made)["compared"] is not None) is is_sampled


@pytest.mark.parametrize("setting", ["--browser.enabled=false", "--browser.program=/no/such/browser"])
def test_without_a_browser_what_was_learnt_costs_no_trace(worker, db, web, proxies, pool, offers, traced, setting):
    pool.add(proxies(1)[0])
    db.run("UPDATE offers SET tracer_detection_result = %s", json.dumps({"learnt": {"reason": "learnt_missed"}}))
    assert db.value("SELECT min(tracer_learnt) FROM offers") == "learnt_missed"
    worker(setting, "--auto.sample_percent=0")
    row = traced("hidden")
    assert by(row) == ("completed", "http_only", "http_sufficient") and row["final_url"] == "http://front.test/?sub=1"


def test_a_worker_that_ends_in_mid_sample_keeps_the_result(worker, db, web, proxies, pool, offers):
    pool.add(proxies(1)[0])
    web.add("http://front.test/on.js", {"status": 200}, held=True)   # the browser waits for it
    running = worker("--auto.sample_percent=100", "--browser.hang_ms=60000", "--worker.drain_s=0")
    made = pool.request("http://hidden.test/")
    farm.wait_for(lambda: web.visits("http://front.test/on.js"), "the browser at the script")
    assert pool.row(made)["status"] == "processing"
    running.signal(signal.SIGTERM)
    row = pool.ended(made)
    assert by(row) == ("completed", "http_only", "http_sufficient") and row["attempt"] == 1
    assert running.wait() == 0
