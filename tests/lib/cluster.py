#!/usr/bin/python3
"""A throw-away PostgreSQL cluster with a migrated database, for tests.

    cluster.py run [--empty] [--set NAME=VALUE]... -- CMD...    DATABASE_URL is set for CMD; exit code is CMD's

As a module:

    with Cluster() as cluster:
        cluster.migrate()                     migrations/apply.sh as the database's owner
        conn = cluster.connect()              psycopg2, autocommit; user=, database=
        cluster.stop_immediate(); cluster.start()

As pytest fixtures: `from cluster import cluster, db` gives one cluster per run and a fresh migrated database per
test (`db.url`, `db.connect()`).

The cluster lives in a temporary directory of its own, listens on a Unix socket there and on a free loopback port, and
dies with the process that made it. PostgreSQL refuses root, so root starts it as `nobody`. The database's owner is
no superuser (CREATEROLE is all that the migrations need). fsync is off unless --set fsync=on: what tests kill are
processes, not machines.
"""
import argparse
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWNER = "tracepool"
ROLES = ("tracepool_edge", "tracepool_worker", "tracepool_monitor", "tracepool_admin", "tracepool_readonly")
UNPRIVILEGED = "nobody"
START_TIMEOUT_S = 60

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    "dynamic_shared_memory_type": "mmap",
}


def bindir():
    return pathlib.Path(subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True).stdout.strip())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def as_unprivileged():
    """Words before a command: become `nobody` when we are root, and end with our parent."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        words += ["--reuid", UNPRIVILEGED, "--regid", "nogroup", "--clear-groups"]
    return words


class Database:
    """One database of a cluster: its URL and connections to it."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name

    @property
    def url(self):
        return self.cluster.url(database=self.name)

    def url_as(self, user):
        return self.cluster.url(user=user, database=self.name)

    def connect(self, user=OWNER, **options):
        return self.cluster.connect(user=user, database=self.name, **options)


class Cluster:
    """host: where the server runs (netns.Host), and is reached by its address; else it is this machine's loopback."""

    def __init__(self, settings=None, host=None):
        self.settings = {**SETTINGS, **(settings or {})}
        self.words, self.address = (host.words, host.address) if host else ([], "127.0.0.1")
        self.password = secrets.token_hex(16)
        self.process = None
        self.port = None
        self.made = 0
        # Sockets have a short limit on their path's length: never below the checkout.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tracepool-pg-", dir="/tmp"))
        self.data = self.dir / "data"
        self.log = self.dir / "server.log"
        if os.geteuid() == 0:
            shutil.chown(self.dir, UNPRIVILEGED, "nogroup")

    def __enter__(self):
        try:
            self.create()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_):
        self.destroy()

    # life of the cluster

    def create(self):
        """initdb, start, make the owner and the database `tracepool`."""
        password_file = self.dir / "password"
        password_file.write_text(self.password)
        if os.geteuid() == 0:
            shutil.chown(password_file, UNPRIVILEGED)
        subprocess.run(
            as_unprivileged() + [str(bindir() / "initdb"), "--pgdata", str(self.data), "--username", "postgres", "--pwfile",
                                 str(password_file), "--auth-local", "trust", "--auth-host", "scram-sha-256",
                                 "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            check=True, cwd=self.dir, stdout=subprocess.DEVNULL)
        password_file.unlink()
        with open(self.data / "pg_hba.conf", "a", encoding="ascii") as rules:
            rules.write(f"host all all {self.address}/24 scram-sha-256\n")
        self.start()
        with contextlib.closing(self.connect(user="postgres", database="postgres")) as conn, conn.cursor() as cur:
            cur.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB PASSWORD %s", (self.password,))
            cur.execute(f"CREATE DATABASE {OWNER} OWNER {OWNER}")
        return self

    def start(self):
        """Starts the server and waits until it answers; the port stays the same over restarts."""
        for _ in range(5):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return
        raise RuntimeError(f"PostgreSQL does not start:\n{self.log.read_text()[-3000:]}")

    def _start_on(self, port):
        options = {**self.settings, "port": port, "listen_addresses": self.address, "unix_socket_directories": self.dir}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words + as_unprivileged() + [str(bindir() / "postgres"), "-D", str(self.data)] + words,
                                            cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(psycopg2.OperationalError):
                psycopg2.connect(host=str(self.dir), port=port, user="postgres", dbname="postgres").close()
                return True
            time.sleep(0.02)   # the server has no way to tell us
        return False

    def stop(self, how=signal.SIGINT):
        """Fast shutdown: sessions end, nothing is lost."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()

    def stop_immediate(self):
        """As a crash: recovery runs at the next start."""
        self.stop(signal.SIGQUIT)

    def restart(self):
        self.stop()
        self.start()

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # databases and connections

    def url(self, user=OWNER, database=OWNER):
        """Over TCP, with password; to another host in the clear, which has to be said."""
        clear = "" if self.address == "127.0.0.1" else "?sslmode=disable"
        return f"postgresql://{user}:{self.password}@{self.address}:{self.port}/{database}{clear}"

    def socket_url(self, user=OWNER, database=OWNER):
        """Over the Unix socket, without password; only root and the server's user can reach it."""
        return f"postgresql://{user}@/{database}?host={urllib.parse.quote(str(self.dir), safe='')}&port={self.port}"

    def connect(self, user=OWNER, database=OWNER, autocommit=True, **options):
        conn = psycopg2.connect(host=str(self.dir), port=self.port, user=user, dbname=database, **options)
        conn.autocommit = autocommit
        return conn

    def migrate(self, database=OWNER):
        """Runs migrations/apply.sh as the owner, then gives the roles the cluster's password."""
        subprocess.run([str(ROOT / "migrations" / "apply.sh")], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DATABASE_URL": (self.socket_url if self.words else self.url)(database=database)})
        with contextlib.closing(self.connect(user="postgres", database=database)) as conn, conn.cursor() as cur:
            for role in ROLES:
                cur.execute(f"ALTER ROLE {role} PASSWORD %s", (self.password,))

    def new_database(self, template=None):
        """An empty database, or a copy of one that nobody is connected to."""
        self.made += 1
        name = f"test_{self.made}"
        copy = f" TEMPLATE {template}" if template else ""
        with contextlib.closing(self.connect(database="postgres")) as conn, conn.cursor() as cur:
            cur.execute(f"CREATE DATABASE {name} OWNER {OWNER}{copy}")
        return Database(self, name)

    def drop_database(self, database):
        with contextlib.closing(self.connect(user="postgres", database="postgres")) as conn, conn.cursor() as cur:
            cur.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


class Standby(Cluster):
    """A streaming copy of a running cluster, on a port of its own; promote() makes it a primary."""

    def __init__(self, primary, settings=None):
        super().__init__({**primary.settings, **(settings or {})})
        self.primary, self.password = primary, primary.password

    def create(self):
        source = f"host={self.primary.dir} port={self.primary.port} user=postgres application_name=standby"
        subprocess.run(as_unprivileged() + [str(bindir() / "pg_basebackup"), "--pgdata", str(self.data), "--write-recovery-conf",
                                            "--checkpoint", "fast", "--no-sync", "--dbname", source], check=True, cwd=self.dir)
        self.start()
        return self

    def promote(self):
        """Returns when it takes writes."""
        with contextlib.closing(self.connect(user="postgres", database="postgres")) as conn, conn.cursor() as cur:
            cur.execute("SELECT pg_promote()")


with contextlib.suppress(ImportError):
    import pytest

    @pytest.fixture(scope="session")
    def cluster():
        """One cluster for the run; its database `tracepool` is migrated and serves as the template of `db`."""
        with Cluster() as made:
            made.migrate()
            yield made

    @pytest.fixture
    def db(cluster):
        """A fresh, migrated database."""
        made = cluster.new_database(template=OWNER)
        yield made
        cluster.drop_database(made)


def run_command(args):
    settings = dict(pair.split("=", 1) for pair in args.set)
    with Cluster(settings) as cluster:
        if not args.empty:
            cluster.migrate()
        return subprocess.run(args.command, env={**os.environ, "DATABASE_URL": cluster.url()}).returncode


def main():
    parser = argparse.ArgumentParser(description="Run a command with a throw-away PostgreSQL database.")
    sub = parser.add_subparsers(required=True)
    run = sub.add_parser("run", help="set DATABASE_URL for CMD and run it")
    run.add_argument("--empty", action="store_true", help="do not apply the migrations")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    run.add_argument("command", nargs="+", metavar="CMD")
    run.set_defaults(run=run_command)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(args.run(args))


if __name__ == "__main__":
    main()
