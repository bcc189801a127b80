"""deploy/quickstart as a newcomer runs it: a fresh copy of what is committed, in an empty folder."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import urllib.parse
import urllib.request

import pytest

import farm

PROCESSES = ["postgres", "web", "sink", *(f"proxy-{n}" for n in range(1, 8)), "edge", "worker", "monitor"]
# The view of the demo's ad: (seconds, event), in the order in which they go out.
VIEW = [(0, "impression"), (0, "impression"), (0, "start"), (0, "creativeView"), (1, "firstQuartile"), (1.5, "progress-1500"),
        (2, "midpoint"), (3, "thirdQuartile"), (4, "complete")]
LONG_S = 300  # a net: building takes most of it


class Quickstart:
    """The script of one checkout, with ports of its own."""

    def __init__(self, checkout, home=None):
        self.checkout = checkout
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TRACEPOOL_", "PG", "DATABASE_"))}
        self.env |= {"TRACEPOOL_EDGE_PORT": str(farm.free_port()), "TRACEPOOL_MONITOR_PORT": str(farm.free_port())}
        if home:
            self.env["TRACEPOOL_HOME"] = str(home)

    def popen(self, *verb):
        return subprocess.Popen([self.checkout / "deploy/quickstart", *verb], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", start_new_session=True)

    def run(self, *verb):
        """(exit status, output)"""
        with self.popen(*verb) as process:
            try:
                output = process.communicate(timeout=LONG_S)[0]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, output

    def ok(self, *verb):
        status, output = self.run(*verb)
        assert status == 0, output
        return output

    def sql(self, text):
        """One JSON value."""
        return json.loads(self.ok("psql", "-q", "-At", "-c", text))

    @property
    def home(self):
        return pathlib.Path(re.match(r"home (\S+)", self.run("status")[1])[1])

    def pids(self):
        """name -> pid of what is up, as `status` tells it."""
        return {m[1]: int(m[2]) for m in re.finditer(r"^(\S+) +up +pid (\d+)", self.run("status")[1], re.M)}

    def leftovers(self):
        """Processes that run from this home, or name it."""
        home, found = str(self.home).encode(), []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                if home in words and not farm.is_gone(folder.name):
                    found.append(words.replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


@pytest.fixture
def checkout(tmp_path):
    """What is committed, as a clone would have it; works also on a checkout that somebody else owns."""
    archive = tmp_path / "head.tar"
    subprocess.run(["git", "-c", "safe.directory=*", "-C", farm.ROOT, "archive", "-o", archive, "HEAD"], check=True)
    folder = tmp_path / "fresh"
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    return folder


@pytest.fixture
def homes():
    """Folders for homes: short, and reachable by the programs' user. Whatever runs there at the end is ended."""
    used = []
    made = tempfile.mkdtemp(prefix="tracepool-qs-", dir="/var/tmp")
    os.chmod(made, 0o755)
    yield pathlib.Path(made), used
    for quickstart in used:
        home = quickstart.home
        quickstart.run("down")
        shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(made, ignore_errors=True)


def kill_when(quickstart, sign):
    """Starts it and kills it, alone, as soon as the sign is there."""
    process = quickstart.popen()
    with process:
        try:
            farm.wait_for(lambda: sign() or process.poll() is not None, "the moment to kill it", LONG_S)
            assert process.poll() is None, process.stdout.read()
        finally:
            process.kill()


def expected_worlds():
    """offer -> what a trace of it finds, from the demo's worlds."""
    found = {}
    for file in (farm.ROOT / "deploy/demo/worlds").glob("*.json"):
        world = json.loads(file.read_text())
        found[world["id"]] = world["expect"]
    return found


def check_demo(quickstart, output):
    assert re.findall(r"^  302 in +\d+\.\d ms +(\w+)", output, re.M) == ["shoes", "travel", "phone", "lamps", "maple", "books", "film"]
    rows = quickstart.sql("""
        SELECT jsonb_object_agg(o.offer_name, to_jsonb(r))
          FROM active_trace_requests AS r JOIN offers AS o ON o.id = r.offer_id""")
    seen = [json.loads(line) for line in (quickstart.home / "state/web/requests.log").read_text().splitlines()]
    for offer, expect in expected_worlds().items():
        row = rows[offer]
        assert row["status"] == "completed", row
        assert [(h["url"], h["status"], h["via"]) for h in row["redirect_chain"]] == [
            (h["url"], h["status"], h["via"]) for h in expect["chain"]]
        assert len(row["redirect_chain"]) > 1
        assert row["tracer_mode_used"] == ("browser" if expect["browser_needed"] else "http_only")
        assert row["final_url"] == expect["final_url"]
        assert row["extracted_params"].items() >= expect["params"].items()
        assert {e["peer"] for e in seen if e["url"] == row["final_url"]} == {row["ip_assigned"]}, "the exit address at the target"
        assert row["ip_assigned"] in output and row["final_url"] in output
    pool = quickstart.sql("SELECT jsonb_agg(to_jsonb(p) || jsonb_build_object('rest_s', "
                          "extract(epoch FROM locked_until - last_used_at))) FROM ip_rotation_pool AS p")
    assert [(p["status"], p["total_uses"], p["is_healthy"]) for p in pool] == [("cooldown", 1, True)] * 7
    assert {round(p["rest_s"]) for p in pool} == {60}
    assert '"pool_utilization_percent": 100' in output


def check_view(quickstart, output):
    """x"""
    rows = quickstart.sql("""
        SELECT jsonb_agg(to_jsonb(e) || jsonb_build_object('http_status', s.http_status,
                 'at_s', extract(epoch FROM e.due_at - v.begins_at)) ORDER BY e.due_at, e.ord, e.id)
          FROM ad_views AS v JOIN tracking_events AS e USING (ad_view_id) JOIN tracking_event_states AS s ON s.id = e.id
         WHERE e.is_scheduled""")
    blocked = [row for row in rows if row["state"] == "blocked"]
    assert [(row["host"], row["attempts"]) for row in blocked] == [("beacon.elsewhere.test", 0)]
    sent = [row for row in rows if row["state"] == "tracked"]
    assert len(sent) + len(blocked) == len(rows)
    assert [(row["at_s"], row["event"]) for row in sent] == VIEW
    assert {(row["host"], row["http_status"], row["attempts"]) for row in sent} == {("127.0.0.9", 204, 1)}
    assert all(row["sent_at"] >= row["due_at"] and row["response_ms"] >= 0 for row in sent)
    # The sink agrees: these requests in this order (two impressions go out together), and nothing else.
    arrived = [line.partition(" ")[2] for line in (quickstart.home / "state/sink/ledger").read_text().splitlines()]
    called = [urllib.parse.urlsplit(row["url"]) for row in sent]
    assert sorted(arrived) == sorted(f"{url.path}?{url.query}" for url in called)
    names = [urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["event"][0] for url in arrived]
    assert names == [event.partition("-")[0] for _, event in VIEW]
    # Nobody asked for a pause or a click: they were not sent. No other offer of the demo asks for fire.
    assert quickstart.sql("SELECT count(*) FROM tracking_events WHERE NOT is_scheduled AND state <> 'pending'") == 0
    assert quickstart.sql("SELECT jsonb_agg(offer_name) FROM offers WHERE tracking_mode = 'fire'") == ["film"]
    assert quickstart.sql("SELECT jsonb_agg(host) FROM tracking_allowed_hosts") == ["127.0.0.9"]
    printed = re.findall(r"^ (\d\.\d) +│ (\S+) +│ (tracked|blocked) +│ +(204|-) │ +(\d+|-) │ +([01]) │ (\d|-) ", output, re.M)
    assert len(printed) == len(VIEW) + 1
    assert [int(row[-1]) for row in printed if row[2] == "tracked"] == list(range(1, len(VIEW) + 1))
    assert re.search(r"^ film-7 │ reel-4s +│ complete │ +4000 │ +10 │ +9 │ +0 │ +1 │ +100 │ +\d+ │ +9$", output, re.M)


def check_safety(quickstart):
    secrets = [f.read_text().strip() for f in quickstart.home.glob("secrets/**/*") if f.is_file() and f.suffix != ".conf"]
    assert len(secrets) == 3 and all(len(s) >= 24 for s in secrets)
    spoken = [f.read_text(errors="replace") for f in quickstart.home.glob("log/*.log")]
    spoken += [open(f"/proc/{pid}/cmdline").read() for pid in quickstart.pids().values()]
    assert not [s for s in secrets if any(s in text for text in spoken)]
    if os.geteuid() == 0:
        owners = {name: re.search(r"^Uid:\t(\d+)", open(f"/proc/{pid}/status").read(), re.M)[1] for name, pid in quickstart.pids().items()}
        assert "0" not in owners.values(), owners


def monitor_answers(quickstart):
    token = quickstart.ok("token").strip()
    request = urllib.request.Request(f"http://127.0.0.1:{quickstart.env['TRACEPOOL_MONITOR_PORT']}/functions/v1/pool-monitor",
                                     headers={"Authorization": f"Bearer {token}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.load(answer)


def test_two_of_them_killed_half_way_started_again_shown_and_ended(checkout, homes):
    folder, used = homes
    first, second = Quickstart(checkout, folder / "one"), Quickstart(checkout, folder / "two")
    used += [first, second]

    # Killed while it compiles, and while PostgreSQL comes up.
    kill_when(first, lambda: (folder / "one/build/build.ninja").exists())
    kill_when(first, lambda: (folder / "one/run/postgres.pid").exists())
    output = first.ok()
    assert list(first.pids()) == PROCESSES
    check_demo(first, output)
    check_view(first, output)
    check_safety(first)
    assert monitor_answers(first)["performance"]["completed_last_5min"] == 7

    # Again: nothing is restarted that runs already.
    before = first.pids()
    first.ok("up")
    assert first.pids() == before

    # A second one beside it, and its end does not end the first.
    second.ok("up")
    assert list(second.pids()) == PROCESSES and not set(second.pids().values()) & set(before.values())
    second.ok("down")
    assert second.leftovers() == [] and second.run("status")[0] == 1
    assert first.pids() == before and first.run("status")[0] == 0

    # A proxy that died is started again; a killed edge's children do not stay.
    os.kill(before["proxy-2"], signal.SIGKILL)
    os.kill(before["edge"], signal.SIGKILL)
    farm.wait_for(lambda: first.run("status")[0] == 1, "status to notice")
    first.ok("up")
    after = first.pids()
    assert [n for n in PROCESSES if after[n] != before[n]] == ["proxy-2", "edge"]

    assert "ended" in first.ok("down")
    assert first.leftovers() == [] and first.pids() == {}


def test_a_taken_port_is_named_with_the_variable_that_changes_it(checkout, homes, web):
    folder, used = homes
    quickstart = Quickstart(checkout, folder / "taken")
    used.append(quickstart)
    quickstart.env["TRACEPOOL_EDGE_PORT"] = str(web.port)
    status, output = quickstart.run("up")
    assert status == 1
    assert f"port {web.port} " in output and "TRACEPOOL_EDGE_PORT=" in output
    assert quickstart.leftovers() == []


def test_a_home_that_the_programs_user_cannot_reach_moves_and_says_so(checkout, homes):
    if os.geteuid() != 0:
        status, output = Quickstart(checkout).run("status")
        assert status == 1 and f"home {checkout}/.tracepool" in output
        return
    os.chmod(checkout, 0o700)
    home = Quickstart(checkout).run("status")[1].splitlines()[0]
    assert re.match(rf"home /var/tmp/tracepool-\d+ \(user nobody can't enter {checkout}/.tracepool\)", home)
