"""Lines of evidence: one JSON object each, `what` says of which kind, appended by whoever saw it."""
import json
import pathlib
import threading
import time


class Ledger:
    """Written by several threads of the campaign itself."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()

    def note(self, what, **more):
        with self.lock:
            self.file.write(json.dumps({"what": what, "at": time.time(), **more}) + "\n")
            self.file.flush()


def read(folder, what=None):
    """All lines of all ledgers of a folder, or those of one kind."""
    for path in sorted(pathlib.Path(folder).glob("*.jsonl")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                if what in (None, entry["what"]):
                    yield entry
