"""The edge's request parser beside two others: nginx, and llhttp as Node has it.

A front proxy and the edge must see the same requests in the same bytes. So the same bytes go to all three, each
behind an answer of 302: whatever the edge takes for a click, the others must take for the same request, in the same
place. That it refuses what they let through (bare line feeds, chunked bodies, odd names) is its right, and no finding.
"""
import random
import re
import shutil
import socket
import subprocess

import pytest

import farm
from clicks import PATH
from cluster import free_port
from edges import add_offer, edge  # noqa: F401  (edge is a fixture)
from hostile_cases import CASES

SEED = 20260101
MUTANTS = 1200
ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(?:[^\r\n]*\r\n)*?\r\n")
LOCATION = re.compile(rb"\r\nLocation: ([^\r\n]*)\r\n", re.IGNORECASE)
MARK = re.compile(rb"[?&]n=([^&]*)")

NGINX = """
worker_processes 1; daemon off; pid @DIR@/pid; error_log @DIR@/error; events {}
http {
    access_log off; client_header_timeout 2s; client_body_timeout 2s; large_client_header_buffers 4 16k;
    client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u;
    scgi_temp_path @DIR@/s;
    server {
        listen 127.0.0.1:@PORT@;
        location = @PATH@ { return 302 https://t.example/c?$args; }
        location / { return 200; }
    }
}
"""
NODE = """
require('http').createServer({connectionsCheckingInterval: 500, headersTimeout: 2000, requestTimeout: 2000}, (req, res) => {
    req.resume();
    if (req.url.split('?')[0] === process.argv[2])
        res.writeHead(302, {Location: 'https://t.example/c' + req.url.slice(process.argv[2].length)});
    res.end();
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
"""

# What is put into a good request, or in place of a piece of it.
PIECES = [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"\x0b", b"\x7f", b"\xff", b"\\", b"#", b"%", b"{", b"//", b"\r\n ", b" \r\n",
          b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Content-Length:0x5\r\n", b"Content-Length: 5, 5\r\n", b"Host: f\r\n",
          b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
          b"Connection: close\r\n", b"Connection: keep-alive, close\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b": x\r\n",
          b"A B: c\r\n", b"a\r\n", b"X: \xc3\xa9\r\n", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1", b"POST", b"HEAD"]


def good(rng, n):
    head = f"{rng.choice(['GET', 'GET', 'GET', 'POST', 'HEAD'])} {PATH}?offer=o&n={n}a HTTP/1.1\r\nHost: e\r\n".encode()
    head += rng.choice([b"", b"User-Agent: x\r\n", b"Accept: */*\r\nX-Forwarded-For: 192.0.2.1\r\n"])
    return head + (b"Content-Length: 3\r\n\r\nabc" if head.startswith(b"POST") else b"\r\n")


def mutant(rng, n):
    """One or two requests in one breath, the first with a few pieces changed."""
    data = bytearray(good(rng, n))
    for _ in range(rng.randint(1, 2)):
        at, piece = rng.randrange(len(data)), rng.choice(PIECES)
        data[at:at + rng.choice([0, 0, 1, len(piece)])] = piece
    follower = f"GET {PATH}?offer=o&n={n}b HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n".encode()
    return bytes(data) + follower


def clicks(port, data):
    """The n of what was answered 302, in order."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=farm.PATIENCE_S) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
    heads = [found[0] for found in ANSWER.finditer(got) if found[1] == b"302"]
    return [mark[1] if (mark := MARK.search(LOCATION.search(head)[1])) else b"" for head in heads]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """{name: port} of the two other servers."""
    folder = tmp_path_factory.mktemp("others")
    port = free_port()
    (folder / "conf").write_text(NGINX.replace("@DIR@", str(folder)).replace("@PORT@", str(port)).replace("@PATH@", PATH))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    nginx = subprocess.Popen([program, "-c", str(folder / "conf"), "-e", str(folder / "error")], stderr=subprocess.DEVNULL)
    node = subprocess.Popen(["node", "-e", NODE, "x", PATH], stdout=subprocess.PIPE, text=True)
    try:
        farm.wait_for(lambda: accepts(port), "nginx")
        yield {"nginx": port, "llhttp": int(node.stdout.readline())}
    finally:
        for process in (nginx, node):
            process.terminate()
            process.wait()
        node.stdout.close()


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def is_within(few, many):
    """All of few are in many, in their order: a query without an offer is a request, and no click."""
    rest = iter(many)
    return all(one in rest for one in few)


def test_what_the_edge_takes_for_a_click_others_take_for_the_same(db, edge, others):
    add_offer(db)
    running = edge("--edge.head_timeout_ms=1000", "--edge.idle_timeout_ms=1000").wait_ready()
    rng = random.Random(SEED)
    inputs = [data for _, _, data, _ in CASES] + [mutant(rng, n) for n in range(MUTANTS)]
    wrong, taken, stricter = [], 0, 0
    for data in inputs:
        ours = clicks(running.port, data)
        theirs = {name: clicks(port, data) for name, port in others.items()}
        wrong += [(name, data[:300], ours, found) for name, found in theirs.items() if not is_within(ours, found)]
        taken += len(ours)
        stricter += any(len(found) > len(ours) for found in theirs.values())
    assert wrong == [], "\n".join(map(str, wrong))
    assert taken > MUTANTS / 4 and stricter > 20   # or nothing was compared
    assert running.program.faults() == ""
