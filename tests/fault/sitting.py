"""What every long run does: goes into namespaces of its own, waits for the stand, keeps the ledgers where something is wrong.

    in_namespaces(script, arguments, keep)      runs script again in there, with --inside FOLDER; its exit status
    wait(stand, condition, seconds)             how long that took, or None
    is_empty(stand)                             nothing waits any more, and no acknowledged click is under way
"""
import pathlib
import shutil
import sys
import tempfile
import time

import psycopg2

import netspace

TICK_S, DRAIN_S, SETTLE_S = 0.1, 120, 20


def in_namespaces(script, arguments, keep):
    sys.stdout.flush()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tracepool-fault-"))
    status = netspace.enter([sys.executable, script, *arguments, "--inside", str(folder)])
    if keep:
        shutil.copytree(folder, keep, dirs_exist_ok=True)
    if status == 0 or keep:
        shutil.rmtree(folder)
    else:
        print(f"ledgers and logs: {folder}")
    return status


def wait(stand, condition, seconds):
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        stand.tick()
        if condition(stand):
            return time.monotonic() - begun
        time.sleep(TICK_S)
    return None


def is_empty(stand):
    try:
        busy = stand.db.value("SELECT EXISTS (SELECT FROM active_trace_requests WHERE status IN ('pending', 'processing')) "
                              "OR EXISTS (SELECT FROM tracking_events WHERE state IN ('pending', 'waiting', 'sending') AND due_at < 'infinity')")
    except psycopg2.Error:
        return False
    return not busy and not stand.missing_clicks()
