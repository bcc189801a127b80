"""A target and a forward proxy that write down which connection carried what: evidence of what crosses between traces.

Target (plain or TLS): every request says in its URL which trace it belongs to (owner=NAME), and the log tells it with the
connection, its cookies and whether its TLS session was resumed. Proxy: the same with credentials; it forwards plain
requests and opens tunnels, all to the targets it was given. Names are never resolved.

    /start?owner=NAME         sets a cookie of that owner, leads to /middle, that to /end, a page
    ...&then=http             they lead there by that scheme
    ...&close=1               the target closes each connection after its answer
"""
import base64
import contextlib
import itertools
import socket
import ssl
import threading
import urllib.parse

NEXT = {"/start": "/middle", "/middle": "/end"}


class Listener:
    """Accepts on a port of its own; talk(connection, number) in a thread for each connection."""

    def __init__(self, address="127.0.0.1"):
        self.address = address
        self.log = []
        self.numbers = itertools.count()
        self.socket = socket.create_server((address, 0), backlog=100)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(connection, next(self.numbers)), daemon=True).start()

    def serve(self, connection, number):
        with contextlib.suppress(OSError, EOFError), connection:
            self.talk(connection, number)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_head(stream):
    """First line's words and headers (lower case)."""
    lines = []
    while (line := stream.readline()).strip():
        lines.append(line.decode("latin-1").strip())
    if not line or not lines:
        raise EOFError
    return lines[0].split(" "), {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines[1:])}


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class Target(Listener):
    def __init__(self, certificate=None, tls_version=None, headers=()):
        self.context = None
        self.headers = list(headers)
        if certificate:
            self.context = server_context(certificate)
            if tls_version:
                self.context.minimum_version = self.context.maximum_version = tls_version
        super().__init__()

    def talk(self, connection, number):
        peer = connection.getpeername()[1]
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        stream = connection.makefile("rb")
        is_open = True
        while is_open:
            words, headers = read_head(stream)
            url = urllib.parse.urlsplit(words[1])
            query = dict(urllib.parse.parse_qsl(url.query))
            self.log.append({"connection": number, "peer": peer, "path": url.path, "owner": query.get("owner"), "headers": headers,
                             "is_resumed": bool(self.context and connection.session_reused)})
            is_open = "close" not in query
            connection.sendall(self.answer(url, query, is_open, headers.get("host")))
        if self.context:
            connection.unwrap()  # a TLS 1.2 session that was not closed properly is not resumed

    def answer(self, url, query, is_open, host):
        lines = list(self.headers) + ([] if is_open else ["Connection: close"])
        body = b""
        if url.path in NEXT:
            where = f"{query['then']}://{host}" if "then" in query else ""
            lines += [f"Location: {where}{NEXT[url.path]}?{url.query}", f"Set-Cookie: of={query['owner']}"]
        else:
            body = b"<!doctype html><p>a page</p>"
            lines.append("Content-Type: text/html")
        status = "302 Found" if url.path in NEXT else "200 OK"
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]
        return "\r\n".join(head).encode() + body


class Proxy(Listener):
    def __init__(self, plain=None, tunnels=None, address="127.0.0.1", certificate=None):
        """plain, tunnels: the targets that plain requests and tunnels lead to, whatever they name; with a certificate clients
        speak TLS to the proxy."""
        self.plain, self.tunnels = plain, tunnels
        self.context = certificate and server_context(certificate)
        super().__init__(address)

    def talk(self, connection, number):
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        stream = connection.makefile("rb")
        while True:
            (method, url, _), headers = read_head(stream)
            kind, _, secret = headers.pop("proxy-authorization", "").partition(" ")
            who = base64.b64decode(secret).decode() if kind.lower() == "basic" else None
            with socket.create_connection(("127.0.0.1", (self.tunnels if method == "CONNECT" else self.plain).port)) as there:
                self.log.append({"connection": number, "who": who, "method": method, "url": url, "headers": dict(headers),
                                 "peer_at_target": there.getsockname()[1]})
                if method == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
                    return pump(connection, there)
                connection.sendall(forward(there, method, url, headers))


class Socks(Listener):
    """SOCKS5 with a name and a password (RFC 1928, 1929); names arrive unresolved, port 443 leads to `tunnels`."""

    def __init__(self, plain=None, tunnels=None):
        self.targets = {80: plain, 443: tunnels}
        super().__init__()

    def talk(self, connection, number):
        stream = connection.makefile("rb")
        _, count = stream.read(2)
        if 2 not in stream.read(count):
            return connection.sendall(b"\x05\xff")
        connection.sendall(b"\x05\x02")
        stream.read(1)
        who = ":".join(stream.read(stream.read(1)[0]).decode() for _ in range(2))
        connection.sendall(b"\x01\x00")
        _, _, _, kind = stream.read(4)
        name = stream.read(stream.read(1)[0]).decode() if kind == 3 else "an address"
        stream.read(4 if kind == 1 else 16 if kind == 4 else 0)
        port = int.from_bytes(stream.read(2), "big")
        with socket.create_connection(("127.0.0.1", self.targets[port].port)) as there:
            self.log.append({"connection": number, "who": who, "name": name, "peer_at_target": there.getsockname()[1]})
            connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
            pump(connection, there)


def forward(there, method, url, headers):
    parts = urllib.parse.urlsplit(url)
    lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
    there.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    stream = there.makefile("rb")
    first, answer = read_head(stream)
    body = stream.read(int(answer["content-length"]))
    answer.pop("connection", None)
    head = [" ".join(first)] + [f"{name}: {value}" for name, value in answer.items()]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body


def pump(one, other):
    def back():
        with contextlib.suppress(OSError):
            while data := other.recv(65536):
                one.sendall(data)
            one.shutdown(socket.SHUT_WR)
    answers = threading.Thread(target=back, daemon=True)
    answers.start()
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
    answers.join()
