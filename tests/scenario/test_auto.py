"""Mode auto: HTTP first, and a browser exactly where the world needs one; by the verb and through the farm."""
import json
import math

import pytest

import web as web_lib
from stage import PAGE, Stage, redirect
from test_tracer import FOLDERS, PARTNER, WORLDS
from tracing import begin, end

OPTIONS = (("max_hops", "--max-hops", str), ("timeout_ms", "--timeout", lambda ms: ms / 1000),
           ("max_body", "--trace.body_max_bytes", str), ("referrer", "--referrer", str),
           ("http_timeout_ms", "--browser.http_first_s", lambda ms: math.ceil(ms / 1000)))


@pytest.fixture(scope="module")
def site():
    with web_lib.Web(FOLDERS) as running:
        yield running


@pytest.fixture
def web():
    with Stage() as stage:
        yield stage


def words_of(world, site):
    words = ["--json", "--mode", "auto", "--timeout", "20", "--proxy", site.proxy(world["id"])]
    words += [word for name in world["expected_params"] for word in ("--expect-param", name)]
    words += [f"{option}={value(world['options'][key])}" for key, option, value in OPTIONS if key in world["options"]]
    return words + [world["start"]]


@pytest.mark.parametrize("id", sorted(WORLDS))
def test_world(site, id):
    """Three traces at once: the world twice, and another one beside it."""
    worlds = [WORLDS[id], PARTNER, WORLDS[id]]
    for world, process in zip(worlds, [begin(*words_of(world, site)) for world in worlds]):
        _, out, complaints = end(process)
        assert not complaints
        compare(world, json.loads(out))


def compare(world, result):
    expect = world["expect"]
    assert result["mode_used"] in expect["auto"]["modes"]
    assert result["detection_reason"] in expect["auto"]["reasons"]
    assert result["outcome"] == expect["outcome"]
    assert [(hop["url"], hop["via"]) for hop in result["chain"]] == [(h["url"], h["via"]) for h in expect["chain"]]
    for hop, wanted in zip(result["chain"], expect["chain"]):
        assert wanted["status"] is None or hop["status"] == wanted["status"]
    assert result["extracted_params"].items() >= expect["params"].items()


def test_the_farm_decides_alike_and_keeps_the_reason(worker, web, proxies, pool):
    web.add("http://script.test/", {**PAGE, "body": "<!doctype html><script>location='http://shop.test/?from=js'</script>"})
    web.add("http://shop.test/", {**PAGE, "body": "<!doctype html><title>shop</title><p>" + "good shoes " * 40})
    web.add("http://plain.test/", redirect("http://shop.test/?from=js"))
    for proxy in proxies(2):
        pool.add(proxy)
    worker()
    scripted, plain = (pool.ended(pool.request(url, options={"mode": "auto"}))
                       for url in ("http://script.test/", "http://plain.test/"))
    assert (scripted["status"], scripted["tracer_mode_used"], scripted["detection_reason"]) == (
        "completed", "browser", "js_redirect")
    assert (plain["status"], plain["tracer_mode_used"], plain["detection_reason"]) == (
        "completed", "http_only", "http_sufficient")
    assert scripted["final_url"] == plain["final_url"] == "http://shop.test/?from=js"
    assert scripted["extracted_params"] == {"from": "js"}
    assert scripted["ip_assigned"] in {visit.peer for visit in web.visits("http://shop.test/?from=js")}
