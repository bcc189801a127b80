"""migrations/apply.sh: twice, by two at once, over an edited file, after a failure, and with a password to hide."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import time
import urllib.parse

import psycopg2
import pytest

import cluster as cluster_module
from cluster import OWNER, ROOT

MIGRATIONS = ROOT / "migrations"
NUMBERED = sorted(path.name for path in MIGRATIONS.glob("[0-9]*.sql"))
FUNCTIONS = sorted(path.stem for path in MIGRATIONS.glob("functions/*.sql"))
LATEST = int(NUMBERED[-1][:4])


@pytest.fixture
def empty(cluster):
    """An empty database of the unprivileged owner."""
    made = cluster.new_database()
    yield made
    cluster.drop_database(made)


@pytest.fixture
def folder(tmp_path):
    """A copy of migrations/ that a test may change."""
    return shutil.copytree(MIGRATIONS, tmp_path / "migrations")


def apply(database, folder=MIGRATIONS, *args, **environment):
    return subprocess.run([folder / "apply.sh", *args], capture_output=True, text=True,
                          env={**os.environ, "DATABASE_URL": database.url, **environment})


def ask(database, sql):
    with contextlib.closing(database.connect()) as conn, conn.cursor() as cur:
        cur.execute(sql)
        return cur.fetchone()[0]


def applied(done, kind):
    """Names that a run printed after `apply` or `function`."""
    return [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(kind + " ")]


def test_a_second_run_finds_nothing_to_do(empty):
    first = apply(empty)
    assert first.returncode == 0, first.stderr
    assert applied(first, "apply") == NUMBERED
    assert applied(first, "function") == FUNCTIONS
    assert first.stdout.splitlines()[-1] == f"schema is at version {LATEST}"
    assert ask(empty, "SELECT schema_version()") == LATEST

    second = apply(empty)
    assert second.returncode == 0
    assert second.stdout == f"schema is at version {LATEST}\n"
    assert ask(empty, "SELECT count(*) FROM schema_migrations") == len(NUMBERED)


def test_two_at_once_apply_everything_once(empty):
    runs = [subprocess.Popen([MIGRATIONS / "apply.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "DATABASE_URL": empty.url}) for _ in range(3)]
    outputs = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    lines = [line for out, _ in outputs for line in out.splitlines()]
    assert sorted(line for line in lines if line.startswith("apply ")) == [f"apply {name}" for name in NUMBERED]
    assert sum(line.startswith("function ") for line in lines) == len(FUNCTIONS)


def test_a_second_run_says_that_it_waits(empty, cluster):
    """The lock is held over the whole run, and whoever waits for it says so."""
    with contextlib.closing(empty.connect()) as holder, holder.cursor() as cur:
        key = next(line for line in (MIGRATIONS / "apply.sh").read_text().splitlines() if line.startswith("lock_key="))
        cur.execute("SELECT pg_advisory_lock(%s)", (int(key.split("=")[1].split()[0]),))
        run = subprocess.Popen([MIGRATIONS / "apply.sh"], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "DATABASE_URL": empty.url})
        assert run.stdout.readline() == "another run is at work, waiting for it\n"
        cur.execute("SELECT to_regclass('public.offers')")
        assert cur.fetchone()[0] is None
    out, _ = run.communicate()
    assert run.returncode == 0
    assert out.splitlines()[-1] == f"schema is at version {LATEST}"


def test_an_edited_file_is_refused(empty, folder):
    assert apply(empty, folder).returncode == 0
    (folder / NUMBERED[1]).open("a").write("CREATE TABLE sneaked_in (x integer);\n")
    (folder / f"{LATEST + 1:04}_more.sql").write_text("CREATE TABLE more (x integer);\n")
    done = apply(empty, folder)
    assert done.returncode == 1
    assert f"{NUMBERED[1]} was edited" in done.stderr
    assert "next free number" in done.stderr
    assert ask(empty, "SELECT to_regclass('sneaked_in') IS NULL AND to_regclass('more') IS NULL")


def test_a_failing_file_changes_nothing(empty, folder):
    assert apply(empty, folder).returncode == 0
    bad = folder / f"{LATEST + 1:04}_bad.sql"
    bad.write_text("CREATE TABLE half (x integer);\nSELECT 1/0;\n")
    done = apply(empty, folder)
    assert done.returncode == 1
    assert f"{bad.name}:2: ERROR:  division by zero" in done.stderr
    assert ask(empty, "SELECT to_regclass('half') IS NULL")
    assert ask(empty, "SELECT schema_version()") == LATEST
    bad.write_text("CREATE TABLE whole (x integer);\n")
    assert apply(empty, folder).returncode == 0
    assert ask(empty, "SELECT schema_version()") == LATEST + 1


def test_a_changed_function_is_applied_again_alone(empty, folder):
    assert apply(empty, folder).returncode == 0
    file = folder / "functions" / "schema_version.sql"
    file.write_text(file.read_text().replace("SELECT max(version)", "SELECT 100 + max(version)"))
    done = apply(empty, folder)
    assert applied(done, "function") == ["schema_version"]
    assert ask(empty, "SELECT schema_version()") == 100 + LATEST
    assert applied(apply(empty, folder), "function") == []


def test_a_migration_does_not_touch_unchanged_functions(empty, folder):
    """Replacing a trigger would lock its table: not for nothing."""
    assert apply(empty, folder).returncode == 0
    (folder / f"{LATEST + 1:04}_more.sql").write_text("CREATE TABLE more (x integer);\n")
    (folder / "functions" / "uuid_v7.sql").unlink()
    done = apply(empty, folder)
    assert (applied(done, "apply"), applied(done, "function")) == ([f"{LATEST + 1:04}_more.sql"], [])
    assert ask(empty, "SELECT count(*) FROM schema_functions") == len(FUNCTIONS) - 1


def test_a_broken_function_leaves_all_functions_as_they_were(empty, folder):
    assert apply(empty, folder).returncode == 0
    changed = folder / "functions" / "active_offers.sql"
    changed.write_text(changed.read_text().replace("ORDER BY o.offer_name", "ORDER BY o.id"))
    broken = folder / "functions" / "schema_version.sql"
    broken.write_text(broken.read_text().replace("RETURNS integer", "RETURNS nonsense"))
    before = ask(empty, "SELECT prosrc FROM pg_proc WHERE proname = 'active_offers'")
    done = apply(empty, folder)
    assert done.returncode == 1
    assert "schema_version.sql" in done.stderr
    assert ask(empty, "SELECT prosrc FROM pg_proc WHERE proname = 'active_offers'") == before


@pytest.mark.parametrize("name, complaint", [
    (f"{LATEST:04}_same_number.sql", "two files have the number"),
    ("0001-bad name.sql", "is not named NNNN_what.sql"),
])
def test_a_badly_numbered_file_stops_before_anything_runs(empty, folder, name, complaint):
    (folder / name).write_text("SELECT 1;\n")
    done = apply(empty, folder)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert ask(empty, "SELECT to_regclass('schema_migrations') IS NULL")


def test_a_number_that_comes_late_is_refused(empty, folder):
    last = folder / NUMBERED[-1]
    later = folder / f"{LATEST + 5:04}_later.sql"
    later.write_text("SELECT 1;\n")
    assert apply(empty, folder).returncode == 0
    (folder / f"{LATEST + 2:04}_late.sql").write_text("CREATE TABLE late (x integer);\n")
    done = apply(empty, folder)
    assert done.returncode == 1
    assert f"{LATEST + 2:04}_late.sql is new here" in done.stderr
    assert last.exists() and ask(empty, "SELECT to_regclass('late') IS NULL")


def test_a_database_from_the_future_is_refused(empty, folder):
    newer = folder / f"{LATEST + 1:04}_newer.sql"
    newer.write_text("SELECT 1;\n")
    assert apply(empty, folder).returncode == 0
    newer.unlink()
    done = apply(empty, folder)
    assert done.returncode == 1
    assert "newer than this folder" in done.stderr


def test_the_password_is_on_no_command_line(empty, cluster, tmp_path):
    """psql is called through a script that writes down what everybody could read with ps."""
    seen = tmp_path / "seen"
    fake = tmp_path / "bin" / "psql"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\nexec {shutil.which("psql")} "$@"\n')
    fake.chmod(0o755)
    hard = "p@ss:w/o?rd#%41 "
    with contextlib.closing(cluster.connect(user="postgres", database="postgres")) as conn, conn.cursor() as cur:
        cur.execute("CREATE ROLE hard_password LOGIN CREATEROLE PASSWORD %s", (hard,))
        cur.execute(f"ALTER DATABASE {empty.name} OWNER TO hard_password")
    url = f"postgresql://hard_password:{urllib.parse.quote(hard, safe='')}@127.0.0.1:{cluster.port}/{empty.name}?connect_timeout=10"
    try:
        done = apply(empty, DATABASE_URL=url, PATH=f"{fake.parent}:{os.environ['PATH']}")
        assert done.returncode == 0, done.stderr
        argv = seen.read_text()
        assert "hard_password@127.0.0.1" in argv and "connect_timeout=10" in argv
        assert hard not in argv and urllib.parse.quote(hard, safe="") not in argv
        # roles that another owner made are shared: a second database gets its own grants
        with contextlib.closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
            cur.execute("SELECT has_function_privilege('tracepool_edge', 'record_clicks(jsonb, bigint)', 'EXECUTE')")
            assert cur.fetchone()[0]
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            ask(empty, "SELECT 1")   # the owner of the first: nobody but its own roles comes in
    finally:
        with contextlib.closing(cluster.connect(user="postgres", database=empty.name)) as conn, conn.cursor() as cur:
            cur.execute(f"REASSIGN OWNED BY hard_password TO {OWNER}; DROP OWNED BY hard_password; DROP ROLE hard_password")


@pytest.mark.parametrize("words, complaint", [
    (["--database", "host=localhost password=x"], "PGPASSWORD"), (["--database", "postgresql://h/d?password=x"], "PGPASSWORD"),
    (["--database"], "needs a URL"), (["--nonsense"], "unknown argument"),
])
def test_usage_errors_exit_2(empty, words, complaint):
    done = apply(empty, MIGRATIONS, *words)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_help_and_an_unreachable_database(empty):
    assert "--database URL" in apply(empty, MIGRATIONS, "--help").stdout
    done = apply(empty, MIGRATIONS, "--database", "postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr


def test_another_user_can_apply_a_checkout_that_he_can_only_read(empty, folder):
    """The folder belongs to us and is read-only; whoever runs it needs to write nowhere in it."""
    place = pathlib.Path(shutil.copytree(folder, empty.cluster.dir / "read-only"))
    for path in [place, *place.rglob("*")]:
        path.chmod(0o555 if path.is_dir() or path.suffix == ".sh" else 0o444)
    words = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*words, place / "apply.sh", "--database", empty.url], capture_output=True, text=True, cwd="/",
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert ask(empty, "SELECT schema_version()") == LATEST


def test_the_owner_is_no_superuser(empty):
    assert apply(empty).returncode == 0
    assert not ask(empty, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert ask(empty, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'tracepool\\_%' AND rolcanlogin") == 5


# The throw-away cluster itself: what other tests rely on.

def test_cluster_survives_a_crash_and_leaves_nothing():
    with cluster_module.Cluster() as made:
        port, place = made.port, made.dir
        with contextlib.closing(made.connect()) as conn, conn.cursor() as cur:
            cur.execute("CREATE TABLE kept AS SELECT 1 AS x")
        made.stop_immediate()
        with pytest.raises(psycopg2.OperationalError):
            made.connect()
        made.start()
        assert made.port == port
        with contextlib.closing(psycopg2.connect(made.url())) as conn, conn.cursor() as cur:
            cur.execute("SELECT x FROM kept")
            assert cur.fetchone()[0] == 1
        made.restart()
        with contextlib.closing(psycopg2.connect(made.socket_url())) as conn:
            assert conn.closed == 0
        process = made.process
    assert process.poll() is not None
    assert not place.exists()


def test_cluster_from_the_command_line(tmp_path):
    tool = ROOT / "tests" / "lib" / "cluster.py"
    done = subprocess.run([tool, "run", "--", "sh", "-c", 'psql -XAt "$DATABASE_URL" -c "SELECT schema_version()"; exit 7'],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, f"{LATEST}\n"), done.stderr


def is_running(pid):
    """A zombie has ended; who reaps it is not our business."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_cluster_dies_with_its_maker(tmp_path):
    """kill -9 of the test run: the server must not stay."""
    script = ("import sys, time; sys.path.insert(0, sys.argv[1]); from cluster import Cluster\n"
              "made = Cluster().create(); print(made.process.pid, made.dir, flush=True); time.sleep(600)")
    maker = subprocess.Popen(["/usr/bin/python3", "-B", "-c", script, ROOT / "tests" / "lib"], stdout=subprocess.PIPE, text=True)
    pid, place = maker.stdout.readline().split()
    maker.kill()
    maker.wait()
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline, "the server outlived its maker"
        time.sleep(0.02)
    shutil.rmtree(place)
