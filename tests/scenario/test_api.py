"""The operator's API as its own description has it: every path is in it, every answer fits it; and single traces."""
import http.client
import json
import pathlib
import re
import socket
import subprocess
import urllib.parse
import uuid

import jsonschema
import pytest

import farm
import npm
from stage import PAGE, redirect
from whole import TOKEN, ask, site  # noqa: F401  (site is a fixture)

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = farm.ROOT / "monitor" / "openapi.json"
PROCESS, INTELLIGENT = "/functions/v1/process-trace-parallel", "/functions/v1/intelligent-tracer"
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
FORMATS = jsonschema.FormatChecker(formats=())
FORMATS.checks("uuid")(lambda text: bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)))
FORMATS.checks("date-time")(lambda text: bool(TIMES.match(text)))


@pytest.fixture(scope="module")
def document():
    return json.loads(DOCUMENT.read_text())


@pytest.fixture
def api(site, document):
    """call(path, body=None) -> (status, object): what comes back has been held against the description."""
    site.start_monitor("--monitor.batch_wait_s=1").wait_event("database.up")
    base = site.api.partition("/functions/")[0]

    def call(path, body=None, method=None, token=TOKEN):
        sent = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        status, headers, text = ask(base + path, sent, **({"Authorization": f"Bearer {token}"} if token else {}))
        plain = path.partition("?")[0]
        described = document["paths"].get(plain, {}).get(method or ("post" if sent is not None else "get"))
        if not described or headers["Content-Type"] != "application/json":
            return status, text
        answer = json.loads(text)
        responses = described["responses"]
        assert str(status) in responses, f"{plain} answered {status}, which its description does not know"
        response = responses[str(status)]
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        schema = response["content"]["application/json"].get("schema", {})
        jsonschema.Draft202012Validator(schema, resolver=jsonschema.RefResolver.from_schema(document), format_checker=FORMATS).validate(answer)
        return status, answer

    call.base = base
    return call


@pytest.fixture
def shop(web):
    web.add("http://go.test/", redirect("http://shop.test/?order=7"))
    web.add("http://shop.test/", PAGE)
    return "http://go.test/?cid=1"


# ---- the description


def test_the_document_is_openapi_by_a_public_validator():
    folder = npm.install(HERE / "openapi" / "package.json", HERE / "openapi" / "check.mjs")
    done = subprocess.run(["node", "check.mjs", DOCUMENT], cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"valid": True, "version": "3.1", "errors": []}


def test_it_is_served_as_it_is_without_a_token_and_names_no_other_host(api, document):
    status, headers, text = ask(api.base + "/openapi.json")
    assert (status, headers["Content-Type"], json.loads(text)) == (200, "application/json", document)
    assert document["servers"] == [{"url": "/"}]
    assert "$ref\": \"http" not in text


def served():
    """{path: methods} of the table in api.c."""
    table = re.search(r"routes\[\] = \{(.*?)\n\};", (farm.ROOT / "monitor" / "api.c").read_text(), re.S)[1]
    found = {}
    for path, get, post in re.findall(r'\{STR\("([^"]+)"\),\s*(?:true|false),\s*(\w+),\s*(\w+)\}', table):
        found[path] = {method for method, handler in (("get", get), ("post", post)) if handler != "NULL"}
    assert len(found) == table.count("STR("), "a line of the table was not understood"
    return found


def begin(base, path, method, **headers):
    """(status, content type, beginning of the body): a stream has no end to wait for."""
    connection = http.client.HTTPConnection(base.partition("://")[2], timeout=farm.PATIENCE_S)
    connection.request(method.upper(), path, b"[" if method == "post" else None, headers)
    answer = connection.getresponse()
    kind = answer.headers["Content-Type"]
    text = b"".join(iter(answer.readline, b"\n")) if kind == "text/event-stream" else answer.read()
    connection.close()
    return answer.status, kind, text.decode()


def test_changes_are_a_stream_as_described(api, document):
    described = document["paths"]["/dashboard/v1/changes"]["get"]["responses"]["200"]["content"]
    status, kind, text = begin(api.base, "/dashboard/v1/changes", "get", Authorization=f"Bearer {TOKEN}")
    assert (status, [kind]) == (200, list(described))
    assert re.fullmatch(r'event: version\ndata: \{"version": ?"[0-9a-f]+"\}\n', text), text


def test_every_path_that_is_served_is_described_and_the_reverse(api, document):
    described = {path: {m for m in methods if m in ("get", "post")} for path, methods in document["paths"].items()}
    assert described == served()
    for path, methods in described.items():
        for method in ("get", "post"):
            status = begin(api.base, path, method, Authorization=f"Bearer {TOKEN}")[0]
            assert (status == 405) == (method not in methods), (path, method, status)
            is_open = document["paths"][path].get(method, {}).get("security") == []
            if method in methods:
                assert (begin(api.base, path, method)[0] == 401) == (not is_open), (path, method)


def test_what_is_read_fits_its_description_in_an_empty_house_and_in_one_at_work(api, site, db, pool, proxies, shop):
    def read_all():
        for path in ("/healthz", "/functions/v1/pool-monitor", "/dashboard/v1/overview", "/dashboard/v1/history?span=3600", "/dashboard/v1/traces",
                     "/dashboard/v1/offers", "/dashboard/v1/offer?name=shop", "/dashboard/v1/pool", "/functions/v1/alerts"):
            assert api(path)[0] == 200, path
        assert api("/functions/v1/pool-monitor", b"")[0] == 200
        assert api("/dashboard/v1/traces?before=noon")[0] == 400
        assert api("/dashboard/v1/trace?id=" + str(uuid.uuid4()))[0] == 404
        assert api("/functions/v1/pool-monitor", token="wrong")[0] == 401
    read_all()
    pool.add(proxies(1)[0])
    offer = db.value("SELECT id FROM offers")
    request = pool.request(shop, offer_id=str(offer), offer_name="shop", inbound_params={"gclid": "x"})
    site.start_worker()
    pool.ended(request)
    read_all()
    assert api(f"/dashboard/v1/trace?id={request}")[1]["trace"]["status"] == "completed"
    assert api("/functions/v1/trace-worker", {"batch_size": 2})[1] == {"success": True, "processed": 0, "succeeded": 0, "failed": 0, "errors": []}


# ---- one trace


def test_a_single_trace_is_answered_with_its_chain_and_kept_as_a_row(api, site, db, pool, proxies, shop):
    address = pool.add(proxies(1)[0])
    site.start_worker()
    offer = str(db.value("SELECT id FROM offers"))
    mine = str(uuid.uuid4())
    body = {"request_id": mine, "offer_id": offer, "tracking_url": shop, "target_country": "US", "inbound_params": {"gclid": "123"},
            "referrer": "https://ads.test/"}
    status, answer = api(PROCESS, body)
    assert status == 200
    assert (answer["success"], answer["request_id"], answer["status"], answer["outcome"]) == (True, mine, "completed", "ok")
    assert [(h["url"], h["status"], h["via"]) for h in answer["chain"]] == [(shop, 302, "start"), ("http://shop.test/?order=7", 200, "http_302")]
    assert (answer["final_url"], answer["extracted_params"]["order"], answer["ip_address"]) == ("http://shop.test/?order=7", "7", address)
    assert answer["error"] is None
    row = pool.row(mine)
    assert (row["inbound_params"], row["offer_name"], row["target_country"], row["attempt"]) == ({"gclid": "123"}, "shop", "us", 1)
    assert row["redirect_chain"] == answer["chain"]
    assert api(PROCESS, body)[1] == answer, "asked again it is returned, not traced again"
    assert api(PROCESS, {"request_id": mine})[1] == answer
    assert db.value("SELECT count(*) FROM trace_attempts") == 1


def test_a_request_that_waits_goes_before_all_others_when_it_is_asked_for(api, site, db, pool, proxies, shop):
    db.run("UPDATE trace_policy SET cooldown_s = 0")
    others = [pool.request(shop) for _ in range(5)]
    wanted = pool.request(shop)
    pool.add(proxies(1)[0])
    db.run("SELECT * FROM request_trace(jsonb_build_object('request_id', %s::text))", wanted)
    site.start_worker()
    assert api(PROCESS, {"request_id": wanted})[1]["status"] == "completed"
    first = db.value("SELECT request_id FROM trace_attempts ORDER BY started_at LIMIT 1")
    assert first == wanted and first not in others


def test_without_a_free_ip_it_says_so_and_the_request_ends(api, site, db, pool, shop):
    site.start_worker()
    status, answer = api(PROCESS, {"tracking_url": shop, "target_country": "ca"})
    assert (status, answer["success"], answer["error"]) == (503, False, "No available IP in pool")
    row = pool.row(answer["request_id"])
    assert (row["status"], row["error_message"], row["attempt"]) == ("failed", "No available IP in pool", 0)
    # One that was there before waits on.
    waiting = pool.request(shop)
    assert api(PROCESS, {"request_id": waiting})[0] == 503
    assert pool.row(waiting)["status"] == "pending"


def test_without_a_worker_it_says_so(api, db, pool, proxies, shop):
    pool.add(proxies(1)[0])
    status, answer = api(PROCESS, {"tracking_url": shop})
    assert status == 503 and "is tracepool-worker running?" in answer["error"]
    assert pool.row(answer["request_id"])["status"] == "failed"
    assert db.value("SELECT count(*) FROM trace_batches WHERE state = 'open'") <= 1


def test_a_farm_in_batch_mode_traces_it_too(api, site, db, pool, proxies, shop):
    pool.add(proxies(1)[0])
    site.start_worker("--worker.mode=batch")
    other = pool.request(shop)
    status, answer = api(PROCESS, {"tracking_url": shop})
    assert (status, answer["success"]) == (200, True)
    assert pool.row(other)["status"] == "pending", "nobody asked for that one"


def test_any_url_is_traced_with_the_mode_and_limits_that_were_asked_for(api, site, pool, proxies, web, shop):
    for proxy in proxies(3):
        pool.add(proxy)
    site.start_worker()
    status, answer = api(INTELLIGENT, {"url": shop, "mode": "http_only", "referrer": "https://ref.test/page"})
    assert (status, answer["success"], answer["mode_used"], answer["final_url"]) == (200, True, "http_only", "http://shop.test/?order=7")
    assert web.visits("http://go.test/")[-1].headers["Referer"] == "https://ref.test/page"
    status, answer = api(INTELLIGENT, {"url": shop, "mode": "http_only", "max_redirects": 0})
    assert (status, answer["success"], answer["outcome"], answer["error"]["code"]) == (200, False, "too_many_hops", "too_many_hops")
    assert api(INTELLIGENT, {"url": shop, "mode": "http_only", "max_redirects": 1})[1]["success"] is True


def test_a_caller_that_hangs_up_ends_nothing(api, site, db, pool, proxies, web):
    web.add("http://slow.test/", PAGE, held=True)
    pool.add(proxies(1)[0])
    site.start_worker()
    mine = str(uuid.uuid4())
    body = json.dumps({"request_id": mine, "tracking_url": "http://slow.test/"})
    with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(api.base).port)) as caller:
        caller.sendall(f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        farm.wait_for(lambda: web.visits("http://slow.test/"), "the trace at its target")
    web.release("http://slow.test/")
    assert pool.ended(mine)["status"] == "completed"
    assert api(PROCESS, {"request_id": mine})[1]["success"] is True


@pytest.mark.parametrize("path, body, said", [
    (PROCESS, "no json", "the body is "),
    (PROCESS, "[1]", "the body must be a JSON object"),
    (PROCESS, {}, "tracking_url is missing; or give the request_id of a request that is there"),
    (PROCESS, {"tracking_url": "ftp://x.test/"}, "tracking_url must be an http or https URL of at most 8192 bytes"),
    (PROCESS, {"tracking_url": "http://x.test/" + "a" * 8192}, "tracking_url must be an http or https URL of at most 8192 bytes"),
    (PROCESS, {"tracking_url": 7}, "tracking_url must be an http or https URL"),
    (PROCESS, {"request_id": "7"}, 'request_id must be a UUID, not "7"'),
    (PROCESS, {"tracking_url": "http://x.test/", "target_country": "usa"}, 'target_country must be a country\'s two letters, as in "us", not "usa"'),
    (PROCESS, {"tracking_url": "http://x.test/", "inbound_params": "a=b"}, 'inbound_params must be an object of at most 32768 bytes, not "a=b"'),
    (PROCESS, {"tracking_url": "http://x.test/", "speed": 1}, 'unknown field "speed"; known are request_id, offer_id, tracking_url'),
    (INTELLIGENT, {"mode": "auto"}, "url is missing"),
    (INTELLIGENT, {"url": "http://x.test/", "mode": "http"}, 'mode must be auto, http_only or browser, not "http"'),
    (INTELLIGENT, {"url": "http://x.test/", "max_redirects": 100}, "max_redirects must be a whole number from 0 to 99, not 100"),
    (INTELLIGENT, {"url": "http://x.test/", "timeout_ms": 1.5}, "timeout_ms must be a whole number from 100 to 600000, not 1.5"),
])
def test_a_body_that_can_not_be_used_is_refused_with_thing_value_and_limit(api, db, path, body, said):
    status, answer = api(path, body.encode() if isinstance(body, str) else body)
    assert status == 400
    assert answer["error"].startswith(said)
    assert db.value("SELECT count(*) FROM active_trace_requests") == 0


def test_what_is_not_there_is_404(api):
    offer, request = str(uuid.uuid4()), str(uuid.uuid4())
    status, answer = api(PROCESS, {"tracking_url": "http://x.test/", "offer_id": offer})
    assert status == 404 and f"there is no offer {offer}" in answer["error"]
    status, answer = api(PROCESS, {"request_id": request})
    assert status == 404 and f"request {request} is not known" in answer["error"]
