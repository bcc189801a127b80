"""Who waits for whom, and that nobody waits in a circle."""
import random

import pytest

ORPHANS = """
  SELECT count(*)
    FROM active_trace_requests t
   WHERE t.status = 'processing'
     AND NOT EXISTS (SELECT FROM ip_rotation_pool p
                      WHERE p.locked_by_request = t.request_id AND p.status = 'locked' AND p.ip_address = t.ip_assigned)
"""


def test_finish_after_rescue_is_refused(session, stock, in_background):
    """The worker's last statement and its rescue meet: the rescue was first, the result changes nothing."""
    check = stock(ips=1, requests=1)
    rescuer, worker = session(autocommit=False), session()
    pairs = worker.claim(1, "w1")
    assert rescuer.one("SELECT release_dead_worker('w1')") == 1
    accepted = in_background(lambda: worker.finish("w1", pairs))
    check.wait_until_blocked(worker.pid)
    rescuer.conn.commit()
    assert accepted() == 0
    assert check.all("SELECT status, retry_count FROM active_trace_requests") == [("pending", 1)]


def test_rescue_after_finish_finds_nothing(session, stock, in_background):
    check = stock(ips=1, requests=1)
    worker, rescuer = session(autocommit=False), session()
    pairs = worker.claim(1, "w1")
    worker.conn.commit()
    assert worker.finish("w1", pairs) == 1
    released = in_background(lambda: rescuer.one("SELECT release_dead_worker('w1')"))
    check.wait_until_blocked(rescuer.pid)
    worker.conn.commit()
    assert released() == 0
    assert check.one("SELECT status FROM active_trace_requests") == "completed"


def test_results_and_a_claim_in_one_transaction_wait_for_nobody(session, stock):
    """Each holds what the other would like to have, rows of the pool after rows of requests: both pass over it."""
    check = stock(ips=6, requests=12, cooldown_s=0)
    one, two = session(autocommit=False), session(autocommit=False)
    held = {}
    for me, name in ((one, "w1"), (two, "w2")):
        held[name] = me.claim(3, name)
        me.conn.commit()
        me.run("SET statement_timeout = '30s'")   # who waits would wait for ever
        me.conn.commit()
    assert one.finish("w1", held["w1"]) == two.finish("w2", held["w2"]) == 3
    mine, theirs = one.claim(6, "w1"), two.claim(6, "w2")
    assert {ip for _, _, ip in mine} == {ip for _, _, ip in held["w1"]}, "nobody else's are free yet"
    assert {ip for _, _, ip in theirs} == {ip for _, _, ip in held["w2"]}
    one.conn.commit()
    two.conn.commit()
    assert len({request for request, _, _ in (*mine, *theirs, *held["w1"], *held["w2"])}) == 12
    assert check.one(ORPHANS) == 0


def test_rescue_waits_for_results_and_claim_and_takes_neither(session, stock, in_background):
    check = stock(ips=2, requests=2, cooldown_s=0)
    worker, rescuer = session(autocommit=False), session()
    pairs = worker.claim(1, "w1")
    worker.conn.commit()
    assert worker.finish("w1", pairs) == 1
    released = in_background(lambda: rescuer.one("SELECT release_dead_worker('w1')"))
    check.wait_until_blocked(rescuer.pid)
    assert len(worker.claim(1, "w1")) == 1
    worker.conn.commit()
    assert released() == 0   # the lease that came while it waited is its next round's, as upkeep.c has it
    assert check.one("SELECT release_dead_worker('w1')") == 1
    assert check.one(ORPHANS) == 0


@pytest.mark.parametrize("cleanup", ["cleanup_timed_out_requests", "release_expired_ip_locks"])
def test_cleanup_leaves_a_finish_under_way_alone(session, stock, cleanup):
    """The lease is over, but its result is being written: the cleanup neither waits nor takes it."""
    check = stock(ips=1, requests=1)
    worker = session(autocommit=False)
    pairs = worker.claim(1, "w1", lease_ms=0)
    worker.conn.commit()
    assert worker.finish("w1", pairs) == 1
    assert check.one(f"SELECT {cleanup}()") == 0
    worker.conn.commit()
    assert check.one("SELECT status FROM active_trace_requests") == "completed"


def test_finish_waits_for_a_person_and_yields(session, stock, in_background):
    check = stock(ips=1, requests=1)
    person, worker = session(autocommit=False), session()
    pairs = worker.claim(1, "w1")
    person.run("UPDATE active_trace_requests SET status = 'failed'")
    accepted = in_background(lambda: worker.finish("w1", pairs))
    check.wait_until_blocked(worker.pid)
    person.conn.commit()
    assert accepted() == 0
    assert check.one("SELECT status FROM active_trace_requests") == "failed"
    assert check.one("SELECT status FROM ip_rotation_pool") == "locked"   # until its lease ends


def test_two_claims_for_one_batch_take_turns(session, stock, in_background):
    check = stock(ips=4, requests=4)
    batch = check.one("SELECT request_trace_batch(3, 3)")
    first, second = session(autocommit=False), session()
    assert len(first.claim(2, "w1", batch=batch)) == 2
    taken = in_background(lambda: second.claim(2, "w2", batch=batch))
    check.wait_until_blocked(second.pid)
    first.conn.commit()
    assert len(taken()) == 1


def test_nothing_deadlocks_and_nothing_is_lost(session, stock, together):
    """Workers, rescuers, cleaners and a person, all at once, on few IPs: no error, and every request can still end."""
    check = stock(ips=6, requests=150, countries=("us", "ca"))
    check.run("UPDATE trace_policy SET max_retries = 100, retry_backoff_s = 0, unhealthy_after = 3, probe_pause_s = 1")
    check.run("UPDATE active_trace_requests SET max_retries = 100")
    batches = [check.one("SELECT request_trace_batch(30, 4)") for _ in range(2)]

    def worker(name, seed):
        def run():
            me, dice, pairs = session(), random.Random(seed), []
            for _ in range(150):
                if pairs and dice.random() < 0.15:
                    _, pairs = me.finish_and_claim(name, pairs, dice.randint(1, 6))
                    continue
                pairs = me.claim(dice.randint(1, 6), name, dice.choice([0, 120000]), dice.choice([None, None, *batches]))
                dice.shuffle(pairs)
                if pairs and dice.random() < 0.9:
                    me.finish(name, pairs, **dice.choice([
                        {}, {"outcome": "error", "blame": "proxy", "retry": True, "response_ms": None},
                        {"outcome": "timeout", "blame": "target", "retry": True}]))
        return run

    def cleaner(seed):
        def run():
            me, dice = session(), random.Random(seed)
            for _ in range(150):
                me.run(dice.choice(["SELECT cleanup_timed_out_requests()", "SELECT release_expired_ip_locks()",
                                    "SELECT release_dead_worker('w1')", "SELECT release_dead_worker('w2')",
                                    "SELECT settle_batches()", "SELECT record_pool_statistics()"]))
        return run

    def person():
        me, dice = session(), random.Random(99)
        one_ip = "(SELECT id FROM ip_rotation_pool ORDER BY random() LIMIT 1)"
        one_request = "(SELECT request_id FROM active_trace_requests ORDER BY random() LIMIT 1)"
        for _ in range(150):
            me.run(dice.choice([
                f"UPDATE ip_rotation_pool SET status = 'available' WHERE id = {one_ip}",
                f"UPDATE ip_rotation_pool SET is_healthy = NOT is_healthy WHERE id = {one_ip}",
                f"SELECT release_ip(ip_address) FROM ip_rotation_pool WHERE id = {one_ip}",
                f"UPDATE active_trace_requests SET status = 'pending' WHERE request_id = {one_request}",
                f"UPDATE active_trace_requests SET status = 'failed' WHERE request_id = {one_request}"]))

    together(*(worker(f"w{n}", n) for n in range(4)), cleaner(11), cleaner(12), person)

    # what a person left processing keeps its lease until that ends; then everything can be done
    check.run("UPDATE ip_rotation_pool SET locked_until = '-infinity', revision = revision + 1 WHERE status = 'locked'")
    check.run("SELECT cleanup_timed_out_requests()")
    assert check.one(ORPHANS) == 0
    assert check.one("SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked'") == 0
    check.run("UPDATE ip_rotation_pool SET is_healthy = true")
    check.run("UPDATE active_trace_requests SET status = 'pending' WHERE status <> 'completed'")
    while pairs := check.claim(100, "last"):
        assert check.finish("last", pairs) == len(pairs)
    assert check.one("SELECT count(*) FROM active_trace_requests WHERE status = 'completed'") == 300
    check.run("SELECT settle_batches()")
    assert check.one("SELECT count(*) FROM trace_batches WHERE state = 'open'") == 0
