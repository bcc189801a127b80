"""The SQL of the original's handbook runs as written, in a farm that is running, and takes effect."""
import pytest

import farm
from stage import PAGE

ADD_US = """
INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider)
VALUES
  ('user-12345678', '7000', 'us', 'luna'),
  ('user-23456789', '7000', 'us', 'luna'),
  ('user-34567890', '7000', 'us', 'luna');
"""
ADD_OTHERS = """
INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider)
VALUES
  ('user-canada1', '7000', 'ca', 'luna'),
  ('user-uk1', '7000', 'gb', 'luna');
"""
FIND_FAILING = """
SELECT ip_address, consecutive_failures, success_count, failure_count
FROM ip_rotation_pool
WHERE is_healthy = false
ORDER BY consecutive_failures DESC;
"""
DELETE_FAILED = """
DELETE FROM ip_rotation_pool
WHERE consecutive_failures > 10
  AND (success_count::float / NULLIF(total_uses, 0)) < 0.5;
"""
RECENT_TRACES = """
  SELECT request_id, status, trace_time_ms, tracer_mode_used
  FROM active_trace_requests
  WHERE started_at > NOW() - INTERVAL '5 minutes'
  ORDER BY started_at DESC
  LIMIT 20;
"""


@pytest.fixture
def shop(web):
    web.add("http://shop.test/", PAGE)
    return "http://shop.test/"


def test_its_inserts_fill_the_pool_and_are_traced_through_once_the_gateway_is_known(db, worker, pool, proxies, shop):
    gateway = proxies(1)[0]
    farm_of_one = worker()
    db.run(ADD_US)
    db.run(ADD_OTHERS)
    added = db.run("SELECT ip_address, status::text, is_healthy, locked_until FROM ip_rotation_pool ORDER BY country")
    assert [r["ip_address"] for r in added][:2] == ["user-canada1", "user-uk1"]
    assert {(r["status"], r["is_healthy"]) for r in added} == {("available", True)}

    # Nobody said what a luna entry is: its IPs wait, unblamed, and so do the requests.
    waiting = [pool.request(shop, country) for country in ("us", "ca", "gb")]
    db.wait_for("SELECT EXISTS (SELECT FROM unknown_providers() WHERE provider = 'luna' AND ips = 5)")
    assert db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'pending'") == 3

    db.run("INSERT INTO proxy_providers (provider, host_template, port_template, user_template, secret_name) "
           "VALUES ('luna', %s, %s, '{ip}', NULL)", gateway.address, str(gateway.port))
    rows = [pool.ended(request) for request in waiting]
    assert [r["status"] for r in rows] == ["completed"] * 3
    assert rows[0]["ip_assigned"] in ("user-12345678", "user-23456789", "user-34567890")
    assert [r["ip_assigned"] for r in rows[1:]] == ["user-canada1", "user-uk1"]
    assert farm_of_one.is_running()


def test_recent_traces_query_tells_what_was_traced(db, worker, pool, proxies, shop):
    pool.add(proxies(1)[0])
    worker()
    request = pool.request(shop)
    pool.ended(request)
    rows = db.run(RECENT_TRACES)
    assert [r["request_id"] for r in rows] == [request]
    assert rows[0]["status"] == "completed"
    assert rows[0]["trace_time_ms"] >= 0
    assert rows[0]["tracer_mode_used"] == "http_only"


def test_failing_ips_are_found_and_deleted_and_their_traces_stay(db, worker, pool, proxies, shop):
    good = proxies(1)[0]
    port = farm.free_port()
    db.run("UPDATE trace_policy SET unhealthy_after = 2, cooldown_s = 0, probe_pause_s = 1, retry_backoff_s = 0, max_retries = 20")
    db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) VALUES ('127.0.0.1', %s, 'us', 'other')", str(port))
    worker()
    request = pool.request(shop)
    # Nothing listens at that proxy: it fails, turns unhealthy, and is probed now and then.
    db.wait_for("SELECT EXISTS (SELECT FROM ip_rotation_pool WHERE is_healthy = false)")
    failing = db.run(FIND_FAILING)
    assert [r["ip_address"] for r in failing] == ["127.0.0.1"]
    assert failing[0]["consecutive_failures"] >= 2 and failing[0]["failure_count"] >= 2

    pool.add(good)
    row = pool.ended(request)
    assert (row["status"], row["ip_assigned"]) == ("completed", good.address)

    db.run("UPDATE ip_rotation_pool SET consecutive_failures = 11 WHERE ip_address = '127.0.0.1'")
    db.run(DELETE_FAILED)
    assert [r["ip_address"] for r in db.run("SELECT ip_address FROM ip_rotation_pool")] == [good.address]
    assert db.value("SELECT count(*) FROM trace_attempts WHERE ip_address = '127.0.0.1' AND blame = 'proxy'") >= 2
    pool.nothing_held()


def test_an_ip_locked_by_hand_is_nobody_elses_until_it_is_released(db, worker, pool, proxies, shop):
    address = pool.add(proxies(1)[0])
    worker()
    mine = "00000000-0000-4000-8000-000000000001"
    locked = db.one("SELECT * FROM lock_available_ip('us', %s)", mine)
    assert locked["ip_address"] == address and locked["provider"] == "other"
    assert db.one("SELECT * FROM lock_available_ip('us', %s, 30)", mine) is None, "there is no second one"
    request = pool.request(shop)
    ip = pool.ip(address)
    assert (ip["status"], str(ip["locked_by_request"])) == ("locked", mine)
    assert pool.row(request)["status"] == "pending"

    db.run("SELECT release_ip(%s, true, 120)", address)
    ip = pool.ip(address)
    assert (ip["status"], ip["total_uses"], ip["success_count"], ip["avg_response_time_ms"]) == ("cooldown", 1, 1, 120)
    assert db.value("SELECT locked_until > now() + interval '50 s' FROM ip_rotation_pool")
    assert pool.row(request)["status"] == "pending", "the IP rests"

    db.run("UPDATE ip_rotation_pool SET status = 'available' WHERE ip_address = %s", address)
    assert pool.ended(request)["ip_assigned"] == address


def test_release_ip_by_hand_counts_failures_until_the_ip_is_unhealthy(db, worker, pool, proxies):
    address = pool.add(proxies(1)[0])
    worker()
    for _ in range(5):
        assert pool.ip(address)["is_healthy"]
        db.run("SELECT release_ip(%s, false)", address)
    ip = pool.ip(address)
    assert (ip["status"], ip["is_healthy"], ip["consecutive_failures"]) == ("failed", False, 5)


def test_is_healthy_written_by_hand_takes_an_ip_out_and_back(db, worker, pool, proxies, shop):
    first, second = (pool.add(p) for p in proxies(2))
    worker()
    db.run("UPDATE ip_rotation_pool SET is_healthy = false WHERE ip_address = %s", first)
    requests = [pool.request(shop), pool.request(shop)]
    done = db.wait_for("SELECT request_id FROM active_trace_requests WHERE status = 'completed'")
    assert pool.row(done)["ip_assigned"] == second
    other = next(r for r in requests if r != done)
    assert pool.row(other)["status"] == "pending", "one rests, one is out"
    assert pool.ip(first)["status"] == "failed"

    db.run("UPDATE ip_rotation_pool SET is_healthy = true WHERE ip_address = %s", first)
    assert pool.ended(other)["ip_assigned"] == first


def test_status_written_by_hand_ends_and_requeues_requests(db, worker, pool, proxies, shop):
    request = pool.request(shop)
    db.run("UPDATE active_trace_requests SET status = 'failed', error_message = 'not needed' WHERE request_id = %s", request)
    pool.add(proxies(1)[0])
    worker()
    marker = pool.request(shop)
    pool.ended(marker)  # the farm has been at work since, and let the other one be
    row = pool.row(request)
    assert (row["status"], row["attempt"], row["ip_assigned"]) == ("failed", 1, None)
    assert row["completed_at"] is not None

    db.run("UPDATE ip_rotation_pool SET status = 'available'")
    db.run("UPDATE active_trace_requests SET status = 'pending' WHERE request_id = %s", request)
    assert pool.ended(request)["status"] == "completed"


def test_expired_locks_and_timed_out_requests_are_cleaned_up_by_hand(db, pool, proxies, worker, shop):
    address = pool.add(proxies(1)[0])
    db.run("UPDATE trace_policy SET retry_backoff_s = 0, cooldown_s = 0")
    request = pool.request(shop)
    # A claim whose worker is gone, and whose lease is over.
    db.run("SELECT * FROM claim_traces(1, 'gone.1.1', 60000, NULL, NULL, NULL)")
    assert pool.ip(address)["status"] == "locked"
    db.run("UPDATE ip_rotation_pool SET locked_until = now() - interval '1 s'")
    db.run("UPDATE active_trace_requests SET timeout_at = now() - interval '1 s'")
    assert db.value("SELECT cleanup_timed_out_requests()") == 1
    row = pool.row(request)
    assert (row["status"], row["retry_count"]) == ("pending", 1)
    db.run("SELECT release_expired_ip_locks()")
    assert pool.ip(address)["status"] == "available"
    worker()
    row = pool.ended(request)
    assert (row["status"], row["attempt"]) == ("completed", 2)


def test_statistics_and_batches_asked_for_by_hand(db, pool, proxies, worker, shop):
    for proxy in proxies(2):
        pool.add(proxy)
    running = worker("--worker.mode=batch")
    requests = [pool.request(shop), pool.request(shop)]
    assert [pool.row(r)["status"] for r in requests] == ["pending"] * 2, "batch mode waits to be asked"
    batch = db.value("SELECT request_trace_batch(10, 5)")
    for request in requests:
        assert pool.ended(request)["status"] == "completed"
    db.wait_for("SELECT state = 'done' AND processed = 2 AND succeeded = 2 FROM batch_result(%s)", batch)
    db.run("SELECT record_pool_statistics()")
    row = db.one("SELECT * FROM ip_pool_statistics ORDER BY recorded_at DESC LIMIT 1")
    assert (row["total_ips"], row["cooldown_ips"], row["locked_ips"], row["active_requests"]) == (2, 2, 0, 0)
    assert row["pool_utilization_percent"] == 100
    assert running.is_running()


def test_deleting_an_offer_or_an_ip_never_erases_a_trace(db, pool, proxies, worker, shop):
    address = pool.add(proxies(1)[0])
    offer = db.value("INSERT INTO offers (offer_name, final_url) VALUES ('gone', %s) RETURNING id", shop)
    request = pool.request(shop, offer_id=str(offer))
    worker()
    pool.ended(request)
    db.run("DELETE FROM offers WHERE id = %s", offer)
    db.run("DELETE FROM ip_rotation_pool WHERE ip_address = %s", address)
    row = pool.row(request)
    assert (row["status"], row["ip_assigned"], str(row["offer_id"])) == ("completed", address, str(offer))
