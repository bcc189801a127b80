"""What goes wrong when: one random list of faults that a seed and a length decide, and nothing else.

    for fault in plan(seed, seconds): fault.at, fault.name, fault.lasts, fault.dice

Every kind comes about as often as every other, in an order of its own in each round. They overlap, and most in the last
third. `dice` is a number that the fault uses for its own choices (which child, which table). What a kind does stands
in the files fault_*.py.
"""
import dataclasses
import random

# kind, shortest and longest time that it lasts (s); for a kill that is no time at all
KINDS = (
    ("edge-child-killed", 0, 0),
    ("edge-killed", 0, 0),
    ("edge-child-stopped", 1, 8),
    ("worker-child-killed", 0, 0),
    ("worker-killed", 0, 0),
    ("worker-child-stopped", 2, 25),
    ("browser-killed", 0, 0),
    ("monitor-killed", 0, 0),
    ("monitor-stopped", 2, 15),
    ("database-crashed", 1, 5),
    ("database-away", 20, 60),
    ("database-stopped", 1, 10),
    ("database-cut", 2, 20),
    ("database-lossy", 5, 20),
    ("database-reset", 0, 0),
    ("table-locked", 1, 10),
    ("statements-cancelled", 3, 10),
    ("sessions-ended", 0, 0),
    ("deadlocks", 3, 10),
    ("serializable", 5, 15),
    ("read-only", 3, 15),
    ("connections-used-up", 3, 15),
    ("spool-disk-full", 3, 15),
    ("spool-torn", 0, 0),
    ("spool-flipped", 0, 0),
    ("clock-jumps", 3, 20),
    ("proxies-die", 3, 15),
    ("proxies-hang", 3, 15),
    ("proxies-drip", 3, 15),
    ("proxies-refuse", 3, 15),
    ("proxies-lie", 3, 15),
    ("tinyproxy-killed", 2, 10),
    ("descriptors-used-up", 3, 10),
    ("memory-used-up", 2, 6),
)
SHORT_S = 120      # a shorter run has shorter faults
SHORTEST = 0.25    # of their times
QUIET_START_S = 3  # everything has to be up and known before the first fault
PAUSE_S = 4.0      # between the beginnings of two faults, on average


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float
    name: str
    lasts: float
    dice: int

    def __str__(self):
        return f"{self.at:8.2f} s  {self.name:<22} {self.lasts:6.2f} s  {self.dice}"


def pauses(rng, seconds):
    """Moments at which a fault begins: random, and twice as dense in the last third."""
    pause = min(PAUSE_S, seconds / (len(KINDS) * 1.2))
    at = QUIET_START_S
    while True:
        at += rng.expovariate(1 / pause) * (0.7 if at > seconds * 2 / 3 else 1.2)
        if at >= seconds:
            return
        yield at


def plan(seed, seconds, only=None):
    """The faults of that seed, in order. only: names to choose from."""
    rng = random.Random(f"tracepool {seed} {seconds:g}")
    share = 1 if seconds >= SHORT_S else SHORTEST
    kinds = [kind for kind in KINDS if only is None or kind[0] in only]
    deck, faults = [], []
    for at in pauses(rng, seconds):
        if not deck:
            deck = rng.sample(kinds, len(kinds))
        name, least, most = deck.pop()
        lasts = min(rng.uniform(least, most) * share, seconds - at)
        faults.append(Fault(round(at, 2), name, round(lasts, 2), rng.randrange(1 << 30)))
    return faults
