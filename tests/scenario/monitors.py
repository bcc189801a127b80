"""A running tracepool-monitor as a test sees it: its API, its verbs, and the rows that its rules look at."""
import functools
import http.client
import json
import subprocess

import pytest

import farm

TOKEN = "correct-horse-battery"


class Api:
    """Calls of one running monitor."""

    def __init__(self, program, token=TOKEN):
        self.program = program
        self.token = token
        self.port = int(program.events("monitor.ready")[0]["port"])

    def call(self, method, path, body=None, token=None, headers=None):
        """(status, headers, body as text)"""
        token = self.token if token is None else token
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=farm.PATIENCE_S)
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        body = json.dumps(body) if isinstance(body, (dict, list)) else body
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def json(self, method, path, body=None, **more):
        """(status, object)"""
        status, headers, text = self.call(method, path, body, **more)
        assert headers["Content-Type"] == "application/json"
        return status, json.loads(text)


def options(*more):
    return ["--api.listen=127.0.0.1:0", "--monitor.interval_s=1", "--monitor.batch_wait_s=1", *more]


def start_monitor(start, db, *more, url=None, ready=None, **environment):
    """The running program on db, as an Api; tokens and URL as given or as usual."""
    settings = {"DATABASE_URL": url or db.url_as("tracepool_monitor"), "TRACEPOOL_API_TOKEN": TOKEN, **environment}
    settings = {name: value for name, value in settings.items() if value is not None}
    program = start("tracepool-monitor", *options(*more), ready="monitor.ready", **settings)
    if ready:
        program.wait_event(ready)
    return Api(program)


@pytest.fixture
def monitor(start, db):
    """monitor(options...): the running program on db, as an Api; tokens and URL as given or as usual."""
    return functools.partial(start_monitor, start, db)


def verb(db, *arguments, url=None, **environment):
    """A verb of the program: (exit status, standard output, standard error)."""
    done = subprocess.run([farm.binary("tracepool-monitor"), *arguments], text=True, capture_output=True,
                          timeout=farm.PATIENCE_S,
                          env={"PATH": "/usr/bin:/bin", "DATABASE_URL": url or db.url_as("tracepool_monitor"), **environment})
    return done.returncode, done.stdout, done.stderr


def add_ips(db, count, country="us", provider="other"):
    db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) "
           "SELECT %s || '-' || %s || '-' || i, '7000', %s, %s FROM generate_series(1, %s) AS i",
           provider, country, country, provider, count)


def add_requests(db, count, country="us"):
    db.run("INSERT INTO active_trace_requests (request_id, tracking_url, target_country) "
           "SELECT gen_random_uuid(), 'https://shop.test/' || i, %s FROM generate_series(1, %s) AS i", country, count)


def beat(db, incarnation="test.1.1", host="test", counters=True):
    db.run("SELECT process_heartbeat(%s::jsonb)", json.dumps({
        "incarnation": incarnation, "program": "worker", "host": host, "pid": 1, "version": "test",
        "started_ms_ago": 1000,
        "counters": {'tracepool_traces_total{status="completed"}': 7} if counters else {}}))


def wait_for_looks(db, count=2):
    """Until the monitor has begun `count` more ticks: those before the last have been judged."""
    seen = db.value("SELECT coalesce(max(id), 0) FROM ip_pool_statistics")
    db.wait_for("SELECT count(*) >= %s FROM ip_pool_statistics WHERE id > %s", count, seen)
