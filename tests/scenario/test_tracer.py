"""The verb `trace`, HTTP-only: scripted worlds with known chains, and proxies that fail in every way.

Worlds of our own lie in worlds/; those of ../shared/tracer-scenarios run on top where they are present.
"""
import contextlib
import json
import math
import os
import pathlib
import pty
import re
import socket
import subprocess
import threading
import time

import pytest

import farm
import web as web_lib

SHARED = farm.ROOT.parent / "shared" / "tracer-scenarios"
FOLDERS = [web_lib.WORLDS] + ([SHARED] if SHARED.is_dir() else [])
WORLDS = {id: world for folder in FOLDERS for id, world in web_lib.load([folder]).items()}
PARTNER = WORLDS["all-http-redirects"]
PAGE = {"status": 200, "headers": [["Content-Type", "text/html"]], "body": "<!doctype html><title>shop</title><p>shop</p>"}


@pytest.fixture(scope="module")
def site():
    with web_lib.Web(FOLDERS) as running:
        yield running


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRACEPOOL_") and not k.lower().endswith("_proxy")}
    return {**kept, **more}


def begin(*args, env=None, **kwargs):
    return subprocess.Popen([farm.binary("tracepool-worker"), "trace", *map(str, args)], text=True, env=env or environment(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def end(process):
    """Exit code, what it printed, what it complained about."""
    out, complaints = process.communicate(timeout=60)
    return process.returncode, out, complaints


def trace(*args, **kwargs):
    """The result object of `trace --json`."""
    code, out, complaints = end(begin("--json", *args, **kwargs))
    assert not complaints
    result = json.loads(out)
    assert code == (0 if result["outcome"] == "ok" else 1)
    return result


def words_of(world, site):
    options = world["options"]
    words = ["--json", "--mode", "http_only", "--proxy", site.proxy(world["id"])]
    words += [word for name in world["expected_params"] for word in ("--expect-param", name)]
    for key, option, value in (("max_hops", "--max-hops", str), ("timeout_ms", "--timeout", lambda ms: ms / 1000),
                               ("max_body", "--trace.body_max_bytes", str), ("referrer", "--referrer", str),
                               ("http_timeout_ms", "--trace.hop_timeout_s", lambda ms: math.ceil(ms / 1000))):
        if key in options:
            words.append(f"{option}={value(options[key])}")
    return words + [world["start"]]


def expected_chain(world):
    """What HTTP alone can see of a world: all of it, or the part up to the page that needs a browser."""
    expect = world["expect"]
    chain = [(hop["url"], hop["status"], hop["via"]) for hop in expect["chain"]]
    if not expect["browser_needed"] or expect["outcome"] != "ok":
        return chain
    stop = expect.get("http_only_final_url", world["start"])
    return chain[:[url for url, _, _ in chain].index(stop) + 1]


def compare(world, result):
    expect = world["expect"]
    chain = [(hop["url"], hop["status"], hop["via"]) for hop in result["chain"]]
    if world["id"] == "slow-headers":  # HTTP gives up on the second hop; a browser has more time
        assert (result["outcome"], result["error"]["code"]) == ("timeout", "target_timeout")
        assert [hop[0] for hop in chain] == [hop["url"] for hop in expect["chain"]]
        return
    wanted = expected_chain(world)
    assert chain == wanted
    assert result["final_url"] == wanted[-1][0]
    assert result["mode_used"] == "http_only"
    if expect["browser_needed"] and expect["outcome"] == "ok":
        return
    assert result["outcome"] == expect["outcome"]
    assert result["extracted_params"].items() >= expect["params"].items()
    if world["id"] in web_lib.load([web_lib.WORLDS]):
        assert result["extracted_params"] == expect["params"]
        assert (result["error"] or {}).get("code") == expect.get("error")
    notes = " ".join(note for hop in result["chain"] for note in hop["notes"])
    for note in expect.get("notes", []):
        assert note in notes


@pytest.mark.parametrize("id", sorted(WORLDS))
def test_world(site, id):
    """Three traces at once: the world twice, and another one beside it."""
    worlds = [WORLDS[id], PARTNER, WORLDS[id]]
    running = [begin(*words_of(world, site)) for world in worlds]
    for world, process in zip(worlds, running):
        code, out, complaints = end(process)
        assert not complaints
        compare(world, json.loads(out))


def test_a_repeated_trace_starts_without_cookies(site):
    chains = [trace(*words_of(WORLDS["cookie-scope"], site)[1:])["chain"] for _ in range(3)]
    assert len({json.dumps([hop["url"] for hop in chain]) for chain in chains}) == 1
    assert chains[0][0]["cookies_set"] == ["mine", "all", "evil"]


def test_a_large_download_is_cut_off_early(site):
    result = trace(*words_of(WORLDS["big-download"], site)[1:])
    assert result["bandwidth_kb"] < 2000


# --- what is known of a hop ---------------------------------------------------------------------------


def test_a_hop_has_its_evidence(site):
    hop = trace("--proxy", site.proxy("compressed"), WORLDS["compressed"]["start"])["chain"][0]
    assert (hop["method"], hop["http_version"], hop["remote_address"]) == ("GET", "1.1", "127.0.0.1")
    assert hop["content_type"] == "text/html; charset=utf-8"
    assert ["Content-Encoding", "gzip"] in hop["headers"]
    assert hop["header_bytes"] > 0 and hop["body_bytes"] > 0
    assert all(isinstance(hop["timing_ms"][name], int) for name in ("dns", "connect", "first_byte", "total"))


def test_the_connection_to_the_proxy_is_kept(site):
    chain = trace("--proxy", site.proxy("all-http-redirects"), PARTNER["start"])["chain"]
    assert [hop["timing_ms"]["connect"] is None for hop in chain] == [False] + [True] * (len(chain) - 1)


# --- proxies that fail --------------------------------------------------------------------------------


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


def test_a_proxy_that_never_accepts_is_blamed():
    with socket.socket() as full, contextlib.ExitStack() as queued:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fill the queue, so that the next connection hangs
            client = queued.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        proxy = f"http://127.0.0.1:{full.getsockname()[1]}"
        assert_proxy_failed(trace("--trace.connect_timeout_ms=300", "--proxy", proxy, "http://r.test/"), "proxy_timeout")


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
        result = trace("--trace.hop_timeout_s=1", "--proxy", proxy, "http://r.test/")
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


# --- deadlines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["silent-at-once", "dripping"])
def test_the_deadline_ends_a_trace(site, id):
    """The bound is generous: what is tested is that there is one."""
    began = time.monotonic()
    result = trace("--timeout", "0.5", "--proxy", site.proxy(id), WORLDS[id]["start"])
    assert result["outcome"] == "timeout"
    assert time.monotonic() - began < 10


# --- secrets ------------------------------------------------------------------------------------------


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


# --- the address guard --------------------------------------------------------------------------------


def test_a_direct_trace_reaches_no_private_address(site):
    site.reset()
    for host in ("127.0.0.1", "localhost", "[::1]", "0x7f000001"):
        result = trace(f"http://{host}:{site.port}/")
        assert (result["outcome"], result["error"]["code"]) == ("blocked", "blocked_address")
    assert site.log() == []


def test_a_direct_trace_may_be_allowed_to(site):
    site.add(f"http://127.0.0.1:{site.port}/shop", PAGE)
    result = trace("--allow-private", f"http://127.0.0.1:{site.port}/shop")
    assert (result["outcome"], result["chain"][0]["status"]) == ("ok", 200)


# --- for a person -------------------------------------------------------------------------------------


def test_the_table_is_plain_in_a_pipe(site):
    code, out, complaints = end(begin("--proxy", site.proxy("params"), "--expect-param", "sub", "--expect-param", "nothing",
                                      WORLDS["params"]["start"]))
    assert (code, complaints) == (0, "")
    assert "\033" not in out
    lines = out.splitlines()
    assert lines[0].split() == ["hop", "status", "why", "time", "where"]
    assert re.fullmatch(r" +1  302     start +\d+ ms  r\.test/a", lines[1])
    assert "+ sub = a b" in out
    assert "missing: nothing" in lines
    assert re.search(r"^ok: 3 hops in \d+ ms, \d+ bytes, http_only", out, re.M)
    assert lines[-1] == "final: http://r.test/c?gclid=&utm%5Fsource=s"


def test_the_table_shows_what_went_wrong():
    code, out, _ = end(begin("--proxy", "http://127.0.0.1:1", "http://r.test/"))
    assert code == 1
    assert "proxy_refused: proxy 127.0.0.1:1: " in out


def in_a_terminal(*args, **more):
    """What a person sees: standard output and standard error on one terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([farm.binary("tracepool-worker"), "trace", *map(str, args)], env=environment(TERM="xterm", **more),
                               stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(master, 65536):
            seen += piece
    os.close(master)
    process.wait()
    return seen.decode()


def test_the_table_has_colour_on_a_terminal_unless_unwanted(site):
    words = ("--proxy", site.proxy("fragments"), WORLDS["fragments"]["start"])
    assert "\033[32mok\033[0m: 5 hops" in in_a_terminal(*words)
    assert "\033[3" not in in_a_terminal(*words, NO_COLOR="1")


def test_a_person_who_waits_sees_progress(site):
    seen = in_a_terminal("--timeout", "1", "--proxy", site.proxy("silent-at-once"), WORLDS["silent-at-once"]["start"])
    assert re.search(r"\rhop 1  \d\.\d s  http://r\.test/a|\r\033\[Khop 1  \d\.\d s  http://r\.test/a", seen)


def test_control_characters_from_outside_stay_out_of_the_terminal(site):
    site.add("http://esc.test/?x=%1b%5d0;owned%07", PAGE)
    _, out, _ = end(begin("--proxy", site.proxy(), "http://esc.test/?x=%1b%5d0;owned%07"))
    assert "+ x = ?]0;owned?" in out


# --- usage --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, says", [
    ([], "which URL?"),
    (["http://a.test/", "http://b.test/"], "one URL at a time"),
    (["--mode", "fast", "http://a.test/"], "--mode fast: must be auto, http_only or browser"),
    (["--max-hops", "0", "http://a.test/"], "--max-hops 0: must be a number from 1 to 100"),
    (["--timeout=601", "http://a.test/"], "--timeout=601"),
    (["--har", "x", "http://a.test/"], "unknown option: --har"),
    (["--json=yes", "http://a.test/"], "--json takes no value"),
    (["http://a.test/", "--referrer"], "--referrer needs a value"),
    (["--user-agent=", "http://a.test/"], "--user-agent: must not be empty"),
    (["--proxy-file", "/nowhere", "http://a.test/"], "--proxy-file /nowhere: No such file"),
    (["--proxy", "socks4://h:1", "http://a.test/"], "the scheme must be http, https or socks5h"),
])
def test_wrong_usage_is_named(words, says):
    code, out, complaints = end(begin(*words))
    assert (code, out) == (2, "")
    assert says.replace("--timeout=601", "--timeout 601: must be seconds from 0.1 to 600") in complaints
    assert "usage: tracepool-worker trace" in complaints


def test_what_is_no_web_url_is_refused():
    for url in ("ftp://a.test/", "a.test", "http://"):
        assert trace(url)["error"]["code"] == "bad_url"


def test_a_browser_is_not_pretended():
    result = trace("--mode", "browser", "http://a.test/")
    assert (result["outcome"], result["error"]["code"]) == ("error", "mode_unavailable")
    assert "use http_only or auto" in result["error"]["detail"]
