"""By how much is a trace's deadline overrun? Targets that hang, drip or go on for ever, over HTTP and in a browser.

Eight traces of each target at once, in one tracer or one Chromium, each with a second and a half (a browser has three: it
shares two cores with the pages). What counts is a trace's own time, from its start to its result, beside its limit.
"""
import json
import pathlib
import subprocess
import tempfile

import farm
import slow
import web as web_lib
from tabs import Tabs

AT_ONCE = 8
HTTP_MS, PAGE_MS = 1500, 3000
ALLOWED_MS = 250


def overruns(results, limit_ms):
    """Milliseconds beyond the limit of each; those that ended by anything else are a mistake of this bench."""
    assert {result["outcome"] for result in results} == {"timeout"}, results
    return [result["timing_ms"] - limit_ms for result in results]


def over_http(site, name):
    words = [farm.BUILD / "tests" / "scenario" / "tracer_client", "--at-once", AT_ONCE, "--timeout-ms", HTTP_MS]
    lines = f"{site.proxy(name)} {slow.START}\n" * AT_ONCE
    done = subprocess.run([str(word) for word in words], input=lines, text=True, capture_output=True, check=True)
    return overruns([json.loads(line)["result"] for line in done.stdout.splitlines()], HTTP_MS)


def in_a_browser(tabs, site, name):
    begun = [tabs.begin(slow.START, site.proxy(name), timeout_ms=PAGE_MS) for _ in range(AT_ONCE)]
    return overruns([tabs.result(id) for id in begun], PAGE_MS)


def measure(say, build, quick, with_peers):
    rounds, worst = 1 if quick else 3, {}
    farm.BUILD = build.parents[2]
    subprocess.run(["ninja", "-C", str(farm.BUILD), *(f"tests/scenario/{mode}_client" for mode in ("tracer", "browser"))],
                   check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder, web_lib.Web([slow.write(pathlib.Path(folder))]) as site:
        site.add("http://warm.test/", slow.page("warm"))
        with Tabs("--max-contexts", AT_ONCE) as tabs:
            tabs.trace("http://warm.test/", site.proxy())
            for name in [*slow.ANYWHERE, *slow.BY_SCRIPT]:
                pages = max(max(in_a_browser(tabs, site, name)) for _ in range(rounds))
                http = max(max(over_http(site, name)) for _ in range(rounds)) if name in slow.ANYWHERE else None
                worst.update({f"overrun_browser_{name}_ms": pages, **({f"overrun_http_{name}_ms": http} if http is not None else {})})
                say(f"deadline overrun, {name:12} http {'-' if http is None else http:>4} ms   browser {pages:>4} ms")
    return worst, [(f"no deadline overrun by more than {ALLOWED_MS} ms: {max(worst.values())} ms at most", max(worst.values()) <= ALLOWED_MS)]
