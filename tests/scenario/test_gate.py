"""The gate: tracking requests reach hosts with an entry, and no byte of one reaches any other.

Each host is a loopback address; three listen, one of which has an entry. What a host without one sees is counted in
connections and bytes, not only in requests.
"""
import json

import farm
import pytest
from adviews import AdViews
from sink import Sink
from stage import redirect

TRACKERS = """<VAST version="4.2"><Ad id="a1"><InLine><AdSystem>t</AdSystem><AdTitle>t</AdTitle>
<Error><![CDATA[{u}error]]></Error><Impression><![CDATA[{u}impression]]></Impression>
<ViewableImpression><Viewable><![CDATA[{u}viewable]]></Viewable><NotViewable><![CDATA[{u}notViewable]]></NotViewable>
<ViewUndetermined><![CDATA[{u}viewUndetermined]]></ViewUndetermined></ViewableImpression>
<AdVerifications><Verification vendor="v"><JavaScriptResource><![CDATA[http://v.test/v.js]]></JavaScriptResource>
<TrackingEvents><Tracking event="verificationNotExecuted"><![CDATA[{u}verification]]></Tracking></TrackingEvents>
</Verification></AdVerifications>
<Creatives><Creative id="c1"><Linear><Duration>00:00:01</Duration><TrackingEvents>
<Tracking event="start"><![CDATA[{u}start]]></Tracking><Tracking event="creativeView"><![CDATA[{u}creativeView]]></Tracking>
<Tracking event="firstQuartile"><![CDATA[{u}firstQuartile]]></Tracking><Tracking event="midpoint"><![CDATA[{u}midpoint]]></Tracking>
<Tracking event="thirdQuartile"><![CDATA[{u}thirdQuartile]]></Tracking><Tracking event="complete"><![CDATA[{u}complete]]></Tracking>
<Tracking event="progress" offset="00:00:00.600"><![CDATA[{u}progress]]></Tracking><Tracking event="pause"><![CDATA[{u}pause]]></Tracking>
</TrackingEvents><VideoClicks><ClickTracking><![CDATA[{u}click]]></ClickTracking><CustomClick><![CDATA[{u}customClick]]></CustomClick>
</VideoClicks><MediaFiles><MediaFile delivery="progressive" type="video/mp4" width="1" height="1"><![CDATA[http://m.test/m.mp4]]></MediaFile>
</MediaFiles><Icons><Icon program="p"><IconClicks><IconClickTracking><![CDATA[{u}iconClick]]></IconClickTracking></IconClicks>
<IconViewTracking><![CDATA[{u}iconView]]></IconViewTracking></Icon></Icons></Linear></Creative>
<Creative><CompanionAds><Companion width="1" height="1"><StaticResource><![CDATA[http://m.test/c.png]]></StaticResource>
<TrackingEvents><Tracking event="creativeView"><![CDATA[{u}companion]]></Tracking></TrackingEvents>
<CompanionClickTracking><![CDATA[{u}companionClick]]></CompanionClickTracking></Companion></CompanionAds></Creative>
</Creatives></InLine></Ad></VAST>"""
WRAPPER = """<VAST version="4.2"><Ad id="w1"><Wrapper><AdSystem>w</AdSystem><Impression><![CDATA[{u}wrapper-impression]]></Impression>
<VASTAdTagURI><![CDATA[http://ads.test/inline]]></VASTAdTagURI><Creatives><Creative><Linear><TrackingEvents>
<Tracking event="start"><![CDATA[{u}wrapper-start]]></Tracking></TrackingEvents></Linear></Creative></Creatives></Wrapper></Ad></VAST>"""
ON_REQUEST = ("click", "customClick", "pause", "error", "viewable", "notViewable", "viewUndetermined", "icon-click", "icon-view",
              "verificationNotExecuted", "companion-creativeView", "companion-click")
FIRE = ("--tracking.mode=fire", "--tracking.poll_ms=100", "--tracking.host_rate=1000", "--tracking.timeout_ms=2000")


def xml(body, content_type="application/xml"):
    return {"status": 200, "headers": [["Content-Type", content_type]], "body": body}


@pytest.fixture
def ads(db):
    return AdViews(db)


@pytest.fixture
def sink():
    with Sink(farm.exit_addresses(3, first=210)) as made:
        yield made


def untouched(sink, *hosts):
    """Not a connection, not a byte."""
    return all(sink.connections[host] == 0 and sink.bytes[host] == 0 for host in hosts)


def ad_trace(pool, proxies, web, ads, url):
    """A trace of the offer that ended; its request."""
    pool.add(proxies(1)[0])
    request = pool.request(url, offer_id=ads.offer_id, options={"mode": "http_only"})
    assert pool.ended(request)["status"] == "completed"
    return request


@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "text/html"])
def test_every_kind_of_tracker(ads, sink, pool, proxies, web, worker, content_type):
    """A document whose trackers all have one URL at a host with an entry and one at a host without."""
    listed, other, _ = sink.ports
    ads.offer()
    ads.allow(listed)
    both = TRACKERS.format(u=sink.url(listed, "/ok?e=")) \
        .replace("<Tracking event=\"start\">", f"<Tracking event=\"start\"><![CDATA[{sink.url(other, '/ok?e=start')}]]></Tracking>"
                 "<Tracking event=\"start\">") \
        .replace("<Impression>", f"<Impression><![CDATA[{sink.url(other, '/ok?e=impression')}]]></Impression><Impression>", 1)
    web.add("http://go.test/", redirect("http://ads.test/vast"))
    web.add("http://ads.test/vast", xml(both, content_type))
    worker(*FIRE)
    request = ad_trace(pool, proxies, web, ads, "http://go.test/")
    ads.settled()
    for event in ON_REQUEST:
        assert ads.db.value("SELECT track_event(%s, %s)", request, event) >= 1, event
    ads.settled()
    states = [(row["event"], row["state"]) for row in ads.rows(request) if row["host"] == listed]
    assert len(states) == 20 and {state for _, state in states} == {"tracked"}
    blocked = ads.db.run("SELECT event, state, reason FROM tracking_events WHERE request_id = %s AND host = %s ORDER BY id", request, other)
    assert [row["event"] for row in blocked] == ["impression", "start"]
    assert all(row["state"] == "blocked" and "tracking_allowed_hosts" in row["reason"] for row in blocked)
    assert len(sink.hits()) == 20
    assert untouched(sink, other)


def test_no_tracker_of_a_host_without_an_entry(ads, sink, pool, proxies, web, worker):
    """The same document at that host alone: nothing leaves, and what depends on the impression is skipped."""
    listed, other, _ = sink.ports
    ads.offer()
    ads.allow(listed)
    web.add("http://ads.test/vast", xml(TRACKERS.format(u=sink.url(other, "/ok?e="))))
    worker(*FIRE)
    request = ad_trace(pool, proxies, web, ads, "http://ads.test/vast")
    ads.settled()
    for event in ON_REQUEST:
        ads.db.value("SELECT track_event(%s, %s)", request, event)
    ads.settled()
    assert {row["state"] for row in ads.rows(request)} == {"blocked", "skipped"}
    assert untouched(sink, *sink.ports)


def test_trackers_of_wrappers(ads, sink, pool, proxies, web, worker):
    listed, other, _ = sink.ports
    ads.offer()
    ads.allow(listed)
    web.add("http://ads.test/wrapper", xml(WRAPPER.format(u=sink.url(other, "/ok?e="))))
    web.add("http://ads.test/inline", xml(TRACKERS.format(u=sink.url(listed, "/ok?e="))))
    worker(*FIRE)
    request = ad_trace(pool, proxies, web, ads, "http://ads.test/wrapper")
    ads.settled()
    assert len(sink.hits("impression", listed)) == 1 and len(sink.hits("start", listed)) == 1
    blocked = ads.db.run("SELECT url FROM tracking_events WHERE request_id = %s AND state = 'blocked'", request)
    assert sorted(row["url"].partition("e=")[2] for row in blocked) == ["wrapper-impression", "wrapper-start"]
    assert untouched(sink, other)


def test_redirects_of_trackers(ads, sink, worker):
    """From a listed host to itself and on to others: only the last step, to a host without an entry, is not taken."""
    listed, other, third = sink.ports
    ads.offer()
    ads.allow(listed, third)
    away = sink.url(other, "/ok?away")
    hops = {"impression": sink.url(listed, f"/to?u={away}"),
            "start": sink.url(third, f"/to?u={sink.url(listed, '/ok?fine')}"),
            "firstQuartile": sink.url(third, f"/to?u={sink.url(listed, '/to?u=' + away)}"),
            "midpoint": sink.url(listed, "/to?u=ftp://127.0.0.1/"),
            "complete": sink.url(listed, "/to?u=//%s:%d/ok" % (other, sink.ports[other]))}
    view = ads.plan([("impression", 0, sink.url(listed, "/ok")), ("impression", 0, hops["impression"])]
                    + [(event, 0, hops[event]) for event in ("start", "firstQuartile", "midpoint", "complete")])
    worker(*FIRE)
    ads.settled()
    assert ads.state(view) == {"impression": "blocked", "start": "tracked", "firstQuartile": "blocked", "midpoint": "blocked",
                               "complete": "blocked"}   # of two impressions the second
    assert len(sink.hits("/ok?fine", listed)) == 1
    assert untouched(sink, other)


def test_spellings_of_hosts(ads, sink, worker):
    """Entries and URLs meet where a browser would connect, whatever both look like."""
    listed, other, _ = sink.ports
    port, number = sink.ports[listed], sum(int(part) << shift for part, shift in zip(listed.split("."), (24, 16, 8, 0)))
    ads.offer()
    ads.allow(listed, "." + other.split(".", 1)[1], ".example.net")     # a suffix is for names, not for addresses
    good = ads.plan([("impression", 0, f"http://{number}:{port}/ok?number"), ("start", 0, f"HTTP://{listed}.:{port}/ok?dot"),
                     ("complete", 0, f"http:\\\\{listed}:{port}\\ok?slashes")])
    bad = [ads.plan([("impression", 0, url)]) for url in
           (sink.url(other, "/ok"), f"http://{listed}:1@{other}:{sink.ports[other]}/ok", f"http://{listed}\\@{other}/ok",
            f"http://[HOST]:{sink.ports[other]}/ok", "http://example.net/", "http://notexample.net/", f"ftp://{listed}/", "/relative")]
    ads.db.run("UPDATE tracking_events SET macros = %s WHERE url_template LIKE '%%[HOST]%%'", json.dumps({"HOST": other}))
    worker(*FIRE)
    ads.settled()
    assert set(ads.state(good).values()) == {"tracked"}
    assert [hit.url for hit in sink.hits("?")] == ["/ok?number", "/ok?dot", "/ok?slashes"]
    states = [ads.state(view)["impression"] for view in bad]
    assert states[:2] + states[3:] == ["blocked"] * 7
    assert untouched(sink, other)


@pytest.mark.parametrize("setting, offer", [("verify", "fire"), ("fire", "verify"), ("off", "fire"), ("fire", "off")])
def test_nothing_is_sent_unless_all_agree(ads, sink, pool, proxies, web, worker, setting, offer):
    """Setting and offer: one of them below fire, and no tracker is called, although its host has an entry."""
    listed, *_ = sink.ports
    ads.offer(offer)
    ads.allow(listed)
    web.add("http://ads.test/vast", xml(TRACKERS.format(u=sink.url(listed, "/ok?e="))))
    worker(*FIRE, f"--tracking.mode={setting}")
    request = ad_trace(pool, proxies, web, ads, "http://ads.test/vast")
    for event in ON_REQUEST:
        ads.db.value("SELECT track_event(%s, %s)", request, event)
    ads.settled()
    rows = ads.rows(request)
    assert untouched(sink, *sink.ports)
    assert ads.db.value("SELECT count(*) FROM trace_evidence WHERE request_id = %s AND kind = 'vast'", request) == 1
    if "off" in (setting, offer):
        assert rows == []
    else:   # everything is expanded and recorded all the same
        assert {row["state"] for row in rows} == {"skipped"} and {row["reason"] for row in rows} == {"verify"}
        assert all(row["url"].startswith("http://") and row["host"] == listed for row in rows)


def test_an_offer_that_changes_its_mind(ads, sink, worker):
    """Planned to fire, then taken back before the worker came: nothing is sent. An entry that ended counts no more."""
    listed, other, _ = sink.ports
    ads.offer()
    ads.allow(listed, other)
    ended = ads.plan([("impression", 0, sink.url(other, "/ok"))])
    ads.db.run("UPDATE tracking_allowed_hosts SET expires_at = now() - interval '1 s' WHERE host = %s", other)
    first = ads.offer_id
    ads.offer()
    taken_back = ads.plan([("impression", 0, sink.url(listed, "/ok"))])
    ads.db.run("UPDATE offers SET tracking_mode = 'verify' WHERE id <> %s", first)
    worker(*FIRE)
    ads.settled()
    assert ads.state(ended) == ads.state(taken_back) == {"impression": "blocked"}
    assert untouched(sink, *sink.ports)
