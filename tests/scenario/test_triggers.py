"""What starts a batch: pg_cron, cron, HTTP, GitHub's step, the verb and the script; and what several at once do."""
import contextlib
import json
import os
import re
import subprocess
import threading

import psycopg2
import pytest
import yaml

import farm
from cluster import OWNER, Cluster
from crond import Crond
from stage import PAGE
from whole import TOKEN, site  # noqa: F401  (a fixture)

DEPLOY = farm.ROOT / "deploy"
SCRIPT = DEPLOY / "trigger-worker.sh"
A_MINUTE_S = 100


class Queue:
    """Requests on one database, and a farm in batch mode that leaves them alone until it is asked."""

    def __init__(self, db, pool, proxies, web, ips=4):
        self.db, self.pool = db, pool
        db.run("UPDATE trace_policy SET cooldown_s = 0")
        self.url = web.add("http://shop.test/", PAGE)
        for proxy in proxies(ips):
            pool.add(proxy)

    def fill(self, count, url=None):
        return [self.pool.request(url or self.url) for _ in range(count)]

    def untouched(self, requests):
        return {self.pool.row(r)["status"] for r in requests} == {"pending"}


@pytest.fixture
def queue(db, pool, proxies, web):
    return Queue(db, pool, proxies, web)


def trigger(*arguments, **environment):
    """trigger-worker.sh: (exit status, what it printed as an object or None, complaints)"""
    done = subprocess.run([SCRIPT, *map(str, arguments)], text=True, capture_output=True, timeout=farm.PATIENCE_S * 2,
                          env={"PATH": "/usr/bin:/bin", **{k: str(v) for k, v in environment.items()}})
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def by_database(db):
    return {"DATABASE_URL": db.url_as("tracepool_worker"), "TRACEPOOL_WORKER": farm.binary("tracepool-worker")}


# ---- the clocks


@pytest.fixture
def cron_server():
    """PostgreSQL with pg_cron as deploy/pg_cron.sql asks for it."""
    server = Cluster({"shared_preload_libraries": "pg_cron", "cron.database_name": OWNER, "cron.use_background_workers": "off"})
    server.settings["cron.host"] = server.dir
    with server:
        server.migrate()
        yield server


@contextlib.contextmanager
def database(server, name):
    opened = farm.Database(server.url(database=name))
    opened.url_as = lambda user: server.url(user=user, database=name)
    try:
        yield opened
    finally:
        opened.close()


def test_pg_cron_and_cron_finish_what_waits_by_their_batches_alone(cron_server, worker, pool, proxies, web, tmp_path):
    second = cron_server.new_database(template="template0").name
    cron_server.migrate(database=second)
    with database(cron_server, OWNER) as first_db, database(cron_server, second) as second_db:
        scheduled = Queue(first_db, type(pool)(first_db), proxies, web)
        crontabbed = Queue(second_db, type(pool)(second_db), proxies, web)
        for one in (scheduled, crontabbed):
            worker("--worker.mode=batch", DATABASE_URL=one.db.url_as("tracepool_worker"))
        mine, theirs = scheduled.fill(7), crontabbed.fill(7)
        subprocess.run(["psql", "-X", "-q", "-v", "schedule=* * * * *", "-v", "size=20", "-v", "at_once=10", "-f", DEPLOY / "pg_cron.sql",
                        cron_server.socket_url(user="postgres")], check=True, capture_output=True)
        assert scheduled.untouched(mine) and crontabbed.untouched(theirs)
        said = tmp_path / "cron-said"
        said.write_text("")
        with Crond(tmp_path, f"DATABASE_URL={second_db.url_as('tracepool_worker')}", f"TRACEPOOL_WORKER={farm.binary('tracepool-worker')}",
                   f"* * * * * {SCRIPT} 20 10 >> {said} 2>&1") as cron:
            for one, requests in ((scheduled, mine), (crontabbed, theirs)):
                for request in requests:
                    assert one.pool.ended(request, timeout=A_MINUTE_S)["status"] == "completed", cron.log.read_text()
            farm.wait_for(said.read_text, "what the line in the crontab prints")
        assert json.loads(said.read_text().splitlines()[0]) == {"success": True, "processed": 7, "succeeded": 7, "failed": 0, "errors": []}
        with contextlib.closing(cron_server.connect(user="postgres")) as conn, conn.cursor() as cursor:
            cursor.execute("SELECT DISTINCT d.status FROM cron.job_run_details d JOIN cron.job j USING (jobid) WHERE j.jobname = 'trace-worker'")
            assert cursor.fetchall() == [("succeeded",)]
        assert first_db.run("SELECT DISTINCT requested_by, batch_size, max_concurrent FROM trace_batches") == [
            {"requested_by": "postgres", "batch_size": 20, "max_concurrent": 10}]
        assert first_db.value("SELECT count(*) FROM trace_attempts WHERE batch_id IS NULL") == 0
        first_db.wait_for("SELECT bool_and(state = 'done') FROM trace_batches WHERE created_at < now() - interval '1 s'", timeout=A_MINUTE_S)


# ---- the script, HTTP, GitHub


def test_the_script_asks_the_database_and_says_how_it_went(db, queue, worker, web, pool):
    requests = queue.fill(3)
    worker("--worker.mode=batch")
    assert trigger(2, 2, **by_database(db))[:2] == (0, {"success": True, "processed": 2, "succeeded": 2, "failed": 0, "errors": []})
    assert sorted(pool.row(r)["status"] for r in requests) == ["completed", "completed", "pending"]
    web.add("http://gone.test/", {"drop": True})
    db.run("UPDATE trace_policy SET max_retries = 0")
    failing = queue.fill(1, "http://gone.test/")[0]
    status, answer, _ = trigger(**by_database(db))
    assert (status, answer["success"], answer["processed"], answer["failed"]) == (1, True, 2, 1)
    assert answer["errors"][0].startswith(failing + ": ")


def test_the_script_asks_the_monitor_and_never_shows_its_token(site, db, queue, tmp_path):
    requests = queue.fill(2)
    site.start_monitor("--monitor.batch_wait_s=5").wait_event("database.up")
    where = {"TRACEPOOL_URL": site.api.partition("/functions")[0] + "/"}
    token = tmp_path / "the-token"
    token.write_text(TOKEN + "\n")
    status, answer, _ = trigger(1, 1, TRACEPOOL_TOKEN_FILE=token, **where)
    assert (status, answer["success"]) == (3, False) and "no live worker" in answer["error"]
    site.start_worker("--worker.mode=batch")
    assert trigger(1, 1, TRACEPOOL_TOKEN_FILE=token, **where)[:2] == (0, {"success": True, "processed": 1, "succeeded": 1, "failed": 0, "errors": []})
    assert trigger(TRACEPOOL_TOKEN=TOKEN, **where)[1]["processed"] == 1
    assert {site.db.value("SELECT status::text FROM active_trace_requests WHERE request_id = %s", r) for r in requests} == {"completed"}
    status, answer, _ = trigger(TRACEPOOL_TOKEN="wrong", **where)
    assert status == 3 and "api.token" in answer["error"]
    assert "$TOKEN" not in SCRIPT.read_text() and "--header @-" in SCRIPT.read_text(), "it goes by standard input"


@pytest.mark.parametrize("arguments", [("x",), (0,), (-1,), (1, "1;id"), (1, 2, 3)])
def test_the_script_refuses_what_is_no_number(arguments):
    status, answer, complaint = trigger(*arguments, TRACEPOOL_URL="http://127.0.0.1:1")
    assert (status, answer) == (2, None) and "trigger-worker.sh [BATCH_SIZE] [MAX_CONCURRENT]" in complaint


def test_the_script_says_when_nobody_answers():
    assert trigger(TRACEPOOL_URL=f"http://127.0.0.1:{farm.free_port()}")[:2] == (3, None)
    status, _, complaint = trigger(TRACEPOOL_WORKER="/nowhere")
    assert status == 3 and "TRACEPOOL_WORKER" in complaint


def test_githubs_step_runs_a_batch(site, db, queue):
    """The step's own script, with the secrets where GitHub puts them."""
    workflow = yaml.safe_load((DEPLOY / "github-actions.yml").read_text())
    assert workflow[True]["schedule"][0]["cron"] == "*/5 * * * *" and "workflow_dispatch" in workflow[True]
    step = workflow["jobs"]["run-worker"]["steps"][0]
    assert set(re.findall(r"secrets\.(\w+)", str(step["env"]))) == set(step["env"]) == {"TRACEPOOL_URL", "TRACEPOOL_TOKEN"}
    site.start_monitor().wait_event("database.up")
    site.start_worker("--worker.mode=batch")
    queue.fill(3)
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], text=True, capture_output=True, check=True,
                          env={"PATH": os.environ["PATH"], "no_proxy": "*", "TRACEPOOL_URL": site.api.partition("/functions")[0], "TRACEPOOL_TOKEN": TOKEN})
    assert json.loads(done.stdout) == {"success": True, "processed": 3, "succeeded": 3, "failed": 0, "errors": []}


def test_the_crontab_has_the_handbooks_lines():
    lines = [line for line in (DEPLOY / "crontab").read_text().splitlines() if re.match(r"[*/0-9]", line)]
    assert [re.sub(r" +", " ", line) for line in lines] == [
        "*/2 * * * * /opt/tracepool/deploy/trigger-worker.sh 20 10 >/dev/null", "*/10 * * * * /opt/tracepool/deploy/check-pool-health.sh -q"]
    for line in lines:
        assert os.access(farm.ROOT / re.search(r"/opt/tracepool/(\S+)", line)[1], os.X_OK)


# ---- several at once


def test_overlapping_batches_share_the_work_and_never_double_it(db, queue, worker, web):
    for _ in range(2):
        worker("--worker.mode=batch", children=2)
    requests = queue.fill(14)
    answers = []
    callers = [threading.Thread(target=lambda: answers.append(trigger(10, 3, **by_database(db)))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [(status, answer["failed"]) for status, answer, _ in answers] == [(0, 0)] * 3
    assert sum(answer["processed"] for _, answer, _ in answers) == 14
    assert sorted(r["request_id"] for r in db.run("SELECT request_id FROM trace_attempts")) == sorted(requests), "each of them once"
    assert len(web.visits(queue.url)) == 14, "and so the target saw it"


def test_max_concurrent_holds_across_the_farm(db, pool, proxies, web, worker):
    queue = Queue(db, pool, proxies, web, ips=8)
    parents = [worker("--worker.mode=batch", children=2) for _ in range(2)]
    slow = web.add("http://slow.test/", PAGE, held=True)
    queue.fill(10, slow)
    batch = db.value("SELECT request_trace_batch(batch_size => 8, max_concurrent => 3)")
    farm.wait_for(lambda: len(web.visits(slow)) == 3, "three traces at the target")
    assert db.value("SELECT count(*) FROM claim_traces(8, 'one.more.1', 60000, NULL, NULL, NULL, %s)", batch) == 0, "nobody gets a fourth"
    assert db.value("SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked'") == 3
    web.release(slow)
    db.wait_for("SELECT state = 'done' AND processed = 8 AND succeeded = 8 FROM batch_result(%s)", batch)
    most = db.value("""
        SELECT max(n) FROM (SELECT sum(step) OVER (ORDER BY at, step) AS n
                              FROM (SELECT started_at AS at, 1 AS step FROM trace_attempts
                                    UNION ALL SELECT ended_at, -1 FROM trace_attempts) AS moments) AS counted""")
    assert most == 3
    assert db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'pending'") == 2
    assert all(parent.is_running() for parent in parents)


def test_a_batch_asked_for_in_psql_is_rolled_back_with_its_transaction(db, queue, worker):
    worker("--worker.mode=batch")
    requests = queue.fill(2)
    with contextlib.closing(psycopg2.connect(db.url)) as person, person.cursor() as cursor:
        cursor.execute("SELECT request_trace_batch(5, 5)")
        person.rollback()
    db.wait_for("SELECT count(*) = 0 FROM trace_batches")
    assert queue.untouched(requests)
    db.run("SELECT request_trace_batch()")
    for request in requests:
        assert queue.pool.ended(request)["status"] == "completed"
