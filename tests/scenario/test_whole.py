"""Edge, worker and monitor together: a click becomes a finished trace, whatever is killed on the way."""
import contextlib
import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

import farm
from cluster import Cluster
from stage import PAGE, redirect

TOKEN = "a-token-of-this-test-only"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


ASK = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def ask(url, body=None, **headers):
    """(status, headers, body) of a GET, or of a POST with that body; redirects are not followed."""
    request = urllib.request.Request(url, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with ASK.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


class Site:
    """The three programs on one database, and the clicks that were answered with a redirect."""

    def __init__(self, start, worker, db, folder):
        self.start, self.start_worker, self.db, self.folder = start, worker, db, folder
        self.edge_port, self.admin_port = farm.free_port(), farm.free_port()
        self.acknowledged = []

    def start_edge(self):
        self.edge = self.start("tracepool-edge", f"--edge.listen=127.0.0.1:{self.edge_port}",
                               f"--edge.admin_listen=127.0.0.1:{self.admin_port}",
                               f"--edge.spool_dir={self.folder}/spool", ready="edge.listening",
                               DATABASE_URL=self.db.url_as("tracepool_edge"))
        return self.edge

    def start_monitor(self):
        token = self.folder / "token"
        token.write_text(TOKEN + "\n")
        self.monitor = self.start("tracepool-monitor", "--api.listen=127.0.0.1:0", f"--api.token_file={token}",
                                  "--monitor.interval_s=1", ready="monitor.ready",
                                  DATABASE_URL=self.db.url_as("tracepool_monitor"))
        self.api = f"http://127.0.0.1:{self.monitor.events('monitor.ready')[0]['port']}/functions/v1/"
        return self.monitor

    def offers_are_loaded(self, count):
        def loaded():
            return json.loads(ask(f"http://127.0.0.1:{self.admin_port}/readyz")[2])["offers"] == count
        farm.wait_for(loaded, f"{count} offers in the edge's memory")

    def click(self, offer="shop", **parameters):
        """Answer of one click; those answered 302 are remembered by their parameter n."""
        query = urllib.parse.urlencode({"offer": offer, **parameters})
        status, headers, body = ask(f"http://127.0.0.1:{self.edge_port}/functions/v1/track-hit-instant?{query}")
        if status == 302 and "n" in parameters:
            self.acknowledged.append(str(parameters["n"]))
        return status, headers, body

    def every_click_is_one_ended_row(self):
        """The promise: what was answered 302 is exactly one row, ends, and leaves no IP locked."""
        self.db.wait_for("SELECT count(DISTINCT inbound_params ->> 'n') = cardinality(%s) FROM active_trace_requests "
                         "WHERE inbound_params ->> 'n' = ANY (%s)", self.acknowledged, self.acknowledged, timeout=60)
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM active_trace_requests WHERE status IN ('pending', 'processing')) "
                         "AND NOT EXISTS (SELECT FROM ip_rotation_pool WHERE status = 'locked')", timeout=120)
        rows = self.db.run("SELECT inbound_params ->> 'n' AS n, count(*) AS rows FROM active_trace_requests GROUP BY 1")
        counts = {r["n"]: r["rows"] for r in rows}
        assert {n: counts.get(n) for n in self.acknowledged} == {n: 1 for n in self.acknowledged}
        return self.db.run("SELECT * FROM active_trace_requests")


@contextlib.contextmanager
def clicking(site, pause_s=0.01):
    """Clicks without end from another thread; a refused connection is no answer, so nothing is owed."""
    done = threading.Event()
    others = []

    def run():
        n = 0
        while not done.wait(pause_s):
            n += 1
            try:
                status = site.click(n=n)[0]
            except OSError:
                continue
            if status != 302:
                others.append(status)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield others
    finally:
        done.set()
        thread.join()


@pytest.fixture
def site(start, worker, db, tmp_path, web, pool, proxies):
    web.add("http://go.test/", redirect("http://shop.test/?order=7"))
    web.add("http://shop.test/", PAGE)
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'http://go.test/?sub={sub}')")
    return Site(start, worker, db, tmp_path)


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
    assert report["pool_summary"]["us"] | {"total": 1, "available": 0, "locked": 0, "cooldown": 1} == report["pool_summary"]["us"]
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


@pytest.fixture
def own_server():
    with Cluster() as server:
        server.migrate()
        yield server


@pytest.fixture
def own_db(own_server):
    database = farm.Database(own_server.url())
    database.url_as = lambda user: own_server.url(user=user)
    yield database
    database.close()


def test_clicks_do_not_notice_that_postgresql_is_gone_for_five_seconds(start, own_server, own_db, tmp_path, web, proxies, secrets_dir):
    db = own_db
    quick(db)
    web.add("http://go.test/", redirect("http://shop.test/"))
    web.add("http://shop.test/", PAGE)
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'http://go.test/')")
    for proxy in proxies(4):
        db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, provider) VALUES (%s, %s, 'other')", proxy.address, str(proxy.port))

    def worker():
        return start("tracepool-worker", "--worker.children=2", "--worker.slots=8", "--worker.heartbeat_s=1", "--trace.allow_private=true", "--trace.timeout_s=10", "--trace.lease_s=20",
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


def test_unknown_and_missing_offers_are_told_apart_and_leave_nothing(site, db):
    edge = site.start_edge()
    status, _, body = site.click("nobody-knows-it")
    assert status == 404 and "no offer of that name" in body
    status, _, body = ask(f"http://127.0.0.1:{site.edge_port}/functions/v1/track-hit-instant?gclid=1")
    assert status == 400 and "offer=NAME" in body
    assert site.click(n=1)[0] == 302
    db.wait_for("SELECT count(*) = 1 FROM active_trace_requests")
    assert edge.is_running()


def test_a_bad_token_and_malformed_json_are_refused_with_a_reason(site, db):
    site.start_monitor()
    asked = b'{"batch_size": 5, "max_concurrent": 2}'
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        status, answered, body = ask(site.api + "trace-worker", asked, **headers)
        assert status == 401 and answered["WWW-Authenticate"] == "Bearer" and body
        assert ask(site.api + "pool-monitor", **headers)[0] == 401
    assert ask(site.api.replace("/functions/v1/", "/healthz"))[0] == 200
    for body in (b'{"batch_size": ', b"[]", b'{"batch_size": "many"}', b'{"batch_size": -1}', b"\xff\xfe"):
        status, _, answer = ask(site.api + "trace-worker", body, Authorization=f"Bearer {TOKEN}")
        assert status == 400 and json.loads(answer)["error"], (body, answer)
    assert db.value("SELECT count(*) FROM trace_batches") == 0
    assert TOKEN not in site.monitor.text()


def test_an_offer_whose_url_is_no_url_is_named_and_the_others_go_on(site, db):
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('broken', 'htp:/no url')")
    edge = site.start_edge()
    assert edge.wait_event("offer.problem", offer="broken")[0]["problem"]
    status, _, body = site.click("broken")
    assert status == 500 and "no usable URL" in body
    assert site.click(n=1)[0] == 302
    db.run("UPDATE offers SET final_url = 'http://go.test/' WHERE offer_name = 'broken'")
    farm.wait_for(lambda: site.click("broken", n=2)[0] == 302, "the mended offer")


def test_a_request_whose_url_is_no_url_fails_by_name_and_blames_no_proxy(site, db, pool, proxies):
    address = pool.add(proxies(1)[0])
    site.start_worker()
    row = pool.ended(pool.request("not a url"))
    assert (row["status"], row["error_code"], row["retry_count"]) == ("failed", "bad_url", 0)
    assert row["error_message"]
    ip = pool.ip(address)
    assert (ip["is_healthy"], ip["failure_count"]) == (True, 0)
    pool.nothing_held()


def test_an_unknown_provider_is_named_by_worker_and_check_and_waits(site, db, pool, proxies, start):
    proxy = proxies(1)[0]
    pool.add(proxy, provider="nobody")
    request = pool.request("http://shop.test/")
    working = site.start_worker()
    named = working.wait_event("provider.unknown", provider="nobody")[0]
    assert "proxy_providers" in named["advice"]
    check = start("tracepool-monitor", "check", DATABASE_URL=db.url_as("tracepool_monitor"))
    assert check.wait() == 1
    assert "nobody" in check.text() and "proxy_providers" in check.text()
    assert pool.row(request)["status"] == "pending"
    db.run("INSERT INTO proxy_providers (provider) VALUES ('nobody')")
    assert pool.ended(request)["status"] == "completed"


def test_programs_wait_for_an_absent_database_and_say_so(start, own_server, own_db, tmp_path, web, proxies, secrets_dir):
    db = own_db
    web.add("http://go.test/", PAGE)
    proxy = proxies(1)[0]
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'http://go.test/')")
    db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, provider) VALUES (%s, %s, 'other')", proxy.address, str(proxy.port))
    own_server.stop()
    site = Site(start, None, db, tmp_path)
    edge, monitor = site.start_edge(), site.start_monitor()
    working = start("tracepool-worker", "--worker.children=1", "--trace.allow_private=true", DATABASE_URL=db.url_as("tracepool_worker"))
    for program in (edge, monitor, working):
        said = program.wait_event("database.down")[0]
        assert "refused" in said["detail"]
        assert own_server.password not in program.text()
    status, headers, body = site.click()
    assert status == 503 and headers["Retry-After"] and "not loaded yet" in body
    assert ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")[0] == 503
    check = start("tracepool-monitor", "check", DATABASE_URL=db.url_as("tracepool_monitor"))
    assert check.wait() == 2 and "unreachable" in check.text()

    own_server.start()
    farm.wait_for(lambda: site.click(n=1)[0] == 302, "the first redirect")
    working.wait_event("worker.ready")
    assert site.every_click_is_one_ended_row()[0]["status"] == "completed"
    farm.wait_for(lambda: ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")[0] == 200, "the report")


@pytest.mark.parametrize("spoil", ["DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)",
                                   "DROP FUNCTION schema_version()"])
def test_a_schema_that_is_too_old_is_refused_with_advice_and_mended_in_place(start, db, tmp_path, spoil):
    newest = db.value("SELECT schema_version()")
    kept = db.run("SELECT * FROM schema_migrations WHERE version = %s", newest)[0]
    definition = db.value("SELECT pg_get_functiondef('schema_version'::regproc)")
    db.run(spoil)
    site = Site(start, None, db, tmp_path)
    programs = [site.start_edge(), site.start_monitor(),
                start("tracepool-worker", "--worker.children=1", DATABASE_URL=db.url_as("tracepool_worker"))]
    for program in programs:
        farm.wait_for(lambda: re.search("migrations/apply.sh", program.text()), f"advice of {program.argv[0]}")
        assert program.is_running()
    if "schema_migrations" in spoil:
        columns = ", ".join(kept)
        db.run(f"INSERT INTO schema_migrations ({columns}) VALUES ({', '.join(['%s'] * len(kept))})", *kept.values())
    else:
        db.run(definition)
        db.run("GRANT EXECUTE ON FUNCTION schema_version() TO PUBLIC")
    for program in programs:
        program.wait_event("database.up")
