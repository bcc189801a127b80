"""This machine has run out of local ports or descriptors: no proxy is to blame, no request is lost for it, and the operator reads what to raise.

The worker's host is a network namespace with a few local ports, which connections to the proxy take all. (What a trace leaves in
TIME_WAIT may be used again there after a second, as the README advises, or each test would take a minute.)
"""
import contextlib
import errno
import itertools
import json
import socket
import struct

import pytest

from farm import wait_for, without_descriptors
from hosts import GO, Hosts
from test_vast_farm import inline
from tracing import begin, end, environment, trace

PORTS = "net.ipv4.ip_local_port_range"
FIRST, COUNT = 61000, 8
SYSCTLS = {"ip_local_port_range": f"{FIRST} {FIRST + COUNT - 1}", "tcp_tw_reuse": "1"}
TCP_LISTEN = "0A"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
TAG = "http://ads.test/tag"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Hosts(tmp_path_factory.mktemp("used-up"), exits=1, names=("db", "worker1", "web")) as made:
        made.db.run("UPDATE trace_policy SET retry_backoff_s = 0, max_retries = 0")
        for name, value in SYSCTLS.items():
            made["worker1"].call("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}")
        yield made


@pytest.fixture
def worker(world):
    running = world.start_worker("worker1", "--worker.children=1")
    request(world)
    world.all_is_ended()   # it has all that it opens once
    yield running
    running.stop()
    assert not running.faults(), running.faults()


def listening_there(world):
    """Local ports of the range that nothing can leave from, since somebody listens there."""
    sockets = [line.split() for line in world["worker1"].call("cat", "/proc/net/tcp").splitlines()[1:]]
    return [port for port in (int(fields[1].rpartition(":")[2], 16) for fields in sockets if fields[3] == TCP_LISTEN)
            if FIRST <= port < FIRST + COUNT]


@contextlib.contextmanager
def ports_used_up(world, _=None):
    with contextlib.ExitStack() as held, world["worker1"].inside():
        def takes_one():
            try:
                each = held.enter_context(socket.create_connection((world.exits[0], world.web.port)))
            except OSError as failure:
                assert failure.errno == errno.EADDRNOTAVAIL
                return False
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            return True

        for _ in range(COUNT - len(listening_there(world))):
            wait_for(takes_one, "a local port")
        yield PORTS


@contextlib.contextmanager
def descriptors_used_up(_, worker):
    with without_descriptors(worker.children()[0]):
        yield "ulimit -n"


def request(world, mode="http_only"):
    return world.db.value("SELECT request_id FROM request_trace(jsonb_build_object('tracking_url', %s::text, 'target_country', 'us', "
                          "'options', jsonb_build_object('mode', %s::text)))", GO, mode)


def request_ad(world):
    offer = world.db.value("INSERT INTO offers (offer_name, kind, final_url) VALUES ('preroll', 'vast', %s) "
                           "ON CONFLICT (offer_name) DO UPDATE SET kind = 'vast' RETURNING id", TAG)
    return world.db.value("SELECT request_id FROM request_trace(jsonb_build_object('offer_id', %s::text, 'tracking_url', %s::text))", offer, TAG)


def row(world, request_id):
    return world.db.one("SELECT * FROM active_trace_requests WHERE request_id = %s", request_id)


def test_a_trace_that_found_no_local_port_blames_no_proxy(world):
    through = f"http://{world.exits[0]}:{world.web.port}"
    with ports_used_up(world):
        result = trace("--mode", "http_only", "--proxy", through, GO, words=world["worker1"].words, env=environment())
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", "host_exhausted", "us")
    assert PORTS in result["error"]["detail"] and f"{world.exits[0]}:{world.web.port}" in result["error"]["detail"]


def test_with_few_descriptors_it_says_so_or_traces(world):
    """From too few for the program itself to as many as it takes. (With fewer still, libuv ends it.)"""
    through, said = f"http://{world.exits[0]}:{world.web.port}", []
    for limit in itertools.takewhile(lambda _: "traced" not in said, range(7, 64)):
        words = [*world["worker1"].words, "prlimit", f"--nofile={limit}"]
        _, out, complaints = end(begin("--json", "--mode", "http_only", "--proxy", through, GO, words=words, env=environment()))
        error = json.loads(out)["error"] if out else None
        said.append((error["code"], "ulimit -n" in error["detail"]) if error else complaints.strip() or "traced")
    assert set(said) == {"no event loop: too many open files (see ulimit -n)", ("host_exhausted", True), "traced"}


@pytest.mark.parametrize("used_up", [ports_used_up, descriptors_used_up])
def test_an_ip_is_not_blamed_for_what_this_machine_ran_out_of(world, worker, used_up):
    with used_up(world, worker) as limit:
        waiting = [request(world) for _ in range(3)]
        world.db.wait_for("SELECT count(*) >= 3 FROM trace_attempts WHERE error = 'host_exhausted' AND request_id = ANY (%s::uuid[])", waiting)
        assert {row(world, each)["status"] for each in waiting} <= {"pending", "processing"}, "max_retries is 0: it counts no retry"
        assert limit in worker.wait_event("host.exhausted")[0]["detail"]
        worker.wait_event("farm.limit", by="host")
    world.all_is_ended()
    assert {(row(world, each)["status"], row(world, each)["retry_count"]) for each in waiting} == {("completed", 0)}
    assert len(worker.events("host.exhausted")) < len(worker.events("trace.retry")), "once a minute, not once a trace"
    ip = world.db.one("SELECT * FROM ip_rotation_pool")
    assert (ip["is_healthy"], ip["consecutive_failures"], ip["failure_count"]) == (True, 0, 0)
    assert world.db.value("SELECT array_agg(DISTINCT blame) FROM trace_attempts WHERE error = 'host_exhausted'") == ["us"]


@pytest.mark.parametrize("used_up", [ports_used_up, descriptors_used_up])
def test_an_ad_tag_waits_for_a_machine_that_can_fetch_it(world, worker, used_up):
    world.web.add(TAG, inline())
    with used_up(world, worker) as limit:
        waiting = request_ad(world)
        world.db.wait_for("SELECT EXISTS (SELECT FROM trace_attempts WHERE error = 'host_exhausted' AND request_id = %s)", waiting)
        assert row(world, waiting)["status"] in ("pending", "processing"), "max_retries is 0: it counts no retry"
        assert limit in worker.wait_event("host.exhausted")[0]["detail"]
    world.all_is_ended()
    assert (row(world, waiting)["status"], row(world, waiting)["retry_count"]) == ("completed", 0)
    assert world.db.value("SELECT count(*) FROM ad_views WHERE request_id = %s", waiting) == 1, "its ad was found after all"
    assert world.db.value("SELECT consecutive_failures + failure_count FROM ip_rotation_pool") == 0


def test_an_ip_is_not_blamed_for_ports_that_the_browser_found_used_up(world, worker):
    request(world, "browser")
    world.all_is_ended()   # Chromium and its relay are there
    with ports_used_up(world):
        waiting = request(world, "browser")
        world.db.wait_for("SELECT EXISTS (SELECT FROM trace_attempts WHERE error = 'host_exhausted' AND request_id = %s)", waiting)
    world.all_is_ended()
    assert (row(world, waiting)["status"], row(world, waiting)["tracer_mode_used"]) == ("completed", "browser")
    assert world.db.value("SELECT consecutive_failures + failure_count FROM ip_rotation_pool") == 0
