"""Under systemd: the units of deploy/systemd are sound, sockets are taken over, and the manager hears what it must.

No systemd runs here. Its tools judge the units; its protocols (sd_listen_fds, sd_notify) are spoken by the test.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

import farm
from clicks import ask
from edges import add_offer, wait_rows

UNITS = farm.ROOT / "deploy" / "systemd"
# The worker has to leave Chromium what its sandbox is made of (see its unit).
SCORES = {"edge": 1.2, "monitor": 1.2, "migrate": 1.2, "worker": 2.0}


# --- the units ------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """The units as they are installed, but with the programs of this build."""
    folder = tmp_path_factory.mktemp("units")
    for source in UNITS.iterdir():
        text = source.read_text()
        for program in ("edge", "worker", "monitor"):
            text = text.replace(f"@bindir@/tracepool-{program}", farm.binary(f"tracepool-{program}"))
        text = text.replace("@sysconfdir@", "/etc").replace("@pkgdatadir@", str(farm.ROOT))
        assert "@" not in re.sub(r"@[a-z-]+\b(?!@)", "", text), f"{source.name}: an @word@ that nobody fills in"
        (folder / source.name.removesuffix(".in")).write_text(text)
    return folder


def test_systemd_finds_no_fault_with_the_units(units):
    names = sorted(str(p) for p in units.iterdir() if p.suffix in (".service", ".socket", ".target"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    ours = [line for line in done.stdout.splitlines() if "tracepool" in line]
    assert ours == [] and len(names) == 6, done.stdout


@pytest.mark.parametrize("program", SCORES)
def test_a_program_may_do_little(units, program):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           units / f"tracepool-{program}.service"], stdout=subprocess.PIPE, text=True)
    score = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert score and float(score[1]) <= SCORES[program], done.stdout


def test_each_user_that_a_unit_names_is_made(units):
    made = set(re.findall(r"^u (\S+)", (units / "tracepool.sysusers").read_text(), re.M))
    wanted = {name for p in units.glob("*.service") for name in re.findall(r"^User=(\S+)", p.read_text(), re.M)}
    assert wanted == made == {"tracepool-edge", "tracepool-worker", "tracepool-monitor"}


def test_each_folder_of_credentials_is_made(units):
    made = set(re.findall(r"^d (\S+)", (units / "tracepool.tmpfiles").read_text(), re.M))
    wanted = {f for p in units.glob("*.service") for f in re.findall(r"^LoadCredential=\w+:(\S+)", p.read_text(), re.M)}
    assert len(wanted) == 4 and wanted < made


# --- sockets --------------------------------------------------------------------------------------------------

class Manager:
    """What systemd is to a program: keeps its sockets, hears its words."""

    def __init__(self, folder, is_abstract=False):
        self.folder = folder
        self.heard = []
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"tracepool-{os.getpid()}-{folder.name}" if is_abstract else str(folder / "notify")
        self.ear.bind("\0" + name if is_abstract else name)
        self.ear.settimeout(farm.PATIENCE_S)
        self.environment = {"NOTIFY_SOCKET": ("@" if is_abstract else "") + name}
        self.started = []

    def start(self, program, *settings, sockets=(), names=None, **environment):
        """Runs the program as its main process, with these sockets from descriptor 3 on."""
        given = {**self.environment, **environment}
        moves = "".join(f"exec {20 + i}<&{s.fileno()};" for i, s in enumerate(sockets))
        moves += "".join(f"exec {3 + i}<&{20 + i} {20 + i}<&-;" for i, s in enumerate(sockets))
        if sockets:
            given["LISTEN_FDS"] = len(sockets)
            moves += "export LISTEN_PID=$$;"
        if names:
            given["LISTEN_FDNAMES"] = names
        argv = ["bash", "-c", moves + 'exec "$@"', "bash", farm.binary(program), *settings]
        running = farm.Program(argv, self.folder / f"{program}-{len(self.started)}.log", given, self.folder,
                               pass_fds=[s.fileno() for s in sockets])
        self.started.append(running)
        return running

    def hear(self, word):
        """Waits for a message with that assignment and returns it as a dict."""
        while True:
            message = dict(line.split("=", 1) for line in self.ear.recv(4096).decode().splitlines())
            self.heard.append(message)
            if word.split("=")[0] in message and message[word.split("=")[0]] == word.split("=")[1]:
                return message

    def has_heard(self, key):
        return any(key in message for message in self.heard)

    def close(self):
        for running in reversed(self.started):
            running.stop()
        self.ear.close()
        for running in self.started:
            assert not running.faults(), running.faults()


@pytest.fixture(params=["path", "abstract"])
def any_manager(tmp_path, request):
    made = Manager(tmp_path, request.param == "abstract")
    yield made
    made.close()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.close()


def listener(kind=socket.SOCK_STREAM):
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        made.listen(64)
    return made


def edge_settings(tmp_path, *more):
    return (f"--edge.spool_dir={tmp_path}/spool", "--edge.listen=192.0.2.1:1", "--edge.admin_listen=", *more)


def test_the_edge_serves_on_the_sockets_it_is_given(tmp_path, manager, db):
    add_offer(db)
    public, admin = listener(), listener()
    edge = manager.start("tracepool-edge", *edge_settings(tmp_path), sockets=[admin, public], names="admin:public",
                         DATABASE_URL=db.url_as("tracepool_edge"))
    manager.hear("READY=1")
    assert ask(public.getsockname()[1], "/functions/v1/track-hit-instant?offer=o")[0] == 302
    assert ask(public.getsockname()[1], "/metrics")[0] == 404
    assert ask(admin.getsockname()[1], "/metrics")[0] == 200
    assert len(wait_rows(db, 1)) == 1
    assert {e["socket"] for e in edge.events("socket.passed")} == {"public", "admin"}


def test_a_click_waits_in_the_kept_socket_while_the_edge_is_started_anew(tmp_path, manager, db):
    add_offer(db)
    public = listener()
    settings = dict(sockets=[public], DATABASE_URL=db.url_as("tracepool_edge"))
    first = manager.start("tracepool-edge", *edge_settings(tmp_path), **settings)
    manager.hear("READY=1")
    farm.wait_for(lambda: list(tmp_path.rglob("offers.json")), "the offers' snapshot, without which there is nowhere to go")
    for pid in [first.pid, *first.children()]:
        os.kill(pid, signal.SIGKILL)
    first.wait()
    with socket.create_connection(public.getsockname(), timeout=farm.PATIENCE_S) as visitor:   # nobody is there
        visitor.sendall(b"GET /functions/v1/track-hit-instant?offer=o HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        manager.start("tracepool-edge", *edge_settings(tmp_path), **settings)
        assert visitor.recv(65536).startswith(b"HTTP/1.1 302 ")
    assert len(wait_rows(db, 1)) == 1


def test_systemds_own_starter_of_sockets(tmp_path, db):
    """systemd-socket-activate starts the edge when the first connection comes."""
    add_offer(db)
    port = farm.free_port()
    environment = {"DATABASE_URL": db.url_as("tracepool_edge")}
    passed = [word for name in environment for word in ("-E", name)]
    starter = farm.Program(["systemd-socket-activate", "-l", f"127.0.0.1:{port}", *passed, "--fdname=public",
                            farm.binary("tracepool-edge"), *edge_settings(tmp_path)], tmp_path / "starter.log", environment)
    try:
        farm.wait_port(port, alive=starter.is_running)   # the connection that starts it
        farm.wait_for(lambda: ask(port, "/functions/v1/track-hit-instant?offer=o")[0] == 302, "an edge with offers")
        assert starter.events("socket.passed", socket="public")
    finally:
        starter.stop()


@pytest.mark.parametrize("kinds, names, says", [
    ([socket.SOCK_DGRAM], "public", "descriptor 3 is no listening stream socket"),
    ([socket.SOCK_STREAM] * 2, "public:public", 'nobody wants descriptor 4, "public"'),
    ([socket.SOCK_STREAM], "http", 'nobody wants descriptor 3, "http"'),
])
def test_a_socket_that_is_of_no_use_stops_the_start(tmp_path, manager, db, kinds, names, says):
    edge = manager.start("tracepool-edge", *edge_settings(tmp_path, "--edge.listen=127.0.0.1:0"),
                         sockets=[listener(k) for k in kinds], names=names, DATABASE_URL=db.url)
    assert edge.wait() == 2
    assert says in edge.text()


def test_sockets_for_another_process_are_left_alone(tmp_path, start, db):
    port = farm.free_port()
    start("tracepool-edge", *edge_settings(tmp_path), f"--edge.listen=127.0.0.1:{port}", ready="edge.listening",
          DATABASE_URL=db.url_as("tracepool_edge"), LISTEN_PID=1, LISTEN_FDS=1, LISTEN_FDNAMES="public")
    assert ask(port, "/healthz")[0] == 200


# --- words ----------------------------------------------------------------------------------------------------

def serving(program, tmp_path, db, port):
    """Settings of a program that serves on that port, and its environment."""
    settings = {
        "edge": edge_settings(tmp_path, f"--edge.listen=127.0.0.1:{port}", "--edge.children=2"),
        "worker": (f"--worker.secrets_dir={tmp_path}", "--worker.children=2"),
        "monitor": (f"--api.listen=127.0.0.1:{port}",),
    }[program]
    return settings, {"DATABASE_URL": db.url_as(f"tracepool_{program}")}


@pytest.mark.parametrize("program", ["edge", "worker", "monitor"])
def test_the_manager_hears_of_readiness_life_and_end(tmp_path, any_manager, db, program):
    manager, port = any_manager, farm.free_port()
    settings, environment = serving(program, tmp_path, db, port)
    running = manager.start(f"tracepool-{program}", *settings, WATCHDOG_USEC=200_000, **environment)
    ready = manager.hear("READY=1")
    if program != "worker":
        assert ask(port, "/healthz")[0] == 200
    else:
        assert len(running.events("worker.ready")) == 2 and ready["STATUS"] == "2 of 2 children serve"
    for _ in range(3):
        manager.hear("WATCHDOG=1")
    assert not manager.has_heard("STOPPING")
    running.signal(signal.SIGTERM)
    manager.hear("STOPPING=1")
    assert running.wait() == 0


def test_who_waits_for_readiness_waits_for_the_database(tmp_path, manager, db):
    running = manager.start("tracepool-worker", "--worker.children=1", DATABASE_URL="postgresql://x@127.0.0.1:1/x",
                            WATCHDOG_USEC=100_000)
    running.wait_event("database.down")
    for _ in range(3):
        manager.hear("WATCHDOG=1")
    assert not manager.has_heard("READY")


def test_the_watchdog_is_another_process_s(tmp_path, manager, db):
    settings, environment = serving("monitor", tmp_path, db, farm.free_port())
    running = manager.start("tracepool-monitor", *settings, WATCHDOG_USEC=1000, WATCHDOG_PID=1, **environment)
    manager.hear("READY=1")
    running.signal(signal.SIGTERM)
    manager.hear("STOPPING=1")
    assert running.wait() == 0
    assert not manager.has_heard("WATCHDOG")


def test_a_reload_is_announced_and_its_end_too(tmp_path, manager, db):
    port = farm.free_port()
    settings, environment = serving("edge", tmp_path, db, port)
    edge = manager.start("tracepool-edge", *settings, **environment)
    manager.hear("READY=1")
    before = set(edge.children())
    edge.signal(signal.SIGHUP)
    assert int(manager.hear("RELOADING=1")["MONOTONIC_USEC"]) > 0
    assert manager.hear("READY=1")["STATUS"] == "reloaded, all children serve"
    assert len(edge.events("child.ready")) == 4 and set(edge.children()) != before
    assert ask(port, "/healthz")[0] == 200


def test_a_reload_that_fails_leaves_the_old_children_and_says_so(tmp_path, manager, db):
    settings, environment = serving("edge", tmp_path, db, farm.free_port())
    ini = tmp_path / "tracepool.ini"
    ini.write_text("[edge]\ndrain_s = 1\n")
    edge = manager.start("tracepool-edge", f"--config={ini}", *settings, **environment)
    manager.hear("READY=1")
    ini.write_text("[edge]\ndrain_s = soon\n")
    edge.signal(signal.SIGHUP)
    manager.hear("RELOADING=1")
    assert "old settings" in manager.hear("READY=1")["STATUS"]


def test_a_child_that_is_lost_shows_in_the_status(tmp_path, manager, db):
    settings, environment = serving("edge", tmp_path, db, farm.free_port())
    edge = manager.start("tracepool-edge", *settings, **environment)
    manager.hear("READY=1")
    os.kill(edge.children()[0], signal.SIGKILL)
    manager.hear("STATUS=1 of 2 children serve")
    manager.hear("STATUS=2 of 2 children serve")


def test_children_inherit_none_of_it(tmp_path, manager, db):
    settings, environment = serving("edge", tmp_path, db, farm.free_port())
    edge = manager.start("tracepool-edge", *settings, WATCHDOG_USEC=60_000_000, **environment)
    manager.hear("READY=1")
    children = edge.children()
    assert children
    for pid in children:
        names = {e.split("=")[0] for e in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")}
        assert not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"}


# --- credentials ----------------------------------------------------------------------------------------------

def test_the_password_comes_by_the_credentials_folder(tmp_path, manager, db):
    add_offer(db)
    port = farm.free_port()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "tracepool_database.url").write_text(db.url_as("tracepool_edge") + "\n")
    edge = manager.start("tracepool-edge", *edge_settings(tmp_path, f"--edge.listen=127.0.0.1:{port}"),
                         CREDENTIALS_DIRECTORY=credentials)
    manager.hear("READY=1")
    assert ask(port, "/functions/v1/track-hit-instant?offer=o")[0] == 302
    assert len(wait_rows(db, 1)) == 1
    password = re.search(r"://[^:]*:([^@]*)@", db.url)[1]
    assert password not in edge.text()


def test_the_migrations_take_their_url_from_a_file(tmp_path, cluster):
    database = cluster.new_database()
    try:
        (tmp_path / "tracepool_database.url").write_text(database.url + "\n")
        environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("PG")}
        said = subprocess.run([farm.ROOT / "migrations/apply.sh"], check=True, stdout=subprocess.PIPE, text=True,
                              env={**environment, "TRACEPOOL_DATABASE_URL_FILE": str(tmp_path / "tracepool_database.url")})
        assert "schema is at version" in said.stdout
    finally:
        cluster.drop_database(database)
