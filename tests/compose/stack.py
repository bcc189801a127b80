"""The stack in the engine: docker-compose, SQL in its database, clicks at its door, its scripted web."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import threading
import urllib.parse

import farm
import processes
from engine import call
from whole import ASK, ask

PROJECT = "tracepool"
PATIENCE_S = 120
PROFILES = "front,prometheus,demo"
TOKEN = "canary-debug-token"
# Not the defaults: the demo's private addresses, its tracking requests, and a way to ask the edge whom it sees.
SETTINGS = {"TRACEPOOL_TRACE_ALLOW_PRIVATE": "true", "TRACEPOOL_TRACKING_MODE": "fire", "COMPOSE_PROFILES": PROFILES,
            "TRACEPOOL_WORKER_SECCOMP": "label=disable",    # podman's socket takes no filter as text: it is the default
            "TRACEPOOL_FRONT_BIND": "127.0.0.1"}            # netavark 1.4 takes 0.0.0.0 for an address that nobody has



def wait_for(condition, what, patience_s=PATIENCE_S):
    """Containers take longer than processes do."""
    return farm.wait_for(condition, what, patience_s)


class Stack:
    def __init__(self, engine, root):
        self.engine, self.folder = engine, pathlib.Path(root) / "deploy"
        self.secrets = engine.home / "secrets"
        self.clicks_sent = 0
        self.acknowledged, self.others = [], []
        self.lock = threading.Lock()

    # --- compose

    def prepare(self):
        """Secrets of this run alone, and the environment file: the example, with what differs."""
        shutil.rmtree(self.secrets, ignore_errors=True)
        call(self.folder / "compose" / "secrets", self.secrets)
        ini = self.engine.home / "tracepool.ini"
        ini.write_text(f"[edge]\ndebug_token = {TOKEN}\n")
        lines = (self.folder / ".env.example").read_text()
        more = {**SETTINGS, "TRACEPOOL_SECRETS": self.secrets, "TRACEPOOL_INI": ini}
        lines += "".join(f"{name}={value}\n" for name, value in more.items())
        self.environment = self.engine.home / "environment"
        self.environment.write_text(lines)
        # An option that podman adds by itself; docker-compose would want to make the network anew at each call otherwise.
        self.override = self.engine.home / "podman.yml"
        self.override.write_text("networks: {front: {ipam: {options: {driver: host-local}, config: [{subnet: \"${TRACEPOOL_FRONT_SUBNET}\"}]}}}\n")

    def compose(self, *words, **options):
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEPOOL_", "COMPOSE_P"))}
        return call("docker-compose", "--env-file", str(self.environment), "-f", "docker-compose.yml",
                    "-f", str(self.override), "-p", PROJECT, *words, cwd=self.folder,
                    env=plain, **options)

    def containers(self, service=None):
        """Their `inspect`, by name: those of one service, or all."""
        names = ["--filter", f"label=com.docker.compose.service={service}"] if service else []
        ids = self.engine.podman("ps", "--all", "-q", *names).split()
        return {one["Name"]: one for one in json.loads(self.engine.podman("inspect", *ids))} if ids else {}

    def one(self, service):
        return next(iter(self.containers(service).values()))

    def pids(self, service):
        """All processes of a service's containers, seen from outside."""
        firsts = [one["State"]["Pid"] for one in self.containers(service).values() if one["State"]["Pid"]]
        return set(firsts).union(*map(processes.below, firsts))

    def health(self):
        return {name: one["State"]["Health"]["Status"] for name, one in self.containers().items()
                if one["State"].get("Health", {}).get("Status")}

    def all_healthy(self):
        def healthy():
            seen = self.health()
            return len(seen) >= 3 and set(seen.values()) == {"healthy"}
        wait_for(healthy, "health of all containers")

    def run_in(self, service, *command, **options):
        return self.engine.podman("exec", *(["-i"] if "input" in options else []), self.one(service)["Name"], *command, **options)

    def fails_in(self, service, *command):
        """What a command complains about that is to fail there; None when it does not."""
        done = subprocess.run(["podman", "exec", self.one(service)["Name"], *command], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stdout + done.stderr

    # --- database

    def sql(self, query):
        """One row's columns a line, as text; in the database's own container, as its superuser."""
        return self.run_in("db", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-", input=query)

    def number(self, query):
        return int(self.sql(query))

    # --- clicks

    def click(self, offer, opener=ASK, base="http://127.0.0.1:8080", **parameters):
        """Its status; numbered, so that a row can be found for each that was answered 302."""
        with self.lock:
            self.clicks_sent += 1
            n = self.clicks_sent
        query = urllib.parse.urlencode({"offer": offer, "n": n, **parameters})
        try:
            status = ask(f"{base}/functions/v1/track-hit-instant?{query}", opener=opener)[0]
        except OSError as error:
            status = str(error)
        with self.lock:
            (self.acknowledged if status == 302 else self.others).append(n if status == 302 else status)
        return status

    @contextlib.contextmanager
    def clicking(self, offer, pause_s=0.1):
        """Clicks without a break, meanwhile."""
        def run(done):
            while not done.wait(pause_s):
                self.click(offer)
        with farm.meanwhile(run):
            yield

    def every_click_has_one_row(self):
        """Waits for the spool's end; (acknowledged, missing, doubled)."""
        with self.lock:
            sent = list(self.acknowledged)

        def arrived():
            return self.number("SELECT count(DISTINCT inbound_params ->> 'n') FROM active_trace_requests WHERE "
                               f"(inbound_params ->> 'n')::integer = ANY ('{{{','.join(map(str, sent))}}}')") == len(sent)
        with contextlib.suppress(AssertionError):
            wait_for(arrived, "a row for each click")
        rows = [int(n) for n in self.sql("SELECT inbound_params ->> 'n' FROM active_trace_requests WHERE inbound_params ? 'n'").split()]
        return len(sent), len(set(sent) - set(rows)), len(rows) - len(set(rows))

    def all_ended(self):
        wait_for(lambda: self.number("SELECT count(*) FROM active_trace_requests WHERE status IN ('pending', 'processing')") == 0,
                 "the end of all traces", 240)

    # --- the demo's web

    def web(self, path, body=None):
        script = ("import sys, urllib.request; o = urllib.request.build_opener(urllib.request.ProxyHandler({'http': 'http://127.0.0.1:8080'}));"
                  "sys.stdout.write(o.open('http://scenario.invalid' + sys.argv[1], sys.stdin.buffer.read() or None, timeout=10).read().decode())")
        return json.loads(self.run_in("demo-web", "python3", "-c", script, path, input=json.dumps(body) if body else ""))

    def add_page(self, url, **response):
        page = {"status": 200, "headers": [["Content-Type", "text/html"]], "body": "<html><body>there</body></html>"}
        self.web("/add", {"url": url, "response": {**page, **response}})
