"""The edge: a click is answered at once and is never lost.

Real tracepool-edge, real PostgreSQL. Tests that stop the server have one of their own.
"""
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

import farm
from clicks import Crowd, ask, click
from cluster import OWNER, Cluster

URL = "https://t.example/c"


class Edge:
    """A running tracepool-edge, its ports and its spool."""

    def __init__(self, program, port, admin, spool):
        self.program, self.port, self.admin, self.spool = program, port, admin, spool

    def click(self, query, **options):
        return click(self.port, query, **options)

    def metric(self, name):
        for line in ask(self.admin, "/metrics")[2].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {name}")

    def ready(self):
        return json.loads(ask(self.admin, "/readyz")[2])

    def wait_ready(self):
        farm.wait_for(lambda: self.ready()["ready"], "readiness")
        return self

    def segments(self, suffix=".spool"):
        return sorted(self.spool.glob("*" + suffix))

    def kill_children(self):
        pids = self.program.children()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids


@pytest.fixture
def edge(start, tmp_path, db):
    """edge(*settings, database=URL, spool=DIR, ports=EDGE): a tracepool-edge on db, listening."""

    def start_edge(*settings, database=None, spool=None, ports=None, children=1, wait=True):
        port, admin = (ports.port, ports.admin) if ports else (farm.free_port(), farm.free_port())
        spool = pathlib.Path(spool or tmp_path / "spool")
        program = start("tracepool-edge", f"--edge.listen=127.0.0.1:{port}", f"--edge.admin_listen=127.0.0.1:{admin}",
                        f"--edge.spool_dir={spool}", f"--edge.children={children}", *settings,
                        ready="edge.listening" if wait else None, ready_count=children,
                        DATABASE_URL=database or db.url_as("tracepool_edge"))
        return Edge(program, port, admin, spool)

    return start_edge


def add_offer(db, name="o", **columns):
    columns = {"offer_name": name, "final_url": URL, **columns}
    columns = {k: json.dumps(v) if k == "tracking_urls" else v for k, v in columns.items()}
    return db.value(f"INSERT INTO offers ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "
                    "RETURNING id::text", *columns.values())


def rows(db):
    return db.run("SELECT * FROM active_trace_requests ORDER BY created_at, request_id")


def wait_rows(db, count):
    farm.wait_for(lambda: len(rows(db)) >= count, f"{count} rows")
    return rows(db)


# --- one click --------------------------------------------------------------------------------


def test_a_click_is_redirected_and_becomes_a_row(db, edge):
    offer = add_offer(db, target_country="de", tracking_urls=[{"url": "https://t.example/{sub}?k=1", "weight": 2}])
    running = edge()
    status, headers, body = running.click("offer=o&gclid=CLICK77&sub=a%20b&x=1&x=2&k=9&flag")
    assert (status, body) == (302, "")
    assert headers["Location"] == "https://t.example/a%20b?k=1&gclid=CLICK77&x=1&x=2&flag"
    assert headers["Cache-Control"] == "no-store"
    assert "Referrer-Policy" not in headers
    row, = wait_rows(db, 1)
    assert (row["offer_id"], row["offer_name"], row["target_country"]) == (offer, "o", "de")
    assert row["tracking_url"] == "https://t.example/a%20b?k=1&x=1&x=2&flag"
    assert row["inbound_params"] == {"gclid": "CLICK77", "sub": "a b", "x": "2", "k": "9", "flag": ""}
    assert row["raw_query"] == "offer=o&gclid=CLICK77&sub=a%20b&x=1&x=2&k=9&flag"
    assert (row["status"], row["skip_reason"], row["click_path"]) == ("pending", None, "track-hit-instant")
    assert row["next_attempt_at"] is not None and row["started_at"] <= row["created_at"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", row["request_id"])
    assert "CLICK77" not in running.program.text()


def test_the_old_path_is_an_alias_that_is_counted_apart(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    assert ask(running.port, "/functions/v1/track-hit?offer=o")[0] == 302
    assert running.click("offer=o")[0] == 302
    assert [row["click_path"] for row in wait_rows(db, 2)] == ["track-hit", "track-hit-instant"]
    assert running.metric('tracepool_edge_clicks_total{path="track-hit"}') == 1
    assert running.metric('tracepool_edge_clicks_total{path="track-hit-instant"}') == 1


def test_a_beacon_is_a_click(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    status, headers, _ = running.click("offer=o&a=1", method="POST", body=b"ignored=1")
    assert (status, headers["Location"]) == (302, URL + "?a=1")
    assert wait_rows(db, 1)[0]["inbound_params"] == {"a": "1"}
    assert running.click("offer=o", method="POST", body=b"x" * 9000)[0] == 413


def test_head_and_prefetch_are_no_clicks(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    assert running.click("offer=o", method="HEAD")[:2][0] == 302
    for header in ({"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}):
        status, headers, _ = running.click("offer=o", headers=header)
        assert (status, headers["Location"]) == (302, URL)
    assert running.click("offer=o&real=1")[0] == 302
    row, = wait_rows(db, 1)
    assert row["inbound_params"] == {"real": "1"}
    assert running.metric('tracepool_edge_no_clicks_total{reason="head"}') == 1
    assert running.metric('tracepool_edge_no_clicks_total{reason="prefetch"}') == 3


def test_what_is_no_redirect(db, edge):
    add_offer(db, "off", is_active=False)
    add_offer(db, "broken", final_url="not a url")
    running = edge().wait_ready()
    for query, status, word in (("offer=nobody", 404, "no offer"), ("offer=off", 404, "not active"), ("a=1", 400, "offer"),
                                ("", 400, "offer"), ("offer=broken", 500, "no usable URL")):
        got, headers, body = running.click(query)
        assert (got, headers["Content-Type"]) == (status, "application/json")
        assert word in json.loads(body)["error"]
        assert "Location" not in headers
    named, = running.program.events("offer.problem")
    assert named["offer"] == "broken" and "not%20a%20url" in named["problem"]
    assert running.click("offer=broken", method="PUT")[:2][0] == 405
    assert "GET, HEAD, POST" in running.click("offer=broken", method="PUT")[1]["Allow"]
    assert ask(running.port, "/")[0] == 404
    assert rows(db) == []


def test_a_location_over_its_limit_is_refused(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    status, headers, body = running.click("offer=o&x=" + "a" * 8200)
    assert status == 400 and "8192" in json.loads(body)["error"] and "Location" not in headers
    assert rows(db) == []


def test_fallbacks_make_skipped_rows(db, edge):
    offer = add_offer(db, "off", is_active=False, fallback_url="https://f.example/own")
    running = edge("--edge.fallback_url=https://f.example/all", "--edge.referrer_policy=no-referrer").wait_ready()
    assert running.click("offer=off&a=1")[1]["Location"] == "https://f.example/own"
    status, headers, _ = running.click("offer=nobody")
    assert (status, headers["Location"], headers["Referrer-Policy"]) == (302, "https://f.example/all", "no-referrer")
    inactive, unknown = wait_rows(db, 2)
    assert (inactive["status"], inactive["skip_reason"], inactive["offer_id"]) == ("skipped", "offer_inactive", offer)
    assert (unknown["status"], unknown["skip_reason"], unknown["offer_id"]) == ("skipped", "offer_unknown", None)
    assert unknown["offer_name"] == "nobody" and unknown["next_attempt_at"] is None


def test_the_visible_target_is_followed_to_allowed_hosts_only(db, edge):
    add_offer(db, allowed_hosts=["shop.example"])
    running = edge().wait_ready()
    good = running.click("offer=o&redirection_url=https%3A%2F%2Fshop.example%2Fp%3Fgclid%3DX&s=1")
    evil = running.click("offer=o&redirection_url=https://evil.example/")
    assert good[1]["Location"] == "https://shop.example/p?gclid=X&s=1"
    assert evil[1]["Location"] == URL
    assert [row["tracking_url"] for row in wait_rows(db, 2)] == ["https://shop.example/p?s=1", URL]
    assert running.metric('tracepool_edge_visible_targets_total{result="refused"}') == 1


def test_country_from_a_trusted_proxy(db, edge, tmp_path):
    add_offer(db, country_from="header", target_country="us")
    trusting = edge("--edge.country_header=CF-IPCountry", "--edge.trusted_proxies=127.0.0.0/8").wait_ready()
    for value in ("DE", "XX", "Germany"):
        assert trusting.click("offer=o", headers={"CF-IPCountry": value})[0] == 302
    assert [row["target_country"] for row in wait_rows(db, 3)] == ["de", "us", "us"]
    strict = edge("--edge.country_header=CF-IPCountry", spool=tmp_path / "strict").wait_ready()
    assert strict.click("offer=o", headers={"CF-IPCountry": "DE"})[0] == 302
    assert wait_rows(db, 4)[3]["target_country"] == "us"


def test_bytes_that_postgresql_refuses(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    status, headers, _ = running.click("offer=o&nul=a%00b&bad=%ff%c3&lone=%ed%a0%80&quote=%22%5c%0a&k%00=1")
    assert status == 302
    assert headers["Location"] == URL + "?nul=a%00b&bad=%ff%c3&lone=%ed%a0%80&quote=%22%5c%0a&k%00=1"
    row, = wait_rows(db, 1)
    assert row["inbound_params"] == {"nul": "a\ufffdb", "bad": "\ufffd\ufffd", "lone": "\ufffd\ufffd\ufffd",
                                     "quote": '"\\\n', "k\ufffd": "1"}


def test_a_row_the_database_refuses_stops_no_other(db, edge):
    add_offer(db)
    db.run("ALTER TABLE active_trace_requests ADD CHECK (inbound_params->>'p' IS DISTINCT FROM 'poison')")
    running = edge().wait_ready()
    with db_lock(db):  # so that they come in batches
        for n in range(40):
            assert running.click(f"offer=o&p={'poison' if n in (0, 17, 39) else 'good'}&n={n}")[0] == 302
    assert {row["inbound_params"]["n"] for row in wait_rows(db, 37)} == {str(n) for n in range(40)} - {"0", "17", "39"}
    db.wait_for("SELECT count(*) = 3 FROM spool_quarantine")
    refused = db.run("SELECT request_id::text, error, convert_from(payload, 'UTF8')::json AS click FROM spool_quarantine")
    assert {row["click"]["params"]["n"] for row in refused} == {"0", "17", "39"}
    for row in refused:
        assert row["request_id"] == row["click"]["id"] and row["error"].startswith("23514")
    assert running.metric("tracepool_ship_quarantined_total") == 3
    assert running.click("offer=o&p=good&n=40")[0] == 302
    wait_rows(db, 38)


class db_lock:
    """active_trace_requests locked against everything, by a connection of its own."""

    def __init__(self, db):
        self.db = farm.Database(db.url)

    def __enter__(self):
        self.db.run("SELECT 1")
        self.db.connection.autocommit = False
        self.db.run("LOCK TABLE active_trace_requests IN ACCESS EXCLUSIVE MODE")

    def __exit__(self, *_):
        self.db.connection.commit()
        self.db.close()


# --- offers -----------------------------------------------------------------------------------


def test_a_changed_offer_is_served_at_once(db, edge):
    running = edge("--edge.offers_poll_s=3600").wait_ready()
    assert running.click("offer=o")[0] == 404
    add_offer(db)
    farm.wait_for(lambda: running.click("offer=o")[0] == 302, "the new offer")
    db.run("UPDATE offers SET final_url = 'https://new.example/'")
    farm.wait_for(lambda: running.click("offer=o")[1]["Location"] == "https://new.example/", "the new URL")
    db.run("DELETE FROM offers")
    farm.wait_for(lambda: running.click("offer=o")[0] == 404, "the end of the offer")


def test_offers_are_polled_where_notify_does_not_come(db, edge):
    running = edge("--edge.offers_poll_s=1", "--database.pooled=true").wait_ready()
    add_offer(db)
    farm.wait_for(lambda: running.click("offer=o")[0] == 302, "the new offer")


def test_without_a_database_the_snapshot_serves(db, edge):
    add_offer(db)
    first = edge().wait_ready()
    farm.wait_for(lambda: (first.spool / "offers.json").exists(), "the snapshot")
    first.program.stop()
    nowhere = f"postgresql://nobody@127.0.0.1:{farm.free_port()}/none"
    second = edge(database=nowhere, ports=first).wait_ready()
    assert second.ready()["database"] == "down"
    assert second.click("offer=o&late=1")[0] == 302
    second.program.stop()
    edge(ports=first)  # the database is back: what was spooled meanwhile becomes a row
    assert wait_rows(db, 1)[0]["inbound_params"] == {"late": "1"}


def test_with_neither_database_nor_snapshot(edge):
    running = edge(database=f"postgresql://nobody@127.0.0.1:{farm.free_port()}/none", wait=False)
    farm.wait_port(running.port)
    status, headers, body = running.click("offer=o")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "not loaded" in json.loads(body)["error"]
    assert ask(running.port, "/healthz")[0] == 200
    assert ask(running.port, "/readyz")[0] == 503


# --- health -----------------------------------------------------------------------------------


def test_health_pages(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    for port in (running.port, running.admin):
        assert ask(port, "/healthz")[0] == 200
        assert json.loads(ask(port, "/readyz")[2])["offers"] == 1
        assert ask(port, "/readyz", method="POST", body=b"")[0] == 405
    assert ask(running.port, "/metrics")[0] == 404
    assert "tracepool_edge_clicks_total" in ask(running.admin, "/metrics")[2]
    db.wait_for("SELECT count(*) = 1 FROM process_heartbeats WHERE program = 'edge' AND spool_age_s IS NOT NULL")


@pytest.mark.parametrize("setting, word", [
    ("--edge.fallback_url=nonsense", "edge.fallback_url"),
    ("--edge.trusted_proxies=10.0.0.0/99", "edge.trusted_proxies"),
    ("--edge.spool_dir=/proc/nowhere/spool", "/proc/nowhere"),
    ("--edge.listen=nonsense", "nonsense"),
    ("--edge.durability=maybe", "durability"),
    ("--edge.segment_bytes=1", "segment_bytes"),
])
def test_settings_that_make_no_sense_are_named(tmp_path, setting, word):
    command = [farm.binary("tracepool-edge"), f"--edge.listen=127.0.0.1:{farm.free_port()}", "--edge.admin_listen=",
               f"--edge.spool_dir={tmp_path}/spool", setting]
    ended = subprocess.run(command, env={"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, capture_output=True, text=True,
                           timeout=farm.PATIENCE_S)
    assert ended.returncode == 2
    assert word in ended.stderr


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
        answers = [running.click(f"offer=o&n={n}&x={'x' * 500}") for n in range(100)]
        taken = [n for n, answer in enumerate(answers) if answer[0] == 302]
        refused = [answer for answer in answers if answer[0] == 503]
        assert taken and refused and len(taken) + len(refused) == 100
        assert all(answer[1]["Retry-After"] == "1" and "Location" not in answer[1] for answer in refused)
        running.program.wait_event("spool.full")
    wait_rows(db, len(taken))
    assert numbers(db) == set(taken)
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
        answers = [running.click(f"offer=o&n={n}&x={'x' * 2000}")[0] for n in range(200)]
        assert set(answers) == {302, 503}
        running.program.wait_event("spool.failed" if tiny_disk else "spool.full")
        if tiny_disk:
            assert not running.ready()["ready"]
    taken = {n for n, status in enumerate(answers) if status == 302}
    wait_rows(db, len(taken))
    assert taken <= numbers(db)
    farm.wait_for(lambda: running.ready()["ready"], "a spool that can be written")
    farm.wait_for(lambda: running.click("offer=o&n=1000")[0] == 302, "a click that is taken again")
    running.program.wait_event("spool.recovered" if tiny_disk else "spool.full")
