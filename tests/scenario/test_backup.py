"""deploy/BACKUP.md performed: its own commands, with clicks coming in, and then every answered click is there.

The commands are taken out of the page (blocks marked `<!-- run: NAME -->`), so that it can't say anything else.
"""
import contextlib
import os
import re
import shutil
import subprocess

import farm
import pytest
from cluster import Cluster, UNPRIVILEGED
from clicks import Crowd
from edges import add_offer, edge  # noqa: F401  (a fixture)

PAGE = (farm.ROOT / "deploy" / "BACKUP.md").read_text()
CLICKS = 300


def commands(name):
    found = re.findall(rf"<!-- run: {name} -->\n```sh\n(.*?)```", PAGE, re.S)
    assert len(found) == 1, f"BACKUP.md has {len(found)} blocks called {name}"
    return found[0]


def perform(name, cluster, **environment):
    """Runs a block of the page as a person would, connected to that cluster as its superuser."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    settings.update(PGHOST=str(cluster.dir), PGPORT=str(cluster.port), PGUSER="postgres",
                    SERVER_USER=UNPRIVILEGED if os.geteuid() == 0 else str(os.geteuid()))
    settings.update({k: str(v) for k, v in environment.items()})
    done = subprocess.run(["bash", "-euc", commands(name)], env=settings, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def all_there(db, crowd):
    db.wait_for("SELECT true")   # the server may be starting
    crowd.expect_rows(db)


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "etc"
    (folder / "credentials" / "edge").mkdir(parents=True)
    (folder / "tracepool.ini").write_text("[edge]\nchildren = 2\n")
    secret = folder / "credentials" / "edge" / "database.url"
    secret.write_text("postgresql://secret\n")
    secret.chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def own():
    """A cluster to be destroyed, with the schema. Tests leave it in order."""
    with Cluster() as made:
        made.migrate()
        yield made


def mode(path):
    return path.stat().st_mode & 0o777


def database(cluster):
    made = farm.Database(cluster.url())
    made.url_as = cluster.url
    return made


def test_a_lost_cluster_comes_back_with_every_answered_click(tmp_path, own, edge, config):  # noqa: F811
    db, backup = database(own), tmp_path / "backup"
    add_offer(db)
    running = edge("--edge.spool_keep_s=26h", "--edge.segment_bytes=16384", database=own.url("tracepool_edge")).wait_ready()
    with Crowd(running.port, "o", threads=4, pause_s=0.01) as crowd:
        crowd.wait_for(CLICKS)
        perform("backup", own, BACKUP=backup, CONFIG=config)   # in the midst of it
        crowd.wait_for(CLICKS)
        own.stop_immediate()                                   # and after the last of these the disk is gone
        db.close()
        shutil.rmtree(own.data)
        shutil.rmtree(config)
        crowd.wait_for(CLICKS)
        perform("restore", own, BACKUP=backup, CONFIG=config, DATA=own.data)
        own.start()
        crowd.wait_for(CLICKS)
    assert not crowd.others and not crowd.broken
    all_there(db, crowd)
    assert running.program.events("spool.other_server")
    assert (config / "tracepool.ini").read_text() == "[edge]\nchildren = 2\n"
    secret = config / "credentials" / "edge" / "database.url"
    assert secret.read_text() == "postgresql://secret\n" and mode(secret) == 0o600
    assert mode(backup) == mode(backup / "cluster") == 0o700 and mode(backup / "config.tar.gz") == 0o600
    with pytest.raises(AssertionError, match="is not empty"):   # a restore overwrites nothing
        perform("restore", own, BACKUP=backup, CONFIG=config, DATA=own.data)
    assert db.value("SELECT count(*) FROM offers") == 1
    db.close()


def test_a_dump_moves_to_another_server(tmp_path, own, edge):  # noqa: F811
    db, backup = database(own), tmp_path / "backup"
    add_offer(db, "moved")
    running = edge("--edge.spool_keep_s=26h", database=own.url("tracepool_edge")).wait_ready()
    with Crowd(running.port, "moved", threads=4, pause_s=0.01) as crowd:
        crowd.wait_for(CLICKS)
        perform("dump", own, BACKUP=backup)
        crowd.wait_for(CLICKS)
    db.close()
    spool = running.spool
    running.program.stop()
    with Cluster() as other:
        with contextlib.closing(other.connect(user="postgres", database="postgres")) as connection:
            connection.cursor().execute("DROP DATABASE tracepool")
        # An edge that asks for it all the while; its role comes with the password that it had.
        edge("--edge.spool_keep_s=26h", database=other.url("tracepool_edge").replace(other.password, own.password), spool=spool)
        perform("undump", other, BACKUP=backup)
        with contextlib.closing(other.connect(user="postgres", database="postgres")) as connection:
            connection.cursor().execute("ALTER ROLE tracepool PASSWORD %s", (other.password,))   # it was there and had another
        restored = database(other)
        all_there(restored, crowd)
        assert restored.value("SELECT count(*) FROM spool_quarantine") == 0
        assert restored.value("SELECT count(*) FROM schema_migrations") > 0
        restored.close()
