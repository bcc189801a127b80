"""Browser traces: worlds whose chains are known, pages that misbehave, a browser that dies.

The browser is Debian's Chromium, its sandbox on; the web is tests/lib/web.py.
"""
import contextlib
import json
import os
import pathlib
import socket
import tempfile

import pytest

import farm
import processes
import web as web_lib
from chromium import find_chromium
from tabs import Tabs

SHARED = farm.ROOT.parent / "shared" / "tracer-scenarios"
FOLDERS = [web_lib.WORLDS] + ([SHARED] if SHARED.is_dir() else [])
WORLDS = {id: world for folder in FOLDERS for id, world in web_lib.load([folder]).items()}
PARTNER = WORLDS["all-http-redirects"]

# What Chromium does differently from what the world says of a trace over HTTP, and from the URL Standard.
CHROMIUM = {
    # a page that breaks off never has its load event, so its refresh is never due
    "cut-short": [["http://r.test/a", 200, "start"]],
    # Chromium encodes a '|' in a path, the standard does not; the world knows the standard's URL alone
    "location-forms": [*[[hop["url"], hop["status"], hop["via"]] for hop in WORLDS["location-forms"]["expect"]["chain"][:-1]],
                       ["http://h2.test./%7Ez/%C3%A9%7C%22x%22", 404, "http_302"]],
}
# Ends that only the clock tells, and that are another one's for a browser.
ENDS = {"silent-at-once": "trace_timeout"}
# A refresh to javascript: is not even announced by Chromium.
UNSEEN_NOTES = {"meta-javascript"}


def page(body, status=200, headers=(), **more):
    return {"status": status, "headers": [["Content-Type", "text/html"], *map(list, headers)],
            "body": f"<!doctype html><title>page</title>{body}", **more}


def script(text):
    return page(f"<script>{text}</script>")


LAND = page("<p>landing</p>")
A, B, C = "http://a.test/", "http://b.test/", "http://c.test/"
SILENT = page("", delay_ms=100000)
EVENTS = {"status": 200, "headers": [["Content-Type", "text/event-stream"]], "body": "data: x\n\n" * 1000, "drip_ms": 100}

# id: what the URLs answer, the chain as [url, status, via], the outcome
PAGES = {
    "timer": ({A: script(f"setTimeout(() => location = '{B}', 1500)"), B: LAND},
              [[A, 200, "start"], [B, 200, "js_location"]], "ok"),
    "timer-twice": ({A: script("setTimeout(() => location = '/2', 9000)"), A + "2": script(f"setTimeout(() => location = '{B}', 9000)"),
                     B: LAND}, [[A, 200, "start"], [A + "2", 200, "js_location"], [B, 200, "js_location"]], "ok"),
    "timer-behind-a-slow-script": ({A: script("setTimeout(() => location = '/2', 9000)"),
                                    A + "2": page("<script src=/s.js></script><script>setTimeout(() => location = '/3', 5000)</script>"),
                                    A + "s.js": {"status": 200, "headers": [], "body": "", "delay_ms": 300}, A + "3": LAND},
                                   [[A, 200, "start"], [A + "2", 200, "js_location"], [A + "3", 200, "js_location"]], "ok"),
    "fetch-then-go": ({A: script(f"fetch('/x').then(() => location = '{B}')"), A + "x": {**LAND, "delay_ms": 200}, B: LAND},
                      [[A, 200, "start"], [B, 200, "js_location"]], "ok"),
    "hanging-fetch": ({A: script(f"fetch('/x'); setTimeout(() => location = '{B}', 3000)"), A + "x": SILENT, B: LAND},
                      [[A, 200, "start"], [B, 200, "js_location"]], "ok"),
    "hanging-fetch-same-site": ({A: script("fetch('/x'); setTimeout(() => location = '/2', 3000)"), A + "x": SILENT, A + "2": LAND},
                                [[A, 200, "start"], [A + "2", 200, "js_location"]], "ok"),
    "event-stream": ({A: script("new EventSource('/x'); setTimeout(() => location = '/2', 2000)"), A + "x": EVENTS, A + "2": LAND},
                     [[A, 200, "start"], [A + "2", 200, "js_location"]], "ok"),
    "polling": ({A: script("setInterval(() => fetch('/x'), 500)"), A + "x": LAND}, [[A, 200, "start"]], "ok"),
    "hanging-image": ({A: page("<img src=/x>"), A + "x": SILENT}, [[A, 200, "start"]], "ok"),
    "busy-for-ever": ({A: script("for (;;);")}, [[A, 200, "start"]], "timeout"),
    "busy-later": ({A: script("setTimeout(() => { for (;;); }, 50)")}, [[A, 200, "start"]], "ok"),
    "alerts-for-ever": ({A: script("for (;;) alert('x')")}, [[A, 200, "start"]], "timeout"),
    "dialogs": ({A: script(f"alert('\\0\\ud800'); if (confirm('b')) {{ prompt('c'); location = '{B}' }}"), B: LAND},
                [[A, 200, "start"], [B, 200, "js_location"]], "ok"),
    "beforeunload": ({A: script(f"onbeforeunload = e => {{ e.preventDefault(); return 'x' }}; setTimeout(() => location = '{B}', 100)"),
                      B: LAND}, [[A, 200, "start"], [B, 200, "js_location"]], "ok"),
    "form-post": ({A: page("<form method=post action=/f></form><script>document.forms[0].submit()</script>"),
                   "POST " + A + "f": page("", 302, [["Location", B]]), B: LAND},
                  [[A, 200, "start"], [A + "f", 302, "form_post"], [B, 200, "http_302"]], "ok"),
    "changes-its-mind": ({A: script(f"location = '{B}'; setTimeout(() => location = '{C}', 0)"), B: SILENT, C: LAND},
                         [[A, 200, "start"], [C, 200, "js_location"]], "ok"),
    "no-content": ({A: script("location = '/n'"), A + "n": {"status": 204, "headers": [], "body": ""}},
                   [[A, 200, "start"], [A + "n", 204, "js_location"]], "ok"),
    "cookie-then-reload": ({A: [{**LAND, "if_cookie": "a=1"}, script("document.cookie = 'a=1'; location.reload()")]},
                           [[A, 200, "start"], [A, 200, "js_location"]], "ok"),
    "reloads-itself": ({A: script("setTimeout(() => location.reload(), 500)")}, [[A, 200, "start"]], "ok"),
    "app-link-by-script": ({A: script("location = 'market://details?id=1'")},
                           [[A, 200, "start"], ["market://details?id=1", None, "js_location"]], "external_scheme"),
    "app-link-in-a-frame": ({A: page("<iframe src='market://details?id=1'></iframe>")}, [[A, 200, "start"]], "ok"),
    "to-loopback-by-script": ({A: script("location = 'http://127.0.0.1:22/'")},
                              [[A, 200, "start"], ["http://127.0.0.1:22/", None, "js_location"]], "blocked"),
    "asks-for-a-password": ({A: page("who are you?", 401, [["WWW-Authenticate", "Basic realm=x"]])}, [[A, 401, "start"]], "ok"),
    "download-by-link": ({A: page("<a id=a download=f href=/d></a><script>a.click()</script>"), A + "d": LAND}, [[A, 200, "start"]], "ok"),
    "windows": ({A: script(f"open('{B}'); open('{B}', '_blank', 'width=99,height=99'); location = '{C}'"), B: SILENT, C: LAND},
                [[A, 200, "start"], [C, 200, "js_location"]], "ok"),
    "huge-strings": ({A: script(f"new Image().src = 'data:image/png;base64,' + 'A'.repeat(3e7); alert('y'.repeat(3e7)); "
                                f"setTimeout(() => location = '{B}', 100)"), B: LAND},
                     [[A, 200, "start"], [B, 200, "js_location"]], "ok"),
}
NOTES = {"alerts-for-ever": "and more", "dialogs": "confirm: b", "reloads-itself": "only shows itself again",
         "download-by-link": "download, not taken", "windows": "wants to open a window: http://b.test/"}


@pytest.fixture(scope="module")
def more_worlds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for id, (responses, _, _) in PAGES.items():
        (folder / f"{id}.json").write_text(json.dumps({"id": id, "responses": responses}))
    return folder


@pytest.fixture(scope="module")
def site(more_worlds):
    with web_lib.Web([*FOLDERS, more_worlds]) as running:
        yield running


@pytest.fixture(scope="module")
def shared():
    """One browser for the tests that leave it as it was."""
    with Tabs("--max-contexts", 4, "--max-traces", 100000) as running:
        yield running


def chain_of(result):
    return [[hop["url"], hop["status"], hop["via"]] for hop in result["chain"]]


def notes_of(result):
    return " | ".join(note for hop in result["chain"] for note in hop["notes"])


def asked(site, id):
    return [entry["url"] for entry in site.log() if entry["id"] == id]


def serve(site, id, responses):
    """A world for this test alone, known by its hosts."""
    for url, response in responses.items():
        site.add(url, response)
    return f"http://127.0.0.1:{site.port}"


# --- chains -------------------------------------------------------------------------------------------


def begin_world(tabs, site, world):
    options = world["options"]
    more = {key: options[key] for key in ("max_hops", "max_body", "referrer") if key in options}
    limit = 2500 if world["id"] in ENDS else max(options.get("timeout_ms", 30000), 2500)
    return tabs.begin(world["start"], site.proxy(world["id"]), timeout_ms=limit,
                      user_agent=f"tracepool/{version()} (+https://example.test/)", **more)


def version():
    return json.loads((farm.BUILD / "meson-info" / "intro-projectinfo.json").read_text())["version"]


def compare_world(world, result):
    expect, id = world["expect"], world["id"]
    wanted = CHROMIUM.get(id, [[hop["url"], hop["status"], hop["via"]] for hop in expect["chain"]])
    assert chain_of(result) == wanted
    assert (result["outcome"], result["mode_used"]) == (expect["outcome"], "browser")
    assert result["final_url"] == wanted[-1][0]
    if id not in CHROMIUM:
        assert result["extracted_params"].items() >= expect["params"].items()
        assert (result["error"] or {}).get("code") == ENDS.get(id, expect.get("error") or (result["error"] or {}).get("code"))
    for note in expect.get("notes", []):
        assert note in notes_of(result) or id in UNSEEN_NOTES


@pytest.mark.parametrize("id", sorted(WORLDS))
def test_world(shared, site, id):
    """Three traces at once in one browser: the world twice, and another one beside it."""
    worlds = [WORLDS[id], PARTNER, WORLDS[id]]
    running = [begin_world(shared, site, world) for world in worlds]
    for world, started in zip(worlds, running):
        compare_world(world, shared.result(started))


@pytest.mark.parametrize("id", sorted(PAGES))
def test_page(shared, site, id):
    """A page of its own, and an ordinary trace beside it that is none the worse."""
    _, chain, outcome = PAGES[id]
    neighbour = begin_world(shared, site, PARTNER)
    result = shared.trace(A, site.proxy(id), timeout_ms=4000 if outcome == "timeout" else 30000)
    assert (chain_of(result), result["outcome"]) == (chain, outcome)
    assert NOTES.get(id, "") in notes_of(result)
    compare_world(PARTNER, shared.result(neighbour))


def test_cookies_do_not_cross_from_one_trace_to_the_next(shared, site):
    for _ in range(2):
        result = shared.result(begin_world(shared, site, WORLDS["cookie-scope"]))
        compare_world(WORLDS["cookie-scope"], result)
        assert [hop["cookies_set"] for hop in result["chain"]] == [["mine", "all", "evil"], [], [], []]


def test_a_hop_has_its_evidence(shared, site):
    hop = shared.trace(WORLDS["compressed"]["start"], site.proxy("compressed"))["chain"][0]
    assert (hop["method"], hop["http_version"], hop["remote_address"]) == ("GET", "1.1", "127.0.0.1")
    assert hop["content_type"] == "text/html; charset=utf-8"
    assert ["Content-Encoding", "gzip"] in hop["headers"]
    assert hop["header_bytes"] > 0 and hop["body_bytes"] > 0
    assert all(isinstance(hop["timing_ms"][name], int) for name in ("first_byte", "total"))


# --- what is not sent ---------------------------------------------------------------------------------


def test_beacons_and_images_are_not_sent(shared, site):
    proxy = serve(site, "beacons", {
        "http://beacons.test/": page("<img src=/image><iframe src='http://inner.test/'></iframe>"
                                     "<script>navigator.sendBeacon('/beacon', 'x'); new Image().src = '/late'</script>"),
        "http://inner.test/": page("<img src=/image><script>navigator.sendBeacon('/beacon', 'x'); fetch('/seen')</script>"),
        "http://inner.test/seen": LAND})
    result = shared.trace("http://beacons.test/", proxy)
    urls = [entry["url"] for entry in site.log()]
    assert result["outcome"] == "ok" and "frame: http://inner.test/" in notes_of(result)
    assert "http://inner.test/seen" in urls
    assert not [url for url in urls if url.endswith(("/image", "/beacon", "/late"))]


def test_images_are_loaded_when_they_are_wanted(shared, site):
    proxy = serve(site, "images", {"http://images.test/": page("<img src=/image><script>navigator.sendBeacon('/beacon')</script>")})
    shared.trace("http://images.test/", proxy, block_resources=False)
    urls = [entry["url"] for entry in site.log()]
    assert "http://images.test/image" in urls and "http://images.test/beacon" not in urls


def test_private_addresses_are_reached_by_no_part_of_a_page(shared, site):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        port = trap.getsockname()[1]
        forms = [f"http://{host}:{port}/" for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433")]
        tries = "".join(f"<script src='{url}'></script><iframe src='{url}'></iframe><link rel=stylesheet href='{url}'>" for url in forms)
        sockets = "".join(f"new WebSocket('{url.replace('http', 'ws')}');" for url in forms)
        proxy = serve(site, "private", {"http://private.test/": page(f"{tries}<script>{sockets}</script>")})
        site.reset()
        result = shared.trace("http://private.test/", proxy)
        assert [entry["url"] for entry in site.log()] == ["http://private.test/"]
        with pytest.raises(TimeoutError):
            trap.accept()
    assert "refused: 127.0.0.1 is loopback" in notes_of(result)


def test_a_direct_trace_reaches_no_private_address(shared, site):
    site.reset()
    for host in ("127.0.0.1", "localhost", "[::1]"):
        result = shared.trace(f"http://{host}:{site.port}/")
        assert (result["outcome"], result["error"]["code"]) == ("blocked", "blocked_address")
    assert site.log() == []


def test_a_direct_trace_may_be_allowed_to(shared, site):
    site.add(f"http://127.0.0.1:{site.port}/shop", LAND)
    result = shared.trace(f"http://127.0.0.1:{site.port}/shop", allow_private=True)
    assert chain_of(result) == [[f"http://127.0.0.1:{site.port}/shop", 200, "start"]]


CALLS = """const peer = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:PORT'}]});
           peer.createDataChannel('x'); peer.createOffer().then(offer => peer.setLocalDescription(offer));
           peer.onicegatheringstatechange = () => peer.iceGatheringState == 'complete' && (location = 'http://call.test/done')"""


@contextlib.contextmanager
def chromium_with(flag):
    """A program that adds it, where the unprivileged user can read it."""
    with tempfile.TemporaryDirectory(prefix="tracepool-flag-", dir="/tmp") as folder:
        program = pathlib.Path(folder, "chromium")
        program.write_text(f"#!/bin/sh\nexec {find_chromium()} \"$@\" {flag}\n")
        for path in (program.parent, program):
            path.chmod(0o755)
        yield program


def test_webrtc_goes_round_no_proxy(shared, site):
    """A page that asks a STUN server for its address: not a packet, unless Chromium is told to allow it (then the test would see it)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        proxy = serve(site, "call", {"http://call.test/": script(CALLS.replace("PORT", str(server.getsockname()[1]))), "http://call.test/done": LAND})
        shared.trace("http://call.test/", proxy)
        with pytest.raises(TimeoutError):
            server.recv(2048)
        with chromium_with("--force-webrtc-ip-handling-policy=default") as program, Tabs("--program", program) as open_to_all:

            def is_asked():   # the page's clock runs ahead of a busy machine: it may end before its packet is out
                open_to_all.trace("http://call.test/", proxy)
                with contextlib.suppress(TimeoutError):
                    return server.recv(2048)
            farm.wait_for(is_asked, "a packet, where Chromium may send one")


# --- proxies that fail --------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://r.test/", "https://r.test/"])
def test_a_proxy_that_refuses_is_blamed(shared, url):
    result = shared.trace(url, f"http://ann:pass-word@127.0.0.1:{farm.free_port()}")
    assert (result["error"]["code"], result["error"]["blame"]) == ("proxy_refused", "proxy")
    assert chain_of(result) == [[url, None, "start"]]


@pytest.mark.parametrize("url", ["http://r.test/", "https://r.test/"])
def test_a_proxy_that_wants_other_credentials_is_blamed(shared, site, url):
    result = shared.trace(url, f"http://nobody:pass-word@127.0.0.1:{site.port}")
    assert (result["error"]["code"], result["error"]["blame"]) == ("proxy_auth", "proxy")
    assert "pass-word" not in json.dumps(result)


# --- Chromium itself ----------------------------------------------------------------------------------


def is_confined(pid):
    """In process ids of its own, and behind a filter of system calls."""
    status = processes.status_of(pid)
    return status and status["Seccomp"] == "2" and len(status["NSpid"].split()) > 1


def test_chromium_is_unprivileged_and_in_its_sandbox(shared, site):
    shared.trace(PARTNER["start"], site.proxy(PARTNER["id"]))
    held = shared.begin(WORLDS["silent-at-once"]["start"], site.proxy("silent-at-once"))

    def all_are_confined():   # a renderer bears its name a moment before it closes itself in
        renderers = shared.renderers()
        return renderers and all(is_confined(pid) for pid in renderers)
    farm.wait_for(all_are_confined, "a renderer, and each in a namespace and behind a filter of its own")
    family = shared.chromium()
    running = [status for status in map(processes.status_of, family) if status]   # one may have ended meanwhile
    assert running and not any("0" in status["Uid"].split() for status in running)
    assert not any("--no-sandbox" in words or "secret" in " ".join(words) for words in family.values())
    shared.cancel(held)


def test_traces_wait_for_their_turn(site):
    with Tabs("--max-contexts", 1) as tabs:
        running = [begin_world(tabs, site, PARTNER) for _ in range(4)]
        for started in running:
            compare_world(PARTNER, tabs.result(started))
        assert tabs.counts()["starts"] == 1


def test_a_worn_browser_is_replaced(site):
    with Tabs("--max-contexts", 2, "--max-traces", 2) as tabs:
        for started in [begin_world(tabs, site, PARTNER) for _ in range(5)]:
            compare_world(PARTNER, tabs.result(started))
        counts = tabs.counts()
        assert (counts["starts"], counts["deaths"]) == (3, 0)


def test_one_that_grew_too_large_is_replaced(site):
    with Tabs("--max-memory-kb", 1) as tabs:
        for _ in range(2):
            compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
            farm.wait_for(lambda: not tabs.counts()["contexts"], "the context's end")
        assert tabs.counts()["starts"] == 2


def test_a_browser_without_work_is_ended_and_comes_back(site):
    with Tabs("--idle-ms", 300) as tabs:
        for starts in (1, 2):
            compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
            assert tabs.counts()["starts"] == starts
            farm.wait_for(lambda: not tabs.chromium(), "the end of all of Chromium's processes")
        counts = tabs.counts()
        assert (counts["starts"], counts["deaths"]) == (2, 0)


def test_a_browser_with_work_is_not_without(site):
    site.reset()
    with Tabs("--idle-ms", 1) as tabs:
        held = tabs.begin(WORLDS["silent-at-once"]["start"], site.proxy("silent-at-once"))
        farm.wait_for(lambda: asked(site, "silent-at-once"), "the request")
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
        assert tabs.counts()["starts"] == 1 and tabs.chromium()
        tabs.cancel(held)


def test_a_killed_browser_is_followed_before_anybody_asks(site):
    with Tabs() as tabs:
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
        tabs.kill(tabs.chromium())
        farm.wait_for(lambda: tabs.counts()["starts"] == 2, "another one")
        # this one has had no trace when it ends: nobody seems to need another
        farm.wait_for(lambda: tabs.kill(tabs.chromium()) or tabs.counts()["deaths"] == 2, "its end")
        farm.wait_for(lambda: not tabs.chromium(), "the end of all of its processes")
        assert tabs.counts()["starts"] == 2
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))


def test_a_killed_browser_costs_its_traces_and_no_more(site):
    site.reset()
    with Tabs() as tabs:
        held = tabs.begin(WORLDS["silent-at-once"]["start"], site.proxy("silent-at-once"))
        farm.wait_for(lambda: asked(site, "silent-at-once"), "the request")
        tabs.kill(tabs.chromium())
        result = tabs.result(held)
        assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", "browser_died", "us")
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
        counts = tabs.counts()
        assert (counts["starts"], counts["deaths"]) == (2, 1)


def test_a_crashed_page_costs_its_own_trace(site):
    with Tabs("--max-contexts", 2) as tabs:
        proxy = serve(site, "crash", {"http://crash.test/": page("<script src=/never></script>"), "http://crash.test/never": SILENT})
        held = tabs.begin("http://crash.test/", proxy)
        farm.wait_for(lambda: "http://crash.test/never" in [entry["url"] for entry in site.log()], "the script's request")
        tabs.kill(tabs.renderers())
        result = tabs.result(held)
        assert (chain_of(result), result["error"]["code"]) == ([["http://crash.test/", 200, "start"]], "page_crashed")
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
        assert tabs.counts()["starts"] == 1


def test_nothing_is_left_when_the_worker_is_killed(site):
    with Tabs() as tabs:
        tabs.begin(WORLDS["silent-at-once"]["start"], site.proxy("silent-at-once"))
        farm.wait_for(lambda: tabs.renderers(), "a renderer")
        family = processes.below(tabs.process.pid)
        profiles = {word.split("=", 1)[1] for words in tabs.chromium().values() for word in words
                    if word.startswith("--user-data-dir=")}
        assert len(profiles) == 1 and os.path.isdir(*profiles)
        tabs.process.kill()
        tabs.process.wait()
        farm.wait_for(lambda: not [pid for pid in family if processes.status_of(pid)], "the end of all processes")
        farm.wait_for(lambda: not os.path.exists(*profiles), "the profile's removal")


def test_nothing_is_left_when_it_ends_by_itself(site):
    with Tabs() as tabs:
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
        family = processes.below(tabs.process.pid)
    assert family and not [pid for pid in family if processes.status_of(pid)]


def test_a_cancelled_trace_says_nothing(site):
    site.reset()
    with Tabs() as tabs:
        held = tabs.begin(WORLDS["silent-at-once"]["start"], site.proxy("silent-at-once"))
        farm.wait_for(lambda: asked(site, "silent-at-once"), "the request")
        tabs.cancel(held)
        compare_world(PARTNER, tabs.result(begin_world(tabs, site, PARTNER)))
        assert held not in tabs.results


@pytest.mark.parametrize("program, code", [("/nowhere/chromium", "mode_unavailable"), ("no-such-browser", "mode_unavailable"),
                                           ("/bin/false", "browser_start")])
def test_a_browser_that_is_not_there(program, code):
    with Tabs("--program", program) as tabs:
        result = tabs.trace("http://a.test/")
    assert (result["outcome"], result["error"]["code"], result["chain"]) == ("error", code, [])


@pytest.mark.parametrize("url", ["ftp://a.test/", "a.test", "http://", "javascript:alert(1)"])
def test_what_cannot_be_traced_needs_no_browser(url):
    with Tabs() as tabs:
        assert tabs.trace(url)["error"]["code"] == "bad_url"
        assert tabs.counts()["starts"] == 0
