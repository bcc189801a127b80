"""The edge whose clock is set. libfaketime tells it the time, which a sanitized program does not survive."""
import glob
import json

import farm
from edges import add_offer, db_lock, edge, wait_rows  # noqa: F401  (edge is a fixture)


def test_a_clock_that_is_set_while_clicks_are_spooled_makes_them_no_older(db, edge, tmp_path):
    """A year ahead and back again, before they are shipped: their rows tell when they came."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    clock = tmp_path / "clocks" / "edge"
    clock.parent.mkdir()
    clock.write_text("+0\n")
    answers = tmp_path / "answers"
    add_offer(db)
    running = edge(f"--edge.access_log={answers}", LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE=1,
                   FAKETIME_DONT_FAKE_MONOTONIC=1, FAKETIME_DISABLE_SHM=1,
                   SSL_CERT_DIR=clock.parent).wait_ready()   # what that names may be read in a sandbox
    with db_lock(db):
        for n, offset in enumerate(("+0", "+400d", "-2h", "+0", "+400d")):
            clock.write_text(offset + "\n")
            assert running.click(f"offer=o&n={n}")[0] == 302
    wait_rows(db, 5)
    assert db.value("SELECT max(abs(extract(epoch FROM now() - started_at))) FROM active_trace_requests") < 600
    lines = farm.wait_for(lambda: len(lines := answers.read_text().splitlines()) == 5 and lines, "a line for each answer")
    stamps = [json.loads(line)["at_ms"] for line in lines]
    assert max(stamps) - min(stamps) > 399 * 86400 * 1000, "the clock was set"
