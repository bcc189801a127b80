"""Browser traces: ours beside playwright-core with the same Chromium, its sandbox on, a context and a proxy user per trace.

Three sites of four to six hops: redirects alone, then a page that goes on by script, at once or after 1.5 s. A tracer does
not know what a site will do, so the goals are about equal findings: ours against the fastest of those ways of Playwright
that find the end of all three, which are to move the page's clock on, or to wait for two quiet seconds (tabs.mjs). The load
event alone and networkidle are told beside them; they miss the end of the late one, and ours must not be slower than they
are where they find it. Memory is the proportional set of the whole process tree, sampled; what counts is the
median, because one sample may meet two pages at their largest. The peak is printed beside it.
"""
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import npm
import processes
from chromium import find_chromium
from cluster import UNPRIVILEGED, as_unprivileged
from http_only import Web, pairs

HERE = pathlib.Path(__file__).resolve().parent
SLOTS = 2  # browser.contexts by default
SAMPLE_S = 0.25
# name: where its traces begin, hops, Playwright's ways that are run
SITES = {
    "redirects": ("http://h0.test/click/", 6, ("load", "clock")),
    "script": ("http://h2.test/script/", 4, ("load", "idle", "clock")),
    "late": ("http://h2.test/late/", 4, ("load", "wait", "clock")),
}
ALL_FINDING = ("clock", "wait")
LATE_MS = 500


class Sampler(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over, self.seen = pid, threading.Event(), []

    def run(self):
        while not self.over.wait(SAMPLE_S):
            self.seen.append(processes.memory_mb(processes.family(self.pid))[0])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def measured(words, **more):
    """What the program says, and how much memory it and its browser took."""
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True, **more)
    with Sampler(process.pid) as sampler:
        said = process.stdout.read()
    if process.wait() != 0:
        raise RuntimeError(f"{words}: exit {process.returncode}")
    return {**pairs(said), "peak_mb": max(sampler.seen), "median_mb": statistics.median(sampler.seen)}


@contextlib.contextmanager
def playwright():
    """A folder with playwright-core where the unprivileged user, whom Chromium's sandbox asks for, can read it."""
    installed = npm.install(HERE / "package.json", HERE / "tabs.mjs")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tracepool-bench-", dir="/tmp"))
    try:
        (folder / "node_modules").mkdir()
        shutil.copytree(installed / "node_modules" / "playwright-core", folder / "node_modules" / "playwright-core")
        shutil.copy(installed / "tabs.mjs", folder)
        if os.geteuid() == 0:
            shutil.chown(folder, UNPRIVILEGED, "nogroup")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def theirs(folder, way, *rest):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
    return measured([*as_unprivileged(), shutil.which("node"), "tabs.mjs", way, find_chromium(), *rest], cwd=folder, env=environment)


def ours(build, *rest):
    return measured([build / "tracer_load", "page", *rest, find_chromium()])


def one_round(build, folder, port, at_once, traces, is_odd):
    """{site: {client: figures}}; whoever was first is last in the next round."""
    results = {}
    for site, (url, hops, ways) in SITES.items():
        clients = {"ours": lambda n, rest: ours(build, port, at_once, n, *rest)}
        for way in ways if folder else ():
            clients[way] = lambda n, rest, way=way: theirs(folder, way, port, at_once, n, *rest)
        results[site] = {}
        for name in reversed(clients) if is_odd else clients:
            count = max(4, traces // 6) if name in ("wait", "idle") else traces  # slow and steady
            results[site][name] = clients[name](count, (url, hops))
            if name == "ours" and results[site][name]["good"] != count:
                raise RuntimeError(f"ours at {site}: {results[site][name]}")
    return results


def median(rounds, site, name, key):
    return statistics.median(one[site][name][key] for one in rounds)


def finds_all(rounds, site, name):
    return all(one[site][name]["good"] >= 0.9 * one[site][name]["traces"] for one in rounds)


def ratios(rounds, site, wanted):
    """Ours by the best of those ways that found the end, each within its round: (traces/min, memory)."""
    ways = [name for name in wanted if name in rounds[0][site] and finds_all(rounds, site, name)]
    if not ways:
        return None
    rate = [one[site]["ours"]["rate"] / max(one[site][way]["rate"] for way in ways) for one in rounds]
    memory = [one[site]["ours"]["median_mb"] / min(one[site][way]["median_mb"] for way in ways) for one in rounds]
    return statistics.median(rate), statistics.median(memory)


def report(say, at_once, rounds):
    found = {}
    for site in SITES:
        for name in sorted(rounds[0][site], key=lambda name: name != "ours"):
            figures = {key: median(rounds, site, name, key) for key in ("rate", "p50_ms", "p95_ms", "peak_mb", "median_mb")}
            misses = "" if finds_all(rounds, site, name) else "   misses the end"
            label = "ours" if name == "ours" else f"playwright, {name}"
            say(f"  {at_once:2d}  {site:10}{label:18}{figures['rate'] * 60:6.0f} traces/min  p50 {figures['p50_ms']:5.0f} ms"
                f"  p95 {figures['p95_ms']:5.0f} ms  memory {figures['median_mb']:4.0f} MiB, peak {figures['peak_mb']:4.0f}{misses}")
            for key, value in figures.items():
                found[f"browser{at_once}_{site}_{name}_{key}"] = value
        for label, ways in (("", ALL_FINDING), ("_load", ("load",))):
            if found_ratios := ratios(rounds, site, ways):
                found[f"browser{at_once}_{site}_rate_ratio{label}"], found[f"browser{at_once}_{site}_memory_ratio{label}"] = found_ratios
    return found


def judge(found, at_once):
    goals = []
    for site in SITES:
        rate, memory = (found[f"browser{at_once}_{site}_{what}_ratio"] for what in ("rate", "memory"))
        of = f"of playwright's that finds as much, {site}, {at_once} at once"
        goals.append((f"at least 1.2 x the traces/min {of}: {rate:.2f}", rate >= 1.2))
        goals.append((f"at most 0.65 x the memory {of}: {memory:.2f}", memory <= 0.65))
        if (beside := found.get(f"browser{at_once}_{site}_rate_ratio_load")) is not None:
            goals.append((f"no slower than its load event alone, {site}, {at_once} at once: {beside:.2f}", beside >= 1))
    return goals


def measure(say, build, quick, with_peers):
    traces, rounds = (30, 1) if quick else (60, 3)
    found, goals = {}, []
    say(f"browser, one Chromium, a context per trace, {os.cpu_count()} cores; {rounds} rounds, clients taking turns")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(playwright()) if with_peers and npm.is_there() else None
        web = stack.enter_context(contextlib.closing(Web(build)))
        for at_once in (SLOTS,) if quick else (SLOTS, 1):
            began = time.monotonic()
            results = [one_round(build, folder, web.port, at_once, traces, n % 2) for n in range(rounds)]
            found.update(report(say, at_once, results))
            say(f"      {time.monotonic() - began:.0f} s")
            goals += judge(found, at_once) if folder else []
            late = found[f"browser{at_once}_late_ours_p50_ms"]
            goals.append((f"a 1.5 s late redirect in under {LATE_MS} ms, median, {at_once} at once: {late:.0f} ms", late < LATE_MS))
    return found, goals
