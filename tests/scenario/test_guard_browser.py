"""The address guard around a real Chromium: no page, script, frame or socket of it reaches a private target, however that is
spelled. What test_guard_traps.py shows of HTTP, with its targets and its world where every address answers.
"""
import html
import json

import pytest

import farm
import private_world as world
import web as web_lib
from tabs import Tabs
from test_guard_traps import ORIGIN, PUBLIC, SPELLINGS, host_of, page_that_leads, plan, spellings_for

OPTIONS = ["--max-contexts", "4", "--hang-ms", "1500"]
FRAMES = 24  # of one page; each is a process of its own
WEB = [url for url in SPELLINGS if url.lower().lstrip().startswith(("http:", "https:"))]


def page(body):
    return {"status": 200, "headers": [["Content-Type", "text/html; charset=utf-8"]], "body": f"<!doctype html><body>{body}"}


def script(text):
    return page(f"<script>{text}</script>")


# --- pages that try -----------------------------------------------------------------------------------------


def elements(tag, urls):
    return page("".join(tag.format(html.escape(url)) for url in urls))


def quoted(value):
    """As a script's text may hold it."""
    return json.dumps(value).replace("</", "<\\/")


def for_each(code, urls):
    """code, with `url` for each of them; what it throws is the script's own affair."""
    return f"for (const url of {quoted(urls)}) try {{ {code} }} catch (e) {{}}"


def in_parts(make, urls, size):
    return [make(urls[i:i + size]) for i in range(0, len(urls), size)]


def sockets(urls):
    """The same targets as a WebSocket has them."""
    return [url.replace("http", "ws", 1) for url in map(str.strip, urls) if url.startswith("http")]


def unhurried(code):
    """Nobody waits for sockets and workers, so the page has something else to wait for."""
    return script(f"{code}; fetch('/silent')")


FETCH = "fetch(url, {mode: 'no-cors'}).catch(() => 0)"
TRIES = {
    "image": lambda urls: [elements('<img src="{}">', urls)],
    "script": lambda urls: [elements('<script src="{}"></script>', urls)],
    "style": lambda urls: [elements('<link rel=stylesheet href="{}">', urls)],
    "frame": lambda urls: in_parts(lambda some: elements('<iframe src="{}"></iframe>', some), urls, FRAMES),
    "fetch": lambda urls: [script(for_each(FETCH, urls))],
    "beacon": lambda urls: [script(for_each("navigator.sendBeacon(url, 'x')", urls))],
    "event-source": lambda urls: [script(for_each("new EventSource(url)", urls))],
    "web-socket": lambda urls: [unhurried(for_each("new WebSocket(url)", sockets(urls)))],
    "worker": lambda urls: [unhurried(f"new Worker(URL.createObjectURL(new Blob([{quoted(for_each(FETCH, urls))}])))")],
}
MOVES = {"location": page_that_leads, "script-location": lambda how, url: script(f"location = {quoted(url)}")}
SILENT = {"/silent": {**page(""), "delay_ms": 10000}}


def pages_of(kind, urls):
    """path -> page: each leads to the target, or has an element for it, or one for a redirect to it."""
    if kind in MOVES:
        return {f"/{i}": MOVES[kind]("location", url) for i, url in enumerate(spellings_for("location"))}
    if not kind.startswith("redirected-"):
        return {**{f"/{i}": made for i, made in enumerate(TRIES[kind](urls))}, **SILENT}
    led = {f"/to/{i}": page_that_leads("location", url) for i, url in enumerate(spellings_for("location"))}
    tries = TRIES[kind.partition("-")[2]]([f"http://{ORIGIN}{path}" for path in led])
    return {**{f"/{i}": made for i, made in enumerate(tries)}, **led}


KINDS = [*MOVES, *TRIES, "redirected-image", "redirected-fetch", "redirected-script"]


# --- two ways -------------------------------------------------------------------------------------------------


def begin_line(i, url, **more):
    return json.dumps({"id": i, "url": url, "block_resources": False, "timeout_ms": 60000, **more}) + "\n"


def client():
    """browser_client, as a user that Chromium accepts."""
    return world.unprivileged([str(farm.BUILD / "tests" / "scenario" / "browser_client"), *OPTIONS])


def trace_directly(urls, pages, names=(), **more):
    lines = "".join(begin_line(i, url, **more) for i, url in enumerate(urls))
    report = world.run(plan([{"words": client(), "input": lines}], pages, names))
    results = {said["id"]: said["result"] for said in map(json.loads, report["jobs"][0]["out"].splitlines())}
    assert report["jobs"][0]["complaints"] == ""
    return [results[i] for i in range(len(urls))], report


def trace_through_proxy(urls, pages):
    with web_lib.Web() as site, Tabs(*OPTIONS) as tabs:
        for path, made in pages.items():
            site.add(f"http://{ORIGIN}{path}", made)
        begun = [tabs.begin(url, site.proxy(), block_resources=False, timeout_ms=60000) for url in urls]
        results = [tabs.result(id) for id in begun]
        return results, {"trapped": [entry["url"] for entry in site.log() if host_of(entry["url"]) != ORIGIN]}


WAYS = {"through-a-proxy": trace_through_proxy, "direct-in-a-namespace": trace_directly}
IS_HELD = {kind for kind in KINDS if not kind.endswith(("beacon", "socket", "worker"))}  # by Chromium, until the page's judge has seen it


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_spelling_is_opened_as_the_first_page(way):
    results, report = way(SPELLINGS, {})
    assert report["trapped"] == [] and len(results) >= 200
    assert {result["outcome"] for result in results} <= {"blocked", "error"}
    assert sum(result["outcome"] == "blocked" for result in results) >= 200


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_part_of_a_page_reaches_a_private_target(way, kind):
    pages = pages_of(kind, WEB)
    urls = [f"http://{ORIGIN}{path}" for path in pages if path[1:].isdigit()]
    results, report = way(urls, pages)
    assert report["trapped"] == [] and len(results) == len(urls) > 0
    for result in results:
        opened = {host_of(hop["url"]) for hop in result["chain"] if hop["status"]}
        assert opened == {ORIGIN}, result
        is_held = "refused: " in str(result["chain"]) or result["outcome"] != "ok"
        # `http:0177.1`, without slashes, is a relative address: it leads back to where the page came from.
        assert is_held or kind not in IS_HELD or kind in MOVES and host_of(result["final_url"]) == ORIGIN, result
    if kind in MOVES:
        assert sum(result["outcome"] == "blocked" for result in results) >= 200


# --- names ------------------------------------------------------------------------------------------------------


def test_a_name_that_rebinds_is_refused_the_second_time():
    """Once as a public address for the page, then as a private one for what the page asks of the same name."""
    names = {"rebinds.shop.example": {"A": [[world.PUBLIC_4], ["127.0.0.1"]]}, "once.shop.example": PUBLIC,
             "private.shop.example": {"A": [["10.0.0.7"]], "AAAA": [["fd00::1"]]}}
    tries = ("fetch('/a').catch(() => 0); new WebSocket('ws://' + location.host + '/b'); new EventSource('/c'); "
             "document.write('<img src=/d><iframe src=/e></iframe><script src=/f></scr' + 'ipt>')")
    pages = {"/": script(tries), "/to-private": page_that_leads("location", "http://private.shop.example/")}
    urls = ["http://rebinds.shop.example/", "http://once.shop.example/to-private", "http://private.shop.example:8080/"]
    results, report = trace_directly(urls, pages, names)
    assert report["trapped"] == []
    assert [result["outcome"] for result in results] == ["ok", "blocked", "blocked"]
    assert [name for name, kind in report["questions"] if kind == "A"].count("rebinds.shop.example") > 3
    assert {request["path"] for request in report["requests"]} == {"/", "/to-private"}


def test_a_dns_answer_stays_in_its_trace():
    """Two traces in one Chromium: each asks for itself, and the second one gets, and is refused, another answer."""
    names = {"rebinds.shop.example": {"A": [[world.PUBLIC_4], ["127.0.0.1"]]}}
    results, report = trace_directly(["http://rebinds.shop.example/"] * 2, {}, names)
    assert sorted(result["outcome"] for result in results) == ["blocked", "ok"]
    assert report["questions"].count(["rebinds.shop.example", "A"]) == 2
    assert report["trapped"] == []


@pytest.mark.parametrize("kind", [*MOVES, *TRIES])
def test_the_traps_work(kind):
    """What the guard lets through on request is seen by the traps: else none of this would prove anything."""
    targets = ["http://127.1/", "http://0xa.1/", "http://[::ffff:192.168.0.1]/", "http://198.18.0.1:8080/"]
    tries = [MOVES[kind]("location", targets[0])] if kind in MOVES else TRIES[kind](targets)
    _, report = trace_directly([f"http://{ORIGIN}/0"], {"/0": tries[0], **SILENT}, allow_private=True)
    wanted = {"127.0.0.1"} if kind in MOVES else set() if kind == "beacon" else {"127.0.0.1", "10.0.0.1", "192.168.0.1", "198.18.0.1"}
    assert {entry["address"] for entry in report["trapped"]} == wanted
