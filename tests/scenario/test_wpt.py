"""URLs and refresh values as browsers read them, through the verbs `url` and `refresh` of the worker.

The tables under data/ are our own and are always read. Where the Web Platform Tests' tables lie beside the
checkout (../shared/wpt) they are read as well, and the agreement that the product promises is asserted.
"""
import json
import pathlib
import subprocess

import farm
import pytest

DATA = pathlib.Path(__file__).parent / "data"
WPT = farm.ROOT.parent / "shared" / "wpt"


def tables(own, outside):
    """The tables that exist here: our own first."""
    return [path for path in (DATA / own, WPT / outside) if path == DATA / own or path.exists()]


def cases(path):
    return [case for case in json.loads(path.read_text()) if isinstance(case, dict)]


def ask(verb, questions):
    """One JSON object a line in, one line out."""
    text = "".join(json.dumps(q) + "\n" for q in questions)
    done = subprocess.run([farm.binary("tracepool-worker"), verb, "--stdin"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=farm.PATIENCE_S)
    assert done.returncode == 0, done.stderr.decode()
    answers = done.stdout.decode().split("\n")[:-1]
    assert len(answers) == len(questions)
    return answers


def disagreements(rows):
    """The rows (case, want, got) that differ, readable."""
    return [f"{ascii(case)}: want {ascii(want)}, got {ascii(got)}" for case, want, got in rows if want != got]


def is_http(case):
    return any((case.get(key) or "").lower().startswith(("http:", "https:")) for key in ("base", "input", "href"))


@pytest.mark.parametrize("table", tables("url_cases.json", "urltestdata.json"), ids=lambda path: path.name)
def test_urls_resolve_as_in_a_browser(table):
    rows = cases(table)
    answers = ask("url", [{"input": case["input"], "base": case.get("base")} for case in rows])
    judged = [(case, case.get("href", "failure"), answer) for case, answer in zip(rows, answers)]
    http = [row for row in judged if is_http(row[0])]
    wrong, wrong_http = disagreements(judged), disagreements(http)
    print(f"{table.name}: {len(judged) - len(wrong)} of {len(judged)}, none left out;"
          f" http(s): {len(http) - len(wrong_http)} of {len(http)}")
    assert len(http) > 20
    assert wrong == []


@pytest.mark.parametrize("table", tables("domain_cases.json", "toascii.json"), ids=lambda path: path.name)
def test_domains_become_ascii_as_in_a_browser(table):
    rows = cases(table)
    answers = ask("url", [{"input": f"https://{case['input']}/x", "base": None} for case in rows])
    wants = [f"https://{case['output']}/x" if case["output"] is not None else "failure" for case in rows]
    assert disagreements(zip(rows, wants, answers)) == []


@pytest.mark.parametrize("table", tables("refresh_cases.json", "meta-refresh-parsing.json"), ids=lambda path: path.name)
def test_refresh_values_are_obeyed_as_in_a_browser(table):
    rows = cases(table)
    answers = ask("refresh", [{"input": case["input"]} for case in rows])
    wants = ["none" if case["delay"] is None else f"{case['delay']}\t{case['url'] or ''}" for case in rows]
    assert disagreements(zip(rows, wants, answers)) == []


def run(*args):
    return subprocess.run([farm.binary("tracepool-worker"), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=farm.PATIENCE_S, encoding="utf-8")


def test_a_person_sees_the_parts_and_the_verdict():
    done = run("url", "--base", "https://offer.example/a/b", "../c?x=1%202&y#top")
    assert done.returncode == 0, done.stderr
    for line in ("url       https://offer.example/c?x=1%202&y#top", "host      offer.example (domain)",
                 "port      443 (the scheme's)", '          "x" = "1 2"', "fragment  top"):
        assert line in done.stdout.splitlines()
    assert "refused: 127.0.0.1 is loopback" in run("url", "http://0x7f.1/").stdout


def test_what_is_no_url_or_no_refresh_is_told_apart_from_wrong_usage():
    broken = run("url", "http://me:hunter2@a b/")
    assert broken.returncode == 1 and "not a URL" in broken.stderr and "hunter2" not in broken.stderr
    assert run("refresh", "soon").returncode == 1
    assert run("refresh", "5;url=/x").stdout == "after 5 s to /x\n"
    for args in (["url"], ["url", "a", "b"], ["url", "--base"], ["refresh"], ["refresh", "a", "b"]):
        done = run(*args)
        assert done.returncode == 2 and "usage" in done.stderr, args


def test_a_line_that_is_no_question_is_named():
    done = subprocess.run([farm.binary("tracepool-worker"), "url", "--stdin"], input=b'{"input":"http://a/"}\n{}\n',
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=farm.PATIENCE_S)
    assert done.returncode == 2
    assert done.stdout == b"http://a/\n"
    assert b"line 2" in done.stderr
