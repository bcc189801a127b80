"""Proxies that fail in every way, who is blamed for it, and what becomes of their credentials. (In every mode: test_proxy_kinds.py.)"""
import contextlib
import pathlib
import socket
import threading
import time

import pytest

import farm
import web as web_lib
import tracing
from tracing import begin, end, environment

WORLDS = web_lib.load([web_lib.WORLDS])


def trace(*args, **more):
    """Over HTTP alone: what a browser makes of a silent site is test_browser.py's."""
    return tracing.trace("--mode", "http_only", *args, **more)


@pytest.fixture(scope="module")
def site():
    with web_lib.Web([web_lib.WORLDS]) as running:
        yield running


def assert_proxy_failed(result, code):
    assert (result["outcome"], result["error"]["code"], result["error"]["blame"]) == ("error", code, "proxy")
    assert [hop["status"] for hop in result["chain"]] == [None]


@contextlib.contextmanager
def proxy_that(answer):
    """A listener that does answer(connection, first bytes) with each client; its proxy URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as held:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    held.enter_context(connection)
                    threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection):
            with contextlib.suppress(OSError):
                answer(connection, connection.recv(65536))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://ann:pass-word@127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_proxy_that_refuses_is_blamed():
    assert_proxy_failed(trace("--proxy", f"http://ann:pass-word@127.0.0.1:{farm.free_port()}", "http://r.test/"), "proxy_refused")


def test_a_proxy_without_an_address_is_blamed():
    assert_proxy_failed(trace("--proxy", "http://ann:pass-word@gone.invalid:3128", "http://r.test/"), "proxy_resolve")


def test_a_proxy_that_wants_other_credentials_is_blamed(site):
    result = trace("--proxy", f"http://nobody:pass-word@127.0.0.1:{site.port}", "http://r.test/a")
    assert_proxy_failed(result, "proxy_auth")
    assert result["chain"][0]["notes"] == ["the proxy answered 407"]


def test_a_proxy_that_wants_other_credentials_for_a_tunnel_is_blamed(site):
    assert_proxy_failed(trace("--proxy", f"http://nobody:pass-word@127.0.0.1:{site.port}", "https://r.test/a"), "proxy_auth")


def test_a_proxy_that_opens_no_tunnel_is_blamed(site):
    assert_proxy_failed(trace("--proxy", site.proxy("fragments"), "https://r.test/a"), "proxy_tunnel")


@pytest.mark.parametrize("url", ["http://r.test/", "https://r.test/"])
def test_a_proxy_that_says_nothing_is_blamed(url):
    with proxy_that(lambda connection, request: time.sleep(60)) as proxy:
        assert_proxy_failed(trace("--timeout", 1, "--proxy", proxy, url), "proxy_timeout")


def test_a_proxy_that_speaks_something_else_is_blamed():
    with proxy_that(lambda connection, request: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as proxy:
        assert_proxy_failed(trace("--proxy", proxy, "http://r.test/"), "proxy_protocol")


def test_a_proxy_that_hangs_up_on_everything_is_blamed():
    with proxy_that(lambda connection, request: connection.shutdown(socket.SHUT_RDWR)) as proxy:
        assert_proxy_failed(trace("--proxy", proxy, "http://r.test/"), "proxy_protocol")


def test_silence_behind_a_live_proxy_is_the_targets():
    def answer(connection, request):
        if b".invalid/" in request:
            connection.sendall(b"HTTP/1.1 502 No such host\r\nContent-Length: 0\r\n\r\n")
        else:
            time.sleep(60)

    with proxy_that(answer) as proxy:
        result = trace("--trace.hop_timeout_s=4", "--proxy", proxy, "http://r.test/")
    assert (result["outcome"], result["error"]["code"]) == ("timeout", "target_timeout")


def test_a_407_of_the_target_is_an_answer():
    def answer(connection, request):
        refusal = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(refusal.replace(b"407", b"502") if b".invalid/" in request else refusal)

    with proxy_that(answer) as proxy:
        result = trace("--proxy", proxy, "http://r.test/")
    assert (result["outcome"], [hop["status"] for hop in result["chain"]]) == ("ok", [407])


def test_an_answer_with_endless_headers_is_cut():
    def answer(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: abcdefghijklmnopqrstuvwxyz\r\n" * 1000)

    with proxy_that(answer) as proxy:
        result = trace("--trace.header_max_bytes=4096", "--proxy", proxy, "http://r.test/")
    assert (result["outcome"], result["error"]["code"]) == ("error", "too_big")


def test_the_proxy_may_have_a_name(site):
    result = trace("--proxy", f"http://fragments:x@localhost:{site.port}", WORLDS["fragments"]["start"])
    assert result["outcome"] == "ok"


def test_proxies_of_the_environment_are_not_used(site):
    dead = f"http://127.0.0.1:{farm.free_port()}"
    env = environment(http_proxy=dead, all_proxy=dead, no_proxy="*")
    result = trace("--proxy", site.proxy("fragments"), WORLDS["fragments"]["start"], env=env)
    assert result["outcome"] == "ok"


def socks(reply=0, password=b"pass-word"):
    """The answer of a SOCKS5 proxy (RFC 1928, 1929) that is an origin too."""
    def answer(connection, greeting):
        assert 2 in greeting[2:]
        connection.sendall(b"\x05\x02")
        given = connection.recv(65536)
        connection.sendall(b"\x01\x00" if given.endswith(bytes([len(password)]) + password) else b"\x01\x01")
        asked = connection.recv(65536)
        connection.sendall(b"\x05" + bytes([reply]) + b"\x00\x01\x7f\x00\x00\x01\x00\x50")
        if connection.recv(65536):
            body = b"<p>for " + asked[5:5 + asked[4]] + b"</p>"  # the name came unresolved
            connection.sendall(b"HTTP/1.1 200 OK\r\nServer: for %s\r\nContent-Length: %d\r\n\r\n%s"
                               % (asked[5:5 + asked[4]], len(body), body))
    return answer


def test_a_socks_proxy_resolves_the_name():
    with proxy_that(socks()) as proxy:
        result = trace("--proxy", proxy.replace("http:", "socks5h:"), "http://r.test/")
    assert result["outcome"] == "ok"
    assert ["Server", "for r.test"] in result["chain"][0]["headers"]


@pytest.mark.parametrize("proxy, code", [(socks(password=b"other"), "proxy_auth"), (socks(reply=2), "proxy_tunnel"),
                                         (socks(reply=5), "target_refused")])
def test_a_socks_proxy_that_refuses_says_why(proxy, code):
    with proxy_that(proxy) as address:
        result = trace("--proxy", address.replace("http:", "socks5h:"), "http://r.test/")
    assert (result["outcome"], result["error"]["code"]) == ("error", code)


# --- secrets ---------------------------------------------------------------------------------------------


def wait_for_request(site, id):
    return farm.wait_for(lambda: [entry for entry in site.log() if entry["id"] == id], "the request")


@pytest.mark.parametrize("spelling", [["--proxy", "{}"], ["--proxy={}"]])
def test_credentials_leave_the_process_list(site, spelling):
    site.reset()
    words = [word.format(site.proxy("silent-at-once")) for word in spelling]
    process = begin(*words, WORLDS["silent-at-once"]["start"])
    wait_for_request(site, "silent-at-once")
    seen = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.kill()
    end(process)
    assert b"secret" not in seen and b"trace" in seen


@pytest.mark.parametrize("way", ["environment", "file"])
def test_credentials_may_come_from_elsewhere(site, way, tmp_path):
    (tmp_path / "proxy").write_text(site.proxy("fragments") + "\n")
    words = ["--proxy-file", tmp_path / "proxy"] if way == "file" else []
    env = environment(TRACEPOOL_PROXY=site.proxy("fragments")) if way == "environment" else None
    assert trace(*words, WORLDS["fragments"]["start"], env=env)["outcome"] == "ok"


@pytest.mark.parametrize("proxy", ["http://ann:pass-word@127.0.0.1:1", "ftp://ann:pass-word@h:1", "http://ann:pass-word@h",
                                   "http://ann:pass-word@h:99999", "http://ann:pass-word@h h:1", "http://ann:%0apass-word@h:1"])
@pytest.mark.parametrize("form", [["--json"], []])
def test_credentials_are_in_no_output(proxy, form):
    code, out, complaints = end(begin(*form, "--log.level=debug", "--proxy", proxy, "http://r.test/"))
    assert code in (1, 2)
    assert "ann" not in out + complaints and "pass-word" not in out + complaints
