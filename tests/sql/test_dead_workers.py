"""A worker dies while its last statement is under way; and floods of many connections at once."""

SMALL_WAITS = "SELECT EXISTS (SELECT FROM active_trace_requests WHERE next_attempt_at IS NOT NULL AND offer_id <> md5('flood')::uuid)"


def test_claim_under_way_when_its_worker_dies_is_released(session, stock, in_background):
    """Found by tests/bench/queue/soak: such a claim became leases of nobody, until their end."""
    me = stock(ips=2, requests=2)
    dead = session(autocommit=False, application_name="tracepool-worker w1")
    assert len(dead.claim(2, "w1")) == 2   # its commit is still to come
    released = in_background(lambda: session().one("SELECT release_dead_worker('w1')"))
    me.wait_for("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%%release_dead_worker%%' AND pid <> pg_backend_pid())")
    dead.conn.commit()
    dead.conn.close()
    assert released() == 2
    assert me.one("SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked'") == 0


def test_worker_that_is_gone_is_released_without_waiting_for_others(session, stock):
    me = stock(ips=1, requests=1)
    me.claim(1, "w1")
    session(application_name="tracepool-worker w10")   # another, whose name begins alike
    assert me.one("SELECT release_dead_worker('w1')") == 1


def test_open_transaction_with_a_new_offer_holds_up_no_other_click(session, stock):
    """The list of waiting offers must not become a lock that clicks wait for."""
    me = stock(ips=1, requests=0)
    slow = session(autocommit=False)
    insert = "INSERT INTO active_trace_requests (tracking_url, offer_id) VALUES ('https://t.example/', md5('o')::uuid)"
    slow.run(insert)
    me.run("SET statement_timeout = '20s'")
    me.run(insert)
    slow.conn.commit()
    assert me.one("SELECT count(DISTINCT offer_id) FROM queue_offers WHERE offer_id = md5('o')::uuid") == 1
    assert len(me.claim(5, "w1")) == 1


def test_offers_are_served_in_turn_by_many_workers(session, stock, together):
    """Eight workers at a flood of one offer with few clicks of three others: each request once, small offers early."""
    check = stock(ips=400, requests=0)
    check.run("INSERT INTO active_trace_requests (tracking_url, offer_id, next_attempt_at)"
              " SELECT 'https://t.example/', md5('flood')::uuid, now() - interval '1 hour' + i * interval '1 ms'"
              "   FROM generate_series(1, 3000) AS i")
    check.run("INSERT INTO active_trace_requests (tracking_url, offer_id)"
              " SELECT 'https://t.example/', md5('small' || i %% 3)::uuid FROM generate_series(1, 30) AS i")
    seen = []

    def work(name):
        def run():
            me = session()
            while me.one(SMALL_WAITS):
                pairs = me.claim(10, name)
                seen.extend(pairs)
                assert me.finish(name, pairs) == len(pairs)
        return run

    together(*(work(f"w{n}") for n in range(8)))
    assert len(seen) == len({request for request, _, _ in seen})
    assert check.one("SELECT count(*) FROM active_trace_requests WHERE next_attempt_at IS NOT NULL") > 2000, "the flood still waits"
    assert check.one("SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked'") == 0
