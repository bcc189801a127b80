"""Chain drift from end to end: clicks are traced, the monitor learns their chain, and another way is one event."""
import json

import pytest

import farm
from stage import PAGE, redirect
from whole import TOKEN, ask, site  # noqa: F401  (site is a fixture)


@pytest.fixture
def shop(site, db, pool, proxies, web):
    """Two hops and a shop; the monitor has learnt them from three clicks."""
    db.run("UPDATE trace_policy SET cooldown_s = 0, drift_learn_traces = 3")
    for proxy in proxies(2):
        pool.add(proxy)
    web.add("http://go.test/", redirect("http://edge7.net.test/r?cid=1"))
    for n in (7, 8):
        web.add(f"http://edge{n}.net.test/r", redirect("http://shop.test/?order=7&cid=1"))
    site.start_edge(), site.start_worker(), site.start_monitor()
    site.offers_are_loaded(1)
    for n in range(3):
        assert site.click(n=n)[0] == 302
    db.wait_for("SELECT count(*) = 1 FROM chain_expected")
    return site


def test_what_is_learnt_is_the_chain_with_its_rotating_hosts_and_parameters(shop, db):
    expected = db.one("SELECT offer_name, country, start_url, source, chain, params, carried, traces FROM chain_expected")
    assert expected == {"offer_name": "shop", "country": "us", "start_url": "http://go.test/", "source": "learnt", "params": ["cid", "order"],
                        "carried": [], "traces": 3, "chain": "http://go.test\nhttp://edge#.net.test\nhttp://shop.test"}


def test_another_way_raises_one_event_with_both_chains_that_a_person_accepts(shop, db, web):
    web.add("http://go.test/", redirect("http://edge8.net.test/r"))
    shop.click(n=3)
    db.wait_for("SELECT count(*) = 4 FROM active_trace_requests WHERE status = 'completed'")
    web.add("http://edge8.net.test/r", redirect("http://spy.test/"))
    web.add("http://spy.test/", redirect("http://shop.test/?cid=1"))
    for n in range(4, 7):
        shop.click(n=n)
    db.wait_for("SELECT sum(traces) = 3 FROM chain_drift")
    event = db.one("SELECT id, state, differences, expected_chain, seen_chain, last_request_id FROM chain_drift")
    assert event["differences"] == ["new host: spy.test", "longer: 4 hops instead of 3", "lost parameter: order"]
    assert event["expected_chain"].split("\n") == ["http://go.test", "http://edge#.net.test", "http://shop.test"]
    assert event["seen_chain"].split("\n") == ["http://go.test", "http://edge#.net.test", "http://spy.test", "http://shop.test"]
    assert db.run("SELECT offer_name, events, traces FROM chain_drift_open") == [{"offer_name": "shop", "events": 1, "traces": 3}]
    assert db.value("SELECT redirect_chain -> 2 ->> 'url' FROM active_trace_requests WHERE request_id = %s", event["last_request_id"]) == "http://spy.test/"

    base = shop.api.partition("/functions")[0]
    page = json.loads(ask(f"{base}/dashboard/v1/offer?name=shop", Authorization=f"Bearer {TOKEN}")[2])
    assert [(e["id"], e["seen"]["hops"][2], e["expected"]["hops"][2]) for e in page["drift"]["events"]] == [(event["id"], "http://spy.test", "http://shop.test")]

    assert db.value("SELECT accept_drift(%s)", event["id"]) == 1
    shop.click(n=7)
    db.wait_for("SELECT count(*) = 8 FROM active_trace_requests WHERE status = 'completed'")
    web.add("http://spy.test/", redirect("http://elsewhere.test/?cid=1"))
    web.add("http://elsewhere.test/", PAGE)
    shop.click(n=8)
    db.wait_for("SELECT EXISTS (SELECT FROM chain_drift WHERE state = 'open')")
    assert db.run("SELECT differences FROM chain_drift WHERE state = 'open'") == [{"differences": ["final host: elsewhere.test instead of shop.test"]}], \
        "the accepted way raised nothing, and its own change one event"


def test_two_monitors_count_a_trace_once(shop, db, web, start):
    start("tracepool-monitor", "--api.listen=127.0.0.1:0", "--monitor.interval_s=1", ready="database.up", DATABASE_URL=db.url_as("tracepool_monitor"))
    web.add("http://shop.test/", redirect("http://other.test/"))
    web.add("http://other.test/", PAGE)
    for n in range(3, 8):
        shop.click(n=n)
    db.wait_for("SELECT count(*) = 8 FROM active_trace_requests WHERE status = 'completed'")
    farm.wait_for(lambda: db.value("SELECT sum(traces) FROM chain_drift") == 5, "five traces counted")
    before = db.value("SELECT count(*) FROM ip_pool_statistics")
    db.wait_for("SELECT count(*) >= %s FROM ip_pool_statistics", before + 4)   # both have ticked again
    assert db.value("SELECT sum(traces) FROM chain_drift") == 5
