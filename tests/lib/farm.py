"""What scenario tests are made of: programs, proxies with exit addresses of their own, waiting.

Nothing here asserts; it starts things, watches them and ends exactly what it started.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import psycopg2
import psycopg2.extras

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRACEPOOL_BUILD", ROOT / "build"))
PATIENCE_S = float(os.environ.get("TRACEPOOL_TEST_PATIENCE_S", "30"))
PAIR = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


def binary(program):
    """The path of tracepool-edge, tracepool-worker or tracepool-monitor in the build directory."""
    folder = program.split("-", 1)[1]
    for path in (BUILD / folder / program, BUILD / program):
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{program} is not built in {BUILD}; set TRACEPOOL_BUILD")


def free_port(address="127.0.0.1"):
    """A port that was free a moment ago. For programs that can't be given port 0."""
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def wait_for(condition, what="the condition", timeout=PATIENCE_S):
    """Polls until condition() is true and returns its value; AssertionError names what never came."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come within {timeout:g} s (last: {value!r})")
        time.sleep(0.02)


@contextlib.contextmanager
def meanwhile(run):
    """run(done) in a thread of its own; at the end the event `done` is set, and run is waited for."""
    done = threading.Event()
    thread = threading.Thread(target=run, args=(done,))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def wait_port(port, address="127.0.0.1", alive=lambda: True):
    """Until something accepts connections there."""
    def accepts():
        assert alive(), f"the program for {address}:{port} ended"
        with socket.socket() as s:
            s.settimeout(1)
            return s.connect_ex((address, port)) == 0
    wait_for(accepts, f"a listener on {address}:{port}")


def _die_with_parent():
    """In the child: SIGTERM when the test process is gone, so that an aborted run leaves nothing."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)


def is_gone(pid):
    """Whether that process has ended (a zombie counts as ended)."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextlib.contextmanager
def without_descriptors(pid):
    """That process keeps what it has open, and gets no more."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(set(range(len(taken) + 1)) - taken), before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def children_of(pid):
    """The process ids of pid's direct children that still run."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return [p for p in found if not is_gone(p)]


class Program:
    """One running program, its log, and its children."""

    def __init__(self, argv, log, env=None, cwd=None, pass_fds=()):
        self.argv = [str(a) for a in argv]
        self.log = pathlib.Path(log)
        settings = {k: v for k, v in os.environ.items()
                    if not k.startswith(("TRACEPOOL_", "DATABASE_", "LISTEN_", "PG"))
                    and not k.lower().endswith("_proxy")}
        settings.update({k: str(v) for k, v in (env or {}).items()})
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env=settings, cwd=cwd, preexec_fn=_die_with_parent, pass_fds=pass_fds)
        self.pid = self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def events(self, name=None, **pairs):
        """Log lines as dicts, those of that event and with those pairs only."""
        found = []
        for line in self.text().splitlines():
            event = {m[1]: m[2] if m[2] is not None else m[3] for m in PAIR.finditer(line)}
            if name and event.get("event") != name:
                continue
            if all(event.get(k) == str(v) for k, v in pairs.items()):
                found.append(event)
        return found

    def wait_event(self, name, count=1, timeout=PATIENCE_S, **pairs):
        """Until the log has that event `count` times; returns those lines."""
        def seen():
            found = self.events(name, **pairs)
            if len(found) >= count:
                return found
            if not self.is_running():
                raise AssertionError(f"{self.argv[0]} ended ({self.process.returncode}):\n{self.text()[-3000:]}")
            return None
        try:
            return wait_for(seen, f"log event {name} {pairs or ''}", timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.text()[-3000:]}") from None

    def faults(self):
        """What sanitizers, asserts and the sandbox (a child that ends by SIGSYS) said, in it or its children; "" when all is well.
        A sanitizer that found no memory for its own tables says nothing about the program."""
        found = re.search(r"(?:ERROR: \w+Sanitizer(?! failed to allocate)|runtime error: |Assertion `|event=child.end [^\n]*signal=31)[\s\S]{0,3000}", self.text())
        return found[0] if found else ""

    def children(self):
        return children_of(self.pid) if self.is_running() else []

    def signal(self, signum):
        if self.is_running():
            self.process.send_signal(signum)

    def wait(self, timeout=PATIENCE_S):
        """Its exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv[0]} did not end:\n{self.text()[-3000:]}") from None

    def stop(self, timeout=15):
        """SIGTERM, then SIGKILL for it and its children; never raises."""
        children = self.children()
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            children = self.children()
            self.process.kill()
            self.process.wait()
        for pid in children:
            if not is_gone(pid):
                try:
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


class Database:
    """SQL for a test: one connection in autocommit, opened again after the server was away."""

    def __init__(self, url):
        self.url = url
        self.connection = None

    def run(self, sql, *args):
        """All rows as dicts; [] for a statement without rows."""
        if self.connection is None or self.connection.closed:
            self.connection = psycopg2.connect(self.url)
            self.connection.autocommit = True
        try:
            with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(sql, args or None)
                return [dict(r) for r in cursor.fetchall()] if cursor.description else []
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self.close()
            raise

    def one(self, sql, *args):
        """The first row, or None."""
        rows = self.run(sql, *args)
        return rows[0] if rows else None

    def value(self, sql, *args):
        """The first column of the first row, or None."""
        row = self.one(sql, *args)
        return next(iter(row.values())) if row else None

    def wait_for(self, sql, *args, timeout=PATIENCE_S):
        """Until the query's first value is true; a server that is away is waited for as well."""
        def holds():
            try:
                return self.value(sql, *args)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                return None
        return wait_for(holds, sql, timeout)

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Tinyproxy:
    """A real forward proxy: listens on `address` and leaves from it too, so the target sees which came.

    upstream_port: where it hands everything on to (an HTTP proxy on 127.0.0.1), so that names like
    shop.test need no DNS. auth: (user, password) that it asks for.
    """

    def __init__(self, folder, address, upstream_port=None, auth=None, port=None):
        self.address = address
        self.port = port or free_port(address)
        self.folder = pathlib.Path(folder)
        lines = [f"Port {self.port}", f"Listen {address}", f"Bind {address}", "Timeout 600",
                 "MaxClients 200", "LogLevel Warning", "DisableViaHeader Yes",
                 f'LogFile "{self.folder}/tinyproxy-{address}.log"']
        if upstream_port:
            lines.append(f"Upstream http 127.0.0.1:{upstream_port}")
        if auth:
            lines.append(f"BasicAuth {auth[0]} {auth[1]}")
        self.config = self.folder / f"tinyproxy-{address}.conf"
        self.config.write_text("\n".join(lines) + "\n")
        self.program = None
        self.start()

    def start(self):
        tool = shutil.which("tinyproxy") or "/usr/bin/tinyproxy"
        self.program = Program([tool, "-d", "-c", self.config], self.folder / f"tinyproxy-{self.address}.out")
        wait_port(self.port, self.address, self.program.is_running)

    def stop(self):
        self.program.stop()


def exit_addresses(count, first=2):
    """Loopback addresses 127.0.x.y, a different net for each test process so that runs do not meet."""
    net = 1 + os.getpid() % 250
    return [f"127.0.{net}.{first + i}" for i in range(count)]
