"""common/pg against a real server that is stopped, killed, pooled, too old or silent.

The client is tests/scenario/pg_client.c: lines in, lines out. The server is this file's own, because it is
treated badly.
"""
import contextlib
import os
import signal
import socket
import subprocess
import threading

import pytest

import farm
from cluster import Cluster, as_unprivileged, free_port


class Client:
    """pg_client, its lines so far, and waiting for the next ones."""

    def __init__(self, url, *options, words=()):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        self.process = subprocess.Popen(
            [*words, str(farm.BUILD / "tests/scenario/pg_client"), *map(str, options)], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**environment, "TEST_URL": url})
        self.all, self.seen, self.news = [], 0, threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.news:
                self.all.append(line.rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.all.append("EOF")
            self.news.notify_all()

    def tell(self, *lines):
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def _next(self, start):
        while self.seen < len(self.all):
            self.seen += 1
            if self.all[self.seen - 1].startswith(start):
                return self.all[self.seen - 1]
        return None

    def wait(self, start):
        """The next line that starts so; lines before it are passed over."""
        with self.news:
            line = self.news.wait_for(lambda: self._next(start), farm.PATIENCE_S)
            assert line, f"no line {start!r} in:\n" + "\n".join(self.all[-40:])
            return line

    def ask(self, line):
        self.tell(line)
        return self.wait(f"answer {line.split()[0]} ")

    def lines(self, start):
        return [line for line in self.all if line.startswith(start)]

    def end(self):
        if self.process.poll() is None:
            self.tell("quit")
            self.wait("closed")
        return self.process.wait(farm.PATIENCE_S)


@pytest.fixture(scope="module")
def server():
    with Cluster() as made:
        yield made


@pytest.fixture
def connect(server):
    """connect(options...): a client of the server, up already unless wait=None; ended without an error."""
    made = []

    def start_client(*options, url=None, wait="up"):
        client = Client(url or server.url(), *options)
        made.append(client)
        if wait:
            client.wait(wait)
        return client

    yield start_client
    for client in made:
        if client.process.poll() is None:
            client.process.stdin.close()
            client.process.wait(farm.PATIENCE_S)
        assert client.process.returncode == 0, "\n".join(client.all[-40:])


@pytest.fixture
def frozen(server):
    """frozen() stops every process of the server with SIGSTOP; the returned function lets them go on."""
    stopped = []

    def thaw():
        while stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stopped.pop(), signal.SIGCONT)

    def freeze():
        for pid in [server.process.pid, *farm.children_of(server.process.pid)]:
            with contextlib.suppress(ProcessLookupError):   # some of its processes live for a moment only
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        return thaw

    yield freeze
    thaw()


def sql(server, text, *args):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(text, args)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def test_answers_come_in_order_and_one_each(connect):
    client = connect()
    client.tell("echo one", "sleep 0.2", "divide 0", "echo", "wide 3000000", "divide 1")
    assert client.wait("answer") == "answer echo ok one"
    assert client.wait("answer") == "answer sleep ok slept"
    assert client.wait("answer") == "answer divide database 22012 division by zero"
    assert client.wait("answer") == "answer echo ok NULL"
    assert client.wait("answer").startswith("answer wide ok 3000000 xxx")
    assert client.wait("answer") == "answer divide ok 1"
    client.tell("count")
    assert client.wait("count") == "count 0 errors 1"
    assert client.lines("down") == [], "an error of the server's is no reason to reconnect"


def test_joined_queries_are_one_transaction(connect):
    client = connect()
    client.tell("transaction 1", "+transaction 2", "transaction 3", "transaction 4")
    ids = [client.wait("answer transaction ok").split()[-1] for _ in range(4)]
    assert ids[0] == ids[1] and len(set(ids)) == 3
    client.tell("echo one", "+sleep 0.2", "+echo three")   # the third has nobody left to join, and goes alone
    assert [client.wait("answer") for _ in range(3)] == ["answer echo ok one", "answer sleep ok slept", "answer echo ok three"]
    assert client.lines("down") == []


def test_of_joined_queries_both_are_undone(connect):
    client = connect()
    assert client.ask("keep before") == "answer keep ok before"
    client.tell("keep first", "+divide 0", "backend pg_client.kept")
    assert client.wait("answer") == "answer keep database - division by zero", "its own fault has a sqlstate"
    assert client.wait("answer") == "answer divide database 22012 division by zero"
    assert client.wait("answer").endswith(" before")
    client.tell("divide 0", "+keep second", "backend pg_client.kept")
    assert client.wait("answer") == "answer divide database 22012 division by zero"
    assert client.wait("answer") == "answer keep database - division by zero"
    assert client.wait("answer").endswith(" before")
    client.tell("count")
    assert client.wait("count") == "count 0 errors 2"
    assert client.lines("down") == []


def test_joined_queries_on_a_server_that_stops_are_both_answered(connect, frozen):
    client = connect("--query-timeout", 300)
    thaw = frozen()
    client.tell("echo 1", "+echo 2", "echo 3")
    assert client.wait("answer") == "answer echo database_timeout - query echo: no answer within 300 ms"
    assert client.wait("answer") == "answer echo database_timeout - query echo: no answer within 300 ms"
    assert client.wait("answer").startswith("answer echo database - ")
    thaw()
    client.wait("up")
    client.tell("echo 4", "+echo 5")
    assert [client.wait("answer") for _ in range(2)] == ["answer echo ok 4", "answer echo ok 5"]


def test_session_is_set_up(connect):
    client = connect("--query-timeout", 2500)
    assert client.ask("backend statement_timeout").endswith(" 3500ms")
    assert client.ask("backend application_name").endswith(" pg_client")
    assert client.ask("backend client_encoding").endswith(" UTF8")


def test_connects_through_socket_and_name(server, connect):
    by_name = server.url().replace("127.0.0.1", "localhost")
    assert connect(url=by_name).ask("echo name") == "answer echo ok name"
    socket_url = f"host={server.dir} port={server.port} user=tracepool dbname=tracepool"
    assert connect(url=socket_url).ask("echo socket") == "answer echo ok socket"


def test_stopped_server_is_noticed_by_our_own_deadline(connect, frozen):
    client = connect("--query-timeout", 600, "--connect-timeout", 300)
    assert client.ask("echo before") == "answer echo ok before"
    thaw = frozen()
    client.tell("echo during", "echo behind")
    assert client.wait("answer").startswith("answer echo database_timeout - query echo: no answer within 600 ms")
    assert client.wait("answer").startswith("answer echo database - ")
    assert client.wait("down").startswith("down database_timeout ")
    assert client.wait("down").startswith("down database_timeout "), "attempts while it is stopped end as well"
    thaw()
    client.wait("up")
    assert client.ask("echo after") == "answer echo ok after"


def test_server_killed_and_started_again(server, connect):
    client = connect()
    client.tell("sleep 60", "echo waiting")
    client.tell("count")
    client.wait("count 2")
    server.stop_immediate()
    try:
        assert client.wait("answer sleep").startswith("answer sleep database ")
        assert client.wait("answer echo").startswith("answer echo database - connection lost: ")
        client.wait("down database connection lost: ")
        assert client.ask("echo offline").startswith("answer echo database - not connected")
        client.wait("down database connection to server at")
    finally:
        server.start()
    client.wait("up")
    assert client.ask("echo back") == "answer echo ok back"


def test_ended_session_says_why_and_comes_back(server, connect):
    client = connect()
    pid = client.ask("backend application_name").split()[3]
    sql(server, "SELECT pg_terminate_backend(%s)", int(pid))
    assert "terminating connection due to administrator command" in client.wait("down database")
    client.wait("up")
    assert client.ask("echo again") == "answer echo ok again"


def test_notifications_arrive_while_idle_busy_and_after_a_reconnect(server, connect):
    client = connect("--channel", "first", "--channel", "Second one")
    sql(server, "SELECT pg_notify('first', 'idle')")
    assert client.wait("notify") == "notify first idle"
    client.tell("sleep 1")
    sql(server, "SELECT pg_notify('Second one', 'busy')")
    assert client.wait("notify") == "notify Second one busy"
    client.wait("answer sleep ok")
    pid = client.ask("backend application_name").split()[3]
    sql(server, "SELECT pg_terminate_backend(%s)", int(pid))
    client.wait("up")
    sql(server, "SELECT pg_notify('first', 'again')")
    assert client.wait("notify") == "notify first again"


def test_wrong_password_is_told_without_the_password(server, connect):
    url = server.url().replace(server.password, "hunter2hunter2")
    client = connect(url=url, wait=None)
    assert "password authentication failed" in client.wait("down database")
    client.wait("down database")
    assert client.end() == 0
    assert "hunter2" not in "\n".join(client.all)


@pytest.mark.parametrize("url", [
    "postgresql://tracepool:p@hunter2@127.0.0.1/tracepool",
    "postgresql://tracepool:hunter2/x@127.0.0.1/tracepool",
    "host=127.0.0.1 password=x hunter2",
])
def test_bad_connection_string_is_told_without_quoting_it(connect, url):
    client = connect(url=url, wait=None)
    assert "database.url" in client.wait("down bad_setting")
    assert client.end() == 0
    assert "hunter2" not in "\n".join(client.all)


def test_unknown_host_is_named(connect):
    client = connect(url="postgresql://tracepool@no-such-host.invalid/tracepool", wait=None)
    assert "no-such-host.invalid" in client.wait("down database resolve")


def test_absent_database_is_named(server, connect):
    client = connect(url=server.url(database="nowhere"), wait=None)
    assert 'database "nowhere" does not exist' in client.wait("down database")


def test_absent_and_old_schemas_say_what_to_do_and_heal(server, connect):
    database = server.new_database()
    client = connect("--schema", 7, url=database.url, wait=None)
    text = client.wait("down schema")
    assert "version 0" in text and "needs 7" in text and "migrations/apply.sh" in text
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION schema_version() RETURNS integer LANGUAGE sql AS 'SELECT 6'")
        text = client.wait("down schema the database has schema version 6")
        assert "needs 7" in text and "migrations/apply.sh" in text
        cursor.execute("CREATE OR REPLACE FUNCTION schema_version() RETURNS integer LANGUAGE sql AS 'SELECT 8'")
    connection.close()
    client.wait("up")


@pytest.fixture
def silent_port():
    """Accepts connections in the kernel's queue and never says a word, as a stopped server does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def test_list_of_hosts_gets_past_the_closed_and_the_silent(server, connect, silent_port):
    closed = free_port()
    url = server.url().replace(f"127.0.0.1:{server.port}",
                               f"127.0.0.1:{closed},127.0.0.1:{silent_port},localhost:{server.port}")
    client = connect("--connect-timeout", 300, url=url)
    assert client.ask("echo third") == "answer echo ok third"


def test_end_answers_everybody(connect):
    client = connect()
    client.tell("sleep 30", "echo a", "echo b", "quit")
    for query in ("sleep", "echo", "echo"):
        assert client.wait("answer").startswith(f"answer {query} database - the connection is being closed")
    assert client.end() == 0


def test_end_while_nothing_answers(connect, silent_port):
    client = connect(url=f"postgresql://tracepool@127.0.0.1:{silent_port}/tracepool", wait=None)
    assert client.end() == 0


@pytest.fixture
def bouncer(server, tmp_path_factory):
    """PgBouncer with one server connection in transaction mode: the URL of the database through it."""
    folder = server.dir / "bouncer"
    folder.mkdir()
    port = free_port()
    (folder / "users").write_text(f'"tracepool" "{server.password}"\n')
    (folder / "ini").write_text(f"""[databases]
tracepool = host={server.dir} port={server.port} dbname=tracepool
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
logfile = {folder}/log
pidfile = {folder}/pid
""")
    if os.geteuid() == 0:
        for path in (folder, folder / "users", folder / "ini"):
            os.chown(path, server.dir.stat().st_uid, -1)
    process = subprocess.Popen([*as_unprivileged(), "pgbouncer", "-q", str(folder / "ini")],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    farm.wait_port(port, alive=lambda: process.poll() is None)
    yield f"postgresql://tracepool:{server.password}@127.0.0.1:{port}/tracepool"
    process.send_signal(signal.SIGTERM)
    process.wait(farm.PATIENCE_S)


def test_two_clients_share_one_connection_of_a_transaction_pooler(bouncer, connect):
    one = connect("--pooled", "--channel", "ignored", url=bouncer)
    two = connect("--pooled", url=bouncer)
    backends = set()
    for i in range(5):
        for client in (one, two):
            assert client.ask(f"echo {i}") == f"answer echo ok {i}"
            backends.add(client.ask("backend statement_timeout").split()[3])
            assert client.ask("divide 0").startswith("answer divide database 22012")
        one.tell(f"transaction {i}", f"+transaction {i}", f"keep {i}", "+divide 0")
        assert one.wait("answer transaction ok") == one.wait("answer transaction ok")
        assert one.wait("answer keep") == "answer keep database - division by zero"
    assert len(backends) == 1, "both went over the same server connection"
    assert one.lines("down") == two.lines("down") == []
