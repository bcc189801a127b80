"""The checker itself: a clean history has no violation, and each rule finds the one that is planted for it.

The history is three clicks: c1 completed at once, c2 failed after three attempts, c3 the tag of an ad that was played; a HEAD, a prefetch,
a click of an offer that is none, one answered 503. Its times are seconds after BEGAN.
"""
import contextlib
import json
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import check  # noqa: E402
from cluster import Cluster  # noqa: E402

BEGAN = 1_800_000_000.0
ENDED = BEGAN + 400
EXITS = {"u0": "93.185.0.1", "u1": "93.185.0.2", "u2": "93.185.0.3"}

# cid, kind, offer, second, status
CLICKS = (("c1", "click", "ok", 10, 302), ("c2", "click", "ok", 20, 302), ("c3", "click", "tag", 30, 302), ("c4", "head", "ok", 40, 302),
          ("c5", "prefetch", "ok", 41, 302), ("c6", "nowhere", "ok", 42, 404), ("c7", "click", "ok", 43, 503), ("c8", "click", "ok", 44, None))
# cid, attempt, ip, from, to, error, new status
ATTEMPTS = (("c1", 1, "u0", 11, 12, None, "completed"), ("c2", 1, "u1", 21, 22, "proxy_refused", "pending"),
            ("c2", 2, "u2", 31, 32, "worker_died", "pending"), ("c2", 3, "u0", 81, 82, "target_closed", "failed"),
            ("c3", 1, "u1", 91, 92, None, "completed"))
VISITS = (("c1", "/ok", "u0", 11.5), ("c1", "/end", "u0", 11.7), ("c2", "/ok", "u0", 81.5), ("c3", "/tag", "u1", 91.5))


def request_id(cid):
    return f"00000000-0000-7000-8000-00000000000{cid[1]}"


def evidence(folder):
    def line(what, **more):
        return json.dumps({"what": what, **more}) + "\n"
    clicks = [line("click", cid=cid, kind=kind, offer=offer, sent=BEGAN + at, status=status, ms=1) for cid, kind, offer, at, status in CLICKS]
    seen = [line("visit", cid=cid, path=path, peer=EXITS[ip], at=BEGAN + at) for cid, path, ip, at in VISITS]
    seen += [line("passage", user=ip, cid=cid, how="serve", opened=BEGAN + at) for cid, _, ip, at in VISITS]
    seen += [line("beacon", cid="c3", event=event, host="93.184.215.20", answer="204", at=BEGAN + 93) for event in ("impression", "start")]
    seen += [line("fault", name="monitor-killed", family="monitor", began=BEGAN + 100, ended=BEGAN + 100)]
    (folder / "clicks.jsonl").write_text("".join(clicks))
    (folder / "others.jsonl").write_text("".join(seen))


def history(cursor):
    """The tables, as the programs would have left them; no trigger has a say."""
    def at(seconds):
        return "to_timestamp(%s)" % (BEGAN + seconds)
    run = cursor.execute
    run("SET session_replication_role = replica")
    run("INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES ('93.184.215.20', 'us', 'test')")
    for ip in EXITS:
        uses = [attempt for attempt in ATTEMPTS if attempt[2] == ip]
        run("INSERT INTO ip_rotation_pool (ip_address, provider, status, total_uses, success_count) VALUES (%s, 'other', 'cooldown', %s, %s)",
            (ip, len(uses), len(uses) - 1))
    for cid, _, offer, sent, _ in CLICKS[:3]:
        mine = [attempt for attempt in ATTEMPTS if attempt[0] == cid]
        _, number, ip, start, end, error, status = mine[-1]
        run(f"INSERT INTO active_trace_requests (request_id, tracking_url, offer_name, inbound_params, status, ip_assigned, final_url, redirect_chain, "
            f"error_message, error_code, retry_count, started_at, ip_locked_at, completed_at, trace_time_ms, wait_time_ms, total_time_ms, max_retries, "
            f"next_attempt_at, attempt, outcome, tracer_mode_used) VALUES (%s, 'http://go.test/', %s, %s, %s, %s, 'http://shop.test/', '[]', %s, %s, %s, "
            f"{at(sent)}, {at(start)}, {at(end)}, 1000, 1000, 2000, 2, NULL, %s, %s, 'http_only')",
            (request_id(cid), offer, json.dumps({"cid": cid}), status, ip, error, error, len(mine) - 1, number, "error" if error else "ok"))
    for cid, number, ip, start, end, error, status in ATTEMPTS:
        run(f"INSERT INTO trace_attempts (request_id, attempt, ip_address, started_at, ended_at, outcome, error, blame, new_status) "
            f"VALUES (%s, %s, %s, {at(start)}, {at(end)}, %s, %s, 'none', %s)", (request_id(cid), number, ip, "error" if error else "ok", error, status))
    for event in ("impression", "start"):
        run(f"INSERT INTO tracking_events (request_id, ad_view_id, event, ord, is_billing, url_template, url, dedup_key, mode, state, attempts, due_at) "
            f"VALUES (%s, gen_random_uuid(), %s, 0, %s, '', %s, %s, 'fire', 'tracked', 1, {at(93)})",
            (request_id("c3"), event, event == "impression", f"http://93.184.215.20/b?cid=c3&e={event}", event.encode()))
    for seconds in range(0, 401, 2):
        if not 100 <= seconds <= 108:   # the monitor was dead
            run(f"INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, "
                f"requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown) "
                f"VALUES ({at(seconds)}, 3, 1, 1, 1, 0, 1, 0, 66, 0, 0, 100, '{{}}')")


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A cursor in a transaction that holds the history and its evidence; each test undoes what it does."""
    folder = tmp_path_factory.mktemp("evidence")
    evidence(folder)
    with Cluster() as cluster:
        cluster.migrate()
        with contextlib.closing(cluster.connect(user="postgres", autocommit=False)) as connection, connection.cursor() as cursor:
            history(cursor)
            run = {"began": BEGAN, "ended": ENDED, "interval_s": 2, "lease_s": 15}
            check.put_evidence(cursor, folder, run, EXITS, [])
            cursor.execute("SAVEPOINT clean")
            yield cursor


@pytest.fixture
def cursor(clean):
    yield clean
    clean.execute("ROLLBACK TO SAVEPOINT clean")


def found(cursor):
    return {rule: lines for rule, lines in check.violations(cursor) if lines}


def test_a_clean_history_breaks_no_rule(cursor):
    assert found(cursor) == {}


def of(cid):
    return f"WHERE request_id = '{request_id(cid)}'"


def on(seconds):
    return f"to_timestamp({BEGAN + seconds})"


def residue(kind):
    return f"INSERT INTO proof.residue VALUES ('{kind}', 'planted')"


R, A, IP, EVENTS = "UPDATE active_trace_requests SET", "UPDATE trace_attempts SET", "UPDATE ip_rotation_pool SET", "UPDATE tracking_events SET"
PLANTS = {
    "lost": f"DELETE FROM active_trace_requests {of('c1')}",
    "doubled": f"INSERT INTO active_trace_requests (tracking_url, inbound_params, max_retries, offer_name) VALUES ('', '{{\"cid\": \"c1\"}}', 2, 'ok')",
    "invented": f"{R} inbound_params = '{{\"cid\": \"c9\"}}' {of('c1')}",
    "refused_yet_stored": f"{R} inbound_params = '{{\"cid\": \"c6\"}}' {of('c1')}",
    "wrongly_answered": "UPDATE proof.clicks SET status = 500 WHERE cid = 'c7'",
    "quarantined": f"INSERT INTO spool_quarantine (request_id, error, payload) VALUES ('{request_id('c7')}', 'planted', '')",
    "unfinished": f"{R} status = 'processing' {of('c1')}",
    "no_result": f"{R} redirect_chain = NULL {of('c1')}",
    "no_reason": f"{R} error_message = NULL {of('c2')}",
    "too_many_retries": f"{R} max_retries = 1 {of('c2')}",
    "impossible_times": f"{R} started_at = {on(-86400)} {of('c1')}",
    "leaked_lock": f"{IP} status = 'locked' WHERE ip_address = 'u1'",
    "contradicting_lock": f"{IP} locked_by = 'somebody' WHERE ip_address = 'u1'",
    "counters": f"{IP} total_uses = total_uses + 1 WHERE ip_address = 'u1'",
    "two_traces_at_once": f"{A} started_at = {on(11.5)} {of('c2')} AND attempt = 3",
    "cooldown": f"{A} started_at = {on(71)} {of('c2')} AND attempt = 3",
    "unknown_ip": "DELETE FROM ip_rotation_pool WHERE ip_address = 'u2'",
    "not_through_its_proxy": "UPDATE proof.visits SET peer = '127.0.0.1' WHERE cid = 'c1' AND path = '/ok'",
    "after_its_lease": f"UPDATE proof.visits SET at = {on(18)} WHERE cid = 'c1' AND path = '/end'",
    "too_many_visits": f"INSERT INTO proof.visits VALUES ('c1', '/ok', '{EXITS['u0']}', {on(11.6)})",
    "never_seen": "DELETE FROM proof.visits WHERE cid = 'c1'",
    "billed_twice": f"INSERT INTO proof.beacons VALUES ('c3', 'impression', '93.184.215.20', '204', {on(94)})",
    "beacon_unasked": f"INSERT INTO proof.beacons VALUES ('c3', 'midpoint', '93.184.215.20', '204', {on(94)})",
    "tracked_unseen": "UPDATE proof.beacons SET answer = 'hang' WHERE event = 'start'",
    "beacon_unfinished": f"{EVENTS} state = 'sending' WHERE event = 'start'",
    "beacon_to_a_stranger": "UPDATE proof.beacons SET host = '93.184.215.30' WHERE event = 'start'",
    "statistics_hole": f"DELETE FROM ip_pool_statistics WHERE recorded_at BETWEEN {on(200)} AND {on(212)}",
    "statistics_sum": f"UPDATE ip_pool_statistics SET locked_ips = 2 WHERE recorded_at = {on(200)}",
    "private_address": residue("trapped"),
    **{kind: residue(kind) for kind in ("secret", "orphan", "descriptors", "memory", "crashed", "not_drained")},
}
# further ways to break a rule that has several
MORE = {
    "counters": (f"{R} retry_count = 1 {of('c2')}", f"{R} attempt = 2 {of('c2')}", f"DELETE FROM trace_attempts {of('c2')} AND attempt = 2",
                 f"{A} new_status = 'completed' {of('c2')} AND attempt = 1"),
    "impossible_times": (f"{R} wait_time_ms = -1 {of('c1')}", f"{R} completed_at = {on(10.5)} {of('c1')}", f"{A} ended_at = {on(5)} {of('c1')}",
                         f"{R} completed_at = {on(1000)} {of('c1')}"),
    "contradicting_lock": ("UPDATE ip_rotation_pool SET status = 'failed'",),
    "refused_yet_stored": (f"{R} inbound_params = '{{\"cid\": \"c4\"}}' {of('c1')}", f"{R} inbound_params = '{{\"cid\": \"c5\"}}' {of('c1')}"),
    "invented": (f"{R} offer_name = 'other' {of('c1')}",),
}


def test_every_rule_has_a_plant():
    assert set(PLANTS) == set(check.rules())


@pytest.mark.parametrize("rule, plant", [*PLANTS.items(), *((rule, plant) for rule, plants in MORE.items() for plant in plants)])
def test_a_rule_finds_what_is_planted_for_it(cursor, rule, plant):
    cursor.execute(plant)
    assert rule in found(cursor)


def test_the_unknown_fate_of_a_click_is_no_violation(cursor):
    """503 and no answer: a row or none, and never two."""
    for cid in ("c7", "c8"):
        cursor.execute(f"INSERT INTO active_trace_requests (request_id, tracking_url, inbound_params, max_retries, offer_name, status, skip_reason, "
                       f"started_at, next_attempt_at) VALUES ('{request_id(cid)}', '', '{{\"cid\": \"{cid}\"}}', 2, 'ok', 'skipped', 'planted', {on(45)}, NULL)")
    assert found(cursor) == {}


def test_a_proxy_that_takes_its_refusal_back_is_not_seen_through(cursor):
    cursor.execute(PLANTS["never_seen"])
    cursor.execute(f"UPDATE proof.passages SET how = 'refuse', opened = {on(11.5)} WHERE cid = 'c1'")
    assert "never_seen" in found(cursor)
    cursor.execute(f"INSERT INTO proof.passages VALUES ('u0', '', 'refuse', {on(11.6)})")
    assert "never_seen" in found(cursor)
    cursor.execute("UPDATE proof.passages SET how = 'die' WHERE cid = ''")
    assert found(cursor) == {}


def test_an_attempt_that_the_host_could_not_begin_is_no_retry(cursor):
    cursor.execute(PLANTS["too_many_retries"])
    assert set(found(cursor)) == {"too_many_retries"}
    cursor.execute(f"UPDATE trace_attempts SET error = 'host_exhausted' WHERE attempt = 1 AND request_id = '{request_id('c2')}'")
    assert set(found(cursor)) == {"counters", "too_many_retries"}, "the request says that it was one"
    cursor.execute(f"{R} retry_count = retry_count - 1 {of('c2')}")
    assert found(cursor) == {}


def test_a_worker_that_stood_still_may_come_late(cursor):
    cursor.execute(PLANTS["after_its_lease"])
    cursor.execute(f"INSERT INTO proof.faults VALUES ('worker-child-stopped', 'worker', {on(11)}, {on(16)})")
    assert found(cursor) == {}
