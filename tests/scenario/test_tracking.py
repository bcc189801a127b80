"""The sender at work: one view, retries, connections, the kill switch, what is on request."""
import time

import farm
import pytest
from adviews import AdViews
from sink import Sink


@pytest.fixture
def ads(db):
    return AdViews(db)


@pytest.fixture
def sink():
    with Sink(farm.exit_addresses(3, first=200)) as made:
        yield made


@pytest.fixture
def firing(worker):
    """A worker that fires, quick to look and to give up."""
    def start(*args, **more):
        return worker("--tracking.mode=fire", "--tracking.poll_ms=100", "--tracking.timeout_ms=1000", "--tracking.host_rate=1000",
                      *args, **more)
    return start


def hosts(sink):
    return list(sink.ports)


def counter(program_db, name):
    """A counter of the farm, from its heartbeat."""
    value = program_db.value("SELECT max((counters ->> %s)::bigint) FROM process_heartbeats", name)
    return value or 0


def test_one_view_goes_out_in_order(ads, sink, firing):
    host = hosts(sink)[0]
    ads.offer()
    ads.allow(host)
    view = ads.plan([("impression", 0, sink.url(host, "/ok?e=impression&cb=[CACHEBUSTING]")),
                     ("start", 0, sink.url(host, "/ok?e=start&s=[SERVERSIDE]")),
                     ("creativeView", 0, sink.url(host, "/ok?e=creativeView")),
                     ("firstQuartile", 300, sink.url(host, "/ok?e=q1")),
                     ("complete", 600, sink.url(host, "/ok?e=complete")),
                     ("click", None, sink.url(host, "/ok?e=click"))])
    program = firing()
    ads.settled()
    names = [hit.url.split("e=")[1].split("&")[0] for hit in sink.hits()]
    assert names == ["impression", "start", "creativeView", "q1", "complete"]   # and no click
    assert ads.state(view) == {"impression": "tracked", "start": "tracked", "creativeView": "tracked", "firstQuartile": "tracked",
                               "complete": "tracked", "click": "pending"}
    assert "s=2" in sink.hits("e=start")[0].url
    assert "[" not in sink.hits("e=impression")[0].url
    times = {name: hit.at for name, hit in zip(names, sink.hits())}
    assert times["complete"] - times["impression"] > 0.5    # as the creative plays, not at once
    for hit in sink.hits():
        assert hit.headers["user-agent"].startswith("tracepool/") and "automated" in hit.headers["user-agent"]
        assert not [name for name in hit.headers if name.startswith("x-") or name in ("forwarded", "cookie", "referer")]
    line = program.wait_event("tracking.sent", tracking="complete")[0]
    assert (line["state"], line["host"], line["creative"], line["trace"]) == ("tracked", host, "c1", view)
    assert int(line["ms"]) >= 0
