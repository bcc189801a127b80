"""The monitor's dashboard, in a real Chromium, and the calls that it makes.

One house in operation (dashboard_data.py), one monitor and one browser serve the whole file; screenshots of what the
tests saw are kept in build-tests/screens/.
"""
import http.client
import json
import re
import signal
import types
import urllib.parse

import pytest

import dashboard_data
import farm
from chromium import Page
from cluster import OWNER
from monitors import TOKEN, Api, monitor, options  # noqa: F401  (monitor is a fixture)

VIEWS = ("", "traces", "offers", "offer/summer-shoes", "offer/travel-uk", "pool", "alerts", "trace/{http}", "trace/{browser}", "trace/{failed}",
         "trace/" + dashboard_data.HOSTILE_ID)


@pytest.fixture(scope="module")
def house(cluster, tmp_path_factory):
    """A filled database and a monitor on it: .db, .api, .kinds (ids of traces), .start() for another monitor."""
    made = cluster.new_database(template=OWNER)
    db = farm.Database(made.url)
    kinds = dashboard_data.fill(db)
    folder = tmp_path_factory.mktemp("monitor")
    started = []

    def start(*more):
        program = farm.Program([farm.binary("tracepool-monitor"), *options("--monitor.interval_s=5", *more)], folder / f"{len(started)}.log",
                               {"DATABASE_URL": made.url_as("tracepool_monitor"), "TRACEPOOL_API_TOKEN": TOKEN})
        started.append(program)
        program.wait_event("monitor.ready")
        program.wait_event("database.up")
        return Api(program)

    yield types.SimpleNamespace(db=db, api=start(), kinds=kinds, start=start)
    for program in started:
        program.stop()
        assert not program.faults(), program.faults()
        assert TOKEN not in program.text()
    db.close()
    cluster.drop_database(made)


@pytest.fixture(scope="module")
def browser():
    with Page() as page:
        yield page


@pytest.fixture
def page(house, browser):
    """Signed in, on the overview, light and wide. Nothing may have gone wrong in it when the test ends."""
    base = f"http://127.0.0.1:{house.api.port}/"
    browser.show = lambda view="": show(browser, base, view.format(**house.kinds))
    browser.base = base
    browser.emulateMedia({"colorScheme": "light"})
    browser.setViewportSize({"width": 1280, "height": 860})
    browser.goto(base)
    browser.js("sessionStorage.setItem('tracepool.token', %s); localStorage.clear()" % json.dumps(TOKEN))
    browser.goto("about:blank")
    browser.problems()   # a live view of the test before may have asked once more after its end
    browser.goto(base)
    browser.see("h1", "Overview")
    yield browser
    assert browser.problems() == []
    assert {host for host in browser.hosts() if host} == {f"127.0.0.1:{house.api.port}"}, "no request to another host"


def show(page, base, view):
    """Goes to a view and waits until it is drawn."""
    page.goto(f"{base}#/{view}")
    page.until("(where) => document.querySelector('main > div')?.dataset.view === where",
                         re.sub(r"\?.*", "", view) + ("" if "/" in view else "/"))


# ---- the page itself


def test_page_and_assets_are_small_cacheable_and_locked_down(house):
    status, headers, text = house.api.call("GET", "/", token="")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and headers["Cache-Control"] == "no-cache"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text), "nothing inline"
    status, headers, nothing = house.api.call("GET", "/", token="", headers={"If-None-Match": headers["ETag"]})
    assert (status, nothing) == (304, "")

    seen, total = set(), len(text)
    waiting = re.findall(r'(?:src|href)="(/assets/[^"]+)"', text)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        status, headers, body = house.api.call("GET", path, token="")
        assert status == 200 and "immutable" in headers["Cache-Control"] and headers["X-Content-Type-Options"] == "nosniff", path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", body), path
        waiting += [f"{path.rpartition('/')[0]}/{name}" for name in re.findall(r'from "\./(\w+\.js)"', body)]
        total += len(body)
    assert len(seen) >= 12 and total < 300_000
    assert house.api.call("HEAD", min(seen), token="")[0] == 200
    assert house.api.call("GET", "/assets/0000000000000000/app.js")[0] == 404, "another version's"


# ---- the calls


@pytest.mark.parametrize("call", ["overview", "history", "traces", "trace", "offers", "offer", "pool", "evidence", "changes"])
def test_data_wants_a_token(house, call):
    assert house.api.json("GET", f"/dashboard/v1/{call}", token="")[0] == 401
    status, headers, _ = house.api.call("POST", f"/dashboard/v1/{call}", "")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("query, status, says", [
    ("traces?before=yesterday-ish", 400, "not what it has to be"),
    ("traces?limit=many", 400, "not what it has to be"),
    ("traces?status=broken", 400, "not what it has to be"),
    ("trace?id=1", 400, "not what it has to be"),
    ("traces?serach=x", 400, 'unknown field "serach"'),
    ("traces?search=a&search=b", 400, "search is there twice"),
    ("traces?search=" + "x" * 301, 400, "search is longer than 300 bytes"),
    ("trace?id=00000000-0000-0000-0000-000000000000", 404, "there is none"),
    ("offer?name=nobody", 404, "there is none"),
    ("evidence?id=00000000-0000-0000-0000-000000000000&attempt=1&kind=har", 404, "no such evidence"),
])
def test_calls_that_make_no_sense_are_told_why(house, query, status, says):
    answer = house.api.json("GET", f"/dashboard/v1/{query}")
    assert answer[0] == status and says in answer[1]["error"]


def get(house, call, **fields):
    status, answer = house.api.json("GET", f"/dashboard/v1/{call}?{urllib.parse.urlencode(fields)}")
    assert status == 200, answer
    return answer


def test_pages_of_traces_follow_each_other_without_gap_or_repetition(house):
    seen, fields = [], {}
    while True:
        answer = get(house, "traces", limit=7, **fields)
        seen += [(t["started_at"], t["request_id"]) for t in answer["traces"]]
        if answer["next"] is None:
            break
        assert len(answer["traces"]) == 7
        fields = answer["next"]
    rows = house.db.run("SELECT request_id::text AS id FROM active_trace_requests ORDER BY started_at DESC, request_id DESC")
    assert [request for _, request in seen] == [row["id"] for row in rows]


def test_search_takes_its_text_literally(house):
    assert get(house, "traces", search="%")["traces"][0]["request_id"] == dashboard_data.HOSTILE_ID, "the one with %3C"
    assert get(house, "traces", search="_x_")["traces"] == []
    assert [t["request_id"] for t in get(house, "traces", search=house.kinds["http"])["traces"]] == [house.kinds["http"]]
    assert {t["offer"] for t in get(house, "traces", search="TELCORA")["traces"]} == {"phone-plan"}
    one = get(house, "trace", id=house.kinds["failed"])["trace"]
    found = get(house, "traces", status="failed,timeout", country=one["target_country"], mode=one["tracer_mode_used"])["traces"]
    assert house.kinds["failed"] in {t["request_id"] for t in found}
    assert {(t["status"], t["country"], t["mode"]) for t in found} == {("failed", one["target_country"], one["tracer_mode_used"])}


def test_evidence_comes_as_it_was_kept_and_runs_nothing(house):
    status, headers, text = house.api.call("GET", f"/dashboard/v1/evidence?id={house.kinds['browser']}&attempt=1&kind=har")
    assert (status, json.loads(text)["log"]["version"]) == (200, "1.2")
    house.db.run("INSERT INTO trace_evidence VALUES (%s, 1, 'console', 'text/html', '<script>1</script>')", house.kinds["http"])
    status, headers, text = house.api.call("GET", f"/dashboard/v1/evidence?id={house.kinds['http']}&attempt=1&kind=console")
    assert (status, text, headers["Content-Type"]) == (200, "<script>1</script>", "application/octet-stream")
    assert headers["Content-Security-Policy"] == "sandbox" and headers["Content-Disposition"] == "attachment"
    house.db.run("DELETE FROM trace_evidence WHERE request_id = %s", house.kinds["http"])


class Stream:
    """The server-sent events of the call for changes."""

    def __init__(self, api):
        self.connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=farm.PATIENCE_S)
        self.connection.request("GET", "/dashboard/v1/changes", headers={"Authorization": f"Bearer {TOKEN}"})
        self.answer = self.connection.getresponse()
        assert (self.answer.status, self.answer.headers["Content-Type"]) == (200, "text/event-stream")

    def version(self):
        """The next one; None when the stream has ended."""
        while line := self.answer.readline().decode():
            if line.startswith("data: "):
                return json.loads(line[6:])["version"]
        return None


def test_a_stream_tells_when_something_has_changed(house):
    stream, other = Stream(house.api), Stream(house.api)
    first = stream.version()
    assert first and other.version() == first
    dashboard_data.insert_trace(house.db, tracking_url="https://shop.example/", status="skipped", skip_reason="bot")
    second = stream.version()
    assert second not in (None, first) and other.version() == second
    stream.connection.close()
    dashboard_data.insert_trace(house.db, tracking_url="https://shop.example/", status="skipped", skip_reason="bot")
    assert other.version() not in (None, first, second), "one who has gone takes nobody along"
    status, headers, body = house.api.call("HEAD", "/dashboard/v1/changes")
    assert (status, headers["Content-Type"], body) == (200, "text/event-stream", "")


def test_the_programs_end_is_the_streams_end(db, monitor):  # noqa: F811
    api = monitor("--monitor.interval_s=3600", ready="database.up")
    db.wait_for("SELECT count(*) = 1 FROM ip_pool_statistics")   # its only one: nothing changes from here on
    stream = Stream(api)
    assert stream.version()
    api.program.signal(signal.SIGTERM)
    assert stream.version() is None
    assert api.program.wait() == 0


def test_more_listeners_than_there_is_room_for(house):
    """The one that has listened longest is let go; its page asks again."""
    streams = [Stream(house.api) for _ in range(65)]
    heard = list(iter(streams[0].version, None))
    assert heard, "and then its end"
    assert all(stream.version() for stream in streams[1:])


# ---- in the browser


def test_signing_in_and_out(house, page):
    page.click("text=Sign out")
    page.see("h1", "Sign in")
    assert page.js("document.activeElement.name") == "token"
    page.shot("sign-in")
    page.fill("input[name=token]", "wrong")
    page.press("input[name=token]", "Enter")
    page.see("[role=alert]", "This token was not accepted.")
    assert [p for p in page.problems() if "401" not in p] == [], "Chromium itself names the refused call, and nothing else"
    page.fill("input[name=token]", TOKEN)
    page.click("button[type=submit]")
    page.see("h1", "Overview")
    page.see(".state", "live")
    assert TOKEN not in page.js("location.href + document.cookie + JSON.stringify(localStorage) + document.body.textContent")
    page.reload()
    page.see("h1", "Overview")


def test_overview_shows_the_house(house, page):
    for words in ("target 60–80 %", "80 % expected", "web-2", "farm-1", "summer-shoes"):
        page.see("main", words)
    assert page.js("document.querySelectorAll('.tile').length") == 8
    assert "US" in page.js("document.querySelector('main').innerText")
    page.see("main", "Clicks answered within 500 ms")
    assert page.js("document.querySelectorAll('[data-key=\"Pool in use, peak of the day\"] .badge').length") == 1
    page.click("text=24 h")
    page.see("[aria-pressed=true]", "24 h")
    page.until("document.querySelectorAll('.chart svg path.line').length >= 6")
    labels = page.js("[...document.querySelectorAll('.chart svg')].map((s) => s.getAttribute('aria-label'))")
    assert len(labels) == 6 and all(re.search(r"now \S+.*lowest \S+.*highest \S+", label) for label in labels)
    assert page.js("document.querySelectorAll('.chart:first-child path.line').length") >= 2, "the hour without snapshots is a gap"
    page.setViewportSize({"width": 1280, "height": 1250})
    page.shot("home-light", full=False)
    page.emulateMedia({"colorScheme": "dark"})
    page.shot("home-dark", full=False)


def test_new_rows_appear_without_a_reload_and_nothing_is_lost(house, page):
    page.js("window.isSame = true")
    page.show("traces")
    page.fill("input[name=search]", "fresh.example")
    page.see("main", "No trace fits.")
    dashboard_data.insert_trace(house.db, tracking_url="https://fresh.example/brand-new", status="skipped", skip_reason="bot")
    page.see("main tbody tr:first-child", "fresh.example")
    assert page.js("[window.isSame, document.activeElement.name, document.activeElement.value]") == [True, "search", "fresh.example"]
    house.db.run("INSERT INTO alerts (rule, state, message, advice, fired_at) VALUES ('queue_depth', 'firing', 'Queue depth is 99', 'Add workers', now())")
    page.show("alerts")
    page.see("main", "Add workers")
    house.db.run("UPDATE alerts SET state = 'resolved', resolved_at = now(), updated_at = clock_timestamp()")
    page.see("tbody .badge", "resolved")


def test_filters_search_and_older_pages(house, page):
    page.show("traces")
    page.see("main", "50 shown")
    newest = page.js("document.querySelector('tbody tr').dataset.key")
    page.click("text=Older")
    page.until("(key) => document.querySelector('tbody tr').dataset.key !== key", newest)
    page.click("text=Newer")
    page.until("(key) => document.querySelector('tbody tr').dataset.key === key", newest)
    page.selectOption("select[name=status]", "failed")
    page.until("[...document.querySelectorAll('tbody tr')].every((r) => r.textContent.includes('failed'))")
    page.fill("input[name=search]", "target_tls")
    page.until("location.hash.includes('search=target_tls') && location.hash.includes('status=failed')")
    page.see(".pages", "found among")
    page.fill("input[name=search]", "nothing is like this")
    page.see("main", "No trace fits.")
    page.click("text=Clear")
    page.see("main", "50 shown")
    page.shot("traces", full=False)


def test_trace_shows_its_chain_as_a_waterfall(house, page):
    page.show("traces")
    page.fill("input[name=search]", house.kinds["browser"])
    page.until("document.querySelectorAll('tbody tr').length === 1")
    page.click("tbody th a")
    page.see("h1", house.kinds["browser"])
    row = house.db.one("SELECT redirect_chain, final_url FROM active_trace_requests WHERE request_id = %s", house.kinds["browser"])
    hops = page.js("[...document.querySelectorAll('.hop')].map((hop) => ({ text: hop.textContent, "
                   "left: hop.querySelector('.span').getBoundingClientRect().left, width: hop.querySelector('.span').getBoundingClientRect().width, "
                   "params: [...hop.querySelectorAll('.params li')].map((p) => p.textContent) }))")
    assert len(hops) == len(row["redirect_chain"])
    for shown, hop in zip(hops, row["redirect_chain"]):
        assert hop["url"] in shown["text"] and str(hop["status"]) in shown["text"] and hop["via"].replace("_", " ") in shown["text"]
    assert [h["left"] for h in hops] == sorted(h["left"] for h in hops), "each begins after the one before"
    assert hops[3]["width"] > hops[2]["width"], "the slow one is the long one"
    assert [p.split("=")[0] for p in hops[3]["params"]] == ["utm_source", "utm_medium"], "clickid came earlier"
    page.click(".hop:nth-child(2) summary")
    page.see(".hop:nth-child(2) details[open]", "affsess, vid")
    page.until("document.querySelector('img.screenshot')?.naturalWidth === 640")
    for words in ("kept until", "shop.example and below", "secure, http only, Lax", "Uncaught TypeError: " + dashboard_data.HOSTILE[:20],
                  "https://shop.example/app.js:10:5"):
        page.see("main", words)
    for words in ("firstQuartile", "tracked", "Save HAR", "farm-1.2201.1", "js redirect", "utm_medium"):
        page.see("main", words)
    dashboard_data.insert_trace(house.db, tracking_url="https://other.example/", status="skipped", skip_reason="bot")  # a refresh
    page.show("trace/{browser}")
    page.see(".hop:nth-child(2) details[open]", "affsess, vid")
    page.shot("trace")


def test_what_mode_auto_found_out(house, page):
    page.show("offer/travel-uk")
    page.see("dd", "HTTP missed what browsers found on samples; until")
    page.see("dd", "0 % of ")   # samples agreed
    page.see("td", "a page sent the browser on")
    page.see("td .url", "trk.islandtrips.example/wait")
    page.shot("offer-learnt")
    page.click("table[role=table] a[href^='#/trace/']")
    page.see("h2", "Both modes ran")
    page.see("dd", "final host, final URL, hosts on the way")
    page.show("offer/summer-shoes")
    page.see("dd", "100 % of ")   # HTTP alone was enough
    page.see("dd", "none yet")    # no samples
    house.db.run("UPDATE offers SET tracer_detection_result = %s WHERE offer_name = 'maple-gear'", json.dumps({"recommended": dashboard_data.HOSTILE}))
    page.show("offer/maple-gear")   # another program's
    page.click("text=Kept with the offer")
    page.see("pre", dashboard_data.HOSTILE[8:40])


def test_an_offers_drift_stands_beside_what_is_expected(house, page):
    page.show("offer/summer-shoes")
    page.see("h2", "Chain drift: 1 open")
    page.see(".drift b", "lost parameter: utm_source")
    expected, seen = page.js("[...document.querySelectorAll('.drift .chain')].map((c) => [...c.querySelectorAll('li')].map((l) => [l.textContent, l.className]))")
    assert expected == [["https://go.northpeak.example", ""], ["https://www.affnet.example", ""], ["https://shop.northpeak.example", "changed"]]
    assert seen[2:] == [["https://r9.newbroker.example", "changed"], [f"http://{dashboard_data.HOSTILE}", "changed"]], "text, whatever it says"
    assert page.js("document.querySelectorAll('.drift img, .drift script').length") == 0 and page.js("document.title").endswith("tracepool")
    boxes = page.js("[...document.querySelectorAll('.drift .chain')].map((c) => c.getBoundingClientRect().toJSON())")
    assert boxes[0]["top"] == boxes[1]["top"] and boxes[0]["right"] <= boxes[1]["left"], "side by side"
    page.see(".drift code", "SELECT accept_drift(")
    page.shot("offer-drift")
    page.setViewportSize({"width": 390, "height": 800})
    assert page.js("document.documentElement.scrollWidth") <= 390
    page.js("document.querySelector('.drift a').click()")
    page.see("h2", "Inbound parameters")


def test_hostile_data_stays_text(house, page):
    page.show(f"trace/{dashboard_data.HOSTILE_ID}")
    page.see(".hop", "evil.example")
    for selector in ("dd", ".notes li", ".via", ".params li", "td"):
        page.see(selector, dashboard_data.HOSTILE[8:40])
    for view in ("traces?status=failed", "", "traces?search=evil.example"):
        page.show(view)
    assert page.js("document.querySelectorAll('main script, main img, main iframe, main a[href^=\"javascript\"]').length") == 0
    assert page.js("document.title") == "Traces · tracepool"
    page.goto(f"{page.base}#/offer/{urllib.parse.quote(dashboard_data.HOSTILE, safe='')}")
    page.see("h1", "Not found")
    page.goto(f"{page.base}#/offer/%E0%A4%A")   # no text in any encoding
    page.see("main", "there is none of that name")
    page.goto("about:blank")   # a view that was not found asks again with each change
    assert [p for p in page.problems() if "404" not in p] == []


def test_keyboard_alone_is_enough(house, page):
    page.js("document.activeElement.blur()")
    reached = []
    for _ in range(12):
        page.key("Tab")
        reached.append(page.js("document.activeElement.textContent.trim()"))
    assert reached[0] == "Skip to content"
    assert reached[1:7] == ["tracepool", "Overview", "Traces", "Offers", "Pool", "Alerts"]
    page.focus("nav a[href='#/pool']")
    page.key("Enter")
    page.see("h1", "Pool")
    assert page.js("document.getElementById('told').textContent") == "Pool", "said to those who do not see it"
    page.selectOption("select[name=state]", "locked")
    page.until("[...document.querySelectorAll('tbody tr')].every((r) => r.textContent.includes('locked'))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_has_no_serious_finding(house, page, scheme):
    page.emulateMedia({"colorScheme": scheme})
    views, rules = (VIEWS, []) if scheme == "light" else (VIEWS[:2] + VIEWS[4:5] + VIEWS[-2:], ["color-contrast"])
    for view in views:   # in the dark only what depends on colours, on the views that have all of them
        page.show(view)
        found = [f for f in page.axe(*rules) if f["impact"] in ("serious", "critical")]
        assert found == [], f"{view} in {scheme}: {json.dumps(found, indent=1)}"


def test_phone_width_and_colours(house, page):
    page.setViewportSize({"width": 380, "height": 800})
    for view in VIEWS:
        page.show(view)
        assert page.js("document.documentElement.scrollWidth") == 380, f"{view} is wider than the phone"
    for name, view in (("home-phone", ""), ("traces-phone", "traces"), ("trace-phone", "trace/{browser}")):
        page.show(view)
        page.shot(name)
    ground = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(page.js(ground)) > 200
    page.click("[aria-label^=Colours]")   # auto to light
    page.click("[aria-label^=Colours]")   # to dark, whatever the system says
    assert max(page.js(ground)) < 60
    page.reload()
    page.see("h1", house.kinds["browser"])
    assert max(page.js(ground)) < 60, "it is remembered"


def test_monitor_that_comes_back_is_noticed(house, page):
    api = house.start()
    page.goto(f"http://127.0.0.1:{api.port}/")
    page.js("sessionStorage.setItem('tracepool.token', %s)" % json.dumps(TOKEN))
    page.reload()
    page.see(".state", "live")
    api.program.stop()
    page.see(".state", "reconnecting")
    house.start(f"--api.listen=127.0.0.1:{api.port}").program.wait_event("monitor.ready")
    page.see(".state", "live")
    page.see("h1", "Overview")
    assert [p for p in page.problems() if not re.search(r"ERR_|503", p)] == []
    page.forget()   # two monitors were asked, as the test wanted
    page.goto(page.base)
