"""Many workers at one queue: nothing is claimed twice, no IP is used twice at once or within its cooldown."""

NOBODYS = "11111111-1111-1111-1111-111111111111"   # an offer that no request is of
OVERLAPS = """
  SELECT count(*)
    FROM trace_attempts a
    JOIN trace_attempts b ON b.ip_address = a.ip_address AND (b.request_id, b.attempt) <> (a.request_id, a.attempt)
   WHERE b.started_at >= a.started_at AND b.started_at < a.ended_at + %s * interval '1 s'
"""


def work_until_done(session, name, slots, seen):
    """Claims and finishes until the queue is empty; remembers every pair in `seen`."""

    def work():
        me = session()
        while True:
            pairs = me.claim(slots, name)
            seen.extend(pairs)
            if pairs:
                assert me.finish(name, pairs) == len(pairs)
            elif not me.one("SELECT EXISTS (SELECT FROM active_trace_requests WHERE next_attempt_at IS NOT NULL)"):
                return

    return work


def test_eight_workers_never_claim_the_same(session, stock, together):
    check = stock(ips=40, requests=500, countries=("us", "ca", "gb"))
    seen = []
    together(*(work_until_done(session, f"w{n}", 1 + n * 3, seen) for n in range(8)))

    assert len(seen) == 1500
    assert len({request for request, _, _ in seen}) == 1500
    assert check.one("SELECT count(*) FROM active_trace_requests WHERE status = 'completed'") == 1500
    assert check.one("SELECT sum(total_uses) FROM ip_rotation_pool") == 1500
    assert check.one("SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked' OR locked_by IS NOT NULL") == 0
    assert check.one(OVERLAPS, 0) == 0


def test_results_and_next_claims_in_one_transaction(session, stock, together):
    check = stock(ips=40, requests=500, countries=("us", "ca", "gb"))
    seen = []

    def work(name, slots):
        def run():
            me = session()
            pairs = me.claim(slots, name)
            while pairs or check_left(me):
                seen.extend(pairs)
                accepted, taken = me.finish_and_claim(name, pairs, slots)
                assert accepted == len(pairs)
                pairs = taken
        return run

    def check_left(me):
        return me.one("SELECT EXISTS (SELECT FROM active_trace_requests WHERE next_attempt_at IS NOT NULL)")

    together(*(work(f"w{n}", 1 + n * 3) for n in range(8)))
    assert len(seen) == len({request for request, _, _ in seen}) == 1500
    assert check.one("SELECT count(*) FROM active_trace_requests WHERE status = 'completed'") == 1500
    assert check.one("SELECT sum(total_uses) FROM ip_rotation_pool") == 1500
    assert check.one(OVERLAPS, 0) == 0


def test_claims_around_an_offer_and_claims_by_age_never_take_the_same(session, stock, together):
    check = stock(ips=20, requests=600)
    check.run("INSERT INTO offers (offer_name) VALUES ('pages'), ('shop')")
    # every third request is of pages
    check.run("UPDATE active_trace_requests SET offer_id = (SELECT id FROM offers WHERE offer_name ="
              " CASE WHEN substring(tracking_url FROM '[0-9]+$')::integer %% 3 = 0 THEN 'pages' ELSE 'shop' END), revision = revision + 1")
    check.run("INSERT INTO queue_offers (country, offer_id) SELECT 'us', id FROM offers")
    pages = check.one("SELECT id::text FROM offers WHERE offer_name = 'pages'")
    around, by_age = [], []

    def go_around(name):
        def work():
            me = session()
            while me.one("SELECT EXISTS (SELECT FROM active_trace_requests WHERE next_attempt_at IS NOT NULL AND offer_id <> %s)", pages):
                pairs = me.all("SELECT request_id::text, attempt, ip_address FROM claim_traces(7, %s, 120000, NULL, NULL, NULL, NULL, %s::uuid[])",
                               name, [pages])
                around.extend(pairs)
                assert not pairs or me.finish(name, pairs) == len(pairs)
        return work

    together(*(go_around(f"a{n}") for n in range(4)), *(work_until_done(session, f"w{n}", 4, by_age) for n in range(3)))
    assert len(around) + len(by_age) == len({request for request, _, _ in (*around, *by_age)}) == 600
    assert around, "nobody went around"
    assert check.one("SELECT count(*) FROM active_trace_requests WHERE offer_id = %s AND claimed_by LIKE 'a%%'", pages) == 0
    assert check.one(OVERLAPS, 0) == 0


def test_a_claim_around_an_offer_passes_over_rows_in_other_hands(session, stock):
    check = stock(ips=2, requests=2)
    other, me = session(autocommit=False), session()
    other.run("SELECT FROM ip_rotation_pool WHERE ip_address = 'us-1' FOR UPDATE")
    other.run("SELECT FROM active_trace_requests WHERE tracking_url LIKE '%%/1' FOR UPDATE")
    me.run("SET statement_timeout = '10s'")   # who waits would wait for ever
    taken = me.all("SELECT tracking_url, ip_address FROM claim_traces(1, 'w1', 120000, NULL, NULL, NULL, NULL, %s::uuid[])", [NOBODYS])
    assert taken in ([], [("https://t.example/2", "us-2")])
    taken += me.all("SELECT tracking_url, ip_address FROM claim_traces(2, 'w1', 120000, NULL, NULL, NULL, NULL, %s::uuid[])", [NOBODYS])
    assert taken == [("https://t.example/2", "us-2")]
    assert check.one("SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked'") == 1


def test_cooldown_is_respected_by_all(session, stock, together):
    check = stock(ips=5, requests=15, cooldown_s=1)
    together(*(work_until_done(session, f"w{n}", 3, []) for n in range(6)))

    assert check.one("SELECT count(*) FROM trace_attempts") == 15
    assert check.one(OVERLAPS, 1) == 0


def test_batch_limits_hold_over_the_whole_farm(session, stock, together):
    check = stock(ips=30, requests=60)
    batch = check.one("SELECT request_trace_batch(40, 3)")
    in_flight = "SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked' AND locked_for_batch = %s"
    most, claimed = [], []

    def work(name):
        def run():
            me = session()
            while me.one("SELECT EXISTS (SELECT FROM open_batches())"):
                pairs = me.claim(5, name, batch=batch)
                most.append(me.one(in_flight, batch))
                claimed.extend(pairs)
                if pairs:
                    me.finish(name, pairs)
        return run

    together(*(work(f"w{n}") for n in range(6)))
    check.run("SELECT settle_batches()")
    assert max(most) == 3
    assert len(claimed) == 40
    assert check.all("SELECT state, processed, succeeded, failed FROM batch_result(%s)", batch) == [("done", 40, 40, 0)]
    assert check.one("SELECT count(*) FROM active_trace_requests WHERE status = 'pending'") == 20


def test_claim_does_not_wait_for_rows_in_other_hands(session, stock):
    stock(ips=3, requests=3)
    other, me = session(autocommit=False), session()
    held = other.claim(2, "w1")   # not committed
    me.run("SET statement_timeout = '30s'")   # who waits would wait for ever
    mine = me.claim(3, "w2")
    assert len(held) == 2 and len(mine) == 1
    assert not {request for request, _, _ in held} & {request for request, _, _ in mine}
    assert not {ip for _, _, ip in held} & {ip for _, _, ip in mine}


def test_one_click_that_wakes_two_idle_workers_is_one_claim(session, stock):
    check = stock(ips=3, requests=1)
    first, second = session(autocommit=False), session(autocommit=False)
    assert len(first.claim(5, "w1")) == 1   # not committed
    second.run("SET statement_timeout = '30s'")
    assert second.claim(5, "w2") == []
    assert second.one("SELECT pg_current_xact_id_if_assigned()") is None   # it wrote nothing, not even an IP's lock
    first.conn.commit()
    second.conn.commit()
    assert second.claim(5, "w2") == []
    check.run("INSERT INTO active_trace_requests (tracking_url) VALUES ('https://next.example/')")
    assert len(second.claim(5, "w2")) == 1   # and the next click may be anybody's


def test_a_lone_click_in_other_hands_is_passed_over(session, stock):
    check = stock(ips=2, requests=1)
    person, me = session(autocommit=False), session()
    person.run("UPDATE active_trace_requests SET offer_name = 'shop'")   # not committed
    me.run("SET statement_timeout = '30s'")
    assert me.claim(5, "w1") == []
    assert check.one("SELECT count(*) FROM ip_rotation_pool WHERE status <> 'available'") == 0   # looked at, and left
    person.conn.commit()
    assert len(me.claim(5, "w1")) == 1


def test_what_an_aborted_claim_had_is_free_again(session, stock):
    stock(ips=1, requests=1)
    other, me = session(autocommit=False), session()
    assert len(other.claim(1, "w1")) == 1
    other.conn.rollback()
    assert [attempt for _, attempt, _ in me.claim(1, "w2")] == [1]


def test_click_committed_late_lies_right_of_the_cursor(session, stock):
    """A slow transaction's click carries a time that the cursor has passed; the lag of two seconds covers it."""
    check = stock(ips=3, requests=0)
    slow = session(autocommit=False)
    slow.run("INSERT INTO active_trace_requests (tracking_url, next_attempt_at)"
             " VALUES ('https://late.example/', clock_timestamp() - interval '1 s')")
    check.run("INSERT INTO active_trace_requests (tracking_url) VALUES ('https://first.example/')")
    claim = ("SELECT tracking_url, request_cursor::text, ip_cursor::text"
             " FROM claim_traces(1, 'w1', 60000, ARRAY['us'], ARRAY[%s]::timestamptz[], ARRAY[%s]::timestamptz[])")
    [(url, *cursors)] = check.all(claim, None, None)
    assert url == "https://first.example/"
    slow.conn.commit()
    [(url, *_)] = check.all(claim, *cursors)
    assert url == "https://late.example/"


def test_same_clicks_shipped_by_two_edges_at_once(session, together, db):
    clicks = ("SELECT record_clicks((SELECT jsonb_agg(jsonb_build_object('id', md5(i::text)::uuid, 'url', 'https://t.example/',"
              " 'status', 'pending')) FROM generate_series(1, 200) AS i), 0)")
    stored = together(*(lambda: session().one(clicks) for _ in range(4)))
    assert sum(stored) == 200
    assert session().one("SELECT count(*) FROM active_trace_requests") == 200
