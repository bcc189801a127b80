"""Nothing crosses from one trace to another in one process or one Chromium, whatever libcurl is installed: no connection,
cookie, TLS session, credential, HSTS note or cached page. (DNS answers: test_guard_traps.py and test_guard_browser.py, which
have a DNS server.)

The evidence is what the proxy and the target wrote down. Where a thing must not cross, the same test shows that it is
there within a trace: a test that could not see it would prove nothing.
"""
import collections
import json
import ssl
import subprocess

import pytest

import farm
from tabs import Tabs
from tapped import Proxy, Target
from tls import certificate

# Two traces of one identity, the same user with another password, others, and none.
WHO = ["ann:one", "ann:one", "ann:two", "bob:one", "", "ann:one"]
TLS = {"tls-1.2": ssl.TLSVersion.TLSv1_2, "tls-1.3": ssl.TLSVersion.TLSv1_3}
AT_ONCE = [1, 6]
KEEP = ["Cache-Control: max-age=600"]


def traces(lines, *options):
    """Result objects of traces in one tracer, in the order of their lines: (proxy URL or None, URL)."""
    words = [farm.BUILD / "tests" / "scenario" / "tracer_client", "--allow-private", *options]
    done = subprocess.run([str(word) for word in words], input="".join(f"{proxy or '-'} {url}\n" for proxy, url in lines),
                          text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    results = {said["line"]: said["result"] for said in map(json.loads, done.stdout.splitlines())}
    return [results[i] for i in range(len(lines))]


def pages(lines, at_once, *options):
    """The same in one Chromium, which stays."""
    with Tabs("--max-contexts", at_once, *options) as tabs:
        begun = [tabs.begin(url, proxy, allow_private=True) for proxy, url in lines]
        results = [tabs.result(id) for id in begun]
        assert tabs.counts()["starts"] == 1
    return results


def lines_for(proxy, scheme, host, more=""):
    """One trace for each of WHO; the owner in the URL is the trace's number."""
    urls = [f"{scheme}://{host}/start?owner={i}{more}" for i in range(len(WHO))]
    return list(zip([f"http://{who + '@' if who else ''}127.0.0.1:{proxy.port}" for who in WHO], urls))


def run(proxy, scheme, at_once, *options, more=""):
    return whole(traces(lines_for(proxy, scheme, "localhost", more), "--at-once", at_once, *options))


def whole(results):
    assert [result["outcome"] for result in results] == ["ok"] * len(WHO)
    assert [len(result["chain"]) for result in results] == [3] * len(WHO)
    return results


def by(log, key, value):
    """key -> the set of values that were seen with it"""
    seen = collections.defaultdict(set)
    for entry in log:
        seen[entry[key]].add(value(entry))
    return seen


def assert_cookies_stayed(target):
    for entry in target.log:
        wanted = None if entry["path"] == "/start" else f"of={entry['owner']}"
        assert entry["headers"].get("cookie") == wanted, entry


def assert_credentials_fit(target, proxy):
    """Each request reached the target over a connection that the proxy opened for that trace's own credentials."""
    opened_for = {entry["peer_at_target"]: entry["who"] for entry in proxy.log}
    for entry in target.log:
        assert opened_for[entry["peer"]] == (WHO[int(entry["owner"])] or None)
        assert not {"authorization", "proxy-authorization"} & entry["headers"].keys()


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_plain_requests(at_once):
    with Target() as target, Proxy(plain=target) as proxy:
        run(proxy, "http", at_once)
    owners = by(proxy.log, "connection", lambda entry: entry["url"].rsplit("owner=")[1])
    assert [len(names) for names in owners.values()] == [1] * len(WHO), "one connection a trace, one trace a connection"
    assert all(len(names) == 1 for names in by(proxy.log, "connection", lambda entry: entry["who"]).values())
    assert not any("proxy-connection" in entry["headers"] for entry in proxy.log)
    assert_credentials_fit(target, proxy)
    assert_cookies_stayed(target)


@pytest.mark.parametrize("version", TLS.values(), ids=TLS)
@pytest.mark.parametrize("at_once", AT_ONCE)
def test_tunnels(tmp_path, at_once, version):
    file = certificate(tmp_path, "localhost", 2)
    with Target(file, version) as target, Proxy(tunnels=target) as proxy:
        run(proxy, "https", at_once, "--ca", file)
    assert [entry["method"] for entry in proxy.log] == ["CONNECT"] * len(WHO)
    assert [set(entry["headers"]) for entry in proxy.log] == [{"host", "user-agent"}] * len(WHO)
    owners = by(target.log, "connection", lambda entry: entry["owner"])
    assert [len(names) for names in owners.values()] == [1] * len(WHO), "one tunnel a trace, one trace a tunnel"
    assert_credentials_fit(target, proxy)
    assert_cookies_stayed(target)


@pytest.mark.parametrize("version", TLS.values(), ids=TLS)
@pytest.mark.parametrize("at_once", AT_ONCE)
@pytest.mark.parametrize("way", ["tunnel", "direct"])
def test_tls_sessions(tmp_path, way, at_once, version):
    """The target closes after each answer: the next hop resumes its trace's session, the next trace begins anew."""
    file = certificate(tmp_path, "localhost", 2)
    with Target(file, version) as target, Proxy(tunnels=target) as proxy:
        if way == "tunnel":
            run(proxy, "https", at_once, "--ca", file, more="&close=1")
        else:
            lines = [(None, f"https://localhost:{target.port}/start?owner={i}&close=1") for i in range(len(WHO))]
            assert all(result["outcome"] == "ok" for result in traces(lines, "--at-once", at_once, "--ca", file))
    resumed = by(target.log, "path", lambda entry: entry["is_resumed"])
    assert resumed == {"/start": {False}, "/middle": {True}, "/end": {True}}


def test_what_a_host_asked_for_is_forgotten_with_the_trace(tmp_path):
    """HSTS: the first trace goes on by https; the second one, with http, is not led there by what the first one learnt."""
    file = certificate(tmp_path, "localhost", 2)
    hsts = ["Strict-Transport-Security: max-age=600"]
    with Target(file, headers=hsts) as strict, Target() as plain, Proxy(plain=plain, tunnels=strict) as proxy:
        via = f"http://ann:one@127.0.0.1:{proxy.port}"
        run_all = [(via, "https://localhost/start?owner=0&then=http"), (via, "http://localhost/start?owner=1")]
        first, second = traces(run_all, "--ca", file)
    assert [hop["url"].split(":")[0] for hop in first["chain"]] == ["https"] * 3, "though it was led to http"
    assert {hop["url"].split(":")[0] for hop in second["chain"]} == {"http"}
    assert {entry["owner"] for entry in plain.log} == {"1"}


# --- the contexts of one Chromium -----------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_plain_pages(at_once):
    with Target(headers=KEEP) as target, Proxy(plain=target) as proxy:
        whole(pages(lines_for(proxy, "http", "shop.test"), at_once))
    assert all(len(owners) == 1 for owners in by(target.log, "connection", lambda entry: entry["owner"]).values())
    assert collections.Counter(entry["path"] for entry in target.log) == {path: len(WHO) for path in ("/start", "/middle", "/end")}
    assert_credentials_fit(target, proxy)
    assert_cookies_stayed(target)


@pytest.mark.parametrize("version", TLS.values(), ids=TLS)
@pytest.mark.parametrize("at_once", AT_ONCE)
def test_tunnelled_pages(tmp_path, at_once, version):
    """The target closes after each answer: within a trace its session is resumed, the next trace begins anew."""
    file = certificate(tmp_path, "shop.test", 2)
    with Target(file, version, KEEP) as target, Proxy(tunnels=target) as proxy:
        whole(pages(lines_for(proxy, "https", "shop.test", "&close=1"), at_once, "--ca", file))
    owners = by(target.log, "connection", lambda entry: entry["owner"])
    assert all(len(names) == 1 for names in owners.values())
    assert_credentials_fit(target, proxy)
    assert_cookies_stayed(target)
    resumed = by(target.log, "path", lambda entry: entry["is_resumed"])
    assert resumed == {"/start": {False}, "/middle": {True}, "/end": {True}}


def test_what_a_host_asked_for_is_forgotten_with_the_context(tmp_path):
    file = certificate(tmp_path, "shop.test", 2)
    hsts = ["Strict-Transport-Security: max-age=600"]
    with Target(file, headers=hsts) as strict, Target() as plain, Proxy(plain=plain, tunnels=strict) as proxy:
        via = f"http://ann:one@127.0.0.1:{proxy.port}"
        urls = ["https://shop.test/start?owner=0&then=http", "http://shop.test/start?owner=1"]
        first, second = pages([(via, url) for url in urls], 1, "--ca", file)
    assert [hop["url"].split(":")[0] for hop in first["chain"]] == ["https"] * 3, "though it was led to http"
    assert {hop["url"].split(":")[0] for hop in second["chain"]} == {"http"}
    assert {entry["owner"] for entry in plain.log} == {"1"}
