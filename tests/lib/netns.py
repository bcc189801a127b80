"""Several hosts on one machine: network namespaces on a switch, whose links can be cut, reset, thinned out and slowed.

    with Net() as net:
        db, edge = net.host("db"), net.host("edge")         10.77.0.1, 10.77.0.2; loopback of their own
        Program([*edge.words, "tracepool-edge", ...])       a command on that host
        with edge.inside(): socket.create_connection(...)   sockets that this thread makes belong to that host
        edge.cut(); edge.mend()                             its cable, both ways
        db.drop(edge); db.reset(edge); db.lose(30, edge)    between two hosts, or for all without a second one
        db.slow(kbit=128)                                   a thin line for what leaves it
        db.heal()                                           all of these but the cable
        db.kill()                                           SIGKILL to everything that runs there

The namespaces have no names, so runs do not meet; they live as long as this process. It takes root, or a user
namespace: rights() gives the words to start a program with so that it may do all this.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

NETWORK = "10.77.0"
CLONE_NEWNET = 0x40000000
CAP_SYS_ADMIN = 21
BURST = "8kb"


def rights():
    """[] for who may make namespaces here; else the words of a user namespace that may, with the same user in it."""
    for line in pathlib.Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1:
            return []
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--net", "sh", "-c", f'{tool("ip")} link set lo up && exec "$@"', "sh"]


def tool(name):
    """nft and tc are not in everybody's PATH."""
    return shutil.which(name) or f"/usr/sbin/{name}"


def call(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr.strip()}"
    return done.stdout


class Namespace:
    """A network and a host name of its own, held by a process that sleeps and that dies with us."""

    def __init__(self, name):
        self.name = name
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", "sh", "-c",
             f'hostname "$0" && {tool("ip")} link set lo up && echo made && exec sleep infinity', name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "made\n", "no network namespace can be made here"
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.identity = os.readlink(self.path)
        self.words = ["nsenter", f"--net={self.path}", f"--uts=/proc/{self.holder.pid}/ns/uts", "--"]

    def call(self, *words, **options):
        return call(*self.words, *words, **options)

    def ip(self, *words):
        return self.call(tool("ip"), *words)

    def pids(self):
        """What runs there, but for the holder and us."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(path / "ns" / "net") == self.identity and int(path.name) not in (self.holder.pid, os.getpid()):
                    found.append(int(path.name))
        return found

    def signal(self, signum):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def kill(self):
        """Everything there, and what it starts meanwhile."""
        while self.pids():
            self.signal(signal.SIGKILL)
            time.sleep(0.01)

    def end(self):
        self.kill()
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class Host(Namespace):
    def __init__(self, net, name, number):
        super().__init__(name)
        self.net, self.address = net, f"{NETWORK}.{number}"
        self.port = f"port{number}"
        net.switch.ip("link", "add", self.port, "type", "veth", "peer", "name", "e0", "netns", self.holder.pid)
        net.switch.ip("link", "set", self.port, "master", "switch", "up")
        self.ip("addr", "add", f"{self.address}/24", "dev", "e0")
        self.ip("link", "set", "e0", "up")

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes meanwhile are that host's; they stay so."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net", "rb") as home, open(self.path, "rb") as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    # faults

    def cut(self):
        self.net.switch.ip("link", "set", self.port, "down")

    def mend(self):
        self.net.switch.ip("link", "set", self.port, "up")

    def rules(self, *lines):
        """nft rules of a table of ours; IN and OUT are its two chains."""
        head = ("add table inet faults; "
                "add chain inet faults in { type filter hook input priority 0; }; "
                "add chain inet faults out { type filter hook output priority 0; }; ")
        text = head + "; ".join(line.replace("IN", "add rule inet faults in").replace("OUT", "add rule inet faults out") for line in lines)
        self.call(tool("nft"), "-f", "-", input=text + "\n")

    def between(self, other, action):
        source, target = (f"ip saddr {other.address} ", f"ip daddr {other.address} ") if other else ('iifname "e0" ', 'oifname "e0" ')
        self.rules(f"IN {source}{action}", f"OUT {target}{action}")

    def drop(self, other=None):
        self.between(other, "drop")

    def reset(self, other=None):
        """Both ends of each connection are told so; new ones are refused."""
        self.between(other, "tcp flags & rst == 0 reject with tcp reset")   # but for the resets themselves

    def lose(self, percent, other=None):
        """Of the packets of each direction."""
        self.between(other, f"numgen random mod 100 < {int(percent)} drop")

    def slow(self, kbit):
        """What leaves this host."""
        self.call(tool("tc"), "qdisc", "replace", "dev", "e0", "root", "tbf", "rate", f"{kbit}kbit", "burst", BURST, "latency", "2s")

    def heal(self):
        self.call(tool("nft"), "-f", "-", input="add table inet faults; delete table inet faults\n")
        subprocess.run([*self.words, tool("tc"), "qdisc", "del", "dev", "e0", "root"], stderr=subprocess.DEVNULL, check=False)


class Net:
    """The switch; its hosts get their addresses in the order in which they are made."""

    def __init__(self):
        self.hosts = []
        self.switch = Namespace("switch")
        self.switch.ip("link", "add", "switch", "type", "bridge")
        self.switch.ip("link", "set", "switch", "up")

    def host(self, name):
        self.hosts.append(Host(self, name, len(self.hosts) + 1))
        return self.hosts[-1]

    def close(self):
        for host in self.hosts:
            host.end()
        self.switch.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
