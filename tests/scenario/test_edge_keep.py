"""The edge without its spool: a click is committed to the database before it is answered, or it is refused."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

import farm
from edges import add_offer, db_lock, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)


@pytest.fixture
def no_room(tmp_path):
    """A folder for the spool on a full file system; release() makes room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=100", "none", str(disk)], capture_output=True).returncode:
        # Where nothing may be mounted, the spool's folder goes away instead.
        (disk / "spool").mkdir()
        yield disk / "spool", lambda: (disk / "spool").mkdir(exist_ok=True), lambda: os.rmdir(disk / "spool")
        return
    (disk / "spool").mkdir()
    ballast = disk / "ballast"

    def fill():
        with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"x" * 4096):
                pass
    yield disk / "spool", lambda: ballast.unlink(missing_ok=True), fill
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def hanging_sync(tmp_path):
    """(environment of an edge, hang(), go_on()): fdatasync does not come back in between."""
    file = tmp_path / "no-sync"
    library = farm.BUILD / "tests" / "scenario" / "libslow_sync.so"
    environment = {"LD_PRELOAD": str(library), "SLOW_SYNC_FILE": str(file), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    return environment, file.touch, lambda: file.unlink(missing_ok=True)


def test_without_room_on_the_disk_the_database_keeps_clicks(db, edge, no_room):
    add_offer(db)
    spool, release, fill = no_room
    running = edge(spool=spool).wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    fill()
    answers = [running.click(f"offer=o&n={n}&x={'x' * 3000}")[0] for n in range(30)]
    assert answers == [302] * 30
    assert sorted(int(row["inbound_params"]["n"]) for row in wait_rows(db, 30)) == list(range(30))
    assert running.metric('tracepool_keep_clicks_total{result="database"}') > 0
    release()
    farm.wait_for(lambda: running.ready()["ready"], "a spool that can be written")
    assert running.click("offer=o&n=30")[0] == 302
    wait_rows(db, 31)


def test_while_a_sync_hangs_the_database_keeps_clicks(db, edge, hanging_sync):
    add_offer(db)
    environment, hang, go_on = hanging_sync
    running = edge(**environment).wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    assert running.click("offer=o&n=0")[0] == 302
    wait_rows(db, 1)
    hang()
    for n in range(1, 11):
        assert running.click(f"offer=o&n={n}")[0] == 302
        assert db.value("SELECT count(*) FROM active_trace_requests") == n + 1   # it is there when the answer is
    assert running.metric('tracepool_keep_clicks_total{result="database"}') == 10
    go_on()
    farm.wait_for(lambda: running.ready()["unshipped_bytes"] == 0 and running.metric(
        'tracepool_spool_clicks_total{result="durable"}') == 11, "what the spool had as well")
    assert len(rows(db)) == 11


def test_with_durability_write_a_click_waits_for_no_sync_and_outlives_a_kill(db, edge, hanging_sync):
    add_offer(db)
    environment, hang, _ = hanging_sync
    hang()
    first = edge("--edge.durability=write", **environment).wait_ready()
    with db_lock(db):   # so that only the spool can have them
        for n in range(10):
            assert first.click(f"offer=o&n={n}")[0] == 302
        assert first.metric('tracepool_spool_clicks_total{result="durable"}') == 10
        children = first.program.children()
        first.program.process.kill()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        first.program.wait()
    edge(ports=first).wait_ready()
    assert sorted(int(row["inbound_params"]["n"]) for row in wait_rows(db, 10)) == list(range(10))


def test_a_row_the_database_refuses_is_put_aside_without_the_spool_too(db, edge, hanging_sync):
    add_offer(db)
    db.run("ALTER TABLE active_trace_requests ADD CHECK (inbound_params->>'p' IS DISTINCT FROM 'poison')")
    environment, hang, go_on = hanging_sync
    running = edge(**environment).wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    hang()
    for n in range(6):
        assert running.click(f"offer=o&p={'poison' if n in (1, 4) else 'good'}&n={n}")[0] == 302
    assert {row["inbound_params"]["n"] for row in rows(db)} == {"0", "2", "3", "5"}
    refused = db.run("SELECT error, convert_from(payload, 'UTF8')::json AS click FROM spool_quarantine")
    assert {row["click"]["raw_query"] for row in refused} == {f"offer=o&p=poison&n={n}" for n in (1, 4)}
    assert all(row["error"].startswith("23514") for row in refused)
    go_on()
    farm.wait_for(lambda: running.ready()["unshipped_bytes"] == 0, "what the spool had as well")
    assert len(rows(db)) == 4 and db.value("SELECT count(*) FROM spool_quarantine") == 2


def test_with_neither_spool_nor_database_clicks_are_refused(db, edge, hanging_sync):
    add_offer(db)
    environment, hang, go_on = hanging_sync
    running = edge(**environment).wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    with db_lock(db):
        hang()
        status, headers, body = running.click("offer=o&n=1")
        assert (status, headers["Retry-After"]) == (503, "1") and "Location" not in headers
        assert "stored" in json.loads(body)["error"]
        running.program.wait_event("click.fate_unknown")
        assert running.metric('tracepool_keep_clicks_total{result="unknown"}') == 1
    go_on()
    farm.wait_for(lambda: running.click("offer=o&n=2")[0] == 302, "a click that is taken again")


def test_on_total_loss_an_operator_may_prefer_the_visitor(db, edge, hanging_sync):
    add_offer(db)
    environment, hang, go_on = hanging_sync
    running = edge("--edge.on_total_loss=redirect", **environment).wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    with db_lock(db):
        hang()
        status, headers, _ = running.click("offer=o&n=1")
        assert (status, headers["Location"]) == (302, "https://t.example/c?n=1")
        lost, = running.program.wait_event("click.unkept")
        assert len(lost["trace"]) == 36
        assert running.metric("tracepool_edge_unkept_redirects_total") == 1
    go_on()


def test_kept_segments_can_be_shipped_again(db, edge):
    add_offer(db)
    running = edge("--edge.spool_keep_s=3600", "--edge.segment_bytes=4096").wait_ready()
    for n in range(30):
        assert running.click(f"offer=o&n={n}&x={'x' * 500}")[0] == 302
    wait_rows(db, 30)
    running.program.stop()
    kept = running.segments(".kept")
    assert len(kept) > 3 and running.segments() == []
    db.run("TRUNCATE active_trace_requests")   # a standby was promoted that had none of them
    for path in kept:
        path.rename(path.with_suffix(""))
    again = edge(ports=running)
    assert {int(row["inbound_params"]["n"]) for row in wait_rows(db, 30)} == set(range(30))
    farm.wait_for(lambda: again.segments(".kept") == [] and len(again.segments()) == 1, "their end")


def test_kept_segments_end(db, edge, tmp_path):
    add_offer(db)
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    old, young = spool / "a-00000001.spool.kept", spool / "b-00000001.spool.kept"
    for path in (old, young):
        path.write_bytes(b"x" * 1000)
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    edge("--edge.spool_keep_s=3600", spool=spool).wait_ready()
    farm.wait_for(lambda: not old.exists(), "the end of the old one")
    assert young.exists()
