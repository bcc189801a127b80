"""What the monitor's regular statements touch does not depend on how many attempts ended in the last hour, or snapshots in a day."""
from test_claim_cost import buffers

NEWEST = 700   # pages of the 10,000 attempts that the dashboard takes its percentiles of

TICK = {
    "record_statistics": "SELECT record_pool_statistics()",
    "pool_monitor": "SELECT alert_look(now.status, '[]', 30000, oldest_transaction_s()) FROM pool_monitor() AS now (status)",
    "overview": "SELECT page.answer, alert_look(page.answer->'status', '[]', 30000, oldest_transaction_s())"
                "  FROM dashboard_overview(30000) AS page (answer)",
    "watch_chains": "SELECT watch_chains()",
    "learn": "SELECT * FROM learn_from_traces()",
}


def end_attempts(me, count, first_s=3600, last_s=0):
    """So many, evenly from first_s ago to last_s ago; every hundredth met a certificate that it refused."""
    me.run("INSERT INTO trace_attempts (request_id, attempt, ip_address, ended_at, outcome, error, blame, new_status, mode_used, trace_ms, wait_ms)"
           " SELECT gen_random_uuid(), 1, 'us-' || 1 + i %% 20, clock_timestamp() - (%s + (i::float8 / %s) * %s) * interval '1 s',"
           "        CASE WHEN i %% 10 = 0 THEN 'error' ELSE 'ok' END, CASE WHEN i %% 100 = 0 THEN 'target_tls' END, 'none',"
           "        CASE WHEN i %% 10 = 0 THEN 'failed' ELSE 'completed' END::trace_status, 'http_only', 1000 + i %% 700, i %% 90"
           "   FROM generate_series(1, %s) AS i", last_s, count, first_s - last_s, count)


def costs(me):
    """Of each statement, when everything that ended is counted and the monitor has looked before."""
    me.run("UPDATE attempts_counted SET counted_to = '-infinity'")
    me.run("ANALYZE trace_attempts, attempts_by_kind, attempts_by_country")
    me.run("UPDATE chain_watch SET ended_at = clock_timestamp()")
    me.run("UPDATE detection_progress SET counted_to = clock_timestamp()")
    for sql in TICK.values():
        for _ in range(7):   # a look counts ten minutes
            me.all(sql)
    return {name: buffers(me, sql) for name, sql in TICK.items()}


def test_a_busy_hour_costs_the_monitor_no_more_than_a_quiet_one(session, stock):
    me = stock(ips=20, requests=100)
    end_attempts(me, 2000)
    quiet = costs(me)
    end_attempts(me, 94000, 3400, 360)   # what is read by itself, because a window begins there or it is not counted for good, is the same
    end_attempts(me, 6000, 240, 180)
    busy = costs(me)
    busy["overview"] -= NEWEST
    assert {name: (n, busy[name]) for name, n in quiet.items() if busy[name] > n * 2 + 20} == {}


def test_a_day_of_snapshots_is_read_from_an_index(session, stock):
    me = stock(ips=1, requests=0)
    me.run("INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests,"
           "  requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown)"
           " SELECT clock_timestamp() - i * interval '10 s', 9, 1, 8, 0, 0, 0, 0, CASE WHEN i = 4000 THEN 97 ELSE 88 END, 7, 0, 100,"
           "        jsonb_build_object('us', repeat('x', 500)) FROM generate_series(1, 8640) AS i")
    me.run("VACUUM ANALYZE ip_pool_statistics")
    ask = "SELECT promises(pool_monitor())"
    assert me.one(ask)["utilization"]["peak_of_day"] == {"percent": 97, "completed": 7, "hours": 23}
    assert buffers(me, ask) < 200


def test_while_another_monitor_counts_attempts_are_read_instead(session, stock):
    me, other = stock(ips=20, requests=0), session(autocommit=False)
    end_attempts(me, 100)
    other.run("SELECT FROM attempts_counted FOR UPDATE")   # as in the midst of count_attempts()
    me.run("SELECT record_pool_statistics()")
    assert me.all("SELECT completed_requests_1h, failed_requests_1h FROM ip_pool_statistics ORDER BY id DESC LIMIT 1") == [(90, 9)]
    assert me.one("SELECT count(*) FROM attempts_by_kind") == 0
    other.conn.rollback()
    me.run("SELECT record_pool_statistics()")
    assert me.all("SELECT completed_requests_1h, failed_requests_1h FROM ip_pool_statistics ORDER BY id DESC LIMIT 1") == [(90, 9)]
    assert me.one("SELECT sum(attempts) FROM attempts_by_kind") > 0
