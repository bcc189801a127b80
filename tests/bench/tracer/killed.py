"""The browser is killed while it traces: how long until the next trace is complete, from the kill on?"""
import statistics
import subprocess
import time

import farm
import web as web_lib
from tabs import Tabs

ALLOWED_MS = 1000
PAGE = {"status": 200, "headers": [["Content-Type", "text/html"]], "body": "<!doctype html><title>shop</title><p>shop</p>"}


def once(tabs, site):
    """Milliseconds; the next trace is begun when the first one's failure is known, as a retry would be."""
    held = tabs.begin("http://held.test/", site.proxy())
    farm.wait_for(lambda: any(entry["url"] == "http://held.test/" for entry in site.log()), "the request")
    site.reset()
    main = [pid for pid, words in tabs.chromium().items() if not any(word.startswith("--type=") for word in words)]
    began = time.monotonic()
    tabs.kill(main)
    failure = tabs.result(held)["error"]
    assert failure["code"] == "browser_died", failure
    assert tabs.trace("http://shop.test/", site.proxy())["outcome"] == "ok"
    return (time.monotonic() - began) * 1000


def measure(say, build, quick, _with_peers):
    farm.BUILD = build.parents[2]
    subprocess.run(["ninja", "-C", str(farm.BUILD), "tests/scenario/browser_client"], check=True, stdout=subprocess.DEVNULL)
    with web_lib.Web([]) as site, Tabs() as tabs:
        site.add("http://held.test/", {**PAGE, "delay_ms": 100000})
        site.add("http://shop.test/", PAGE)
        took = [once(tabs, site) for _ in range(3 if quick else 10)]
    most, median = max(took), statistics.median(took)
    say(f"browser killed, next trace complete after {median:.0f} ms, {most:.0f} ms at most")
    return {"killed_ms": median, "killed_max_ms": most}, [
        (f"browser killed: next trace complete within {ALLOWED_MS} ms: {most:.0f} ms at most", most <= ALLOWED_MS)]
