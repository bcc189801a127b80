#!/usr/bin/python3
"""A network of its own in which every address answers: whatever is connected to is seen, however it was spelled.

    unshare --net --mount [--user --map-root-user] private_world.py < PLAN > REPORT      (see run())

PLAN     {"pages":   {path: {"status", "headers": [[name, value], ...], "body", "delay_ms"}},
          "names":   {name: {"A": [[address, ...], ...], "AAAA": [...]}},    the n-th question gets the n-th list, then the last;
                                                                             "cname:NAME" in a list: an alias before what follows
          "ports":   [port, ...],
          "jobs":    [{"words": [program, argument, ...], "input": text}, ...],
          "at_once": n}
REPORT   {"jobs": [{"code", "out", "complaints"}, ...], "requests": [{"address", "path"}, ...],
          "trapped": [{"address", "port", "bytes"}, ...], "questions": [[name, type], ...]}

PUBLIC_4 and PUBLIC_6 are the only addresses of the internet that exist here: they serve the pages. Any other is a trap. Names are
answered by a DNS server on 127.0.0.1, and /etc/resolv.conf, in this mount namespace alone, points to it.
"""
import concurrent.futures
import contextlib
import functools
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PUBLIC_4, PUBLIC_6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
TYPES = {1: "A", 28: "AAAA"}
SETUP = ("ip link set lo up", "ip route add local default dev lo")


@functools.cache
def unshare():
    """The command that makes the namespaces: root's own, or those of a user namespace, which Chromium's sandbox needs as well."""
    probe = " && ".join([*SETUP, "mount --bind /dev/null /etc/resolv.conf"])
    for more in [[]] * (os.geteuid() == 0) + [["--user", "--map-root-user"]]:
        words = ["unshare", "--net", "--mount", *more]
        tried = subprocess.run(words + ["sh", "-c", probe], capture_output=True, text=True)
        if tried.returncode == 0:
            return words
    raise AssertionError(f"no network namespace can be made here, so the address guard can't be proven: {tried.stderr.strip()}")


def unprivileged(words):
    """For a job that must not be root, where root has no other users: in a user namespace."""
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", *words] if "--user" in unshare() else words


def run(plan):
    """The report of a plan, played in namespaces of its own."""
    done = subprocess.run([*unshare(), "/usr/bin/python3", __file__], input=json.dumps(plan), text=True, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- inside -----------------------------------------------------------------------------------------------


class World:
    def __init__(self, plan):
        self.plan = plan
        self.requests, self.trapped, self.questions = [], [], []
        self.asked = {}

    def accept(self, listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        address, port = connection.getsockname()[:2]
        with contextlib.suppress(OSError), connection:
            if address in (PUBLIC_4, PUBLIC_6):
                while self.answer(connection, address):
                    pass
                return
            entry = {"address": address, "port": port, "bytes": 0}
            self.trapped.append(entry)
            while data := connection.recv(65536):
                entry["bytes"] += len(data)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ntrapped")

    def answer(self, connection, address):
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return False
            head += data
        path = head.split(b" ", 2)[1].decode("latin-1")
        self.requests.append({"address": address, "path": path})
        page = self.plan["pages"].get(path, {"status": 200, "headers": [], "body": "a page"})
        time.sleep(page.get("delay_ms", 0) / 1000)
        body = page.get("body", "").encode()
        lines = [f"HTTP/1.1 {page['status']} Scripted"] + [f"{name}: {value}" for name, value in page["headers"]]
        connection.sendall("\r\n".join(lines + [f"Content-Length: {len(body)}", "", ""]).encode() + body)
        return ["Connection", "close"] not in page["headers"]

    def resolve(self, server):
        while True:
            question, client = server.recvfrom(4096)
            with contextlib.suppress(IndexError, struct.error):
                server.sendto(self.resolved(question), client)

    def resolved(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        name, kind = ".".join(labels).lower(), TYPES.get(struct.unpack(">H", packet[at + 1:at + 3])[0])
        self.questions.append([name, kind])
        lists = self.plan["names"].get(name, {}).get(kind, [[]])
        turn = self.asked[name, kind] = self.asked.get((name, kind), -1) + 1
        records = [record_of(item) for item in lists[min(turn, len(lists) - 1)]]
        is_known = name in self.plan["names"]
        head = packet[:2] + struct.pack(">HHHHH", 0x8180 if is_known else 0x8183, 1, len(records), 0, 0)
        return head + packet[12:at + 5] + b"".join(join(records))


def record_of(item):
    if item.startswith("cname:"):
        labels = item[len("cname:"):].split(".")
        return 5, b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    address = ipaddress.ip_address(item)
    return (1 if address.version == 4 else 28), address.packed


def join(records):
    """Resource records; each belongs to the name of the alias before it. Nothing may be cached."""
    owner = b"\xc0\x0c"
    for kind, data in records:
        yield owner + struct.pack(">HHIH", kind, 1, 0, len(data)) + data
        owner = data if kind == 5 else owner


def listen(family, address, port):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(200)
    return listener


def set_up():
    for command in SETUP:
        subprocess.run(command.split(), check=True)
    subprocess.run("ip -6 route add local default dev lo".split(), stderr=subprocess.DEVNULL)  # where there is IPv6
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as resolver:
        resolver.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    os.chmod(resolver.name, 0o644)
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    return resolver.name


def do(job):
    done = subprocess.run(job["words"], input=job.get("input", ""), text=True, capture_output=True, timeout=600)
    return {"code": done.returncode, "out": done.stdout, "complaints": done.stderr}


def main():
    plan = json.load(sys.stdin)
    os.unlink(set_up())
    world = World(plan)
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.1", 53))
    threading.Thread(target=world.resolve, args=(dns,), daemon=True).start()
    for port in plan["ports"]:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with contextlib.suppress(OSError):
                threading.Thread(target=world.accept, args=(listen(family, address, port),), daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(plan["at_once"]) as pool:
        jobs = list(pool.map(do, plan["jobs"]))
    print(json.dumps({"jobs": jobs, "requests": world.requests, "trapped": world.trapped, "questions": world.questions}))


if __name__ == "__main__":
    main()
