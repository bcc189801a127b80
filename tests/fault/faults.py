"""What each kind of fault does: a generator that breaks something, yields while it stays broken, and mends it.

    run(stand, fault, over)        for a thread: breaks, waits until its time or everything is over, mends, writes it down

The kinds stand in fault_processes.py, fault_database.py and fault_surroundings.py; fault is one of schedule.plan(). Each runs in a
thread of its own beside others; none may assume that what it needs is still alive. What a fault touches, for those who
judge the outcome, is its family: the first word of its kind, what FAMILIES says, or what the generator yields.
"""
import contextlib
import random
import time

import psycopg2

import fault_database  # noqa: F401
import fault_processes  # noqa: F401
import fault_surroundings  # noqa: F401
from kinds import KINDS

FAMILIES = {"table-locked": "database", "statements-cancelled": "database", "sessions-ended": "database", "deadlocks": "database",
            "serializable": "database", "read-only": "database", "connections-used-up": "database", "spool-disk-full": "edge",
            "proxies-die": "proxy", "proxies-hang": "proxy", "proxies-drip": "proxy", "proxies-refuse": "proxy", "proxies-lie": "proxy",
            "tinyproxy-killed": "proxy", "spool-torn": "spool", "spool-flipped": "spool"}


def family(name):
    return FAMILIES.get(name, name.split("-", maxsplit=1)[0])


def run(stand, fault, over):
    begun, touched, trouble = time.time(), family(fault.name), None
    try:
        make = contextlib.contextmanager(KINDS[fault.name])
        with make(stand, random.Random(fault.dice), fault.lasts) as of_unit:
            touched = of_unit or touched
            over.wait(fault.lasts)
    except (OSError, psycopg2.Error, ValueError, IndexError, AssertionError) as error:
        trouble = repr(error)   # what it wanted to break was broken already
    except Exception as error:
        stand.residue.append(("crashed", f"the campaign itself, at {fault.name}: {error!r}"))
    stand.ledger.note("fault", name=fault.name, family=touched, began=begun, ended=time.time(), trouble=trouble)
