"""Who is woken, and how often: once per statement, never per row, and never for nothing."""


def listening(session):
    listener = session()
    listener.run("LISTEN tracepool_requests; LISTEN tracepool_offers; LISTEN tracepool_batches")
    return listener


CLICKS = ("SELECT record_clicks((SELECT jsonb_agg(jsonb_build_object('id', uuid_v7(), 'url', 'https://t.example/', 'status', %s))"
          " FROM generate_series(1, 50)), 0)")


def test_clicks_wake_workers_once_per_statement(session):
    me, listener = session(), listening(session)
    me.run(CLICKS, "pending")
    assert listener.notified() == ["tracepool_requests"]


def test_skipped_clicks_wake_nobody(session):
    me, listener = session(), listening(session)
    me.run(CLICKS, "skipped")
    assert listener.notified() == []


def test_many_statements_of_one_transaction_are_one_notification(session):
    me, listener = session(autocommit=False), listening(session)
    for _ in range(3):
        me.run(CLICKS, "pending")
    assert listener.notified() == []
    me.conn.commit()
    assert listener.notified() == ["tracepool_requests"]


def test_claiming_and_finishing_wake_nobody(session, stock):
    me = stock(ips=2, requests=2)
    listener = listening(session)
    assert me.finish("w1", me.claim(2, "w1")) == 2
    assert listener.notified() == []


def test_what_a_person_makes_claimable_wakes_workers(session, stock):
    me = stock(ips=2, requests=2)
    pairs = me.claim(1, "w1")
    listener = listening(session)
    for sql in ("UPDATE active_trace_requests SET status = 'pending' WHERE status = 'processing'",
                "UPDATE ip_rotation_pool SET status = 'available'",
                "INSERT INTO ip_rotation_pool (ip_address) VALUES ('a'), ('b')",
                "INSERT INTO proxy_providers (provider) VALUES ('luna')"):
        me.run(sql)
        assert listener.notified() == ["tracepool_requests"], sql
    assert len(pairs) == 1


def test_returned_and_rescued_requests_wake_workers(session, stock):
    me = stock(ips=2, requests=2)
    [(request, attempt, ip)] = me.claim(1, "w1")
    me.claim(1, "w2")
    listener = listening(session)
    me.run("SELECT return_traces('w1', jsonb_build_array(jsonb_build_object('request_id', %s, 'attempt', %s, 'ip', %s)))",
           request, attempt, ip)
    assert listener.notified() == ["tracepool_requests"]
    me.run("SELECT release_dead_worker('w2')")
    assert listener.notified() == ["tracepool_requests"]
    me.run("SELECT release_dead_worker('w2')")
    assert listener.notified() == []


def test_offers_wake_edges_when_they_serve_something_else(session):
    me, listener = session(), listening(session)
    me.run("INSERT INTO offers (offer_name) VALUES ('a'), ('b'), ('c')")
    assert listener.notified() == ["tracepool_offers"]
    me.run("UPDATE offers SET is_active = false")
    assert listener.notified() == ["tracepool_offers"]
    me.run("UPDATE offers SET tracer_detection_result = '{}'")
    assert listener.notified() == []
    me.run("DELETE FROM offers")
    assert listener.notified() == ["tracepool_offers"]


def test_batches_wake_workers_and_whoever_waits(session, stock):
    me = stock(ips=1, requests=1)
    listener = listening(session)
    batch = me.one("SELECT request_trace_batch(1, 1)")
    assert listener.notified() == ["tracepool_batches"]
    me.finish("w1", me.claim(1, "w1", batch=batch))
    assert listener.notified() == ["tracepool_batches"]
    batch = me.one("SELECT request_trace_batch(1, 1)")
    me.run("SELECT close_batch(%s, 'nobody there')", batch)
    assert listener.notified() == ["tracepool_batches", "tracepool_batches"]
