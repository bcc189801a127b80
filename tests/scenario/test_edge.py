"""The edge: a click is answered at once and is never lost.

Real tracepool-edge, real PostgreSQL. Tests that stop the server have one of their own.
"""
import json
import re
import subprocess

import pytest

import farm
from clicks import ask
from edges import URL, add_offer, db_lock, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)


# --- one click --------------------------------------------------------------------------------


def test_a_click_is_redirected_and_becomes_a_row(db, edge):
    offer = add_offer(db, target_country="de", tracking_urls=[{"url": "https://t.example/{sub}?k=1", "weight": 2}])
    running = edge()
    status, headers, body = running.click("offer=o&gclid=CLICK77&sub=a%20b&x=1&x=2&k=9&flag")
    assert (status, body) == (302, "")
    assert headers["Location"] == "https://t.example/a%20b?k=1&gclid=CLICK77&x=1&x=2&flag"
    assert headers["Cache-Control"] == "no-store"
    assert "Referrer-Policy" not in headers
    row, = wait_rows(db, 1)
    assert (row["offer_id"], row["offer_name"], row["target_country"]) == (offer, "o", "de")
    assert row["tracking_url"] == "https://t.example/a%20b?k=1&x=1&x=2&flag"
    assert row["inbound_params"] == {"gclid": "CLICK77", "sub": "a b", "x": "2", "k": "9", "flag": ""}
    assert row["raw_query"] == "offer=o&gclid=CLICK77&sub=a%20b&x=1&x=2&k=9&flag"
    assert (row["status"], row["skip_reason"], row["click_path"]) == ("pending", None, "track-hit-instant")
    assert row["next_attempt_at"] is not None and row["started_at"] <= row["created_at"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", row["request_id"])
    assert "CLICK77" not in running.program.text()


def test_the_old_path_is_an_alias_that_is_counted_apart(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    assert ask(running.port, "/functions/v1/track-hit?offer=o")[0] == 302
    assert running.click("offer=o")[0] == 302
    assert [row["click_path"] for row in wait_rows(db, 2)] == ["track-hit", "track-hit-instant"]
    assert running.metric('tracepool_edge_clicks_total{path="track-hit"}') == 1
    assert running.metric('tracepool_edge_clicks_total{path="track-hit-instant"}') == 1


def test_a_beacon_is_a_click(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    status, headers, _ = running.click("offer=o&a=1", method="POST", body=b"ignored=1")
    assert (status, headers["Location"]) == (302, URL + "?a=1")
    assert wait_rows(db, 1)[0]["inbound_params"] == {"a": "1"}
    assert running.click("offer=o", method="POST", body=b"x" * 9000)[0] == 413


def test_head_and_prefetch_are_no_clicks(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    assert running.click("offer=o", method="HEAD")[:2][0] == 302
    for header in ({"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}):
        status, headers, _ = running.click("offer=o", headers=header)
        assert (status, headers["Location"]) == (302, URL)
    assert running.click("offer=o&real=1")[0] == 302
    row, = wait_rows(db, 1)
    assert row["inbound_params"] == {"real": "1"}
    assert running.metric('tracepool_edge_no_clicks_total{reason="head"}') == 1
    assert running.metric('tracepool_edge_no_clicks_total{reason="prefetch"}') == 3


def test_what_is_no_redirect(db, edge):
    add_offer(db, "off", is_active=False)
    add_offer(db, "broken", final_url="not a url")
    running = edge().wait_ready()
    for query, status, word in (("offer=nobody", 404, "no offer"), ("offer=off", 404, "not active"), ("a=1", 400, "offer"),
                                ("", 400, "offer"), ("offer=broken", 500, "no usable URL")):
        got, headers, body = running.click(query)
        assert (got, headers["Content-Type"]) == (status, "application/json")
        assert word in json.loads(body)["error"]
        assert "Location" not in headers
    named, = running.program.events("offer.problem")
    assert named["offer"] == "broken" and "not%20a%20url" in named["problem"]
    assert running.click("offer=broken", method="PUT")[:2][0] == 405
    assert "GET, HEAD, POST" in running.click("offer=broken", method="PUT")[1]["Allow"]
    assert ask(running.port, "/")[0] == 404
    assert rows(db) == []


def test_a_location_over_its_limit_is_refused(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    status, headers, body = running.click("offer=o&x=" + "a" * 8200)
    assert status == 400 and "8192" in json.loads(body)["error"] and "Location" not in headers
    assert rows(db) == []


def test_fallbacks_make_skipped_rows(db, edge):
    offer = add_offer(db, "off", is_active=False, fallback_url="https://f.example/own")
    running = edge("--edge.fallback_url=https://f.example/all", "--edge.referrer_policy=no-referrer").wait_ready()
    assert running.click("offer=off&a=1")[1]["Location"] == "https://f.example/own"
    status, headers, _ = running.click("offer=nobody")
    assert (status, headers["Location"], headers["Referrer-Policy"]) == (302, "https://f.example/all", "no-referrer")
    inactive, unknown = wait_rows(db, 2)
    assert (inactive["status"], inactive["skip_reason"], inactive["offer_id"]) == ("skipped", "offer_inactive", offer)
    assert (unknown["status"], unknown["skip_reason"], unknown["offer_id"]) == ("skipped", "offer_unknown", None)
    assert unknown["offer_name"] == "nobody" and unknown["next_attempt_at"] is None


def test_the_visible_target_is_followed_to_allowed_hosts_only(db, edge):
    add_offer(db, allowed_hosts=["shop.example"])
    running = edge().wait_ready()
    good = running.click("offer=o&redirection_url=https%3A%2F%2Fshop.example%2Fp%3Fgclid%3DX&s=1")
    evil = running.click("offer=o&redirection_url=https://evil.example/")
    assert good[1]["Location"] == "https://shop.example/p?gclid=X&s=1"
    assert evil[1]["Location"] == URL
    assert [row["tracking_url"] for row in wait_rows(db, 2)] == ["https://shop.example/p?s=1", URL]
    assert running.metric('tracepool_edge_visible_targets_total{result="refused"}') == 1


def test_country_from_a_trusted_proxy(db, edge, tmp_path):
    add_offer(db, country_from="header", target_country="us")
    trusting = edge("--edge.country_header=CF-IPCountry", "--edge.trusted_proxies=127.0.0.0/8").wait_ready()
    for value in ("DE", "XX", "Germany"):
        assert trusting.click("offer=o", headers={"CF-IPCountry": value})[0] == 302
    assert [row["target_country"] for row in wait_rows(db, 3)] == ["de", "us", "us"]
    strict = edge("--edge.country_header=CF-IPCountry", spool=tmp_path / "strict").wait_ready()
    assert strict.click("offer=o", headers={"CF-IPCountry": "DE"})[0] == 302
    assert wait_rows(db, 4)[3]["target_country"] == "us"


def test_bytes_that_postgresql_refuses(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    status, headers, _ = running.click("offer=o&nul=a%00b&bad=%ff%c3&lone=%ed%a0%80&quote=%22%5c%0a&k%00=1")
    assert status == 302
    assert headers["Location"] == URL + "?nul=a%00b&bad=%ff%c3&lone=%ed%a0%80&quote=%22%5c%0a&k%00=1"
    row, = wait_rows(db, 1)
    assert row["inbound_params"] == {"nul": "a\ufffdb", "bad": "\ufffd\ufffd", "lone": "\ufffd\ufffd\ufffd",
                                     "quote": '"\\\n', "k\ufffd": "1"}


def test_a_row_the_database_refuses_stops_no_other(db, edge):
    add_offer(db)
    db.run("ALTER TABLE active_trace_requests ADD CHECK (inbound_params->>'p' IS DISTINCT FROM 'poison')")
    running = edge().wait_ready()
    with db_lock(db):  # so that they come in batches
        for n in range(40):
            assert running.click(f"offer=o&p={'poison' if n in (0, 17, 39) else 'good'}&n={n}")[0] == 302
    assert {row["inbound_params"]["n"] for row in wait_rows(db, 37)} == {str(n) for n in range(40)} - {"0", "17", "39"}
    db.wait_for("SELECT count(*) = 3 FROM spool_quarantine")
    refused = db.run("SELECT request_id::text, error, convert_from(payload, 'UTF8')::json AS click FROM spool_quarantine")
    assert {row["click"]["params"]["n"] for row in refused} == {"0", "17", "39"}
    for row in refused:
        assert row["request_id"] == row["click"]["id"] and row["error"].startswith("23514")
        assert row["click"]["raw_query"] == f"offer=o&p=poison&n={row['click']['params']['n']}"
    assert running.metric("tracepool_ship_quarantined_total") == 3
    assert running.click("offer=o&p=good&n=40")[0] == 302
    wait_rows(db, 38)


# --- offers -----------------------------------------------------------------------------------


def test_a_changed_offer_is_served_at_once(db, edge):
    running = edge("--edge.offers_poll_s=3600").wait_ready()
    assert running.click("offer=o")[0] == 404
    add_offer(db)
    farm.wait_for(lambda: running.click("offer=o")[0] == 302, "the new offer")
    db.run("UPDATE offers SET final_url = 'https://new.example/'")
    farm.wait_for(lambda: running.click("offer=o")[1]["Location"] == "https://new.example/", "the new URL")
    db.run("DELETE FROM offers")
    farm.wait_for(lambda: running.click("offer=o")[0] == 404, "the end of the offer")


def test_offers_are_polled_where_notify_does_not_come(db, edge):
    running = edge("--edge.offers_poll_s=1", "--database.pooled=true").wait_ready()
    add_offer(db)
    farm.wait_for(lambda: running.click("offer=o")[0] == 302, "the new offer")


def test_without_a_database_the_snapshot_serves(db, edge):
    add_offer(db)
    first = edge().wait_ready()
    farm.wait_for(lambda: (first.spool / "offers.json").exists(), "the snapshot")
    first.program.stop()
    nowhere = f"postgresql://nobody@127.0.0.1:{farm.free_port()}/none"
    second = edge(database=nowhere, ports=first).wait_ready()
    assert second.ready()["database"] == "down"
    assert second.click("offer=o&late=1")[0] == 302
    second.program.stop()
    edge(ports=first)  # the database is back: what was spooled meanwhile becomes a row
    assert wait_rows(db, 1)[0]["inbound_params"] == {"late": "1"}


def test_with_neither_database_nor_snapshot(edge):
    running = edge(database=f"postgresql://nobody@127.0.0.1:{farm.free_port()}/none", wait=False)
    farm.wait_port(running.port)
    status, headers, body = running.click("offer=o")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "not loaded" in json.loads(body)["error"]
    assert ask(running.port, "/healthz")[0] == 200
    assert ask(running.port, "/readyz")[0] == 503


# --- health -----------------------------------------------------------------------------------


def test_health_pages(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    farm.wait_for(lambda: running.ready()["database"] == "up", "the database")
    for port in (running.port, running.admin):
        assert ask(port, "/healthz")[0] == 200
        assert json.loads(ask(port, "/readyz")[2])["offers"] == 1
        assert ask(port, "/readyz", method="POST", body=b"")[0] == 405
    assert ask(running.port, "/metrics")[0] == 404
    assert "tracepool_edge_clicks_total" in ask(running.admin, "/metrics")[2]
    db.wait_for("SELECT count(*) = 1 FROM process_heartbeats WHERE program = 'edge' AND spool_age_s IS NOT NULL")


@pytest.mark.parametrize("setting, word", [
    ("--edge.fallback_url=nonsense", "edge.fallback_url"),
    ("--edge.trusted_proxies=10.0.0.0/99", "edge.trusted_proxies"),
    ("--edge.spool_dir=/proc/nowhere/spool", "edge.spool_dir: make /proc/nowhere"),
    ("--edge.listen=nonsense", 'edge.listen: listen on "nonsense"'),
    ("--edge.admin_listen=[::1", 'edge.admin_listen: listen on "[::1"'),
    ("--edge.durability=maybe", "edge.durability"),
    ("--edge.segment_bytes=1", "edge.segment_bytes"),
])
def test_settings_that_make_no_sense_are_named(tmp_path, setting, word):
    command = [farm.binary("tracepool-edge"), f"--edge.listen=127.0.0.1:{farm.free_port()}", "--edge.admin_listen=",
               f"--edge.spool_dir={tmp_path}/spool", setting]
    ended = subprocess.run(command, env={"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, capture_output=True, text=True,
                           timeout=farm.PATIENCE_S)
    assert ended.returncode == 2
    assert word in ended.stderr
