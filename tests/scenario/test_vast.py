"""The verbs `vast` and `macro` on documents of the project's own, and on the shared corpus where it is present."""
import json
import pathlib
import re
import subprocess

import pytest

import farm

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "shared" / "vast-corpus"
# What the corpus says about a document beside its structure, or what depends on the XML library's words.
BESIDE = {"vast_client", "notes", "file", "sha256", "summary", "media_files_count", "problem", "lint", "fire"}


def documents():
    yield from ((path, path.with_suffix(".json")) for path in sorted((HERE / "ads").glob("*.xml")))
    for expected in sorted(CORPUS.glob("expected/*/*.json")):
        name = json.loads(expected.read_text())["file"]
        yield CORPUS / "files" / expected.parent.name / name, expected


def vectors():
    for path in [HERE / "macro_vectors.json", CORPUS / "macro-vectors.json"]:
        if path.exists():
            yield from json.loads(path.read_text())["vectors"]


def without(value, names):
    if isinstance(value, dict):
        return {key: without(inner, names) for key, inner in value.items() if key not in names}
    if isinstance(value, list):
        return [without(inner, names) for inner in value]
    return value


def worker(*args, **more):
    return subprocess.run([farm.binary("tracepool-worker"), *map(str, args)], capture_output=True, timeout=60, **more)


@pytest.mark.parametrize("document,expected", documents(), ids=lambda path: path.stem)
def test_structure_is_field_exact(document, expected):
    shown = json.loads(worker("vast", "--json", document).stdout)
    assert without(shown, BESIDE) == without(json.loads(expected.read_text()), BESIDE)


def test_all_macro_vectors_hold_in_both_modes():
    cases = [(v, mode) for v in vectors() for mode in ("leave", "iab")]
    lines = "".join(json.dumps({"template": v["template"], "values": v["values"], "mode": mode}) + "\n"
                    for v, mode in cases)
    done = worker("macro", "--stdin", input=lines.encode())
    assert done.returncode == 0, done.stderr
    got = done.stdout.decode().split("\n")[:-1]
    wrong = [(v["id"], mode, line) for (v, mode), line in zip(cases, got, strict=True) if line != v[f"expect_{mode}"]]
    assert wrong == []


def test_a_person_reads_what_one_view_would_send():
    done = worker("vast", HERE / "ads" / "linear.xml")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert re.search(r"ok, VAST 4\.2, 1 ad\b", text)
    sent = [line.split() for line in text.splitlines() if "https://beacon.test/" in line and " s " in line]
    assert [line[2] for line in sent] == ["impression", "start", "progress-3500", "firstQuartile", "midpoint",
                                          "thirdQuartile", "complete"]
    assert [line[0] for line in sent] == ["0.000", "0.000", "3.500", "5.000", "10.000", "15.000", "20.000"]
    assert "https://beacon.test/click" not in text  # a click is never part of a schedule


def test_findings_name_line_severity_and_value():
    done = worker("vast", "--json", HERE / "ads" / "pod.xml")
    found = {f["rule"]: f for f in json.loads(done.stdout)["lint"]}
    assert found["ad-empty"]["severity"] == "error"
    assert found["ad-empty"]["line"] == 4
    assert found["ad-empty"]["what"] == "none"
    assert found["media-missing"]["line"] == 2


@pytest.mark.parametrize("name,status", [("linear", 0), ("no-ad", 0), ("repaired", 1), ("doctype", 1), ("cut-off", 1)])
def test_the_exit_status_tells_readable_from_not(name, status):
    assert worker("vast", HERE / "ads" / f"{name}.xml").returncode == status


def test_standard_input_is_a_document_too():
    done = worker("vast", "-", input=(HERE / "ads" / "no-ad.xml").read_bytes())
    assert done.stdout.decode().startswith("no-ad, VAST 3.0, 0 ads\n")


def test_an_external_entity_is_not_read():
    done = worker("vast", "--json", HERE / "ads" / "doctype.xml")
    assert json.loads(done.stdout)["result"] == "doctype-refused"
    assert pathlib.Path("/etc/hostname").read_text().strip() not in done.stdout.decode()


@pytest.mark.parametrize("args,said", [
    (["vast"], "which document?"),
    (["vast", "--fast", "x.xml"], "unknown option: --fast"),
    (["vast", "a.xml", "b.xml"], "one document at a time"),
    (["vast", "/nowhere.xml"], "No such file"),
    (["vast", HERE], "Is a directory"),
    (["vast", "--max-wrappers", "21", "x.xml"], "--max-wrappers 21: must be a number from 0 to 20"),
    (["vast", "--param", "zone", "x.xml"], "--param zone: must be NAME=VALUE"),
    (["vast", "--timeout", "soon", "x.xml"], "--timeout soon"),
    (["vast", "--proxy-file", "/nowhere.txt", "x.xml"], "/nowhere.txt"),
    (["vast", "--provider", "/nowhere.json", "x.xml"], "/nowhere.json: No such file"),
    (["vast", "--xsd", "/nowhere", HERE / "ads" / "linear.xml"], "folder of schemas /nowhere: No such file"),
    (["macro", "--mode", "maybe", "x"], "--mode maybe: must be leave or iab"),
    (["macro", "--set", "NOVALUE", "x"], "--set NOVALUE: must be NAME=VALUE"),
    (["macro", "x", "--set"], "--set needs a value"),
    (["macro", "x", "y"], "second template: y"),
    (["macro"], "which template?"),
])
def test_usage_errors_name_what_is_wrong(args, said):
    done = worker(*args)
    assert done.returncode == 2
    assert said in done.stderr.decode()


@pytest.mark.parametrize("line", [
    "no json", "{}", '{"template": 7}', '{"template": "x", "mode": "both"}', '{"template": "x", "values": {"A": 7}}',
    '{"template": "x", "values": {"A": ["1", 2]}}',
])
def test_a_line_that_macro_can_not_read_is_named_and_those_before_it_are_answered(line):
    done = worker("macro", "--stdin", input=f'{{"template": "[A]", "values": {{"A": "1"}}}}\n{line}\n'.encode())
    assert done.returncode == 2 and done.stdout == b"1\n"
    assert done.stderr.decode().startswith("tracepool-worker macro: line 2: ")


def test_a_macro_that_grows_beyond_a_url_is_refused():
    done = worker("macro", "--set", "A=" + "x" * 100000, "[A]" * 11)
    assert done.returncode == 1 and "the expanded URL is longer than" in done.stderr.decode()


def test_a_person_sees_companions_overlays_and_a_buffet():
    document = """<VAST version="4.2">
      <Ad id="1"><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle><Impression>http://t.test/i</Impression><Creatives>
        <Creative><CompanionAds><Companion width="300" height="250"><StaticResource>http://c.test/a.png</StaticResource></Companion>
          <Companion width="1" height="2"><HTMLResource>x</HTMLResource></Companion></CompanionAds></Creative>
        <Creative><NonLinearAds><NonLinear width="480"><IFrameResource>http://c.test/f</IFrameResource></NonLinear></NonLinearAds></Creative>
      </Creatives></InLine></Ad>
      <Ad id="2"><Wrapper><AdSystem>s</AdSystem><VASTAdTagURI>http://next.test/</VASTAdTagURI><Impression>http://t.test/w</Impression></Wrapper></Ad>
    </VAST>"""
    shown = worker("vast", "-", input=document.encode()).stdout.decode()
    for line in ("companion 300x250  http://c.test/a.png", "companion 1x2  HTML", "non-linear 480x-  http://c.test/f", "goes on at http://next.test/"):
        assert line in shown


def test_macro_for_a_person():
    done = worker("macro", "--mode", "iab", "--set", "ERRORCODE=303", "e=[ERRORCODE]&i=[IFA]&cb=[CACHEBUSTING]")
    assert re.fullmatch(r"e=303&i=-1&cb=\d{8}\n", done.stdout.decode())
