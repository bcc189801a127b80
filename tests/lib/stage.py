"""A web that a test changes while it runs: pages are added, held back and let go, and every visit is written down.

    with Stage() as web:
        web.add("http://go.test/", {"status": 302, "headers": [["Location", "http://shop.test/"]]})
        web.add("http://slow.test/", PAGE, held=True)     answers when web.release("http://slow.test/") is called
        web.visits("http://go.test/")                     who came: .url, .peer, .headers, .at and .until (monotonic)

It is origin and forward proxy in one, on 127.0.0.1: names are never resolved. A URL that was added with a query
answers that query alone; one without answers any. A response has status, headers, body (or bytes), delay_ms and drop (close
without an answer), as in the scenario files of web.py, which is the one for fixed worlds. With auth=(user, password)
it is a proxy that asks for them (407).
"""
import base64
import http.server
import select
import socketserver
import threading
import time
import types
import urllib.parse

PAGE = {"status": 200, "headers": [["Content-Type", "text/html"]], "body": "<!doctype html><title>shop</title><p>shop</p>"}

ASK_FOR_AUTH = {"status": 407, "headers": [["Proxy-Authenticate", 'Basic realm="stage"']]}


def redirect(url, status=302):
    return {"status": status, "headers": [["Location", url]]}


def normal(url):
    """Without the default port, which some proxies add."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "http" and parts.netloc.endswith(":80"):
        parts = parts._replace(netloc=parts.netloc[:-3])
    return parts.geturl()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def visited(self):
        url = self.path if "://" in self.path else f"http://{self.headers.get('Host', '')}{self.path}"
        return types.SimpleNamespace(url=normal(url), method=self.command, peer=self.client_address[0],
                                     at_address=self.connection.getsockname()[0],
                                     headers=dict(self.headers), at=time.monotonic(), until=float("inf"))

    def answer(self):
        visit = self.visited()
        try:
            self.serve(visit)
        finally:
            visit.until = time.monotonic()

    def rest(self, seconds):
        """Until then, or until who asked has hung up."""
        if seconds and select.select([self.connection], [], [], seconds)[0]:
            self.close_connection = True

    def serve(self, visit):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        stage = self.server.stage
        if stage.auth and self.headers.get("Proxy-Authorization") != stage.auth:
            response, gate = ASK_FOR_AUTH, None
        else:
            response, gate = stage.enter(visit)
        if gate is not None:
            gate.wait()
        self.rest(response.get("delay_ms", 0) / 1000)
        if response.get("drop"):
            self.close_connection = True
            return
        body = response.get("bytes") or response.get("body", "").encode()
        try:
            self.send_response(response["status"])
            for name, value in response.get("headers", []):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True   # whoever asked is gone, as the test wanted

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        pass


class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass   # a client that went away in mid-request


class Stage:
    def __init__(self, auth=None, address="127.0.0.1"):
        """address: where it listens; "" is everywhere, and then a visit's `at_address` tells where it came in."""
        self.address = address
        self.auth = auth and "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        self.lock = threading.Lock()
        self.pages, self.gates, self.log = {}, {}, []
        self.listener = Listener((address, 0), Handler)
        self.listener.stage = self
        self.port = self.listener.server_port
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def add(self, url, response, held=False):
        with self.lock:
            self.pages[url] = response
            if held:
                self.gates[url] = threading.Event()
        return url

    def release(self, url):
        """Lets go who waits at a held page, and whoever comes later."""
        with self.lock:
            self.gates.pop(url).set()

    def enter(self, visit):
        with self.lock:
            self.log.append(visit)
            key = visit.url if visit.url in self.pages else visit.url.partition("?")[0]
            return self.pages.get(key, {"status": 404}), self.gates.get(key)

    def visits(self, url=None):
        """All visits, or those of a URL whatever its query."""
        with self.lock:
            return [v for v in self.log if url is None or url in (v.url, v.url.partition("?")[0])]

    def close(self):
        with self.lock:
            for gate in self.gates.values():
                gate.set()
        self.listener.shutdown()
        self.listener.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
