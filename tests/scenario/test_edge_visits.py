"""Which clicks are redirected but not traced: bots, repeated clicks, an address that clicks too fast. And whose address it is."""
import json

import pytest

from edges import URL, add_offer, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
TRUSTING = ("--edge.trusted_proxies=127.0.0.0/8, 10.0.0.0/8, fd00::/8",)


def by_number(db, count):
    return {int(row["inbound_params"]["n"]): row for row in wait_rows(db, count)}


def test_bots_and_previews_are_redirected_and_not_traced(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    agents = ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "facebookexternalhit/1.1", "curl/8.0",
              "Wget/1.21", "", CHROME, "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36"]
    for n, agent in enumerate(agents):
        status, headers, _ = running.click(f"offer=o&n={n}", headers={"User-Agent": agent})
        assert (status, headers["Location"]) == (302, f"{URL}?n={n}")
    found = by_number(db, len(agents))
    assert [found[n]["skip_reason"] for n in range(len(agents))] == ["bot", "link_preview", None, None, None, None, None]
    assert [found[n]["status"] for n in range(3)] == ["skipped", "skipped", "pending"]
    assert running.metric('tracepool_edge_skipped_total{reason="bot"}') == 1 + 1


def test_bots_are_traced_where_that_is_wanted(db, edge):
    add_offer(db)
    running = edge("--edge.skip_bots=false").wait_ready()
    running.click("offer=o", headers={"User-Agent": "Googlebot/2.1"})
    assert wait_rows(db, 1)[0]["skip_reason"] is None


def test_repeated_clicks_name_the_first(db, edge):
    add_offer(db)
    add_offer(db, "p")
    running = edge("--edge.dedup_s=3600", children=3).wait_ready()
    clicks = [("offer=o&gclid=A&n=0", CHROME), ("offer=o&gclid=A&n=1", "other"),   # one click id: the same click, whoever
              ("offer=o&gclid=B&n=2", CHROME),                                     # another id: another click
              ("offer=p&gclid=A&n=3", CHROME),                                     # another offer
              ("offer=o&n=4", CHROME), ("offer=o&n=5", CHROME),                    # no id: address, agent and offer
              ("offer=o&n=6", "other")] + [(f"offer=o&gclid=A&n={n}", CHROME) for n in range(7, 20)]
    for query, agent in clicks:   # each on a connection of its own, so that all children get some
        assert running.click(query, headers={"User-Agent": agent})[0] == 302
    found = by_number(db, len(clicks))
    repeated = {1: 0, 5: 4, **{n: 0 for n in range(7, 20)}}
    for n in range(len(clicks)):
        assert found[n]["skip_reason"] == ("duplicate" if n in repeated else None), n
        assert found[n]["duplicate_of"] == (found[repeated[n]]["request_id"] if n in repeated else None), n
    assert running.metric('tracepool_edge_skipped_total{reason="duplicate"}') == len(repeated)


def test_without_the_setting_nothing_repeats(db, edge):
    add_offer(db)
    running = edge().wait_ready()
    for n in range(3):
        running.click(f"offer=o&gclid=A&n={n}")
    assert {row["skip_reason"] for row in wait_rows(db, 3)} == {None}


def test_a_repeated_click_is_known_after_children_were_killed(db, edge):
    add_offer(db)
    running = edge("--edge.dedup_s=3600", children=2).wait_ready()
    assert running.click("offer=o&gclid=A&n=0")[0] == 302
    running.kill_children()
    running.program.wait_event("edge.listening", 4)
    assert running.click("offer=o&gclid=A&n=1")[0] == 302
    found = by_number(db, 2)
    assert found[1]["duplicate_of"] == found[0]["request_id"]


def test_an_address_that_clicks_too_fast(db, edge):
    add_offer(db)
    running = edge("--edge.rate_per_minute=1", "--edge.rate_burst=5", *TRUSTING, children=3).wait_ready()
    for n in range(12):
        assert running.click(f"offer=o&n={n}", headers={"X-Forwarded-For": "198.51.100.7"})[0] == 302
    assert running.click("offer=o&n=12", headers={"X-Forwarded-For": "198.51.100.8"})[0] == 302
    for n in range(13, 20):   # one network of an IPv6 user, many addresses
        assert running.click(f"offer=o&n={n}", headers={"X-Forwarded-For": f"2001:db8:1:2::{n}"})[0] == 302
    found = by_number(db, 20)
    assert [found[n]["skip_reason"] for n in range(13)] == [None] * 5 + ["rate"] * 7 + [None]
    assert [found[n]["skip_reason"] for n in range(13, 20)] == [None] * 5 + ["rate"] * 2
    assert "198.51.100" not in running.program.text()


@pytest.mark.parametrize("forwarded, visitor", [
    (["198.51.100.7"], "::ffff:198.51.100.7"),
    (["1.1.1.1, 198.51.100.7"], "::ffff:198.51.100.7"),               # what stands before it is the visitor's own story
    (["1.1.1.1, 198.51.100.7, 10.1.2.3"], "::ffff:198.51.100.7"),     # over two trusted ones
    (["1.1.1.1", "198.51.100.7, 10.1.2.3"], "::ffff:198.51.100.7"),   # two header lines are one list
    (["2001:db8::7, fd00::1"], "2001:db8::7"),
    (["[2001:db8::7]:4711"], "2001:db8::7"),
    (["198.51.100.7:4711"], "::ffff:198.51.100.7"),
    (["10.1.1.1"], "::ffff:10.1.1.1"),                                # all are trusted: the first of them
    (["nonsense, 10.1.1.1"], None),
    (["198.51.100.7, unknown"], None),
    (["198.51.100.0/24"], None),
    ([], "::ffff:127.0.0.1"),
])
def test_the_visitors_address_is_read_from_the_right(db, edge, tmp_path, forwarded, visitor):
    add_offer(db)
    (tmp_path / "token").write_text("t0ken")
    running = edge("--edge.dedup_s=1", f"--edge.debug_token_file={tmp_path}/token", *TRUSTING).wait_ready()
    headers = [("Authorization", "Bearer t0ken")] + [("X-Forwarded-For", value) for value in forwarded]
    answer = running.click("offer=o&debug", headers=Lines(headers))
    assert json.loads(answer[2])["visitor_address"] == visitor


class Lines:
    """Header lines with repeated names, as `ask` goes through them."""

    def __init__(self, lines):
        self.lines = lines

    def items(self):
        return self.lines


def test_who_is_not_trusted_is_not_believed(db, edge, tmp_path):
    add_offer(db)
    (tmp_path / "token").write_text("t0ken")
    running = edge("--edge.dedup_s=1", f"--edge.debug_token_file={tmp_path}/token").wait_ready()
    answer = running.click("offer=o&debug", headers={"Authorization": "Bearer t0ken", "X-Forwarded-For": "198.51.100.7"})
    assert json.loads(answer[2])["visitor_address"] == "::ffff:127.0.0.1"
