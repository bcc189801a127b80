"""tracepool-monitor: what an operator, a crontab and Prometheus see of it.

It runs as the role tracepool_monitor, so the grants are tested along with it.
"""
import http.client
import json
import re
import signal
import subprocess
import threading

import psycopg2
import pytest

import farm
from cluster import OWNER, Cluster
from monitors import TOKEN, Api, add_ips, add_requests, beat, monitor, options, verb  # noqa: F401  (monitor is a fixture)

STATUS = "/functions/v1/pool-monitor"
BATCH = "/functions/v1/trace-worker"
SINGLE = "/functions/v1/process-trace-parallel"


@pytest.fixture
def api(monitor):
    return monitor(ready="database.up")


# ---- pool-monitor


def test_status_of_an_idle_pool_has_all_of_the_seeds_fields(db, api):
    add_ips(db, 3)
    add_ips(db, 1, "ca")
    db.run("UPDATE ip_rotation_pool SET is_healthy = false WHERE ip_address = 'other-ca-1'")
    status, answer = api.json("GET", STATUS)
    assert status == 200
    assert list(answer) == ["timestamp", "pool_summary", "active_requests", "performance", "health", "warnings",
                            "recommendation"]
    assert answer["pool_summary"]["us"] == {"total": 3, "available": 3, "locked": 0, "cooldown": 0, "healthy": 3,
                                            "unhealthy": 0}
    assert answer["pool_summary"]["ca"]["unhealthy"] == 1
    assert answer["active_requests"] == {"total": 0, "pending": 0, "processing": 0, "by_country": {}}
    assert answer["performance"] == {"completed_last_5min": 0, "avg_trace_time_ms": 0, "http_only_count": 0,
                                     "browser_count": 0}
    assert answer["health"] == {"pool_utilization_percent": 0, "available_ips": 3, "queue_depth": 0,
                                "success_rate_5min": 100}
    assert list(answer["pool_summary"]["us"]) == ["total", "available", "locked", "cooldown", "healthy", "unhealthy"]
    assert list(answer["health"])[0] == "pool_utilization_percent", "the order of the original, inside too"
    assert answer["warnings"] == ["Share of unhealthy IPs is 25 % (more than 10 %)"]
    assert answer["recommendation"] == "Review the status of the IP providers"
    db.run("UPDATE ip_rotation_pool SET is_healthy = true")
    answer = api.json("GET", STATUS)[1]
    assert (answer["warnings"], answer["recommendation"]) == ([], "System operating normally")


def test_status_counts_work_and_warns_of_a_long_queue(db, api):
    add_ips(db, 4)
    add_requests(db, 25)
    add_requests(db, 2, "ca")
    beat(db)
    db.run("SELECT * FROM claim_traces(2, 'test.1.1', 60000, NULL, NULL, NULL)")
    answer = api.json("GET", STATUS)[1]
    assert answer["active_requests"] == {"total": 27, "pending": 25, "processing": 2, "by_country": {"us": 25, "ca": 2}}
    assert answer["health"]["pool_utilization_percent"] == 50
    assert answer["health"]["queue_depth"] == 25
    assert answer["warnings"] == ["Queue depth is 25 (more than 20)",
                                  "Number of due requests in a country without a free IP (ca) is 2 (more than 0)"]


def test_posting_the_status_records_a_snapshot(db, monitor):
    api = monitor("--monitor.interval_s=3600", ready="database.up")
    db.wait_for("SELECT count(*) = 1 FROM ip_pool_statistics")  # the first tick
    status, answer = api.json("POST", STATUS, "")
    assert status == 200 and answer["recommendation"] == "System operating normally"
    assert db.value("SELECT count(*) FROM ip_pool_statistics") == 2


# ---- who may call, and what is refused


def test_token_is_asked_for_everywhere_but_at_healthz(api):
    for path in (STATUS, BATCH, "/metrics", "/dashboard/v1/overview", "/dashboard/v1/changes", "/functions/v1/nothing"):
        for token in ("", "wrong", TOKEN[:-1], TOKEN + "x"):
            status, answer = api.json("GET", path, token=token)
            assert status == 401 and "Authorization: Bearer" in answer["error"]
    assert api.call("GET", STATUS, token="")[1]["WWW-Authenticate"] == "Bearer"
    assert api.json("GET", STATUS, token="", headers={"Authorization": f"Basic {TOKEN}"})[0] == 401
    assert api.json("GET", "/healthz", token="") == (200, {"status": "ok", "database": True, "token": True})
    assert api.json("GET", "/functions/v1/nothing")[0] == 404
    assert TOKEN not in api.program.text()


def test_previous_token_and_token_file_work(monitor, tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    api = monitor(TRACEPOOL_API_TOKEN_FILE=tmp_path / "token", TRACEPOOL_API_TOKEN=None, TRACEPOOL_API_TOKEN_PREVIOUS="older",
                  ready="database.up")
    assert api.json("GET", STATUS, token="from-a-file")[0] == 200
    assert api.json("GET", STATUS, token="older")[0] == 200
    assert api.json("GET", STATUS, token="oldest")[0] == 401


def test_loopback_needs_no_token(monitor):
    api = monitor(TRACEPOOL_API_TOKEN=None, ready="database.up")
    assert api.json("GET", STATUS, token="")[0] == 200


def test_other_addresses_are_refused_without_a_token(db):
    code, _, text = verb(db, "--api.listen=0.0.0.0:0")
    assert code == 2
    assert "api.listen 0.0.0.0:0" in text and "api.token" in text


@pytest.mark.parametrize("method, path, allow", [
    ("GET", BATCH, "POST"), ("POST", "/healthz", "GET, HEAD"), ("POST", "/metrics", "GET, HEAD")])
def test_other_methods_get_the_right_ones_named(api, method, path, allow):
    status, headers, text = api.call(method, path, "" if method == "POST" else None)
    assert (status, headers["Allow"]) == (405, allow)
    assert allow in json.loads(text)["error"]


def test_unknown_paths_name_the_known_ones(api):
    status, answer = api.json("GET", "/functions/v1/pool-monitors")
    assert status == 404 and STATUS in answer["error"]


@pytest.mark.parametrize("body, says", [
    ('{"batch_size": 10', "the body is no valid JSON"),
    ("batch_size=10", "the body is no valid JSON"),
    ("[]", "the body must be a JSON object"),
    ({"batch_size": 0}, "batch_size must be a whole number from 1 to 10000, not 0"),
    ({"batch_size": 10001}, "not 10001"),
    ({"batch_size": "ten"}, 'not "ten"'),
    ({"max_concurrent": 1.5}, "max_concurrent must be a whole number from 1 to 10000, not 1.5"),
    ({"batchSize": 10}, 'unknown field "batchSize"; known are batch_size, max_concurrent'),
])
def test_bad_bodies_are_refused_with_a_sentence(db, api, body, says):
    status, answer = api.json("POST", BATCH, body)
    assert status == 400 and says in answer["error"]
    assert db.value("SELECT count(*) FROM trace_batches") == 0


# ---- trace-worker


class SqlWorker(threading.Thread):
    """Takes batches as a worker would: a NOTIFY, claim, finish. Trace n of the URL .../n fails when n is in `failing`."""

    def __init__(self, url, failing=()):
        super().__init__(daemon=True)
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.failing = failing
        self.ends = threading.Event()
        self.claimed = threading.Event()
        self.may_finish = threading.Event()
        self.may_finish.set()

    def run(self):
        with self.connection.cursor() as cursor:
            while not self.ends.is_set():
                cursor.execute("SELECT batch_id FROM open_batches()")
                for (batch,) in cursor.fetchall():
                    self.work(cursor, batch)
                self.ends.wait(0.02)
        self.connection.close()

    def work(self, cursor, batch):
        cursor.execute("SELECT request_id, attempt, ip_address, tracking_url "
                       "FROM claim_traces(5, 'test.1.1', 60000, NULL, NULL, NULL, %s)", (batch,))
        results = [self.result(*row) for row in cursor.fetchall()]
        if results:
            self.claimed.set()
            self.may_finish.wait()
            cursor.execute("SELECT * FROM finish_traces('test.1.1', %s::jsonb)", (json.dumps(results),))
        cursor.execute("SELECT settle_batches()")

    def result(self, request, attempt, ip, url):
        fails = int(url.rsplit("/", 1)[1]) in self.failing
        return {"request_id": request, "attempt": attempt, "ip": ip, "outcome": "error" if fails else "ok",
                "error": "target_tls" if fails else None, "detail": "certificate has expired" if fails else None,
                "retry": False, "blame": "target" if fails else "none", "final_url": url, "params": {}, "chain": [],
                "mode_used": "http_only", "reason": "http_sufficient", "trace_ms": 100, "response_ms": 10, "kb": 1}


@pytest.fixture
def sql_worker(db):
    made = []

    def start_worker(failing=()):
        beat(db)
        made.append(SqlWorker(db.url_as("tracepool_worker"), failing))
        made[-1].start()
        return made[-1]

    yield start_worker
    for worker in made:
        worker.may_finish.set()
        worker.ends.set()
        worker.join(farm.PATIENCE_S)


@pytest.mark.parametrize("more", [[], ["--database.pooled=true"]], ids=["listening", "polling"])
def test_batch_waits_for_its_end_and_counts(db, monitor, sql_worker, more):
    api = monitor("--monitor.batch_wait_s=30", *more, ready="database.up")
    add_ips(db, 10)
    add_requests(db, 6)
    sql_worker(failing=[2])
    status, answer = api.json("POST", BATCH, {"batch_size": 4, "max_concurrent": 2})
    failed = db.value("SELECT request_id::text FROM active_trace_requests WHERE tracking_url LIKE '%/2'")
    assert status == 200
    assert answer == {"success": True, "processed": 4, "succeeded": 3, "failed": 1,
                      "errors": [f"{failed}: target_tls: certificate has expired"]}
    assert db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'pending'") == 2
    status, answer = api.json("POST", BATCH, "")
    assert (status, answer["processed"]) == (200, 2), "nothing claimable is left: the batch is smaller than asked for"


def test_listening_has_a_connection_of_its_own_beside_a_pooler(db, monitor):
    monitor("--database.pooled=true", url=db.url, LISTEN_URL=db.url, ready="database.up")
    db.wait_for("SELECT count(*) = 2 AND bool_or(query LIKE 'LISTEN %') FROM pg_stat_activity "
                "WHERE application_name LIKE 'tracepool-monitor %' AND datname = current_database()")


def test_batch_with_nothing_to_do_is_over_at_once(api):
    assert api.json("POST", BATCH, {}) == (200, {"success": True, "processed": 0, "succeeded": 0, "failed": 0, "errors": []})


def test_batch_without_a_worker_says_so_and_is_closed(db, api):
    add_ips(db, 1)
    add_requests(db, 1)
    status, answer = api.json("POST", BATCH, {"batch_size": 1})
    assert status == 503
    assert answer["success"] is False and answer["processed"] == 0
    assert "no live worker took the batch" in answer["error"] and "tracepool-worker" in answer["error"]
    assert db.value("SELECT state FROM trace_batches") == "abandoned", "a worker that comes later does not take it"


def test_caller_that_hangs_up_ends_nothing(db, monitor, sql_worker):
    api = monitor("--monitor.batch_wait_s=30", ready="database.up")
    add_ips(db, 2)
    add_requests(db, 2)
    worker = sql_worker()
    worker.may_finish.clear()
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    connection.request("POST", BATCH, '{"batch_size": 2}', {"Authorization": f"Bearer {TOKEN}"})
    assert worker.claimed.wait(farm.PATIENCE_S)
    connection.close()
    worker.may_finish.set()
    db.wait_for("SELECT count(*) = 2 FROM active_trace_requests WHERE status = 'completed'")
    api.program.wait_event("batch.answered", success="true")
    assert api.json("GET", STATUS)[0] == 200


def test_end_of_the_program_answers_who_waits(db, monitor):
    api = monitor("--monitor.batch_wait_s=600", ready="database.up")
    add_ips(db, 1)
    add_requests(db, 1)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(api.json("POST", BATCH, {})))
    caller.start()
    api.program.wait_event("batch.asked")
    api.program.signal(signal.SIGTERM)
    caller.join(farm.PATIENCE_S)
    assert api.program.wait() == 0
    (status, answer), = answers
    assert status == 503 and answer["success"] is False and "goes on" in answer["error"]
    assert db.value("SELECT state FROM trace_batches") == "open"


# ---- snapshots and housekeeping


def test_rows_of_statistics_keep_coming_and_leases_are_given_back(db, api):
    add_ips(db, 2)
    add_requests(db, 1)
    db.run("SELECT * FROM claim_traces(1, 'test.1.1', 1, NULL, NULL, NULL)")  # a lease of 1 ms
    db.wait_for("SELECT count(*) >= 3 FROM ip_pool_statistics WHERE total_ips = 2")
    db.wait_for("SELECT NOT EXISTS (SELECT FROM ip_rotation_pool WHERE status = 'locked')")
    assert db.value("SELECT count(*) FROM process_heartbeats WHERE program = 'monitor'") == 1
    assert api.program.events("snapshot.failed") == []


def test_snapshot_verb_records_one_row(db):
    assert verb(db, "snapshot") == (0, "snapshot recorded\n", "")
    assert db.value("SELECT count(*) FROM ip_pool_statistics") == 1


@pytest.fixture
def fragile():
    """A server of the test's own, to be stopped and started."""
    with Cluster() as made:
        made.migrate()
        yield made


def test_database_stopped_and_back(fragile, monitor):
    database = farm.Database(fragile.url())
    api = monitor(url=fragile.url(user="tracepool_monitor"), ready="database.up")
    database.wait_for("SELECT count(*) > 0 FROM ip_pool_statistics")
    database.close()
    fragile.stop_immediate()
    api.program.wait_event("database.down")
    status, answer = api.json("GET", STATUS)
    assert status == 503 and "the database did not answer" in answer["error"]
    assert api.json("GET", "/healthz")[1] == {"status": "ok", "database": False, "token": True}
    assert verb(database, "check", url=fragile.url())[0] == 2
    assert verb(database, "snapshot", url=fragile.url())[0] == 2
    fragile.start()
    api.program.wait_event("database.up", count=2)
    before = database.value("SELECT count(*) FROM ip_pool_statistics")
    database.wait_for(f"SELECT count(*) > {before} FROM ip_pool_statistics")
    assert api.json("GET", STATUS)[0] == 200
    database.close()


def test_who_waits_for_a_trace_learns_that_the_database_is_away(fragile, monitor):
    database = farm.Database(fragile.url())
    api = monitor("--monitor.batch_wait_s=3", url=fragile.url(user="tracepool_monitor"), ready="database.up")
    add_ips(database, 1)
    add_requests(database, 1)
    answers = {}
    callers = [threading.Thread(target=lambda path=path, body=body: answers.update({path: api.json("POST", path, body)}))
               for path, body in ((BATCH, {}), (SINGLE, {"tracking_url": "http://shop.test/"}))]
    for caller in callers:
        caller.start()
    api.program.wait_event("batch.asked")
    database.wait_for("SELECT count(*) = 2 FROM active_trace_requests")
    database.close()
    fragile.stop_immediate()
    for caller in callers:
        caller.join(farm.PATIENCE_S)
    for path, what in ((BATCH, "the batch"), (SINGLE, "the trace")):
        status, answer = answers[path]
        assert status == 503 and answer["success"] is False, what
        assert "the database does not answer" in answer["error"] and "may go on" in answer["error"], what


# ---- a database that does not fit


def test_a_function_that_is_missing_is_named_with_what_to_run(db, monitor):
    db.run("ALTER FUNCTION prune_history RENAME TO prune_of_yesterday")
    line = monitor().program.wait_event("database.down")[0]
    assert (line["error"], line["level"]) == ("schema", "error")
    assert "prune_history" in line["detail"] and "run migrations/apply.sh" in line["detail"]


def test_absent_database_is_named_in_the_log(db, monitor):
    url = db.url_as("tracepool_monitor").rsplit("/", 1)[0] + "/nowhere"
    line, = monitor(url=url).program.wait_event("database.down")
    assert 'database \\"nowhere\\" does not exist' in line["detail"] and "database.url" in line["advice"]


def test_schema_too_old_says_what_to_run(cluster, monitor):
    empty = cluster.new_database()
    line = monitor(url=empty.url).program.wait_event("database.down")[0]
    assert line["error"] == "schema" and line["level"] == "error"
    assert "version 0" in line["detail"] and "migrations/apply.sh" in line["detail"]
    code, _, text = verb(None, "check", url=empty.url)
    assert code == 2 and "migrations/apply.sh" in text


def test_missing_setting_is_named(db):
    code, _, text = verb(db, "check", DATABASE_URL="")
    assert code == 2 and "DATABASE_URL" in text
    assert verb(db, "chekc")[0] == 2


# ---- check


def test_check_of_a_healthy_pool(db):
    add_ips(db, 2)
    code, text, _ = verb(db, "check")
    assert code == 0
    assert "pool us: 2 IPs, 2 available" in text and text.endswith("System operating normally\n")


@pytest.mark.parametrize("trouble, says", [
    ("INSERT INTO ip_rotation_pool (ip_address, country, provider) VALUES ('user-1', 'us', 'luna')",
     "Provider luna is not configured; IPs that are therefore never used: 1"),
    ("INSERT INTO spool_quarantine (error, payload) VALUES ('invalid URL', 'x')",
     "Clicks that the database refused (invalid URL): 1"),
    ("INSERT INTO offers (offer_name, tracking_urls) VALUES ('plain', '[{\"url\": \"http://shop.test/\"}]')",
     "Offer plain redirects to plain http"),
    ("INSERT INTO offers (offer_name, final_url) VALUES ('plain', 'HTTP://shop.test/')", "Offer plain redirects to plain http"),
    ("INSERT INTO offers (offer_name, tracking_urls) VALUES ('plain', '[\"http://shop.test/\"]')",
     "Offer plain redirects to plain http"),
    ("INSERT INTO vast_providers (provider, base_url) VALUES ('ads', 'http://ads.test/tag'); "
     "INSERT INTO offers (offer_name, kind, vast_provider) VALUES ('plain', 'vast', 'ads')", "Offer plain redirects to plain http"),
    ("INSERT INTO active_trace_requests (tracking_url, target_country) VALUES ('https://shop.test/', 'us')",
     "Number of live workers is 0 (less than 1)"),
    ("INSERT INTO active_trace_requests (tracking_url, target_country) "
     "SELECT 'https://shop.test/', 'us' FROM generate_series(1, 21)",
     "Queue depth is 21 (more than 20)"),
])
def test_check_warns(db, trouble, says):
    add_ips(db, 1)
    db.run(trouble)
    code, text, _ = verb(db, "check")
    assert code == 1
    assert f"warning: {says}" in text
    assert "System operating normally" not in text


def test_check_of_a_plain_url_that_nobody_is_sent_to_is_quiet(db):
    db.run("INSERT INTO offers (offer_name, is_active, final_url, tracking_urls) VALUES "
           "('old', false, NULL, '[{\"url\": \"http://a.test/\"}]'), ('new', true, 'http://a.test/', '[{\"url\": \"https://a.test/\"}]')")
    db.run("INSERT INTO vast_providers (provider, base_url) VALUES ('ads', 'http://ads.test/tag')")
    db.run("INSERT INTO offers (offer_name, kind, vast_provider, final_url) VALUES ('own', 'vast', 'ads', 'https://ads.test/own'), "
           "('link', 'link', 'ads', 'https://shop.test/')")
    assert verb(db, "check")[0] == 0


# ---- metrics


def families(text):
    """{family: type}; every sample's family has exactly one HELP and one TYPE before it."""
    types, helps = {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in helps, f"{name} has two HELP lines"
            helps.add(name)
        elif line.startswith("# TYPE "):
            types[line.split()[2]] = line.split()[3]
        else:
            assert re.fullmatch(r'[a-z_:]+(\{[a-z_]+="(?:[^"\\]|\\.)*"(,[a-z_]+="(?:[^"\\]|\\.)*")*\})? \S+', line), line
            name = re.match(r"[a-z_:]+", line)[0]
            assert name in types or re.sub(r"_(bucket|sum|count)$", "", name) in types, line
    assert set(types) == helps
    return types


def test_metrics_show_pool_queue_and_farm(db, api):
    add_ips(db, 3)
    add_requests(db, 2)
    beat(db, "test.1.1", "farm-1")
    beat(db, "test.2.1", "farm-1", counters=False)  # its sibling speaks for both

    def shown():
        text = api.call("GET", "/metrics")[2]
        return text if 'tracepool_requests{status="pending"} 2' in text and "farm-1" in text else None
    text = farm.wait_for(shown, "the last snapshot in /metrics")
    types = families(text)
    assert types["tracepool_pool_ips"] == "gauge" and types["tracepool_snapshots_total"] == "counter"
    assert 'tracepool_pool_ips{country="us",state="available"} 3' in text
    assert 'tracepool_traces_total{host="farm-1",status="completed"} 7' in text
    assert "tracepool_database_connections 1" in text
    assert re.search(r'tracepool_snapshots_total\{result="ok"\} [1-9]', text)
