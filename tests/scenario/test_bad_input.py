"""Bad input and missing parts, end to end: a clear answer or log line that names what to do, and nothing lost."""
import json
import re
import subprocess

import pytest

import farm
from stage import PAGE
from whole import TOKEN, Site, ask, own_db, own_server, site  # noqa: F401  (some are fixtures)


def test_unknown_and_missing_offers_are_told_apart_and_leave_nothing(site, db):
    edge = site.start_edge()
    status, _, body = site.click("nobody-knows-it")
    assert status == 404 and "no offer of that name" in body
    status, _, body = ask(f"http://127.0.0.1:{site.edge_port}/functions/v1/track-hit-instant?gclid=1")
    assert status == 400 and "offer=NAME" in body
    assert site.click(n=1)[0] == 302
    db.wait_for("SELECT count(*) = 1 FROM active_trace_requests")
    assert edge.is_running()


def test_a_bad_token_and_malformed_json_are_refused_with_a_reason(site, db):
    site.start_monitor()
    asked = b'{"batch_size": 5, "max_concurrent": 2}'
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        status, answered, body = ask(site.api + "trace-worker", asked, **headers)
        assert status == 401 and answered["WWW-Authenticate"] == "Bearer" and body
        assert ask(site.api + "pool-monitor", **headers)[0] == 401
    assert ask(site.api.replace("/functions/v1/", "/healthz"))[0] == 200
    for body in (b'{"batch_size": ', b"[]", b'{"batch_size": "many"}', b'{"batch_size": -1}', b"\xff\xfe"):
        status, _, answer = ask(site.api + "trace-worker", body, Authorization=f"Bearer {TOKEN}")
        assert status == 400 and json.loads(answer)["error"], (body, answer)
    assert db.value("SELECT count(*) FROM trace_batches") == 0
    assert TOKEN not in site.monitor.text()


@pytest.mark.parametrize("words, said", [
    (["quickstart", "begin"], "quickstart: there is no verb begin"),
    (["install-packages", "everything"], "install-packages: there is no need called everything"),
    (["trigger-worker.sh", "10", "five"], "trigger-worker.sh: MAX_CONCURRENT five: must be a whole number above 0"),
    (["trigger-worker.sh", "1", "2", "3"], "trigger-worker.sh: one word too many: 3"),
    (["sbom", "/nowhere"], "sbom: /nowhere: no such program"),
])
def test_scripts_name_the_word_that_they_cannot_use(words, said):
    done = subprocess.run([str(farm.ROOT / "deploy" / words[0]), *words[1:]], capture_output=True, text=True, timeout=farm.PATIENCE_S)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == said and len(done.stderr.splitlines()) > 5, "behind the usage"


def test_programs_name_the_word_that_they_cannot_use(start):
    """One line, and the same one from each."""
    for program, name in (("tracepool-edge", "argument"), ("tracepool-worker", "verb:"), ("tracepool-monitor", "argument")):
        running = start(program, "beign")
        assert running.wait() == 2
        assert running.text().splitlines() == [f"{program}: unknown {name} beign; see {program} --help"]


@pytest.mark.parametrize("setting", ["DATABASE_URL", "LISTEN_URL"])
@pytest.mark.parametrize("program", ["tracepool-edge", "tracepool-worker", "tracepool-monitor"])
def test_a_connection_string_that_is_none_stops_the_start(start, tmp_path, program, setting):
    """In quotes, as somebody writes it into an env file. It would never connect, however long the program waited."""
    urls = {"DATABASE_URL": "host=/nowhere", setting: '"postgresql://db.test/tracepool"'}
    running = start(program, f"--edge.spool_dir={tmp_path}/spool", **urls)
    assert running.wait() == 2
    line, = running.text().splitlines()
    assert line.startswith(f"{program}: ") and "no connection string" in line
    assert ("database.listen_url" in line) == (setting == "LISTEN_URL") and "db.test" not in line


def test_an_offer_whose_url_is_no_url_is_named_and_the_others_go_on(site, db):
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('broken', 'htp:/no url')")
    edge = site.start_edge()
    assert edge.wait_event("offer.problem", offer="broken")[0]["problem"]
    status, _, body = site.click("broken")
    assert status == 500 and "no usable URL" in body
    assert site.click(n=1)[0] == 302
    db.run("UPDATE offers SET final_url = 'http://go.test/' WHERE offer_name = 'broken'")
    farm.wait_for(lambda: site.click("broken", n=2)[0] == 302, "the mended offer")


def test_a_request_whose_url_is_no_url_fails_by_name_and_blames_no_proxy(site, db, pool, proxies):
    address = pool.add(proxies(1)[0])
    site.start_worker()
    row = pool.ended(pool.request("not a url"))
    assert (row["status"], row["error_code"], row["retry_count"]) == ("failed", "bad_url", 0)
    assert row["error_message"]
    ip = pool.ip(address)
    assert (ip["is_healthy"], ip["failure_count"]) == (True, 0)
    pool.nothing_held()


def test_an_unknown_provider_is_named_by_worker_and_check_and_waits(site, db, pool, proxies, start):
    proxy = proxies(1)[0]
    pool.add(proxy, provider="nobody")
    request = pool.request("http://shop.test/")
    working = site.start_worker()
    named = working.wait_event("provider.unknown", provider="nobody")[0]
    assert "proxy_providers" in named["advice"]
    check = start("tracepool-monitor", "check", DATABASE_URL=db.url_as("tracepool_monitor"))
    assert check.wait() == 1
    assert "nobody" in check.text() and "proxy_providers" in check.text()
    assert pool.row(request)["status"] == "pending"
    db.run("INSERT INTO proxy_providers (provider) VALUES ('nobody')")
    assert pool.ended(request)["status"] == "completed"


def test_programs_wait_for_an_absent_database_and_say_so(own_server, own_db, start, tmp_path, web, proxies):
    db = own_db
    web.add("http://go.test/", PAGE)
    proxy = proxies(1)[0]
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'http://go.test/')")
    db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, provider) VALUES (%s, %s, 'other')",
           proxy.address, str(proxy.port))
    own_server.stop()
    site = Site(start, None, db, tmp_path)
    edge, monitor = site.start_edge(), site.start_monitor()
    working = start("tracepool-worker", "--worker.children=1", "--trace.allow_private=true",
                    DATABASE_URL=db.url_as("tracepool_worker"))
    for program in (edge, monitor, working):
        said = program.wait_event("database.down")[0]
        assert "refused" in said["detail"]
        assert own_server.password not in program.text()
    status, headers, body = site.click()
    assert status == 503 and headers["Retry-After"] and "not loaded yet" in body
    assert ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")[0] == 503
    check = start("tracepool-monitor", "check", DATABASE_URL=db.url_as("tracepool_monitor"))
    assert check.wait() == 2 and "unreachable" in check.text()

    own_server.start()
    farm.wait_for(lambda: site.click(n=1)[0] == 302, "the first redirect")
    working.wait_event("worker.ready")
    assert site.every_click_is_one_ended_row()[0]["status"] == "completed"
    farm.wait_for(lambda: ask(site.api + "pool-monitor", Authorization=f"Bearer {TOKEN}")[0] == 200, "the report")


@pytest.mark.parametrize("spoil", ["DELETE FROM schema_migrations WHERE version > 1", "DROP FUNCTION schema_version()"])
def test_a_schema_that_is_too_old_is_refused_with_advice_and_mended_in_place(db, start, tmp_path, spoil):
    kept = db.run("SELECT * FROM schema_migrations WHERE version > 1")
    definition = db.value("SELECT pg_get_functiondef('schema_version'::regproc)")
    db.run(spoil)
    site = Site(start, None, db, tmp_path)
    programs = [site.start_edge(), site.start_monitor(),
                start("tracepool-worker", "--worker.children=1", DATABASE_URL=db.url_as("tracepool_worker"))]
    for program in programs:
        farm.wait_for(lambda: re.search("migrations/apply.sh", program.text()), f"advice of {program.argv[0]}")
        assert program.is_running()
    if "schema_migrations" in spoil:
        for row in kept:
            db.run(f"INSERT INTO schema_migrations ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values())
    else:
        db.run(definition)
        db.run("GRANT EXECUTE ON FUNCTION schema_version() TO PUBLIC")
    for program in programs:
        program.wait_event("database.up")
