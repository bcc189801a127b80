"""The lines of "The pool, by hand" in migrations/README.md do what they say, as they stand there, typed by an operator."""
import csv
import pathlib
import re
import subprocess

import pytest

import farm

README = pathlib.Path(__file__).resolve().parents[2] / "migrations" / "README.md"
SECTION = README.read_text().split("## The pool, by hand", 1)[1].split("\n## ", 1)[0]
LINES = {cells[1].strip(): re.findall(r"`((?:SELECT|\\copy) [^`]*)`", cells[2])
         for cells in (row.split("|") for row in SECTION.splitlines()) if len(cells) == 4}
COLUMNS = ["ip_address", "ip_port", "country", "provider", "notes"]


@pytest.fixture
def operator(db, tmp_path):
    """operator(want, n): runs the n-th line for that; returns what psql prints."""
    assert set(LINES) >= {"add", "import, correct", "export", "remove for good"}, "the table has moved"
    db.run("INSERT INTO proxy_providers (provider) VALUES ('luna')")

    def run(want, n=0):
        done = subprocess.run(["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", LINES[want][n], db.url_as("tracepool_admin")],
                              cwd=tmp_path, capture_output=True, text=True, timeout=farm.PATIENCE_S)
        assert (done.returncode, done.stderr) == (0, ""), (want, done.stderr)
        return done.stdout.strip()

    return run


def entries(db):
    return {row["ip_address"]: [row[name] or "" for name in COLUMNS[1:]]
            for row in db.run("SELECT * FROM ip_rotation_pool")}


def healthy(db):
    return {row["ip_address"] for row in db.run("SELECT ip_address FROM ip_rotation_pool WHERE is_healthy")}


def test_a_pool_is_filled_corrected_and_written_out(db, operator, tmp_path):
    assert operator("add") == "2"
    assert entries(db) == {address: ["3128", "de", "other", ""] for address in ("192.0.2.1", "192.0.2.2")}
    table = [COLUMNS, ["192.0.2.1", "8080", "fr", "luna", "moved, twice"], ["192.0.2.9", "7000", "us", "luna", ""]]
    with open(tmp_path / "pool.csv", "w", newline="") as file:
        csv.writer(file).writerows(table)
    assert operator("import, correct") == "COPY 2"
    wanted = {"192.0.2.1": ["8080", "fr", "luna", "moved, twice"], "192.0.2.2": ["3128", "de", "other", ""],
              "192.0.2.9": ["7000", "us", "luna", ""]}
    assert entries(db) == wanted
    operator("export")
    with open(tmp_path / "pool.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == COLUMNS and {row[0]: row[1:] for row in rows} == wanted
    assert operator("import, correct") == "COPY 3"
    assert entries(db) == wanted, "what was written out is read in again unchanged"


def test_ips_are_taken_out_brought_back_and_removed(db, operator):
    operator("add")
    db.run("INSERT INTO ip_rotation_pool (ip_address, provider) VALUES ('user-1', 'luna')")
    assert operator("take out, bring back", 0) == "1"
    assert healthy(db) == {"192.0.2.2", "user-1"}
    assert operator("take out, bring back", 1) == "1"
    assert operator("take a provider out") == "1"
    assert healthy(db) == {"192.0.2.1", "192.0.2.2"}
    assert operator("remove for good") == "1"
    assert set(entries(db)) == {"192.0.2.2", "user-1"}


def test_what_failed_is_requeued_a_rotation_noted_and_advice_given(db, operator):
    db.run("INSERT INTO active_trace_requests (tracking_url, offer_name, status) VALUES ('https://t.test/', 'shop', 'failed')")
    assert operator("trace again what failed") == "1"
    assert db.value("SELECT status = 'pending' AND next_attempt_at <= clock_timestamp() FROM active_trace_requests")
    db.run("UPDATE proxy_providers SET credentials_rotated_at = '2020-01-01' WHERE provider = 'luna'")
    assert operator("a password was changed") == "t"
    assert db.value("SELECT credentials_rotated_at > now() - interval '1 hour' FROM proxy_providers WHERE provider = 'luna'")
    assert operator("how many IPs are missing").split("|")[0] == "us", "where clicks come from and no IP is"
