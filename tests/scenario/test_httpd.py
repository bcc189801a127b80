"""The HTTP server of common/httpd, as a program (httpd_server.c), against clients good and bad.

The head parser is compared with Debian's nginx on the cases of tests/unit/head_cases.h: what we accept,
nginx must accept too. Nothing here asserts a duration; what ought to be cut off is waited for.
"""
import os
import re
import select
import signal
import socket
import struct
import subprocess

import farm
import pytest

CRLF = b"\r\n"
HELLO = b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"


def get(path, *headers, method="GET", body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *headers]
    return "\r\n".join(lines).encode() + CRLF + CRLF + body


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen([farm.BUILD / "tests/scenario/httpd_server", *options],
                                        stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=farm.PATIENCE_S)
        return s

    def ask(self, data, **kwargs):
        with self.connect() as s:
            s.sendall(data)
            return answers(s, **kwargs)

    def connections(self):
        """How many the server has, the asking one not counted."""
        return int(self.ask(get("/connections", "Connection: close"))[0].body) - 1

    def end(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(farm.PATIENCE_S) == 0
        self.process.stdout.close()


class Answer:
    def __init__(self, head, reader, is_head=False):
        status_line, *lines = head.decode().split("\r\n")
        self.status = int(status_line.split(" ")[1])
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        self.body = b"" if is_head or self.status < 200 else reader.take(int(self.headers["content-length"]))


class Reader:
    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def more(self):
        got = self.sock.recv(65536)
        self.data += got
        return bool(got)

    def take(self, n):
        while len(self.data) < n:
            assert self.more(), f"ended {n - len(self.data)} bytes early"
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def head(self):
        """The next head without its empty line, or None at the end."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                assert self.data == b"", self.data
                return None
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        return head


def answers(sock, count=None, is_head=False):
    """count answers, or all until the server ends the connection. A reset is an error."""
    reader, got = Reader(sock), []
    while count is None or len(got) < count:
        head = reader.head()
        if head is None:
            break
        got.append(Answer(head, reader, is_head))
    return got


def is_ended(sock):
    """Waits for the server's end of the connection, whatever it sends before."""
    while sock.recv(65536):
        pass
    return True


@pytest.fixture
def server():
    made = []

    def make(*options):
        made.append(Server(*options))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.end()


# --- answers ---------------------------------------------------------------------------------------

def test_a_connection_serves_many_requests(server):
    s = server()
    with s.connect() as c:
        for _ in range(50):
            c.sendall(HELLO)
            (a,) = answers(c, 1)
            assert (a.status, a.body) == (200, b"hello\n")
            assert "connection" not in a.headers
            assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", a.headers["date"])


def test_pipelined_requests_are_answered_in_order(server):
    """Answers that come at once wait behind answers that come later."""
    s = server()
    paths = ["/hello", "/later?1", "/later?2", "/hello", "/seen?3", "/later?4"] * 20
    with s.connect() as c:
        c.sendall(b"".join(get(p) for p in paths))
        got = answers(c, len(paths))
    for path, a in zip(paths, got):
        assert a.status == 200
        want = {"/hello": "hello", "/later": path, "/seen": f"GET {path} "}[path.split("?")[0]]
        assert a.body.decode().startswith(want)


def test_pipelined_requests_in_any_pieces(server):
    data = get("/later?1") + get("/echo", "Content-Length: 5", method="POST", body=b"abc\r\n") + HELLO
    s = server()
    for cut in range(1, len(data)):
        with s.connect() as c:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c.sendall(data[:cut])
            c.sendall(data[cut:])
            assert [a.body for a in answers(c, 3)] == [b"/later?1", b"abc\r\n", b"hello\n"]


def test_half_closed_clients_get_all_their_answers(server):
    s = server()
    with s.connect() as c:
        c.sendall(get("/later?a") + HELLO + get("/later?b"))
        c.shutdown(socket.SHUT_WR)
        assert [a.body for a in answers(c)] == [b"/later?a", b"hello\n", b"/later?b"]


def test_head_has_the_length_and_no_body(server):
    s = server()
    with s.connect() as c:
        c.sendall(get("/hello", method="HEAD") + HELLO)
        reader = Reader(c)
        first = Answer(reader.head(), reader, is_head=True)
        assert (first.status, first.headers["content-length"]) == (200, "6")
        assert Answer(reader.head(), reader).body == b"hello\n"


def test_old_clients(server):
    s = server()
    (a,) = s.ask(b"GET /hello HTTP/1.0\r\n\r\n")
    assert (a.status, a.headers["connection"]) == (200, "close")
    with s.connect() as c:
        c.sendall(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        assert [a.headers["connection"] for a in answers(c, 2)] == ["keep-alive"] * 2


def test_close_is_obeyed(server):
    s = server()
    (a,) = s.ask(get("/hello", "Connection: close") + HELLO)  # what comes behind it is not answered
    assert (a.status, a.headers["connection"]) == (200, "close")


def test_upgrades_are_ignored(server):
    s = server()
    with s.connect() as c:
        c.sendall(get("/hello", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"))
        (a,) = answers(c, 1)
        assert (a.status, a.body) == (200, b"hello\n")


def test_error_texts_are_json(server):
    s = server()
    with s.connect() as c:
        c.sendall(get("/nothing"))
        (a,) = answers(c, 1)
    assert a.status == 404
    assert a.headers["content-type"] == "application/json"
    assert a.body == b'{"error":"no \\"such\\"\\npath"}\n'
    assert "connection" not in a.headers  # an error of the handler's ends nothing


def test_an_answer_larger_than_the_socket_arrives_whole(server):
    s = server()
    with s.connect() as c:
        c.sendall(get("/big?30000000") + HELLO)
        farm.wait_for(lambda: s.connections() == 1, "the request")
        a, b = answers(c, 2)
    assert len(a.body) == 30000000 and set(a.body) == {ord("x")}
    assert b.body == b"hello\n"


@pytest.mark.parametrize("size", [0, 1, 60000, 30000000])
def test_a_last_answer_arrives_whole_before_the_end(server, size):
    """It is held back until the connection's end is sent with it; an old client's line end behind the body changes nothing."""
    s = server()
    for behind in b"", CRLF:
        with s.connect() as c:
            c.sendall(get(f"/big?{size}", "Connection: close") + behind)
            (a,) = answers(c)
        assert (a.headers["connection"], len(a.body)) == ("close", size)


def test_a_slow_reader_is_not_cut_off(server):
    """Reading takes many times the limit, which is for those who read nothing."""
    s = server("write_ms=500")
    with s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.sendall(get("/big?8000000"))
        left = 8000000
        while left > 0:
            select.select([], [], [], 0.006)
            got = c.recv(20000)
            assert got, f"cut off {left} bytes early"
            left -= len(got)


# --- bodies ----------------------------------------------------------------------------------------

def test_bodies_up_to_the_limit(server):
    s = server("max_body=1000")
    with s.connect() as c:
        for size in (0, 1, 999, 1000):
            body = bytes(i % 256 for i in range(size))
            c.sendall(get("/echo", f"Content-Length: {size}", method="POST", body=body))
            assert answers(c, 1)[0].body == body
    (a,) = s.ask(get("/echo", "Content-Length: 1001", method="POST", body=b"x" * 1001))
    assert (a.status, a.headers["connection"]) == (413, "close")


def test_post_is_refused_where_no_body_is_allowed(server):
    (a,) = server("max_body=0").ask(get("/echo", "Content-Length: 0", method="POST"))
    assert (a.status, a.headers["allow"]) == (405, "GET, HEAD")
    (a,) = server().ask(get("/echo", method="DELETE"))
    assert (a.status, a.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_client_that_waits_for_leave_gets_it(server):
    s = server()
    with s.connect() as c:
        c.sendall(get("/echo", "Expect: 100-continue", "Content-Length: 3", method="POST"))
        (go_on,) = answers(c, 1)
        assert go_on.status == 100
        c.sendall(b"abc")
        assert answers(c, 1)[0].body == b"abc"
        # Who sent the body along is not told to.
        c.sendall(get("/echo", "Expect: 100-continue", "Content-Length: 3", method="POST", body=b"def"))
        (a,) = answers(c, 1)
        assert (a.status, a.body) == (200, b"def")


# --- who is refused reads why -------------------------------------------------------------------------

@pytest.mark.parametrize("data, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (get("/echo", "Content-Length: 100000000", method="POST", body=b"x" * 200000), 413),
    (get("/echo", "Transfer-Encoding: chunked", method="POST", body=b"5\r\nhello\r\n0\r\n\r\n" * 5000), 400),
    (b"GET /" + b"a" * 100000, 414),
    (get("/", *["X: " + "y" * 1000] * 60), 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"NONSENSE\n", 400),
], ids=["no-host", "large-body", "chunked", "long-target", "large-head", "tls", "no-http"])
def test_the_refusal_arrives_although_more_was_sent(server, data, status):
    s = server()
    with s.connect() as c:
        c.sendall(data)
        (a,) = answers(c)  # until the server's orderly end; a reset would be an exception
        assert (a.status, a.headers["connection"]) == (status, "close")
        assert a.body.startswith(b'{"error":"')
    farm.wait_for(lambda: s.connections() == 0, "the end of the connection")


def test_nothing_behind_a_refused_request_is_answered(server):
    (a,) = server().ask(b"GET /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\n" + HELLO)
    assert a.status == 400


# --- time ------------------------------------------------------------------------------------------

def test_slow_heads_are_cut_off(server):
    s = server("head_ms=300")
    with s.connect() as c:
        c.sendall(b"GET /hello HTTP/1.1\r\n")
        while not select.select([c], [], [], 0.02)[0]:
            try:
                c.sendall(b"X")
            except (BrokenPipeError, ConnectionResetError):
                break
        (a,) = answers(c)
        assert (a.status, a.headers["connection"]) == (408, "close")
    farm.wait_for(lambda: s.connections() == 0, "the end of the slow one")


def test_slow_bodies_are_cut_off(server):
    s = server("head_ms=300")
    (a,) = s.ask(get("/echo", "Content-Length: 10", method="POST", body=b"abc"))
    assert a.status == 408


def test_idle_connections_are_closed(server):
    s = server("idle_ms=200")
    with s.connect() as silent, s.connect() as served:
        served.sendall(HELLO)
        assert len(answers(served)) == 1  # and then its end
        assert is_ended(silent)


def test_who_does_not_read_is_cut_off(server):
    s = server("write_ms=300")
    with s.connect() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.sendall(get("/big?50000000"))
        farm.wait_for(lambda: s.connections() == 0, "the end of the connection")


def test_a_handler_has_the_time_it_needs(server):
    """Neither the head's nor the idle limit runs while the handler works."""
    s = server("head_ms=50", "idle_ms=50", "write_ms=50")
    with s.connect() as c, s.connect() as other:
        c.sendall(get("/never"))
        assert is_ended(other)  # those limits have run out by now
        assert s.connections() == 1


# --- numbers ---------------------------------------------------------------------------------------

def test_the_longest_idle_makes_room(server):
    s = server("max_connections=3")
    with s.connect() as busy, s.connect() as idle, s.connect() as idle_longer:
        busy.sendall(HELLO + get("/never"))
        answers(busy, 1)
        idle_longer.sendall(HELLO)
        answers(idle_longer, 1)
        idle.sendall(HELLO)
        answers(idle, 1)
        with s.connect() as fresh:
            fresh.sendall(HELLO)
            assert len(answers(fresh, 1)) == 1
            assert is_ended(idle_longer)
            idle.sendall(HELLO)
            assert len(answers(idle, 1)) == 1


def test_busy_connections_are_not_sacrificed(server):
    s = server("max_connections=2")
    with s.connect() as a, s.connect() as b:
        for c in a, b:
            c.sendall(HELLO + get("/never"))  # read together: who has the first answer is busy
            answers(c, 1)
        with s.connect() as late:
            assert is_ended(late)
        assert not select.select([a, b], [], [], 0)[0]


def test_idle_connections_cost_little(server):
    def rss():
        with open(f"/proc/{s.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    s = server()
    s.ask(get("/hello", "Connection: close"))
    before = rss()
    held = [s.connect() for _ in range(500)]
    for c in held:
        c.sendall(HELLO)
        answers(c, 1)
    grown = rss() - before
    for c in held:
        c.close()
    assert grown / 500 < 2048


def test_what_happens_is_counted(server):
    s = server("max_connections=2")
    for data in b"NONSENSE\n", get("/", "Transfer-Encoding: chunked"):
        assert s.ask(data)[0].status == 400
    with s.connect() as a, s.connect() as b:
        for c in a, b:
            c.sendall(HELLO)
            answers(c, 1)
        text = s.ask(get("/metrics", "Connection: close"))[0].body.decode().splitlines()
        assert is_ended(a)
    assert "tracepool_http_refused_total 2" in text
    assert "tracepool_http_crowded_out_total 1" in text
    assert "tracepool_http_connections 2" in text


# --- clients that go -------------------------------------------------------------------------------

def test_clients_that_reset_leave_nothing(server):
    s = server()
    for data in (b"", b"GET /he", HELLO, get("/later"), get("/big?3000000"), get("/later") * 20):
        c = s.connect()
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.sendall(data)
        c.close()
    farm.wait_for(lambda: s.connections() == 0, "the end of all")
    assert s.ask(get("/hello", "Connection: close"))[0].body == b"hello\n"


def test_the_end_with_answers_owed(server):
    """SIGINT destroys the server under requests that nobody has answered: the program ends cleanly."""
    s = server()
    held = [s.connect() for _ in range(5)]
    for c in held:
        c.sendall(get("/never") + HELLO)
    farm.wait_for(lambda: s.connections() == 5, "five busy connections")
    s.end()
    assert all(is_ended(c) for c in held)
    for c in held:
        c.close()


def test_a_drain_answers_what_was_asked(server):
    s = server()
    with s.connect() as idle, s.connect() as on_its_way, s.connect() as busy, s.connect() as reading:
        reading.sendall(b"GET /hello HTTP/1.1\r\nHo")
        busy.sendall(get("/big?20000000"))
        reader = Reader(busy)
        head = reader.head()
        farm.wait_for(lambda: s.connections() == 4, "all connections")
        s.process.send_signal(signal.SIGSTOP)  # so that the request is on its way when the drain begins
        s.process.send_signal(signal.SIGTERM)
        on_its_way.sendall(HELLO)
        s.process.send_signal(signal.SIGCONT)
        assert [a.status for a in answers(on_its_way)] == [200]
        farm.wait_for(lambda: not accepts(s.port), "the end of listening")
        assert is_ended(idle)
        assert len(Answer(head, reader).body) == 20000000
        reading.sendall(b"st: h\r\n\r\n")
        (a,) = answers(reading)
        assert (a.status, a.headers["connection"]) == (200, "close")
    assert s.process.wait(farm.PATIENCE_S) == 0


# --- nginx -----------------------------------------------------------------------------------------

NGINX_CONF = """
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error crit;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
    uwsgi_temp_path {dir}; scgi_temp_path {dir}; large_client_header_buffers 4 16k;
    server {{ listen 127.0.0.1:{port}; return 204; }}
}}
"""

ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")


def head_cases():
    """(group, want, bytes) of the table that the unit test includes."""
    def byte(match):
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] == "x" else {"r": "\r", "n": "\n", "t": "\t", "0": "\0"}.get(code, code)

    text = (farm.ROOT / "tests/unit/head_cases.h").read_text()
    found = re.findall(r'^CASE\("(\w+)", (\w+), "((?:[^"\\]|\\.)*)"\)$', text, re.M)
    assert len(found) == len(re.findall(r"^CASE\(", text, re.M))
    return [(group, want, ESCAPE.sub(byte, literal).encode("latin-1")) for group, want, literal in found]


@pytest.fixture
def nginx(tmp_path):
    port = farm.free_port()
    conf = tmp_path / "nginx.conf"
    conf.write_text(NGINX_CONF.format(dir=tmp_path, port=port))
    process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(tmp_path), "-e", str(tmp_path / "error"), "-c", str(conf)])
    farm.wait_port(port, alive=lambda: process.poll() is None)
    yield port
    process.terminate()
    process.wait()


def first_status(port, data):
    """The status of the first answer to data, or None when the connection ends without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=farm.PATIENCE_S) as c:
        c.sendall(data)
        c.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while part := c.recv(65536):
                got += part
        except ConnectionResetError:
            pass
    match = re.match(rb"HTTP/1\.1 (\d{3})", got)
    return int(match.group(1)) if match else None


def with_body(data):
    """A case may stop at its head; the comparison is about whole requests."""
    length = re.search(rb"(?i)content-length: 0*(\d+)\r\n", data)
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(length.group(1)) - len(body) if length else 0
    return data + b"a" * max(0, min(missing, 1000))


def test_what_we_accept_nginx_accepts(server, nginx):
    s = server("max_head=1024", "max_body=64")
    accepted, wrong = 0, []
    for group, want, data in head_cases():
        ours = first_status(s.port, with_body(data))
        if want == "DONE":
            assert ours in (200, 404), (ours, data)
        elif want != "MORE":
            assert ours == int(want), (ours, data)
        if ours is None or ours >= 405 or ours == 400:
            continue
        accepted += 1
        theirs = first_status(nginx, with_body(data))
        if theirs not in (100, 204):
            wrong.append((theirs, data))
    assert wrong == []
    assert accepted >= 40

