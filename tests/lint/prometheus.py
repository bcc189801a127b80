"""deploy/prometheus/rules.yml is what `tracepool-monitor rules` prints, and nobody names a metric that does not exist.

After a change: build, then `tracepool-monitor rules >deploy/prometheus/rules.yml`.
"""

import re
import lib

RULES = "deploy/prometheus/rules.yml"
READERS = ("deploy/*", "monitor/dashboard/*.js", "README.md", "monitor/README.md")
NAME = re.compile(r"\btracepool_[a-z0-9_]+(?:_total|_seconds|_bytes|_ratio|_bucket|_count|_sum)\b|\btracepool_(?:requests|workers|pool_ips)\b")

printed = lib.ask("monitor", "rules")
kept = lib.read(RULES) if RULES in lib.files(RULES) else ""
if printed != kept:
    differing = [n for n, (a, b) in enumerate(zip(printed.split("\n"), kept.split("\n")), 1) if a != b]
    lib.report(RULES, (differing or [0])[0], "differs from `tracepool-monitor rules`")

# What is written into an answer: the table of metrics, and the gauges of status and alerts.
known = set()
for name in ("common/metrics_table.h", "common/metrics_text.c", "monitor/metrics.c", "monitor/alerts_table.h"):
    known |= set(re.findall(r'"(tracepool_[a-z0-9_]+)', lib.read(name)))
for name in lib.files(*READERS):
    if name.endswith((".png", ".csv")):
        continue
    for number, line in lib.lines(name):
        for metric in NAME.findall(line):
            if metric not in known and re.sub(r"_(bucket|count|sum)$", "", metric) not in known:
                lib.report(name, number, f"names {metric}, which nobody writes")
lib.end()
