"""Alert rules: each fires on rows that say so, after its time, and stays quiet at its threshold.

The running monitor looks once a second. A rule's time is passed by moving the alert's clock back, never by waiting.
"""
import json
import subprocess

import psycopg2
import pytest

import farm
from monitors import TOKEN, add_ips, add_requests, beat, monitor, verb, wait_for_looks  # noqa: F401  (monitor is a fixture)

DURATIONS = {"pool_utilization": 300, "no_free_ip": 60, "http_only_share": 600, "pool_ceiling": 300}


# ---- rows


def rest(db, count):
    """So many IPs are in cooldown."""
    db.run("UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = now() + interval '1 hour' "
           "WHERE id IN (SELECT id FROM ip_rotation_pool ORDER BY ip_address LIMIT %s)", count)


def add_attempts(db, count, status="completed", trace_ms=1000, mode="http_only", reason=None, error=None, offer=None, chain=None):
    """Traces that ended a moment ago."""
    db.run("WITH made AS (INSERT INTO active_trace_requests (tracking_url, status, next_attempt_at, completed_at, offer_name, redirect_chain) "
           "              SELECT 'https://shop.test/', %s::trace_status, NULL, now(), %s, %s::jsonb FROM generate_series(1, %s) "
           "              RETURNING request_id) "
           "INSERT INTO trace_attempts (request_id, attempt, ended_at, outcome, blame, new_status, mode_used, reason, trace_ms, error) "
           "SELECT request_id, 1, now(), %s, %s, %s::trace_status, %s, %s, %s, %s FROM made",
           status, offer, json.dumps(chain) if chain else None, count,
           "ok" if status == "completed" else "error", "none" if status == "completed" else "target", status, mode, reason,
           trace_ms, error)


def add_events(db, count, state, minutes_ago=0, due_minutes_ago=None):
    """Tracking requests that ended, or (due) wait since then."""
    db.run("INSERT INTO tracking_events (request_id, ad_view_id, event, ord, is_billing, url_template, dedup_key, mode, state, due_at, updated_at) "
           "SELECT uuid_v7(), uuid_v7(), 'start', 10, false, 'https://t.test/', uuid_send(uuid_v7()), 'fire', %s, "
           "       coalesce(now() - %s * interval '1 minute', 'infinity'), now() - %s * interval '1 minute' FROM generate_series(1, %s)",
           state, due_minutes_ago, minutes_ago, count)


def edge_says(db, answers, over_200ms, over_500ms, spool_age_s=0):
    name = "tracepool_edge_answer_seconds"
    db.run("SELECT process_heartbeat(%s::jsonb)", json.dumps({
        "incarnation": "edge.1.1", "program": "edge", "host": "edge-1", "pid": 1, "spool_age_s": spool_age_s,
        "counters": {f"{name}_count": answers, f'{name}_bucket{{le="0.2"}}': answers - over_200ms,
                     f'{name}_bucket{{le="0.5"}}': answers - over_500ms}}))


def answer_clicks(db, over_200ms, over_500ms):
    """A thousand answers between two looks."""
    edge_says(db, 5000, 9, 9)
    wait_for_looks(db)
    edge_says(db, 6000, 9 + over_200ms, 9 + over_500ms)


def add_provider(db, days):
    db.run("INSERT INTO proxy_providers (provider, secret_name, credentials_rotated_at) VALUES ('luna', 'luna', now() - %s * interval '1 day')", days)


def add_drift(db, state):
    db.run("INSERT INTO chain_drift_events (offer_id, offer_name, country, start_url, shape_key, expectation_id, expected, seen, "
           "differences, state, traces, first_request_id, last_request_id, first_at, last_at) "
           "VALUES (uuid_v7(), 'shop', 'us', 'https://shop.test/', 'k', 1, '{}', '{}', '{another host}', %s, 1, uuid_v7(), uuid_v7(), now(), now())",
           state)


def chain_until(days):
    return [{"url": "https://shop.test/", "tls": {"not_after": days, "issuer": "CN=Some CA"}}]


def trace_with_certificate(db, days):
    ends = db.value("SELECT to_char(now() AT TIME ZONE 'UTC' + %s * interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", days)
    add_attempts(db, 1, chain=chain_until(ends))


def busiest_of_day(db, percent):
    db.run("INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, "
           "requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown) "
           "VALUES (now() - interval '21 hours', 100, 1, %s, 0, 0, 0, 0, %s, 7, 0, 100, '{}')", percent, percent)


def dead_worker(db, seconds):
    beat(db)
    db.run("UPDATE process_heartbeats SET seen_at = now() - %s * interval '1 second' WHERE program = 'worker'", seconds)


# ---- each rule: what makes it fire, what stays quiet, and the level that it sees then (None: it has none)

CASES = {
    "workers": (
        lambda db: dead_worker(db, 60),
        lambda db: beat(db), 1),
    "pool_utilization": (
        lambda db: (add_ips(db, 100), rest(db, 81)),
        lambda db: (add_ips(db, 100), rest(db, 80)), 80),
    "success_rate": (
        lambda db: (add_attempts(db, 89), add_attempts(db, 11, "failed")),
        lambda db: (add_attempts(db, 90), add_attempts(db, 10, "timeout")), 90),
    "unhealthy_ips": (
        lambda db: (add_ips(db, 9), db.run("UPDATE ip_rotation_pool SET is_healthy = ip_address <> 'other-us-1'")),
        lambda db: (add_ips(db, 10), db.run("UPDATE ip_rotation_pool SET is_healthy = ip_address <> 'other-us-1'")), 10),
    "queue_depth": (
        lambda db: add_requests(db, 21),
        lambda db: add_requests(db, 20), 20),
    "trace_time": (
        lambda db: add_attempts(db, 2, trace_ms=10001),
        lambda db: add_attempts(db, 2, trace_ms=10000), 10),
    "no_free_ip": (
        lambda db: (add_ips(db, 3, "de"), add_ips(db, 3), rest(db, 3), add_requests(db, 1, "de")),
        lambda db: (add_ips(db, 3, "de"), add_ips(db, 3), rest(db, 2), add_requests(db, 1, "de")), None),
    "events_untracked": (
        lambda db: add_events(db, 1, "pending", due_minutes_ago=6),
        lambda db: (add_events(db, 1, "pending", due_minutes_ago=6), add_events(db, 1, "tracked", minutes_ago=4)), None),
    "beacon_failures": (
        lambda db: (add_events(db, 8, "tracked"), add_events(db, 1, "failed")),
        lambda db: (add_events(db, 9, "tracked"), add_events(db, 1, "unknown")), 10),
    "spool_age": (
        lambda db: edge_says(db, 0, 0, 0, spool_age_s=61),
        lambda db: edge_says(db, 0, 0, 0, spool_age_s=60), 60),
    "credentials_age": (
        lambda db: add_provider(db, 90.1),
        lambda db: add_provider(db, 89), 89),
    "chain_drift": (
        lambda db: add_drift(db, "open"),
        lambda db: add_drift(db, "dismissed"), None),
    "certificate_errors": (
        lambda db: add_attempts(db, 1, "failed", error="target_tls", offer="shop"),
        lambda db: add_attempts(db, 1, "failed", error="target_refused", offer="shop"), None),
    "certificate_expiry": (
        lambda db: trace_with_certificate(db, 13),
        lambda db: trace_with_certificate(db, 15), 15),
    "edge_over_500ms": (
        lambda db: answer_clicks(db, 2, 2),
        lambda db: answer_clicks(db, 2, 1), 1),
    "edge_over_200ms": (
        lambda db: answer_clicks(db, 11, 0),
        lambda db: answer_clicks(db, 10, 0), 10),
    "http_only_share": (
        lambda db: (add_attempts(db, 15, reason="http_sufficient"), add_attempts(db, 5, mode="browser", reason="js_redirect")),
        lambda db: (add_attempts(db, 16, reason="http_sufficient"), add_attempts(db, 4, mode="browser", reason="js_redirect"),
                    add_attempts(db, 9, mode="browser")), 80),
    "pool_ceiling": (
        lambda db: (add_ips(db, 1), add_attempts(db, 5, trace_ms=0)),
        lambda db: (add_ips(db, 1), add_attempts(db, 4, trace_ms=0)), 80),
    "pool_idle": (
        lambda db: busiest_of_day(db, 59),
        lambda db: busiest_of_day(db, 60), 60),
}
SUBJECTS = {"no_free_ip": "de", "spool_age": "edge-1", "credentials_age": "luna", "chain_drift": "shop", "certificate_errors": "shop",
            "certificate_expiry": "shop.test"}


def level_of(db, rule):
    value = db.value("SELECT max(l.value) FROM pool_monitor() AS s (now) CROSS JOIN promises(s.now) AS p (told) "
                     "CROSS JOIN alert_levels(s.now, p.told, 30000, 0) AS l WHERE l.rule = %s", rule)
    return None if value is None else round(float(value), 2)


@pytest.mark.parametrize("rule", CASES)
def test_rule_fires(db, monitor, rule):
    monitor(ready="database.up")
    CASES[rule][0](db)
    if rule in DURATIONS:
        db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = %s AND state = 'pending'", rule)
        wait_for_looks(db)
        assert db.value("SELECT state FROM alerts WHERE rule = %s", rule) == "pending", "not before its time"
        db.run("UPDATE alerts SET since = since - %s * interval '1 second' WHERE rule = %s", DURATIONS[rule], rule)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = %s AND state = 'firing'", rule)
    row = db.one("SELECT * FROM alerts WHERE rule = %s", rule)
    assert row["subject"] == SUBJECTS.get(rule, "")
    assert row["fired_at"] and row["advice"] and row["message"] and (row["subject"] in row["message"])
    assert row["for_s"] == DURATIONS.get(rule, 0)


@pytest.mark.parametrize("rule", CASES)
def test_rule_is_quiet_at_its_threshold(db, monitor, rule):
    monitor(ready="database.up")
    CASES[rule][1](db)
    wait_for_looks(db)
    assert level_of(db, rule) == CASES[rule][2]
    assert db.value("SELECT count(*) FROM alerts WHERE rule = %s", rule) == 0


def test_every_rule_of_the_table_has_both_tests(db):
    names = {line.split(": ", 1)[1] for line in verb(db, "rules")[1].splitlines() if line.strip().startswith("rule: ")}
    assert names == set(CASES) | {"oldest_transaction"}


def test_an_old_transaction_fires_and_a_young_one_does_not(db, monitor):
    monitor(ready="database.up")
    somebody = psycopg2.connect(db.url_as("tracepool_worker"))
    with somebody.cursor() as cursor:
        cursor.execute("SELECT 1")   # and leaves it open
    wait_for_looks(db)
    assert db.value("SELECT count(*) FROM alerts WHERE rule = 'oldest_transaction'") == 0
    monitor("--alerts.oldest_transaction=0", ready="database.up")
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'oldest_transaction' AND state = 'firing'")
    somebody.close()


# ---- more than one look at some of them


def test_events_that_fail_one_by_one_are_not_tracked_either(db, monitor):
    """The incident of the original: each tracking request failed, and nobody noticed for hours."""
    monitor(ready="database.up")
    add_events(db, 1, "tracked", minutes_ago=200)
    add_events(db, 3, "failed", minutes_ago=6)
    wait_for_looks(db)
    assert level_of(db, "events_untracked") is None, "nothing went wrong lately"
    add_events(db, 1, "failed", minutes_ago=1)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'events_untracked' AND state = 'firing'")


def test_a_farm_that_never_started_is_no_alert_until_there_is_work(db, monitor):
    monitor(ready="database.up")
    wait_for_looks(db)
    assert level_of(db, "workers") is None
    add_requests(db, 1)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'workers' AND state = 'firing'")


def test_thresholds_are_settings(db, monitor):
    monitor("--alerts.queue_depth=2", ready="database.up")
    add_requests(db, 3)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'queue_depth' AND state = 'firing' AND threshold = 2")


def test_alert_ends_when_all_is_well_again(db, monitor):
    first = monitor("--alerts.keep_s=0", ready="database.up")
    add_requests(db, 21)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'queue_depth' AND state = 'firing'")
    db.run("DELETE FROM active_trace_requests")
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'queue_depth' AND state = 'resolved' AND resolved_at IS NOT NULL")
    assert first.program.wait_event("alert.firing", rule="queue_depth")[0]["severity"] == "warning"
    first.program.wait_event("alert.resolved", rule="queue_depth")


def test_restart_of_the_monitor_forgets_nothing(db, monitor):
    first = monitor(ready="database.up")
    add_ips(db, 100)
    rest(db, 81)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'pool_utilization' AND state = 'pending'")
    since = db.value("SELECT since FROM alerts WHERE rule = 'pool_utilization'")
    first.program.process.kill()
    first.program.wait()
    db.run("UPDATE alerts SET since = since - interval '4 minutes', seen_at = seen_at - interval '4 minutes'")
    monitor(ready="database.up")
    wait_for_looks(db)
    row = db.one("SELECT state, since FROM alerts WHERE rule = 'pool_utilization'")
    assert row["state"] == "pending" and (since - row["since"]).total_seconds() == 240, "its clock went on"
    db.run("UPDATE alerts SET since = since - interval '1 minute'")
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'pool_utilization' AND state = 'firing'")


def test_two_monitors_fire_an_alert_once(db, monitor):
    both = [monitor(ready="database.up") for _ in range(2)]
    for round_ in range(1, 4):
        add_requests(db, 21)
        db.wait_for("SELECT count(*) = %s FROM alerts WHERE rule = 'queue_depth' AND state <> 'pending'", round_)
        db.run("DELETE FROM active_trace_requests")
        db.run("UPDATE alerts SET seen_at = seen_at - interval '1 minute'")
        db.wait_for("SELECT count(*) = %s FROM alerts WHERE rule = 'queue_depth' AND state = 'resolved'", round_)
    said = [len(m.program.events("alert.firing", rule="queue_depth")) for m in both]
    assert sum(said) == 3 and db.value("SELECT count(*) FROM alerts WHERE rule = 'queue_depth'") == 3


# ---- check, and what the monitor shows


def test_check_never_says_all_is_well_while_the_workers_are_gone(db):
    add_ips(db, 2)
    beat(db)
    code, text, _ = verb(db, "check")
    assert code == 0 and text.endswith("System operating normally\n")
    dead_worker(db, 60)
    code, text, _ = verb(db, "check")
    assert code == 1 and "warning: Number of live workers is 0 (less than 1)" in text
    assert "System operating normally" not in text and "Start tracepool-worker" in text


def test_status_says_so_too(db, monitor):
    api = monitor(ready="database.up")
    dead_worker(db, 60)
    answer = api.json("GET", "/functions/v1/pool-monitor")[1]
    assert answer["warnings"] == ["Number of live workers is 0 (less than 1)"]
    assert answer["recommendation"] == "Start tracepool-worker and look at its log"


def health_script(*arguments, **environment):
    done = subprocess.run([farm.ROOT / "deploy" / "check-pool-health.sh", *arguments], text=True, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", **{name: str(value) for name, value in environment.items()}})
    return done.returncode, done.stdout + done.stderr


def test_health_script_asks_the_database(db):
    asks = {"TRACEPOOL_MONITOR": farm.binary("tracepool-monitor"), "DATABASE_URL": db.url_as("tracepool_monitor")}
    add_ips(db, 2)
    code, text = health_script(**asks)
    assert code == 0 and "pool us: 2 IPs, 2 available" in text and "System operating normally" in text
    assert health_script("-q", **asks) == (0, "")
    dead_worker(db, 60)
    for options in ([], ["-q"]):
        code, text = health_script(*options, **asks)
        assert code == 1 and "warning: Number of live workers is 0" in text
    assert health_script("--alerts.workers=0", **asks)[0] == 0, "options go to the program"
    code, text = health_script("-q", "--database.connect_timeout_ms=500", **{**asks, "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"})
    assert code == 2 and "unreachable: " in text
    assert health_script(**{**asks, "TRACEPOOL_MONITOR": "/nowhere"})[0] == 2


def test_health_script_asks_the_monitor(db, monitor, tmp_path):
    api = monitor(ready="database.up")
    (tmp_path / "token").write_text(TOKEN + "\n")
    asks = {"TRACEPOOL_URL": f"http://127.0.0.1:{api.port}", "TRACEPOOL_TOKEN_FILE": tmp_path / "token"}
    code, text = health_script(**asks)
    assert code == 0 and "queue depth 0" in text and text.endswith("System operating normally\n")
    add_requests(db, 21)
    code, text = health_script("-q", **asks)
    assert code == 1 and "warning: Queue depth is 21 (more than 20)\n" in text
    assert text.count("warning: ") == 3 and "Start tracepool-worker" in text
    code, text = health_script(**{**asks, "TRACEPOOL_TOKEN_FILE": "/dev/null"})
    assert code == 2 and "a token is needed" in text
    api.program.stop()
    assert health_script(**asks)[0] == 2


def test_information_is_no_warning(db):
    busiest_of_day(db, 5)
    assert verb(db, "check")[0] == 0


def test_promises_are_served_for_the_dashboard_and_prometheus(db, monitor):
    api = monitor(ready="database.up")
    add_ips(db, 10)
    answer_clicks(db, 5, 1)
    add_attempts(db, 20, reason="http_sufficient")
    wait_for_looks(db)
    page = api.json("GET", "/dashboard/v1/overview")[1]
    promises = page["look"]["promises"]
    assert promises["edge"]["answers"] == 1000 and promises["edge"]["over_500ms_percent"] == 0.1
    assert promises["http_only"] == {"traces": 20, "percent": 100, "expected_percent": 80}
    assert promises["utilization"]["low_percent"] == 60 and promises["utilization"]["high_percent"] == 80
    assert promises["throughput"]["per_minute"] == 4 and promises["throughput"]["ceiling_per_minute"] > 9
    levels = {level["rule"]: level for level in page["look"]["levels"]}
    assert levels["edge_over_200ms"]["value"] == 5 and levels["edge_over_200ms"]["is_beyond"] is False
    text = api.call("GET", "/metrics")[2]
    assert "\ntracepool_edge_over_500ms_ratio 0.001\n" in text and "\ntracepool_http_only_ratio 1\n" in text
    assert "\ntracepool_pool_ceiling_ratio 0.4" in text


def test_no_hole_when_the_monitor_restarts(db, monitor):
    """The first snapshot comes at once and not after an interval."""
    first = monitor("--monitor.interval_s=3600", ready="database.up")
    db.wait_for("SELECT count(*) = 1 FROM ip_pool_statistics")
    first.program.process.kill()
    first.program.wait()
    monitor("--monitor.interval_s=3600", ready="database.up")
    db.wait_for("SELECT count(*) = 2 FROM ip_pool_statistics")


def test_old_snapshots_are_thinned_while_it_runs(db, monitor):
    db.run("INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, "
           "requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown) "
           "SELECT date_trunc('minute', now()) - interval '2 days' + i * interval '10 s', 1, 1, i, 0, 0, 0, 0, 0, 0, 0, 100, '{}' "
           "FROM generate_series(0, 59) AS i")
    monitor(ready="database.up")
    db.wait_for("SELECT count(*) = 10 FROM ip_pool_statistics WHERE recorded_at < now() - interval '1 day'")
    assert db.value("SELECT array_agg(locked_ips ORDER BY recorded_at) FROM ip_pool_statistics WHERE step_s = 60") == list(range(5, 60, 6))
