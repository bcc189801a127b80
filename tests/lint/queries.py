"""Every block of a queries.sql says what it is for, and fits a freshly migrated database.

The parameters that PostgreSQL finds are as many as common/pg/queries.awk counts for the C side. And since the
database is there: README.md names each table and each rule of trace_policy.
"""

import re
import subprocess
import sys
import lib

sys.path.insert(0, f"{lib.ROOT}/tests/lib")
import psycopg2  # noqa: E402
import cluster  # noqa: E402

FIELD = re.compile(r'\[Q_\w+\] = \{"(\w+)", (\d+),(.*?)\},\n', re.S)


def blocks(name):
    """(line, name, has a comment) of each block."""
    found = []
    for number, line in lib.lines(name):
        match = re.fullmatch(r"-- name: (\w+)", line)
        if match:
            found.append([number, match.group(1), False])
        elif found and line.startswith("--") and line.strip("- "):
            found[-1][2] = True
    return found


def embedded(name):
    """name -> (parameters, text) as the build embeds them."""
    made = subprocess.run(["awk", "-f", f"{lib.ROOT}/common/pg/queries.awk", f"{lib.ROOT}/{name}"],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    queries = {}
    for query, count, text in FIELD.findall(made):
        pieces = re.findall(r'"((?:\\.|[^"\\])*)"', text)
        queries[query] = int(count), "".join(pieces).replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
    return queries


def check(connection, name):
    queries = embedded(name)
    seen = set()
    for line, query, has_comment in blocks(name):
        if not has_comment:
            lib.report(name, line, f"{query} has no comment: what is it for, what are its parameters?")
        if query in seen:
            lib.report(name, line, f"{query} is there twice")
        seen.add(query)
        if query not in queries:
            lib.report(name, line, f"{query} is not found by queries.awk")
            continue
        count, text = queries[query]
        with connection.cursor() as cursor:
            try:
                cursor.execute(f"PREPARE lint AS {text}")
                cursor.execute("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'lint'")
                found = cursor.fetchone()[0]
                cursor.execute("DEALLOCATE lint")
                if found != count:
                    lib.report(name, line, f"{query} has {found} parameters in PostgreSQL, {count} in C")
            except psycopg2.Error as e:
                lib.report(name, line, f"{query}: {str(e).strip().splitlines()[0]}")
                connection.rollback()


def check_readme(connection):
    """Bookkeeping of apply.sh and partitions are nobody's business."""
    readme = lib.read("README.md")
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT c.relname FROM pg_class AS c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
               AND c.relname NOT LIKE 'schema\\_%'
             UNION ALL
            SELECT a.attname FROM pg_attribute AS a
             WHERE a.attrelid = 'trace_policy'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'only_row'""")
        for (name,) in cursor.fetchall():
            if f"`{name}`" not in readme:
                lib.report("README.md", 0, f"does not name {name}, a table or a rule of trace_policy")


names = lib.files("*/queries.sql")
if not names:
    lib.report("queries.sql", 0, "there is none")
with cluster.Cluster() as server:
    server.migrate()
    with psycopg2.connect(server.url()) as connection:
        connection.autocommit = True
        for name in names:
            check(connection, name)
        check_readme(connection)
    connection.close()
lib.end()
