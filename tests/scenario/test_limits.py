"""What limits the farm is said in the log and in the metrics; claims keep to it, and it goes away with its reason."""
import contextlib
import json

import farm
import psycopg2
from stage import PAGE

LIMITS = ("none", "slots", "free_ips", "browser_slots", "database", "host")


def held(web, name):
    return web.add(f"http://{name}.test/", PAGE, held=True)


def metric_says(db, by):
    """The worker's counters, as they reach the monitor with its heartbeat."""
    expected = {f'tracepool_worker_limit{{by="{name}"}}': int(name == by) for name in LIMITS}
    db.wait_for("SELECT counters @> %s FROM process_heartbeats WHERE program = 'worker'", json.dumps(expected))


def test_scarce_ips_are_named_with_their_country(db, worker, pool, proxies, web):
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    pool.add(proxies(1)[0])
    page = held(web, "slow")
    running = worker()
    requests = [pool.request(page) for _ in range(2)]
    assert running.wait_event("farm.limit", by="free_ips")[0]["countries"] == "us"
    metric_says(db, "free_ips")
    web.release(page)
    for request in requests:
        assert pool.ended(request)["status"] == "completed"
    running.wait_event("farm.limit", by="none", was="free_ips")
    metric_says(db, "none")


def test_full_slots_are_named(worker, pool, proxies, web):
    for proxy in proxies(3):
        pool.add(proxy)
    page = held(web, "slow")
    running = worker("--worker.slots=1")
    requests = [pool.request(page) for _ in range(3)]
    running.wait_event("farm.limit", by="slots")
    web.release(page)
    for request in requests:
        assert pool.ended(request)["status"] == "completed"
    running.wait_event("farm.limit", by="none", was="slots")


def test_traces_that_wait_for_the_browser_hold_back_claims(db, worker, pool, proxies, web):
    for proxy in proxies(6):
        pool.add(proxy)
    page = held(web, "page")
    running = worker("--browser.contexts=1")
    requests = [pool.request(page, options={"mode": "browser"}) for _ in range(2)]
    db.wait_for("SELECT count(*) = 2 FROM ip_rotation_pool WHERE status = 'locked'")
    farm.wait_for(lambda: web.visits(page), "the first in the browser")
    requests.append(pool.request(page, options={"mode": "browser"}))
    running.wait_event("farm.limit", by="browser_slots")
    assert pool.row(requests[2])["status"] == "pending", "it keeps an IP that it can't use yet"
    web.release(page)
    for request in requests:
        assert pool.ended(request)["status"] == "completed"
    running.wait_event("farm.limit", by="none", was="browser_slots")


def test_pages_that_wait_for_the_browser_hold_up_no_other_offer(db, worker, pool, proxies, web):
    for proxy in proxies(8):
        pool.add(proxy)
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    offers = {name: db.value("INSERT INTO offers (offer_name, tracer_mode) VALUES (%s, %s) RETURNING id", name, mode)
              for name, mode in (("pages", "browser"), ("shop", "http_only"))}
    page, shop = held(web, "page"), web.add("http://shop.test/", PAGE)
    pages = [pool.request(page, offer_id=offers["pages"]) for _ in range(4)]
    running = worker("--browser.contexts=1")
    running.wait_event("farm.limit", by="browser_slots")
    for request in [pool.request(shop, offer_id=offers["shop"]) for _ in range(40)]:
        assert pool.ended(request)["status"] == "completed"
    assert not [request for request in pages if pool.row(request)["status"] == "completed"], "the browser was busy all the time"
    web.release(page)
    for request in pages:
        assert pool.ended(request)["status"] == "completed"
    pool.nothing_held()


def test_a_slow_database_halves_the_traces_at_once_until_it_is_fast_again(db, worker, pool, proxies, web):
    pool.add(proxies(1)[0])
    page = web.add("http://shop.test/", PAGE)
    running = worker("--worker.slow_database_ms=100", "--worker.slots=16")
    with contextlib.closing(psycopg2.connect(db.url)) as other:
        other.cursor().execute("LOCK TABLE active_trace_requests IN ACCESS EXCLUSIVE MODE")
        event = running.wait_event("farm.limit", by="database")[0]
        assert int(event["target"]) < 16
    assert pool.ended(pool.request(page))["status"] == "completed"
    assert int(running.wait_event("farm.limit", by="none", was="database")[0]["target"]) <= 16
