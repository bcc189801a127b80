"""A trace's whole life by one grep for its id: the edge's line, the worker's lines, the row, the archive; and nothing secret."""
import uuid

import farm
from stage import PAGE, redirect
from whole import TOKEN, ask, site  # noqa: F401  (site is a fixture)

PASSWORD = "the-proxys-password"
SECRETS = ("visitor-click-id", "a-parameters-value", "order-of-a-visitor", PASSWORD, TOKEN)


def grep(word, *programs):
    """(event, level) of the lines that have it, in the order of their time."""
    lines = sorted(line for p in programs for line in p.text().splitlines() if f"trace={word}" in line.split())
    return [next(pair.partition("=")[2] for pair in line.split() if pair.startswith("event=")) for line in lines]


def logs(site, farm_log):
    return [site.edge, farm_log, site.monitor]


def test_one_grep_tells_the_life_of_a_trace_and_nothing_secret(site, db, pool, proxies, web, secrets_dir, start, tmp_path):
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0")
    proxy = proxies(1, auth=("user", PASSWORD))[0]
    (secrets_dir / "other").write_text(PASSWORD + "\n")
    db.run("UPDATE proxy_providers SET user_template = 'user', secret_name = 'other' WHERE provider = 'other'")
    pool.add(proxy)
    web.add("http://go.test/", {"drop": True})   # the first attempt fails
    site.edge = start("tracepool-edge", f"--edge.listen=127.0.0.1:{site.edge_port}", f"--edge.admin_listen=127.0.0.1:{site.admin_port}",
                      f"--edge.spool_dir={tmp_path}/spool", "--edge.access_log=log", ready="edge.listening",
                      DATABASE_URL=db.url_as("tracepool_edge"))
    site.start_monitor()
    worker = site.start_worker("--log.level=info")
    assert site.click(sub="a-parameters-value", gclid="visitor-click-id")[0] == 302
    db.wait_for("SELECT retry_count >= 1 FROM active_trace_requests")
    web.add("http://go.test/", redirect("http://shop.test/?order=order-of-a-visitor"))
    web.add("http://shop.test/", PAGE)
    db.wait_for("SELECT status = 'completed' FROM active_trace_requests")
    request = db.value("SELECT request_id::text FROM active_trace_requests")
    farm.wait_for(lambda: grep(request, worker).count("trace.claimed") == grep(request, worker).count("trace.done") > 1, "the worker's last line")

    life = grep(request, *logs(site, worker))
    assert life[0] == "click.answer", life
    assert life[1] == "trace.claimed"
    assert life.count("trace.retry") == life.count("trace.failed") == life.count("trace.claimed") - 1 >= 1
    assert life[-1] == "trace.done"
    last = worker.events("trace.done", trace=request)[-1]
    assert (last["status"], last["mode"], last["hops"], last["ip"]) == ("completed", "http_only", "2", proxy.address)
    assert site.edge.events("click.answer", trace=request)[0]["offer"] == "shop"

    # A week later it is in the archive, under the same id, with all of its attempts.
    db.run("UPDATE active_trace_requests SET started_at = started_at - interval '9 days', completed_at = completed_at - interval '9 days', revision = revision + 1")
    db.wait_for("SELECT EXISTS (SELECT FROM trace_archive)")
    kept = db.one("SELECT request_id::text AS id, jsonb_array_length(attempts) AS attempts FROM trace_archive")
    assert kept == {"id": request, "attempts": life.count("trace.claimed")}
    assert site.monitor.wait_event("archive.moved", traces=1)

    for program in logs(site, worker):
        for secret in SECRETS:
            assert secret not in program.text(), secret
        assert "127.0.0.1:" not in "".join(line for line in program.text().splitlines() if request in line), "no visitor's address"


def test_a_trace_asked_for_over_http_has_the_same_life(site, db, pool, proxies):
    pool.add(proxies(1)[0])
    site.start_monitor()
    worker = site.start_worker("--log.level=info")
    mine = str(uuid.uuid4())
    body = f'{{"request_id": "{mine}", "tracking_url": "http://go.test/?sub=a-parameters-value"}}'.encode()
    assert ask(site.api + "process-trace-parallel", body, Authorization=f"Bearer {TOKEN}")[0] == 200
    site.monitor.wait_event("single.answered", trace=mine)
    life = grep(mine, site.monitor, worker)
    assert sorted(life) == ["single.answered", "single.asked", "trace.claimed", "trace.done"]
    assert all(secret not in p.text() for p in (site.monitor, worker) for secret in SECRETS)
