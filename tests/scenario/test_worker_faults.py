"""Something dies in mid-trace: every request ends once, every IP is let go, nothing happens twice."""
import contextlib
import os
import signal
import threading
import time

import pytest

import farm
from stage import PAGE


@pytest.fixture
def slow(web):
    """A page that does not answer until the test lets it."""
    return web.add("http://slow.test/", PAGE, held=True)


def pid_of(incarnation):
    return int(incarnation.split(".")[-2])


def wait_in_flight(db, web, url, count=1):
    """Until so many traces wait for that page; the claims' rows."""
    farm.wait_for(lambda: len(web.visits(url)) >= count, f"{count} traces at {url}")
    return db.run("SELECT request_id, claimed_by FROM active_trace_requests WHERE status = 'processing' ORDER BY started_at")


def attempts(db, request):
    return db.run("SELECT attempt, outcome, error, new_status, worker FROM trace_attempts WHERE request_id = %s "
                  "ORDER BY attempt", request)


def test_a_killed_childs_trace_is_traced_by_another_at_once(db, worker, pool, proxies, web, slow):
    for proxy in proxies(3):
        pool.add(proxy)
    running = worker(children=2)
    request = pool.request(slow)
    held = wait_in_flight(db, web, slow)[0]
    os.kill(pid_of(held["claimed_by"]), signal.SIGKILL)

    # Long before the lease ends, somebody else has it, through another IP.
    farm.wait_for(lambda: len(web.visits(slow)) == 2, "the second attempt")
    assert len({visit.peer for visit in web.visits(slow)}) == 2
    web.release(slow)
    row = pool.ended(request)
    assert (row["status"], row["attempt"], row["retry_count"]) == ("completed", 2, 1)
    assert row["claimed_by"] != held["claimed_by"]
    assert [(a["outcome"], a["error"], a["new_status"]) for a in attempts(db, request)] == [
        ("released", "worker_died", "pending"), ("ok", None, "completed")]
    running.wait_event("sibling.released", worker=held["claimed_by"], traces=1)
    pool.nothing_held()
    assert db.value("SELECT max(consecutive_failures) FROM ip_rotation_pool") == 0
    running.wait_event("worker.ready", 3)   # and the dead one is replaced


def test_children_killed_again_and_again_lose_nothing_and_do_nothing_twice(db, worker, pool, proxies, web):
    web.add("http://shop.test/", {**PAGE, "delay_ms": 20})
    gateway = proxies(1)[0]
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0, max_retries = 100")
    db.run("INSERT INTO proxy_providers (provider, host_template, port_template, user_template) "
           "VALUES ('luna', %s, %s, '{ip}')", gateway.address, str(gateway.port))
    db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider) "
           "SELECT 'user-' || i, (ARRAY['us', 'de'])[1 + i %% 2], 'luna' FROM generate_series(1, %s) AS i", 40)
    running = worker(children=3)
    for _ in range(8):
        db.run("INSERT INTO active_trace_requests (tracking_url, target_country) SELECT 'http://shop.test/?n=' || i, "
               "(ARRAY['us', 'de'])[1 + i %% 2] FROM generate_series(1, %s) AS i", 60)
        claimed = db.wait_for("SELECT claimed_by FROM active_trace_requests WHERE status = 'processing' LIMIT 1")
        with contextlib.suppress(ProcessLookupError):   # that one may have died in the last round
            os.kill(pid_of(claimed), signal.SIGKILL)
    # A claim that was on its way when its child died is found too, long before leases or silence end.
    pool.nothing_held()
    assert db.run("SELECT status::text, count(*) FROM active_trace_requests GROUP BY status") == [
        {"status": "completed", "count": 480}]
    assert db.value("SELECT count(*) FROM (SELECT FROM trace_attempts WHERE new_status = 'completed' "
                    "GROUP BY request_id HAVING count(*) > 1) AS twice") == 0
    assert db.value("SELECT count(*) FROM trace_attempts a JOIN trace_attempts b ON a.ip_address = b.ip_address "
                    "AND (a.request_id, a.attempt) <> (b.request_id, b.attempt) "
                    "AND a.started_at < b.ended_at AND b.started_at < a.ended_at") == 0
    assert db.value("SELECT count(*) FROM trace_attempts WHERE error = 'worker_died'") > 0
    assert running.is_running()


def test_the_only_child_is_replaced_and_its_replacement_gives_back_what_it_held(db, worker, pool, proxies, web, slow):
    for proxy in proxies(2):
        pool.add(proxy)
    worker()
    request = pool.request(slow)
    os.kill(pid_of(wait_in_flight(db, web, slow)[0]["claimed_by"]), signal.SIGKILL)
    farm.wait_for(lambda: len(web.visits(slow)) == 2, "the second attempt")
    web.release(slow)
    assert pool.ended(request)["attempt"] == 2
    pool.nothing_held()


def test_a_dead_hosts_traces_are_rescued_by_another(db, worker, pool, proxies, web, slow):
    """Nobody on its own machine is left to name the dead: another farm goes by heartbeats, long before the lease ends."""
    for proxy in proxies(2):
        pool.add(proxy)
    hasty = ("--worker.silence_s=5", "--worker.heartbeat_s=1")
    dead = worker(*hasty)
    request = pool.request(slow)
    held = wait_in_flight(db, web, slow)[0]
    living = worker(*hasty)
    for pid in (dead.process.pid, *dead.children()):
        os.kill(pid, signal.SIGKILL)
    dead.wait()
    farm.wait_for(lambda: len(web.visits(slow)) == 2, "the second attempt")
    web.release(slow)
    row = pool.ended(request)
    assert (row["status"], row["attempt"], row["retry_count"]) == ("completed", 2, 1)
    assert [(a["outcome"], a["error"], a["worker"] == held["claimed_by"]) for a in attempts(db, request)] == [
        ("released", "worker_died", True), ("ok", None, False)]
    assert living.wait_event("rescue.done")[0]["traces"] == "1"
    pool.nothing_held()
    # what each claim took is counted beside the promise of 100 ms
    db.wait_for("SELECT EXISTS (SELECT FROM process_heartbeats WHERE incarnation = %s AND counters ? 'tracepool_claim_seconds_bucket{le=\"0.1\"}'"
                " AND (counters->>'tracepool_claim_seconds_count')::int > 0)", row["claimed_by"])


def test_a_worker_that_slept_past_its_lease_changes_nothing(db, worker, pool, proxies, web, slow):
    db.run("UPDATE trace_policy SET retry_backoff_s = 0")
    for proxy in proxies(2):
        pool.add(proxy)
    sleeper = worker("--trace.timeout_s=5", "--trace.lease_s=6")
    request = pool.request(slow)
    pid = pid_of(wait_in_flight(db, web, slow)[0]["claimed_by"])
    os.kill(pid, signal.SIGSTOP)
    web.release(slow)   # its answer lies in the sleeper's socket
    db.run("UPDATE ip_rotation_pool SET locked_until = now() - interval '1 s' WHERE status = 'locked'")
    assert db.value("SELECT cleanup_timed_out_requests()") == 1
    worker()
    row = pool.ended(request)
    assert (row["status"], row["attempt"]) == ("completed", 2)
    ips = db.run("SELECT * FROM ip_rotation_pool ORDER BY ip_address")

    os.kill(pid, signal.SIGCONT)
    sleeper.wait_event("trace.late", trace=request)
    assert pool.row(request) == row
    assert db.run("SELECT * FROM ip_rotation_pool ORDER BY ip_address") == ips
    assert [a["outcome"] for a in attempts(db, request)] == ["released", "ok"]


def test_a_database_that_is_away_for_five_seconds_loses_nothing(cluster, db, worker, pool, proxies, web, slow):
    db.run("UPDATE trace_policy SET cooldown_s = 1, retry_backoff_s = 0")
    for proxy in proxies(4):
        pool.add(proxy)
    web.add("http://quick.test/", PAGE)
    running = worker(children=2)
    requests = [pool.request(slow) for _ in range(3)]
    wait_in_flight(db, web, slow, 3)
    requests += [pool.request("http://quick.test/") for _ in range(10)]
    db.close()
    cluster.stop_immediate()
    try:
        web.release(slow)   # their results find no database
        running.wait_event("database.down")
        time.sleep(5)       # the outage itself
    finally:
        cluster.start()
    assert {pool.ended(request)["status"] for request in requests} == {"completed"}
    pool.nothing_held()
    assert db.value("SELECT max(n) FROM (SELECT count(*) AS n FROM trace_attempts WHERE new_status = 'completed' "
                    "GROUP BY request_id) AS c") == 1
    assert len(running.children()) == 2, "no child died of it"


def test_a_worker_cut_off_from_its_database_lets_its_traces_go(cluster, db, worker, pool, proxies, web, slow):
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    pool.add(proxies(1)[0])
    running = worker("--worker.silence_s=5")
    request = pool.request(slow)
    wait_in_flight(db, web, slow)
    db.close()
    cluster.stop_immediate()
    try:
        running.wait_event("worker.cut_off")
        running.wait_event("trace.step", trace=request, on="LET_GO", to="FINISHING")
    finally:
        cluster.start()
    farm.wait_for(lambda: len(web.visits(slow)) == 2, "the second attempt")
    web.release(slow)
    row = pool.ended(request)
    assert (row["status"], row["attempt"], row["retry_count"]) == ("completed", 2, 0)
    pool.nothing_held()


class HangingCommits:
    """While it lasts, every commit is done but waits for a standby that never answers."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.stopped = threading.Event()
        self.prober = threading.Thread(target=self.probe)

    def probe(self):
        with contextlib.closing(self.cluster.connect(user="postgres", database="postgres")) as conn:
            while not self.stopped.is_set():
                conn.cursor().execute("SELECT pg_logical_emit_message(true, 'probe', '')")

    def configure(self, change):
        with contextlib.closing(self.cluster.connect(user="postgres", database="postgres")) as conn:
            cursor = conn.cursor()
            cursor.execute("SET synchronous_commit = local")
            cursor.execute(f"ALTER SYSTEM {change}")
            cursor.execute("SELECT pg_reload_conf()")

    def __enter__(self):
        self.configure("SET synchronous_standby_names = 'nobody'")
        self.prober.start()
        with contextlib.closing(self.cluster.connect(user="postgres", database="postgres")) as conn:
            cursor = conn.cursor()
            query = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            farm.wait_for(lambda: cursor.execute(query) or cursor.rowcount, "a commit that waits")
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.configure("RESET synchronous_standby_names")
        self.prober.join()


def test_a_claim_whose_answer_got_lost_is_handed_back(cluster, db, worker, pool, proxies, web):
    web.add("http://quick.test/", PAGE)
    for proxy in proxies(2):
        pool.add(proxy)
    db.run("SET synchronous_commit = local")   # the test itself waits for nobody
    running = worker("--database.query_timeout_ms=500")
    with HangingCommits(cluster):
        request = pool.request("http://quick.test/")
        running.wait_event("claim.failed")
    # The lease has two minutes to go; nobody but the worker itself could know that it is not used.
    row = pool.ended(request)
    assert (row["status"], row["attempt"], row["retry_count"]) == ("completed", 2, 0)
    assert [a["outcome"] for a in attempts(db, request)] == ["returned", "ok"]
    pool.nothing_held()


def test_results_and_the_claim_that_goes_with_them_are_one_transaction(db, worker, pool, proxies, web, slow):
    """Unless the claim fails: then results are stored without it."""
    later = web.add("http://later.test/", PAGE, held=True)
    for proxy in proxies(6):
        pool.add(proxy)
    requests = [pool.request(url) for url in (slow, slow, later, later, slow, slow)]
    running = worker("--worker.slots=2", children=1)
    wait_in_flight(db, web, slow, 2)
    web.release(slow)
    wait_in_flight(db, web, later, 2)
    assert db.value("SELECT count(DISTINCT t.request_id) FROM active_trace_requests t JOIN trace_attempts a ON a.xmin = t.xmin"
                    " WHERE t.status = 'processing'") > 0, "nothing was claimed by the transaction that stored a result"

    db.run("ALTER FUNCTION claim_traces RENAME TO claim_away")
    web.release(later)
    for request in requests[2:4]:
        row = pool.ended(request)
        assert (row["status"], row["attempt"], row["retry_count"]) == ("completed", 1, 0)
    running.wait_event("claim.failed", sqlstate="42883")
    assert db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'pending'") == 2
    db.run("ALTER FUNCTION claim_away RENAME TO claim_traces")
    assert {pool.ended(request)["status"] for request in requests} == {"completed"}
    assert db.value("SELECT count(*) FROM trace_attempts") == 6
    pool.nothing_held()


def test_sigterm_lets_running_traces_end(db, worker, pool, proxies, web, slow):
    for proxy in proxies(2):
        pool.add(proxy)
    running = worker()
    request = pool.request(slow)
    wait_in_flight(db, web, slow)
    running.signal(signal.SIGTERM)
    running.wait_event("worker.draining")
    late = pool.request(slow)
    web.release(slow)
    assert running.wait() == 0
    assert pool.row(request)["status"] == "completed"
    assert pool.row(late)["status"] == "pending", "a draining worker takes no more"


def test_what_does_not_end_in_time_is_handed_back(db, worker, pool, proxies, web, slow):
    address = pool.add(proxies(1)[0])
    running = worker("--worker.drain_s=0")
    request = pool.request(slow)
    wait_in_flight(db, web, slow)
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    row = pool.row(request)
    assert (row["status"], row["retry_count"], row["completed_at"]) == ("pending", 0, None)
    ip = pool.ip(address)
    assert (ip["status"], ip["consecutive_failures"]) == ("cooldown", 0)


def test_a_drain_without_a_database_ends_all_the_same(cluster, db, worker, pool, proxies, web, slow):
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0")
    pool.add(proxies(1)[0])
    running = worker("--worker.drain_s=0", "--worker.silence_s=5")
    request = pool.request(slow)
    wait_in_flight(db, web, slow)
    db.close()
    cluster.stop_immediate()
    try:
        running.signal(signal.SIGTERM)
        running.wait()
        assert running.events("worker.left", traces=1)
    finally:
        cluster.start()
    web.release(slow)
    # What it left is found by others: here by its silence, else by the lease's end.
    worker("--worker.silence_s=5")
    assert pool.ended(request)["status"] == "completed"
    pool.nothing_held()


def test_a_reload_replaces_the_children_and_loses_no_trace(db, worker, pool, proxies, web, slow):
    for proxy in proxies(2):
        pool.add(proxy)
    running = worker()
    request = pool.request(slow)
    old = pid_of(wait_in_flight(db, web, slow)[0]["claimed_by"])
    running.signal(signal.SIGHUP)
    running.wait_event("worker.ready", 2)
    running.wait_event("worker.draining")
    web.release(slow)
    row = pool.ended(request)
    assert (row["status"], row["attempt"]) == ("completed", 1)
    farm.wait_for(lambda: farm.is_gone(old), "the old child's end")
    assert len(running.children()) == 1


def test_a_dead_parent_takes_its_children_along(db, worker, pool, proxies, web, slow):
    pool.add(proxies(1)[0])
    running = worker("--worker.drain_s=0", children=2)
    request = pool.request(slow)
    wait_in_flight(db, web, slow)
    children = running.children()
    assert len(children) == 2
    running.process.kill()
    farm.wait_for(lambda: all(farm.is_gone(pid) for pid in children), "the children's end")
    assert pool.row(request)["status"] == "pending"
    pool_ip = db.one("SELECT status, consecutive_failures FROM ip_rotation_pool")
    assert (pool_ip["status"], pool_ip["consecutive_failures"]) == ("cooldown", 0)
