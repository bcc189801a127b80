"""HTTPS origins: certificates are verified in every mode, an authority of the operator's own is known to all of them,
and a host that wants https gets it."""
import contextlib
import datetime
import http.server
import os
import ssl
import threading

import pytest

import farm
from chromium import find_chromium
from tabs import Tabs
from tapped import Proxy, Target
from tls import authority, certificate
from tracing import environment, trace

MODES = ["http_only", "auto", "browser"]
SCRIPTED = b"<!doctype html><script>location = '/landing'</script>"


class Shop(http.server.BaseHTTPRequestHandler):
    """/strict asks for https and sends to http, /scripted goes on by script; everything else is a page."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = SCRIPTED if self.path == "/scripted" else b"<p>shop</p>"
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


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that did not like the certificate


@contextlib.contextmanager
def shop(certificate_file):
    """Its URL."""
    server = Quiet(("127.0.0.1", 0), Shop)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """An authority of the operator's own."""
    return authority(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, own):
    """What http.ca_file may look like as well: the own authority is not the first in it."""
    folder = tmp_path_factory.mktemp("bundle")
    file = folder / "bundle.pem"
    file.write_bytes(authority(folder, "another").read_bytes() + own.read_bytes())
    return file


# --- accepted ---------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("mode, path, chain", [
    ("http_only", "/", [("/", 200, "start")]),
    ("auto", "/scripted", [("/scripted", 200, "start"), ("/landing", 200, "js_location")]),
    ("browser", "/scripted", [("/scripted", 200, "start"), ("/landing", 200, "js_location")])])
def test_an_authority_of_the_operators_own_is_known_to_every_mode(tmp_path, own, bundle, mode, path, chain):
    with shop(certificate(tmp_path, "localhost", 2, own)) as url:
        result = trace("--mode", mode, "--allow-private", f"--http.ca_file={bundle}", url + path)
    assert [(hop["url"], hop["status"], hop["via"]) for hop in result["chain"]] == [(url + at, status, via) for at, status, via in chain]
    assert (result["outcome"], result["mode_used"]) == ("ok", "http_only" if mode == "http_only" else "browser")
    tls = result["chain"][-1]["tls"]
    assert (tls["error"], tls["issuer"].replace(" = ", "=")) == (None, "CN=authority of a test")


def test_an_own_authority_is_known_behind_a_proxy_and_to_the_next_chromium(tmp_path, own):
    with Target(certificate(tmp_path, "shop.test", 2, own)) as target, Proxy(tunnels=target) as proxy:
        with Tabs("--ca", own, "--max-traces", 1) as tabs:
            for owner in ("one", "two"):
                result = tabs.trace(f"https://shop.test/start?owner={owner}", f"http://ann:one@127.0.0.1:{proxy.port}")
                assert (result["outcome"], len(result["chain"])) == ("ok", 3)
            assert tabs.counts()["starts"] >= 2   # a worn one is followed at once


# --- refused ----------------------------------------------------------------------------------------------

BAD = {"self-signed": lambda folder, own: certificate(folder, "localhost", 2),
       "expired": lambda folder, own: certificate(folder, "localhost", -1, own),
       "wrong-name": lambda folder, own: certificate(folder, "other.test", 2, own),
       "unknown-authority": lambda folder, own: certificate(folder, "localhost", 2, authority(folder, "stranger"))}
SAYS = {"self-signed": ("self-signed", "ERR_CERT_AUTHORITY_INVALID"), "expired": ("expired", "ERR_CERT_DATE_INVALID"),
        "wrong-name": ("name", "ERR_CERT_COMMON_NAME_INVALID"),
        "unknown-authority": ("issuer", "ERR_CERT_AUTHORITY_INVALID")}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_certificate_is_refused_and_said_so(tmp_path, own, kind, mode):
    says = SAYS[kind][mode == "browser"]
    with shop(BAD[kind](tmp_path, own)) as url:
        result = trace("--mode", mode, "--allow-private", f"--http.ca_file={own}", url + "/")
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", "target_tls", "target")
    assert result["mode_used"] == ("browser" if mode == "browser" else "http_only"), "no reason for the browser"
    assert [(hop["url"], hop["status"]) for hop in result["chain"]] == [(url + "/", None)]
    hop = result["chain"][0]
    assert says in result["error"]["detail"] and says in " ".join(hop["notes"]) and says in hop["tls"]["error"]


def test_the_farm_accepts_and_refuses_alike(worker, pool, tmp_path, own):
    addresses = farm.exit_addresses(2 * len(MODES))
    with contextlib.ExitStack() as stack:
        for country, days in (("us", 2), ("de", -1)):
            (tmp_path / country).mkdir()
            target = stack.enter_context(Target(certificate(tmp_path / country, "shop.test", days, own)))
            for _ in MODES:
                pool.add(stack.enter_context(Proxy(tunnels=target, address=addresses.pop())), country)
        worker(f"--http.ca_file={own}")
        for mode in MODES:
            good, bad = (pool.ended(pool.request("https://shop.test/start?owner=it", country, options={"mode": mode}))
                         for country in ("us", "de"))
            assert (good["status"], good["final_url"]) == ("completed", "https://shop.test/end?owner=it")
            assert (bad["status"], bad["error_code"]) == ("failed", "target_tls")
            assert bad["redirect_chain"][0]["tls"]["error"]
    pool.nothing_held()


# --- a ca_file that can't be used ---------------------------------------------------------------------------


def refused(ca_file, **more):
    """Why there is no browser."""
    error = trace("--mode", "browser", f"--http.ca_file={ca_file}", "http://a.test/", env=environment(**more))["error"]
    assert error["code"] == "mode_unavailable" and error["detail"].startswith("http.ca_file")
    return error["detail"]


@pytest.mark.parametrize("text, says", [(None, "No such file or directory"), ("", "has no certificate"), ("words", "no authorities")])
def test_a_file_without_authorities_is_named(tmp_path, text, says):
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    assert says in refused(file)


def test_the_package_that_is_missing_is_named(tmp_path, own):
    os.symlink(find_chromium(), tmp_path / "chromium-headless-shell")
    assert "libnss3-tools" in refused(own, PATH=str(tmp_path))


def test_nothing_is_left_of_it(tmp_path, own):
    with Tabs("--ca", own) as tabs:
        tabs.trace("http://127.0.0.1:9/", allow_private=True)
        home, = {word.split("=", 1)[1] for words in tabs.chromium().values() for word in words if word.startswith("--user-data-dir=")}
        shared = os.path.realpath(home + "/.pki")
        assert sorted(os.listdir(shared)) == ["nssdb"]
    assert not os.path.exists(home) and not os.path.exists(shared)


# --- strict transport security ------------------------------------------------------------------------------


def test_a_host_that_asked_for_https_gets_it(tmp_path):
    file = certificate(tmp_path, "localhost", 2)
    with shop(file) as url:
        result = trace("--allow-private", f"--http.ca_file={file}", url + "/strict")
        again = trace("--allow-private", f"--http.ca_file={file}", url.replace("https:", "http:") + "/landing")
    assert [(hop["url"], hop["status"], hop["via"]) for hop in result["chain"]] == [
        (url + "/strict", 302, "start"), (url + "/landing", 200, "http_302")]
    assert result["chain"][1]["tls"] == result["chain"][0]["tls"]
    assert again["outcome"] == "error"  # what one trace learnt is unknown to the next
