#!/usr/bin/python3
"""A scripted web: a forward proxy that is also every origin behind it.

    web.py [--listen ADDRESS] [--port N] [--log FILE] DIR_OR_FILE...   serves until SIGTERM; prints its port

It answers from scenario files (tests/scenario/worlds/*.json; the format is in tests/scenario/worlds/README.md).
A client picks the scenario by proxy user name (= its id, any password); one that sends no credentials, such as
another proxy whose upstream this is, gets the scenario that the URL's host or the URL itself belongs to. Names are
never resolved: nothing leaves the machine.

    GET  http://scenario.invalid/log       the requests so far, as JSON: id, method, url, peer, headers, body
    GET  http://scenario.invalid/reset     the same, and forgets them
    POST http://scenario.invalid/add       {"url", "response"}: one more answer, for clients without credentials

`peer` is the address that the request came from, which is how an exit address becomes visible. --log appends each
request to a file too, one JSON object a line.

As a module:

    with Web([WORLDS]) as web:
        web.port, web.proxy("scenario-id"), web.add(url, response), web.log(), web.reset()
"""
import argparse
import asyncio
import base64
import contextlib
import gzip
import json
import pathlib
import subprocess
import sys
import urllib.parse
import urllib.request
import zlib

WORLDS = pathlib.Path(__file__).resolve().parents[1] / "scenario" / "worlds"
HEAD_MAX = 1 << 20
CHUNK = 65536


def load(paths):
    """The scenarios of files and folders, by id."""
    scenarios = {}
    for path in map(pathlib.Path, paths):
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            scenario = json.loads(file.read_text(encoding="utf-8"))
            scenarios[scenario["id"]] = scenario
    return scenarios


def bare(method_and_url):
    """The URL of a key of `responses`: "URL" or "POST URL"."""
    return method_and_url.rsplit(" ", 1)[-1]


def without_default_port(url):
    """Some proxies add :80 to what they hand on."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "http" and parts.netloc.endswith(":80"):
        return parts._replace(netloc=parts.netloc[:-3]).geturl()
    return url


class Request:
    def __init__(self, method, url, headers, body, peer):
        self.method, self.url, self.headers, self.body, self.peer = method, url, headers, body, peer

    @property
    def user(self):
        """The proxy user's name, or None without credentials."""
        kind, _, value = self.headers.get("proxy-authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        return base64.b64decode(value).decode("utf-8", "replace").split(":")[0]

    def has_cookie(self, wanted):
        return wanted in [part.strip() for part in self.headers.get("cookie", "").split(";")]


class Server:
    def __init__(self, scenarios, log_file=None):
        self.scenarios = scenarios
        self.log = []
        self.log_file = log_file
        self.by_url, self.by_host = {}, {}
        self.added = {"id": "added", "responses": {}}
        for scenario in scenarios.values():
            for url in map(bare, scenario["responses"]):
                self.by_url.setdefault(url, scenario)
                self.by_host.setdefault(urllib.parse.urlsplit(url).netloc, scenario)

    def add(self, url, response):
        self.added["responses"][url] = response
        self.by_url[url] = self.by_host[urllib.parse.urlsplit(url).netloc] = self.added

    def scenario_of(self, request):
        """None for a user that is no scenario; without credentials, whoever knows the URL or its host."""
        if request.user is not None:
            return self.scenarios.get(request.user)
        host = urllib.parse.urlsplit(request.url).netloc
        return self.by_url.get(request.url) or self.by_host.get(host) or {"id": None, "responses": {}}

    @staticmethod
    def response_of(scenario, request):
        """The first response whose conditions hold."""
        choices = scenario["responses"].get(f"{request.method} {request.url}")
        if choices is None:
            choices = scenario["responses"].get(request.url, [])
        for choice in choices if isinstance(choices, list) else [choices]:
            name, part = choice.get("if_header", ("", ""))
            if "if_cookie" in choice and not request.has_cookie(choice["if_cookie"]):
                continue
            if part in request.headers.get(name.lower(), ""):
                return choice
        return {"status": 404, "headers": [["Content-Type", "text/plain"]], "body": ""}

    def note(self, scenario, request):
        entry = {"id": scenario["id"], "method": request.method, "url": request.url, "peer": request.peer,
                 "headers": {k: v for k, v in request.headers.items() if k != "proxy-authorization"},
                 "body": request.body.decode("latin-1")}
        self.log.append(entry)
        if self.log_file:
            self.log_file.write(json.dumps(entry) + "\n")
            self.log_file.flush()

    def control(self, path, request):
        body = json.dumps(self.log).encode()
        if path == "/reset":
            self.log.clear()
        elif path == "/add":
            self.add(**json.loads(request.body))
        return body

    async def answer(self, request, writer):
        """False when the connection is to be closed."""
        url = urllib.parse.urlsplit(request.url)
        if url.netloc == "scenario.invalid":
            return await send(writer, 200, [["Content-Type", "application/json"]], self.control(url.path, request))
        scenario = self.scenario_of(request)
        if scenario is None:
            return await send(writer, 407, [["Proxy-Authenticate", 'Basic realm="scenario"']], b"")
        self.note(scenario, request)
        if request.method == "CONNECT":
            return await send(writer, 403, [], b"")
        return await self.play(self.response_of(scenario, request), request, writer)

    async def play(self, response, request, writer):
        await asyncio.sleep(response.get("delay_ms", 0) / 1000)
        if response.get("drop"):
            return False
        body = response.get("body", "").encode(response.get("body_charset", "utf-8"))
        headers = response.get("headers", [])
        for name, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            if response.get(name):
                body = pack(body * response.get("repeat", 1))
                headers = headers + [["Content-Encoding", name]]
                return await send(writer, response["status"], headers, body, request.method)
        return await send(writer, response["status"], headers, body, request.method, response)


async def send(writer, status, headers, body, method="GET", extras=None):
    extras = extras or {}
    times = extras.get("repeat", 1)
    lines = [f"HTTP/1.1 {status} Scripted\r\n".encode()]
    lines += [name.encode() + b": " + value.encode("utf-8") + b"\r\n" for name, value in headers]
    missing = 1000 if extras.get("truncate") else 0
    lines.append(b"Content-Length: %d\r\n\r\n" % (len(body) * times + missing))
    writer.write(b"".join(lines))
    if method != "HEAD":
        if extras.get("drip_ms"):
            await drip(writer, body, extras["drip_ms"])
        else:
            await repeat(writer, body, times)
    await writer.drain()
    return not extras.get("truncate")


async def repeat(writer, body, times):
    """body, so many times, in pieces that the client's reading paces."""
    if not body:
        return
    per_chunk = max(1, CHUNK // len(body))
    while times > 0:
        writer.write(body * min(per_chunk, times))
        times -= per_chunk
        await writer.drain()


async def drip(writer, body, pause_ms):
    for i in range(len(body)):
        writer.write(body[i:i + 1])
        await writer.drain()
        await asyncio.sleep(pause_ms / 1000)


async def read_request(reader, peer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, url, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if url.startswith("/"):
        url = "http://" + headers.get("host", "") + url
    url = without_default_port(url)
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    return Request(method, url, headers, body, peer)


async def converse(server, reader, writer):
    peer = writer.get_extra_info("peername")[0]
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        is_open = True
        while is_open:
            request = await read_request(reader, peer)
            # tinyproxy asks for this, and passes on unread whatever comes on a connection that stays.
            wants_close = request.headers.get("connection", "").lower() == "close"
            is_open = await server.answer(request, writer) and not wants_close
    writer.close()


async def serve(server, address, port):
    listener = await asyncio.start_server(lambda r, w: converse(server, r, w), address, port, limit=HEAD_MAX)
    print(listener.sockets[0].getsockname()[1], flush=True)
    async with listener:
        await listener.serve_forever()


class Web:
    """A scripted web in a process of its own."""

    def __init__(self, paths=(), log=None):
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__, "--port", "0"]
        command += ["--log", str(log)] if log else []
        self.process = subprocess.Popen(command + [str(path) for path in paths], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def proxy(self, user=None):
        return f"http://{user}:secret-{user}@127.0.0.1:{self.port}" if user else f"http://127.0.0.1:{self.port}"

    def _ask(self, path, data=None):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": self.proxy()}))
        with opener.open("http://scenario.invalid" + path, data, timeout=10) as answer:
            return json.load(answer)

    def add(self, url, response):
        """One more answer, or a list of answers with conditions, for clients without credentials."""
        self._ask("/add", json.dumps({"url": url, "response": response}).encode())

    def log(self):
        return self._ask("/log")

    def reset(self):
        return self._ask("/reset")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1", help="127.0.0.1 unless named")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--log", help="append every request to this file, one JSON object a line")
    parser.add_argument("scenarios", nargs="*", metavar="DIR_OR_FILE")
    args = parser.parse_args()
    with open(args.log, "a", encoding="utf-8") if args.log else contextlib.nullcontext() as log_file:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(Server(load(args.scenarios), log_file), args.listen, args.port))


if __name__ == "__main__":
    main()
