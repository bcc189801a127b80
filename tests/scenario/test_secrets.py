"""Every kind of secret that the product knows is given, used and misused; then everything that can be read is searched for it.

A secret is seen when it, its percent-encoding or its base64 (as a proxy's credentials travel) stands in a log at level debug, an
answer, a row, a command line, the environment of a process that reads strangers' bytes, a file of ours or a core file.
"""
import base64
import json
import os
import pathlib
import resource
import secrets
import signal
import subprocess
import urllib.parse

import psycopg2.extras
import pytest

import farm
from cluster import as_unprivileged
from stage import PAGE, Stage, redirect
from test_vast_farm import inline
from test_webhook import Receiver
from whole import ask

KINDS = ["proxy", "wrong_proxy", "wrong_database", "api", "api_before", "debug", "hook_path", "hook_password", "hook_key", "header", "verb"]
ON_PURPOSE = {("vast_providers", "headers")}   # what is sent to an ad server is a setting of the farm


class Canaries(dict):
    """Secrets by kind, and where they are seen."""

    def __init__(self, password):
        super().__init__({kind: f"canary-{kind}+/{secrets.token_hex(8)}" for kind in KINDS}, database=password)

    def spellings(self):
        for kind, secret in self.items():
            yield kind, secret
            yield kind, urllib.parse.quote(secret, safe="")
            for user in ("user-1", "user-2"):
                yield kind, base64.b64encode(f"{user}:{secret}".encode()).decode().rstrip("=")

    def seen_in(self, text):
        return {kind for kind, spelling in self.spellings() if spelling in text}


def quoted(secret):
    return urllib.parse.quote(secret, safe="")


@pytest.fixture
def canaries(cluster):
    return Canaries(cluster.password)


@pytest.fixture
def gateways(db, canaries, secrets_dir):
    """Two providers at one gateway that asks for a password; the second one's is wrong."""
    with Stage(auth=("user-1", canaries["proxy"])) as stage:
        stage.add("http://go.test/", redirect("http://shop.test/?order=7"))
        stage.add("http://shop.test/", PAGE)
        stage.add("http://ads.test/tag", inline())
        for provider, user, country, kind in (("luna", "user-1", "us", "proxy"), ("moon", "user-2", "ca", "wrong_proxy")):
            (secrets_dir / provider).write_text(canaries[kind] + "\n")
            db.run("INSERT INTO proxy_providers (provider, host_template, port_template, user_template, secret_name) "
                   "VALUES (%s, %s, %s, '{ip}', %s)", provider, stage.address, str(stage.port), provider)
            db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider) VALUES (%s, %s, %s)", user, country, provider)
        db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0, max_retries = 0")
        yield stage


@pytest.fixture
def receivers():
    made = [Receiver(), Receiver([500] * 1000)]
    yield made
    for server in made:
        server.shutdown()
        server.server_close()


class Farm:
    """The programs with a secret of each kind, and what they said."""

    def __init__(self, start, worker, db, folder, canaries, receivers):
        self.start, self.db, self.folder, self.canaries = start, db, folder, canaries
        self.ports = {name: farm.free_port() for name in ("edge", "admin", "lost", "lost_admin")}
        self.answers = []
        (folder / "worker-url").write_text(db.url_as("tracepool_worker") + "\n")
        (folder / "before").write_text(canaries["api_before"])
        (folder / "passwords").write_text(f"*:*:*:*:{canaries['database']}\n")
        (folder / "passwords").chmod(0o600)
        self.edge = self.start_edge("edge", "admin", db.url_as("tracepool_edge"))
        at = urllib.parse.urlsplit(db.url)
        self.lost = self.start_edge("lost", "lost_admin", f"postgresql://tracepool_edge:{quoted(canaries['wrong_database'])}"
                                                          f"@127.0.0.1:{at.port}{at.path}")
        self.worker = worker(TRACEPOOL_DATABASE_URL_FILE=folder / "worker-url", DATABASE_URL="")
        self.monitor = self.start_monitor(at, receivers)

    def start_edge(self, port, admin, url):
        return self.start("tracepool-edge", f"--edge.listen=127.0.0.1:{self.ports[port]}", f"--edge.admin_listen=127.0.0.1:{self.ports[admin]}",
                          f"--edge.spool_dir={self.folder}/spool-{port}", f"--edge.access_log={self.folder}/access-{port}",
                          "--log.level=debug", ready="edge.listening", DATABASE_URL=url, TRACEPOOL_EDGE_DEBUG_TOKEN=self.canaries["debug"])

    def start_monitor(self, at, receivers):
        """Its database password comes by a file of libpq's; three receivers: one takes, one fails, one is not there."""
        ports = [receiver.server_port for receiver in receivers] + [farm.free_port()]
        hooks = [f"http://hook:{quoted(self.canaries['hook_password'])}@127.0.0.1:{port}/{quoted(self.canaries['hook_path'])}" for port in ports]
        return self.start("tracepool-monitor", "--api.listen=127.0.0.1:0", "--monitor.interval_s=1", "--alerts.keep_s=0", "--log.level=debug",
                          f"--api.token_previous_file={self.folder}/before", "--alerts.webhook_retry_s=1", ready="database.up",
                          DATABASE_URL=f"postgresql://tracepool_monitor@127.0.0.1:{at.port}{at.path}", PGPASSFILE=self.folder / "passwords",
                          TRACEPOOL_API_TOKEN=self.canaries["api"], TRACEPOOL_ALERTS_WEBHOOK_URL=" ".join(hooks),
                          TRACEPOOL_ALERTS_WEBHOOK_SECRET=self.canaries["hook_key"])

    def programs(self):
        return [self.edge, self.lost, self.worker, self.monitor]

    def ask(self, url, **headers):
        status, answered, body = ask(url, **headers)
        self.answers.append(f"{answered}{body}")
        return status

    def click(self, port, **headers):
        return self.ask(f"http://127.0.0.1:{self.ports[port]}/functions/v1/track-hit-instant?offer=shop" + headers.pop("more", ""), **headers)

    def api(self, path, token="api"):
        port = self.monitor.events("monitor.ready")[0]["port"]
        return self.ask(f"http://127.0.0.1:{port}{path}", Authorization=f"Bearer {self.canaries[token]}")


def children_are_bare(program, canaries):
    """A child has forgotten the secrets of its environment; a parent's are for nobody but root, and it needs them for the next child."""
    for pid in program.children() or [program.pid]:
        assert not canaries.seen_in(pathlib.Path(f"/proc/{pid}/environ").read_text()), program.argv[0]
        assert pathlib.Path(f"/proc/{pid}/environ").stat().st_uid == 0


def rows_of(db):
    """Every value of every table as text, by table and column."""
    for table in db.run("SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"):
        for row in db.run(f"SELECT to_jsonb(t) AS j FROM {table['name']} t"):
            for column, value in row["j"].items():
                yield table["name"], column, json.dumps(value)
    for kept in db.run("SELECT kind, body FROM trace_evidence"):
        yield "trace_evidence", kept["kind"], bytes(kept["body"]).decode(errors="replace")


def use_all_of_it(world, db, pool, gateways, receivers, canaries):
    """Good cases and failing ones."""
    db.run("INSERT INTO vast_providers (provider, base_url, headers) VALUES ('acme', 'http://ads.test/tag', %s)",
           psycopg2.extras.Json({"X-Key": canaries["header"]}))
    db.run("INSERT INTO offers (offer_name, final_url, evidence) VALUES ('shop', 'http://go.test/', '{har,cookies,console}')")
    db.run("INSERT INTO offers (offer_name, kind, final_url, vast_provider, evidence) VALUES ('ad', 'vast', 'http://ads.test/tag', 'acme', '{har}')")
    ids = {row["offer_name"]: row["id"] for row in db.run("SELECT id, offer_name FROM offers")}
    farm.wait_for(lambda: world.click("edge") == 302, "a click that is answered")
    assert world.click("edge", more="&debug=1", Authorization=f"Bearer {canaries['debug']}") == 200
    assert world.click("edge", more="&debug=1", Authorization=f"Bearer {canaries['api']}") != 200
    for mode in ("http_only", "browser"):
        assert pool.ended(pool.request("http://go.test/", options={"mode": mode}, offer_id=ids["shop"]))["status"] == "completed"
    assert pool.ended(pool.request("http://ads.test/tag", offer_id=ids["ad"]))["status"] == "completed"
    assert any(visit.headers.get("X-Key") == canaries["header"] for visit in gateways.visits())
    assert pool.ended(pool.request("http://go.test/", country="ca"))["error_code"] == "proxy_auth"
    for receiver in receivers:
        receiver.wait_for(1)
    db.wait_for("SELECT count(*) > 0 FROM alert_notices WHERE target = 3 AND attempts > 0")
    world.lost.wait_event("database.down")


def ask_all_of_it(world):
    for path in ("/metrics", "/functions/v1/pool-monitor", "/functions/v1/alerts", "/dashboard/v1/overview", "/dashboard/v1/history",
                 "/dashboard/v1/traces", "/dashboard/v1/offers", "/dashboard/v1/pool", "/"):
        assert world.api(path) == 200, path
    assert world.api("/metrics", token="api_before") == 200
    assert world.api("/metrics", token="debug") == 401
    for port in ("admin", "lost_admin"):
        for path in ("/metrics", "/readyz"):
            world.ask(f"http://127.0.0.1:{world.ports[port]}{path}")


def test_no_secret_is_seen_anywhere(start, worker, db, pool, tmp_path, canaries, gateways, receivers):
    world = Farm(start, worker, db, tmp_path, canaries, receivers)
    use_all_of_it(world, db, pool, gateways, receivers, canaries)
    ask_all_of_it(world)
    found = {f"log of {program.argv[0]}": canaries.seen_in(program.text()) for program in world.programs()}
    found |= {f"answer {n}": canaries.seen_in(answer) for n, answer in enumerate(world.answers)}
    for table, column, text in rows_of(db):
        if (table, column) not in ON_PURPOSE:
            found[f"{table}.{column}"] = found.get(f"{table}.{column}", set()) | canaries.seen_in(text)
    for file in [*tmp_path.glob("access-*"), *(file for file in tmp_path.glob("spool-*/*") if file.is_file())]:
        found[str(file)] = canaries.seen_in(file.read_bytes().decode(errors="replace"))
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[str(file)] = canaries.seen_in(file.read_text())
        except (FileNotFoundError, ProcessLookupError):
            pass
    assert {place: kinds for place, kinds in found.items() if kinds} == {}
    for program in world.programs():
        children_are_bare(program, canaries)


# --- what a program says when its settings are wrong ----------------------------------------------------------------------

WRONG = {
    "the secret where its file's name belongs": ("tracepool-monitor", ["--api.token_file={s}"], {}),
    "the same, by environment": ("tracepool-monitor", [], {"TRACEPOOL_API_TOKEN_FILE": "{s}"}),
    "the URL where its file's name belongs": ("tracepool-worker", [], {"TRACEPOOL_DATABASE_URL_FILE": "postgresql://u:{s}@h/d"}),
    "a secret as an option": ("tracepool-edge", ["--database.url=postgresql://u:{s}@h/d"], {}),
    "a secret as an option of no setting": ("tracepool-edge", ["--database.password={s}"], {}),
    "the URL as a verb": ("tracepool-worker", ["postgresql://u:{s}@h/d"], {}),
    "the URL as an argument": ("tracepool-edge", ["postgresql://u:{s}@h/d"], {}),
    "the URL as a verb of the monitor": ("tracepool-monitor", ["postgresql://u:{s}@h/d"], {}),
    "a password that is not encoded": ("tracepool-monitor", ["check"], {"DATABASE_URL": "postgresql://u:{s}#?@h/d"}),
    "no connection string at all": ("tracepool-monitor", ["check"], {"DATABASE_URL": "{s}"}),
    "a webhook that is no URL": ("tracepool-monitor", [], {"DATABASE_URL": "host=/nowhere", "TRACEPOOL_ALERTS_WEBHOOK_URL": "{s}"}),
    "a webhook of another scheme": ("tracepool-monitor", [], {"DATABASE_URL": "host=/nowhere", "TRACEPOOL_ALERTS_WEBHOOK_URL": "ftp://u:{s}@h/{s}"}),
    "a proxy that is no URL": ("tracepool-worker", ["trace", "--proxy", "http://u:{s}@h:bad", "http://x.test/"], {}),
    "a proxy of no kind, by environment": ("tracepool-worker", ["trace", "http://x.test/"], {"TRACEPOOL_PROXY": "gopher://u:{s}@h:1"}),
    "a proxy that is not there": ("tracepool-worker", ["trace", "--allow-private", "--json", "--proxy", "http://u:{s}@127.0.0.1:1", "http://x.test/"], {}),
}


@pytest.mark.parametrize("program,arguments,environment", WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named_and_not_shown(tmp_path, program, arguments, environment):
    secret = "canary" + secrets.token_hex(8)
    done = subprocess.run([farm.binary(program), *(a.format(s=secret) for a in arguments)], text=True, capture_output=True, timeout=60,
                          cwd=tmp_path, check=False, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path),
                                                         **{name: value.format(s=secret) for name, value in environment.items()}})
    assert done.returncode in (1, 2), done
    assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("line", ["password {s}", "[database]\nurl = postgresql://u:{s}@h/d\nurl = postgresql://u:{s}@h/d",
                                  "[database]\npasword = {s}", "[api]\ntoken_file = {s}", "[database]\nurl = {s}" + "x" * 300])
def test_a_wrong_line_of_an_ini_file_is_named_and_not_shown(tmp_path, line):
    secret = "canary" + secrets.token_hex(8)
    (tmp_path / "tracepool.ini").write_text(line.format(s=secret) + "\n")
    done = subprocess.run([farm.binary("tracepool-edge"), "--config", tmp_path / "tracepool.ini"], text=True, capture_output=True, timeout=60,
                          check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 2 and "tracepool.ini" in done.stderr
    assert secret not in done.stdout + done.stderr


def test_the_reference_masks_what_it_prints(tmp_path):
    secret = "canary" + secrets.token_hex(8)
    done = subprocess.run([farm.binary("tracepool-monitor"), "--print-config"], text=True, capture_output=True, timeout=60, check=True,
                          env={"PATH": os.environ["PATH"], "DATABASE_URL": f"postgresql://u:{secret}@h/d", "TRACEPOOL_API_TOKEN": secret})
    assert secret not in done.stdout


# --- memory ----------------------------------------------------------------------------------------------------------------


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_crash_leaves_no_core_and_another_process_of_the_same_user_sees_no_memory(tmp_path, canaries):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != pathlib.Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    with open(tmp_path / "log", "w", encoding="ascii") as log:
        program = subprocess.Popen([*as_unprivileged(), farm.binary("tracepool-monitor"), "--api.listen=127.0.0.1:0"], cwd=tmp_path, stderr=log,
                                   preexec_fn=allow_cores, env={"PATH": os.environ["PATH"], "DATABASE_URL": f"host=/nowhere password={canaries['database']}",
                                                                "TRACEPOOL_API_TOKEN": canaries["api"]})
    farm.wait_for(lambda: "monitor.ready" in (tmp_path / "log").read_text(), "the monitor")
    for name in ("environ", "mem", "maps"):
        looked = subprocess.run([*as_unprivileged(), "cat", f"/proc/{program.pid}/{name}"], capture_output=True, text=True, check=False)
        assert looked.returncode != 0 and "Permission denied" in looked.stderr, name
    program.send_signal(signal.SIGABRT)
    _, status = os.waitpid(program.pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT and not os.WCOREDUMP(status)
    assert [file.name for file in tmp_path.iterdir()] == ["log"]
