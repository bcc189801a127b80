"""Where tracking requests arrive: a server on several loopback addresses that writes everything down first.

    with Sink(["127.0.9.2", "127.0.9.3"], ledger=tmp_path / "ledger") as sink:
        sink.url("127.0.9.2", "/ok?e=start")      answered 204
        sink.hits("e=start")                      requests whose URL contains that: .host .url .headers .connection .at

    sink.py LEDGER HOST PORT                      the same for a demonstration; serves until SIGTERM

A host is an address, so that no test needs DNS. With a ledger file each request is a line there, on disk (fsync) before it
is answered: what it lacks was never answered, whoever was killed. The first part of the path is what is done:

    /ok               204
    /slow/MS          204 after that time; with ?then=URL a redirect there
    /status/503       that status; /status/503/2: only the first two times for this URL, then 204; with ?after=S it asks
                      to wait for so many seconds (Retry-After)
    /ill              503 while sink.is_ill, else 204
    /to?u=URL         302 to URL
    /around           302 to itself
    /hang             the request is written down, and no answer comes until the sink closes
    /reset            the connection ends without an answer
    /once-reset       the same, on a connection that had another request before; else 204
    /once-close       the same, in good order instead of a reset
    /half             the connection is reset in the middle of the answer's first line; /half/2: the first two times
    /big              200 and a body without an end

idle_s closes connections that rest for longer. With tls, an ssl.SSLContext, the sink speaks https. `connections` counts
those accepted, `bytes` what of requests arrived on them, by host; `open` are the connections that stand now.
"""
import os
import signal
import socket
import sys
import threading
import time
import types
import urllib.parse


class Sink:
    def __init__(self, hosts, ledger=None, idle_s=None, tls=None, port=0):
        self.idle_s, self.tls, self.is_ill = idle_s, tls, False
        self.lock = threading.Lock()
        self.log, self.seen, self.open = [], {}, set()
        self.connections = {host: 0 for host in hosts}
        self.bytes = {host: 0 for host in hosts}
        self.closing = threading.Event()
        self.file = open(ledger, "ab") if ledger else None
        self.listeners, self.ports = [], {}
        for host in hosts:
            listener = socket.create_server((host, port), backlog=512)
            self.listeners.append(listener)
            self.ports[host] = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(host, listener), daemon=True).start()

    def url(self, host, path):
        return f"http{'s' if self.tls else ''}://{host}:{self.ports[host]}{path}"

    def hits(self, part="", host=None):
        with self.lock:
            return [hit for hit in self.log if part in hit.url and host in (None, hit.host)]

    def accept(self, host, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections[host] += 1
                number = sum(self.connections.values())
                self.open.add(connection)
            threading.Thread(target=self.serve, args=(host, connection, number), daemon=True).start()

    def serve(self, host, connection, number):
        pending, served = b"", 0
        try:
            connection.settimeout(self.idle_s)
            if self.tls:
                raw, connection = connection, self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self.lock:
                    self.open.discard(raw)
                    self.open.add(connection)
                connection.do_handshake()
            while True:
                while b"\r\n\r\n" not in pending:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    with self.lock:
                        self.bytes[host] += len(piece)
                    pending += piece
                head, _, pending = pending.partition(b"\r\n\r\n")
                served += 1
                if not self.answer(host, connection, number, head.decode("latin-1"), served):
                    return
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def write_down(self, host, number, head):
        """The request is in the log, and in the ledger on disk."""
        first, *lines = head.split("\r\n")
        url = first.split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        hit = types.SimpleNamespace(host=host, url=url, headers=headers, connection=number, at=time.monotonic())
        with self.lock:
            self.log.append(hit)
            self.seen[url] = self.seen.get(url, 0) + 1
            if self.file:
                self.file.write(f"{host} {url}\n".encode())
                self.file.flush()
                os.fsync(self.file.fileno())
            return hit, self.seen[url]

    def answer(self, host, connection, number, head, served):
        """False when the connection ends."""
        hit, times = self.write_down(host, number, head)
        parts = urllib.parse.urlsplit(hit.url)
        what, *words = parts.path.strip("/").split("/")
        status, more = 204, ""
        if what == "around":
            status, more = 302, f"Location: {hit.url}\r\n"
        if what == "hang":
            self.closing.wait()
            return False
        if what == "once-close" and served > 1:
            return False
        is_half = what == "half" and (not words or times <= int(words[0]))
        if is_half or what == "reset" or (what == "once-reset" and served > 1):
            if is_half:
                connection.sendall(b"HTTP/1.1 2")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            return False
        query = urllib.parse.parse_qs(parts.query)
        if what == "ill" and self.is_ill:
            status = 503
        if what == "status" and (len(words) < 2 or times <= int(words[1])):
            status = int(words[0])
            more = "".join(f"Retry-After: {seconds}\r\n" for seconds in query.get("after", []))
        if what == "slow":
            time.sleep(int(words[0]) / 1000)
            if "then" in query:
                status, more = 302, f"Location: {query['then'][0]}\r\n"
        if what == "to":
            status, more = 302, f"Location: {query['u'][0]}\r\n"
        if what == "big":
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while not self.closing.is_set():
                connection.sendall(b"x" * 65536)
            return False
        length = "" if status == 204 else "Content-Length: 0\r\n"
        connection.sendall(f"HTTP/1.1 {status} Whatever\r\n{length}{more}\r\n".encode())
        return True

    def close(self):
        self.closing.set()
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            still = list(self.open)
        for connection in still:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.file:
            self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    ledger, host, port = sys.argv[1:]
    with Sink([host], ledger=ledger, port=int(port)):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})    # before there are threads
    main()
