"""tracepool on hosts of its own: a database, edges, workers, a monitor, visitors and the web, each in a network namespace.

    with Hosts(folder) as world:
        world.start_edge("edge1"); world.start_worker("worker1"); world.start_monitor()
        with world.crowd("edge1") as crowd: ...             clicks from the visitors' host
        world["edge1"].drop(world["db"])                    see netns.py

The pool's addresses belong to the host `web`, where one server is proxy and target in one: it notes which address each
visit came in by, and from which worker. The database is also reached by its Unix socket, past all cut links.
"""
import pathlib

import farm
from clicks import Crowd
from cluster import OWNER, Cluster
from netns import NETWORK, Net
from stage import PAGE, Stage, redirect

NAMES = ("db", "edge1", "edge2", "worker1", "worker2", "monitor", "visitors", "web")
EDGE_PORT, ADMIN_PORT, API_PORT, TOKEN = 8080, 8082, 8081, "a-token-of-this-test-only"
FIRST_EXIT = 101
PROBE = "http://proxy-check.invalid/"
GO, SHOP = "http://go.test/", "http://shop.test/"


class Hosts:
    def __init__(self, folder, exits=8, cooldown_s=0, names=NAMES):
        self.folder = pathlib.Path(folder)
        self.net, self.programs, self.web, self.server = Net(), [], None, None
        try:
            self.hosts = {name: self.net.host(name) for name in names}
            self.open_web(exits)
            self.open_database(cooldown_s)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name):
        return self.hosts[name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for program in reversed(self.programs):
            program.stop()
        if self.server:
            self.db.close()
            self.server.destroy()
        if self.web:
            self.web.close()
        self.net.close()

    def open_web(self, exits):
        host = self["web"]
        self.exits = [f"{NETWORK}.{FIRST_EXIT + i}" for i in range(exits)]
        for address in self.exits:
            host.ip("addr", "add", f"{address}/24", "dev", "e0")
        with host.inside():
            self.web = Stage(address="")
        self.web.add(GO, redirect(SHOP))
        self.web.add(SHOP, {**PAGE, "delay_ms": 50})

    def open_database(self, cooldown_s):
        self.server = Cluster(host=self["db"]).create()
        self.server.migrate()
        self.db = farm.Database(self.server.socket_url(user="postgres"))
        self.db.run("UPDATE trace_policy SET cooldown_s = %s, retry_backoff_s = 0, max_retries = 10", cooldown_s)
        self.db.run("INSERT INTO offers (offer_name, final_url) VALUES ('shop', %s)", GO + "?n={cid}")
        for address in self.exits:
            self.db.run("INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider) VALUES (%s, %s, 'us', 'other')",
                        address, str(self.web.port))

    # programs

    def start(self, host, program, *settings, ready):
        log = self.folder / f"{host}-{len(self.programs)}.log"
        url = self.server.url(user=f"tracepool_{program}", database=OWNER)
        started = farm.Program([*self[host].words, farm.binary(f"tracepool-{program}"), *settings], log, {"DATABASE_URL": url})
        self.programs.append(started)
        started.wait_event(ready)
        return started

    def start_edge(self, host, *settings):
        edge = self.start(host, "edge", f"--edge.listen={self[host].address}:{EDGE_PORT}",
                          f"--edge.admin_listen={self[host].address}:{ADMIN_PORT}", f"--edge.spool_dir={self.folder}/spool-{host}",
                          *settings, ready="edge.listening")
        edge.wait_event("database.up")
        return edge

    def start_worker(self, host, *settings):
        return self.start(host, "worker", "--worker.children=1", "--worker.slots=4", "--worker.poll_ms=200", "--worker.heartbeat_s=1",
                          f"--worker.secrets_dir={self.folder}", "--trace.allow_private=true", "--auto.sample_percent=0",
                          *settings, ready="worker.ready")

    def start_monitor(self, *settings):
        token = self.folder / "token"
        token.write_text(TOKEN + "\n")
        return self.start("monitor", "monitor", f"--api.listen={self['monitor'].address}:{API_PORT}", f"--api.token_file={token}",
                          "--monitor.interval_s=1", *settings, ready="monitor.ready")

    def crowd(self, edge, **options):
        return Crowd(EDGE_PORT, "shop", address=self[edge].address, host=self["visitors"], **options)

    # what must be true afterwards

    def wait_alert(self, rule, state="firing", timeout=farm.PATIENCE_S):
        self.db.wait_for("SELECT EXISTS (SELECT FROM alerts WHERE rule = %s AND state = %s)", rule, state, timeout=timeout)

    def all_is_ended(self, timeout=120):
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM active_trace_requests WHERE status IN ('pending', 'processing')) "
                         "AND NOT EXISTS (SELECT FROM ip_rotation_pool WHERE status = 'locked')", timeout=timeout)

    def finished_twice(self):
        """Requests with more than one attempt that ended them."""
        return self.db.value("SELECT count(*) FROM (SELECT FROM trace_attempts WHERE new_status IN ('completed', 'failed', 'timeout') "
                             "GROUP BY request_id HAVING count(*) > 1) AS twice")

    def status_counts(self):
        return {row["status"]: row["n"] for row in self.db.run("SELECT status::text, count(*) AS n FROM active_trace_requests GROUP BY 1")}

    def used_twice_at_once(self):
        """Visits by one address of the pool that overlap, as the web saw it: (address, worker, URL, worker, URL, s between)."""
        found, last = [], {}
        for visit in sorted(self.web.visits(), key=lambda v: v.at):
            if visit.url == PROBE:   # by the trace that is under way there
                continue
            before = last.get(visit.at_address)
            if before and visit.at < before.until:
                found.append((visit.at_address, before.peer, before.url, visit.peer, visit.url, round(visit.at - before.at, 3)))
            last[visit.at_address] = visit
        return found
