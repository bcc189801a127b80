"""Browser traces in a row, in one Chromium that is never replaced: is its memory flat, and is no process left behind?

Memory is the proportional set of our process and all of Chromium's; beside it the part that is no file's, which doesn't
change when another Chromium on the machine shares the program's pages or ends. Compared are the medians of every tenth part, from trace 200 on; all lie within 10 %.
"""
import contextlib
import pathlib
import statistics
import subprocess
import time

import processes
from chromium import find_chromium
from http_only import Web, pairs

TRACES, AT_ONCE, WARM, PARTS, PAUSE_S = 2000, 2, 200, 10, 0.5
SITE, HOPS = "http://h2.test/script/", 4


def born(pid):
    """When it was started, or None: a number is given again to another process."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]


def watch(process, web, seen):
    """[(traces so far, proportional set, no file's part)] until the process ends; seen gathers all processes."""
    samples, before = [], web.stats()["pages"]
    while process.poll() is None:
        family = processes.family(process.pid)
        seen.update((pid, born(pid)) for pid in family)
        samples.append((web.stats()["pages"] - before, *processes.memory_mb(family)))
        time.sleep(PAUSE_S)
    return samples


def spread(samples, traces, column):
    """Medians of the parts from trace WARM on, and (most - least) / first."""
    width = (traces - WARM) / PARTS
    parts = [[one[column] for one in samples if begin <= one[0] < begin + width] for begin in (WARM + n * width for n in range(PARTS))]
    medians = [statistics.median(part) for part in parts if part]
    return medians, (max(medians) - min(medians)) / medians[0]


def measure(say, build, quick, _with_peers):
    traces, seen = (TRACES // 4 if quick else TRACES), set()
    say(f"soak: {traces} browser traces in a row, {AT_ONCE} at once")
    with contextlib.closing(Web(build)) as web:
        words = [build / "tracer_load", "page", web.port, AT_ONCE, traces, SITE, HOPS, find_chromium()]
        process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
        samples = watch(process, web, seen)
        said = pairs(process.stdout.read())
    left = [pid for pid, when in seen if when and born(pid) == when and processes.status_of(pid)]
    medians, by = spread(samples, traces, 1)
    own, own_by = spread(samples, traces, 2)
    say("  MiB: " + " ".join(f"{value:.0f}" for value in medians) + "   no file's: " + " ".join(f"{value:.0f}" for value in own))
    goals = [(f"{traces} traces in a row, {said['good']:.0f} of {said['traces']:.0f} as expected", said["good"] == said["traces"] == traces),
             (f"memory flat within 10 % from trace {WARM} on: {by * 100:.1f} % (without files {own_by * 100:.1f} %)", by <= 0.10),
             (f"no process left behind: {len(left)} of {len(seen)}", not left)]
    return {"soak_traces": traces, "soak_mb_first": medians[0], "soak_mb_last": medians[-1], "soak_spread": by,
            "soak_own_spread": own_by, "soak_left": len(left)}, goals
