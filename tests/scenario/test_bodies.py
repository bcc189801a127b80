"""What comes over the wire: HTTP/2 where the origin speaks it, every encoding that we say we read, and bombs of each."""
import base64
import contextlib
import gzip
import http.server
import json
import os
import struct
import subprocess
import threading
import zlib

import pytest

import farm
import tapped
from tls import certificate
from tracing import environment, trace

PAGE = b'<!doctype html><meta http-equiv=refresh content="0;url=/landing">'
BOMB = 64 << 20
BODY_MAX = 2 << 20


def zstd(data, repeat=1):
    """A frame of raw blocks, or of blocks that say one byte many times (RFC 8878)."""
    frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x58)  # no content size; a window of 2 MiB
    piece = 128 * 1024
    blocks = [(1, data[:1], piece)] * (repeat // piece) if repeat > 1 else [(0, data, len(data))]
    for i, (kind, content, size) in enumerate(blocks):
        frame += struct.pack("<I", (i == len(blocks) - 1) | kind << 1 | size << 3)[:3] + content
    return frame


# Both made by node's zlib: PAGE, and BOMB blanks in 53 bytes.
BROTLI_PAGE = base64.b64decode("G0AA6B0HucnyNnbipuVLOZiX3vEpq5MiPWzgkBPwnzhvrcbQEWqyeO5TCSXk7KqD")
BROTLI_BOMB = base64.b64decode("z///f/glQOKxQCD3/p/////wSwDEYQGA7v0/////4ZcAiMMiAN37//z//8cvARCHBQC69/8=")
BODIES = {
    "gzip": (gzip.compress(PAGE), gzip.compress(b" " * BOMB)),
    "deflate": (zlib.compress(PAGE), zlib.compress(b" " * BOMB)),
    "br": (BROTLI_PAGE, BROTLI_BOMB),
    "zstd": (zstd(PAGE), zstd(b" ", BOMB)),
}


class Origin(http.server.BaseHTTPRequestHandler):
    """/page/ENCODING, /bomb/ENCODING; everything else is a plain page."""

    def do_GET(self):
        what, _, encoding = self.path.strip("/").partition("/")
        self.server.accepted.add(self.headers["Accept-Encoding"])
        body = BODIES[encoding][what == "bomb"] if what in ("page", "bomb") else b"<p>landing</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def origin():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.accepted = set()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("encoding", BODIES)
def test_a_page_is_read_in_every_encoding(origin, encoding):
    result = trace("--mode", "http_only", "--allow-private", f"{origin.url}/page/{encoding}")
    assert [(hop["url"], hop["via"]) for hop in result["chain"]] == [
        (f"{origin.url}/page/{encoding}", "start"), (f"{origin.url}/landing", "meta_refresh")]
    assert all(encoding in accepted for accepted in origin.accepted)


def memory_of_a_trace(url):
    """(result, the most memory that it had, in bytes)"""
    words = [farm.binary("tracepool-worker"), "trace", "--json", "--mode", "http_only", "--allow-private", url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        result = json.load(process.stdout)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return result, usage.ru_maxrss * 1024


@pytest.mark.parametrize("encoding", BODIES)
def test_a_bomb_is_cut_at_the_limit(origin, encoding):
    _, usual = memory_of_a_trace(f"{origin.url}/landing")
    result, most = memory_of_a_trace(f"{origin.url}/bomb/{encoding}")
    assert result["outcome"] == "ok"
    assert f"body cut at {BODY_MAX} bytes" in result["chain"][0]["notes"]
    assert most - usual < BOMB / 2, "it was never there as a whole"


# --- HTTP/2 ----------------------------------------------------------------------------------------------

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log; default_type text/html; gzip on; gzip_min_length 1;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl{http2};
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location = /a {{ add_header Set-Cookie "seen=1; Path=/"; return 302 /b; }}
    location = /b {{ return 308 /c; }}
    location = /c {{ return 200 '<meta http-equiv=refresh content="1; url=/d">'; }}
    location = /d {{ return 200 '<p>landing</p>'; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder, speaks_http2):
    port, file = farm.free_port(), certificate(folder, "localhost", 2)
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, port=port, certificate=file, http2=" http2" if speaks_http2 else ""))
    server = farm.Program(["/usr/sbin/nginx", "-p", folder, "-e", folder / "error.log", "-c", conf], folder / "nginx.out")
    try:
        farm.wait_port(port, alive=server.is_running)
        yield port, file
    finally:
        server.stop()


class Port:
    """What tapped.Proxy needs to know of a target."""

    def __init__(self, port):
        self.port = port


@pytest.mark.parametrize("mode", ["http_only", "browser"])
@pytest.mark.parametrize("way", ["direct", "tunnel"])
@pytest.mark.parametrize("speaks_http2, version", [(True, "2"), (False, "1.1")])
def test_http2_is_spoken_where_the_origin_does(tmp_path, speaks_http2, version, way, mode):
    with nginx(tmp_path, speaks_http2) as (port, file), tapped.Proxy(tunnels=Port(port)) as proxy:
        url = f"https://localhost:{port}"
        via = ["--proxy", f"http://ann:one@127.0.0.1:{proxy.port}"] if way == "tunnel" else []
        result = trace("--mode", mode, "--allow-private", f"--http.ca_file={file}", *via, url + "/a")
    assert [(hop["url"], hop["status"], hop["via"]) for hop in result["chain"]] == [
        (url + "/a", 302, "start"), (url + "/b", 308, "http_302"), (url + "/c", 200, "http_308"), (url + "/d", 200, "meta_refresh")]
    assert [hop["http_version"] for hop in result["chain"]] == [version] * 4
    assert [hop["timing_ms"]["connect"] is None for hop in result["chain"]] == [False, True, True, True], "one connection"
    assert result["chain"][0]["cookies_set"] == ["seen"]
    assert len({json.dumps(hop["tls"]) for hop in result["chain"]}) == 1
    assert len(proxy.log) == (way == "tunnel")
