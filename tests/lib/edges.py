"""Running edges for scenario tests, offers for them, and the rows that clicks become.

    from edges import add_offer, edge, rows, wait_rows  # noqa: F401  (edge is a fixture)
"""
import json
import os
import pathlib
import signal

import pytest

import farm
from clicks import ask, click

URL = "https://t.example/c"


class Edge:
    """A running tracepool-edge, its ports and its spool."""

    def __init__(self, program, port, admin, spool):
        self.program, self.port, self.admin, self.spool = program, port, admin, spool

    def click(self, query, **options):
        return click(self.port, query, **options)

    def metric(self, name):
        for line in ask(self.admin, "/metrics")[2].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {name}")

    def ready(self):
        return json.loads(ask(self.admin, "/readyz")[2])

    def wait_ready(self):
        farm.wait_for(lambda: self.ready()["ready"], "readiness")
        return self

    def segments(self, suffix=".spool"):
        return sorted(self.spool.glob("*" + suffix))

    def kill_children(self):
        pids = self.program.children()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids


@pytest.fixture
def edge(start, tmp_path, db):
    """edge(*settings, database=URL, spool=DIR, ports=EDGE, NAME=VALUE): a tracepool-edge on db, listening."""

    def start_edge(*settings, database=None, spool=None, ports=None, children=1, wait=True, **environment):
        port, admin = (ports.port, ports.admin) if ports else (farm.free_port(), farm.free_port())
        spool = pathlib.Path(spool or tmp_path / "spool")
        program = start("tracepool-edge", f"--edge.listen=127.0.0.1:{port}", f"--edge.admin_listen=127.0.0.1:{admin}",
                        f"--edge.spool_dir={spool}", f"--edge.children={children}", *settings,
                        ready="edge.listening" if wait else None, ready_count=children,
                        **{"DATABASE_URL": database or db.url_as("tracepool_edge"), **environment})
        return Edge(program, port, admin, spool)

    return start_edge


def add_offer(db, name="o", **columns):
    columns = {"offer_name": name, "final_url": URL, **columns}
    columns = {k: json.dumps(v) if k == "tracking_urls" else v for k, v in columns.items()}
    return db.value(f"INSERT INTO offers ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "
                    "RETURNING id::text", *columns.values())


def rows(db):
    return db.run("SELECT * FROM active_trace_requests ORDER BY created_at, request_id")


def wait_rows(db, count):
    farm.wait_for(lambda: len(rows(db)) >= count, f"{count} rows")
    return rows(db)


class db_lock:
    """active_trace_requests locked against everything, by a connection of its own."""

    def __init__(self, db):
        self.db = farm.Database(db.url)

    def __enter__(self):
        self.db.run("SELECT 1")
        self.db.connection.autocommit = False
        self.db.run("LOCK TABLE active_trace_requests IN ACCESS EXCLUSIVE MODE")

    def __exit__(self, *_):
        self.db.connection.commit()
        self.db.close()
