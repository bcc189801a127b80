"""The end of a campaign: what is left is measured, the rules are asked, and all of it printed."""
import os
import sys
import time

import check
import ledger
import measure

GRACE_S = 1.5   # what was killed is back after this at the latest


def keep_books(stand):
    stand.began = time.time()
    stand.before = measure.usage(stand)
    stand.residue = []


def drained(stand, seconds):
    stand.drained_s = seconds
    if seconds is None:
        stand.residue.append(("not_drained", "requests, tracking requests or spooled clicks are left"))


def is_back(stand):
    """Descriptors and memory are about what they were."""
    return not list(measure.excess(stand.before, measure.usage(stand)))


def judge(stand):
    """Prints everything; the exit status."""
    stand.residue += measure.excess(stand.before, measure.usage(stand))
    stand.residue += measure.leaks(stand)
    ended = time.time()
    stand.stop_units()
    stand.residue += orphans(stand)
    stand.residue += [("crashed", f"{name}: {unit.program.faults()}") for name, unit in stand.units.items() if unit.program.faults()]
    stand.db.close()
    with stand.cluster.connect(user="postgres") as connection, connection.cursor() as cursor:
        run = {"began": stand.began, "ended": ended, "interval_s": stand.options.interval_s, "lease_s": stand.options.trace_s * 1.5}
        check.put_evidence(cursor, stand.folder, run, stand.exits, stand.residue)
        dump(stand, cursor)
        figures(stand, cursor)
        return rules(cursor)


def dump(stand, cursor):
    """The tables beside the ledgers, for whoever looks for the reason."""
    for name in ("proof.requests", "trace_attempts", "ip_rotation_pool", "tracking_events", "tracking_attempts", "ip_pool_statistics"):
        with open(stand.folder / f"{name.split('.')[-1]}.csv", "w", encoding="utf-8") as file:
            cursor.copy_expert(f"COPY (SELECT * FROM {name}) TO STDOUT (FORMAT csv, HEADER)", file)


def orphans(stand):
    """What still runs although all programs of ours were asked to end."""
    ours = {process.pid for process in stand.helpers} | {proxy.program.pid for proxy in stand.tinyproxies}
    for pid, words in measure.processes().items():
        if pid not in ours and pid != os.getpid() and not words.startswith(("postgres", "/usr/lib/postgresql")):
            yield "orphan", f"{pid}: {words[:120]}"


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def line_of(name, clicks):
    taken = sorted(click["ms"] for click in clicks if click["status"] == 302)
    share = 100 * len(taken) / len(clicks) if clicks else 0
    print(f"{name:<28} {len(clicks):7} clicks  {share:7.3f} % 302   p50 {quantile(taken, .5):8.1f}  p99 {quantile(taken, .99):8.1f}  "
          f"p99.9 {quantile(taken, .999):8.1f} ms")


def spans(faults, family):
    return [(fault["began"], fault["ended"] + GRACE_S) for fault in faults if fault["family"] == family]


def overlaps(began, ended, among):
    return any(other_began <= ended and began <= other_ended for other_began, other_ended in among)


def figures(stand, cursor):
    clicks = [click for click in ledger.read(stand.folder, "click") if click["kind"] == "click"]
    faults = list(ledger.read(stand.folder, "fault"))
    own = spans(faults, "edge")
    line_of("all clicks", clicks)
    line_of("outside the edge's own faults", [c for c in clicks if not overlaps(c["sent"], c["sent"] + c["ms"] / 1000, own)])
    cursor.execute("SELECT status::text || ' ' || count(*) FROM proof.requests GROUP BY status ORDER BY status")
    print("requests:", ", ".join(row[0] for row in cursor.fetchall()))
    cursor.execute("SELECT count(*), count(*) FILTER (WHERE error = 'worker_died'), count(*) FILTER (WHERE outcome = 'returned'), "
                   "count(*) FILTER (WHERE error = 'lease_expired') FROM trace_attempts")
    print("attempts: {}, of dead workers {}, handed back {}, past their lease {}".format(*cursor.fetchone()))
    cursor.execute("SELECT count(*), count(*) FILTER (WHERE answer = '204') FROM proof.beacons")
    print("beacons: {}, answered {}".format(*cursor.fetchone()))
    rescues(stand, cursor, faults)
    print(f"drained in {stand.drained_s:.1f} s" if stand.drained_s is not None else "not drained")
    for fault in faults:
        if fault["trouble"]:
            print(f"note: {fault['name']} could not be done: {fault['trouble'][:150]}")


def rescues(stand, cursor, faults):
    """From the death of a worker's child to the moment its requests are claimable again; not of one that was given up before, for its silence."""
    killed = {entry["pid"]: entry["at"] for entry in ledger.read(stand.folder, "signal") if entry["signum"] == 9}
    away = spans(faults, "database")
    cursor.execute("SELECT split_part(worker, '.', -2)::integer, extract(epoch FROM max(ended_at)) FROM trace_attempts "
                   "WHERE error = 'worker_died' GROUP BY worker")
    rescued = [(killed[pid], float(ended)) for pid, ended in cursor.fetchall() if pid in killed and ended >= killed[pid]]
    for name, is_meanwhile in (("rescued", False), ("rescued, the database being at fault, too", True)):
        times = sorted(ended - died for died, ended in rescued if overlaps(died, ended, away) == is_meanwhile)
        if times:
            print(f"{name}: after {quantile(times, .5):.2f} s (median), {times[-1]:.2f} s (worst of {len(times)} dead workers)")


def rules(cursor):
    passed = failed = 0
    for name, lines in check.violations(cursor):
        print(f"{name:<24} {len(lines):6}")
        for line in lines[:5]:
            print(f"    {line}")
        failed += bool(lines)
        passed += not lines
    print(f"{passed} passed, {failed} failed")
    sys.stdout.flush()
    return 1 if failed else 0
