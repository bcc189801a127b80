"""What the campaign sees of processes from outside: descriptors, memory, who is left, and secrets where none should be."""
import contextlib
import os
import pathlib

import psycopg2.sql

# What a process opens with its first work and keeps: an epoll set for each use of libcurl, kept connections, the browser's pipes.
SPARE_DESCRIPTORS = 20
SPARE_KB = 96 << 10


def usage(stand):
    """{unit: (most descriptors, most resident kB)} of its processes."""
    found = {}
    for name, unit in stand.units.items():
        numbers = [usage_of(pid) for pid in unit.family()]
        found[name] = (max(n[0] for n in numbers), max(n[1] for n in numbers))
    return found


def usage_of(pid):
    with contextlib.suppress(OSError, StopIteration):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return len(os.listdir(f"/proc/{pid}/fd")), int(resident.split()[1])
    return 0, 0


def excess(before, after):
    """(what, text) of what did not come back to what it was."""
    for name, (descriptors, resident) in after.items():
        if descriptors > before[name][0] + SPARE_DESCRIPTORS:
            yield "descriptors", f"{name}: {descriptors}, before {before[name][0]}"
        if resident > before[name][1] * 2 + SPARE_KB:
            yield "memory", f"{name}: {resident} kB, before {before[name][1]} kB"


def processes():
    """Everything that runs in this namespace but us: {pid: command line}."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if words:   # kernel threads and zombies have none
                found[int(entry.name)] = words
    return found


def leaks(stand):
    """("secret", where) for each place that holds one: logs, metrics, command lines, tables."""
    canaries = {**stand.secrets, "database password": stand.cluster.password}
    texts = {f"log of {name}": unit.log.read_text(errors="replace") for name, unit in stand.units.items()}
    texts["edge metrics"] = stand.ask("admin", "/metrics")
    texts["monitor metrics"] = stand.ask("monitor", "/metrics", token=True)
    for place, text in texts.items():
        for name, value in {**canaries, "a click id": "gclid-canary"}.items():
            if value in text:
                yield "secret", f"{name} in {place}"
    for pid, words in processes().items():
        for name, value in canaries.items():
            if value in words:
                yield "secret", f"{name} in the command line of {pid}: {words.split(' ')[0]}"
    yield from leaks_in_tables(stand, canaries)


def leaks_in_tables(stand, canaries):
    tables = stand.db.run("SELECT table_name AS t FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
    for table in tables:
        query = psycopg2.sql.SQL("SELECT count(*) FROM {} AS t WHERE position(%s in t::text) + position(%s in t::text) > 0")
        query = query.format(psycopg2.sql.Identifier(table["t"]))
        for name, value in canaries.items():
            if stand.db.value(query, value, value.encode().hex()):   # bytea is shown in hex
                yield "secret", f"{name} in table {table['t']}"
