"""The farm at work: a due request becomes a finished row, through a proxy that then rests."""
import json
import pathlib
import subprocess

import pytest

import farm
from stage import PAGE, Stage, redirect


@pytest.fixture
def offer(web):
    """An offer of two redirects and a page; its first URL."""
    web.add("http://go.test/", redirect("http://track.test/?sub=7&clk=a%20b"))
    web.add("http://track.test/", redirect("http://shop.test/welcome?sub=8", 301))
    web.add("http://shop.test/welcome", PAGE)
    return "http://go.test/?gclid=none"


def rest_no_more(db):
    """IPs are free again as soon as they are released: for tests that are not about the cooldown."""
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0")


def attempts(db, request):
    return db.run("SELECT * FROM trace_attempts WHERE request_id = %s ORDER BY attempt", request)


def test_a_due_request_is_traced_through_a_proxy_that_rests_afterwards(db, worker, pool, proxies, web, offer):
    addresses = {pool.add(proxy) for proxy in proxies(2)}
    running = worker()
    request = pool.request(offer)
    row = pool.ended(request)

    assert row["status"] == "completed"
    assert [(hop["url"], hop["status"], hop["via"]) for hop in row["redirect_chain"]] == [
        ("http://go.test/?gclid=none", 302, "start"),
        ("http://track.test/?sub=7&clk=a%20b", 301, "http_302"),
        ("http://shop.test/welcome?sub=8", 200, "http_301")]
    assert row["final_url"] == "http://shop.test/welcome?sub=8"
    assert row["extracted_params"] == {"gclid": "none", "sub": "8", "clk": "a b"}
    assert row["tracer_mode_used"] == "http_only"
    assert (row["attempt"], row["retry_count"], row["error_message"]) == (1, 0, None) or row["error_message"] == ""
    assert row["ip_assigned"] in addresses
    assert {visit.peer for visit in web.visits()} == {row["ip_assigned"]}, "the target saw another address"

    ip = pool.ip(row["ip_assigned"])
    assert (ip["status"], ip["success_count"], ip["consecutive_failures"]) == ("cooldown", 1, 0)
    assert ip["locked_by_request"] is None
    assert db.value("SELECT locked_until > now() + interval '50 s' FROM ip_rotation_pool WHERE ip_address = %s",
                    row["ip_assigned"])

    # Every line about it carries its id, from claim to end.
    told = {event["event"] for event in running.events(trace=request)}
    assert {"trace.claimed", "trace.step", "trace.done"} <= told


def test_no_ip_is_used_within_its_cooldown(db, worker, pool, proxies, offer):
    db.run("UPDATE trace_policy SET cooldown_s = 1")
    for proxy in proxies(2):
        pool.add(proxy)
    worker(children=2)
    requests = [pool.request(offer) for _ in range(6)]
    assert {pool.ended(request)["status"] for request in requests} == {"completed"}
    pauses = db.run("SELECT started_at - lag(ended_at) OVER (PARTITION BY ip_address ORDER BY started_at) AS pause "
                    "FROM trace_attempts")
    pauses = [row["pause"].total_seconds() for row in pauses if row["pause"] is not None]
    assert len(pauses) == 4
    assert min(pauses) >= 1


def test_a_refused_proxy_is_blamed_and_the_retry_uses_another(db, worker, pool, proxies, offer):
    db.run("UPDATE trace_policy SET retry_backoff_s = 0")
    good, bad = proxies(2)
    bad.stop()
    pool.add(bad)
    running = worker()
    request = pool.request(offer)
    db.wait_for("SELECT consecutive_failures = 1 FROM ip_rotation_pool WHERE ip_address = %s", bad.address)
    assert pool.row(request)["status"] == "pending"
    pool.add(good)

    row = pool.ended(request)
    assert (row["status"], row["ip_assigned"], row["retry_count"]) == ("completed", good.address, 1)
    first, second = attempts(db, request)
    assert (first["ip_address"], first["error"], first["blame"]) == (bad.address, "proxy_refused", "proxy")
    assert (second["ip_address"], second["outcome"]) == (good.address, "ok")
    ip = pool.ip(bad.address)
    assert (ip["failure_count"], ip["success_count"], ip["is_healthy"]) == (1, 0, True)
    assert running.events("trace.retry", trace=request)


def test_a_target_at_fault_costs_the_ip_nothing(db, worker, pool, proxies, web):
    web.add("http://loop.test/", redirect("http://loop.test/"))
    address = pool.add(proxies(1)[0])
    worker()
    request = pool.request("http://loop.test/")
    row = pool.ended(request)
    assert (row["status"], row["outcome"], row["error_code"]) == ("failed", "loop", "redirect_loop")
    assert row["retry_count"] == 0, "a loop is a loop tomorrow as well"
    ip = pool.ip(address)
    assert (ip["consecutive_failures"], ip["failure_count"], ip["is_healthy"], ip["status"]) == (0, 0, True, "cooldown")


def test_a_silent_target_times_out_after_its_retries(db, worker, pool, proxies, web):
    rest_no_more(db)
    db.run("UPDATE trace_policy SET max_retries = 1")
    silent = web.add("http://silent.test/", PAGE, held=True)
    address = pool.add(proxies(1)[0])
    worker("--trace.timeout_s=1")
    request = pool.request(silent)
    row = pool.ended(request)
    assert (row["status"], row["outcome"], row["retry_count"], row["attempt"]) == ("timeout", "timeout", 1, 2)
    assert {a["error"] for a in attempts(db, request)} <= {"trace_timeout", "target_timeout"}
    assert pool.ip(address)["consecutive_failures"] == 0


def test_a_country_without_ips_delays_no_other(db, worker, pool, proxies, offer):
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    pool.add(proxies(1)[0], "us")
    waiting = [pool.request(offer, "de") for _ in range(30)]
    worker()
    done = [pool.request(offer, "us") for _ in range(3)]
    assert {pool.ended(request)["status"] for request in done} == {"completed"}
    assert db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'pending' AND target_country = 'de'") == 30
    assert pool.row(waiting[0])["error_message"] is None, "waiting is no failure"

    pool.add(proxies(1)[0], "de")
    assert pool.ended(waiting[0])["status"] == "completed"


def test_a_worker_for_some_countries_leaves_the_others_alone(db, worker, pool, proxies, offer):
    for proxy, country in zip(proxies(3), ("us", "de", "fr")):
        pool.add(proxy, country)
    worker("--worker.countries=de, FR")
    left = pool.request(offer, "us")
    assert [pool.ended(pool.request(offer, country))["status"] for country in ("de", "fr")] == ["completed"] * 2
    assert pool.row(left)["status"] == "pending"


@pytest.mark.parametrize("listens", [False, True])
def test_behind_a_pooler_it_works_with_and_without_listen(db, worker, pool, proxies, offer, listens):
    for proxy in proxies(3):
        pool.add(proxy)
    direct = {"LISTEN_URL": db.url_as("tracepool_worker")} if listens else {}
    running = worker("--database.pooled=true", **direct)
    requests = [pool.request(offer) for _ in range(3)]
    assert {pool.ended(request)["status"] for request in requests} == {"completed"}
    running.signal(15)
    assert running.wait() == 0


def test_what_an_offer_and_a_request_ask_for_is_done(db, worker, pool, proxies, web, offer):
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    pool.add(proxies(1)[0])
    worker("--http.contact=https://operator.test/bot")
    plain = pool.request(offer)
    pool.ended(plain)
    assert web.visits("http://go.test/")[-1].headers["User-Agent"].endswith(" (+https://operator.test/bot)")

    db.run("INSERT INTO offers (id, offer_name, tracking_urls, user_agent, referrer) VALUES "
           "('00000000-0000-4000-8000-00000000000a', 'shoes', '[]', 'agent/1', 'https://ads.test/')")
    pool.ended(pool.request(offer, offer_id="00000000-0000-4000-8000-00000000000a"))
    first = web.visits("http://go.test/")[-1].headers
    assert (first["User-Agent"], first["Referer"]) == ("agent/1", "https://ads.test/")

    row = pool.ended(pool.request(offer, options={"max_hops": 2}))
    assert (row["status"], row["outcome"]) == ("failed", "too_many_hops")
    row = pool.ended(pool.request(offer, options={"extract_only": True}))
    assert (row["status"], row["redirect_chain"], row["extracted_params"]["sub"]) == ("completed", [], "8")
    row = pool.ended(pool.request(offer, options={"mode": "browser"}))
    assert (row["status"], row["tracer_mode_used"]) == ("completed", "browser")
    assert pool.ip(row["ip_assigned"])["consecutive_failures"] == 0
    row = pool.ended(pool.request("no url at all"))
    assert (row["status"], row["error_code"]) == ("failed", "bad_url")


# --- secrets and providers -------------------------------------------------------------------------------------------


@pytest.fixture
def locked_stage(offer):
    """The offer's web behind a proxy that asks for a password. (tinyproxy answers a wrong one with 401, as a site would.)"""
    with Stage(auth=("user-1", "right-password")) as stage:
        stage.add("http://go.test/", PAGE)
        yield stage


def gateway(db, proxy, secret="luna_password"):
    """`luna`: pool entries are user names at one gateway."""
    db.run("INSERT INTO proxy_providers (provider, host_template, port_template, user_template, secret_name) "
           "VALUES ('luna', %s, %s, '{ip}', %s)", proxy.address, str(proxy.port), secret)
    db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider) VALUES ('user-1', 'us', 'luna')")


def test_a_rotated_password_counts_without_a_restart(db, worker, pool, locked_stage, offer, secrets_dir):
    rest_no_more(db)
    db.run("UPDATE trace_policy SET max_retries = 0, unhealthy_after = 100")
    gateway(db, locked_stage)
    (secrets_dir / "luna_password").write_text("wrong-password\n")
    running = worker()
    row = pool.ended(pool.request(offer))
    assert (row["status"], row["error_code"]) == ("failed", "proxy_auth")
    assert pool.ip("user-1")["consecutive_failures"] == 1

    (secrets_dir / "new").write_text("right-password\n")
    (secrets_dir / "new").rename(secrets_dir / "luna_password")
    # The old password is believed for up to a second.
    farm.wait_for(lambda: pool.ended(pool.request(offer))["status"] == "completed", "a trace with the new password")
    assert pool.ip("user-1")["consecutive_failures"] == 0

    told = running.text() + json.dumps([r["j"] for r in db.run("SELECT to_jsonb(t) AS j FROM active_trace_requests t")])
    assert "wrong-password" not in told and "right-password" not in told


def test_a_missing_password_is_our_fault_and_named_once(db, worker, pool, locked_stage, offer):
    rest_no_more(db)
    gateway(db, locked_stage)
    running = worker()
    request = pool.request(offer)
    row = pool.ended(request)
    assert (row["status"], row["error_code"]) == ("failed", "proxy_unknown")
    assert row["attempt"] == 3, "it was worth the retries"
    assert "luna_password" in row["error_message"]
    ip = pool.ip("user-1")
    assert (ip["consecutive_failures"], ip["is_healthy"]) == (0, True)
    assert len(running.events("secret.missing")) == 1


def test_ips_of_an_unknown_provider_are_named_and_never_used(db, worker, pool, proxies, offer):
    gateway_proxy = proxies(1)[0]
    db.run("INSERT INTO ip_rotation_pool (ip_address, country, provider) VALUES ('user-1', 'us', 'nobody')")
    running = worker()
    waiting = pool.request(offer)
    named = running.wait_event("provider.unknown")[0]
    assert (named["provider"], named["ips"]) == ("nobody", "1")
    pool.add(gateway_proxy, "us")
    assert pool.ended(waiting)["ip_assigned"] == gateway_proxy.address
    assert pool.ip("user-1")["total_uses"] == 0


# --- batches ---------------------------------------------------------------------------------------------------------


def run_batch(db, *args, **settings):
    options = [f"--{key}={value}" for key, value in settings.items()]
    done = subprocess.run([farm.binary("tracepool-worker"), *options, "run-batch", *map(str, args)], text=True,
                          capture_output=True, timeout=60, env={"DATABASE_URL": db.url_as("tracepool_worker")})
    return done.returncode, done.stdout, done.stderr


def most_at_once(db, batch):
    """How many traces of the batch were held at the same time, from the attempts' intervals."""
    return db.value("SELECT max(n) FROM (SELECT count(*) AS n FROM trace_attempts a JOIN trace_attempts b "
                    "ON b.batch_id = a.batch_id AND b.started_at <= a.started_at AND b.ended_at > a.started_at "
                    "WHERE a.batch_id = %s GROUP BY a.request_id, a.attempt) AS c", batch)


def test_a_batch_ends_exactly_its_size_and_keeps_its_limit(db, worker, pool, proxies, offer):
    for proxy in proxies(8):
        pool.add(proxy)
    for _ in range(8):
        pool.request(offer)
    worker("--worker.mode=batch", children=2)
    batch = db.value("SELECT request_trace_batch(5, 2)")
    db.wait_for("SELECT state = 'done' FROM batch_result(%s)", batch)
    result = db.one("SELECT * FROM batch_result(%s)", batch)
    assert (result["processed"], result["succeeded"], result["failed"], result["errors"]) == (5, 5, 0, [])
    assert db.value("SELECT count(*) FROM active_trace_requests WHERE status = 'pending'") == 3
    assert most_at_once(db, batch) <= 2


def test_a_farm_in_continuous_mode_serves_batches_too(db, worker, pool, proxies, offer):
    for proxy in proxies(8):
        pool.add(proxy)
    batch = db.value("SELECT request_trace_batch(5, 2)")
    requests = [pool.request(offer) for _ in range(8)]
    worker()
    db.wait_for("SELECT state = 'done' FROM batch_result(%s)", batch)
    assert {pool.ended(request)["status"] for request in requests} == {"completed"}
    # What the batch did not take first, the farm did anyhow.
    assert 1 <= db.one("SELECT * FROM batch_result(%s)", batch)["succeeded"] <= 5
    assert most_at_once(db, batch) <= 2


def test_run_batch_prints_the_result_and_its_exit_code_says_it(db, worker, pool, proxies, web, offer):
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    for proxy in proxies(4):
        pool.add(proxy)
    web.add("http://loop.test/", redirect("http://loop.test/"))
    worker("--worker.mode=batch")
    for _ in range(4):
        pool.request(offer)
    status, out, _ = run_batch(db, 3, 2)
    assert (status, json.loads(out)) == (0, {"success": True, "processed": 3, "succeeded": 3, "failed": 0, "errors": []})

    bad = pool.request("http://loop.test/")
    status, out, _ = run_batch(db, 10, 5)
    result = json.loads(out)
    assert status == 1
    assert (result["success"], result["processed"], result["succeeded"], result["failed"]) == (True, 2, 1, 1)
    assert len(result["errors"]) == 1 and result["errors"][0].startswith(f"{bad}: redirect_loop")

    status, out, _ = run_batch(db, 10, 5)
    assert (status, json.loads(out)["processed"]) == (0, 0), "nothing to do is no failure"


def test_run_batch_without_an_answer_exits_3_and_leaves_no_batch_behind(db, pool, offer):
    pool.request(offer)
    status, out, _ = run_batch(db, 1, 1, **{"worker.batch_answer_s": 1})
    assert status == 3
    assert json.loads(out)["success"] is False
    assert db.value("SELECT count(*) FROM open_batches()") == 0


@pytest.mark.parametrize("words, said", [
    (["1"], "Give BATCH_SIZE MAX_CONCURRENT, 1 to 100000 each"),
    (["1", "1", "1"], "Give BATCH_SIZE MAX_CONCURRENT, 1 to 100000 each"),
    (["0", "1"], "BATCH_SIZE 0: must be a whole number from 1 to 100000"),
    (["-1", "1"], "BATCH_SIZE -1: must be"),
    (["1", "many"], "MAX_CONCURRENT many: must be"),
    (["1", "100001"], "MAX_CONCURRENT 100001: must be"),
])
def test_run_batch_refuses_other_words(db, words, said):
    status, _, complaint = run_batch(db, *words)
    assert (status, complaint.count("\n")) == (2, 1)
    assert complaint.startswith("tracepool-worker run-batch: ") and said in complaint


# --- what a person sees ----------------------------------------------------------------------------------------------


def tool(*args, **environment):
    return subprocess.run([farm.binary("tracepool-worker"), *args], text=True, capture_output=True, timeout=30,
                          env=environment)


def test_the_picture_in_the_readme_is_the_machine():
    picture = tool("--dot")
    assert picture.returncode == 0
    assert picture.stdout in (farm.ROOT / "worker" / "README.md").read_text()


def test_help_names_every_verb():
    text = tool("--help").stdout
    for verb in ("trace", "url", "refresh", "run-batch"):
        assert f"\n    {verb} " in text
    assert "--worker.children" in text


def test_settings_that_make_no_sense_together_stop_the_start():
    for options, named in ((["--trace.lease_s=90", "--trace.timeout_s=90"], "trace.lease_s"),
                           (["--worker.silence_s=5", "--worker.heartbeat_s=2"], "worker.silence_s")):
        done = tool(*options, DATABASE_URL="postgresql://127.0.0.1:1/none")
        assert (done.returncode, named in done.stderr) == (2, True)
    assert (tool().returncode, "DATABASE_URL" in tool().stderr) == (2, True)
    assert (tool("dance").returncode, "dance" in tool("dance").stderr) == (2, True)


def test_an_absent_database_is_named_and_waited_for(start):
    port = farm.free_port()
    running = start("tracepool-worker", "--worker.children=1", DATABASE_URL=f"postgresql://tp:hidden@127.0.0.1:{port}/tp")
    told = running.wait_event("database.down")[0]
    assert str(port) in told["detail"] and "hidden" not in running.text()
    running.signal(15)
    assert running.wait() == 0


def test_a_schema_that_is_too_old_is_named_with_what_to_do(cluster, start):
    empty = cluster.new_database()
    running = start("tracepool-worker", "--worker.children=1", DATABASE_URL=empty.url)
    told = running.wait_event("database.unfit")[0]
    assert "migrations/apply.sh" in told["advice"]
    assert running.is_running(), "it waits for the migration"


def test_the_heaps_of_children_are_to_lie_in_huge_pages_unless_the_operator_has_other_wishes(worker):
    def tunables(running):
        names = [entry for child in running.children() for entry in pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0")]
        return [entry.decode() for entry in names if entry.startswith(b"GLIBC_TUNABLES=")]
    assert tunables(worker(children=1)) == ["GLIBC_TUNABLES=glibc.malloc.hugetlb=1"]
    assert tunables(worker(children=1, GLIBC_TUNABLES="glibc.malloc.arena_max=2")) == ["GLIBC_TUNABLES=glibc.malloc.arena_max=2"]
