"""worker/browser as a program (tests/scenario/browser_client.c): traces in, results out, many at a time.

    with Tabs("--max-contexts", 2) as tabs:
        result = tabs.trace("http://a.test/", proxy=site.proxy("world"))
        id = tabs.begin("http://b.test/"); ...; result = tabs.result(id)
"""
import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import threading
import urllib.parse

import farm
from processes import below, words_of

WAIT_S = 60


def proxy_of(url):
    parts = urllib.parse.urlsplit(url)
    return {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port, "user": parts.username or "",
            "password": parts.password or ""}


class Tabs:
    def __init__(self, *options):
        program = farm.BUILD / "tests" / "scenario" / "browser_client"
        self.process = subprocess.Popen([program, *map(str, options)], text=True, bufsize=1, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.ids = itertools.count()
        self.results, self.counters = {}, queue.Queue()
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "id" not in said:
                self.counters.put(said)
                continue
            with self.news:
                self.results[said["id"]] = said["result"]
                self.news.notify_all()

    def say(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def begin(self, url, proxy=None, **more):
        id = next(self.ids)
        self.say(id=id, url=url, **({"proxy": proxy_of(proxy)} if proxy else {}), **more)
        return id

    def result(self, id):
        with self.news:
            assert self.news.wait_for(lambda: id in self.results, WAIT_S), "no result"
            return self.results.pop(id)

    def trace(self, url, proxy=None, **more):
        return self.result(self.begin(url, proxy, **more))

    def cancel(self, id):
        self.say(cancel=id)

    def counts(self):
        self.say(counts=True)
        return self.counters.get(timeout=WAIT_S)

    def chromium(self):
        """The processes of Chromium, by id, with their arguments."""
        return {pid: words for pid in below(self.process.pid) if "--headless" in (words := words_of(pid)) or
                any(word.startswith("--type=") for word in words)}

    def renderers(self):
        return [pid for pid, words in self.chromium().items() if "--type=renderer" in words]

    def kill(self, pids):
        """All at one moment: stopped first, so that none tells of another's end before its own."""
        for signum in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):  # it went with one that was killed before it
                    os.kill(pid, signum)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        assert exception[0] or self.process.returncode in (0, -signal.SIGKILL)
