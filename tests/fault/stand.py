"""The whole of tracepool under load, with everything around it: what a campaign breaks, restarts and measures.

A Unit is one program of ours with its children; the stand starts it again when it ended, as systemd or Compose would.
Everything is started by the thread that made the stand, because what it starts ends with that thread.
"""
import concurrent.futures
import contextlib
import functools
import glob
import json
import os
import pathlib
import queue
import secrets
import signal
import subprocess
import sys
import time

import farm
import ledger
import netspace
from cluster import Cluster
from load import OFFERS
from proxies import GATEWAY, exit_of, port_of
from world import PRIVATE, TRACKER, WEB

HERE = pathlib.Path(__file__).resolve().parent
RESTART_S = 0.5
NAMES = {f"{name}.test": WEB for name in ("go", "mid", "shop", "ads", "media")}
TINYPROXIES = tuple(f"93.186.0.{n}" for n in range(1, 5))
MODES = {"js": "auto", "browser": "browser"}
VAST = ("tag", "wrap")
COUNTRIES = {"chain": "de", "loop": "fr", "ill": "fr", "inside": "fr"}   # the others are us
SPOOL_BYTES = 16 << 20
# For a sanitized build: where memory is used up it says so as others do, and what was freed is not kept until memory seems to leak.
SANITIZERS = {"ASAN_OPTIONS": "abort_on_error=1:allocator_may_return_null=1:quarantine_size_mb=32",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


def fake_clock_library():
    """Its path; None where it is not installed."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def offspring(pid):
    """Direct children, also those that ended and were not waited for."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):   # a thread that has just ended
            found += map(int, task.read_text().split())
    return found


class Unit:
    def __init__(self, stand, name, program, *options, **environment):
        self.stand, self.name = stand, name
        self.clock = stand.folder / "clocks" / name
        self.argv = [farm.binary(program), *options]
        self.environment = {**SANITIZERS, **environment, **self.fake_clock()}
        self.log = stand.folder / f"{name}.log"
        self.is_wanted, self.ended_at = True, None
        self.program = None
        self.start()

    def fake_clock(self):
        self.set_clock("+0")
        if not self.stand.has_fake_clocks:
            return {}
        return {"LD_PRELOAD": fake_clock_library(), "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_CACHE_DURATION": 1,
                "FAKETIME_DONT_FAKE_MONOTONIC": 1, "FAKETIME_DISABLE_SHM": 1,
                "SSL_CERT_DIR": self.clock.parent}   # what it names may be read in a sandbox

    def set_clock(self, offset):
        """As in +2h; within a second everything of this unit lives at that time."""
        self.clock.write_text(offset + "\n")

    def start(self):
        self.program = farm.Program(self.argv, self.log, self.environment, cwd=self.stand.folder)
        self.ended_at = None
        self.stand.ledger.note("started", unit=self.name, pid=self.program.pid)

    def tick(self):
        if not self.is_wanted or self.program.is_running():
            return
        now = time.monotonic()
        if self.ended_at is None:
            self.ended_at = now
            self.stand.ledger.note("ended", unit=self.name, pid=self.program.pid, status=self.program.process.returncode)
        elif now - self.ended_at >= RESTART_S:
            self.start()

    def family(self):
        return [self.program.pid, *self.program.children()]

    def kill(self, pid, signum=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
            self.stand.ledger.note("signal", unit=self.name, pid=pid, signum=int(signum))

    def stop(self):
        self.is_wanted = False
        self.program.stop(timeout=30)


class Stand:
    def __init__(self, folder, options):
        self.folder, self.options = pathlib.Path(folder), options
        self.ledger = ledger.Ledger(self.folder / "stand.jsonl")
        self.has_fake_clocks = options.fake_clocks and fake_clock_library() is not None
        self.secrets = {name: secrets.token_hex(16) for name in ("gateway", "token")}
        self.units, self.helpers = {}, []
        self.outages = set()
        self.jobs = queue.SimpleQueue()   # from faults, for the thread that calls tick
        self.exits = {}
        # Only this thread starts and stops the server, which ends with the thread that started it.
        self.server_thread = concurrent.futures.ThreadPoolExecutor(1)
        self.ports = {name: farm.free_port() for name in ("edge", "admin", "monitor")}

    # --- the way up

    def __enter__(self):
        try:
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def set_up(self):
        netspace.prepare(NAMES)
        self.folder.chmod(0o755)
        (self.folder / "clocks").mkdir()
        netspace.tmpfs(self.folder / "spool", "24m")
        self.server_thread.submit(self.start_database).result()
        self.db = farm.Database(self.cluster.socket_url())
        self.start_helpers()
        self.fill_tables()
        self.start_units()

    def start_database(self):
        self.cluster = Cluster({"max_connections": "60", "deadlock_timeout": "200ms"})
        self.cluster.create()
        self.cluster.migrate()

    def start_helpers(self):
        folder = self.folder / "secrets"
        folder.mkdir(mode=0o700)
        for name, value in self.secrets.items():
            (folder / name).write_text(value + "\n")
        self.world = self.helper("world.py", "world.jsonl")
        self.gateway = self.helper("proxies.py", "proxies.jsonl", folder / "gateway", stdin=subprocess.PIPE)
        self.tinyproxies = [farm.Tinyproxy(self.folder, address) for address in TINYPROXIES]

    def helper(self, script, lines, *more, **options):
        process = subprocess.Popen([sys.executable, str(HERE / script), str(self.folder / lines), *map(str, more)], stdout=subprocess.PIPE,
                                   text=True, **options)
        self.helpers.append(process)
        assert process.stdout.readline() == "ready\n", f"{script} does not start"
        return process

    def fill_tables(self):
        run = self.db.run
        run("UPDATE trace_policy SET cooldown_s = %s, retry_backoff_s = 0.5, unhealthy_after = 5, probe_pause_s = 5, probe_pause_max_s = 10, "
            "tracking_retry_s = 0.2", self.options.cooldown_s)
        run("INSERT INTO proxy_providers (provider, host_template, port_template, user_template, secret_name) "
            "VALUES ('gateway', %s, '{port}', '{ip}', 'gateway')", GATEWAY)
        for number in range(self.options.ips):
            user, country = f"u{number}", ("de", "fr")[number % 2] if number % 5 == 0 else "us"
            run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) VALUES (%s, %s, %s, 'gateway')", user, str(port_of(user)), country)
            self.exits[user] = exit_of(user)
        for proxy in self.tinyproxies:
            run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) VALUES (%s, %s, 'us', 'other')", proxy.address, str(proxy.port))
            self.exits[proxy.address] = proxy.address
        for name, _ in OFFERS:
            run("INSERT INTO offers (offer_name, final_url, target_country, tracer_mode, kind, tracking_mode) VALUES (%s, %s, %s, %s, %s, %s)",
                name, f"http://go.test/{name if name != 'browser' else 'js'}?cid={{cid}}", COUNTRIES.get(name, "us"), MODES.get(name, "http_only"),
                "vast" if name in VAST else "link", "fire" if name in VAST else "off")
        for host in (TRACKER, PRIVATE[1]):
            run("INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (%s, 'us', 'campaign')", host)

    def url(self, role):
        return self.cluster.url(user=f"tracepool_{role}")

    def start_units(self):
        seconds, folder = self.options.trace_s, self.folder
        self.units["edge"] = Unit(self, "edge", "tracepool-edge", f"--edge.listen=127.0.0.1:{self.ports['edge']}", "--edge.children=3",
                                  f"--edge.admin_listen=127.0.0.1:{self.ports['admin']}", f"--edge.spool_dir={folder}/spool/clicks",
                                  f"--edge.spool_max_bytes={SPOOL_BYTES}", "--edge.segment_bytes=262144", "--edge.offers_poll_s=2",
                                  "--edge.drain_s=5", DATABASE_URL=self.url("edge"))
        for name, children in (("worker", 2), ("worker-b", 1)):
            self.units[name] = Unit(self, name, "tracepool-worker", f"--worker.children={children}", "--worker.slots=40", "--worker.heartbeat_s=1",
                                    "--worker.silence_s=5", "--worker.drain_s=5", "--worker.full_scan_s=5", f"--worker.secrets_dir={folder}/secrets",
                                    f"--trace.timeout_s={seconds}", f"--trace.lease_s={seconds * 3 // 2}", f"--trace.hop_timeout_s={(seconds + 1) // 2}",
                                    "--trace.connect_timeout_ms=2000", "--browser.idle_s=5", "--browser.contexts=1", "--auto.sample_percent=0",
                                    "--tracking.mode=fire", "--tracking.poll_ms=200", "--tracking.host_rate=1000", "--tracking.host_concurrency=50",
                                    "--tracking.breaker_failures=1000", "--tracking.kept_connections=4", "--tracking.timeout_ms=2000", "--tracking.lease_s=15",
                                    "--vast.requests_per_minute=100000", DATABASE_URL=self.url("worker"))
        self.units["monitor"] = Unit(self, "monitor", "tracepool-monitor", f"--api.listen=127.0.0.1:{self.ports['monitor']}",
                                     f"--api.token_file={folder}/secrets/token", f"--monitor.interval_s={self.options.interval_s}",
                                     DATABASE_URL=self.url("monitor"))
        self.units["edge"].program.wait_event("edge.listening", 3)
        self.units["worker"].program.wait_event("worker.ready", 2)
        self.units["worker-b"].program.wait_event("worker.ready", 1)
        self.units["monitor"].program.wait_event("monitor.ready")
        farm.wait_for(lambda: self.ready().get("offers") == len(OFFERS), "the offers in the edge's memory")

    def ready(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.ask("admin", "/readyz"))
        return {}

    def ask(self, port, path, token=False):
        words = ["curl", "-sS", "--max-time", "5", f"http://127.0.0.1:{self.ports[port]}{path}"]
        if token:
            words += ["--header", f"@{self.folder}/secrets/header"]
            (self.folder / "secrets" / "header").write_text(f"Authorization: Bearer {self.secrets['token']}\n")
        return subprocess.run(words, capture_output=True, text=True).stdout

    # --- while it runs

    def tick(self):
        """To be called several times a second: programs that ended are started again, orphans that ended are buried."""
        for unit in self.units.values():
            unit.tick()
        while not self.jobs.empty():
            self.jobs.get()()
        ours = {process.pid for process in self.helpers} | {unit.program.pid for unit in self.units.values()}
        ours |= {proxy.program.pid for proxy in self.tinyproxies} | {self.cluster.process.pid}
        for pid in offspring(os.getpid()):
            if pid not in ours and farm.is_gone(pid):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def start_load(self, seconds):
        process = subprocess.Popen([sys.executable, str(HERE / "load.py"), str(self.folder / "clicks.jsonl"), str(self.ports["edge"]),
                                    str(self.options.rate), str(seconds), str(self.options.seed)])
        self.helpers.append(process)
        return process

    def tell_gateway(self, users, how, seconds):
        self.gateway.stdin.write(json.dumps({"users": users, "how": how, "seconds": seconds}) + "\n")
        self.gateway.stdin.flush()

    @functools.cached_property
    def acknowledged(self):
        """Clicks that were answered 302; once the load has ended."""
        return [click["cid"] for click in ledger.read(self.folder, "click") if click["kind"] == "click" and click["status"] == 302]

    def missing_clicks(self):
        rows = self.db.value("SELECT count(DISTINCT inbound_params ->> 'cid') FROM active_trace_requests WHERE inbound_params ->> 'cid' = ANY (%s)",
                             self.acknowledged)
        return len(self.acknowledged) - rows

    # the database, as seen by faults: out as long as anybody wants it out

    def server_pids(self):
        return [self.cluster.process.pid, *farm.children_of(self.cluster.process.pid)]

    def signal_server(self, signum):
        for pid in self.server_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def database_out(self, token):
        def crash():
            self.outages.add(token)
            self.signal_server(signal.SIGCONT)
            self.cluster.stop_immediate()
        self.server_thread.submit(crash).result()

    def database_back(self, token):
        def start():
            self.outages.discard(token)
            if not self.outages:
                self.cluster.start()
        self.server_thread.submit(start).result()

    # --- the way down

    def stop_units(self):
        for unit in reversed(list(self.units.values())):
            unit.stop()

    def __exit__(self, *_):
        for unit in self.units.values():
            unit.stop()
        for process in self.helpers:
            process.kill()
            process.wait()
        for proxy in getattr(self, "tinyproxies", []):
            proxy.stop()
        if hasattr(self, "cluster"):
            self.server_thread.submit(self.cluster.destroy).result()
        self.server_thread.shutdown()
