"""HTTP-only traces: ours beside undici, got and the curl command. Five hops on, six requests, a proxy user for each trace."""
import contextlib
import os
import pathlib
import resource
import statistics
import subprocess
import time
import urllib.request

import npm

HERE = pathlib.Path(__file__).resolve().parent
AT_ONCE = (10, 100, 500)
REQUESTS = 6
GOALS = (("rate", 8, "at least 8 x undici's traces/s"), ("cpu", 15, "at most 1/15 of undici's CPU per trace"))


def pairs(line):
    return {name: float(value) for name, value in (word.split("=", 1) for word in line.split())}


class Web:
    """The proxy that is also every origin; it counts what it served."""

    def __init__(self, build):
        self.process = subprocess.Popen([build / "tracer_web"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stats(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{self.port}"}))
        with opener.open("http://h0.test/stats", timeout=10) as answer:
            return pairs(answer.read().decode())

    def close(self):
        self.process.kill()
        self.process.wait()


def ask(words, **more):
    return pairs(subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **more).stdout)


def curl(port, at_once, traces):
    """One process a trace, as a script would do it."""
    lines = "".join(f"user{i}:secret http://h0.test/click/{i}?aff=1\n" for i in range(traces))
    words = ["xargs", "-P", str(at_once), "-n", "2", "curl", "-q", "-s", "-L", "-o", "/dev/null", "-b", "", "-x", f"http://127.0.0.1:{port}", "-U"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(words, input=lines, text=True, check=True)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"traces": traces, "good": traces, "rate": traces / seconds, "cpu_us": cpu / traces * 1e6}


def clients(build, peers, port):
    """name: (how it traces, its share of the traces of a cell: slow ones get fewer)."""
    found = {"ours": (lambda n, traces: ask([build / "tracer_load", "http", port, n, traces, "http://h0.test/click/", REQUESTS]), 1)}
    if peers:
        for name in ("undici", "undici-tunnel", "undici-client", "got"):
            found[name] = (lambda n, traces, name=name: ask(["node", "peers.mjs", name, port, n, traces], cwd=peers), 0.15)
    found["curl"] = (lambda n, traces: curl(port, n, traces), 0.04)
    return found


def one_round(found, web, at_once, traces):
    results = {}
    for name, (trace, share) in found.items():
        count, before = max(50, int(traces * share)), web.stats()
        results[name] = trace(at_once, count)
        pages = web.stats()["pages"] - before["pages"]
        if results[name]["good"] != count or pages < count:
            raise RuntimeError(f"{name}: {results[name]}, {pages:.0f} pages for {count} traces")
    return results


def ratios(round_):
    """Ours against the better of undici's two ways to use a proxy, within one round."""
    ways = [round_[name] for name in ("undici", "undici-tunnel") if name in round_]
    if not ways:
        return {}
    return {"rate": round_["ours"]["rate"] / max(way["rate"] for way in ways),
            "cpu": min(way["cpu_us"] for way in ways) / round_["ours"]["cpu_us"]}


def report(say, at_once, rounds):
    """The table of one concurrency, and its results."""
    found = {}
    for name in rounds[0]:
        median = {key: statistics.median(one[name].get(key, float("nan")) for one in rounds) for key in ("rate", "cpu_us", "rss_mb")}
        memory = f"{median['rss_mb']:8.0f} MiB" if median["rss_mb"] == median["rss_mb"] else ""
        say(f"  {at_once:5d}  {name:14}{median['rate']:9.0f} traces/s {median['cpu_us']:9.0f} us CPU a trace {memory}")
        for key in ("rate", "cpu_us", "rss_mb"):
            found[f"http{at_once}_{name.replace('-', '_')}_{key}"] = median[key]
    for key in ratios(rounds[0]):
        found[f"http{at_once}_{key}_ratio"] = statistics.median(ratios(one)[key] for one in rounds)
    return found


def measure(say, build, quick, with_peers):
    """(results, goals as (text, is met)); this is what tests/bench/tracer/run asks of a section."""
    peers = npm.install(HERE / "package.json", HERE / "peers.mjs") if with_peers and npm.is_there() else None
    traces, rounds = (4000, 1) if quick else (10000, 3)
    found, goals = {}, []
    say(f"HTTP-only, {REQUESTS} requests a trace, {os.cpu_count()} cores; {rounds} rounds, clients taking turns")
    with contextlib.closing(Web(build)) as web:
        for at_once in AT_ONCE:
            found.update(report(say, at_once, [one_round(clients(build, peers, web.port), web, at_once, traces) for _ in range(rounds)]))
    if peers:
        for key, wanted, text in GOALS:
            ratio = found[f"http500_{key}_ratio"]
            goals.append((f"{text} at 500: {ratio:.1f}", ratio >= wanted))
    return found, goals
