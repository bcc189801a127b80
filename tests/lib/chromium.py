"""A real Chromium for scenario tests, through playwright-core (tests/scenario/browser/).

    with Page() as page:
        page.goto(url); page.fill("input", "text"); page.click("button")      any method of playwright's Page
        page.see("main", "words")                                              waits until an element has that text
        page.shot("name")                                                      build-tests/screens/name.png

The packages are pinned in tests/scenario/browser/package.json and are installed once, below build-tests/. Node and
Chromium refuse nothing that they need as an unprivileged user: started as root, both run as `nobody`, from a folder of
their own in /tmp, and Chromium keeps its sandbox.
"""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from cluster import UNPRIVILEGED, as_unprivileged
from farm import PATIENCE_S

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "scenario" / "browser"
WORK = ROOT / "build-tests"
SCREENS = WORK / "screens"


def find_chromium():
    for name in ("chromium-headless-shell", "chromium", "google-chrome"):
        path = shutil.which(name, path="/usr/bin:/usr/local/bin")
        if path:
            return path
    raise FileNotFoundError("no Chromium: deploy/install-packages browser")


def installed():
    """The folder that has node_modules; npm fetches into it when package.json is another one than last time."""
    folder = WORK / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    wanted, have = HERE / "package.json", folder / "package.json"
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules" / ".package-lock.json").exists() or have.read_bytes() != wanted.read_bytes():
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            shutil.copy(wanted, have)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error"],
                           cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=300)
    return folder


class Page:
    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tracepool-page-", dir="/tmp"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        shutil.copytree(installed() / "node_modules", self.folder / "node_modules")
        shutil.copy(HERE / "package.json", self.folder)
        shutil.copy(HERE / "driver.mjs", self.folder)
        (self.folder / "profile").mkdir()
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "profile"):
                shutil.chown(path, UNPRIVILEGED, "nogroup")
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder), "LANG": "C.UTF-8",
                       "PATIENCE_MS": str(int(PATIENCE_S * 1000))}
        self.process = subprocess.Popen(
            as_unprivileged() + [shutil.which("node"), str(self.folder / "driver.mjs"), find_chromium(), str(self.folder / "profile")],
            cwd=self.folder, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def __exit__(self, *_):
        process = getattr(self, "process", None)
        if process:
            process.stdin.close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, name, *args):
        self.process.stdin.write(json.dumps({"call": name, "args": args}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise AssertionError(f"the browser's driver ended:\n{self.log.read()[-3000:]}")
        answer = json.loads(line)
        assert "error" not in answer, f"{name}{args}: {answer['error']}"
        return answer["value"]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self.call(name, *args)

    def see(self, selector, text):
        """Until an element that fits has that text."""
        self.until("([s, t]) => [...document.querySelectorAll(s)].some((e) => e.textContent.includes(t))", [selector, text])

    def js(self, expression, argument=None):
        return self.evaluate(expression, argument)

    def shot(self, name, full=True):
        SCREENS.mkdir(parents=True, exist_ok=True)
        path = self.folder / "profile" / "shot.png"
        self.screenshot({"path": str(path), "fullPage": full})
        shutil.copy(path, SCREENS / f"{name}.png")
