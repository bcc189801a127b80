"""Worlds that end by nothing but a deadline: what hangs, drips or goes on for ever, each behind a first hop that answers.

    with web.Web([slow.write(folder)]) as site: tracing slow.START through site.proxy(name) ends as a timeout
"""
import json

START = "http://a.test/"
HTML = [["Content-Type", "text/html"]]
STEPS, PAUSE_MS = 19, 400  # fewer steps than a browser follows in one go, and more time than any test gives


def page(body, **more):
    return {"status": 200, "headers": HTML, "body": f"<!doctype html><title>slow</title>{body}", **more}


def script(text, **more):
    return page(f"<script>{text}</script>", **more)


def redirect(url, **more):
    return {"status": 302, "headers": [["Location", url]], "body": "", **more}


def steps(make):
    """/1 leads to /2, that to /3 and so on, after a pause each time."""
    return {f"{START}{i}": make(f"/{i + 1}", delay_ms=PAUSE_MS) for i in range(1, STEPS)}


def behind(answer):
    return {START + "1": answer}


# For both modes; those of a browser alone are what a script can do.
ANYWHERE = {"hanging": behind(page("", delay_ms=600000)),
            "dripping": behind(page("x" * 5000, drip_ms=50)),
            "redirecting": steps(redirect)}
BY_SCRIPT = {"busy": behind(script("for (;;);")),
             "asking": behind(script("for (;;) alert('again')")),
             "moving": steps(lambda url, **more: script(f"location = '{url}'", **more))}


def write(folder):
    for name, responses in {**ANYWHERE, **BY_SCRIPT}.items():
        world = {"id": name, "responses": {START: redirect("/1"), **responses}}
        (folder / f"{name}.json").write_text(json.dumps(world))
    return folder
