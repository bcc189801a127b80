#!/usr/bin/python3
"""Everything that a trace can reach, and a ledger of who came: targets, ad server, trackers, and traps.

    world.py LEDGER        listens on port 80 of every address there is; prints `ready`, serves until SIGTERM

It runs in a network namespace in which every address is ours (netspace.py). WEB is the targets and the ad server, TRACKER a host with
an entry in tracking_allowed_hosts, FOREIGN one without; every other address is a trap: nothing may ever reach it. A line
of the ledger is a JSON object with "what": visit, beacon or trapped, and is written before the answer.

What a target does is the first part of its path; cid in the query is the click:

    /ok /chain /js /meta    lead to /end, a page            /loop      leads to itself
    /hang                   never answers                   /drip      a byte now and then
    /reset                  closes without an answer        /bomb      gzip that unpacks to 64 MiB
    /heads                  header lines without end        /ill       500
    /inside                 leads to a private address      /wrap /tag VAST
"""
import asyncio
import contextlib
import gzip
import json
import signal
import sys
import time
import urllib.parse
import zlib

WEB, TRACKER, FOREIGN = "93.184.215.14", "93.184.215.20", "93.184.215.30"
PRIVATE = ("169.254.169.254", "10.1.2.3", "192.168.7.7", "100.64.1.1")
BOMB = gzip.compress(bytes(64 << 20), 9)
HEAD_MAX, PATIENCE_S = 1 << 16, 120
PAGE = "<!doctype html><title>shop</title><p>Thank you for your order, it is on its way to you now.</p>"
conversations = set()
EVENTS = ("start", "creativeView", "firstQuartile", "midpoint", "thirdQuartile", "complete")


def inline(cid):
    """An ad of one second: trackers at the host with an entry, at the one without, and at a private address that has one too."""
    def at(host, event):
        return f"<![CDATA[http://{host}/b?cid={cid}&e={event}]]>"
    tracking = "".join(f'<Tracking event="{event}">{at(TRACKER, event)}</Tracking>' for event in EVENTS)
    return (f'<VAST version="4.2"><Ad id="a"><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle>'
            f'<Impression>{at(TRACKER, "impression")}</Impression><Impression>{at(FOREIGN, "impression")}</Impression>'
            f'<Impression>{at(PRIVATE[1], "impression")}</Impression><Creatives><Creative id="c"><Linear>'
            f'<Duration>00:00:01</Duration><TrackingEvents>{tracking}<Tracking event="start">{at(FOREIGN, "start")}</Tracking>'
            '</TrackingEvents><MediaFiles><MediaFile delivery="progressive" type="video/mp4" width="1" height="1">'
            '<![CDATA[http://media.test/m.mp4]]></MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>')


def wrapper(cid):
    return (f'<VAST version="4.2"><Ad id="w"><Wrapper><AdSystem>w</AdSystem><Impression>'
            f'<![CDATA[http://{TRACKER}/b?cid={cid}&e=wrapper-impression]]></Impression>'
            f'<VASTAdTagURI><![CDATA[http://ads.test/tag?cid={cid}]]></VASTAdTagURI></Wrapper></Ad></VAST>')


def page(body, kind="text/html"):
    return 200, [("Content-Type", kind)], body.encode()


def leads(where, status=302):
    return status, [("Location", where)], b""


def target(path, cid):
    """(status, headers, body) of a target that simply answers; None for one that does not."""
    end = f"http://shop.test/end?cid={cid}"
    simple = {
        "/ok": lambda: leads(end),
        "/chain": lambda: leads(f"http://mid.test/meta?cid={cid}", 301),
        "/meta": lambda: page(f'<!doctype html><meta http-equiv="refresh" content="0; url={end}">{PAGE}'),
        "/js": lambda: page(f"<!doctype html><title>js</title><script>location.replace('{end}')</script>"),
        "/loop": lambda: leads(f"http://go.test/loop?cid={cid}"),
        "/inside": lambda: leads(f"http://{PRIVATE[zlib.crc32(cid.encode()) % len(PRIVATE)]}/latest?cid={cid}"),
        "/bomb": lambda: (200, [("Content-Type", "text/html"), ("Content-Encoding", "gzip")], BOMB),
        "/ill": lambda: (500, [("Content-Type", "text/html")], PAGE.encode()),
        "/tag": lambda: page(inline(cid), "application/xml"),
        "/wrap": lambda: page(wrapper(cid), "application/xml"),
        "/end": lambda: page(PAGE),
    }
    return simple[path]() if path in simple else None


class World:
    def __init__(self, ledger):
        self.ledger = ledger

    def note(self, what, **more):
        self.ledger.write(json.dumps({"what": what, "at": time.time(), **more}) + "\n")
        self.ledger.flush()

    async def serve(self, reader, writer):
        keep(asyncio.current_task())
        here, peer = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, OSError, ValueError):
            if here not in (WEB, TRACKER, FOREIGN):
                self.note("trapped", address=here, peer=peer, text=(await reader.read(200)).decode("latin-1"))
            else:
                while await self.answer(here, peer, reader, writer):
                    pass
        writer.close()

    async def answer(self, here, peer, reader, writer):
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode("latin-1")
        url = urllib.parse.urlsplit(head.split(" ", 2)[1])
        query = dict(urllib.parse.parse_qsl(url.query))
        cid = query.get("cid", "")
        if here != WEB:
            return await self.beacon(here, cid, query.get("e", ""), writer)
        self.note("visit", cid=cid, path=url.path, peer=peer)
        made = target(url.path, cid)
        if made is None:
            return await self.misbehave(url.path, writer)
        return await send(writer, *made)

    async def beacon(self, here, cid, event, writer):
        """A tracker is at times ill, slow or rude: which of them, the click decides."""
        mood = zlib.crc32(f"{cid} {event}".encode()) % 40
        self.note("beacon", cid=cid, event=event, host=here, answer={0: "reset", 1: "hang", 2: "503", 3: "503"}.get(mood, "204"))
        if mood == 0:
            return False
        if mood == 1:
            await asyncio.sleep(PATIENCE_S)
            return False
        return await send(writer, 503 if mood < 4 else 204, [], b"")

    async def misbehave(self, path, writer):
        if path == "/hang":
            await asyncio.sleep(PATIENCE_S)
        elif path == "/drip":
            writer.write(b"HTTP/1.1 200 Slow\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n")
            await trickle(writer, b"x", 0.3)
        elif path == "/heads":
            writer.write(b"HTTP/1.1 200 Much\r\n")
            await trickle(writer, b"X-More: " + b"y" * 8000 + b"\r\n", 0.001)
        elif path != "/reset":
            return await send(writer, 404, [], b"")
        return False


def keep(task):
    """The loop itself would let a task go that nobody else knows."""
    conversations.add(task)
    task.add_done_callback(conversations.discard)


async def trickle(writer, piece, pause_s):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not writer.is_closing():
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause_s)


async def send(writer, status, headers, body):
    lines = [f"HTTP/1.1 {status} Scripted"] + [f"{name}: {value}" for name, value in headers]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    return True


async def main():
    with open(sys.argv[1], "a", encoding="utf-8") as ledger:
        world = World(ledger)
        server = await asyncio.start_server(world.serve, "0.0.0.0", 80, limit=HEAD_MAX, backlog=1024)
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
        print("ready", flush=True)
        await done.wait()
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
