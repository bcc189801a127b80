"""What is kept of a trace beyond its chain: screenshot, cookies, console, certificate; by the verb and in the farm."""
import json

import pytest

from png import Png
from stage import PAGE, Stage, redirect
from test_tracer_tls import shop
from tls import certificate
from tracing import begin, end, trace

START, SHOP = "http://go.test/?sub=1", "http://shop.test/"
PICTURE = {"status": 200, "headers": [["Content-Type", "image/svg+xml"]],
           "body": "<svg xmlns='http://www.w3.org/2000/svg' width='400' height='300'><rect width='400' height='300' fill='#08f'/></svg>"}
TEXT = "<p>" + "good shoes " * 40
STYLE = "<style>body { margin: 0 } img { display: block }</style>"
ONLY_HERE = ["--mode", "browser", "--browser.enabled=true", "--timeout", "20"]


def page(body, *headers):
    return {**PAGE, "headers": PAGE["headers"] + list(map(list, headers)), "body": f"<!doctype html><meta charset=utf-8><title>page</title>{STYLE}{body}"}


@pytest.fixture
def site():
    """Two hops to a shop with a picture, cookies of three kinds, and a script that fails."""
    with Stage() as stage:
        stage.add("http://go.test/", {**redirect(SHOP), "headers": [["Location", SHOP], ["Set-Cookie", "click=78; Max-Age=3600; Path=/"]]})
        stage.add(SHOP, page(f"<img src=/picture.svg>{TEXT}<script>document.cookie = 'js=é'; navigator.sendBeacon('/beacon');"
                             "console.log('fine'); console.error('bad', 7); setTimeout(() => nothing.here, 3000)</script>",
                             ["Set-Cookie", "sid=abc; HttpOnly; Domain=shop.test; SameSite=Strict"]))
        stage.add(SHOP + "picture.svg", PICTURE)
        stage.proxy = f"http://127.0.0.1:{stage.port}"
        yield stage


def run(site, *words):
    """(exit code, result object, complaints)"""
    code, out, complaints = end(begin("--json", "--proxy", site.proxy, *words))
    return code, json.loads(out), complaints


def notes_of(result):
    return " | ".join(note for hop in result["chain"] for note in hop["notes"])


# --- screenshot -------------------------------------------------------------------------------------------


def test_a_screenshot_shows_what_a_visitor_sees(site, tmp_path):
    file = tmp_path / "shop.png"
    code, result, complaints = run(site, "--screenshot", file, START)
    assert (code, complaints, result["mode_used"]) == (0, "", "browser")
    picture = Png(file.read_bytes())
    assert (picture.width, picture.height) == (1280, 800)
    assert picture.pixel(200, 100) == (0, 0x88, 0xff) and picture.pixel(600, 100) == (255, 255, 255)
    assert not site.visits(SHOP + "beacon")


def test_without_one_no_picture_is_asked_for(site):
    run(site, "--mode", "browser", "--cookies", START)
    assert site.visits(SHOP) and not site.visits(SHOP + "picture.svg")


@pytest.mark.parametrize("wanted, mode, reason", [(["--console"], "browser", "evidence"), (["--cookies"], "http_only", "http_sufficient")])
def test_auto_takes_the_browser_for_what_only_a_browser_shows(site, wanted, mode, reason):
    _, result, _ = run(site, *wanted, START)
    assert (result["mode_used"], result["detection_reason"]) == (mode, reason)


def test_without_a_browser_the_chain_is_there_and_what_lacks_is_said(site, tmp_path):
    code, result, complaints = run(site, "--browser.enabled=false", "--screenshot", tmp_path / "a.png", START)
    assert (code, result["outcome"], result["mode_used"], result["detection_reason"]) == (1, "ok", "http_only", "evidence")
    assert f"{tmp_path}/a.png: no screenshot was to be had" in complaints


NOISE = page("<canvas id=c width=1280 height=800></canvas><script>const x = c.getContext('2d'), d = x.createImageData(1280, 800);"
             "let s = 1; for (let i = 0; i < d.data.length; i++) d.data[i] = i % 4 == 3 ? 255 : (s = s * 16807 % 2147483647) >> 8 & 255;"
             "x.putImageData(d, 0, 0)</script>")


def test_one_that_is_too_large_becomes_a_jpeg(site, tmp_path):
    site.add("http://noise.test/", NOISE)
    code, _, complaints = run(site, *ONLY_HERE, "--screenshot", tmp_path / "a.png", "http://noise.test/")
    assert code == 0 and "is image/jpeg" in complaints
    assert (tmp_path / "a.png").read_bytes()[:3] == b"\xff\xd8\xff"


def test_one_that_stays_too_large_is_left_out_with_a_word(site, tmp_path):
    site.add("http://noise.test/", NOISE)
    code, result, complaints = run(site, *ONLY_HERE, "--browser.screenshot_max_bytes=65536", "--screenshot", tmp_path / "a.png",
                                   "http://noise.test/")
    assert (code, result["outcome"]) == (1, "ok")
    assert "no screenshot was to be had" in complaints and "screenshot left out" in notes_of(result)


def test_one_that_does_not_come_costs_the_trace_nothing_else(site, tmp_path):
    site.add("http://busy.test/", page("<script>document.cookie = 'a=1'; setTimeout(() => { for (;;); }, 50)</script>"))
    _, result, _ = run(site, *ONLY_HERE, "--browser.screenshot_ms=300", "--cookies", "--screenshot", tmp_path / "a.png", "http://busy.test/")
    assert result["outcome"] == "ok" and [c["name"] for c in result["cookies"]] == ["a"]
    assert "screenshot left out: it did not come in time" in notes_of(result)


def test_a_trace_without_a_page_has_none(site, tmp_path):
    code, result, _ = run(site, "--mode", "browser", "--screenshot", tmp_path / "a.png", "http://127.0.0.1:1/")
    assert (code, result["outcome"]) == (1, "blocked")
    assert (tmp_path / "a.png").read_bytes() == b""


# --- cookies ----------------------------------------------------------------------------------------------


def jar(result):
    return {cookie.pop("name"): cookie for cookie in result["cookies"]}


def test_cookies_over_http(site):
    _, result, _ = run(site, "--cookies", "--mode", "http_only", START)
    found = jar(result)
    expires = found["click"].pop("expires")
    assert expires.endswith("Z") and len(expires) == 20
    assert found == {
        "click": {"value": "78", "domain": "go.test", "host_only": True, "path": "/", "secure": False, "http_only": False, "same_site": None},
        "sid": {"value": "abc", "domain": "shop.test", "host_only": False, "path": "/", "expires": None, "secure": False, "http_only": True,
                "same_site": None}}


def test_cookies_of_a_browser(site):
    _, result, _ = run(site, "--cookies", "--mode", "browser", START)
    found = jar(result)
    assert found["click"].pop("expires").endswith("Z")
    assert found == {
        "click": {"value": "78", "domain": "go.test", "host_only": True, "path": "/", "secure": False, "http_only": False, "same_site": None},
        "js": {"value": "é", "domain": "shop.test", "host_only": True, "path": "/", "expires": None, "secure": False, "http_only": False,
               "same_site": None},
        "sid": {"value": "abc", "domain": "shop.test", "host_only": False, "path": "/", "expires": None, "secure": False, "http_only": True,
                "same_site": "Strict"}}


def test_nothing_is_shown_that_was_not_asked_for(site):
    _, result, _ = run(site, "--mode", "browser", START)
    assert "cookies" not in result and "console" not in result


# --- console ----------------------------------------------------------------------------------------------


def test_what_scripts_complain_about(site):
    _, result, _ = run(site, "--console", START)
    said = [(m["kind"], m["text"], m["hop"], m["page"]) for m in result["console"]]
    assert ("error", "bad 7", 2, SHOP) in said
    assert any(kind == "exception" and "nothing is not defined" in text for kind, text, _, _ in said)
    assert all("BLOCKED_BY_CLIENT" not in text for _, text, _, _ in said), "what we refuse is no fault of the page"
    assert "fine" not in [text for _, text, _, _ in said]


def test_a_page_that_never_stops_complaining(site):
    site.add("http://loud.test/", page("<script>for (let i = 0; i < 500; i++) console.error(i, '\\ud800\\0\\x1b[31m' + 'x'.repeat(1e5));"
                                       "throw '\\udfff'</script>"))
    _, result, _ = run(site, *ONLY_HERE, "--console", "http://loud.test/")
    assert len(result["console"]) == 100
    assert all(len(message["text"].encode()) <= 1010 for message in result["console"])
    text = json.dumps(result, ensure_ascii=False)
    assert "\0" not in text and text.encode("utf-8")


def test_the_table_has_them_too(site):
    code, out, _ = end(begin("--proxy", site.proxy, "--console", "--cookies", START))
    assert code == 0
    assert "\ncookies: 3\n" in out and "  shop.test/  sid = abc  with its subdomains  http only  SameSite=Strict\n" in out
    assert "\nconsole: " in out and "  hop 2  error  bad 7  http://shop.test/:1\n" in out


# --- certificates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["http_only", "browser"])
def test_a_certificate_is_known_in_both_modes(tmp_path, mode):
    file = certificate(tmp_path, "localhost", 2)
    har = tmp_path / "trace.har"
    with shop(file) as url:
        result = trace("--allow-private", f"--http.ca_file={file}", "--mode", mode, "--har", har, url + "/")
    tls = result["chain"][0]["tls"]
    assert (tls["subject"].replace(" ", ""), tls["issuer"].replace(" ", "")) == ("CN=localhost", "CN=localhost")
    assert (tls["names"], tls["names_total"], tls["error"]) == (["localhost"], 1, None)
    assert tls["version"].startswith("TLSv1.") and tls["not_before"] < tls["not_after"]
    assert json.loads(har.read_text())["log"]["entries"][0]["_tls"] == tls


@pytest.mark.parametrize("days, is_said", [(5, True), (90, False)])
def test_a_certificate_that_ends_soon_is_told_to_a_person(tmp_path, days, is_said):
    file = certificate(tmp_path, "localhost", days)
    with shop(file) as url:
        _, out, _ = end(begin("--allow-private", f"--http.ca_file={file}", "--mode", "http_only", url + "/"))
    assert ("! the certificate ends in " in out) == is_said


# --- in the farm ------------------------------------------------------------------------------------------


EVERYTHING = ["har", "screenshot", "cookies", "console"]


def test_an_offer_keeps_what_it_asks_for_as_long_as_it_says(db, worker, pool, proxies, web, site):
    for url, response in site.pages.items():
        web.add(url, response)
    for proxy in proxies(2):
        pool.add(proxy)
    for name, mode in (("auto", "auto"), ("plain", "http_only")):
        db.run("INSERT INTO offers (offer_name, final_url, tracer_mode, evidence, evidence_keep) VALUES (%s, %s, %s, %s, '1 hour')",
               name, START, mode, EVERYTHING)
    offers = {row["offer_name"]: row["id"] for row in db.run("SELECT offer_name, id FROM offers")}
    worker()
    requests = {name: pool.request(START, offer_id=offer, offer_name=name) for name, offer in offers.items()}
    rows = {name: pool.ended(request) for name, request in requests.items()}
    assert (rows["auto"]["tracer_mode_used"], rows["auto"]["detection_reason"]) == ("browser", "evidence")
    kept = {name: {row["kind"]: row for row in db.run("SELECT *, keep_until - created_at = interval '1 hour' AS is_an_hour FROM trace_evidence "
                                                      "WHERE request_id = %s", request)} for name, request in requests.items()}
    assert set(kept["auto"]) == set(EVERYTHING) and set(kept["plain"]) == {"har", "cookies"}
    assert all(row["is_an_hour"] and row["attempt"] == 1 for rows in kept.values() for row in rows.values())
    assert Png(bytes(kept["auto"]["screenshot"]["body"])).pixel(200, 100) == (0, 0x88, 0xff)
    assert [row["content_type"] for _, row in sorted(kept["auto"].items())] == ["application/json"] * 3 + ["image/png"]
    cookies = json.loads(bytes(kept["auto"]["cookies"]["body"]))
    assert {c["name"] for c in cookies["cookies"]} == {"click", "js", "sid"} and cookies["left_out"] == 0
    console = json.loads(bytes(kept["auto"]["console"]["body"]))
    assert "bad 7" in [message["text"] for message in console["messages"]]
    db.run("UPDATE trace_evidence SET keep_until = keep_until - interval '2 hours'")
    assert db.value("SELECT prune_evidence()") == 6
