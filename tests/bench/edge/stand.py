"""What tests/bench/edge/run is made of: a cluster that syncs, servers that answer clicks, wrk and the open loop.

Numbers of one run compare with each other and with nothing else.
"""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import npm  # noqa: E402
import processes  # noqa: E402
from cluster import Cluster, free_port  # noqa: E402

PATH = "/functions/v1/track-hit-instant"
QUERY = "offer=bench&gclid=Cj0KCQiA0123456789abcdef&utm_source=google&sub1=abcdef"
OFFERS = ("INSERT INTO offers (offer_name, final_url, tracking_urls) VALUES ('bench', 'https://track.example/click?campaign=77', "
          "'[{\"url\": \"https://track.example/click?campaign=77\", \"weight\": 1}]')")

# As a production server of this size would be set: every commit reaches the disk.
SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "4GB",
    "checkpoint_timeout": "15min", "log_min_messages": "fatal", "track_functions": "pl",
}


def say(text):
    print(text, flush=True)


def build():
    """The build directory with all that is started here; TRACEPOOL_BUILD names one."""
    folder = pathlib.Path(os.environ.get("TRACEPOOL_BUILD") or ROOT / "build-tests" / "bench")
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(folder), str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(folder), "edge/tracepool-edge", "tests/bench/edge/edge_load", "tests/bench/edge/edge_nothing"],
                   check=True, stdout=subprocess.DEVNULL)
    return folder


def install_peer():
    """The folder of the peer, with pg at the version of package.json."""
    return npm.install(HERE / "package.json", HERE / "peer.js")


def pairs(line):
    return {name: float(value) for name, value in (word.split("=", 1) for word in line.split() if "=" in word)}


def wait_for(condition, what, patience_s=60):
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not come within {patience_s} s")
        time.sleep(0.02)


class Server:
    """A server on a port of its own, ended with the block."""

    def __init__(self, stand, name, words, port, **environment):
        self.stand, self.name, self.port = stand, name, port
        log = open(stand.dir / f"{name}.log", "ab")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TRACEPOOL_", "DATABASE_", "PG"))}
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env={**clean, **environment}, cwd=stand.dir)

    def __enter__(self):
        wait_for(lambda: self.answers() or self.process.poll() is not None, f"a redirect by {self.name}")
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended:\n" + (self.stand.dir / f"{self.name}.log").read_text()[-2000:])
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def answers(self):
        asked = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{self.port}{PATH}?{QUERY}"],
                               capture_output=True, text=True)
        return asked.stdout == "302"

    def cpu_s(self):
        """Of all its processes and threads so far, by the scheduler's own clock."""
        return processes.cpu_s(processes.family(self.process.pid))

    def rss_mb(self):
        """Of its largest process: (now, of that not shared with files)."""
        def mb(pid, field):
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            return int(re.search(field + r":\s+(\d+)", text)[1]) / 1024
        return max((mb(pid, "VmRSS"), mb(pid, "RssAnon")) for pid in processes.family(self.process.pid))

    def wrk(self, keeps_alive, seconds, connections=64):
        """Closed loop; requests/s, requests per CPU-second of the server, ms."""
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
        words += [] if keeps_alive else ["-H", "Connection: close"]
        began, cpu = time.monotonic(), self.cpu_s()
        text = subprocess.run(words + [f"http://127.0.0.1:{self.port}{PATH}?{QUERY}"], check=True, capture_output=True, text=True).stdout
        cpu, took = self.cpu_s() - cpu, time.monotonic() - began
        requests = int(re.search(r"(\d+) requests in", text)[1])
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        unit = {"us": 1e-3, "ms": 1, "s": 1e3}
        quantile = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
        return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), "per_cpu": requests / max(cpu, 0.01),
                "cpu_share": cpu / took, "p99_ms": float(quantile[1]) * unit[quantile[2]], "wrong": int(wrong[1]) if wrong else 0}

    def load(self, rate, seconds, connections=64, idle=0):
        """The open loop, running; finish() gives its numbers."""
        return Load(self, rate, seconds, connections, idle)


class Load:
    def __init__(self, server, rate, seconds, connections, idle):
        self.stand = server.stand
        self.ids = self.stand.dir / "acknowledged"
        self.process = subprocess.Popen([str(w) for w in (self.stand.build / "tests/bench/edge/edge_load", server.port, rate, seconds,
                                                          connections, self.ids, idle)], stdout=subprocess.PIPE, text=True)

    def finish(self):
        out = self.process.communicate()[0]
        if self.process.returncode != 0:
            raise RuntimeError("the load failed")
        return pairs(out)

    def lost_and_doubled(self):
        """Acknowledged clicks without a row, and rows that are one click twice."""
        ids = set(self.ids.read_text().split())
        run = next(iter(ids)).split("-")[0]

        def rows():
            return [row[0] for row in self.stand.sql("SELECT inbound_params->>'gclid' FROM active_trace_requests "
                                                     "WHERE inbound_params->>'gclid' LIKE %s", run + "-%")]
        with contextlib.suppress(RuntimeError):
            wait_for(lambda: not ids - set(rows()), "the rows", 90)
        found = rows()
        return len(ids - set(found)), len(found) - len(set(found))


class Stand:
    def __init__(self, cluster, folder):
        self.cluster, self.dir = cluster, folder
        self.build = build()
        self.database = cluster.new_database(template="tracepool")
        self.sql(OFFERS)
        self.spools = 0

    def sql(self, text, *values):
        with contextlib.closing(self.database.connect(user="postgres")) as conn, conn.cursor() as cur:
            cur.execute(text, values or None)
            return cur.fetchall() if cur.description else []

    def fresh(self):
        """No rows, and nothing of the cell before it still on its way to the disk: its sync would wait for that."""
        self.sql("TRUNCATE active_trace_requests CASCADE")
        self.sql("CHECKPOINT")
        os.sync()

    def nginx(self):
        port = free_port()
        conf = self.dir / "nginx.conf"
        conf.write_text((HERE / "nginx.conf").read_text().replace("@PORT@", str(port)).replace("@DIR@", str(self.dir)))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        return Server(self, "nginx", [program, "-c", conf, "-e", self.dir / "nginx.err"], port)

    def node(self):
        port = free_port()
        return Server(self, "node", ["node", install_peer() / "peer.js", port], port, DATABASE_URL=self.database.url)

    def nothing(self):
        port, folder = free_port(), self.dir / "nothing"
        folder.mkdir(exist_ok=True)
        [[offers]] = self.sql("SELECT coalesce(jsonb_agg(to_jsonb(o)), '[]')::text FROM active_offers() AS o")
        (folder / "offers.json").write_text(offers)
        return Server(self, "nothing", [self.build / "tests/bench/edge/edge_nothing", port, folder], port)

    def edge(self, durability="fsync", **settings):
        port = free_port()
        self.spools += 1
        words = [self.build / "edge/tracepool-edge", f"--edge.listen=127.0.0.1:{port}", "--edge.admin_listen=",
                 f"--edge.spool_dir={self.dir}/spool-{self.spools}", f"--edge.durability={durability}", "--edge.max_connections=20000"]
        words += [f"--edge.{key}={value}" for key, value in settings.items()]
        return Server(self, durability, words, port, DATABASE_URL=self.database.url_as("tracepool_edge"))


@contextlib.contextmanager
def stand():
    with tempfile.TemporaryDirectory(prefix="tracepool-bench-", dir=os.environ.get("TMPDIR", "/tmp")) as folder, \
            Cluster(SETTINGS) as cluster:
        cluster.migrate()
        yield Stand(cluster, pathlib.Path(folder))
