"""What the stack is held to, one function a step, in the order in which they run."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import ssl
import time
import traceback
import urllib.request

from engine import call
from stack import TOKEN, wait_for
from processes import status_of, words_of
from whole import NoRedirect, ask

LASTING = ("db", "edge", "worker", "monitor", "front", "prometheus", "demo-web", "demo-sink", "demo-proxy-1")
SYS_CHROOT = 1 << 18


class Report:
    def __init__(self):
        self.passed, self.failed, self.lines = 0, 0, []

    def check(self, what, is_right, seen=""):
        self.passed, self.failed = self.passed + bool(is_right), self.failed + (not is_right)
        print(f"  {'ok    ' if is_right else 'FAILED'} {what}{f': {seen}' if seen != '' else ''}", flush=True)


def the_file(stack, check):
    """Compose takes the file, and the example says what is so without it."""
    check("docker-compose config -q", stack.compose("config", "-q") == "")


def up(stack, check):
    """Everything from nothing, in the order that depends_on says."""
    stack.compose("up", "-d")
    stack.all_healthy()
    ended = {name: stack.one(name)["State"]["ExitCode"] for name in ("migrate", "demo-rows")}
    check("all healthy, migrate and demo-rows ended well", set(ended.values()) == {0}, f"{len(stack.health())} healthy")
    stack.sql("UPDATE trace_policy SET cooldown_s = 0")
    stack.sql("""INSERT INTO offers (offer_name, final_url, target_country, tracer_mode, pass_params) VALUES
                 ('plain', 'http://go.plain.test/', 'us', 'http_only', false), ('slow', 'http://slow.test/', 'us', 'http_only', false),
                 ('page', 'http://page.test/', 'us', 'browser', false)""")
    stack.add_page("http://go.plain.test/", status=302, headers=[["Location", "http://shop.plain.test/"]])
    stack.add_page("http://shop.plain.test/")
    stack.add_page("http://slow.test/", delay_ms=700)
    stack.add_page("http://page.test/", delay_ms=4000)
    wait_for(lambda: json.loads(edge_admin(stack))["offers"] == 10, "the offers in the edge's memory")
    stack.run_in("db", "psql", "-Xq", "-v", "schedule=* * * * *", "-v", "size=1", "-v", "at_once=1", "-f", "/usr/share/tracepool/pg_cron.sql")


def edge_admin(stack, path="/readyz"):
    """The edge's own listener is not published: asked from within."""
    return stack.run_in("edge", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8082; printf 'GET %s HTTP/1.1\\r\\nHost: e\\r\\nConnection: close"
                        "\\r\\n\\r\\n' \"$0\" >&3; sed '1,/^\\r*$/d' <&3", path)


def privileges(stack, check):
    """As the kernel sees it, not as the file says it."""
    wrong, writable, limits = [], [], []
    for service in LASTING:
        one = stack.one(service)
        status = status_of(one["State"]["Pid"])
        allowed = SYS_CHROOT if service == "worker" else 0
        capabilities = int(status["CapEff"], 16) | int(status["CapBnd"], 16) | int(status["CapAmb"], 16)
        if (capabilities, status["NoNewPrivs"], status["Seccomp"]) != (allowed, "1", "2") or status["Uid"].split()[0] not in ("10001", "10002"):
            wrong.append((service, status["Uid"], hex(capabilities), status["NoNewPrivs"], status["Seccomp"]))
        for place in ("/", "/etc", "/usr/local/bin"):
            if "ead-only file system" not in (stack.fails_in(service, "bash", "-c", f": >{place}/x") or ""):
                writable.append((service, place))
        if not one["HostConfig"]["Memory"] or not one["HostConfig"]["PidsLimit"]:
            limits.append(service)
    check("no capabilities (worker: SYS_CHROOT), no new ones, filtered, not root", not wrong, wrong or len(LASTING))
    check("nothing of the root is writable", not writable, writable or "")
    check("memory and processes are limited", not limits, limits or "")


def networks(stack, check):
    """Who can reach whom: the database over TLS alone, the demo's web through its proxies alone."""
    sessions = stack.sql(
        "SELECT count(*) FILTER (WHERE NOT ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'tracepool%'")
    check("every session of a program is encrypted", sessions.startswith("0|") and sessions != "0|0", sessions)
    seen = stack.fails_in("worker", "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/demo-web/8080")
    check("the worker cannot reach the demo's web but through a proxy", seen)
    seen = stack.fails_in("front", "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/db/5432")
    check("the front proxy cannot reach the database", seen)


def refused_without_tls(stack, check):
    url = (stack.secrets / "database-url-worker").read_text().strip().replace("verify-full", "disable")
    done = stack.fails_in("db", "psql", "-X", "-d", url, "-c", "SELECT 1")
    check("the database refuses a session without TLS", done and "no encryption" in done)
    check("and says nothing of the password", done and url.split(":")[2].split("@")[0] not in done)


def demo_clicks(stack, check):
    """The quickstart's clicks: each ends as it should, with hops, and the target saw a proxy's address."""
    queries = ["offer=shoes&sub=s1&utm_source=google&gclid=v1", "offer=travel&campaign=summer&utm_medium=cpc&gclid=v2", "offer=phone&sub=p7&gclid=v3",
               "offer=lamps&sub=l6&gclid=v4", "offer=maple&gclid=v5", "offer=books&sub=b3&gclid=v6", "offer=film&page=f1&gclid=v7"]
    answers = [ask(f"http://127.0.0.1:8080/functions/v1/track-hit-instant?{query}")[0] for query in queries]
    check("the demo's clicks are all 302", answers == [302] * 7, answers)
    wait_for(lambda: stack.number("SELECT count(*) FROM active_trace_requests") == 7, "their rows")
    stack.all_ended()
    rows = stack.sql("SELECT o.offer_name, r.status, r.tracer_mode_used, jsonb_array_length(r.redirect_chain), r.ip_assigned "
                     "FROM active_trace_requests AS r JOIN offers AS o ON o.id = r.offer_id ORDER BY 1").splitlines()
    fields = [row.split("|") for row in rows]
    check("all completed, with two hops or more, through the pool", all(
        status == "completed" and int(hops) >= 2 and ip.startswith("demo-proxy-") for _, status, _, hops, ip in fields), " ".join(
        f"{name}:{mode}:{hops}" for name, _, mode, hops, _ in fields))
    check("a script's redirect took Chromium", any(name == "lamps" and mode == "browser" for name, _, mode, _, _ in fields))
    proxies = {network["IPAddress"] for service in ("demo-proxy-1", "demo-proxy-2", "demo-proxy-3")
               for network in stack.one(service)["NetworkSettings"]["Networks"].values()}
    peers = {entry["peer"] for entry in stack.web("/log")} - {"127.0.0.1"}
    check("the target saw the proxies' addresses and no other", peers and peers <= proxies, len(peers))
    wait_for(lambda: stack.number("SELECT count(*) FROM ad_views WHERE state = 'playing'") == 0, "the ad view's end")
    check("the ad's trackers reached the sink", stack.number("SELECT count(*) FROM tracking_events WHERE state = 'tracked'") > 0,
          stack.sql("SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state::text, count(*) AS n FROM tracking_events GROUP BY 1) AS s"))


def many_clicks(stack, check):
    statuses = [stack.click("plain") for _ in range(100)]
    check("100 clicks are all 302", statuses == [302] * 100)
    sent, missing, doubled = stack.every_click_has_one_row()
    check("each is one row", (missing, doubled) == (0, 0), f"{sent} acknowledged, {missing} missing, {doubled} doubled")
    stack.all_ended()
    wrong = stack.sql("SELECT status, error_message, count(*) FROM active_trace_requests AS r JOIN offers AS o ON o.id = r.offer_id WHERE "
                      "o.offer_name = 'plain' AND (status <> 'completed' OR jsonb_array_length(redirect_chain) <> 2) GROUP BY 1, 2")
    check("all completed, with both hops", not wrong, wrong)


def sandbox(stack, check):
    """Chromium at work inside the worker's container."""
    stack.click("page")
    started = stack.sql("SELECT clock_timestamp()")

    def renderers():
        return [pid for pid in stack.pids("worker") if "--type=renderer" in words_of(pid)]
    found = wait_for(renderers, "a renderer")
    outside = os.readlink(f"/proc/{stack.one('worker')['State']['Pid']}/ns/user")
    states = {pid: (status_of(pid)["Seccomp"], os.readlink(f"/proc/{pid}/ns/user") != outside) for pid in found}
    check("every renderer is filtered and in a user namespace of its own", set(states.values()) == {("2", True)}, list(states.values()))
    words = [words_of(pid) for pid in stack.pids("worker")]
    check("no process was started with --no-sandbox", not any("no-sandbox" in word for line in words for word in line), f"{len(words)} processes")
    stack.all_ended()
    seen = stack.sql(f"SELECT status, tracer_mode_used FROM active_trace_requests WHERE tracking_url = 'http://page.test/' AND started_at > '{started}'::timestamptz - interval '5 s'")
    check("and the trace completed", seen == "completed|browser", seen)
    # A process may end between its listing and its reading; those that were read are counted, so that none is no success.
    states = stack.run_in("worker", "bash", "-c", "cat /proc/[0-9]*/status 2>/dev/null | grep '^State:'").splitlines()
    check("no zombies are left", states and not any("Z" in state.split()[1] for state in states), f"{len(states)} processes")


def scale(stack, check):
    stack.compose("up", "-d", "--scale", "worker=3", "--no-recreate")
    stack.all_healthy()
    hosts = "SELECT count(DISTINCT host) FROM process_heartbeats WHERE program = 'worker' AND seen_at > clock_timestamp() - interval '20 s'"
    wait_for(lambda: stack.number(hosts) == 3, "three workers' heartbeats")
    begun = stack.sql("SELECT clock_timestamp()")
    shares = ("SELECT count(DISTINCT split_part(worker, '.', 1)) FROM trace_attempts WHERE ended_at > "
              f"'{begun}'::timestamptz")

    def shared():
        for _ in range(12):
            stack.click("slow")
        return stack.number(shares) == 3
    wait_for(shared, "work of each of the three")
    check("three workers share the work", True, stack.sql(
        f"SELECT string_agg(n::text, ' + ') FROM (SELECT count(*) AS n FROM trace_attempts WHERE ended_at > '{begun}' GROUP BY split_part(worker, '.', 1)) AS s"))
    stack.all_ended()


def database_killed(stack, check):
    """By SIGKILL, and left dead for a while; then once more, and brought back by its restart policy."""
    before = len(stack.acknowledged)
    with stack.clicking("plain"):
        stack.compose("kill", "-s", "SIGKILL", "db")
        died = time.monotonic()
        wait_for(lambda: time.monotonic() > died + 8, "some seconds without a database")
        stack.compose("start", "db")
        stack.all_healthy()
    check("every answer stayed 302", not stack.others, f"{len(stack.acknowledged) - before} while it was away{stack.others[:3] or ''}")
    with stack.clicking("plain"):
        os.kill(stack.one("db")["State"]["Pid"], signal.SIGKILL)
        wait_for(lambda: stack.one("db")["RestartCount"] > 0 or stack.one("db")["State"]["Running"], "its restart")
        stack.all_healthy()
    sent, missing, doubled = stack.every_click_has_one_row()
    check("every click has its row afterwards", (missing, doubled) == (0, 0), f"{sent} acknowledged, {missing} missing, {doubled} doubled")
    check("brought back by its restart policy, and still 302 alone", not stack.others, stack.others[:3] or "")
    stack.all_ended()


def front(stack, check):
    """TLS, HTTP/2, one host name, and the visitor's own address at the edge."""
    certificate = stack.secrets / "front-certificate"
    secure = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect, urllib.request.HTTPSHandler(
        context=ssl.create_default_context(cafile=str(certificate))))
    base = "https://localhost:8443"
    check("clicks over TLS are 302", [stack.click("plain", secure, base) for _ in range(20)] == [302] * 20)
    token = (stack.secrets / "api-token").read_text().strip()
    statuses = [ask(f"{base}{path}", opener=secure, **headers)[0] for path, headers in [
        ("/functions/v1/pool-monitor", {"Authorization": f"Bearer {token}"}), ("/functions/v1/pool-monitor", {}), ("/metrics", {}), ("/", {})]]
    check("monitor behind the same name: with token, without, metrics, dashboard", statuses == [200, 401, 404, 200], statuses)
    version = call("curl", "-sS", "--noproxy", "*", "--cacert", certificate, "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                   f"{base}/functions/v1/track-hit-instant?offer=shoes&sub=h2")
    check("HTTP/2", version == "2 302", version)
    explain = "/functions/v1/track-hit-instant?offer=plain&debug"
    mine = {"Authorization": f"Bearer {TOKEN}", "X_Forwarded_For": "198.51.100.7"}
    through = json.loads(ask(base + explain, opener=secure, **mine)[2])["visitor_address"]
    direct = json.loads(ask("http://127.0.0.1:8080" + explain, **mine)[2])["visitor_address"]
    address = next(iter(stack.one("front")["NetworkSettings"]["Networks"].values()))["IPAddress"]
    check("the edge takes the visitor's address from the front proxy, and a visitor's word from nobody",
          "198.51.100.7" not in through + direct and not through.endswith(address), f"{through}, {direct}")


def prometheus(stack, check):
    def query(path):
        return json.loads(ask(f"http://127.0.0.1:9090/api/v1/{path}")[2])["data"]

    def scraped():
        targets = {target["labels"]["job"]: target["health"] for target in query("targets")["activeTargets"]}
        return targets if targets == {"tracepool-edge": "up", "tracepool-monitor": "up"} else None
    check("both jobs are scraped", wait_for(scraped, "targets that are up"))
    rules = [rule for group in query("rules")["groups"] for rule in group["rules"]]
    check("our rules are loaded and evaluated", len(rules) >= 10 and all(rule["health"] in ("ok", "unknown") for rule in rules), len(rules))

    def clicks():
        result = query("query?query=sum(tracepool_edge_clicks_total)")["result"]
        return int(result[0]["value"][1]) if result else 0
    check("the edge's clicks arrive", wait_for(clicks, "clicks in Prometheus") <= stack.clicks_sent + 20, clicks())


def scheduled(stack, check):
    """pg_cron, whose job was made when the stack came up."""
    wait_for(lambda: stack.number("SELECT count(*) FROM cron.job_run_details WHERE status = 'succeeded'") > 0, "a run of pg_cron's job", 100)
    check("pg_cron asks for batches", stack.number("SELECT count(*) FROM trace_batches") > 0,
          stack.sql("SELECT count(*) FROM cron.job_run_details"))


def secrets(stack, check):
    """The run's passwords and tokens: in no log, no inspect, no command line."""
    passwords = [path.read_text().split(":")[2].split("@")[0] for path in stack.secrets.glob("database-url-*")]
    passwords += [(stack.secrets / name).read_text().strip() for name in ("api-token", "proxies/demo-proxy")] + [TOKEN]
    places = {"command lines": " ".join(word for service in LASTING for pid in stack.pids(service) for word in words_of(pid))}
    for name, one in stack.containers().items():
        places[f"log of {name}"] = stack.engine.podman("logs", name, stderr_too=True)
        places[f"inspect of {name}"] = json.dumps(one)
    found = [place for place, text in places.items() for password in passwords if password in text]
    check("no secret in logs, inspect or command lines", not found, found or f"{len(passwords)} secrets, {len(places)} places")


def stop_gracefully(stack, check):
    """Workers with traces in hand, an edge with clicks coming in."""
    for _ in range(20):
        stack.click("slow")
    wait_for(lambda: stack.number("SELECT count(*) FROM active_trace_requests WHERE status = 'processing'") > 0, "traces in hand")
    started = time.monotonic()
    stack.compose("stop", "worker")
    held = stack.sql("SELECT (SELECT count(*) FROM active_trace_requests WHERE status = 'processing') || '|' || "
                     "(SELECT count(*) FROM ip_rotation_pool WHERE status = 'locked')")
    codes = [one["State"]["ExitCode"] for one in stack.containers("worker").values()]
    check("three workers drain: exit 0, no lease left", set(codes) == {0} and held == "0|0", f"{codes}, {time.monotonic() - started:.1f} s")
    with stack.clicking("plain"):
        wait_for(lambda: len(stack.acknowledged) % 20 == 0, "some clicks")
        stack.compose("stop", "edge")
    check("the edge drains: exit 0", stack.one("edge")["State"]["ExitCode"] == 0)
    stack.others.clear()    # refused connections, once it was gone
    sent, missing, doubled = stack.every_click_has_one_row()
    check("acknowledged clicks are rows", (missing, doubled) == (0, 0), f"{sent} acknowledged, {missing} missing, {doubled} doubled")
    stack.compose("start", "edge", "worker")
    stack.all_healthy()
    stack.all_ended()


def down_and_up(stack, check):
    """The spool's volume outlives the containers: clicks taken without a database, then everything removed."""
    stack.compose("stop", "db")
    statuses = [stack.click("plain") for _ in range(100)]
    check("without a database: 100 clicks are 302", statuses == [302] * 100)
    stack.compose("down")
    check("down removes every container", not stack.containers())
    volumes = stack.engine.podman("volume", "ls", "-q").split()
    check("and keeps the volumes", {"tracepool_db", "tracepool_spool"} <= set(volumes), volumes)
    stack.compose("up", "-d")
    stack.all_healthy()
    sent, missing, doubled = stack.every_click_has_one_row()
    check("after the next up every click has its row", (missing, doubled) == (0, 0), f"{sent} acknowledged, {missing} missing, {doubled} doubled")
    stack.all_ended()
    ended = stack.sql("SELECT status, count(*) FROM active_trace_requests AS r JOIN offers AS o ON o.id = r.offer_id WHERE o.offer_name = 'plain' GROUP BY 1")
    check("and is traced", all(line.startswith("completed|") for line in ended.splitlines()), ended.replace("\n", " "))


def gone(stack, check):
    stack.compose("down", "--volumes")
    left = [*stack.containers(), *stack.engine.podman("volume", "ls", "-q").split()]
    check("down --volumes leaves nothing", not left, left or "")


STEPS = (the_file, up, privileges, networks, refused_without_tls, demo_clicks, many_clicks, sandbox, scale, database_killed, front,
         prometheus, scheduled, secrets, stop_gracefully, down_and_up, gone)


def run_all(stack):
    report, table = Report(), []
    for step in STEPS:
        name = step.__name__.replace("_", " ")
        print(f"== {name}", flush=True)
        before, begun = (report.passed, report.failed), time.monotonic()
        try:
            step(stack, report.check)
        except Exception:
            report.check(f"no trouble in this step\n{traceback.format_exc()}", False)
            keep_logs(stack)
        table.append(f"{name:20} {report.passed - before[0]:3} passed {report.failed - before[1]:3} failed {time.monotonic() - begun:6.1f} s")
        if step is up and report.failed:
            break
    print("", *table, f"clicks acknowledged: {len(stack.acknowledged)}", f"{report.passed} passed, {report.failed} failed", sep="\n")
    return 1 if report.failed else 0


def keep_logs(stack):
    """What the containers said, in the test's home."""
    with contextlib.suppress(RuntimeError):
        folder = pathlib.Path(stack.engine.home / "logs")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in stack.containers():
            (folder / f"{name}.log").write_text(stack.engine.podman("logs", name, stderr_too=True))
        print(f"logs in {folder}")
