"""What an operator sees and sets: explanations, the access log, listeners."""
import http.client
import json
import os
import socket
import stat

import pytest

import farm
from clicks import PATH, ask
from edges import URL, add_offer, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)

TOKEN = "an-operators-token"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "debug-token"
    path.write_text(TOKEN + "\n")
    return path


def test_debug_explains_and_records_nothing(db, edge, token_file):
    offer = add_offer(db, target_country="de", tracking_urls=[{"url": "https://t.example/{sub}", "weight": 1}])
    running = edge(f"--edge.debug_token_file={token_file}", "--edge.dedup_s=60").wait_ready()
    for _ in range(2):   # asking twice is no repeated click
        status, headers, body = running.click("offer=o&gclid=X&sub=a&debug=1", headers={"Authorization": f"Bearer {TOKEN}"})
        said = json.loads(body)
        assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
        assert "Location" not in headers
        assert (said["status"], said["location"]) == (302, "https://t.example/a?gclid=X")
        assert (said["traced_url"], said["offer_id"], said["country"]) == ("https://t.example/a", offer, "de")
        assert (said["makes_a_row"], said["skip_reason"]) == (True, None)
        assert [p["name"] for p in said["params"] if p["is_click_id"]] == ["gclid"]
    unknown = json.loads(running.click("offer=nobody&debug", headers={"Authorization": f"Bearer {TOKEN}"})[2])
    assert (unknown["status"], unknown["location"], unknown["makes_a_row"]) == (404, None, False)
    bot = json.loads(running.click("offer=o&debug", headers={"Authorization": f"Bearer {TOKEN}", "User-Agent": "Googlebot/2.1"})[2])
    assert bot["skip_reason"] == "bot"
    assert rows(db) == []
    assert TOKEN not in running.program.text()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer "}])
def test_debug_without_the_token_is_a_parameter_as_any(db, edge, token_file, headers):
    add_offer(db)
    running = edge(f"--edge.debug_token_file={token_file}").wait_ready()
    status, answered, body = running.click("offer=o&debug=1", headers=headers)
    assert (status, answered["Location"], body) == (302, URL + "?debug=1", "")
    assert wait_rows(db, 1)[0]["inbound_params"] == {"debug": "1"}


def test_without_a_token_nothing_is_explained(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    assert running.click("offer=o&debug=1", headers={"Authorization": "Bearer "})[0] == 302


def test_the_access_log_names_each_answer_and_no_visitor(db, edge, tmp_path):
    add_offer(db)
    log = tmp_path / "access.log"
    running = edge(f"--edge.access_log={log}").wait_ready()
    running.click("offer=o&gclid=SECRETID&n=1")
    running.click("offer=nobody")
    running.click("offer=o", method="HEAD")
    running.click("offer=o&n=2", method="POST", body=b"")
    farm.wait_for(lambda: log.exists() and len(log.read_text().splitlines()) == 4, "four lines")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["method"], line["status"], line["offer"], line.get("reason")) for line in lines] == [
        ("GET", 302, "o", None), ("GET", 404, "nobody", "UNKNOWN"), ("HEAD", 302, "o", "head"), ("POST", 302, "o", None)]
    wait_rows(db, 2)
    ids = {row["inbound_params"]["n"]: row["request_id"] for row in rows(db)}
    assert [line["request_id"] for line in lines] == [ids["1"], None, None, ids["2"]]
    assert all(line["us"] >= 0 for line in lines)
    assert "SECRETID" not in log.read_text() and "127.0.0.1" not in log.read_text()
    assert stat.S_IMODE(os.stat(log).st_mode) & 0o007 == 0


def test_the_access_log_can_be_the_log(db, edge):
    add_offer(db)
    running = edge("--edge.access_log=log").wait_ready()
    running.click("offer=o&gclid=SECRETID")
    line, = running.program.wait_event("click.answer", status=302)
    assert line["trace"] == wait_rows(db, 1)[0]["request_id"]
    assert "SECRETID" not in running.program.text()


def test_what_is_left_of_the_access_log_is_written_at_the_end(db, edge, tmp_path):
    add_offer(db)
    log = tmp_path / "access.log"
    running = edge(f"--edge.access_log={log}").wait_ready()
    for n in range(50):
        running.click(f"offer=o&n={n}")
    running.program.stop()
    assert len(log.read_text().splitlines()) == 50




@pytest.mark.parametrize("place, why", [("nowhere/access.log", "No such file or directory"), ("", "Is a directory")])
def test_an_access_log_that_cannot_be_opened_stops_the_start(edge, tmp_path, place, why):
    log = tmp_path / place
    program = edge(f"--edge.access_log={log}", wait=False).program
    assert program.wait() == 2
    assert program.events("edge.failed", detail=f"edge.access_log: open {log}: {why}")


def test_ipv6(db, edge):
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    add_offer(db)
    edge(f"--edge.listen=[::1]:{port}")
    connection = http.client.HTTPConnection("::1", port, timeout=farm.PATIENCE_S)
    connection.request("GET", f"{PATH}?offer=o&n=6")
    assert connection.getresponse().status == 302
    connection.close()
    assert wait_rows(db, 1)[0]["inbound_params"] == {"n": "6"}


def test_a_unix_socket_whose_front_is_trusted(db, edge, tmp_path):
    add_offer(db, country_from="header", target_country="us")
    path = tmp_path / "edge.sock"
    running = edge(f"--edge.listen=unix:{path}", "--edge.trusted_proxies=unix", "--edge.country_header=CF-IPCountry",
                   "--edge.rate_per_minute=1", "--edge.rate_burst=1")
    for n, visitor in enumerate(("198.51.100.7", "198.51.100.7", "198.51.100.8")):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(farm.PATIENCE_S)
            s.connect(str(path))
            s.sendall(f"GET {PATH}?offer=o&n={n} HTTP/1.1\r\nHost: x\r\nCF-IPCountry: FR\r\nX-Forwarded-For: {visitor}\r\n"
                      "Connection: close\r\n\r\n".encode())
            assert s.recv(4096).startswith(b"HTTP/1.1 302 ")
    found = {row["inbound_params"]["n"]: row for row in wait_rows(db, 3)}
    assert [found[n]["skip_reason"] for n in "012"] == [None, "rate", None]
    assert {row["target_country"] for row in found.values()} == {"fr"}
    assert ask(running.admin, "/healthz")[0] == 200


def test_a_referrer_policy(db, edge):
    add_offer(db)
    running = edge("--edge.referrer_policy=origin").wait_ready()
    assert running.click("offer=o")[1]["Referrer-Policy"] == "origin"
    assert running.click("offer=o", method="HEAD")[1]["Referrer-Policy"] == "origin"
