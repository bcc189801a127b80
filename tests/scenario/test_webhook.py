"""Alerts reach their receiver: repeated until they are taken, signed, in order, and none twice without its id.

Delivery is at least once: a monitor that dies between the receiver's 200 and its own note posts the message again, with
the same X-Tracepool-Delivery. A receiver that looks at that id takes each transition exactly once.
"""
import hashlib
import hmac
import http.server
import json
import ssl
import threading

import pytest

import farm
import monitors
import tls
from monitors import TOKEN, add_requests, monitor, verb, wait_for_looks  # noqa: F401  (monitor is a fixture)

SECRET = "a-shared-secret"
FIRING = "SELECT count(*) = 1 FROM alerts WHERE rule = 'queue_depth' AND state = 'firing'"


class Receiver(http.server.ThreadingHTTPServer):
    """A real HTTP server. answers: statuses of its first answers ("hang": none at all), 200 afterwards."""

    daemon_threads = True

    def __init__(self, answers=(), certificate=None, headers=()):
        self.answers = list(answers)
        self.headers = dict(headers)
        self.posts = []   # (status that was answered, headers, body as bytes)
        self.lock = threading.Lock()
        self.ends = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Somebody who does not like our certificate is no news."""

    @property
    def url(self):
        host = "127.0.0.1" if self.scheme == "http" else "localhost"
        return f"{self.scheme}://{host}:{self.server_port}/hooks/secret-path"

    def wait_for(self, count):
        farm.wait_for(lambda: len(self.posts) >= count, f"{count} posts")
        return self.posts

    def bodies(self, status=200):
        return [json.loads(body) for answered, _, body in self.posts if answered == status]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.server.posts.append((status, self.headers, body))
        if status == "hang":
            self.server.ends.wait()
            return
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    made = []

    def make(*answers, **options):
        made.append(Receiver(answers, **options))
        return made[-1]

    yield make
    for server in made:
        server.ends.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def told(monitor):
    """told(receiver..., options...): a monitor that posts to them, quick to repeat and to resolve."""

    def start(*receivers, more=(), secret=SECRET, **environment):
        return monitor("--alerts.webhook_retry_s=1", "--alerts.keep_s=0", *more, ready="database.up",
                       TRACEPOOL_ALERTS_WEBHOOK_URL=" ".join(r.url for r in receivers), TRACEPOOL_ALERTS_WEBHOOK_SECRET=secret, **environment)

    return start


def hurry(db):
    """Repetitions are due now."""
    db.run("UPDATE alert_notices SET next_attempt_at = now() WHERE delivered_at IS NULL AND claimed_until IS NULL")


def of_queue(bodies):
    return [b for b in bodies if b["rule"] == "queue_depth"]


def only_queue(db):
    """The rules about workers and IPs are not what these tests are about."""
    db.run("SELECT silence_alert(rule, now() + interval '1 hour', 'test') FROM unnest('{workers,no_free_ip}'::text[]) AS rule")


def test_refused_twice_then_taken_and_signed(db, told, receiver):
    only_queue(db)
    hooks = receiver(500, 503)
    api = told(hooks)
    add_requests(db, 21)
    for count in (1, 2, 3):
        hooks.wait_for(count)
        db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE claimed_until IS NULL AND attempts = %s", count)
        hurry(db)
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE delivered_at IS NOT NULL")
    assert [status for status, _, _ in hooks.posts] == [500, 503, 200]
    assert len({headers["X-Tracepool-Delivery"] for _, headers, _ in hooks.posts}) == 1
    for _, headers, body in hooks.posts:
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Tracepool-Signature"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    said = hooks.bodies()[0]
    assert said["state"] == "firing" and said["rule"] == "queue_depth" and said["severity"] == "warning"
    assert said["value"] == 21 and said["threshold"] == 20 and said["attempt"] == 3 and said["source"] == "tracepool"
    assert said["message"].startswith("Queue depth is 21") and said["advice"] and said["fired_at"]
    assert api.program.events("alert.notice_refused")[0]["error"] == "the receiver answered 500"
    assert SECRET not in api.program.text() and "secret-path" not in api.program.text()
    assert db.value("SELECT count(*) FROM alert_notices WHERE last_error LIKE '%%secret%%'") == 0
    db.run("DELETE FROM active_trace_requests")
    hooks.wait_for(4)
    assert [b["state"] for b in hooks.bodies()] == ["firing", "resolved"]
    assert len({b["incident"] for b in hooks.bodies()}) == 1 and len({b["id"] for b in hooks.bodies()}) == 2
    text = api.call("GET", "/metrics")[2]
    assert '\ntracepool_alert_notices_total{result="refused"} 2\n' in text


def test_monitor_killed_in_between_loses_nothing(db, told, receiver):
    only_queue(db)
    hooks = receiver("hang")
    first = told(hooks)
    add_requests(db, 21)
    hooks.wait_for(1)
    first.program.process.kill()
    first.program.wait()
    told(hooks)
    wait_for_looks(db)
    assert len(hooks.posts) == 1, "the dead monitor's lease still holds"
    db.run("UPDATE alert_notices SET claimed_until = now()")
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE delivered_at IS NOT NULL")
    wait_for_looks(db)
    assert [status for status, _, _ in hooks.posts] == ["hang", 200], "accepted once"
    assert hooks.posts[0][1]["X-Tracepool-Delivery"] == hooks.posts[1][1]["X-Tracepool-Delivery"]


def test_a_receiver_that_never_answers_is_given_up_in_time(db, told, receiver):
    only_queue(db)
    hooks = receiver("hang")
    told(hooks, more=["--alerts.webhook_timeout_ms=300"])
    add_requests(db, 21)
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE last_error IS NOT NULL OR delivered_at IS NOT NULL")
    hurry(db)
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE delivered_at IS NOT NULL")


def test_two_monitors_tell_each_transition_once(db, told, receiver):
    only_queue(db)
    hooks = receiver()
    both = [told(hooks) for _ in range(2)]
    for round_ in (1, 2):
        add_requests(db, 21)
        db.wait_for("SELECT count(*) >= %s FROM alert_notices WHERE state = 'firing' AND delivered_at IS NOT NULL", round_)
        db.run("DELETE FROM active_trace_requests")
        db.wait_for("SELECT count(*) >= %s FROM alert_notices WHERE state = 'resolved' AND delivered_at IS NOT NULL", round_)
    assert all(m.program.is_running() for m in both)
    told_of = [(b["incident"], b["state"]) for b in hooks.bodies()]
    assert len(told_of) == len(set(told_of)) == db.value("SELECT count(*) FROM alert_notices WHERE delivered_at IS NOT NULL")


def test_receivers_do_not_wait_for_each_other(db, told, receiver):
    only_queue(db)
    refusing, willing = receiver(*[400] * 50), receiver()
    told(refusing, willing)
    add_requests(db, 21)
    willing.wait_for(1)
    db.run("DELETE FROM active_trace_requests")
    farm.wait_for(lambda: [b["state"] for b in willing.bodies()] == ["firing", "resolved"], "both messages")
    assert {json.loads(body)["state"] for _, _, body in refusing.posts} == {"firing"}, "the end waits until the beginning was taken"


def test_retry_after_is_obeyed(db, told, receiver):
    only_queue(db)
    hooks = receiver(429, headers={"Retry-After": "1800"})
    told(hooks)
    add_requests(db, 21)
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE last_error = 'the receiver answered 429' "
                "AND next_attempt_at BETWEEN now() + interval '25 minutes' AND now() + interval '30 minutes'")


def test_redirects_are_not_followed(db, told, receiver):
    only_queue(db)
    other = receiver()
    hooks = receiver(307, headers={"Location": other.url})
    told(hooks)
    add_requests(db, 21)
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE last_error = 'the receiver answered 307'")
    assert other.posts == []


def test_certificates_are_verified(db, told, receiver, tmp_path):
    only_queue(db)
    authority = tls.authority(tmp_path)
    hooks = receiver(certificate=tls.certificate(tmp_path, "localhost", 2, by=authority))
    first = told(hooks)
    add_requests(db, 21)
    db.wait_for("SELECT count(*) = 1 FROM alert_notices WHERE last_error LIKE '%%certificate%%'")
    assert hooks.posts == []
    first.program.stop()
    told(hooks, more=[f"--http.ca_file={authority}"])
    hurry(db)
    hooks.wait_for(1)
    assert hooks.bodies()[0]["rule"] == "queue_depth"


def test_pagerduty(db, told, receiver):
    only_queue(db)
    hooks = receiver()
    api = told(hooks, more=["--alerts.webhook_format=pagerduty"], secret="routing-key")
    add_requests(db, 21)
    hooks.wait_for(1)
    db.wait_for(FIRING)
    alert = db.value("SELECT id FROM alerts WHERE rule = 'queue_depth'")
    assert api.json("POST", "/functions/v1/acknowledge-alert", {"alert": alert, "who": "Ann"})[0] == 200
    hooks.wait_for(2)
    db.run("DELETE FROM active_trace_requests")
    hooks.wait_for(3)
    assert [b["event_action"] for b in hooks.bodies()] == ["trigger", "acknowledge", "resolve"]
    assert {b["routing_key"] for b in hooks.bodies()} == {"routing-key"} and len({b["dedup_key"] for b in hooks.bodies()}) == 1
    payload = hooks.bodies()[0]["payload"]
    assert payload["severity"] == "warning" and payload["summary"].startswith("Queue depth is 21") and payload["source"]
    assert "X-Tracepool-Signature" not in hooks.posts[0][1]


def test_slack(db, told, receiver):
    only_queue(db)
    hooks = receiver()
    told(hooks, more=["--alerts.webhook_format=slack"], secret="")
    add_requests(db, 21)
    hooks.wait_for(1)
    assert list(hooks.bodies()[0]) == ["text"] and hooks.bodies()[0]["text"].startswith("*firing* (warning): Queue depth is 21")


def test_information_is_not_posted(db, told, receiver):
    hooks = receiver()
    db.run("INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, "
           "requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown) "
           "VALUES (now() - interval '21 hours', 1, 1, 1, 0, 0, 0, 0, 5, 7, 0, 100, '{}')")
    first = told(hooks)
    db.wait_for("SELECT count(*) = 1 FROM alerts WHERE rule = 'pool_idle' AND state = 'firing'")
    wait_for_looks(db)
    assert db.value("SELECT count(*) FROM alert_notices") == 0
    first.program.stop()
    told(hooks, more=["--alerts.webhook_severity=info"])
    hooks.wait_for(1)
    assert hooks.bodies()[0]["severity"] == "info"


# ---- silence and acknowledge, over HTTP


def test_silenced_by_api_then_told(db, told, receiver):
    only_queue(db)
    hooks = receiver()
    api = told(hooks)
    status, answer = api.json("POST", "/functions/v1/silence-alert", {"rule": "queue_depth", "minutes": 60, "who": "Ann", "note": "load test"})
    assert status == 200 and answer["silence"] > 0
    add_requests(db, 21)
    db.wait_for(FIRING)
    wait_for_looks(db)
    assert hooks.posts == []
    listed = api.json("GET", "/functions/v1/alerts")[1]
    assert [a["silenced_by"] for a in listed["alerts"] if a["rule"] == "queue_depth"] == ["Ann"]
    assert "load test" in [s["note"] for s in listed["silences"]]
    assert api.json("POST", "/functions/v1/end-silence", answer) == (200, {"ended": True})
    assert api.json("POST", "/functions/v1/end-silence", answer)[0] == 404
    hooks.wait_for(1)
    assert hooks.bodies()[0]["state"] == "firing"


def test_acknowledged_by_api(db, told, receiver):
    only_queue(db)
    hooks = receiver()
    api = told(hooks)
    add_requests(db, 21)
    hooks.wait_for(1)
    alert = db.value("SELECT id FROM alerts WHERE rule = 'queue_depth'")
    assert api.json("POST", "/functions/v1/acknowledge-alert", {"alert": alert, "who": "Ann", "note": "on it"}) == (200, {"acknowledged": True})
    hooks.wait_for(2)
    assert [(b["state"], b["acknowledged_by"]) for b in hooks.bodies()] == [("firing", None), ("acknowledged", "Ann")]
    assert api.json("POST", "/functions/v1/acknowledge-alert", {"alert": alert + 1000, "who": "Ann"})[0] == 404


@pytest.mark.parametrize("call, body, says", [
    ("silence-alert", {"rule": "queue_depth", "who": "Ann"}, "until must be a time to come"),
    ("silence-alert", {"rule": "queue_depth", "until": "2001-01-01", "who": "Ann"}, "until must be a time to come"),
    ("silence-alert", {"rule": "queue_depth", "until": "tomorrowish", "who": "Ann"}, "tomorrowish"),
    ("silence-alert", {"rule": "queue_depth", "minutes": "many", "who": "Ann"}, "many"),
    ("silence-alert", {"rule": "queue_depth", "minutes": 5}, "who is missing"),
    ("silence-alert", {"minutes": 5, "who": "Ann"}, "rule is missing"),
    ("silence-alert", {"rule": "", "minutes": 5, "who": "Ann"}, "rule is missing"),
    ("silence-alert", {"rule": ["a"], "minutes": 5, "who": "Ann"}, "rule must be a text or a whole number"),
    ("silence-alert", {"rule": "a", "for": 5, "who": "Ann"}, 'unknown field "for"'),
    ("silence-alert", "rule=a", "the body is no valid JSON"),
    ("silence-alert", "[]", "the body must be a JSON object"),
    ("end-silence", {}, "silence is missing"),
    ("acknowledge-alert", {"alert": "first", "who": "Ann"}, "first"),
    ("acknowledge-alert", {"alert": 1, "who": ""}, "who is missing"),
])
def test_bad_bodies_are_refused_with_a_sentence(shared_api, call, body, says):
    status, answer = shared_api.json("POST", f"/functions/v1/{call}", body)
    assert status == 400 and says in answer["error"]


@pytest.fixture(scope="module")
def shared_api(cluster, tmp_path_factory):
    """One monitor for calls that change nothing."""
    made = cluster.new_database(template="tracepool")
    folder = tmp_path_factory.mktemp("shared")
    program = farm.Program([farm.binary("tracepool-monitor"), "--api.listen=127.0.0.1:0"], folder / "log",
                           {"DATABASE_URL": made.url_as("tracepool_monitor"), "TRACEPOOL_API_TOKEN": TOKEN})
    program.wait_event("database.up")
    yield monitors.Api(program)
    program.stop()
    cluster.drop_database(made)


def test_alert_calls_want_the_token(shared_api):
    for method, call in (("GET", "alerts"), ("POST", "silence-alert"), ("POST", "end-silence"), ("POST", "acknowledge-alert")):
        assert shared_api.json(method, f"/functions/v1/{call}", "{}" if method == "POST" else None, token="wrong")[0] == 401


@pytest.mark.parametrize("settings, says", [
    ({"TRACEPOOL_ALERTS_WEBHOOK_URL": "ftp://hooks.test/secret-path"}, "alerts.webhook_url: address 1 is no http or https URL"),
    ({"TRACEPOOL_ALERTS_WEBHOOK_URL": "https://a.test/", "TRACEPOOL_ALERTS_WEBHOOK_FORMAT": "pagerduty"}, "give the routing key as alerts.webhook_secret"),
])
def test_settings_that_cannot_work_stop_the_start(db, settings, says):
    code, _, text = verb(db, "--api.listen=127.0.0.1:0", **settings)
    assert code == 2 and says in text and "secret-path" not in text
