"""This machine has run out of local ports or descriptors: no proxy is to blame, no request is lost for it, and the operator reads what to raise.

The worker's host is a network namespace with a few local ports, which connections to the proxy take all. (What a trace leaves in
TIME_WAIT may be used again there after a second, as the README advises, or each test would take a minute.)
"""
import contextlib
import errno
import os
import resource
import socket
import struct

import pytest

from farm import wait_for
from hosts import GO, Hosts
from tracing import environment, trace

PORTS = "net.ipv4.ip_local_port_range"
FIRST, COUNT = 61000, 4
SYSCTLS = {"ip_local_port_range": f"{FIRST} {FIRST + COUNT - 1}", "tcp_tw_reuse": "1"}
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


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

        for _ in range(COUNT):
            wait_for(takes_one, "a local port")
        yield PORTS


@contextlib.contextmanager
def descriptors_used_up(_, worker):
    child = worker.children()[0]
    opened = {int(name) for name in os.listdir(f"/proc/{child}/fd")}
    before = resource.prlimit(child, resource.RLIMIT_NOFILE)
    resource.prlimit(child, resource.RLIMIT_NOFILE, (min(set(range(4096)) - opened), before[1]))
    try:
        yield "ulimit -n"
    finally:
        resource.prlimit(child, resource.RLIMIT_NOFILE, before)


def request(world):
    return world.db.value("SELECT request_id FROM request_trace(jsonb_build_object('tracking_url', %s::text, 'target_country', 'us'))", GO)


def row(world, request_id):
    return world.db.one("SELECT * FROM active_trace_requests WHERE request_id = %s", request_id)


def test_a_trace_that_found_no_local_port_blames_no_proxy(world):
    through = f"http://{world.exits[0]}:{world.web.port}"
    with ports_used_up(world):
        result = trace("--mode", "http_only", "--proxy", through, GO, words=world["worker1"].words, env=environment())
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", "host_exhausted", "us")
    assert PORTS in result["error"]["detail"] and f"{world.exits[0]}:{world.web.port}" in result["error"]["detail"]


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
