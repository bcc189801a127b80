"""The trace as HAR: what tools read of it, and what must never be in it."""
import datetime
import json
import pathlib
import subprocess

import pytest

import npm
import stage
import web as web_lib
from tracing import begin, end

WORLDS = web_lib.load([web_lib.WORLDS])
HERE = pathlib.Path(__file__).resolve().parent / "har"
# One of each kind of end, and whatever makes an entry unusual.
KINDS = ["all-http-redirects", "compressed", "params", "cookie-scope", "silent-at-once", "fragments"]
REQUIRED = {
    "entry": {"startedDateTime": str, "time": int, "request": dict, "response": dict, "cache": dict, "timings": dict},
    "request": {"method": str, "url": str, "httpVersion": str, "cookies": list, "headers": list, "queryString": list,
                "headersSize": int, "bodySize": int},
    "response": {"status": int, "statusText": str, "httpVersion": str, "cookies": list, "headers": list, "content": dict,
                 "redirectURL": str, "headersSize": int, "bodySize": int},
    "timings": {"send": int, "wait": int, "receive": int},
    "content": {"size": int, "mimeType": str},
}


@pytest.fixture(scope="module")
def site():
    with web_lib.Web([web_lib.WORLDS]) as running:
        yield running


def har_of(folder, *args):
    """(file, what is in it, the result object)"""
    file = folder / "trace.har"
    _, out, complaints = end(begin("--json", "--timeout", 2, "--har", file, *args))
    assert not complaints
    return file, json.loads(file.read_text(encoding="utf-8")), json.loads(out)


def check_fields(value, kind):
    for name, type_ in REQUIRED[kind].items():
        assert isinstance(value[name], type_), (kind, name)


def check_structure(file):
    log = json.loads(file.read_text(encoding="utf-8"))["log"]
    assert log["version"] == "1.2" and log["creator"]["name"] == "tracepool" and log["creator"]["version"]
    pages = [page["id"] for page in log["pages"]]
    for entry in log["entries"]:
        check_fields(entry, "entry")
        for part in ("request", "response", "timings"):
            check_fields(entry[part], part)
        check_fields(entry["response"]["content"], "content")
        assert entry["pageref"] in pages
        assert datetime.datetime.fromisoformat(entry["startedDateTime"].replace("Z", "+00:00")).year > 2000
        for pair in entry["response"]["headers"] + entry["response"]["cookies"] + entry["request"]["queryString"]:
            assert isinstance(pair["name"], str) and isinstance(pair["value"], str)


def check_public(file):
    folder = npm.install(HERE / "package.json", HERE / "check.js")
    said = subprocess.run(["node", "check.js"], cwd=folder, input=f"{file}\n", text=True, check=True, capture_output=True)
    assert json.loads(said.stdout) == {}


CHECKS = {"structure": check_structure, **({"har-validator": check_public} if npm.is_there() else {})}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("id", KINDS)
def test_the_format_is_kept(site, tmp_path, id, check):
    file, har, result = har_of(tmp_path, "--proxy", site.proxy(id), WORLDS[id]["start"])
    check(file)
    assert len(har["log"]["entries"]) == len(result["chain"])


def test_an_entry_says_what_the_hop_was(site, tmp_path):
    _, har, result = har_of(tmp_path, "--proxy", site.proxy("params"), WORLDS["params"]["start"])
    entries = har["log"]["entries"]
    for entry, hop, following in zip(entries, result["chain"], result["chain"][1:] + [None]):
        assert (entry["request"]["url"], entry["request"]["method"]) == (hop["url"], hop["method"])
        assert (entry["response"]["status"], entry["_via"], entry["_notes"]) == (hop["status"], hop["via"], hop["notes"])
        assert entry["response"]["redirectURL"] == (following["url"] if following else "")
        assert entry["response"]["httpVersion"] == "HTTP/1.1"
        assert [[h["name"], h["value"]] for h in entry["response"]["headers"]] == hop["headers"]
        spans = [entry["timings"][name] for name in ("dns", "connect", "send", "wait", "receive")]
        assert sum(span for span in spans if span > 0) <= entry["time"] + 2
    assert {pair["name"]: pair["value"] for pair in entries[-1]["request"]["queryString"]} == {"gclid": "", "utm_source": "s"}
    starts = [entry["startedDateTime"] for entry in entries]
    assert starts == sorted(starts)
    assert har["log"]["_outcome"] == "ok"


def test_a_browsers_trace_has_one_too(site, tmp_path):
    before = datetime.datetime.now(datetime.timezone.utc)
    file, har, result = har_of(tmp_path, "--mode", "browser", "--timeout", 20, "--screenshot", tmp_path / "shot.png",
                               "--proxy", site.proxy("params"), WORLDS["params"]["start"])
    for check in CHECKS.values():
        check(file)
    assert [entry["request"]["url"] for entry in har["log"]["entries"]] == [hop["url"] for hop in result["chain"]]
    times = [datetime.datetime.fromisoformat(entry["startedDateTime"].replace("Z", "+00:00")) for entry in har["log"]["entries"]]
    assert times == sorted(times) and before - datetime.timedelta(milliseconds=1) <= times[0]


def test_a_trace_that_failed_has_one_too(tmp_path):
    file, har, _ = har_of(tmp_path, "--proxy", "http://ann:pass-word@127.0.0.1:1", "http://shop.test/")
    assert (har["log"]["_outcome"], har["log"]["_error"]) == ("error", "proxy_refused")
    assert [entry["response"]["status"] for entry in har["log"]["entries"]] == [0]
    assert "pass-word" not in file.read_text() and "ann" not in file.read_text()


def test_credentials_and_cookies_stay_out(site, tmp_path):
    landing = "http://bob:word-of-bob@keep.test/landing?x=a@b"
    site.add("http://keep.test/", {"status": 302, "headers": [["Location", landing], ["Set-Cookie", "sid=value-of-sid"]]})
    site.add("http://keep.test/landing?x=a@b", {"status": 200, "headers": [["Content-Type", "text/html"],
             ["Refresh", "99;url=http://bob:word-of-bob@keep.test/"]], "body": "<p>shop</p>"})
    file, har, _ = har_of(tmp_path, "--proxy", f"http://127.0.0.1:{site.port}", "http://amy:word-of-amy@keep.test/")
    first, last = har["log"]["entries"]
    assert first["request"]["url"] == "http://keep.test/" and last["request"]["url"] == "http://keep.test/landing?x=a@b"
    assert [(c["name"], c["value"]) for c in first["response"]["cookies"]] == [("sid", "")]
    text = file.read_text()
    assert not [secret for secret in ("word-of", "bob", "amy", "value-of-sid") if secret in text]


def test_a_file_that_cannot_be_written_is_said_before_the_trace(site):
    site.reset()
    code, out, complaints = end(begin("--har", "/nowhere/trace.har", "--proxy", site.proxy("params"), WORLDS["params"]["start"]))
    assert (code, out) == (2, "") and "/nowhere/trace.har: No such file" in complaints
    assert site.log() == []


# --- in the farm -----------------------------------------------------------------------------------------


def test_an_offer_keeps_what_it_asks_for(db, worker, pool, proxies, web):
    """A HAR for the offer that wants it, none for the other."""
    web.add("http://go.test/?keep=1", stage.redirect("http://shop.test/"))
    web.add("http://shop.test/", stage.PAGE)
    for proxy in proxies(2):
        pool.add(proxy)
    offers = {}
    for name, evidence in (("keeps", ["har"]), ("keeps-not", [])):
        offers[name] = db.value("INSERT INTO offers (offer_name, final_url, evidence) VALUES (%s, 'http://go.test/', %s) RETURNING id",
                                name, evidence)
    worker()
    requests = {name: pool.request("http://go.test/?keep=1", offer_id=offer, offer_name=name) for name, offer in offers.items()}
    rows = {name: pool.ended(request) for name, request in requests.items()}
    kept = db.run("SELECT * FROM trace_evidence")
    assert [(str(row["request_id"]), row["attempt"], row["kind"], row["content_type"]) for row in kept] == [
        (requests["keeps"], 1, "har", "application/json")]
    har = json.loads(bytes(kept[0]["body"]))
    assert [entry["request"]["url"] for entry in har["log"]["entries"]] == [hop["url"] for hop in rows["keeps"]["redirect_chain"]]
    assert rows["keeps-not"]["status"] == "completed"
