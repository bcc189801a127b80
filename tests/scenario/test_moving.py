"""deploy/MOVING.md, step by step as it is written: an invented original beside tracepool, each offer moved, compared, and given back."""
import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse

import pytest

import farm
from clicks import ask
from edges import edge  # noqa: F401  (a fixture)
from stage import PAGE, redirect

PAGE_TEXT = (farm.ROOT / "deploy" / "MOVING.md").read_text()
SCHEMA = farm.ROOT / "tests" / "scenario" / "original.sql"
ODD = "odd \"name\", ünï%/'"


def commands(title):
    """The indented lines of one section of the page."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE_TEXT, re.M | re.S)
    assert section, f"the page has no section {title}"
    return [line.strip() for line in section[1].splitlines() if line.startswith("    ") and not line.startswith("    export")
            and re.match(r"\s+(deploy/|psql )", line)]


class Move:
    """Both databases, and the page's commands between them."""

    def __init__(self, old, db):
        self.old, self.new = old, db
        self.env = {**os.environ, "OLD_DATABASE_URL": old.url, "DATABASE_URL": db.url_as("tracepool_admin")}

    def run(self, *words, status=0):
        done = subprocess.run(words if len(words) > 1 else ["bash", "-c", words[0]], cwd=farm.ROOT, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def move(self, *words, status=0):
        return self.run(str(farm.ROOT / "deploy" / "moving" / "move"), *words, status=status)

    def section(self, title, twice=True, at_rest=None):
        """Each command of that section, and then again: a repetition changes nothing. The first run's output."""
        said = [self.run(line) for line in commands(title)]
        if twice:
            if at_rest:
                self.new.wait_for(at_rest)
            before = self.state()
            for line in commands(title):
                self.run(line)
            assert self.state() == before
        return said

    def state(self):
        """All rows that a move could touch, on both sides."""
        return [self.old.run("SELECT md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\")) FROM " + table)
                for table in ("offers t", "ip_rotation_pool t", "active_trace_requests t", "ip_pool_statistics t")] + [
               self.new.run("SELECT md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\")) FROM " + table)
               for table in ("offers t", "ip_rotation_pool t", "active_trace_requests t", "trace_archive t")]


@pytest.fixture
def old(cluster):
    made = cluster.new_database()
    database = farm.Database(made.url)
    database.run(SCHEMA.read_text())
    yield database
    database.close()
    cluster.drop_database(made)


@pytest.fixture
def moving(old, db):
    return Move(old, db)


def requests_of(database, offer, where="true"):
    return database.run(f"SELECT t.* FROM active_trace_requests t JOIN offers o ON o.id = t.offer_id WHERE o.offer_name = %s AND {where} "
                        "ORDER BY t.request_id", offer)


SAME = ("request_id", "offer_id", "status", "ip_assigned", "final_url", "error_message", "trace_time_ms", "tracer_mode_used", "detection_reason",
        "wait_time_ms", "total_time_ms", "ip_locked_at", "timeout_at")


def row_by_row(there, here):
    """Every request that ended there is here, the same but for what the page's last table says."""
    assert [r["request_id"] for r in there] == [r["request_id"] for r in here]
    for a, b in zip(there, here):
        assert {k: a[k] for k in SAME} == {k: b[k] for k in SAME}
        assert b["tracking_url"] == (a["tracking_url"] or "")
        assert b["target_country"] == ((a["target_country"] or "").strip().lower() or "us")
        assert b["retry_count"] == max(a["retry_count"] or 0, 0)
        assert b["started_at"] == (a["started_at"] or a["created_at"] or a["completed_at"] or a["timeout_at"] or b["started_at"])
        assert b["completed_at"] is not None and (a["completed_at"] is None or a["completed_at"] == b["completed_at"])
        for column in ("inbound_params", "extracted_params"):
            was = a[column]
            if was is not None and not isinstance(was, dict):
                was = {"value": was}
            assert b[column] == (was if was is not None or column == "extracted_params" else {})
        assert (b["redirect_chain"] is None) == (a["redirect_chain"] is None)
        assert all(isinstance(hop["url"], str) for hop in b["redirect_chain"] or [])


# ---- the steps

def test_look_names_the_quietest_first_and_what_needs_a_person(moving):
    (said, _) = moving.section("0. Look")
    lines = [line.split("|")[0].strip() for line in said.splitlines()]
    assert lines.index("quiet") < lines.index("busy")
    assert "offer without a name: it stays" in said
    assert "IPs locked without a request" in said
    assert "requests of offers that are gone" in said
    assert moving.new.value("SELECT count(*) FROM proxy_providers WHERE provider = 'luna'") == 1


def test_one_offer_comes_whole_and_the_rest_stays(moving):
    said = moving.section("1. Side by side")
    assert [line for line in "".join(said).splitlines() if "agree" in line] == ["both sides agree"]
    old, new = moving.old, moving.new

    # IPs: each serves one system, countries by their share
    taken = new.run("SELECT * FROM ip_rotation_pool ORDER BY ip_address COLLATE \"C\"")
    assert [sum(ip["country"] == c for ip in taken) for c in ("us", "ca")] == [41, 9]
    left = old.run("SELECT ip_address FROM ip_rotation_pool WHERE is_healthy AND status <> 'locked'")
    assert not {r["ip_address"] for r in left} & {r["ip_address"] for r in taken}
    for ip in taken:
        was = old.value("SELECT was FROM moved_to_tracepool WHERE kind = 'ip' AND name = %s", ip["ip_address"])
        assert (ip["ip_port"], ip["country"], ip["provider"]) == (was["ip_port"] or "7000", was["country"].lower(), "luna")
        assert [ip[k] for k in ("total_uses", "success_count", "failure_count", "avg_response_time_ms", "notes")] == [
            was[k] for k in ("total_uses", "success_count", "failure_count", "avg_response_time_ms", "notes")]
    resting = next(ip for ip in taken if ip["ip_address"] == "user-us-48")
    assert resting["status"] == "cooldown" and new.value("SELECT %s::timestamptz > now()", resting["locked_until"])

    # the offer
    there, here = (d.one("SELECT * FROM offers WHERE offer_name = 'quiet'") for d in (old, new))
    assert {k: here[k] for k in ("id", "final_url", "tracking_urls", "target_country", "referrer", "is_active", "tracer_mode", "expected_params")} == {
        k: there[k] for k in ("id", "final_url", "tracking_urls", "target_country", "referrer", "is_active", "tracer_mode", "expected_params")}
    assert here["trace_click_ids"] == "inbound"
    assert new.run("SELECT offer_name FROM offers") == [{"offer_name": "quiet"}]

    # its requests, and those of offers that are gone
    row_by_row(requests_of(old, "quiet"), requests_of(new, "quiet"))
    assert new.value("SELECT redirect_chain FROM active_trace_requests WHERE offer_id IS NULL") == [{"url": ""}, {"url": "3"}, {"url": "", "status": 200}]
    assert new.value("SELECT redirect_chain FROM active_trace_requests WHERE tracking_url LIKE '%%t=\t'") == [
        {"url": "x", "original": {"href": "x", "status": "302", "headers": {"a": 1}, "cookies_set": "text"}}]
    assert new.value("SELECT count(*) FROM active_trace_requests") == len(requests_of(old, "quiet")) + 1

    # the past of the charts
    assert new.value("SELECT count(*) FROM ip_pool_statistics") == 200
    new.run("SELECT record_pool_statistics()")
    old.run("INSERT INTO ip_pool_statistics (total_ips) VALUES (60)")
    moving.move("statistics")
    assert new.value("SELECT count(*) FROM ip_pool_statistics") == 201, "none from after our own first"

    # the archive takes what is old, and nothing comes twice
    new.run("SELECT archive_traces()")
    assert new.value("SELECT count(*) FROM trace_archive") > 0
    total = new.value("SELECT count(*) FROM traces")
    assert "0 of them new" in moving.move("requests")
    assert new.value("SELECT count(*) FROM traces") == total
    assert "both sides agree" in moving.move("check")


def test_check_names_what_differs(moving):
    moving.section("1. Side by side", twice=False)
    moving.new.run("UPDATE offers SET referrer = 'https://changed.example/'")
    moving.new.run("DELETE FROM active_trace_requests WHERE request_id = (SELECT request_id FROM active_trace_requests WHERE status = 'timeout' AND offer_name = 'quiet' LIMIT 1)")
    moving.new.run("UPDATE ip_rotation_pool SET country = 'fr' WHERE ip_address = 'user-us-48'")
    said = moving.move("check", status=1)
    assert "the sides differ" in said
    for word in ("> offer quiet", "< requests of quiet, timeout: ", "> ip {"):
        assert word in said, said
    assert "requests of quiet, completed" not in said


def test_odd_names_and_hopeless_cases(moving):
    moving.move("offer", ODD)
    row = moving.new.one("SELECT * FROM offers")
    assert (row["offer_name"], row["tracking_urls"], row["target_country"], row["tracer_mode"], row["is_active"], row["extract_only"]) == (ODD, [], "us", "auto", False, True)
    moving.move("requests")
    assert "both sides agree" in moving.move("check")
    assert "there is no offer nobody in the original" in moving.move("offer", "nobody", status=3)
    assert "there is no offer" in moving.move("offer", "", status=3)
    moving.new.run("INSERT INTO offers (offer_name, final_url) VALUES ('busy', 'http://mine.test/')")
    assert "offer busy is here already, with another id" in moving.move("offer", "busy", status=3)
    assert moving.old.run("SELECT name FROM moved_to_tracepool") == [{"name": ODD}]
    assert "pool 'many': must be a number of IPs, or all" in moving.move("pool", "many", status=2)
    assert "there is no verb take" in moving.move("take", status=2)
    assert "look: one word too many: shop" in moving.move("look", "shop", status=2)
    moving.env["OLD_DATABASE_URL"] = "postgresql://x@127.0.0.1:1/x"
    assert "nothing was changed" in moving.move("requests", status=3)
    del moving.env["OLD_DATABASE_URL"]
    assert "OLD_DATABASE_URL is not set" in moving.move("look", status=2)


def test_a_pipe_that_breaks_changes_nothing(moving, tmp_path):
    """The old side's psql is cut off in the middle of its rows: what came is not whole."""
    moving.move("offer", "quiet")
    fake = tmp_path / "bin" / "psql"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\ncase "$*" in *old/requests.sql*) {shutil.which("psql")} "$@" | head -n 5; exit 2 ;; esac\nexec {shutil.which("psql")} "$@"\n')
    fake.chmod(0o755)
    moving.env["PATH"] = f"{fake.parent}:{os.environ['PATH']}"
    assert "what came is not whole" in moving.move("requests", status=3)
    assert moving.new.value("SELECT count(*) FROM active_trace_requests") == 0


def test_it_runs_where_it_is_installed(moving, tmp_path):
    """Beside the migrations, as `meson install` puts both."""
    shutil.copytree(farm.ROOT / "deploy" / "moving", tmp_path / "moving")
    shutil.copytree(farm.ROOT / "migrations", tmp_path / "migrations")
    assert "200 of them new" in moving.run(str(tmp_path / "moving" / "move"), "statistics")


def test_no_password_on_a_command_line(moving, tmp_path):
    seen, fake = tmp_path / "seen", tmp_path / "bin" / "psql"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {seen}\nexec {shutil.which("psql")} "$@"\n')
    fake.chmod(0o755)
    moving.env["PATH"] = f"{fake.parent}:{os.environ['PATH']}"
    moving.move("statistics")
    password = urllib.parse.urlsplit(moving.old.url).password
    assert "127.0.0.1" in seen.read_text() and password not in seen.read_text()


# ---- clicks by both paths, and everything to the end

class Original(http.server.BaseHTTPRequestHandler):
    """track-hit of the original, as far as a visitor sees it: a row, and a redirect."""

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        self.server.database.run("INSERT INTO active_trace_requests (offer_id, tracking_url, target_country, inbound_params, status, completed_at) "
                                 "SELECT id, 'http://go.test/', 'us', %s, 'completed', now() FROM offers WHERE offer_name = %s",
                                 json.dumps(query), query["offer"])
        self.send_response(302)
        self.send_header("Location", "http://go.test/by-the-original")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def original(url):
    with http.server.HTTPServer(("127.0.0.1", 0), Original) as server:
        server.database = farm.Database(url)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_port
        server.shutdown()
        server.database.close()


class Front:
    """nginx with the page's own lines."""

    def __init__(self, folder, original_port, edge_port):
        self.folder, self.port = folder, farm.free_port()
        self.lines = re.search(r"```nginx\n(.*?)```", PAGE_TEXT, re.S)[1].replace("original.example.net:80", f"127.0.0.1:{original_port}").replace(
            "127.0.0.1:8080", f"127.0.0.1:{edge_port}").replace("listen 80;", f"listen 127.0.0.1:{self.port};")

    def start(self, start_program, moved):
        offers = "".join(f"    {name}   tracepool;\n" for name in moved)
        lines, count = re.subn(r"    quiet +tracepool;\n", offers, self.lines)
        assert count == 1
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.folder / "nginx.conf"
        conf.write_text(f"worker_processes 1; daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log;\n"
                        f"events {{ worker_connections 64; }}\nhttp {{ access_log off; {paths}\n{lines}}}\n")
        if os.geteuid() == 0:
            conf.write_text("user root;\n" + conf.read_text())
        program = start_program(["/usr/sbin/nginx", "-p", self.folder, "-e", self.folder / "nginx.log", "-c", conf])
        farm.wait_port(self.port, alive=program.is_running)
        return program

    def click(self, path, offer, **parameters):
        status, headers, _ = ask(self.port, f"/functions/v1/{path}?{urllib.parse.urlencode({'offer': offer, **parameters})}")
        return status, headers["Location"]


def clicks(db):
    return {(r["offer_name"], r["click_path"]): r["clicks_24h"] for r in db.run("SELECT * FROM offer_clicks")}


def test_from_the_first_click_to_the_way_back(moving, web, proxies, worker, edge, pool, tmp_path):  # noqa: F811
    old, new = moving.old, moving.new
    for url in ("http://go.test/quiet", "http://go.test/busy"):
        web.add(url, redirect("http://shop.test/?order=7"))
    web.add("http://shop.test/", PAGE)
    (proxy,) = proxies(1)   # an IP of the original's that is real
    old.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider, last_used_at) VALUES (%s, %s, 'us', 'other', 'epoch')",
            proxy.address, str(proxy.port))
    new.run("UPDATE trace_policy SET cooldown_s = 0")
    started = []

    def start_program(argv):
        started.append(farm.Program(argv, tmp_path / f"front-{len(started)}.log"))
        return started[-1]

    try:
        with original(old.url) as original_port:
            moving.section("1. Side by side", twice=False)
            running = edge("--edge.trusted_proxies=127.0.0.1").wait_ready()
            worker()
            farm.wait_for(lambda: running.ready()["offers"] == 1, "the offer in the edge's memory")
            front = Front(tmp_path, original_port, running.port)
            program = front.start(start_program, ["quiet"])

            # 2. one offer here, by the old path and by the new one; the other one still there
            assert front.click("track-hit", "quiet", sub="old", gclid="g1") == (302, "http://go.test/quiet?sub=old&gclid=g1")
            assert front.click("track-hit-instant", "quiet", sub="new", gclid="g2") == (302, "http://go.test/quiet?sub=new&gclid=g2")
            assert front.click("track-hit", "busy", sub="b") == (302, "http://go.test/by-the-original")
            new.wait_for("SELECT count(*) = 2 FROM active_trace_requests WHERE click_path LIKE 'track-hit%%' AND status = 'completed'")
            traced = new.run("SELECT * FROM active_trace_requests WHERE click_path LIKE 'track-hit%%'")
            assert {r["ip_assigned"] for r in traced} == {proxy.address}
            assert {r["inbound_params"]["gclid"] for r in traced} == {"g1", "g2"}
            assert all("gclid=g" in r["tracking_url"] for r in traced), "the visitor's id is traced, as there"
            counted = moving.section("2. Send the clicks of one offer over")[-1]
            assert clicks(new) == {("quiet", "original"): 20, ("quiet", "track-hit"): 1, ("quiet", "track-hit-instant"): 1}
            assert re.search(r"quiet +\| track-hit +\| +1 \| +1 ", counted), counted
            assert running.metric('tracepool_edge_clicks_total{path="track-hit"}') == 1
            assert running.metric('tracepool_edge_clicks_total{path="track-hit-instant"}') == 1

            # 3. the other one
            moving.section("3. The others, the busiest last")
            program.stop()
            program = front.start(start_program, ["quiet", "busy"])
            farm.wait_for(lambda: running.ready()["offers"] == 2, "both offers in the edge's memory")
            assert front.click("track-hit", "busy", sub="b2") == (302, "http://go.test/busy?sub=b2")
            moving.move("requests")
            ended = "t.status::text IN ('completed', 'failed', 'timeout')"
            row_by_row(requests_of(old, "busy", ended), requests_of(new, "busy", "click_path = 'original'"))
            chains = (d.value("SELECT jsonb_agg(redirect_chain ORDER BY request_id) FROM active_trace_requests t WHERE final_url LIKE '%%order=__'") for d in (old, new))
            assert next(chains) == next(chains)
            offer = new.one("SELECT * FROM offers WHERE offer_name = 'busy'")
            assert (offer["tracking_urls"], offer["target_country"], offer["tracer_mode"], offer["is_active"], offer["expected_params"]) == (
                [{"url": "http://go.test/busy?sub={sub}", "weight": 1}, {"url": "http://go.test/busy2", "weight": 0}], "us", "http_only", True, ["order"])

            # 5. what waits there is traced here; what runs there comes when its time is over
            said = moving.section("5. Stop the original", at_rest="SELECT count(*) = 2 FROM active_trace_requests "
                                  "WHERE click_path = 'original_open' AND status = 'completed'")
            assert "2 to be traced here" in said[0]
            assert old.value("SELECT status::text FROM active_trace_requests WHERE tracking_url LIKE '%%sub=running'") == "processing"
            old.run("UPDATE active_trace_requests SET timeout_at = now() WHERE status = 'processing'")
            assert "1 to be traced here" in moving.move("requests", "--unfinished")
            new.wait_for("SELECT count(*) = 3 FROM active_trace_requests WHERE click_path = 'original_open' AND status = 'completed'")
            assert "both sides agree" in moving.move("check")

            # and back again
            farm.wait_for(lambda: not new.value("SELECT count(*) FROM active_trace_requests WHERE status IN ('pending', 'processing')"), "an empty queue")
            ours = new.run("SELECT * FROM traces WHERE click_path <> 'original' ORDER BY request_id")
            new.run("UPDATE offers SET referrer = 'https://newer.example/' WHERE offer_name = 'busy'")
            new.run("SELECT record_pool_statistics()")
            before = old.value("SELECT count(*) FROM active_trace_requests")
            moving.section("The way back")
            program.stop()
            front.start(start_program, [])
            assert front.click("track-hit", "quiet", sub="back") == (302, "http://go.test/by-the-original")
    finally:
        for program in started:
            program.stop()

    assert len(ours) == 6   # three clicks, three that were handed over
    for row in ours:
        there = old.one("SELECT * FROM active_trace_requests WHERE request_id = %s", row["request_id"])
        for column in (*SAME, "tracking_url", "target_country", "inbound_params", "extracted_params", "redirect_chain", "started_at", "completed_at",
                       "retry_count", "max_retries"):
            assert there[column] == row[column], column
    assert old.value("SELECT count(*) FROM active_trace_requests") == before + 3 + 1, "three clicks from here, one new one there"
    offer = old.one("SELECT * FROM offers WHERE offer_name = 'busy'")
    assert (offer["referrer"], offer["owner_email"]) == ("https://newer.example/", "ops@example.net")
    assert old.one("SELECT * FROM offers WHERE offer_name = 'quiet'")["block_resources"] is True
    used = old.one("SELECT * FROM ip_rotation_pool WHERE ip_address = %s", proxy.address)
    assert (used["status"], used["is_healthy"], used["total_uses"]) == ("available", True, 6)
    assert old.value("SELECT count(*) FROM ip_rotation_pool WHERE is_healthy") == 60 + 1 - 2, "the unhealthy ones as they were"
    assert new.value("SELECT count(*) FROM ip_rotation_pool") == 0
    assert old.run("SELECT DISTINCT kind FROM moved_to_tracepool") == [{"kind": "request"}]


def test_the_forwarder_for_links_that_cannot_change(tmp_path):
    """The page's lines for the old function, in Node with the two names that its home has."""
    lines = re.search(r"```js\n(.*?)```", PAGE_TEXT, re.S)[1]
    script = tmp_path / "forwarder.mjs"
    script.write_text("const settings = {TRACEPOOL_URL: 'https://clicks.example', TRACEPOOL_OFFERS: 'quiet,busy'};\n"
                      "globalThis.Deno = {env: {get: name => settings[name]}};\n" + lines +
                      "for (const query of process.argv.slice(2)) {\n"
                      "  const answer = forwarded(new Request('https://old.example/functions/v1/track-hit?' + query));\n"
                      "  console.log(JSON.stringify(answer && [answer.status, answer.headers.get('location')]));\n}\n")
    done = subprocess.run(["node", script, "offer=quiet&gclid=a%20b&x=%26", "offer=other&gclid=a", "gclid=a"], capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [302, "https://clicks.example/functions/v1/track-hit?offer=quiet&gclid=a%20b&x=%26"], None, None]
