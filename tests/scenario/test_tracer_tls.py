"""HTTPS origins, reached directly: certificates are verified, and hosts that want https get it."""
import contextlib
import datetime
import http.server
import ssl
import threading

import pytest

from tls import certificate
from tracing import trace


class Shop(http.server.BaseHTTPRequestHandler):
    """/strict asks for https and sends to http; everything else is a page."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"<p>shop</p>"
        if self.path == "/strict":
            self.send_response(302)
            self.send_header("Strict-Transport-Security", "max-age=600")
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/landing")
            body = b""
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def shop(certificate_file):
    """Its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_certificate_of_a_known_authority_is_accepted(tmp_path):
    file = certificate(tmp_path, "localhost", 2)
    with shop(file) as url:
        result = trace("--allow-private", f"--http.ca_file={file}", url + "/")
    assert result["outcome"] == "ok"
    tls = result["chain"][0]["tls"]
    assert tls["version"].startswith("TLSv1.") and tls["error"] is None
    assert tls["subject"].replace(" ", "") == tls["issuer"].replace(" ", "") == "CN=localhost"
    left = datetime.datetime.fromisoformat(tls["not_after"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert 1 <= left.total_seconds() / 86400 <= 2
    assert result["chain"][0]["timing_ms"]["tls"] is not None


@pytest.mark.parametrize("name, days, is_known, says", [("localhost", 2, False, "self-signed"), ("other.test", 2, True, "name"),
                                                        ("localhost", -1, True, "expired")])
def test_a_bad_certificate_is_refused_and_said_so(tmp_path, name, days, is_known, says):
    file = certificate(tmp_path, name, days)
    with shop(file) as url:
        result = trace("--allow-private", *([f"--http.ca_file={file}"] if is_known else []), url + "/")
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", "target_tls", "target")
    assert says in result["error"]["detail"]
    assert says in result["chain"][0]["notes"][0]
    assert says in result["chain"][0]["tls"]["error"]


def test_a_host_that_asked_for_https_gets_it(tmp_path):
    file = certificate(tmp_path, "localhost", 2)
    with shop(file) as url:
        result = trace("--allow-private", f"--http.ca_file={file}", url + "/strict")
        again = trace("--allow-private", f"--http.ca_file={file}", url.replace("https:", "http:") + "/landing")
    assert [(hop["url"], hop["status"], hop["via"]) for hop in result["chain"]] == [
        (url + "/strict", 302, "start"), (url + "/landing", 200, "http_302")]
    assert result["chain"][1]["tls"] == result["chain"][0]["tls"]
    assert again["outcome"] == "error"  # what one trace learnt is unknown to the next
