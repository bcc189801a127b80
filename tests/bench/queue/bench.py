"""What tests/bench/queue/run and soak are made of: a cluster that syncs to disk, stocked databases, the farm's client, peers.

The numbers that one run prints compare with each other and with nothing else: this machine's speed changes by a factor of
two between one minute and the next.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import npm  # noqa: E402
from cluster import Cluster  # noqa: E402

COUNTRIES = {"us": 8, "ca": 1, "gb": 1}   # shares of the clicks and of the pool

# As a production server of this size would be set: every commit reaches the disk.
SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_level": "replica",
    "shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s", "log_min_messages": "error", "maintenance_work_mem": "1GB",
}


def say(text):
    print(text, flush=True)


def pairs(line):
    """name=value words of a line, numbers as numbers."""
    return {name: float(value) for name, value in (word.split("=", 1) for word in line.split() if "=" in word)}


def programs():
    """The clients' folder, built when there is no build that has them; TRACEPOOL_BUILD names one."""
    build = pathlib.Path(os.environ.get("TRACEPOOL_BUILD") or ROOT / "build-tests" / "bench")
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(build), str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(build), *(f"tests/bench/queue/{name}" for name in ("queue_farm", "queue_edge", "libslow_disk.so"))],
                   check=True, stdout=subprocess.DEVNULL)
    return build / "tests" / "bench" / "queue"


def install_peers():
    """The folder of the peers, at the versions of package.json."""
    return npm.install(HERE / "package.json", HERE / "graphile.js", HERE / "boss.js")


class Client:
    """A measuring program: prints `ready`, begins at a line on stdin, ends with a line of name=value."""

    def __init__(self, words, url):
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "DATABASE_URL": url})
        self.expect("ready")

    def expect(self, word):
        line = self.process.stdout.readline()
        if not line.startswith(word):
            self.stop()
            raise RuntimeError(f"{self.process.args[0]} said {line!r} instead of {word}")
        return line

    def go(self):
        self.tell("go")

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def result(self):
        lines = self.process.stdout.read().splitlines()
        if self.process.wait() != 0 or not lines:
            raise RuntimeError(f"{self.process.args} failed ({self.process.returncode})")
        return pairs(lines[-1])

    def stop(self):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Stand:
    """One cluster for the whole run, and databases in it that look like a farm's."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.programs = programs()

    def new(self, ips=5000, pending=0, ended=0, cooldown_s=0):
        return Stocked(self, self.cluster.new_database(template="tracepool"), ips, pending, ended, cooldown_s)

    def peer(self, script, *words):
        """Runs a peer in a database of its own and measures it; (result, WAL bytes, syncs)."""
        database = self.cluster.new_database()
        try:
            client = Client(["node", install_peers() / script, *words], database.url)
            with contextlib.closing(database.connect(user="postgres")) as conn:
                return measured(Session(conn), client)
        finally:
            self.cluster.drop_database(database)


class Session:
    def __init__(self, conn):
        self.conn = conn

    def all(self, sql, *values):
        with self.conn.cursor() as cur:
            cur.execute(sql, values or None)
            return cur.fetchall() if cur.description else []

    def one(self, sql, *values):
        rows = self.all(sql, *values)
        return rows[0][0] if rows else None


def measured(session, client):
    """The client's own result, and what it cost: wal_per_trace, fsyncs_per_trace."""
    session.all("CHECKPOINT")
    cost = "SELECT pg_current_wal_insert_lsn() - '0/0', (SELECT wal_sync FROM pg_stat_wal)"
    [(wal, syncs)] = session.all(cost)
    client.go()
    result = client.result()
    time.sleep(1.2)   # backends hand in their counters at most once a second
    [(wal_after, syncs_after)] = session.all(cost)
    traces = max(1, result.get("traces", 1))
    return {**result, "wal_per_trace": float(wal_after - wal) / traces, "fsyncs_per_trace": (syncs_after - syncs) / traces}


class Stocked:
    """A migrated database with IPs in three countries and requests that wait or have ended."""

    def __init__(self, stand, database, ips, pending, ended, cooldown_s):
        self.stand, self.database = stand, database
        self.conn = database.connect(user="postgres")
        self.session = Session(self.conn)
        self.session.all("UPDATE trace_policy SET cooldown_s = %s", cooldown_s)
        self.add_ips(ips)
        self.add_requests(pending, "pending")
        self.add_requests(ended, "completed")
        self.session.all("VACUUM ANALYZE")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()
        self.stand.cluster.drop_database(self.database)

    def add_ips(self, count):
        total = sum(COUNTRIES.values())
        for country, share in COUNTRIES.items():
            self.session.all("""INSERT INTO ip_rotation_pool (ip_address, country, provider, locked_until)
                SELECT %s || '-user-' || i, %s, 'other', now() - interval '1 day' + i * interval '1 ms'
                  FROM generate_series(1, %s) AS i""", country, country, count * share // total)

    def add_requests(self, count, status):
        """As a day's clicks: time-ordered ids, a URL and parameters of the usual length."""
        if count == 0:
            return
        self.session.all("SET synchronous_commit = off; SET session_replication_role = replica")
        self.session.all("""
            INSERT INTO active_trace_requests
                   (request_id, tracking_url, target_country, inbound_params, status, started_at, next_attempt_at, completed_at,
                    final_url, redirect_chain, max_retries)
            SELECT (lpad(to_hex((extract(epoch FROM at.at) * 1000)::bigint), 12, '0') || '7' || right(md5(i::text), 19))::uuid,
                   'https://track.example/c/' || i || '?aff=1234&offer=spring-sale&sub1=abcdef&gclid=Cj0KCQiA0123456789abcdef',
                   (ARRAY['us', 'us', 'us', 'us', 'us', 'us', 'us', 'us', 'ca', 'gb'])[1 + i %% 10],
                   '{"gclid": "Cj0KCQiA0123456789abcdef", "utm_source": "x"}', %(status)s::trace_status, at.at,
                   CASE WHEN %(status)s = 'pending' THEN at.at END, CASE WHEN %(status)s = 'completed' THEN at.at END,
                   CASE WHEN %(status)s = 'completed' THEN 'https://landing.example/' END,
                   CASE WHEN %(status)s = 'completed' THEN '[]'::jsonb END, 2
              FROM generate_series(1, %(count)s) AS i
             CROSS JOIN LATERAL (SELECT now() - CASE %(status)s WHEN 'pending' THEN interval '12 h' ELSE interval '36 h' END
                                        + i * (interval '11 h' / %(count)s) AS at) AS at"""
                         .replace("%(status)s", f"'{status}'").replace("%(count)s", str(int(count))).replace("%%", "%"))
        self.session.all("SET session_replication_role = origin; SET synchronous_commit = on")

    def work(self, batch, connections, traces=1 << 40, seconds=1e6, payload=0):
        """The farm's client, measured."""
        return measured(self.session, self.client("--batch", batch, "--connections", connections, "--traces", traces,
                                                  "--seconds", seconds, "--payload", payload))

    def client(self, *words):
        return Client([self.stand.programs / "queue_farm", *words], self.database.url_as("tracepool_worker"))

    def edge(self):
        return Client([self.stand.programs / "queue_edge"], self.database.url_as("tracepool_edge"))


def with_slow_disk(cluster, sync_us):
    """Words before PostgreSQL. Its user may not be able to read the build's folder."""
    library = shutil.copy(programs() / "libslow_disk.so", cluster.dir)
    return ["env", f"LD_PRELOAD={library}", f"SYNC_US={sync_us}"]


@contextlib.contextmanager
def stand(sync_us=0):
    cluster = Cluster(SETTINGS)
    if sync_us:
        cluster.words = with_slow_disk(cluster, sync_us)
    with cluster:
        cluster.migrate()
        yield Stand(cluster)
