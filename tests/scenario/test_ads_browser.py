"""A browser's trace that ends in an ad: wrappers are followed and the view is planned as after an HTTP trace, from the answer
that the browser got; nothing is fetched twice."""
import json

import pytest

from adviews import AdViews
from stage import PAGE
from test_gate import TRACKERS, WRAPPER, xml

TYPES = ["application/xml; charset=utf-8", "text/xml", "text/plain", "text/html"]


@pytest.fixture
def traced(db, worker, pool, proxies, web):
    """Traces pages of an offer of ads; tells the row, what was found of an ad (None: nothing), and the events planned."""
    ads = AdViews(db)
    ads.offer("verify")
    worker()

    def trace(url, mode):
        pool.add(proxies(1)[0])
        request = pool.request(url, offer_id=ads.offer_id, options={"mode": mode})
        row = pool.ended(request)
        pool.nothing_held()
        found = db.value("SELECT convert_from(body, 'UTF8') FROM trace_evidence WHERE request_id = %s AND kind = 'vast'", request)
        return row, found and json.loads(found), [event["event"] for event in ads.rows(request)]

    return trace


def leads_to(web, body, content_type="application/xml"):
    """A page that goes to the ad by script, so that HTTP alone finds none."""
    web.add("http://go.test/", {**PAGE, "body": "<!doctype html><script>location = 'http://ads.test/tag'</script>"})
    web.add("http://ads.test/tag", xml(body, content_type))
    return "http://go.test/"


@pytest.mark.parametrize("mode", ["browser", "auto"])
def test_an_ad_behind_a_script_is_planned(traced, web, mode):
    url = leads_to(web, WRAPPER.format(u="http://sink.test/?e="))
    web.add("http://ads.test/inline", xml(TRACKERS.format(u="http://sink.test/?e=")))
    row, found, events = traced(url, mode)
    assert (row["status"], row["tracer_mode_used"], row["final_url"]) == ("completed", "browser", "http://ads.test/tag")
    assert [hop["via"] for hop in row["redirect_chain"]] == ["start", "js_location"]
    assert {"impression", "start", "complete"} <= set(events) and events.count("impression") == 2
    assert found and "error" not in found
    assert [len(web.visits(f"http://ads.test/{name}")) for name in ("tag", "inline")] == [1, 1]
    assert web.visits("http://sink.test/") == []


@pytest.mark.parametrize("content_type", TYPES)
def test_an_ad_is_known_by_whatever_name_it_is_served(traced, web, content_type):
    _, _, events = traced(leads_to(web, TRACKERS.format(u="http://sink.test/?e="), content_type), "browser")
    assert "impression" in events and len(web.visits("http://ads.test/tag")) == 1


@pytest.mark.parametrize("encoding", ["windows-1251", "utf-16"])
def test_its_text_is_read_in_its_encoding(traced, web, encoding):
    body = f'<?xml version="1.0" encoding="{encoding}"?>\n' + TRACKERS.format(u="http://sink.test/?e=").replace("<AdTitle>t<", "<AdTitle>Мир<")
    url = leads_to(web, "")
    web.add("http://ads.test/tag", {"status": 200, "headers": [["Content-Type", "application/xml"]], "bytes": body.encode(encoding)})
    _, found, _ = traced(url, "browser")
    assert "Мир" in json.dumps(found, ensure_ascii=False)


NO_ADS = {"other-xml": ("<feed><entry/></feed>", "application/xml"), "page": ("<!doctype html><p>shop", "text/html"),
          "too-large": (f"{TRACKERS}<!--{'x' * (3 << 20)}-->", "application/xml")}


@pytest.mark.parametrize("body, content_type", NO_ADS.values(), ids=NO_ADS)
def test_what_is_no_ad_or_too_large_is_a_page_as_ever(traced, web, body, content_type):
    row, found, events = traced(leads_to(web, body, content_type), "browser")
    assert (row["status"], row["final_url"]) == ("completed", "http://ads.test/tag")
    assert (found, events) == (None, [])
