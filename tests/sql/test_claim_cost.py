"""What a claim or a finish touches does not depend on how much waits, has ended, or lies dead behind an old snapshot."""
import json
import uuid

import pytest


def buffers(session, sql, *values):
    [(plan,)] = session.all("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql, *values)
    plan = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


CLAIM = "SELECT * FROM claim_traces(10, 'w1', 60000, %s, %s::timestamptz[], %s::timestamptz[]{})"
ALL = (None, None, None)
BY_AGE, AROUND_AN_OFFER = "", ", NULL, ARRAY[gen_random_uuid()]"


def test_claim_reads_the_same_with_a_long_queue(session, stock):
    me = stock(ips=100, requests=100, countries=("us", "ca"))
    me.claim(10, "w1")   # plans and catalogue are cached now
    small = buffers(me, CLAIM.format(BY_AGE), *ALL)
    me.run("INSERT INTO active_trace_requests (tracking_url, target_country, max_retries)"
           " SELECT 'https://t.example/', 'us', 2 FROM generate_series(1, 50000)")
    me.run("ANALYZE active_trace_requests, ip_rotation_pool")
    me.claim(10, "w1")
    assert buffers(me, CLAIM.format(BY_AGE), *ALL) < small * 2


FLOOD = ("INSERT INTO active_trace_requests (tracking_url, target_country, max_retries, offer_id, revision, next_attempt_at)"
         " SELECT 'https://t.example/' || i, CASE WHEN i %% 5 = 0 THEN 'ca' ELSE 'us' END, 2,"
         "        ('00000000-0000-7000-8000-00000000000' || CASE WHEN i %% 20 = 0 THEN i / 20 %% 10 ELSE 0 END)::uuid, 1,"
         "        now() - interval '1 hour' + i * interval '10 ms' FROM generate_series(1, 70000) AS i")


@pytest.mark.parametrize("knows", ["nothing", "an-empty-queue"])
def test_a_flood_that_the_planner_has_not_heard_of_is_read_in_its_order(session, stock, knows):
    """As the first one is, or one after a crash or between two ANALYZE: a planner that expects one row finds each index good."""
    me = stock(ips=100, requests=500, countries=("us", "ca"))
    if knows == "an-empty-queue":
        me.run("UPDATE active_trace_requests SET status = 'skipped'")
        me.run("VACUUM ANALYZE active_trace_requests")
    me.run(FLOOD)
    again = session()   # plans are made now
    for kind in (BY_AGE, AROUND_AN_OFFER):
        again.all(CLAIM.format(kind), *ALL)
        assert buffers(again, CLAIM.format(kind), *ALL) < 1000
        assert buffers(again, CLAIM.format(kind), ["us"], ["-infinity"], ["-infinity"]) < 1000


@pytest.mark.parametrize("kind", [BY_AGE, AROUND_AN_OFFER], ids=["by-age", "around-an-offer"])
def test_cursors_step_over_what_an_old_snapshot_keeps(session, stock, kind):
    me = stock(ips=200, requests=6000)
    claim = CLAIM.format(kind)
    # older than the cursors' lag, as in a day's run
    me.run("UPDATE active_trace_requests SET next_attempt_at = next_attempt_at - interval '1 day'"
           " + (substring(tracking_url FROM '[0-9]+$')::integer * interval '10 s'), revision = revision + 1")
    me.run("VACUUM ANALYZE active_trace_requests")
    old = session(autocommit=False)
    old.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    old.run("SELECT count(*) FROM active_trace_requests")   # its snapshot holds every dead row version
    cursors = [None, None]

    def work(rounds):
        for _ in range(rounds):
            rows = me.all("SELECT request_id::text, attempt, ip_address, request_cursor::text, ip_cursor::text FROM claim_traces("
                          f"50, 'w1', 60000, ARRAY['us'], ARRAY[%s]::timestamptz[], ARRAY[%s]::timestamptz[]{kind})", *cursors)
            assert len(rows) == 50
            cursors[:] = rows[0][3:]
            me.finish("w1", [row[:3] for row in rows])

    work(4)
    few = buffers(me, claim, ["us"], [cursors[0]], [cursors[1]])
    work(100)
    many = buffers(me, claim, ["us"], [cursors[0]], [cursors[1]])
    assert many < few * 1.5
    assert buffers(me, claim, *ALL) > many * 1.5   # and that is after 5,200 traces only


def test_a_finish_planned_on_an_empty_table_reads_by_key_on_a_full_one(session, stock):
    me = stock(ips=10, requests=0)
    me.finish("w1", [(str(uuid.uuid4()), 1, "nowhere")])   # its plan is cached, and nobody has analyzed anything yet
    me.run("INSERT INTO active_trace_requests (tracking_url, target_country, max_retries)"
           " SELECT 'https://t.example/', 'us', 2 FROM generate_series(1, 20000)")
    results = json.dumps([{"outcome": "ok", "blame": "none", "request_id": request, "attempt": attempt, "ip": ip}
                          for request, attempt, ip in me.claim(5, "w1")])
    assert buffers(me, "SELECT * FROM finish_traces('w1', %s)", results) < 500


def test_tracking_statements_planned_on_an_empty_table_read_by_key_on_a_full_one(session, stock):
    me = stock(ips=1, requests=0)
    items = json.dumps([{"id": 5, "attempts": 1, "outcome": "tracked", "host": "ads.example"}])
    statements = ("SELECT * FROM begin_tracking_events('w1', %s)", "SELECT * FROM finish_tracking_events('w1', %s)")
    for _ in range(6):   # the plans that they keep
        for statement in statements:
            me.all(statement, items)
    me.run("INSERT INTO tracking_events (request_id, ad_view_id, event, ord, is_billing, url_template, dedup_key, state)"
           " SELECT gen_random_uuid(), gen_random_uuid(), 'start', 10, false, 'https://ads.example/', i::text::bytea, 'tracked'"
           " FROM generate_series(1, 20000) AS i")
    for statement in statements:
        assert buffers(me, statement, items) < 100


# So many views, each with an impression and so many events that follow it.
OUTBOX = ("INSERT INTO tracking_events (request_id, ad_view_id, event, ord, is_billing, url_template, dedup_key, mode, state, due_at)"
          " SELECT gen_random_uuid(), md5('view ' || v)::uuid, 'event ' || o, o * 25, o = 0, 'https://ads.example/', gen_random_uuid()::text::bytea,"
          "        'fire', 'pending', now() - interval '10 min' + v * interval '1 ms' FROM generate_series(1, %s) AS v, generate_series(0, %s) AS o")


@pytest.mark.parametrize("knows", ["nothing", "an-empty-outbox", "a-small-outbox"])
def test_a_claim_of_tracking_reads_as_much_as_it_takes(session, stock, knows):
    me = stock(ips=1, requests=0)
    claim = "SELECT * FROM claim_tracking_events(10, 'w1', 60000)"
    me.run(OUTBOX, 300, 0)
    if knows == "an-empty-outbox":
        me.run("UPDATE tracking_events SET state = 'tracked'")
    if knows != "nothing":
        me.run("VACUUM ANALYZE tracking_events")
    for _ in range(6):   # the plan that it keeps
        me.all(claim)
    me.run(OUTBOX, 30000, 0)
    me.all(claim)
    assert buffers(me, claim) < 300
    again = session()
    for _ in range(6):
        again.all(claim)
    assert buffers(again, claim) < 300


def test_the_end_of_one_ad_view_reads_no_other(session, stock):
    me = stock(ips=1, requests=0)
    me.run(OUTBOX, 100, 3)
    me.run("UPDATE tracking_events SET state = 'tracked'")
    me.run("VACUUM ANALYZE tracking_events")   # to the planner, nothing is open
    me.run(OUTBOX.replace("'view '", "'later view '"), 10000, 3)
    one = "SELECT skip_unseen_views(ARRAY[md5('later view ' || %s)::uuid])"
    me.all(one, 1)
    me.run("UPDATE tracking_events SET state = 'failed' WHERE ad_view_id = md5('later view 2')::uuid AND ord = 0")
    assert buffers(me, one, 2) < 200
    assert me.one("SELECT count(*) FROM tracking_events WHERE state = 'skipped'") == 3
    me.run("UPDATE tracking_events SET state = 'failed' WHERE ad_view_id = md5('later view 3')::uuid AND ord = 0")
    assert buffers(me, "SELECT recover_tracking_events()") < 6 * 40000   # once for each view, not for each of its events
    assert me.one("SELECT count(*) FROM tracking_events WHERE state = 'skipped'") == 6


def test_one_at_a_time_recovers_tracking(session, stock):
    """All children of a farm ask for it every few seconds: it is no use to do it twice at once, and none waits for another."""
    me = stock(ips=1, requests=0)
    me.run(OUTBOX, 1, 3)
    me.run("UPDATE tracking_events SET expires_at = now() - interval '1 s'")
    first, second = session(autocommit=False), session()
    assert first.one("SELECT recover_tracking_events()") == 4
    me.run(OUTBOX.replace("'view '", "'later view '"), 1, 0)
    me.run("UPDATE tracking_events SET expires_at = now() - interval '1 s' WHERE ad_view_id = md5('later view 1')::uuid")
    second.run("SET statement_timeout = '10s'")
    assert second.one("SELECT recover_tracking_events()") == 0
    first.run("COMMIT")
    assert second.one("SELECT recover_tracking_events()") == 1
