"""A trace ends when its time is up, whatever the target does, and what was found until then is kept. By how much a deadline is
overrun is measured by tests/bench/tracer (section deadlines); here no time is judged."""
import pytest

import slow
import web as web_lib
from stage import PAGE, redirect
from tabs import Tabs
from tracing import trace

LIMIT_MS = 3000


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with web_lib.Web([slow.write(tmp_path_factory.mktemp("slow"))]) as running:
        yield running


@pytest.fixture(scope="module")
def tabs(site):
    site.add("http://warm.test/", PAGE)
    with Tabs("--max-contexts", 2) as running:
        running.trace("http://warm.test/", site.proxy())  # a browser's start is not what is tested
        yield running


def check(result):
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("timeout", "trace_timeout", "target")
    assert (result["chain"][0]["url"], result["chain"][0]["status"]) == (slow.START, 302)
    assert len(result["chain"]) > 1 and result["chain"][1]["url"] == slow.START + "1"
    assert f"{LIMIT_MS} ms" in result["error"]["detail"]


@pytest.mark.parametrize("name", slow.ANYWHERE)
def test_over_http(site, name):
    check(trace("--mode", "http_only", "--timeout", LIMIT_MS / 1000, "--proxy", site.proxy(name), slow.START))


@pytest.mark.parametrize("name", [*slow.ANYWHERE, *slow.BY_SCRIPT])
def test_in_a_browser(site, tabs, name):
    """Beside an ordinary trace, which is none the slower."""
    begun = tabs.begin(slow.START, site.proxy(name), timeout_ms=LIMIT_MS)
    assert tabs.trace("http://warm.test/", site.proxy())["outcome"] == "ok"
    check(tabs.result(begun))


@pytest.mark.parametrize("mode", ["http_only", "browser", "auto"])
def test_the_farm_keeps_what_was_found(worker, pool, proxies, web, mode):
    web.add("http://go.test/", redirect("http://slow.test/"))
    web.add("http://slow.test/", PAGE, held=True)
    pool.add(proxies(1)[0])
    worker("--trace.timeout_s=5", "--trace.hop_timeout_s=60", "--browser.http_first_s=1")
    row = pool.ended(pool.request("http://go.test/", options={"mode": mode}, max_retries=0))
    assert (row["status"], row["outcome"], row["error_code"]) == ("timeout", "timeout", "trace_timeout")
    assert [(hop["url"], hop["status"]) for hop in row["redirect_chain"]] == [("http://go.test/", 302), ("http://slow.test/", None)]
    web.release("http://slow.test/")
    pool.nothing_held()
