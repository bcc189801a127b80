"""The address guard around the real program: nothing reaches a private target, by whatever name and on whatever way.

Direct connections are tried in a network namespace where every address of the world answers, so a spelling that gets
through is seen wherever it leads; the others go through a proxy, which writes down what it was asked for. A machine where
no namespace can be made fails these tests rather than passing them by.
"""
import concurrent.futures
import html
import json
import pathlib
import urllib.parse

import pytest

import farm
import private_world as world
import web as web_lib

TARGETS = json.loads((pathlib.Path(farm.ROOT) / "tests" / "lib" / "private_targets.json").read_text(encoding="utf-8"))
SPELLINGS = [url for urls in TARGETS.values() for url in urls]
PORTS = [80, 443, 8080, 5432, 11211]
ORIGIN = world.PUBLIC_4
PUBLIC = {"A": [[world.PUBLIC_4]]}


def page_that_leads(how, target):
    if how == "location":
        return {"status": 302, "headers": [["Location", target]]}
    if how == "refresh":
        return {"status": 200, "headers": [["Content-Type", "text/html"], ["Refresh", f"0;url={target}"]]}
    return {"status": 200, "headers": [["Content-Type", "text/html; charset=utf-8"]],
            "body": f'<!doctype html><meta http-equiv="refresh" content="0;url={html.escape(target)}">'}


def spellings_for(how):
    """A header's value has no line ends."""
    return [url for url in SPELLINGS if how not in ("location", "refresh") or not set("\r\n") & set(url)]


def starts(how):
    """(URL to begin with, page or None) of each spelling."""
    for i, url in enumerate(spellings_for(how)):
        yield (url, None) if how == "start" else (f"http://{ORIGIN}/{i}", page_that_leads(how, url))


def words(url, *options):
    return [farm.binary("tracepool-worker"), "trace", "--json", "--mode", "http_only", *options, "--", url]


def plan(jobs, pages=(), names=()):
    return {"pages": dict(pages), "names": dict(names), "ports": PORTS, "jobs": jobs, "at_once": 2}


def host_of(url):
    return urllib.parse.urlsplit(url).hostname


def assert_blocked(results):
    """Each trace ends at the origin at the latest; what leads on (and is not relative to the origin) was refused."""
    assert len(results) >= 200
    for result in results:
        opened = [hop["url"] for hop in result["chain"] if hop["status"]]
        assert {host_of(url) for url in opened} <= {ORIGIN}, result
        assert result["outcome"] in ("blocked", "error", "external_scheme") or host_of(result["final_url"]) == ORIGIN, result
    assert sum(result["outcome"] == "blocked" for result in results) >= 200


# --- spellings --------------------------------------------------------------------------------------------


def trace_directly(how):
    pages = {urllib.parse.urlsplit(url).path: page for url, page in starts(how) if page}
    report = world.run(plan([{"words": words(url)} for url, _ in starts(how)], pages))
    assert {job["complaints"] for job in report["jobs"]} == {""}
    assert report["trapped"] == []
    return [json.loads(job["out"]) for job in report["jobs"]]


def trace_through_proxy(how):
    with web_lib.Web() as site, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for url, page in starts(how):
            if page:
                site.add(url, page)
        jobs = [{"words": ["env", "-i", *words(url, "--proxy", site.proxy())]} for url, _ in starts(how)]
        done = list(pool.map(world.do, jobs))
        assert {host_of(entry["url"]) for entry in site.log()} <= {ORIGIN}
    return [json.loads(job["out"]) for job in done]


WAYS = {"through-a-proxy": trace_through_proxy, "direct-in-a-namespace": trace_directly}


@pytest.mark.parametrize("how", ["start", "location", "refresh", "meta"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_spelling_of_a_private_target_gets_through(way, how):
    assert_blocked(way(how))


# --- names that lead to private addresses -------------------------------------------------------------------

PRIVATE = ["127.0.0.1", "10.0.0.7", "169.254.169.254", "0.0.0.0", "100.64.0.1", "192.168.1.1", "::1", "fd00::1", "fe80::1",
           "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]


def name_for(address):
    return {"AAAA" if ":" in address else "A": [[address]]}


def in_namespace():
    """(what happened, what DNS was asked) for names of each kind."""
    names = {f"private{i}.shop.example": name_for(address) for i, address in enumerate(PRIVATE)}
    names["alias.shop.example"] = {"A": [["cname:localhost", "127.0.0.1"]]}
    names["rebinds.shop.example"] = {"A": [[world.PUBLIC_4], ["127.0.0.1"]]}
    names["leads.shop.example"] = PUBLIC
    pages = {"/to-private": page_that_leads("location", "http://private0.shop.example/")}
    urls = [f"http://{name}/" for name in names if name.startswith(("private", "alias"))]
    urls += ["http://rebinds.shop.example/", "http://rebinds.shop.example/", "http://leads.shop.example/to-private"]
    report = world.run({**plan([{"words": words(url)} for url in urls], pages, names), "at_once": 1})
    results = [json.loads(job["out"]) for job in report["jobs"]]
    assert [request["path"] for request in report["requests"]] == ["/", "/to-private"]
    assert results[-3]["outcome"] == "ok", "the public answer was good"
    return results[:-3] + results[-2:], report["trapped"]


def with_names_of_this_machine():
    """Names that the hosts file leads to private addresses."""
    lines = [line.split("#")[0].split() for line in pathlib.Path("/etc/hosts").read_text().splitlines()]
    names = {name for fields in lines if len(fields) > 1 for name in fields[1:]} | {"localhost", "localhost.localdomain"}
    with web_lib.Web() as site:
        done = [world.do({"words": words(f"http://{name}:{site.port}/")}) for name in sorted(names)]
        return [json.loads(job["out"]) for job in done], site.log()


RESOLVERS = {"rebinding-dns-in-a-namespace": in_namespace, "hosts-file": with_names_of_this_machine}


@pytest.mark.parametrize("resolve", RESOLVERS.values(), ids=RESOLVERS)
def test_no_name_leads_to_a_private_address(resolve):
    results, trapped = resolve()
    assert {(result["outcome"], result["error"]["code"]) for result in results} == {("blocked", "blocked_address")}
    assert trapped == []


MIXED = {"v4-both": {"A": [["127.0.0.1", world.PUBLIC_4]]}, "v4-both-turned": {"A": [[world.PUBLIC_4, "10.0.0.7"]]},
         "v6-private": {"A": [[world.PUBLIC_4]], "AAAA": [["::1"]]}, "v4-private": {"A": [["127.0.0.1"]], "AAAA": [[world.PUBLIC_6]]}}


def test_of_several_addresses_none_that_is_private_is_tried():
    names = {f"{name}.shop.example": answers for name, answers in MIXED.items()}
    report = world.run(plan([{"words": words(f"http://{name}/")} for name in names], (), names))
    assert report["trapped"] == []
    assert {json.loads(job["out"])["outcome"] for job in report["jobs"]} <= {"ok", "blocked"}


def test_a_dns_answer_stays_in_its_trace():
    """Two traces in one process: each asks for itself, and the second one gets, and is refused, another answer."""
    client = str(farm.BUILD / "tests" / "scenario" / "tracer_client")
    names = {"rebinds.shop.example": {"A": [[world.PUBLIC_4], ["127.0.0.1"]]}}
    report = world.run(plan([{"words": [client], "input": "- http://rebinds.shop.example/\n" * 2}], (), names))
    results = [json.loads(line)["result"] for line in report["jobs"][0]["out"].splitlines()]
    assert [result["outcome"] for result in results] == ["ok", "blocked"]
    assert report["questions"].count(["rebinds.shop.example", "A"]) == 2
    assert report["trapped"] == []


def test_the_traps_work():
    """What the guard lets through on request is seen by the traps: else none of this would prove anything."""
    urls = ["http://127.1/", "http://0xa.1/", "http://[::ffff:192.168.0.1]/", "http://198.18.0.1:8080/", "http://here.shop.example/"]
    names = {"here.shop.example": {"A": [["172.16.0.9"]]}}
    report = world.run(plan([{"words": words(url, "--allow-private")} for url in urls], (), names))
    assert {entry["address"] for entry in report["trapped"]} == {"127.0.0.1", "10.0.0.1", "192.168.0.1", "198.18.0.1", "172.16.0.9"}
    assert all(entry["bytes"] > 0 for entry in report["trapped"])
