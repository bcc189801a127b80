"""Edge, worker and monitor together, for tests of the whole: start them, click, and hold them to their promise.

Fixtures: site (the programs on a database and a web of two hops), own_server and own_db (a PostgreSQL that the test
may stop).
"""
import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

import farm
from cluster import Cluster
from stage import PAGE, redirect

TOKEN = "a-token-of-this-test-only"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


ASK = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def ask(url, body=None, opener=ASK, **headers):
    """(status, headers, body) of a GET, or of a POST with that body; redirects are not followed."""
    request = urllib.request.Request(url, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


class Site:
    """The three programs on one database, and the clicks that were answered with a redirect."""

    def __init__(self, start, worker, db, folder):
        self.start, self.start_worker, self.db, self.folder = start, worker, db, folder
        self.edge_port, self.admin_port = farm.free_port(), farm.free_port()
        self.acknowledged = []

    def start_edge(self):
        self.edge = self.start("tracepool-edge", f"--edge.listen=127.0.0.1:{self.edge_port}",
                               f"--edge.admin_listen=127.0.0.1:{self.admin_port}",
                               f"--edge.spool_dir={self.folder}/spool", ready="edge.listening",
                               DATABASE_URL=self.db.url_as("tracepool_edge"))
        return self.edge

    def start_monitor(self, *more):
        token = self.folder / "token"
        token.write_text(TOKEN + "\n")
        self.monitor = self.start("tracepool-monitor", "--api.listen=127.0.0.1:0", f"--api.token_file={token}",
                                  "--monitor.interval_s=1", *more, ready="monitor.ready",
                                  DATABASE_URL=self.db.url_as("tracepool_monitor"))
        self.api = f"http://127.0.0.1:{self.monitor.events('monitor.ready')[0]['port']}/functions/v1/"
        return self.monitor

    def offers_are_loaded(self, count):
        def loaded():
            return json.loads(ask(f"http://127.0.0.1:{self.admin_port}/readyz")[2])["offers"] == count
        farm.wait_for(loaded, f"{count} offers in the edge's memory")

    def click(self, offer="shop", **parameters):
        """Answer of one click; those answered 302 are remembered by their parameter n."""
        query = urllib.parse.urlencode({"offer": offer, **parameters})
        status, headers, body = ask(f"http://127.0.0.1:{self.edge_port}/functions/v1/track-hit-instant?{query}")
        if status == 302 and "n" in parameters:
            self.acknowledged.append(str(parameters["n"]))
        return status, headers, body

    def every_click_is_one_ended_row(self):
        """The promise: what was answered 302 is exactly one row, ends, and leaves no IP locked."""
        self.db.wait_for("SELECT count(DISTINCT inbound_params ->> 'n') = cardinality(%s) FROM active_trace_requests "
                         "WHERE inbound_params ->> 'n' = ANY (%s)", self.acknowledged, self.acknowledged, timeout=60)
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM active_trace_requests WHERE status IN ('pending', 'processing')) "
                         "AND NOT EXISTS (SELECT FROM ip_rotation_pool WHERE status = 'locked')", timeout=120)
        rows = self.db.run("SELECT inbound_params ->> 'n' AS n, count(*) AS rows FROM active_trace_requests GROUP BY 1")
        counts = {r["n"]: r["rows"] for r in rows}
        assert {n: counts.get(n) for n in self.acknowledged} == {n: 1 for n in self.acknowledged}
        return self.db.run("SELECT * FROM active_trace_requests")


@contextlib.contextmanager
def clicking(site, pause_s=0.01):
    """Clicks without end from another thread; a refused connection is no answer, so nothing is owed."""
    others = []

    def run(done):
        n = 0
        while not done.wait(pause_s):
            n += 1
            try:
                status = site.click(n=n)[0]
            except OSError:
                continue
            if status != 302:
                others.append(status)

    with farm.meanwhile(run):
        yield others


@pytest.fixture
def own_server():
    with Cluster() as server:
        server.migrate()
        yield server


@pytest.fixture
def own_db(own_server):
    database = farm.Database(own_server.url())
    database.url_as = lambda user: own_server.url(user=user)
    yield database
    database.close()


@pytest.fixture
def site(db, start, worker, tmp_path, web):  # db first: it outlives the programs
    web.add("http://go.test/", redirect("http://shop.test/?order=7"))
    web.add("http://shop.test/", PAGE)
    db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'http://go.test/?sub={sub}')")
    return Site(start, worker, db, tmp_path)
