#!/usr/bin/python3
"""Clicks at a steady rate, whatever the edge does (an open loop), each with an id of its own and a line about its answer.

    load.py LEDGER PORT RATE SECONDS SEED

A line of the ledger: {"cid", "kind", "offer", "sent", "ms", "status"}. status is null when no answer came: what became
of such a click is unknown. ms counts from the moment the click was due, so that a server that stands still is seen by
all the clicks it kept waiting. kind: click, head (HEAD), prefetch, or nowhere (an offer that does not exist); only a
click may leave a row. The mix of offers is in OFFERS.
"""
import asyncio
import contextlib
import json
import random
import sys
import time

CONNECTIONS, PATIENCE_S = 64, 10
# offer, out of a thousand clicks; browser traces cost a hundred times more than others, so there are few
OFFERS = (("ok", 800), ("chain", 100), ("js", 4), ("browser", 3), ("loop", 10), ("hang", 2), ("drip", 2), ("reset", 10), ("bomb", 2),
          ("heads", 2), ("ill", 10), ("inside", 15), ("tag", 20), ("wrap", 20))
KINDS = (("click", 970), ("head", 10), ("prefetch", 10), ("nowhere", 10))


def request_of(kind, offer, cid):
    method = "HEAD" if kind == "head" else "GET"
    more = "Sec-Purpose: prefetch\r\n" if kind == "prefetch" else ""
    name = "no-such-offer" if kind == "nowhere" else offer
    return (f"{method} /functions/v1/track-hit-instant?offer={name}&cid={cid}&gclid=gclid-canary-{cid} HTTP/1.1\r\n"
            f"Host: click.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n{more}\r\n").encode()


async def read_answer(reader, is_head):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("content-length: ")[2].partition("\r\n")[0]
    if length and not is_head:
        await reader.readexactly(int(length))
    return int(head.split(" ")[1]), "connection: close" in head


class Load:
    def __init__(self, ledger, port, rate, seconds, seed):
        self.ledger, self.port, self.rate, self.seconds = ledger, port, rate, seconds
        self.rng = random.Random(seed)
        self.run = f"{seed}-{time.time_ns() // 1000000:x}"
        self.idle = []
        self.places = asyncio.Semaphore(CONNECTIONS * 8)

    async def connection(self):
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, kind, offer, cid):
        """The status, or None; a connection that failed is not asked a second time: the click may have arrived."""
        writer = None
        try:
            reader, writer = await self.connection()
            writer.write(request_of(kind, offer, cid))
            status, is_last = await read_answer(reader, kind == "head")
            if not is_last and len(self.idle) < CONNECTIONS:
                self.idle.append((reader, writer))
                writer = None
            return status
        except (OSError, asyncio.IncompleteReadError):
            return None
        finally:
            if writer:
                writer.close()

    async def click(self, due, number):
        kind, = self.rng.choices([k for k, _ in KINDS], [n for _, n in KINDS])
        offer, = self.rng.choices([o for o, _ in OFFERS], [n for _, n in OFFERS])
        cid, sent, status = f"{self.run}-{number}", time.time(), None
        with contextlib.suppress(asyncio.TimeoutError):
            status = await asyncio.wait_for(self.ask(kind, offer, cid), PATIENCE_S)
        self.ledger.write(json.dumps({"what": "click", "cid": cid, "kind": kind, "offer": offer, "sent": sent, "status": status,
                                      "ms": round((time.monotonic() - due) * 1000, 2)}) + "\n")
        self.places.release()

    async def go(self):
        begun, tasks = time.monotonic(), set()
        for number in range(int(self.rate * self.seconds)):
            due = begun + number / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self.places.acquire()
            task = asyncio.ensure_future(self.click(due, number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks)


def main():
    ledger, port, rate, seconds, seed = sys.argv[1:]
    with open(ledger, "a", encoding="utf-8") as file:
        asyncio.run(Load(file, int(port), float(rate), float(seconds), seed).go())


if __name__ == "__main__":
    main()
