"""Chromium as the farm has it: killed in mid-trace, at rest, and run without its sandbox."""
import os
import subprocess

import farm
import pytest
import tabs
from processes import below, status_of, words_of
from stage import PAGE
from tracing import environment


def chromium(running):
    """The processes of Chromium below a worker."""
    return [pid for pid in below(running.pid) if any(word.startswith("--type=") or word == "--headless" for word in words_of(pid))]


def test_a_killed_browser_costs_no_trace_and_no_ip(db, worker, pool, proxies, web):
    """All that it had are traced again, by the next Chromium and through other IPs, which nobody blames."""
    for proxy in proxies(4):
        pool.add(proxy)
    db.run("UPDATE trace_policy SET retry_backoff_s = 1")
    running = worker("--browser.contexts=2")
    pages = [web.add(f"http://slow.test/{n}", PAGE, held=True) for n in range(2)]
    requests = [pool.request(page, options={"mode": "browser"}) for page in pages]
    for page in pages:
        farm.wait_for(lambda page=page: web.visits(page), "both in the browser")
    tabs.Tabs.kill(None, chromium(running))
    for page in pages:
        web.release(page)
    for request in requests:
        row = pool.ended(request)
        assert (row["status"], row["attempt"], row["tracer_mode_used"]) == ("completed", 2, "browser")
        assert [one["error"] for one in db.run("SELECT error FROM trace_attempts WHERE request_id = %s ORDER BY attempt", request)] == [
            "browser_died", None]
    pool.nothing_held()
    assert db.value("SELECT max(consecutive_failures) FROM ip_rotation_pool") == 0


def test_a_killed_launcher_costs_one_try_and_the_child_that_had_it(db, worker, pool, proxies, web):
    """It starts the next Chromium, and only a new process can have another: the child ends, and the one after it has what it takes."""
    for proxy in proxies(4):
        pool.add(proxy)
    db.run("UPDATE trace_policy SET retry_backoff_s = 0")
    page = web.add("http://shop.test/", PAGE)
    running = worker()
    assert pool.ended(pool.request(page, options={"mode": "browser"}))["status"] == "completed"
    lost = [pid for pid in below(running.pid) if (status_of(pid) or {}).get("Name") == "tp-launcher"]
    [profile] = {word.partition("=")[2] for pid in chromium(running) for word in words_of(pid) if word.startswith("--user-data-dir=")}
    tabs.Tabs.kill(None, [*lost, *chromium(running)])
    row = pool.ended(pool.request(page, options={"mode": "browser"}))
    assert (len(lost), row["status"], row["attempt"]) == (1, "completed", 2)
    assert "launcher" in running.wait_event("worker.retires")[0]["why"]
    assert not os.path.exists(profile), "what the killed launcher could not remove, the next one has not removed"
    pool.nothing_held()
    assert db.value("SELECT max(consecutive_failures) FROM ip_rotation_pool") == 0


def test_a_farm_at_rest_holds_no_browser(worker, pool, proxies, web):
    for proxy in proxies(2):
        pool.add(proxy)
    page = web.add("http://shop.test/", PAGE)
    running = worker("--browser.idle_s=1")
    for _ in range(2):
        assert pool.ended(pool.request(page, options={"mode": "browser"}))["status"] == "completed"
        farm.wait_for(lambda: not chromium(running), "the end of Chromium")


@pytest.mark.parametrize("words", [(), ("trace", "http://shop.test/")], ids=["farm", "trace"])
@pytest.mark.parametrize("user, why", [("no-such-user", "there is no such user"), ("root", "must not be root")])
def test_a_browser_user_that_it_cannot_become_stops_the_start(words, user, why):
    """It is asked for by root alone, in a user namespace where we are not."""
    as_root = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    done = subprocess.run([*as_root, farm.binary("tracepool-worker"), f"--browser.user={user}", *words], capture_output=True, text=True,
                          timeout=60, env=environment(DATABASE_URL="postgresql://127.0.0.1:1/nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"browser.user = {user}: {why}\n" in done.stderr


def test_a_browser_without_its_sandbox_is_warned_of(worker):
    running = worker("--browser.no_sandbox=true")
    assert "set browser.no_sandbox = false" in running.wait_event("browser.no_sandbox", level="warn")[0]["advice"]


def test_a_browser_in_its_sandbox_is_not_warned_of(worker):
    assert not worker().events("browser.no_sandbox")
