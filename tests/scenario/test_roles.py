"""The programs as the roles that they have in production, on a database where everything else is closed: nothing is missing.

The other scenarios log in as the same roles, but to a copy of a database, which lacks the database's own privileges.
"""
import json
import subprocess

import farm
from stage import PAGE, Stage, redirect
from whole import TOKEN, Site, ask, own_db, own_server  # noqa: F401  (fixtures)

PROXY_PASSWORD = "of-the-proxy-1f93"


def call(site, path, body=None):
    status, _, answer = ask(site.api + path, body and json.dumps(body).encode(), Authorization=f"Bearer {TOKEN}")
    assert status == 200, answer
    return json.loads(answer)


def test_each_program_does_its_work_with_its_role_alone(own_server, own_db, start, tmp_path, secrets_dir):  # noqa: F811
    db = own_db
    subprocess.run(["psql", "-Xq", "-v", "owner=tracepool", "-f", farm.ROOT / "deploy" / "harden.sql", own_server.socket_url(user="postgres")],
                   check=True, stdout=subprocess.DEVNULL)
    (secrets_dir / "gate").write_text(PROXY_PASSWORD + "\n")
    with Stage(auth=("customer", PROXY_PASSWORD)) as web:
        web.add("http://go.test/", redirect("http://shop.test/?order=7"))
        web.add("http://shop.test/", {**PAGE, "headers": [*PAGE["headers"], ["Set-Cookie", "seen=1"]]})
        db.run("INSERT INTO proxy_providers (provider, user_template, secret_name) VALUES ('gate', 'customer', 'gate')")
        db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, provider) VALUES (%s, %s, 'gate')", web.address, str(web.port))
        db.run("INSERT INTO offers (offer_name, final_url, tracer_mode, evidence) VALUES ('shop', 'http://go.test/', 'http_only', '{har}')")
        db.run("UPDATE trace_policy SET cooldown_s = 0")

        as_worker = {"DATABASE_URL": db.url_as("tracepool_worker")}
        site = Site(start, lambda: start("tracepool-worker", "--worker.children=1", "--worker.heartbeat_s=1", f"--worker.secrets_dir={secrets_dir}",
                                         "--trace.allow_private=true", ready="worker.ready", **as_worker), db, tmp_path)
        site.start_worker(), site.start_edge(), site.start_monitor()
        site.offers_are_loaded(1)
        assert site.click(n=1)[0] == 302
        db.wait_for("SELECT status = 'completed' FROM active_trace_requests")
        assert db.value("SELECT count(*) FROM trace_evidence") == 1

        who = db.run("SELECT DISTINCT split_part(application_name, ' ', 1) AS program, usename::text AS role FROM pg_stat_activity "
                     "WHERE application_name LIKE 'tracepool-%%' ORDER BY 1")
        assert who == [{"program": f"tracepool-{name}", "role": f"tracepool_{name}"} for name in ("edge", "monitor", "worker")]

        assert call(site, "pool-monitor")["pool_summary"]["us"]["total"] == 1
        assert call(site, "trace-worker", {"batch_size": 1, "max_concurrent": 1})["success"]
        assert call(site, "process-trace-parallel", {"tracking_url": "http://go.test/", "target_country": "us"})["final_url"] == "http://shop.test/?order=7"
        call(site, "silence-alert", {"rule": "*", "minutes": 5, "who": "test"})
        trace = db.value("SELECT request_id::text FROM active_trace_requests WHERE click_path IS NOT NULL")
        for page in ("overview", "traces", f"trace?id={trace}", "offers", "offer?name=shop", "pool", "history?span=3600"):
            status, _, answer = ask(site.api.replace("functions", "dashboard") + page, Authorization=f"Bearer {TOKEN}")
            assert status == 200, (page, answer)
            assert "customer" not in answer, f"{page} shows what opens the proxy"
        for program, verb in (("monitor", ["check"]), ("monitor", ["snapshot"]), ("worker", ["run-batch", "1", "1"])):
            done = start(f"tracepool-{program}", *verb, DATABASE_URL=db.url_as(f"tracepool_{program}"))
            assert done.wait() in (0, 1), done.text()
        db.wait_for("SELECT count(*) >= 2 FROM ip_pool_statistics")

    for refusal in ("permission denied", "row-level security", "must be owner"):
        assert refusal not in own_server.log.read_text(), own_server.log.read_text()[-3000:]
    assert PROXY_PASSWORD not in own_server.log.read_text()
