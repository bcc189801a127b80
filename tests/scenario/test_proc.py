"""The parent of common/proc, as a program (proc_parent.c) whose children serve HTTP on a shared socket.

What the processes say on standard output are the events that are waited for; no test asserts a duration.
"""
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import farm
import pytest


def is_running(pid):
    """A zombie does not: whoever adopted it takes its time to reap it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Family:
    """A parent, its children, and all that they have said."""

    def __init__(self, tmp_path, *options):
        self.out = tmp_path / "said"
        self.err = tmp_path / "log"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([farm.BUILD / "tests/scenario/proc_parent", *options], stdout=out, stderr=err)
        self.pid = self.process.pid
        self.port = int(self.wait_said(r"port (\d+)")[0])

    def said(self, pattern):
        return re.findall(f"^{pattern}$", self.out.read_text(), re.M)

    def wait_said(self, pattern, count=1):
        return farm.wait_for(lambda: len(got := self.said(pattern)) >= count and got, pattern)

    def wait_log(self, event, count=1):
        pattern = re.compile(f" event={event}( |$)", re.M)
        return farm.wait_for(lambda: len(got := pattern.findall(self.err.read_text())) >= count and got, event)

    def started(self):
        """(slot, pid, incarnation) of every child that ever became ready, oldest first."""
        return [(int(slot), int(pid), name) for slot, pid, name in self.said(r"ready (\d+) (\d+) (\S+)")]

    def wait_started(self, count):
        self.wait_said(r"ready .*", count)
        return self.started()

    def members(self):
        """The processes of this family that run now."""
        return [pid for pid in [self.pid] + [pid for _, pid, _ in self.started()] if is_running(pid)]

    def ask(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=farm.PATIENCE_S)
        client.request("GET", "/", headers={"Connection": "close"})
        answer = client.getresponse()
        assert answer.status == 200
        pid = int(answer.read())
        client.close()
        return pid

    def ask_often(self):
        """On one connection, until the server ends it, in words or by closing it while it is idle."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=farm.PATIENCE_S)
        pids = set()
        for n in range(100):
            try:
                client.request("GET", "/")
                answer = client.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                if n == 0:
                    raise
                break
            pids.add(int(answer.read()))
            if answer.getheader("Connection") == "close":
                break
        client.close()
        return pids

    def signal(self, signum):
        self.process.send_signal(signum)

    def wait_end(self):
        status = self.process.wait(farm.PATIENCE_S)
        farm.wait_for(lambda: not self.members(), "the end of all children")
        return status


@pytest.fixture
def family(tmp_path):
    made = []

    def make(*options):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Family(folder, *options))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        # Children end by themselves when their parent is gone, but stubborn ones are what some tests are about.
        try:
            farm.wait_for(lambda: not one.members(), "the end of all children", timeout=5)
        except AssertionError:
            for pid in one.members():
                os.kill(pid, signal.SIGKILL)
            raise


def is_own(name, pid):
    return re.fullmatch(rf"[A-Za-z0-9-]{{1,24}}\.{pid}\.\d{{13}}", name)


def test_children_start_and_serve(family):
    f = family("children=3")
    children = f.wait_started(3)
    assert sorted(slot for slot, _, _ in children) == [0, 1, 2]
    assert all(is_own(name, pid) for _, pid, name in children)
    assert f.ask() in [pid for _, pid, _ in children]
    f.signal(signal.SIGTERM)
    assert f.wait_end() == 0
    assert len(f.said(r"drained \d+")) == 3


def test_a_killed_child_is_replaced_and_one_sibling_told(family):
    f = family("children=3")
    children = f.wait_started(3)
    slot, victim, name = children[1]
    os.kill(victim, signal.SIGKILL)
    new_slot, new_pid, new_name = f.wait_started(4)[3]
    assert (new_slot, is_own(new_name, new_pid) is not None) == (slot, True)
    assert new_name != name
    ((told, about),) = f.wait_said(r"told (\d+) (\S+)")
    assert about == name
    assert int(told) in [pid for _, pid, _ in children if pid != victim]
    f.signal(signal.SIGTERM)
    assert f.wait_end() == 0
    assert len(f.said(r"told .*")) == 1


def test_the_replacement_is_told_when_nobody_lives(family):
    f = family("children=1")
    (_, first, name), = f.wait_started(1)
    os.kill(first, signal.SIGKILL)
    _, second, _ = f.wait_started(2)[1]
    assert f.wait_said(r"told (\d+) (\S+)") == [(str(second), name)]


def test_all_killed_at_once_all_are_named(family):
    """Whoever is told may be dead already: every name reaches a process that lives to hear it."""
    f = family("children=4")
    children = f.wait_started(4)
    for _, pid, _ in children:
        os.kill(pid, signal.SIGKILL)
    names = {name for _, _, name in children}

    def all_named():
        living = {pid for _, pid, _ in f.started()} - {pid for _, pid, _ in children}
        return names == {name for pid, name in f.said(r"told (\d+) (\S+)") if int(pid) in living}

    farm.wait_for(all_named, "every name")
    assert len(f.wait_started(8)) == 8


def test_a_child_that_leaves_in_order_is_replaced_and_not_reported(family):
    f = family("children=2")
    children = f.wait_started(2)
    os.kill(children[0][1], signal.SIGTERM)
    assert f.wait_started(3)[2][0] == children[0][0]
    f.signal(signal.SIGTERM)
    assert f.wait_end() == 0
    assert f.said(r"told .*") == []


def test_a_drain_lets_answers_end_and_the_deadline_does_not_wait(family):
    f = family("children=1", "drain_ms=60000")
    (_, child, _), = f.wait_started(1)
    with socket.create_connection(("127.0.0.1", f.port), timeout=farm.PATIENCE_S) as c:
        c.sendall(b"GET / HTTP/1.1\r\n")
        assert f.ask() == child  # so the half request has been read
        f.signal(signal.SIGTERM)
        f.wait_log("parent.drain")
        c.sendall(b"Host: h\r\n\r\n")
        answer = c.makefile("rb").read()
    assert answer.endswith(f"{child}\n".encode())
    assert f.wait_end() == 0


def test_who_does_not_leave_is_killed_at_the_deadline(family):
    f = family("children=2", "stubborn=1", "drain_ms=200")
    f.wait_started(2)
    f.signal(signal.SIGTERM)
    assert f.wait_end() == 0
    assert len(f.wait_log("child.overdue", 2)) == 2
    assert f.said(r"drained .*") == []


def test_a_second_signal_kills_at_once(family):
    f = family("children=2", "stubborn=1", "drain_ms=600000")
    f.wait_started(2)
    f.signal(signal.SIGTERM)
    f.wait_log("parent.drain")
    f.signal(signal.SIGINT)
    assert f.wait_end() == 0
    f.wait_log("parent.kill")


def test_a_reload_under_load_drops_nothing(family):
    """Clients connect without pause while all children are replaced, twice: each one is answered."""
    f = family("children=2")
    f.wait_started(2)
    stop, errors, seen = threading.Event(), [], set()

    def load(keep):
        while not stop.is_set():
            try:
                seen.update(f.ask_often() if keep else [f.ask()])
            except Exception as e:  # whatever it is, a visitor has seen it
                errors.append(repr(e))

    clients = [threading.Thread(target=load, args=(keep,)) for keep in (False, False, True, True)]
    for c in clients:
        c.start()
    for round_ in (1, 2):
        f.signal(signal.SIGHUP)
        f.wait_log("parent.reloaded", round_)
        current = {pid for _, pid, _ in f.started()[-2:]}
        farm.wait_for(lambda: seen & current, "an answer of a new child")
    stop.set()
    for c in clients:
        c.join()
    assert errors == []
    children = f.started()
    assert [slot for slot, _, _ in children[2:]] == [0, 1, 0, 1]
    farm.wait_for(lambda: len(f.said(r"drained .*")) == 4, "the end of the old ones")
    assert f.said(r"told .*") == []
    f.signal(signal.SIGTERM)
    assert f.wait_end() == 0


def test_a_reload_keeps_the_old_when_the_new_cannot_start(family, tmp_path):
    bad = tmp_path / "bad"
    f = family("children=2", f"bad={bad}")
    children = f.wait_started(2)
    bad.touch()
    f.signal(signal.SIGHUP)
    f.wait_log("parent.reload_failed")
    assert f.ask() in [pid for _, pid, _ in children]
    bad.unlink()
    f.signal(signal.SIGHUP)
    f.wait_log("parent.reloaded")
    assert len(f.wait_started(4)) == 4


def test_bad_settings_end_the_parent(family, tmp_path):
    bad = tmp_path / "bad"
    bad.touch()
    f = family("children=2", f"bad={bad}")
    assert f.wait_end() == 2
    assert f.started() == []


def test_bad_settings_of_a_replacement_leave_those_who_serve(family, tmp_path):
    bad = tmp_path / "bad"
    f = family("children=2", f"bad={bad}")
    children = f.wait_started(2)
    bad.touch()
    os.kill(children[0][1], signal.SIGKILL)
    f.wait_log("child.end", 4)  # the killed one, and three that could not start
    assert f.ask() == children[1][1]
    bad.unlink()
    assert f.wait_started(3)[2][0] == children[0][0]


def test_children_end_when_their_parent_is_gone(family):
    f = family("children=3")
    children = f.wait_started(3)
    f.process.kill()
    f.wait_end()
    assert sorted(f.said(r"orphaned (\d+)")) == sorted(str(pid) for _, pid, _ in children)
    assert len(f.said(r"drained .*")) == 3


def test_children_inherit_what_they_were_given_and_nothing_else(family):
    """The listening socket and the control pipe; no end of a sibling's pipe, which would hide its end of file."""
    f = family("children=3")
    children = f.wait_started(3)
    os.kill(children[2][1], signal.SIGKILL)  # the replacement is forked when all other pipes exist
    _, pid, _ = f.wait_started(4)[3]
    links = {int(fd.name): os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    sockets = [link for link in links.values() if link.startswith("socket:")]
    environ = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    assert b"TRACEPOOL_PROC_SLOT=" in environ  # as it was at exec; the program itself has removed it
    assert len(set(sockets)) <= 4  # listener, control, and libuv's own signal pipe if it is a socket pair
    assert pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "proc_parent"


def test_entries_typed_by_hand_make_no_child(family, monkeypatch):
    for key, value in dict(SLOT="0", INCARNATION="x.1.2", CONTROL="0", FDS="").items():
        monkeypatch.setenv(f"TRACEPOOL_PROC_{key}", value)
    f = family("children=1")
    (_, pid, name), = f.wait_started(1)
    assert pid != f.pid and is_own(name, pid)
