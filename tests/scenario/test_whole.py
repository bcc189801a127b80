"""Edge, worker and monitor together: a click becomes a finished trace, whatever is killed on the way."""
import json
import os
import signal
import time

import farm
from stage import PAGE, redirect
from whole import TOKEN, Site, ask, clicking, own_db, own_server, site  # noqa: F401  (some are fixtures)


def quick(db):
    """No rest and no pause, so that a few proxies trace many clicks."""
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0, max_retries = 5")


def test_a_click_becomes_a_trace_a_statistic_and_a_report(site, db, web, pool, proxies):
    address = pool.add(proxies(1)[0])
    site.start_edge(), site.start_worker(), site.start_monitor()
    status, headers, _ = site.click(sub="s 1", gclid="visitor")
    assert status == 302
    assert headers["Location"] == "http://go.test/?sub=s%201&gclid=visitor"
    assert headers["Cache-Control"] == "no-store"

    db.wait_for("SELECT status = 'completed' FROM active_trace_requests")
    row = db.one("SELECT * FROM active_trace_requests")
    assert row["tracking_url"] == "http://go.test/?sub=s%201", "the visitor's own click id is not traced"
    assert row["inbound_params"] == {"sub": "s 1", "gclid": "visitor"}
    assert [(h["url"], h["status"], h["via"]) for h in row["redirect_chain"]] == [
        ("http://go.test/?sub=s%201", 302, "start"), ("http://shop.test/?order=7", 200, "http_302")]
    assert row["final_url"] == "http://shop.test/?order=7"
    assert row["extracted_params"]["order"] == "7"
    assert row["ip_assigned"] == address
    assert {v.peer for v in web.visits()} == {address}, "the target saw the address that the row names"
    ip = pool.ip(address)
    assert (ip["status"], ip["total_uses"], ip["success_count"]) == ("cooldown", 1, 1)

    db.wait_for("SELECT EXISTS (SELECT FROM ip_pool_statistics WHERE cooldown_ips = 1)")
    status, _, body = ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")
    report = json.loads(body)
    assert status == 200
    us = report["pool_summary"]["us"]
    assert (us["total"], us["available"], us["locked"], us["cooldown"]) == (1, 0, 0, 1)
    assert report["performance"]["completed_last_5min"] == 1
    assert report["health"]["queue_depth"] == 0

    status, _, body = ask(site.api + "trace-worker", b'{"batch_size": 5, "max_concurrent": 2}',
                          Authorization=f"Bearer {TOKEN}", Content_Type="application/json")
    assert (status, json.loads(body)["success"], json.loads(body)["processed"]) == (200, True, 0)


def test_a_worker_child_killed_in_mid_trace_costs_one_attempt(site, db, web, pool, proxies):
    quick(db)
    for proxy in proxies(2):
        pool.add(proxy)
    web.add("http://go.test/", redirect("http://shop.test/"), held=True)
    site.start_edge()
    farm_of_two = site.start_worker(children=2)
    for n in range(4):
        assert site.click(n=n)[0] == 302
    farm.wait_for(lambda: web.visits("http://go.test/"), "a trace at the target")
    holder = db.value("SELECT claimed_by FROM active_trace_requests WHERE status = 'processing'")
    held = db.value("SELECT count(*) FROM active_trace_requests WHERE claimed_by = %s AND status = 'processing'", holder)
    os.kill(int(holder.split(".")[-2]), signal.SIGKILL)
    db.wait_for("SELECT count(*) = %s FROM trace_attempts WHERE worker = %s AND error = 'worker_died'", held, holder)
    web.release("http://go.test/")
    rows = site.every_click_is_one_ended_row()
    assert {r["status"] for r in rows} == {"completed"}
    assert max(r["attempt"] for r in rows) >= 2
    assert db.value("SELECT bool_and(is_healthy) AND sum(failure_count) = 0 FROM ip_rotation_pool"), "no proxy is to blame"
    assert farm_of_two.is_running()


def test_an_edge_killed_under_clicks_keeps_what_it_acknowledged(site, db, web, pool, proxies):
    quick(db)
    for proxy in proxies(3):
        pool.add(proxy)
    site.start_worker()
    edge = site.start_edge()
    site.offers_are_loaded(1)
    with clicking(site) as refused:
        for _ in range(3):
            before = len(site.acknowledged)
            farm.wait_for(lambda: len(site.acknowledged) >= before + 20, "20 clicks")
            family = [edge.pid, *edge.children()]
            for pid in family:
                os.kill(pid, signal.SIGKILL)
            farm.wait_for(lambda: all(farm.is_gone(p) for p in family), "the edge's end")
            edge.process.wait()
            edge = site.start_edge()
        before = len(site.acknowledged)
        farm.wait_for(lambda: len(site.acknowledged) >= before + 20, "20 clicks")
    assert refused == []
    rows = site.every_click_is_one_ended_row()
    assert {r["status"] for r in rows} == {"completed"}


def test_clicks_do_not_notice_that_postgresql_is_gone_for_five_seconds(own_server, own_db, start, tmp_path, web, proxies):
    db = own_db
    quick(db)
    web.add("http://go.test/", redirect("http://shop.test/"))
    web.add("http://shop.test/", PAGE)
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'http://go.test/')")
    for proxy in proxies(4):
        db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, provider) VALUES (%s, %s, 'other')",
               proxy.address, str(proxy.port))

    def worker():
        return start("tracepool-worker", "--worker.children=2", "--worker.slots=8", "--worker.heartbeat_s=1",
                     "--trace.allow_private=true", "--trace.timeout_s=10", "--trace.lease_s=20",
                     ready="worker.ready", ready_count=2, DATABASE_URL=db.url_as("tracepool_worker"))

    site = Site(start, worker, db, tmp_path)
    site.start_worker(), site.start_edge(), site.start_monitor()
    with clicking(site, pause_s=0.02) as refused:
        farm.wait_for(lambda: len(site.acknowledged) >= 30, "30 clicks")
        own_server.stop_immediate()
        gone = time.monotonic()
        during = len(site.acknowledged)
        farm.wait_for(lambda: time.monotonic() > gone + 5, "the outage's length")
        during = len(site.acknowledged) - during
        own_server.start()
        before = len(site.acknowledged)
        farm.wait_for(lambda: len(site.acknowledged) >= before + 30, "30 clicks more")
    assert refused == []
    assert during > 10
    rows = site.every_click_is_one_ended_row()
    assert len(rows) >= len(site.acknowledged)
    assert ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")[0] == 200
