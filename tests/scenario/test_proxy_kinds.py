"""Every kind of proxy in every mode: with credentials it leads to the target, its failure is its own fault, and none is a
reason to take the browser."""
import contextlib
import itertools
import socket

import pytest

import farm
import tapped
from tls import authority, certificate
from tracing import trace

MODES = ["http_only", "auto", "browser"]
KINDS = ["http", "https", "socks5h"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def targets(tmp_path_factory, own):
    """By the URL's scheme."""
    file = certificate(tmp_path_factory.mktemp("target"), "shop.test", 2, own)
    with tapped.Target() as plain, tapped.Target(file) as secure:
        yield {"plain": plain, "tunnels": secure}


def proxy_of(kind, folder, own, targets, days=2):
    if kind == "socks5h":
        return tapped.Socks(**targets)
    return tapped.Proxy(**targets, certificate=certificate(folder, "localhost", days, own) if kind == "https" else None)


@pytest.mark.parametrize("mode", ["http_only", "browser"])
@pytest.mark.parametrize("kind, scheme", itertools.product(KINDS, ["http", "https"]))
def test_with_credentials_it_leads_to_the_target(tmp_path, own, targets, kind, scheme, mode):
    with proxy_of(kind, tmp_path, own, targets) as proxy:
        result = trace("--mode", mode, f"--http.ca_file={own}", "--proxy", f"{kind}://ann:pass%20word@localhost:{proxy.port}",
                       f"{scheme}://shop.test/start?owner=it")
    assert [(hop["url"], hop["status"]) for hop in result["chain"]] == [
        (f"{scheme}://shop.test/{name}?owner=it", status) for name, status in (("start", 302), ("middle", 302), ("end", 200))]
    assert (result["outcome"], result["mode_used"]) == ("ok", mode)
    assert proxy.log and {entry["who"] for entry in proxy.log} == {"ann:pass word"}


# --- failures -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def refuses():
    yield farm.free_port()


@contextlib.contextmanager
def answers(text):
    class Says(tapped.Listener):
        def talk(self, connection, number):
            connection.recv(65536)
            connection.sendall(text)
            connection.recv(65536)

    with Says() as listener:
        yield listener.port


@contextlib.contextmanager
def never_accepts():
    with socket.socket() as full, contextlib.ExitStack() as queued:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fill the queue, so that the next connection hangs
            client = queued.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        yield full.getsockname()[1]


NO_ENTRY = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
FAILURES = {
    "refused": (refuses, "http", ["http", "https"], "proxy_refused"),
    "timeout": (never_accepts, "http", ["http", "https"], "proxy_timeout"),
    "407": (lambda: answers(NO_ENTRY), "http", ["http", "https"], "proxy_auth"),
    "no-tunnel": (lambda: answers(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), "http", ["https"], "proxy_tunnel"),
    "silent-tunnel": (lambda: answers(b""), "http", ["https"], "proxy_timeout"),
    "socks-refuses": (lambda: answers(b"\x05\xff"), "socks5h", ["http", "https"], "proxy_auth"),
    "no-tls": (lambda: answers(b"HTTP/1.1 400 Bad\r\n\r\n"), "https", ["http", "https"], "proxy_protocol"),
}
CASES = [(name, scheme) for name, (_, _, schemes, _) in FAILURES.items() for scheme in schemes]


def failed(result, code):
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", code, "proxy")
    assert [hop["status"] for hop in result["chain"]] == [None]
    assert "pass-word" not in str(result)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name, scheme", CASES)
def test_its_failure_is_its_own(name, scheme, mode):
    make, kind, _, code = FAILURES[name]
    with make() as port:
        result = trace("--mode", mode, "--timeout", 10, "--trace.connect_timeout_ms=1000", "--proxy",
                       f"{kind}://ann:pass-word@127.0.0.1:{port}", f"{scheme}://shop.test/")
    failed(result, code)
    assert result["mode_used"] == ("browser" if mode == "browser" else "http_only"), "no reason for the browser"


@pytest.mark.parametrize("mode", MODES)
def test_its_certificate_is_verified(tmp_path, own, targets, mode):
    with proxy_of("https", tmp_path, own, targets, days=-1) as proxy:
        result = trace("--mode", mode, f"--http.ca_file={own}", "--proxy", f"https://ann:pass-word@localhost:{proxy.port}", "http://shop.test/")
    failed(result, "proxy_protocol")
    assert proxy.log == []
