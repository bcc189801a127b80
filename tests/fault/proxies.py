#!/usr/bin/python3
"""A gateway with many users, each with an exit address of its own, that keeps a ledger and misbehaves when told to.

    proxies.py LEDGER PASSWORD_FILE       listens on GATEWAY, PORTS; prints `ready`; serves until stdin ends

A user is an entry of the pool (u0, u1, ...); exit_of(user) is the address that targets see, and port_of(user) where the gateway
serves it: one port for all would have no local ports left to connect from, at some 470 connections a second (each is remembered
for a minute). A line on stdin is a JSON object {"users": [...], "how": HOW, "seconds": S}:

    die       ends the connection in the middle of the answer      drip    a byte a second
    hang      takes the request and never answers                  refuse  407
    lie       answers something else, by turns: no HTTP at all, a page of its own, half an answer, 502

The ledger has a line for each request: who, the click, the exit address, when it came and ended, and `how` it was served.
"""
import asyncio
import base64
import contextlib
import json
import pathlib
import sys
import time
import urllib.parse

from world import WEB, keep, send, trickle

GATEWAY, PORTS = "93.184.216.1", range(7000, 7008)
EXITS = "93.185.{}.{}"
NAMES = ".test"
FOREIGN_PAGE = b"<!doctype html><title>not it</title><p>This page was made by the proxy and by nobody else.</p>"
PATIENCE_S = 120


def exit_of(user):
    number = int(user[1:])
    return EXITS.format(number // 250, 1 + number % 250)


def port_of(user):
    return PORTS[int(user[1:]) % len(PORTS)]


class Gateway:
    def __init__(self, ledger, password):
        self.ledger, self.password = ledger, password
        self.moods, self.lies = {}, 0

    def told(self, line):
        order = json.loads(line)
        until = time.monotonic() + order["seconds"]
        self.moods.update({user: (order["how"], until) for user in order["users"]})

    def mood_of(self, user):
        how, until = self.moods.get(user, ("serve", 0))
        return how if time.monotonic() < until else "serve"

    async def serve(self, reader, writer):
        keep(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            while await self.request(reader, writer):
                pass
        writer.close()

    async def request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, url, _ = head.split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        user = self.user_of(head)
        if user is None or method == "CONNECT":
            return await send(writer, 407 if user is None else 405, [("Proxy-Authenticate", 'Basic realm="gateway"')], b"")
        cid = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query)).get("cid", "")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        entry = {"what": "passage", "user": user, "exit": exit_of(user), "cid": cid, "opened": time.time(), "how": self.mood_of(user)}
        try:
            return await self.treat(entry, user, method, url, head, body, writer)
        finally:
            self.ledger.write(json.dumps({**entry, "closed": time.time()}) + "\n")
            self.ledger.flush()

    def user_of(self, head):
        for line in head.split("\r\n"):
            if line.lower().startswith("proxy-authorization: basic "):
                user, _, password = base64.b64decode(line.split(" ")[2]).decode().partition(":")
                return user if password == self.password else None
        return None

    async def treat(self, entry, user, method, url, head, body, writer):
        how = entry["how"]
        if how == "hang":
            await asyncio.sleep(PATIENCE_S)
            return False
        if how == "refuse":
            return await send(writer, 407, [("Proxy-Authenticate", 'Basic realm="gateway"')], b"")
        if how == "drip":
            writer.write(b"HTTP/1.1 200 Slow\r\nContent-Length: 1000\r\nContent-Type: text/html\r\n\r\n")
            await trickle(writer, b"x", 1)
            return False
        if how == "lie":
            return await self.lie(entry, writer)
        try:
            return await self.forward(how, user, method, url, head, body, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return await send(writer, 502, [("Content-Type", "text/html")], b"")

    async def lie(self, entry, writer):
        self.lies += 1
        entry["how"] = lie = ("lie-noise", "lie-page", "lie-half", "lie-502")[self.lies % 4]
        if lie == "lie-noise":
            writer.write(b"\x00\xffSSH-2.0-not-http\r\n" * 4)
        elif lie == "lie-half":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999\r\n\r\n" + FOREIGN_PAGE)
        else:
            return await send(writer, 200 if lie == "lie-page" else 502, [("Content-Type", "text/html")], FOREIGN_PAGE)
        await writer.drain()
        return False

    async def forward(self, how, user, method, url, head, body, writer):
        """To the target from the user's own address; the answer goes back as it comes. Names are those of this world."""
        parts = urllib.parse.urlsplit(url)
        host = WEB if (parts.hostname or "").endswith(NAMES) else parts.hostname
        there_in, there = await asyncio.open_connection(host, parts.port or 80, local_addr=(exit_of(user), 0))
        with contextlib.closing(there):
            path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            lines = [f"{method} {path} HTTP/1.1", *(line for line in head.split("\r\n")[1:-2] if not line.lower().startswith("proxy-")
                                                      and not line.lower().startswith("connection:")), "Connection: close", "", ""]
            there.write("\r\n".join(lines).encode("latin-1") + body)
            answer = await there_in.readuntil(b"\r\n\r\n")
            if how == "die":
                writer.write(answer[:20])
                await writer.drain()
                return False
            writer.write(answer)
            left = body_length(answer)
            while left > 0:
                data = await there_in.read(min(left, 65536))
                if not data:
                    return False
                left -= len(data)
                writer.write(data)
                await writer.drain()
        return True


def body_length(answer):
    for line in answer.decode("latin-1").lower().split("\r\n"):
        if line.startswith("content-length: "):
            return int(line.split(" ")[1])
    return 0


async def main():
    password = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8").strip()
    with open(sys.argv[1], "a", encoding="utf-8") as ledger:
        gateway = Gateway(ledger, password)
        servers = [await asyncio.start_server(gateway.serve, GATEWAY, port, limit=1 << 22, backlog=1024) for port in PORTS]
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        print("ready", flush=True)
        while line := await orders.readline():
            gateway.told(line)
        for server in servers:
            server.close()


if __name__ == "__main__":
    asyncio.run(main())
