"""What the programs of tests/torture are given to do, the other side of it on loopback, and what must be true of it afterwards.

A task has `arguments(folder)`, `talk(process, key)`, which returns all that was said, and `judge(key, said)`: None, or what is wrong.
The key is in every URL of a run, so that runs side by side are told apart. One call failed, and all others around are well: so no answer may blame a proxy or a target, whatever
was given must come to an end, and nothing may arrive that was not asked for or more often than it may.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal

from sink import Sink
from stage import PAGE, Stage, redirect

HERE = pathlib.Path(__file__).resolve().parent
SECRET = "sesame-of-the-proxy"
ALLOWED, OTHER = "127.0.0.1", "127.0.0.2"


def objects(said):
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def unlike(what, found, expected):
    return None if found == expected else f"{what}: {found} instead of {expected}"


def blamed(error, innocent=("proxy", "target")):
    """One of those who have done nothing."""
    return error and error.get("blame") in innocent and f"blames the {error['blame']}: {error['code']} {error['detail']}"


def judge_traces(said, names, of, ends, innocent):
    """Each has one result: it ended where it should, or its error is nobody's who is innocent."""
    results = objects(said)
    if wrong := unlike("results", sorted(each[of] for each in results), sorted(names)):
        return wrong
    for each in results:
        result = each["result"]
        if wrong := blamed(result["error"], innocent):
            return wrong
        if result["outcome"] == "ok" and not result["final_url"].startswith(ends[each[of]]):
            return f"{each[of]} ended at {result['final_url']}"
    return None


class Task:
    def arguments(self, _):
        return []

    def lines(self, key):
        return ""

    def talk(self, process, key):
        return process.communicate(self.lines(key))[0]


class Web(Task):
    """Pages behind a proxy and without, for tracer and browser."""

    def __init__(self, web, proxy):
        self.proxy = proxy
        proxy.add("http://go.test/", redirect("http://shop.test/", 302))
        proxy.add("http://shop.test/", PAGE)
        tunnel = {**PAGE, "headers": [*PAGE["headers"], ["X-Tunnel", f"{ALLOWED}:{web.port}"]]}
        self.direct = web.add(f"http://{ALLOWED}:{web.port}/", tunnel)
        web.add(f"http://{ALLOWED}:{web.port}/tunnel", PAGE)
        self.ends = [self.direct, "http://shop.test/"]


class Tracer(Web):
    def arguments(self, _):
        return ["--allow-private", "--timeout-ms", "5000"]

    def lines(self, _):
        return f"- {self.direct}\nhttp://user:{SECRET}@{ALLOWED}:{self.proxy.port} http://go.test/\n"

    def judge(self, _, said):
        return judge_traces(said, range(2), "line", self.ends, ("proxy", "target"))


class Browser(Web):
    """browser_client.c with the stand-in for Chromium: launcher, protocol and relay are real."""

    def arguments(self, folder):
        """The launcher makes an authority known with certutil: that it is asked is all that is wanted here, and that takes no time."""
        authorities = folder / "ca.pem"
        authorities.write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        for name in ("chromium", "certutil"):
            shutil.copy(HERE / "stand-ins" / name, folder)
        return ["--program", folder / "chromium", "--ca", authorities]

    def lines(self, _):
        common = {"allow_private": True, "timeout_ms": 4000}
        proxy = {"scheme": "http", "host": ALLOWED, "port": self.proxy.port, "user": "user", "password": SECRET}
        return "".join(json.dumps(line) + "\n" for line in (
            {"id": 0, "url": self.direct, **common}, {"id": 1, "url": "http://go.test/", "proxy": proxy, **common}))

    def judge(self, _, said):
        # Of a connection that is closed on it Chromium does not know by whom.
        return judge_traces(said, range(2), "id", self.ends, ("proxy",))


VAST = """<VAST version="3.0"><Ad id="a"><InLine><AdSystem>s</AdSystem><AdTitle>t</AdTitle><Impression>http://i.test/</Impression>
<Creatives><Creative><Linear><Duration>00:00:10</Duration><MediaFiles><MediaFile delivery="progressive" type="video/mp4" width="1"
height="1">http://m.test/v.mp4</MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>"""


def wrapper(url):
    return (f'<VAST version="3.0"><Ad id="w"><Wrapper><AdSystem>s</AdSystem><VASTAdTagURI><![CDATA[{url}]]></VASTAdTagURI>'
            "<Impression>http://w.test/</Impression></Wrapper></Ad></VAST>")


def xml(text):
    return {"status": 200, "headers": [["Content-Type", "application/xml"]], "body": text}


class Fetch(Task):
    """Wrapper chains through a proxy with credentials, and one without a proxy."""

    def __init__(self, web, proxy):
        self.web, self.proxy = web, proxy
        self.tag = web.add(f"http://{ALLOWED}:{web.port}/tag", redirect("/wrapper", 302))
        web.add(f"http://{ALLOWED}:{web.port}/wrapper", xml(wrapper(f"http://{ALLOWED}:{web.port}/ad?r=[CACHEBUSTING]")))
        web.add(f"http://{ALLOWED}:{web.port}/ad", xml(VAST))
        proxy.add("http://ads.test/tag", redirect("http://ads.test/wrapper", 302))
        proxy.add("http://ads.test/wrapper", xml(wrapper("http://ads.test/ad")))
        proxy.add("http://ads.test/ad", xml(VAST))

    def lines(self, _):
        return f"- {self.tag}\nhttp://user:{SECRET}@{ALLOWED}:{self.proxy.port} http://ads.test/tag\n- {self.tag}\n"

    def judge(self, _, said):
        found = objects(said)
        if wrong := unlike("lines", sorted(each["line"] for each in found), [0, 1, 2]):
            return wrong
        for each in found:
            for hop in each["hops"]:
                if wrong := blamed({**hop, "code": hop["error"]}):
                    return wrong
            if each["ads"] != 1 and "error" not in each and all(hop["error"] == "ok" for hop in each["hops"]):
                return f"line {each['line']}: {each['ads']} ads, and nothing that explains it"
        return None


class Tracking(Task):
    """Beacons of both kinds. The sink says what arrived, the program what it believes."""

    def __init__(self, sink):
        self.sink = sink
        self.events = [
            ("billing", ALLOWED, "/ok?", "tracked"),
            ("plain", ALLOWED, "/ok?", "tracked"),
            ("plain", ALLOWED, "/once-close?", "tracked"),
            ("plain", ALLOWED, "/once-reset?", "tracked"),
            ("plain", ALLOWED, "/status/503/1?", "tracked"),
            ("billing", ALLOWED, "/status/503?", "failed"),
            ("billing", ALLOWED, "/half?", "unknown"),
            ("billing", OTHER, "/ok?", "blocked"),
            ("plain", ALLOWED, f"/to?u={sink.url(OTHER, '/ok')}&", "blocked"),
            ("billing", ALLOWED, "/to?u=/ok&", "tracked"),
        ]

    def arguments(self, _):
        return [ALLOWED]

    def lines(self, key):
        return "".join(f"{kind} {self.sink.url(host, path)}key={key}-{n}.\n" for n, (kind, host, path, _) in enumerate(self.events))

    def judge(self, key, said):
        states = dict(re.findall(r"^(\d+) (\w+)$", said, re.M))
        if wrong := unlike("events", len(states), len(self.events)):
            return wrong
        for n, (kind, _, path, _) in enumerate(self.events):
            hits, state = len(self.sink.hits(f"key={key}-{n}.", ALLOWED)), states[str(n)]
            told = f"{kind} {path} is {state} and arrived {hits} times"
            if kind == "billing" and (hits > 1 or (hits == 1 and state not in ("tracked", "unknown", "failed"))):
                return told
            if hits == 0 and state == "tracked" or state in ("pending", "claimed", "sending"):
                return told
            if path == "/ok?" and hits and state == "failed":
                return told
        return unlike("requests to a host that is not allowed", len(self.sink.hits(host=OTHER)), 0)


class Family(Task):
    """A parent and two children (common/proc): one is killed, another takes its place, and all are told to end."""

    def arguments(self, folder):
        return ["children=2", "drain_ms=5000", f"folder={folder}"]   # by which its processes are known

    def talk(self, process, _):
        said, ready, is_told = "", 0, False
        for line in iter(process.stdout.readline, ""):
            said += line
            if not (found := re.match(r"ready \d+ (\d+) ", line)):
                continue
            ready += 1
            if ready == 2:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(found[1]), signal.SIGKILL)
            elif ready > 2 and not is_told:
                is_told = True
                process.terminate()
        return said

    def judge(self, _, said):
        return None if re.search(r"^drained ", said, re.M) else "no child was told to end"


@contextlib.contextmanager
def tasks():
    """The task of each program, by its name."""
    with Stage() as web, Stage(auth=("user", SECRET)) as proxy, Stage() as ads, Sink([ALLOWED, OTHER]) as sink:
        yield {"torture_tracer": Tracer(web, proxy), "torture_browser": Browser(web, proxy), "torture_fetch": Fetch(ads, proxy),
               "torture_tracking": Tracking(sink), "torture_proc": Family()}
