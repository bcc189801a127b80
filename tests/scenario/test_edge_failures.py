"""The edge while things break: databases that stop, processes that are killed, files that are damaged, disks that fill.

Every click that was answered 302 is one row afterwards, whatever happened. Tests that stop PostgreSQL have one of
their own.
"""
import errno
import os
import signal
import socket
import subprocess

import pytest

import farm
from clicks import PATH, Crowd
from cluster import OWNER, Cluster
from edges import add_offer, db_lock, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)

# --- what can go wrong under clicks -------------------------------------------------------------


@pytest.fixture(scope="module")
def own_cluster():
    """A server that tests may stop."""
    with Cluster() as made:
        made.migrate()
        yield made


@pytest.fixture
def own_db(own_cluster):
    made = own_cluster.new_database(template=OWNER)
    database = farm.Database(made.url)
    database.url_as = made.url_as
    yield database
    database.close()
    own_cluster.drop_database(made)


@pytest.mark.parametrize("durability", ["fsync", "write"])
def test_the_database_stops_under_clicks(own_cluster, own_db, edge, durability):
    add_offer(own_db)
    running = edge(f"--edge.durability={durability}", database=own_db.url_as("tracepool_edge")).wait_ready()
    with Crowd(running.port, "o") as crowd:
        crowd.wait_for(100)
        own_db.close()
        own_cluster.stop_immediate()
        crowd.wait_for(300)
        farm.wait_for(lambda: running.ready()["database"] == "down", "the news of the end")
        assert running.ready()["ready"]
        own_cluster.start()
        crowd.wait_for(100)
    assert (crowd.others, crowd.broken) == ([], [])
    crowd.expect_rows(own_db)
    farm.wait_for(lambda: running.ready()["unshipped_bytes"] == 0, "an empty spool")


def test_the_table_is_locked_under_clicks(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    with Crowd(running.port, "o") as crowd:
        crowd.wait_for(50)
        with db_lock(db):
            crowd.wait_for(300)
    assert (crowd.others, crowd.broken) == ([], [])
    crowd.expect_rows(db)


def test_a_statement_that_misses_its_deadline_is_sent_again(db, edge):
    add_offer(db)
    running = edge("--database.query_timeout_ms=200").wait_ready()
    with Crowd(running.port, "o") as crowd:
        with db_lock(db):
            running.program.wait_event("ship.retry")
            crowd.wait_for(50)
    assert (crowd.others, crowd.broken) == ([], [])
    crowd.expect_rows(db)


def test_children_are_killed_under_clicks(db, edge):
    add_offer(db)
    running = edge(children=2).wait_ready()
    with Crowd(running.port, "o") as crowd:
        for round_ in range(1, 4):
            crowd.wait_for(100)
            running.kill_children()
            running.program.wait_event("edge.listening", 2 + 2 * round_)
        crowd.wait_for(100)
    assert crowd.others == []
    crowd.expect_rows(db)


def test_what_a_killed_child_had_not_accepted_is_answered_by_its_replacement(db, edge):
    """Connections wait in the parent's socket: nobody who was not yet served notices the crash."""
    add_offer(db)
    running = edge().wait_ready()
    child, = running.program.children()
    os.kill(child, signal.SIGSTOP)
    waiting = [socket.create_connection(("127.0.0.1", running.port), timeout=farm.PATIENCE_S) for _ in range(20)]
    for n, s in enumerate(waiting):
        s.sendall(f"GET {PATH}?offer=o&n={n} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n".encode())
    os.kill(child, signal.SIGKILL)
    for s in waiting:
        assert s.recv(4096).startswith(b"HTTP/1.1 302 ")
        s.close()
    wait_rows(db, 20)
    assert numbers(db) == set(range(20))


def test_everything_is_killed_under_clicks(db, edge):
    add_offer(db)
    first = edge().wait_ready()
    with Crowd(first.port, "o") as crowd:
        crowd.wait_for(200)
        with db_lock(db):  # so that something is left in the spool
            crowd.wait_for(200)
            children = first.program.children()
            first.program.process.kill()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            first.program.wait()
            assert sum(path.stat().st_size for path in first.segments()) > 100 * 200
        edge(ports=first).wait_ready()
        crowd.wait_for(100)
    assert crowd.others == []
    crowd.expect_rows(db)


def test_the_parent_is_killed_under_clicks(db, edge):
    add_offer(db)
    first = edge(children=2).wait_ready()
    with Crowd(first.port, "o") as crowd:
        crowd.wait_for(200)
        children = first.program.children()
        first.program.process.kill()
        first.program.wait()
        farm.wait_for(lambda: all(farm.is_gone(pid) for pid in children), "the end of its children")
        edge(ports=first).wait_ready()
        crowd.wait_for(100)
    assert crowd.others == []
    crowd.expect_rows(db)


def refuses(port):
    """By a socket of its own each time: one that was connected once says so for ever."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_a_new_parent_listens_while_its_predecessors_children_still_ship(db, edge):
    """The clicks of a dead parent's children go on being shipped, or wait for a database; new clicks do not wait for that."""
    add_offer(db)
    first = edge(children=2).wait_ready()
    children = first.program.children()
    with db_lock(db):
        for n in range(10):
            assert first.click(f"offer=o&n={n}")[0] == 302
        first.program.process.kill()
        first.program.wait()
        farm.wait_for(lambda: refuses(first.port), "the end of its socket")
        second = edge(ports=first)
        assert second.click("offer=o&n=10")[0] == 302
        assert not all(farm.is_gone(pid) for pid in children), "somebody was still shipping"
    wait_rows(db, 11)
    farm.wait_for(lambda: all(farm.is_gone(pid) for pid in children), "the end of the dead parent's children")


def test_a_dead_siblings_clicks_are_adopted(db, edge):
    add_offer(db)
    running = edge("--edge.offers_poll_s=3600", children=2).wait_ready()
    with db_lock(db), Crowd(running.port, "o") as crowd:
        crowd.wait_for(200)
        running.kill_children()
        running.program.wait_event("spool.adopted")
        crowd.wait_for(50)
    crowd.expect_rows(db)


def test_reload_under_clicks_breaks_nothing(db, edge):
    add_offer(db)
    running = edge(children=2).wait_ready()
    with Crowd(running.port, "o") as crowd:
        for round_ in range(1, 4):
            crowd.wait_for(100)
            running.program.signal(signal.SIGHUP)
            running.program.wait_event("edge.listening", 2 + 2 * round_)
            running.program.wait_event("edge.drained", 2 * round_)
        crowd.wait_for(100)
    assert (crowd.others, crowd.broken) == ([], [])
    crowd.expect_rows(db)


def test_the_end_ships_what_is_there(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    with db_lock(db):
        for n in range(20):
            assert running.click(f"offer=o&n={n}")[0] == 302
        running.program.signal(signal.SIGTERM)
        running.program.wait_event("parent.drain")
    assert running.program.wait() == 0
    assert len(rows(db)) == 20
    assert running.segments() == []


def test_the_end_does_not_wait_for_the_database_for_ever(db, edge):
    """At the deadline what is not shipped stays in the spool, for the next edge on that folder."""
    add_offer(db)
    running = edge("--edge.drain_s=1").wait_ready()
    with db_lock(db):
        for n in range(20):
            assert running.click(f"offer=o&n={n}")[0] == 302
        running.program.signal(signal.SIGTERM)
        assert running.program.wait() == 0
        drained, = running.program.events("edge.drained")
        assert drained["is_late"] == "true" and int(drained["unshipped_bytes"]) > 0
        assert running.segments()
    edge(ports=running)
    wait_rows(db, 20)
    assert numbers(db) == set(range(20)) and len(rows(db)) == 20


# --- the spool on disk --------------------------------------------------------------------------


def spooled(edge, db, count):
    """An edge that was killed with `count` clicks in its spool and none in the database."""
    running = edge().wait_ready()
    with db_lock(db):
        for n in range(count):
            assert running.click(f"offer=o&n={n}")[0] == 302
        children = running.program.children()
        running.program.process.kill()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        running.program.wait()
    farm.wait_for(lambda: db.value("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE %s "
                                   "AND datname = current_database()", "tracepool-edge%"), "the end of its sessions")
    db.run("TRUNCATE active_trace_requests")  # a statement that was under way may have been carried out
    return running


def numbers(db):
    return {int(row["inbound_params"]["n"]) for row in rows(db)}


def test_a_flipped_byte_costs_one_click(db, edge):
    add_offer(db)
    dead = spooled(edge, db, 10)
    segment, = dead.segments()
    content = bytearray(segment.read_bytes())
    content[content.index(b'"n":"4"') + 5] ^= 0x08
    segment.write_bytes(content)
    again = edge(ports=dead)
    damaged, = again.program.wait_event("spool.damaged")
    assert damaged["records"] == "1" and damaged["file"] == str(segment)
    wait_rows(db, 9)
    assert numbers(db) == set(range(10)) - {4}
    assert again.metric("tracepool_spool_damaged_total") == 1
    farm.wait_for(lambda: again.segments(".damaged"), "the damaged file, kept")


def test_a_truncated_segment_keeps_what_is_whole(db, edge):
    add_offer(db)
    dead = spooled(edge, db, 10)
    segment, = dead.segments()
    os.truncate(segment, segment.stat().st_size - 5)
    again = edge(ports=dead)
    again.program.wait_event("spool.torn")
    wait_rows(db, 9)
    assert numbers(db) == set(range(9))
    assert again.metric("tracepool_spool_torn_total") == 1
    farm.wait_for(lambda: not segment.exists(), "the end of the segment")
    assert again.segments(".damaged") == []


def test_a_segment_of_another_version_is_left_alone(db, edge, tmp_path):
    add_offer(db)
    dead = spooled(edge, db, 1)
    segment, = dead.segments()
    content = bytearray(segment.read_bytes())
    content[7] = 9
    content[28:32] = crc32c(content[:28]).to_bytes(4, "little")
    segment.write_bytes(content)
    again = edge(ports=dead).wait_ready()
    again.program.wait_event("spool.unknown_version", file=str(segment))
    assert again.click("offer=o&n=7")[0] == 302
    wait_rows(db, 1)
    assert numbers(db) == {7} and segment.exists()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_a_full_spool_answers_503_until_there_is_room(db, edge):
    add_offer(db)
    running = edge("--edge.spool_max_bytes=65536").wait_ready()
    with db_lock(db):
        answers = [running.click(f"offer=o&n={n}&x={'x' * 500}") for n in range(50)]
        taken = [n for n, answer in enumerate(answers) if answer[0] == 302]
        refused = [answer for answer in answers if answer[0] == 503]
        assert taken and refused and len(taken) + len(refused) == 50
        assert all(answer[1]["Retry-After"] == "1" and "Location" not in answer[1] for answer in refused)
        running.program.wait_event("spool.full")
    wait_rows(db, len(taken))
    farm.wait_for(lambda: set(taken) <= numbers(db), "the rows of all that were taken")   # of the others some, unknowingly
    farm.wait_for(lambda: running.click("offer=o&n=1000")[0] == 302, "room in the spool")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 256 KiB; where we may not mount one, a folder that may hold as little (rlimit)."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], capture_output=True).returncode == 0
    yield disk if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_answers_503_until_there_is_room(db, edge, tiny_disk, tmp_path):
    add_offer(db)
    if tiny_disk is None:
        running = edge("--edge.spool_max_bytes=262144").wait_ready()
    else:
        running = edge(spool=tiny_disk / "spool").wait_ready()
    with db_lock(db):
        answers = [running.click(f"offer=o&n={n}&x={'x' * 2000}")[0] for n in range(140)]
        assert set(answers) == {302, 503}
        running.program.wait_event("spool.failed" if tiny_disk else "spool.full")
        if tiny_disk:
            assert not running.ready()["ready"]
    taken = {n for n, status in enumerate(answers) if status == 302}
    farm.wait_for(lambda: taken <= numbers(db), "the rows of all that were taken")
    farm.wait_for(lambda: running.ready()["ready"], "a spool that can be written")
    farm.wait_for(lambda: running.click("offer=o&n=1000")[0] == 302, "a click that is taken again")
    running.program.wait_event("spool.recovered" if tiny_disk else "spool.full")
