"""deploy/diagnostics.sql: runs whole, answers its questions from rows that show the trouble, and reads no large table."""
import json
import re
import subprocess

import pytest

import farm

FILE = farm.ROOT / "deploy" / "diagnostics.sql"
QUESTIONS = ["How is it now?", '"No available IP": why does a country have none?', "High queue depth: is anybody working?",
             "High queue depth: is it retries? What fails?", "The trend: failures and times, week by week", "Slow traces: which mode, and how slow?",
             "Pool exhaustion: how full was it, hour by hour?", "Stuck locks: IPs that nobody will give back by himself", "Timeouts by country",
             "Ranking of IPs: the worst and the best", "Peak concurrency: how many IPs are needed?", "Chains that go other ways than they should",
             "The latest traces"]


def answers(db):
    """{number: what psql prints for that question}, read as the role that may do nothing else."""
    done = subprocess.run(["psql", "-X", "-f", FILE, db.url_as("tracepool_readonly")], capture_output=True, text=True, timeout=farm.PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, "")
    parts = re.split(r"^== (\d+)\. (.*)\n", done.stdout, flags=re.M)
    assert parts[2::3] == QUESTIONS
    return {int(number): text for number, text in zip(parts[1::3], parts[3::3])}


def rows(text):
    """Cells of the lines of all tables in it."""
    return [[cell.strip() for cell in line.split("│")] for line in text.splitlines() if "│" in line]


def row_of(text, *start):
    found = [r for r in rows(text) if r[:len(start)] == list(start)]
    assert found, f"{start} is not in\n{text}"
    return found[0]


def test_it_runs_in_an_empty_house(db):
    assert len(answers(db)) == len(QUESTIONS)


@pytest.fixture
def trouble(db):
    """A bit of every trouble, as rows."""
    db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider, total_uses, success_count, avg_response_time_ms) "
           "SELECT 'us-' || i, 'us', 'other', 100, 90 + i, 100 * i FROM generate_series(1, 6) AS i")
    db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider) VALUES ('gb-1', 'gb', 'nobody'), ('de-1', 'de', 'other'), ('fr-1', 'fr', 'other')")
    db.run("UPDATE ip_rotation_pool SET is_healthy = false, total_uses = 50, success_count = 5, consecutive_failures = 9 WHERE ip_address = 'de-1'")
    db.run("UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = now() + interval '40 s', revision = revision + 1 WHERE ip_address = 'fr-1'")
    for country in ("us", "ca", "gb", "de", "fr"):
        db.run("INSERT INTO active_trace_requests (tracking_url, target_country, started_at, next_attempt_at) "
               "VALUES ('https://t.test/', %s, now() - interval '90 s', now() - interval '90 s')", country)
    db.run("SELECT * FROM claim_traces(1, 'gone.1.1', 60000, '{us}', NULL, NULL)")
    db.run("SELECT * FROM lock_available_ip('us', '00000000-0000-4000-8000-000000000001')")
    db.run("SELECT process_heartbeat(%s)", json.dumps({"incarnation": "w.1.1", "program": "worker", "host": "h", "pid": 1}))
    for n, (status, outcome, error, ms, mode) in enumerate([("completed", "ok", None, 2100, "http_only"), ("completed", "ok", None, 18000, "browser"),
                                                            ("timeout", "timeout", "trace_timeout", 90000, "http_only"), ("pending", "error", "proxy_refused", 300, None)]):
        request = db.value("INSERT INTO active_trace_requests (tracking_url, target_country, status, next_attempt_at, max_retries, offer_name, detection_reason, redirect_chain) "
                           "VALUES ('https://x.test/', 'us', 'completed', NULL, 0, 'shoes', 'js_redirect', '[{},{}]') RETURNING request_id")
        db.run("INSERT INTO trace_attempts (request_id, attempt, ended_at, outcome, error, detail, blame, new_status, mode_used, trace_ms, response_ms, ip_address) "
               "VALUES (%s, 1, now() - interval '1 min', %s, %s, 'as it was', %s, %s, %s, %s, 50, 'us-1')",
               request, outcome, error, "proxy" if error == "proxy_refused" else "target" if error else "none", status, mode, ms)
    db.run("""INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, requests_queued, avg_wait_time_ms,
                     avg_trace_time_ms, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown)
              SELECT at, 50, 20, 20 + extract(hour FROM at)::int, 10, 2, 0, 3, 100, 3000, 60, CASE WHEN at < now() - interval '7 days' THEN 90 ELSE 60 END, 10, 90, '{}'
                FROM generate_series(now() - interval '20 days', now(), interval '1 hour') AS at""")


def test_each_trouble_is_named_where_it_is_looked_for(db, trouble):
    said = answers(db)
    assert row_of(said[1], "us")[1:7] == ["6", "4", "2", "0", "0", "33"]
    assert int(row_of(said[1], "ca")[8]) >= 90, "and it waits"
    assert {r[0]: r[1] for r in rows(said[2])[1:]} == {
        "ca": "it has no IPs at all", "gb": "its providers are not in proxy_providers: nobody", "de": "all are unhealthy",
        "fr": "those that are healthy are in use or rest"}
    assert row_of(said[3], "worker")[1:3] == ["1", "0"]
    assert row_of(said[4], "proxy_refused", "proxy", "1", "1")[5] == "as it was"
    weeks = rows(said[5])[1:]
    assert len(weeks) in (3, 4)
    assert (weeks[0][3], weeks[-1][3]) == ("90.0", "85.7"), "the trend shows"
    assert row_of(said[6], "http_only", "1")[3] == "2100"
    assert row_of(said[6], "js_redirect", "1")[2] == "18000"
    assert [r[3] for r in rows(said[6])[-3:]] == ["90000", "18000", "2100"] or "90000" in said[6]
    assert 24 <= len(rows(said[7])) - 1 <= 25
    stuck = {r[0]: r[5] for r in rows(said[8])[1:]}
    assert sorted(stuck.values()) == ["its worker has not been heard of since ever", "locked by hand"]
    assert row_of(said[9], "us")[1:3] == ["4", "1"]
    assert rows(said[10])[1][:2] == ["worst", "de-1"] and row_of(said[10], "best")[1] == "us-6"
    assert max(int(r[1]) for r in rows(said[11])[1:]) == 43
    assert row_of(said[11], rows(said[11])[3][0])[3] == "129"
    assert len(rows(said[13])) > 4


def statements():
    text = re.sub(r"^\\.*$|^\s*--.*$", "", FILE.read_text(), flags=re.M)
    return [s.strip() for s in text.split(";\n") if s.strip() and not s.strip().startswith("SET")]


def test_no_statement_reads_a_large_table_as_a_whole(db):
    """With sequential scans switched off, one that is left is one that no index could replace."""
    assert len(statements()) >= 15
    db.run("SET enable_seqscan = off")
    for statement in statements():
        plan = "\n".join(r["QUERY PLAN"] for r in db.run("EXPLAIN " + statement))
        assert not re.search(r"Seq Scan on (active_trace_requests|trace_attempts|ip_pool_statistics|trace_batches)\b", plan), plan
        assert "trace_archive" not in plan and "trace_evidence" not in plan, plan
