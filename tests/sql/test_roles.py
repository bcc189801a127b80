"""Each role by a login of its own: hostile statements are refused, no secret is to be had, nothing is left to strangers."""
import contextlib
import json
import os
import subprocess

import psycopg2
import psycopg2.errors
import pytest

from cluster import OWNER, ROLES, ROOT, Cluster

PROGRAMS = ("tracepool_edge", "tracepool_worker", "tracepool_monitor")
PEOPLE = ("tracepool_admin", "tracepool_readonly")
CANARY = "canary7c1f"   # in everything that opens a proxy

# What somebody tries who has taken a program over. {} is filled with another role.
HOSTILE = [
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_read_binary_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "COPY (SELECT 1) TO '/tmp/tracepool-hostile'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "CREATE TEMP TABLE x (t text)",
    "SET ROLE tracepool",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "ALTER SYSTEM SET log_statement = 'all'",
    "ALTER ROLE postgres PASSWORD 'x'",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "GRANT tracepool TO CURRENT_USER",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE SCHEMA mine",
    "CREATE TABLE public.mine (x integer)",
    "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION public.schema_version() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_catalog.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine AFTER INSERT ON offers FOR EACH ROW EXECUTE FUNCTION offers_changed()",
    "CREATE RULE mine AS ON INSERT TO offers DO NOTHING",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE SERVER mine FOREIGN DATA WRAPPER dblink_fdw",
    "CREATE LANGUAGE plpython3u",
    "CREATE PUBLICATION mine FOR ALL TABLES",
    "ALTER TABLE offers DISABLE ROW LEVEL SECURITY",
    "DROP TABLE offers",
    "TRUNCATE trace_attempts",
    "UPDATE schema_migrations SET version = version",
    "SELECT close_doors()",
    "SELECT secret_name FROM proxy_providers WHERE current_user <> 'tracepool_admin'",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SELECT pg_reload_conf()",
    "SELECT pg_stat_reset()",
]
# The operator keeps her temporary tables, and reads what she has written.
ALLOWED = {("tracepool_admin", "CREATE TEMP TABLE x (t text)"),
           ("tracepool_admin", "SELECT secret_name FROM proxy_providers WHERE current_user <> 'tracepool_admin'")}


@pytest.fixture(scope="module")
def place():
    """A cluster whose main database is used as it was migrated: a copy would lack the database's own privileges."""
    with Cluster({"log_statement": "all"}) as made:
        made.migrate()
        with contextlib.closing(made.connect(user="postgres")) as conn, conn.cursor() as cur:
            cur.execute("CREATE ROLE stranger LOGIN PASSWORD %s", (made.password,))
            cur.execute("INSERT INTO proxy_providers (provider, host_template, user_template, secret_name) "
                        "VALUES ('gate', 'gw.example.net', %s, %s)", (f"user-{CANARY}", CANARY))
            cur.execute("INSERT INTO vast_providers (provider, base_url, headers, params) VALUES ('acme', 'https://ads.example/', %s, %s)",
                        (json.dumps({"X-Key": CANARY}), json.dumps({"key": CANARY})))
            cur.execute("INSERT INTO offers (offer_name, kind, vast_provider) VALUES ('ad', 'vast', 'acme')")
            cur.execute("INSERT INTO ip_rotation_pool (ip_address, provider) SELECT 'ip-' || i, 'gate' FROM generate_series(1, 4) AS i")
            cur.execute("INSERT INTO active_trace_requests (offer_id, offer_name, tracking_url) "
                        "SELECT id, offer_name, 'https://t.example/' FROM offers, generate_series(1, 3)")
            cur.execute("ANALYZE")
        yield made


def logged_in(place, role):
    conn = psycopg2.connect(place.url(user=role))
    conn.autocommit = True
    return contextlib.closing(conn)


def outcome(conn, sql):
    with conn.cursor() as cur:
        try:
            cur.execute(sql)
        except psycopg2.Error as error:
            return error.pgcode
        return "done"


@pytest.mark.parametrize("role", ROLES)
def test_hostile_statements_are_refused(place, role):
    with logged_in(place, role) as conn:
        for sql in HOSTILE:
            wanted = "done" if (role, sql) in ALLOWED else "42501"
            if "dblink_fdw" in sql or "plpython3u" in sql:
                assert outcome(conn, sql) in ("42501", "42704", "0A000"), sql   # refused, or there is none
            else:
                assert outcome(conn, sql) == wanted, sql


@pytest.mark.parametrize("role", ROLES)
def test_no_role_becomes_another(place, role):
    with logged_in(place, role) as conn:
        for other in ROLES:
            if other != role:
                assert outcome(conn, f"SET ROLE {other}") == "42501"


def readable(conn):
    """(statement, whether it shows the canary) for all that this login can read: every relation, the system's too."""
    with conn.cursor() as cur:
        cur.execute("""SELECT format('SELECT EXISTS (SELECT FROM (SELECT %%s FROM %%I.%%I) AS r WHERE r::text LIKE %%L)',
                                     string_agg(quote_ident(a.attname), ', '), n.nspname, c.relname, '%%' || %s || '%%')
                         FROM pg_class c
                         JOIN pg_namespace n ON n.oid = c.relnamespace
                         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                        WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname IN ('public', 'pg_catalog')
                          AND c.relname <> ALL ('{pg_stat_activity,pg_prepared_statements,pg_cursors}')   -- our own question
                          AND has_column_privilege(c.oid, a.attnum, 'SELECT')
                        GROUP BY n.nspname, c.relname""", (CANARY,))
        for (sql,) in cur.fetchall():
            with contextlib.suppress(psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ObjectNotInPrerequisiteState):
                cur.execute(sql)
                yield sql, cur.fetchone()[0]


# Functions without parameters, or with ones that can be made up, answer what they know.
MADE_UP = {"uuid": "(SELECT '01900000-0000-7000-8000-000000000001'::uuid)", "text": "'ad'", "integer": "10", "bigint": "1", "jsonb": "'{}'",
           "boolean": "true", "interval": "interval '1 day'", "timestamp with time zone": "now()", "text[]": "'{ip-1}'",
           "uuid[]": "'{01900000-0000-7000-8000-000000000001}'", "numeric": "1", "timestamp with time zone[]": "NULL",
           "trace_status": "'failed'"}


def answers(conn):
    """(call, whether answer or error text show the canary) of every function of ours that this login may call; undone."""
    with conn.cursor() as cur:
        cur.execute("""SELECT p.proname, array(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) AS t)
                         FROM pg_proc p
                        WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege(p.oid, 'EXECUTE')""")
        for name, types in cur.fetchall():
            call = f"SELECT * FROM public.{name}({', '.join(MADE_UP[t] for t in types)})"
            cur.execute("BEGIN")
            try:
                cur.execute(call)
                yield call, CANARY in str(cur.fetchall() if cur.description else "")
            except psycopg2.Error as error:
                yield call, CANARY in f"{error} {error.diag.message_detail} {error.diag.context}"
            cur.execute("ROLLBACK")


@pytest.mark.parametrize("role", ["stranger", "tracepool_edge", "tracepool_monitor", "tracepool_readonly"])
def test_nobody_but_worker_and_operator_reads_what_opens_a_proxy(place, role):
    if role == "stranger":   # cannot even come in
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            logged_in(place, role)
        return
    with logged_in(place, role) as conn:
        seen = [*readable(conn), *answers(conn)]
        assert len(seen) > 100, "it looked"
        assert [what for what, is_shown in seen if is_shown] == []


def test_the_canary_is_found_where_it_may_be(place):
    """The control of the test above: the worker gets it with a claim, the operator reads the table."""
    with logged_in(place, "tracepool_worker") as conn, conn.cursor() as cur:
        cur.execute("BEGIN; SELECT proxy_secret, proxy_user FROM claim_traces(1, 'w', 1000, NULL, NULL, NULL)")
        assert cur.fetchall() == [(CANARY, f"user-{CANARY}")]
        cur.execute("ROLLBACK")
    with logged_in(place, "tracepool_admin") as conn:
        assert any(is_shown for _, is_shown in readable(conn))


@pytest.mark.parametrize("sql", [
    "INSERT INTO proxy_providers (provider) VALUES ('gate')",
    "UPDATE proxy_providers SET scheme = 'ftp'",
    "SELECT 1 FROM proxy_providers WHERE secret_name::integer = 1",
    "SELECT 1 FROM proxy_providers WHERE provider::integer = 1",
    "SELECT * FROM proxy_providers",
    "COPY proxy_providers TO STDOUT",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM proxy_providers",
    "PREPARE p AS SELECT secret_name FROM proxy_providers; EXECUTE p",
    "DECLARE c CURSOR WITH HOLD FOR SELECT secret_name FROM proxy_providers; FETCH ALL FROM c",
])
@pytest.mark.parametrize("role", ["tracepool_edge", "tracepool_worker", "tracepool_monitor", "tracepool_readonly"])
def test_errors_tell_no_secret(place, role, sql):
    with logged_in(place, role) as conn, conn.cursor() as cur, pytest.raises(psycopg2.Error) as caught:
        cur.execute(sql) if not sql.startswith("COPY") else cur.copy_expert(sql, open(os.devnull, "w"))
    assert CANARY not in f"{caught.value} {caught.value.diag.message_detail} {caught.value.diag.context}"


def test_a_program_speaks_for_its_own_kind(place):
    def heartbeat(conn, program, incarnation):
        return outcome(conn, f"SELECT process_heartbeat('{json.dumps({'incarnation': incarnation, 'program': program, 'host': 'h', 'pid': 1})}')")

    with logged_in(place, "tracepool_worker") as worker, logged_in(place, "tracepool_edge") as edge:
        assert heartbeat(worker, "worker", "w.1") == "done"
        assert heartbeat(edge, "edge", "e.1") == "done"
        assert heartbeat(edge, "worker", "w.1") == "42501"
        assert heartbeat(worker, "edge", "e.1") == "42501"
        with contextlib.closing(place.connect(user="postgres")) as conn, conn.cursor() as cur:
            cur.execute("UPDATE process_heartbeats SET seen_at = 'epoch' WHERE incarnation = 'w.1'")
            assert heartbeat(edge, "edge", "w.1") == "done"   # accepted, and changes nothing of the worker's
            cur.execute("SELECT program, seen_at = 'epoch' FROM process_heartbeats WHERE incarnation = 'w.1'")
            assert cur.fetchall() == [("worker", True)]
            cur.execute("CREATE ROLE edge_at_two LOGIN IN ROLE tracepool_edge PASSWORD %s", (place.password,))
        with logged_in(place, "edge_at_two") as member:   # a login of the operator's own
            assert heartbeat(member, "edge", "e.2") == "done"
            assert heartbeat(member, "worker", "w.2") == "42501"


HOSTED = """
    ALTER DEFAULT PRIVILEGES FOR ROLE tracepool IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES FOR ROLE tracepool IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES FOR ROLE tracepool IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
    GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
"""


OPEN_TO = """
    SELECT c.relname::text
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace
       AND CASE WHEN c.relkind IN ('r', 'p', 'v') THEN has_any_column_privilege(%(role)s, c.oid, 'SELECT, INSERT, UPDATE')
                WHEN c.relkind = 'S' THEN has_sequence_privilege(%(role)s, c.oid, 'USAGE, SELECT, UPDATE') END
    UNION ALL
    SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege(%(role)s, p.oid, 'EXECUTE')
"""


def test_a_hosted_database_shows_nothing_to_its_web_gateway():
    """There the gateway's roles get a share of all new tables and functions, and the database holds other things too."""
    with Cluster() as made:
        with contextlib.closing(made.connect(user="postgres")) as conn, conn.cursor() as cur:
            cur.execute("CREATE ROLE anon LOGIN PASSWORD %s; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS", (made.password,))
            cur.execute("CREATE SCHEMA auth; CREATE TABLE auth.users (id integer); GRANT USAGE ON SCHEMA auth TO anon; GRANT SELECT ON auth.users TO anon")
            cur.execute(HOSTED)
        made.migrate()
        made.migrate()
        with contextlib.closing(made.connect(user="postgres")) as conn, conn.cursor() as cur:
            cur.execute("SELECT add_archive_day('2026-01-01')")
            for role in ("anon", "authenticated", "service_role"):
                cur.execute(OPEN_TO, {"role": role})
                assert cur.fetchall() == [], role
        with contextlib.closing(made.connect()) as conn, conn.cursor() as cur:
            cur.execute("CREATE FUNCTION later() RETURNS integer LANGUAGE sql SET search_path = pg_catalog AS 'SELECT 1'; CREATE TABLE later (x integer)")
            cur.execute("SELECT has_function_privilege('anon', 'later()', 'EXECUTE'), has_table_privilege('anon', 'later', 'SELECT')")
            # By way of PUBLIC everybody may call a new function there, since the database is not ours alone.
            assert cur.fetchone() == (True, False)
        with logged_in(made, "anon") as conn:   # what is not ours stays as it was
            assert outcome(conn, "SELECT * FROM auth.users") == "done"
            assert outcome(conn, "SELECT * FROM public.offers") == "42501"


def apply(cluster, *args, **environment):
    return subprocess.run([ROOT / "migrations" / "apply.sh", *args], capture_output=True, text=True,
                          env={**os.environ, "DATABASE_URL": cluster.url(), **environment})


def test_passwords_come_from_files(place, tmp_path):
    """Given to roles without showing up in the output, a command line or the server's log."""
    words = {"tracepool_edge": "e dge'\"$\\x", "tracepool_worker": "wörk", "tracepool_readonly": "r" * 200}
    done = apply(place, "--passwords", str(tmp_path))
    assert (done.returncode, "named after a role" in done.stderr) == (2, True)
    for role, word in words.items():
        (tmp_path / role).write_text(word + ("\n" if role != "tracepool_worker" else ""))
    for _ in range(2):
        done = apply(place, "--passwords", str(tmp_path))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert [line for line in done.stdout.splitlines() if "password" in line] == [f"password of {role} is set" for role in words]
    for role, word in words.items():
        psycopg2.connect(host="127.0.0.1", port=place.port, user=role, password=word, dbname=OWNER).close()
        assert word not in place.log.read_text() + done.stdout + done.stderr
    assert "PASSWORD 'SCRAM-SHA-256$" in place.log.read_text(), "the log was looked at"
    (tmp_path / "tracepool_admin").write_text("two\nlines\n")
    done = apply(place, "--passwords", str(tmp_path))
    assert (done.returncode, done.stderr) == (2, f"apply.sh: --passwords: {tmp_path}/tracepool_admin is not one line\n")
    assert apply(place, "--passwords", "/nowhere").returncode == 2
    place.migrate()   # as the other tests know them


WASTEFUL = ["SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_creat(-1)", "SELECT pg_advisory_lock(7235281961)",
            "SELECT pg_try_advisory_xact_lock_shared(1, 2)"]


def test_a_superuser_can_close_the_rest(place):
    """deploy/harden.sql: nobody fills the disk with large objects or holds up others with advisory locks; migrations go on."""
    with logged_in(place, "tracepool_edge") as conn:
        assert {outcome(conn, f"BEGIN; {sql}; ROLLBACK") for sql in WASTEFUL} == {"done"}
    for _ in range(2):
        subprocess.run(["psql", "-Xq", "-v", f"owner={OWNER}", "-f", ROOT / "deploy" / "harden.sql", place.socket_url(user="postgres")], check=True,
                       capture_output=True)
    for role in ROLES:
        with logged_in(place, role) as conn:
            assert [(sql, outcome(conn, sql)) for sql in WASTEFUL] == [(sql, "42501") for sql in WASTEFUL]
    with logged_in(place, "tracepool_monitor") as conn:
        assert outcome(conn, "SELECT archive_traces()") == "done"
    assert apply(place).returncode == 0
