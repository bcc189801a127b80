"""The tables of README.md and deploy/REFERENCE.md are those of the code.

A table stands between `<!-- NAME: made by tests/lint/reference.py --write -->` and `<!-- end -->`; this lint
compares, and with --write it puts the tables in. The sources are common/conf_table.h, common/err.h,
common/metrics_table.h and monitor/alerts_table.h.
"""

import re
import sys
import lib

sys.path.insert(0, f"{lib.ROOT}/deploy/man")
import tables  # noqa: E402

DOCUMENTS = ("README.md", "deploy/REFERENCE.md")


def cell(text):
    return text.replace("|", "\\|")


def table(head, body):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cell(c) for c in row) + " |" for row in body])


def settings():
    body = []
    for kind, section, key, default, low, high, unit, about in tables.settings():
        if kind == "int":
            allowed = f"{low} to {high}"
        elif kind == "choice":
            allowed = ", ".join(low.split())
        elif kind == "secret":
            allowed = "secret" + (f"; also `{low}`" if low else "")
        else:
            allowed = {"bool": "true, false", "text": "text"}[kind]
        body.append([f"`{section}.{key}`", f"`{default}`" if default else "", allowed, about])
    return table(["setting", "default", "allowed", "what it is for"], body)


def errors():
    body = []
    pattern = r'X\((\w+),\s*"(\w+)",\s*(\w+),\s*(true|false)\)[ \t]*(?:/\*[ \t]*(.*?)\s*\*/)?'
    for _, name, blame, retry, about in re.findall(pattern, lib.read("common/err.h")):
        body.append([f"`{name}`", blame.lower(), "yes" if retry == "true" else "no", about])
    return table(["error", "blame", "another attempt", "meaning"], body)


def metrics():
    template = [tables.define("X", "i, p, k, n, l, h", ["#p", "#k", "n", "l", "h"])]
    body, seen = [], {}
    for program, kind, name, labels, about in tables.rows("common/metrics_table.h", "METRICS_MAP", "X", template):
        label = labels if kind != "HISTOGRAM" else ""
        if name in seen:
            seen[name][2] += f", `{label}`"
            continue
        row = [f"`{name}`", f"{program.lower()}, {kind.lower()}", f"`{label}`" if label else "", about]
        seen[name] = row
        body.append(row)
    return table(["metric", "of, kind", "labels", "meaning"], body)


def alerts():
    """Thresholds are the defaults of the settings alerts.NAME."""
    template = [tables.define("X", "n, s, f, o, u, w, g, la, sc, e, a", ["#n", "#s", "#f", "#o", "u", "w", "g", "a"])]
    thresholds = {key: default for _, section, key, default, *_ in tables.settings() if section == "alerts"}
    body = []
    for name, severity, for_s, fires, unit, what, gauge, advice in tables.rows("monitor/alerts_table.h", "ALERTS_MAP", "X", template):
        body.append([f"`{name}`", severity.lower(), f"{what} {fires.lower()} {thresholds[name]} {unit}".strip(),
                     f"{for_s} s" if for_s != "0" else "", f"`{gauge}`" if gauge else "", advice])
    return table(["alert", "severity", "fires when", "for", "gauge", "what to do"], body)


def main():
    made_tables = {"settings": settings, "errors": errors, "metrics": metrics, "alerts": alerts}
    found = set()
    for name in DOCUMENTS:
        if name not in lib.files(name):
            lib.report(name, 0, "is missing")
            continue
        text = lib.read(name)

        def made(match):
            found.add(match.group(2))
            return match.group(1) + "\n" + made_tables[match.group(2)]() + "\n" + match.group(3)
        new = re.sub(r"(<!-- (\w+): made by tests/lint/reference.py --write -->).*?(<!-- end -->)", made, text,
                     flags=re.S)
        if new != text and "--write" in sys.argv:
            with open(f"{lib.ROOT}/{name}", "w", encoding="utf-8") as f:
                f.write(new)
        elif new != text:
            changed = [n for n, (a, b) in enumerate(zip(text.split("\n"), new.split("\n")), 1) if a != b]
            lib.report(name, (changed or [0])[0], "a table differs from the code: tests/lint/reference.py --write")
    for missing in sorted(set(made_tables) - found):
        lib.report("README.md", 0, f"no document has the table of {missing}")
    lib.end()


main()
