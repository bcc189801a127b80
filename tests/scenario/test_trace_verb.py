"""The verb `trace` as a person sees it: the table, the terminal, and what is said about wrong usage."""
import contextlib
import os
import pty
import re
import subprocess

import pytest

import farm
import web as web_lib
from tracing import begin, end, environment, trace

WORLDS = web_lib.load([web_lib.WORLDS])
PAGE = {"status": 200, "headers": [["Content-Type", "text/html"]], "body": "<!doctype html><title>shop</title><p>shop</p>"}


@pytest.fixture(scope="module")
def site():
    with web_lib.Web([web_lib.WORLDS]) as running:
        yield running


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
    seen = in_a_terminal("--timeout", "2", "--proxy", site.proxy("silent-at-once"), WORLDS["silent-at-once"]["start"])
    assert re.search(r"\rhop 1  \d\.\d s  http://r\.test/a|\r\033\[Khop 1  \d\.\d s  http://r\.test/a", seen)


def test_control_characters_from_outside_stay_out_of_the_terminal(site):
    site.add("http://esc.test/?x=%1b%5d0;owned%07", PAGE)
    _, out, _ = end(begin("--proxy", site.proxy(), "http://esc.test/?x=%1b%5d0;owned%07"))
    assert "+ x = ?]0;owned?" in out


# --- usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, says", [
    ([], "which URL?"),
    (["http://a.test/", "http://b.test/"], "one URL at a time"),
    (["--mode", "fast", "http://a.test/"], "--mode fast: must be auto, http_only or browser"),
    (["--max-hops", "0", "http://a.test/"], "--max-hops 0: must be a number from 1 to 100"),
    (["--timeout=601", "http://a.test/"], "--timeout=601"),
    (["--html", "x", "http://a.test/"], "unknown option: --html"),
    (["--har=", "http://a.test/"], "--har: which file?"),
    (["--screenshot=", "http://a.test/"], "--screenshot: which file?"),
    (["--screenshot", "a.png", "--mode", "http_only", "http://a.test/"], "--screenshot needs a browser: leave --mode http_only away"),
    (["--mode=http_only", "--console", "http://a.test/"], "--console needs a browser: leave --mode http_only away"),
    (["--cookies=yes", "http://a.test/"], "--cookies takes no value"),
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


@pytest.mark.parametrize("setting", ["--browser.enabled=false", "--browser.program=no-such-browser"])
def test_a_browser_is_not_pretended(setting):
    result = trace(setting, "--mode", "browser", "http://a.test/")
    assert (result["outcome"], result["error"]["code"]) == ("error", "mode_unavailable")
    assert "browser" in result["error"]["detail"]


def test_the_verb_explains_itself():
    code, out, complaints = end(begin("--help"))
    assert (code, complaints) == (0, "")
    assert out.startswith("usage: tracepool-worker trace") and "--max-hops N" in out
