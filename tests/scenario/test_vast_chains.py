"""Wrapper chains over a real network: the project's own, and those of the shared corpus where it is present.

A chain (vast_chains.json): docs {path: {xml, status, type, delay_ms, gzip, location}}, the first being the source, and
expect {ads, impressions, codes, codes_alt, max_fetches}. In documents "[@" stands for the server's URL, "[~" for the same
without its scheme.
"""
import gzip
import http.server
import json
import pathlib
import socketserver
import subprocess
import threading
import time

import pytest

import farm

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "shared" / "vast-corpus" / "chains.json"
TRACKER = "http://t.example/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        site = self.server.site
        path = self.path.split("://", 1)[-1]   # through a proxy the URL is whole
        path = self.path if path == self.path else "/" + path.split("/", 1)[1]
        site.asked.append((path, dict(self.headers)))
        doc = site.docs.get(path.split("?")[0]) or {"status": 404, "xml": ""}
        time.sleep(doc.get("delay_ms", doc.get("delay", 0)) / 1000)
        body = site.fill(doc["xml"]).encode() * doc.get("times", 1)
        self.send_response(doc.get("status", 200))
        self.send_header("Content-Type", doc.get("type", "application/xml"))
        if doc.get("location"):
            self.send_header("Location", site.fill("[" + doc["location"])[1:])
        if doc.get("gzip"):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_):
        pass


class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Site:
    def __init__(self):
        self.docs, self.asked = {}, []
        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.listener.site = self
        self.host = f"127.0.0.1:{self.listener.server_port}"
        self.url = "http://" + self.host
        threading.Thread(target=self.listener.serve_forever, args=(0.01,), daemon=True).start()

    def fill(self, text):
        return text.replace("[@", "[" + self.url).replace("[~", "[//" + self.host)

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


def chains():
    for path in [HERE / "vast_chains.json", CORPUS]:
        if path.exists():
            for scenario in json.loads(path.read_text())["scenarios"]:
                yield pytest.param(scenario, id=f"{path.parent.name}-{scenario['name']}")


def worker(*args, **more):
    return subprocess.run([farm.binary("tracepool-worker"), "vast", *map(str, args)], capture_output=True, timeout=60,
                          **more)


def resolve(*args):
    return json.loads(worker("--json", "--resolve", "--allow-private", *args).stdout)


@pytest.mark.parametrize("chain", chains())
def test_a_chain_ends_as_expected(site, chain):
    site.docs = chain["docs"]
    got = resolve(*chain.get("options", []), site.url + next(iter(site.docs)))
    expect = chain["expect"]
    assert [ad["id"] for ad in got["ads"]] == expect["ads"]
    assert [[url.replace(TRACKER, "") for url in ad] for ad in got["impressions"]] == expect["impressions"]
    assert sorted(got["codes"]) in [sorted(codes) for codes in [expect["codes"], *expect.get("codes_alt", [])]]
    assert len(site.asked) <= expect["max_fetches"]
    assert len(got["hops"]) <= len(site.asked)
    for error in got["errors"]:
        assert all(f"c={error['code']}" in url for url in error["urls"])


AD = ('<VAST version="4.2"><Ad id="in"><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle>'
      '<Impression>http://t.example/in</Impression></InLine></Ad></VAST>')


def wrapper(uri, **attributes):
    flags = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (f'<VAST version="4.2"><Ad id="w"><Wrapper{flags}><AdSystem>s</AdSystem><VASTAdTagURI><![CDATA[{uri}]]>'
            f'</VASTAdTagURI><Error>http://t.example/e?c=[ERRORCODE]</Error><Impression>http://t.example/w</Impression>'
            f'</Wrapper></Ad></VAST>')


def test_without_resolve_only_the_source_is_requested(site):
    site.docs = {"/0": {"xml": wrapper(site.url + "/1")}}
    done = worker("--json", "--allow-private", site.url + "/0")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ads"][0]["kind"] == "wrapper"
    assert [path for path, _ in site.asked] == ["/0"]


def test_requests_go_through_the_proxy_with_its_credentials_and_say_who_they_are(site):
    site.docs = {"/0": {"xml": wrapper("http://elsewhere.test/1")}, "/1": {"xml": AD}}
    got = resolve("--proxy", f"http://user:secret@{site.host}", "http://ads.test/0")
    assert [ad["id"] for ad in got["ads"]] == ["in"]
    assert [headers["Host"] for _, headers in site.asked] == ["ads.test", "elsewhere.test"]
    for _, headers in site.asked:
        assert headers["Proxy-Authorization"].startswith("Basic ")
        assert headers["User-Agent"].startswith("tracepool/")
    assert "secret" not in json.dumps(got)


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "http://127.0.0.1:1/", "http://localhost/"])
def test_a_wrapper_cannot_send_us_into_our_own_network(tmp_path, target):
    document = tmp_path / "wrapper.xml"
    document.write_text(wrapper(target))
    done = worker("--json", "--resolve", document)
    got = json.loads(done.stdout)
    assert done.returncode == 1
    assert got["codes"] == [301]
    assert "blocked_address" in got["hops"][0]["problem"]
    assert got["hops"][0]["status"] is None


def test_a_redirect_is_judged_like_a_first_url(site):
    site.docs = {"/0": {"status": 302, "location": "http://169.254.169.254/", "xml": ""}}
    got = resolve(site.url + "/0")
    assert got["codes"] == [301]
    assert "blocked_address" in got["hops"][0]["problem"]
    site.docs = {"/0": {"status": 302, "location": "file:///etc/passwd", "xml": ""}}
    assert resolve(site.url + "/0")["codes"] == [301]


def test_redirects_have_an_end(site):
    site.docs = {"/0": {"status": 302, "location": "@/0", "xml": ""}}
    got = resolve(site.url + "/0")
    assert "too_many_hops" in got["hops"][0]["problem"]
    assert len(site.asked) == 6


def test_a_body_that_is_small_on_the_wire_and_huge_unpacked_is_refused(site):
    site.docs = {"/0": {"xml": " " * 1000000, "times": 20, "gzip": True}}
    got = resolve(site.url + "/0")
    assert got["codes"] == [301]
    assert "too_big" in got["hops"][0]["problem"]


def test_an_ad_server_that_is_late_is_not_waited_for(site, tmp_path):
    provider = tmp_path / "acme.json"
    provider.write_text(json.dumps({"timeout_ms": 200}))
    site.docs = {"/0": {"xml": wrapper(site.url + "/1")}, "/1": {"xml": AD, "delay_ms": 2000}}
    got = resolve("--provider", provider, site.url + "/0")
    assert got["codes"] == [301]
    assert "target_timeout" in got["hops"][1]["problem"]
    assert got["errors"][0]["urls"] == ["http://t.example/e?c=301"]


def test_a_provider_makes_the_request_and_reads_its_extras(site, tmp_path):
    provider = tmp_path / "acme.json"
    provider.write_text(json.dumps({
        "provider": "acme", "base_url": site.url + "/0?v=4", "headers": {"X-Zone": "12"},
        "params": {"q": "a b&[DOMAIN]", "s": ["1", "2"]}, "encoding": {"space": "plus"}, "macros": {"DOMAIN": "d/e"},
        "extras": {"price": "//Extension[@type='acme']/Price", "none": "//Nope", "bad": "nosuch()"}}))
    site.docs = {"/0": {"xml": AD.replace("</InLine>", "<Extensions><Extension type='acme'><Price xmlns='urn:x'> 1.5 "
                                          "</Price></Extension></Extensions></InLine>")}}
    got = resolve("--provider", provider, "--param", "s=3")
    assert got["extras"] == {"price": ["1.5"], "none": [], "bad": None}
    path, headers = site.asked[0]
    assert path == "/0?v=4&q=a+b%26d%2Fe&s=3"
    assert headers["X-Zone"] == "12"


def test_a_provider_may_ask_again(site, tmp_path):
    provider = tmp_path / "acme.json"
    provider.write_text(json.dumps({"retries": 1}))
    site.docs = {"/0": {"status": 503, "xml": "later"}}
    assert resolve("--provider", provider, site.url + "/0")["codes"] == [301]
    assert len(site.asked) == 2


def test_a_person_reads_which_request_failed_and_who_would_be_told(site, tmp_path):
    document = tmp_path / "wrapper.xml"
    document.write_text(wrapper(site.url + "/1"))
    site.docs = {"/1": {"xml": "", "status": 204}}
    done = worker("--resolve", "--allow-private", document)
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "204" in text and "error 303: an empty answer" in text
    assert "would be told: http://t.example/e?c=303" in text


def test_the_ad_of_a_chain_is_fired_with_the_impressions_of_all(site, tmp_path):
    site.docs = {"/1": {"xml": AD.replace("</InLine>", "<Creatives><Creative><Linear><Duration>00:00:10</Duration></Linear>"
                                          "</Creative></Creatives></InLine>")}}
    document = tmp_path / "wrapper.xml"
    document.write_text(wrapper(site.url + "/1"))
    got = resolve(document)
    assert [event["url"] for event in got["fire"][0]["events"]] == [TRACKER + "w", TRACKER + "in"]
    assert [path for path, _ in site.asked] == ["/1"]   # and nothing was


@pytest.mark.parametrize("text,said", [
    ("{", "end of file"),
    ('{"timeout": 5}', "timeout: must be a member or column that a provider has"),
    ('{"timeout_ms": 5}', "timeout_ms 5: must be a number from 100 to 60000"),
    ('{"headers": {"A": "b\\nc"}}', 'headers "A": must be of names'),
    ('{"macro_mode": "both"}', 'macro_mode "both": must be "leave" or "iab"'),
])
def test_a_provider_that_cannot_be_read_is_refused(tmp_path, text, said):
    provider = tmp_path / "acme.json"
    provider.write_text(text)
    done = worker("--provider", provider, "x.xml")
    assert done.returncode == 2
    assert said in done.stderr.decode()


SCHEMA = ('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="VAST"><xs:complexType><xs:sequence>'
          '<xs:element name="Ad" minOccurs="0"/></xs:sequence><xs:attribute name="version" use="required"/>'
          '</xs:complexType></xs:element></xs:schema>')


def test_a_schema_gives_advice_and_refuses_nothing(tmp_path):
    (tmp_path / "vast_4.2.xsd").write_text(SCHEMA)
    for body, count in [('<VAST version="4.2">\n<Ad/></VAST>', 0), ('<VAST version="4.2">\n<Add/></VAST>', 1),
                        ('<VAST version="3.0"/>', 1)]:
        done = worker("--json", "--xsd", tmp_path, "-", input=body.encode())
        found = [f for f in json.loads(done.stdout)["lint"] if f["rule"] == "xsd"]
        assert done.returncode == 0
        assert len(found) == count
        assert all(f["severity"] == "note" for f in found)
        if count and "Add" in body:
            assert found[0]["line"] == 2 and "Add" in found[0]["what"]


def test_an_answer_that_may_be_used_again_is_asked_for_once(site, tmp_path):
    pod = "".join(f'<Ad id="w{n}" sequence="{n}"><Wrapper><VASTAdTagURI>{site.url}/1</VASTAdTagURI></Wrapper></Ad>'
                  for n in (1, 2, 3))
    site.docs = {"/0": {"xml": f'<VAST version="4.2">{pod}</VAST>'}, "/1": {"xml": AD}}
    provider = tmp_path / "acme.json"
    for ttl, requests in (0, 4), (60, 2):
        provider.write_text(json.dumps({"cache_ttl_s": ttl}))
        site.asked.clear()
        got = resolve("--provider", provider, site.url + "/0")
        assert [ad["id"] for ad in got["ads"]] == ["in", "in", "in"]
        assert len(site.asked) == requests


def test_macros_of_requests_are_honest_and_fresh(site):
    uri = site.url + "/1?s=[SERVERSIDE]&cb=[CACHEBUSTING]&t=${TIMESTAMP}&ip=[DEVICEIP]"
    site.docs = {"/0": {"xml": wrapper(uri)}, "/1": {"xml": AD}}
    asked = set()
    for _ in range(2):
        resolve(site.url + "/0")
        query = dict(part.split("=") for part in site.asked[-1][0].split("?")[1].split("&"))
        assert query["s"] == "2" and query["ip"] == "[DEVICEIP]" and query["t"].startswith("20")
        assert query["cb"].isdigit() and len(query["cb"]) == 8
        asked.add(query["cb"])
    assert len(asked) == 2


def test_a_proxys_password_is_in_no_process_list(site):
    site.docs = {"/0": {"xml": AD, "delay_ms": 300}}
    command = [farm.binary("tracepool-worker"), "vast", "--proxy", f"http://user:secret@{site.host}", "http://ads.test/0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while not site.asked:
            assert running.poll() is None
            time.sleep(0.01)
        assert b"secret" not in pathlib.Path(f"/proc/{running.pid}/cmdline").read_bytes()
        out, errors = running.communicate(timeout=60)
    assert running.returncode == 0
    assert b"secret" not in out + errors


def test_a_proxy_that_cannot_be_used_is_named_without_its_password():
    done = worker("--proxy", "http://user:secret@proxy.test:99999", "http://ads.test/0")
    assert done.returncode == 2
    assert b"proxy: a port from 1 to 65535" in done.stderr
    assert b"secret" not in done.stderr


def test_an_expression_that_takes_too_long_gives_nothing(site, tmp_path):
    provider = tmp_path / "acme.json"
    provider.write_text(json.dumps({"extras": {"slow": "count(//*[count(//*[count(//*) > 1]) > 1])", "quick": "count(//x)"}}))
    site.docs = {"/0": {"xml": AD.replace("</InLine>", f"<Extensions>{'<x/>' * 3000}</Extensions></InLine>")}}
    got = resolve("--provider", provider, site.url + "/0")
    assert got["extras"] == {"slow": None, "quick": ["3000"]}
