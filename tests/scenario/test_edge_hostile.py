"""The edge against bytes that mean no good. The bytes are in hostile_cases.py."""
import re
import socket
import time

import pytest

import farm
from clicks import PATH
from edges import URL, add_offer, edge, rows  # noqa: F401  (edge is a fixture)
from hostile_cases import CASES, LOCATIONS

LAST = b"GET /healthz HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"
ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[!-9;-~]+: [ -~]*\r\n)*)\r\n")


@pytest.fixture
def target(db, edge):
    add_offer(db)
    add_offer(db, "holes", final_url="https://t.example/{sub}?s={sub}")
    add_offer(db, "hosts", final_url="https://t.example/", allowed_hosts=["shop.example"])
    return edge("--edge.country_header=CF-IPCountry").wait_ready()


def talk(port, data, wait_s=farm.PATIENCE_S):
    """All that comes back until the server closes."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as s:
        try:
            s.sendall(data)
            while chunk := s.recv(65536):
                got += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return got


def answers(got, methods=()):
    """[(status, headers)] of a stream of answers; anything that is no whole answer of ours fails."""
    found = []
    while got:
        head = ANSWER.match(got)
        assert head, f"no answer: {got[:200]!r}"
        headers = dict(line.split(b": ", 1) for line in head[2].split(b"\r\n") if line)
        is_head = len(found) < len(methods) and methods[len(found)] == b"HEAD"
        got = got[head.end() + (0 if is_head else int(headers.get(b"Content-Length", 0))):]
        if head[1] != b"100":
            found.append((int(head[1]), headers))
    return found


def test_raw_requests(db, target):
    wrong = []
    for group, name, data, expected in CASES:
        found = answers(talk(target.port, data + LAST), [b"HEAD"] if data.startswith(b"HEAD") else [])
        statuses = [status for status, _ in found]
        if statuses != expected:
            wrong.append((group, name, statuses, expected))
        for _, headers in found:
            location = headers.get(b"Location", URL.encode())
            if not location.startswith((b"https://t.example/", b"https://shop.example/")):
                wrong.append((group, name, location))
    assert wrong == []
    assert [row for row in rows(db) if "smuggled" in row["inbound_params"]] == []
    assert target.program.faults() == ""


def test_locations(target):
    wrong = []
    for group, name, query, expected in LOCATIONS:
        (status, headers), _ = answers(talk(target.port, f"GET {PATH}?{query} HTTP/1.1\r\nHost: e\r\n\r\n".encode() + LAST))
        location = headers.get(b"Location", b"").decode()
        if (status, location) != (302, expected):
            wrong.append((group, name, status, location, expected))
    assert wrong == []


def test_there_are_enough_of_them():
    groups = {group for group, *_ in CASES} | {group for group, *_ in LOCATIONS}
    assert groups == {"baseline", "smuggling", "location", "open redirect", "bombs", "trust", "path"}   # slow: below
    assert len(CASES) + len(LOCATIONS) >= 100


# --- slow ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty(db, edge):
    add_offer(db)
    return edge("--edge.head_timeout_ms=300", "--edge.idle_timeout_ms=300", "--edge.write_timeout_ms=300").wait_ready()


@pytest.mark.parametrize("sent", [
    b"G", b"GET " + PATH.encode(), b"GET " + PATH.encode() + b"?offer=o HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: e\r\nA: b", b"\r\n",
    b"POST " + PATH.encode() + b"?offer=o HTTP/1.1\r\nHost: e\r\nContent-Length: 9\r\n\r\n1234",
])
def test_half_a_request_is_given_up(hasty, sent):
    assert [status for status, _ in answers(talk(hasty.port, sent))] == [408]


def test_a_byte_now_and_then_is_given_up(hasty):
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=farm.PATIENCE_S) as s:
        got = b""
        for byte in b"GET " + PATH.encode() + b"?offer=o HTTP/1.1\r\nHost: e\r\n" + b"A: b\r\n" * 1000:
            s.settimeout(0.02)
            try:
                s.sendall(bytes([byte]))
                got += s.recv(4096)
                break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
    assert got.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed(hasty):
    assert talk(hasty.port, b"") == b""
    assert [status for status, _ in answers(talk(hasty.port, f"GET {PATH}?offer=o HTTP/1.1\r\nHost: e\r\n\r\n".encode()))] == [302]


def test_who_reads_nothing_is_closed(hasty):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", hasty.port))
        s.settimeout(1)
        request = f"GET {PATH}?offer=o&x={'a' * 4000} HTTP/1.1\r\nHost: e\r\n\r\n".encode()
        until = time.monotonic() + farm.PATIENCE_S
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() < until:   # answers fill its socket, then ours; nobody reads
                try:
                    s.sendall(request)
                except TimeoutError:
                    continue
    assert hasty.click("offer=o")[0] == 302


def test_many_slow_ones_hold_up_nobody(db, edge):
    add_offer(db)
    running = edge("--edge.max_connections=200").wait_ready()
    slow = []
    for _ in range(400):   # twice what there is room for
        s = socket.create_connection(("127.0.0.1", running.port), timeout=farm.PATIENCE_S)
        s.sendall(b"GET " + PATH.encode())
        slow.append(s)
    for n in range(20):
        assert running.click(f"offer=o&n={n}")[0] == 302
    for s in slow:
        s.close()
