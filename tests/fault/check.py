"""The independent checker: puts the ledgers beside the tables and asks every rule of check.sql.

    put_evidence(cursor, folder, run, exits, residue)      into the schema proof, made anew
    for rule, lines in violations(cursor): ...             all rules, in their order
"""
import pathlib
import re

import psycopg2.extras

import ledger

HERE = pathlib.Path(__file__).resolve().parent
RULE = re.compile(r"^-- rule: (\w+)\n(?:--.*\n)*([^;]*);", re.M)
# what a line of a ledger is called, its table, and the names of its values there; times come as seconds since the epoch
KINDS = {
    "click": ("clicks", ("cid", "kind", "offer", "sent", "status", "ms")),
    "fault": ("faults", ("name", "family", "began", "ended")),
    "visit": ("visits", ("cid", "path", "peer", "at")),
    "passage": ("passages", ("user", "cid", "how", "opened")),
    "beacon": ("beacons", ("cid", "event", "host", "answer", "at")),
}
TIMES = {"sent", "began", "ended", "opened", "at"}


def rules():
    """{name: query}"""
    return {name: query for name, query in RULE.findall((HERE / "check.sql").read_text(encoding="utf-8"))}


def insert(cursor, table, names, rows):
    places = ", ".join("to_timestamp(%s)" if name in TIMES else "%s" for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    psycopg2.extras.execute_values(cursor, f"INSERT INTO proof.{table} ({columns}) VALUES %s", rows, f"({places})", page_size=1000)


def put_evidence(cursor, folder, run, exits, residue):
    cursor.execute("DROP SCHEMA IF EXISTS proof CASCADE")
    cursor.execute((HERE / "evidence.sql").read_text(encoding="utf-8"))
    rows = {what: [] for what in KINDS}
    residue = list(residue)
    for entry in ledger.read(folder):
        if entry["what"] in KINDS:
            rows[entry["what"]].append([entry.get(name) for name in KINDS[entry["what"]][1]])
        elif entry["what"] == "trapped":
            residue.append(("trapped", f"{entry['address']} from {entry['peer']}: {entry['text'][:80]!r}"))
    for what, (table, names) in KINDS.items():
        insert(cursor, table, names, rows[what])
    insert(cursor, "run", list(run), [list(run.values())])
    insert(cursor, "exits", ("ip_address", "exit"), exits.items())
    insert(cursor, "residue", ("kind", "what"), residue)
    cursor.execute("ANALYZE")


def violations(cursor):
    for name, query in rules().items():
        cursor.execute(query.replace("%", "%%"))
        yield name, [row[0] for row in cursor.fetchall()]
