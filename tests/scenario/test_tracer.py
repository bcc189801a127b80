"""HTTP-only traces of scripted worlds whose chains are known.

Worlds of our own lie in worlds/; those of ../shared/tracer-scenarios run on top where they are present.
"""
import json
import math
import time

import pytest

import farm
import web as web_lib
from tracing import begin, end, trace

SHARED = farm.ROOT.parent / "shared" / "tracer-scenarios"
FOLDERS = [web_lib.WORLDS] + ([SHARED] if SHARED.is_dir() else [])
WORLDS = {id: world for folder in FOLDERS for id, world in web_lib.load([folder]).items()}
PARTNER = WORLDS["all-http-redirects"]
PAGE = {"status": 200, "headers": [["Content-Type", "text/html"]], "body": "<!doctype html><title>shop</title><p>shop</p>"}


@pytest.fixture(scope="module")
def site():
    with web_lib.Web(FOLDERS) as running:
        yield running


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


# --- what is known of a hop ------------------------------------------------------------------------------


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


# --- deadlines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["silent-later", "dripping"])
def test_the_deadline_ends_a_trace(site, id):
    """The bound is generous: what is tested is that there is one."""
    began = time.monotonic()
    result = trace("--timeout", "1.5", "--proxy", site.proxy(id), WORLDS[id]["start"])
    assert result["outcome"] == "timeout"
    assert time.monotonic() - began < 20


# --- the address guard -----------------------------------------------------------------------------------


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
