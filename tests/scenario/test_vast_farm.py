"""Ads in the farm: offers of kind vast, providers from the table and the ini, what is cached, capped, told and kept.

Tags are answered by a scripted web that counts who came; nothing is fired except where a test says so.
"""
import json

import farm
import pytest
from adviews import AdViews
from sink import Sink
from stage import Stage, redirect
from whole import Site, own_db, own_server, site  # noqa: F401  (fixtures)

INLINE = """<VAST version="4.2"><Ad id="a1"><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle>{more}
<Impression><![CDATA[{i}]]></Impression><Creatives><Creative id="c1"><Linear><Duration>00:00:04</Duration><TrackingEvents>
<Tracking event="start"><![CDATA[{s}]]></Tracking><Tracking event="progress" offset="00:00:01"><![CDATA[{p}]]></Tracking>
</TrackingEvents><MediaFiles><MediaFile delivery="progressive" type="video/mp4" width="1" height="1"><![CDATA[http://m.test/m.mp4]]>
</MediaFile></MediaFiles></Linear></Creative></Creatives><Extensions><Extension type="price"><Price>1.25</Price></Extension>
</Extensions></InLine></Ad></VAST>"""
WRAPPER = """<VAST version="4.2"><Ad id="w1"><Wrapper><AdSystem>w</AdSystem><Error><![CDATA[{e}]]></Error>
<Impression><![CDATA[{i}]]></Impression>{more}<VASTAdTagURI><![CDATA[{uri}]]></VASTAdTagURI></Wrapper></Ad></VAST>"""


def inline(i="http://t.test/i", s="http://t.test/s", p="http://t.test/p", more=""):
    return xml(INLINE.format(i=i, s=s, p=p, more=more))


def wrapper(uri, e="http://t.test/e?c=[ERRORCODE]", i="http://t.test/w", more=""):
    return xml(WRAPPER.format(uri=uri, e=e, i=i, more=more))


def xml(body, status=200):
    return {"status": status, "headers": [["Content-Type", "application/xml"]], "body": body}


class Ads:
    """Offers, providers and what traces of them left."""

    def __init__(self, db, pool):
        self.db, self.pool = db, pool

    def offer(self, name="preroll", kind="vast", url="http://ads.test/tag", **columns):
        names = ["offer_name", "kind", "final_url", *columns]
        return self.db.value(f"INSERT INTO offers ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) RETURNING id",
                             name, kind, url, *columns.values())

    def provider(self, name="acme", **columns):
        values = [json.dumps(v) if isinstance(v, dict) else v for v in columns.values()]
        self.db.run(f"INSERT INTO vast_providers ({', '.join(['provider', *columns])}) "
                    f"VALUES ({', '.join(['%s'] * (len(values) + 1))})", name, *values)

    def request(self, offer, url="http://ads.test/tag", country="us"):
        return self.pool.request(url, country, offer_id=offer, offer_name=self.db.value(
            "SELECT offer_name FROM offers WHERE id = %s", offer))

    def trace(self, offer, url="http://ads.test/tag", country="us"):
        """The row of a trace of the offer that ended."""
        return self.pool.ended(self.request(offer, url, country))

    def evidence(self, row):
        return json.loads(bytes(self.db.value("SELECT body FROM trace_evidence WHERE request_id = %s AND kind = 'vast' "
                                              "ORDER BY attempt DESC LIMIT 1", row["request_id"])))

    def events(self, row, event):
        return self.db.run("SELECT * FROM tracking_events WHERE request_id = %s AND event = %s ORDER BY id", row["request_id"], event)

    def views(self, row):
        return self.db.run("SELECT * FROM ad_views WHERE request_id = %s ORDER BY ad_index", row["request_id"])


@pytest.fixture
def ads(db, pool, proxies):
    db.run("UPDATE trace_policy SET cooldown_s = 0, retry_backoff_s = 0, max_retries = 0")
    pool.add(proxies(1)[0])
    return Ads(db, pool)


@pytest.fixture
def sink():
    with Sink(farm.exit_addresses(2, first=220)) as made:
        yield made


def test_a_proxy_that_refuses_our_credentials_is_to_blame_for_a_tag_too(ads, db, pool, worker):
    """Its 407 is no answer of the ad server: the trace does not end as if there had been no ad."""
    with Stage(auth=("user", "password")) as refusing:
        db.run("DELETE FROM ip_rotation_pool")
        pool.add(refusing)
        worker()
        row = ads.trace(ads.offer())
    assert (row["status"], row["error_code"]) == ("failed", "proxy_auth")
    assert pool.ip(refusing.address)["failure_count"] == 1


def test_a_click_on_an_ad_tag_becomes_a_view(site, ads, web, db):
    """The one line of the README makes the offer; a click, its trace, the tag with its redirect, the wrapper, the view."""
    db.run("INSERT INTO offers (offer_name, kind, final_url) VALUES ('preroll', 'vast', 'http://ads.test/tag?cb=[CACHEBUSTING]')")
    web.add("http://ads.test/tag", redirect("http://ads.test/wrapper"))
    web.add("http://ads.test/wrapper", wrapper("/inline"))
    web.add("http://ads.test/inline", inline())
    site.start_edge(), site.start_worker()
    status, headers, _ = site.click(offer="preroll", sub="7")
    assert status == 302 and headers["Location"].startswith("http://ads.test/tag?cb=")
    db.wait_for("SELECT status = 'completed' FROM active_trace_requests")
    row = db.one("SELECT * FROM active_trace_requests")
    hops = [(hop["url"].partition("?")[0], hop["status"], hop["via"]) for hop in row["redirect_chain"]]
    assert hops == [("http://ads.test/tag", 302, "start"), ("http://ads.test/wrapper", 200, "http_302")]
    assert "[CACHEBUSTING]" not in row["redirect_chain"][0]["url"] and "sub=7" in row["redirect_chain"][0]["url"]
    assert (row["final_url"], row["extracted_params"]["sub"]) == ("http://ads.test/wrapper", "7")
    address = row["ip_assigned"]
    assert {visit.peer for visit in web.visits()} == {address}, "tag and wrapper are hops of the trace"
    found = ads.evidence(row)
    assert (found["result"], found["codes"], [hop["url"].partition("?")[0] for hop in found["hops"]]) == \
        ("ok", [], ["http://ads.test/tag", "http://ads.test/inline"])
    view, = ads.views(row)
    assert (view["state"], view["ad_id"], view["events"], view["duration_ms"]) == ("verified", "a1", 4, 4000)
    assert [e["url"] for e in ads.events(row, "impression")] == ["http://t.test/w", "http://t.test/i"]


def test_a_provider_says_how_its_tags_are_requested(ads, web, worker):
    """Parameters, headers (to its hosts alone), macros, encoding, retries; the table's row comes with the claim."""
    ads.provider(base_url="http://ads.test/tag", params={"zone": "12", "q": "a b", "cb": "[CACHEBUSTING]", "d": "[DOMAIN]"},
                 headers={"X-Zone": "12", "Authorization": "Bearer key"}, encoding={"space": "plus"},
                 macros={"DOMAIN": "pub.test"}, retries=1)
    offer = ads.offer(vast_provider="acme")
    web.add("http://ads.test/tag", wrapper("http://ads.test/second"))
    web.add("http://ads.test/second", wrapper("http://other.test/inline?d=[DOMAIN]"))
    web.add("http://other.test/inline", inline())
    worker()
    row = ads.trace(offer, "http://ads.test/tag?zone=99&x=1")
    assert row["status"] == "completed"
    tag, second, other = web.visits()
    assert tag.url.startswith("http://ads.test/tag?zone=99&x=1&")
    added = dict(pair.split("=") for pair in tag.url.split("&")[2:])
    assert added.pop("cb").isdigit() and added == {"q": "a+b", "d": "pub.test"}
    assert [visit.headers.get("X-Zone") for visit in (tag, second, other)] == ["12", "12", None]
    assert [visit.headers.get("Authorization") for visit in (tag, second, other)] == ["Bearer key", "Bearer key", None]
    assert other.url == "http://other.test/inline?d=pub.test"
    # hosts: also others may have them
    ads.db.run("UPDATE vast_providers SET hosts = '{ads.test,.test}'")
    web.add("http://other.test/inline", xml("busy", 503))
    row = ads.trace(offer)
    assert web.visits()[-1].headers.get("X-Zone") == "12"
    assert len(web.visits("http://other.test/inline")) == 3, "one attempt, and one more after 503"
    assert ads.evidence(row)["codes"] == [301]


def test_macros_and_log_of_a_provider_hold_for_its_views(ads, web, worker, sink, db):
    """iab mode, spellings, values; what its filter keeps out of the log is tracked all the same."""
    host = next(iter(sink.ports))
    db.run("INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (%s, 'us', 'test')", host)
    ads.provider(macros={"DOMAIN": "pub.test", "IFA": None}, macro_mode="iab", macro_formats=["[]"],
                 events={"exclude": ["progress-*"]}, extras={"price": "//Extension[@type='price']/Price", "n": "count(//Tracking)"})
    offer = ads.offer(vast_provider="acme", tracking_mode="fire")
    query = "d=[DOMAIN]&i=[IFA]&u=[UNIVERSALADID]&x=${DOMAIN}"
    web.add("http://ads.test/tag", inline(*(sink.url(host, f"/ok?e={e}&{query}") for e in "isp")))
    program = worker("--tracking.mode=fire", "--tracking.poll_ms=100")
    row = ads.trace(offer)
    AdViews(db).settled()
    assert [hit.url for hit in sink.hits()] == [f"/ok?e={e}&d=pub.test&i=-2&u=-1&x=${{DOMAIN}}" for e in "isp"]
    program.wait_event("tracking.sent", tracking="start")
    assert {e["state"] for e in ads.events(row, "progress-1000")} == {"tracked"}
    assert not program.events("tracking.sent", tracking="progress-1000")
    assert program.events("tracking.sent", tracking="impression", trace=row["request_id"])
    evidence = ads.evidence(row)
    assert evidence["extras"] == {"price": ["1.25"], "n": ["2"]} and evidence["provider"] == "acme"
    view, = ads.views(row)
    assert (view["provider"], view["tracked"], view["state"], view["attempts"]) == ("acme", 3, "ended", 3)
    assert view["avg_response_ms"] >= 0 and view["first_sent_at"] <= view["last_sent_at"]
    states = db.run("SELECT is_tracked, attempts, avg_response_ms >= 0 AS is_timed, creative_id FROM tracking_event_states")
    assert {tuple(state.values()) for state in states} == {(True, 1, True, "c1")}
    for pool, count in ("billing", 1), ("tracking", 1):    # an impression on its own, then start and progress on one that is kept
        name = f'tracepool_tracking_connections_total{{pool="{pool}",what="opened"}}'
        db.wait_for("SELECT max((counters ->> %s)::bigint) = %s FROM process_heartbeats", name, count)


def test_a_section_of_the_ini_is_a_provider_too(ads, web, worker, tmp_path):
    """One that the table does not have; once it has, its row goes before."""
    ini = tmp_path / "farm.ini"
    ini.write_text("[vast_provider acme]\nparams.zone = from the ini\nheaders.X-Zone = 7\nencoding.space = plus\n"
                   "extras.price = //Price\nmacro_formats = ${}, []\n")
    offer = ads.offer(vast_provider="acme")
    web.add("http://ads.test/tag", inline())
    worker("--config", ini)
    row = ads.trace(offer)
    assert ads.evidence(row)["extras"] == {"price": ["1.25"]}
    assert (web.visits()[0].url, web.visits()[0].headers["X-Zone"]) == ("http://ads.test/tag?zone=from+the+ini", "7")
    ads.provider(params={"zone": "table"})
    ads.trace(offer)
    assert web.visits()[1].url == "http://ads.test/tag?zone=table" and "X-Zone" not in web.visits()[1].headers


@pytest.mark.parametrize("line, said", [
    ("timeout_ms = 50", "provider acme: timeout_ms 50: must be a number from 100 to 60000"),
    ("retries = often", "provider acme: retries \"often\": must be a number from 0 to 5"),
    ("headers.Host = b.test", "provider acme: headers \"Host\": must be"),
    ("colour = red", "provider acme: colour: must be a member or column"),
])
def test_a_section_that_makes_no_sense_stops_the_start(start, tmp_path, line, said):
    ini = tmp_path / "farm.ini"
    ini.write_text(f"[vast_provider acme]\n{line}\n")
    program = start("tracepool-worker", "--config", ini, DATABASE_URL="postgresql://nowhere.test/x")
    assert program.wait() == 2
    assert said in program.text() and "farm.ini:2" in program.text()


@pytest.mark.parametrize("columns, said", [
    ({"headers": {"X": "a\r\nY: secret"}}, "provider acme: headers \"X\": must be"),
    ({"extras": {"price": "//["}}, "provider acme: extras \"//[\": must be XPath"),
    ({"is_active": False}, "provider acme: is_active is false"),
    (None, "provider acme: neither in vast_providers nor a section"),
])
def test_a_provider_that_cannot_be_used_loses_nothing(ads, web, worker, columns, said):
    """The trace ends as a link's would, its document is read, the evidence says what is wrong; no wrapper, no view."""
    if columns:
        ads.provider(**columns)
    offer = ads.offer(vast_provider="acme")
    web.add("http://ads.test/tag", wrapper("http://ads.test/inline"))
    program = worker()
    row = ads.trace(offer)
    assert (row["status"], row["final_url"]) == ("completed", "http://ads.test/tag")
    evidence = ads.evidence(row)
    assert said in evidence["provider_error"] and "secret" not in json.dumps(evidence)
    assert (evidence["result"], evidence["ads"], ads.views(row)) == ("ok", [], [])
    assert [visit.url for visit in web.visits()] == ["http://ads.test/tag"]
    assert said in program.wait_event("vast.unusable")[0]["detail"].replace('\\"', '"')


def test_a_link_that_ends_in_an_ad_goes_by_the_rules_too(ads, web, worker):
    """Its chain is the tracer's; wrappers get the provider's headers where its hosts say so."""
    ads.provider(headers={"X-Zone": "12"}, hosts=["ads.test"], max_wrappers=1)
    offer = ads.offer(kind="link", url="http://go.test/", vast_provider="acme", tracer_mode="http_only")
    web.add("http://go.test/", redirect("http://ads.test/tag"))
    web.add("http://ads.test/tag", wrapper("second"))
    web.add("http://ads.test/second", wrapper("third"))
    worker()
    row = ads.trace(offer, "http://go.test/")
    assert [hop["url"] for hop in row["redirect_chain"]] == ["http://go.test/", "http://ads.test/tag"]
    assert [visit.headers.get("X-Zone") for visit in web.visits()] == [None, None, "12"]
    assert ads.evidence(row)["codes"] == [302]


def test_answers_are_used_again_where_the_offer_allows_it(ads, web, worker, db, pool, proxies):
    """Whichever proxy fetched them; not for another offer, another country, or an offer that does not allow it."""
    pool.add(proxies(1)[0])
    pool.add(proxies(1)[0], country="de")
    web.add("http://ads.test/tag", wrapper("/inline?cb=[CACHEBUSTING]&t=[TIMESTAMP]"))
    web.add("http://ads.test/inline", inline())
    cached, other, plain = (ads.offer(name, url="http://ads.test/tag?cb=[CACHEBUSTING]", vast_cache=name != "plain")
                            for name in ("cached", "other", "plain"))
    worker(children=1)
    url = "http://ads.test/tag?cb=[CACHEBUSTING]"

    def visits():
        return len(web.visits("http://ads.test/tag")), len(web.visits("http://ads.test/inline"))

    rows = [ads.trace(cached, url) for _ in range(4)]
    assert visits() == (1, 1)
    assert len({row["ip_assigned"] for row in rows}) == 2
    assert all(len(ads.views(row)) == 1 for row in rows), "each trace has its own view"
    assert all(row["status"] == "completed" and row["final_url"].startswith("http://ads.test/tag?cb=") for row in rows)
    assert "cache" in rows[1]["redirect_chain"][0]["notes"][0]
    ads.trace(other, url)
    assert visits() == (2, 2)
    ads.trace(cached, url, country="de")
    assert visits() == (3, 3)
    ads.trace(plain, url), ads.trace(plain, url)
    assert visits() == (5, 5)


def test_an_answer_is_kept_for_its_time_only(ads, web, worker):
    ads.provider("short", cache_ttl_s=1)
    ads.provider("never", cache_ttl_s=0)
    web.add("http://ads.test/tag", inline())
    short, never = (ads.offer(name, vast_provider=name, vast_cache=True) for name in ("short", "never"))
    worker()
    ads.trace(never), ads.trace(never)
    assert len(web.visits()) == 2
    ads.trace(short)
    farm.wait_for(lambda: ads.trace(short) and len(web.visits()) == 4, "the answer to grow old")


def test_an_ad_server_has_a_cap_of_its_own(ads, web, worker, db, pool):
    """One a minute: the next trace waits in vain, ends as ad_rate, and is tried again like any other."""
    db.run("UPDATE trace_policy SET max_retries = 1, retry_backoff_s = 3600")
    ads.provider(requests_per_minute=1)
    offer, free = ads.offer(vast_provider="acme"), ads.offer("free")
    web.add("http://ads.test/tag", inline())
    worker("--trace.timeout_s=2")
    assert ads.trace(offer)["status"] == "completed"
    late = ads.request(offer)
    db.wait_for("SELECT retry_count = 1 FROM active_trace_requests WHERE request_id = %s", late)
    assert "ad_rate" in db.value("SELECT error FROM trace_attempts WHERE request_id = %s", late)
    assert len(web.visits()) == 1, "not a request more"
    assert ads.trace(free)["status"] == "completed", "others have their own"
    assert pool.ip(db.value("SELECT ip_address FROM ip_rotation_pool"))["is_healthy"]


@pytest.mark.parametrize("answer, code", [
    (xml("busy", 503), 301), (xml("<html/>"), 101), (xml("<VAST"), 100), (xml("<VideoAdServingTemplate/>"), 102),
    (xml('<VAST version="4.2"/>'), 303), (wrapper(""), 300), (wrapper("/w"), 302),
    (inline(more="<Category authority='iab'>IAB25</Category>"), 205),
])
def test_whom_a_lost_ad_is_told(ads, web, worker, sink, answer, code, db):
    """The Error URLs of its wrappers get its code, through the same gate: recorded by verify, fired to listed hosts."""
    listed, other = sink.ports
    db.run("INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (%s, 'us', 'test')", listed)
    error = sink.url(listed, "/ok?c=[ERRORCODE]") + "]]></Error><Error><![CDATA[" + sink.url(other, "/ok?c=[ERRORCODE]")
    web.add("http://ads.test/tag", wrapper("/w", e=error, more="<BlockedAdCategories>IAB25</BlockedAdCategories>"))
    web.add("http://ads.test/w", answer)
    verify, fire = ads.offer("verify"), ads.offer("fire", tracking_mode="fire")
    worker("--tracking.mode=fire", "--tracking.poll_ms=100")
    row = ads.trace(verify)
    assert ads.evidence(row)["codes"] == [code]
    told = ads.events(row, "error")
    assert [e["url"] for e in told][:2] == [sink.url(host, f"/ok?c={code}") for host in (listed, other)]
    assert {(e["state"], e["reason"].partition(":")[0]) for e in told} == {("skipped", "verify")}
    assert not sink.hits()
    lost = ads.views(row)[-1]
    assert (lost["state"], lost["error_code"], lost["ad_id"]) == ("error", code, lost["ad_id"])
    row = ads.trace(fire)
    AdViews(db).settled()
    assert [hit.url for hit in sink.hits(host=listed)] == [f"/ok?c={code}"] * len(sink.hits(host=listed))
    assert {e["state"] for e in ads.events(row, "error") if e["host"] == listed} == {"tracked"}
    assert {e["state"] for e in ads.events(row, "error") if e["host"] == other} == {"blocked"}
    assert sink.connections[other] == 0


def test_relative_trackers_are_the_documents_own(ads, web, worker):
    """As a browser's player would resolve them: against the URL of the document that they came in."""
    web.add("http://ads.test/x/tag", wrapper("//cdn.test/y/inline?q=/", i="/w?[CACHEBUSTING]", e="e?[ERRORCODE]"))
    web.add("http://cdn.test/y/inline", inline(i="../i?c=[DOMAIN]", s="//t.test/s", p="?p"))
    offer = ads.offer(url="http://ads.test/x/tag")
    worker()
    row = ads.trace(offer, "http://ads.test/x/tag")
    urls = {event: [e["url"] for e in ads.events(row, event)] for event in ("impression", "start", "progress-1000", "error")}
    assert urls["impression"][0].startswith("http://ads.test/w?") and urls["impression"][1] == "http://cdn.test/i?c=[DOMAIN]"
    assert (urls["start"], urls["progress-1000"]) == (["http://t.test/s"], ["http://cdn.test/y/inline?p"])
    assert urls["error"] == ["http://ads.test/x/e?[ERRORCODE]"]
    assert {e["host"] for e in ads.events(row, "impression")} == {"ads.test", "cdn.test"}


def test_a_tag_that_does_not_answer_is_a_failed_trace(ads, web, worker, db):
    """Refused, or too slow for its provider: the trace says so, and whoever is to blame is blamed."""
    ads.provider(timeout_ms=300)
    web.add("http://ads.test/tag", inline(), held=True)
    offer, wrong = ads.offer(vast_provider="acme"), ads.offer("wrong", url="http://127.0.0.1:1/")
    program = worker()
    row = ads.trace(offer)
    assert (row["status"], row["error_message"].partition(":")[0]) == ("timeout", "target_timeout")
    web.release("http://ads.test/tag")
    row = ads.trace(wrong, "nothing")
    assert (row["status"], row["error_message"].partition(":")[0]) == ("failed", "bad_url")
    assert ads.trace(offer)["status"] == "completed"
    assert program.is_running()


def test_a_schema_is_asked_where_there_is_one(ads, web, worker, tmp_path):
    """vast.xsd_dir: what it says is advice beside the other findings."""
    (tmp_path / "vast_4.2.xsd").write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="VAST">'
                                           '<xs:complexType/></xs:element></xs:schema>')
    offer = ads.offer()
    web.add("http://ads.test/tag", inline())
    worker(f"--vast.xsd_dir={tmp_path}")
    found = {f["rule"]: f["severity"] for f in ads.evidence(ads.trace(offer))["lint"]}
    assert found["xsd"] == "note"


def test_settings_limit_what_is_fetched(ads, web, worker):
    """vast.max_wrappers, max_redirects and body_max_bytes, each with the code that the error list has for it."""
    offer = ads.offer()
    web.add("http://ads.test/tag", wrapper("/a"))
    web.add("http://ads.test/a", wrapper("/b"))
    web.add("http://ads.test/b", inline())
    web.add("http://ads.test/big", wrapper("/huge"))
    web.add("http://ads.test/huge", inline(more=" " * 20000))
    web.add("http://ads.test/moved", wrapper("/from"))
    web.add("http://ads.test/from", redirect("/to"))
    web.add("http://ads.test/to", redirect("/b"))
    worker("--vast.max_wrappers=1", "--vast.max_redirects=1", "--vast.body_max_bytes=10000")
    codes = {url: ads.evidence(ads.trace(offer, f"http://ads.test/{url}")) for url in ("tag", "big", "moved", "b")}
    assert {url: found["codes"] for url, found in codes.items()} == {"tag": [302], "big": [301], "moved": [301], "b": []}
    assert "10000 bytes" in codes["big"]["errors"][0]["problem"] and "1 redirects" in codes["moved"]["errors"][0]["problem"]
