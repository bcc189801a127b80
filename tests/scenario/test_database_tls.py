"""The way to PostgreSQL on another machine: TLS unless somebody says no, and what a person reads when it can't be had."""
import os
import shutil
import subprocess

import pytest

import farm
import netns
from cluster import OWNER, UNPRIVILEGED, Cluster
from test_pg_conn import Client
from tls import authority, certificate


@pytest.fixture(scope="module")
def net():
    with netns.Net() as made:
        yield made


@pytest.fixture(scope="module")
def with_tls(net, tmp_path_factory):
    host, folder = net.host("db"), tmp_path_factory.mktemp("authority")
    server = Cluster(host=host)
    ours = authority(folder)
    file = shutil.copy(certificate(folder, host.address, 2, by=ours), server.dir / "server.pem")
    os.chmod(file, 0o600)
    if os.geteuid() == 0:
        shutil.chown(file, UNPRIVILEGED)
    server.settings.update(ssl="on", ssl_cert_file=file, ssl_key_file=file)
    with server:
        yield server, ours


@pytest.fixture(scope="module")
def without_tls(net):
    with Cluster(host=net.host("plain")) as server:
        yield server


@pytest.fixture(scope="module")
def edge(net):
    return net.host("edge")


def address(server, more=""):
    """A connection string that says of TLS only what is in `more`."""
    return f"postgresql://{OWNER}:{server.password}@{server.address}:{server.port}/{OWNER}{more}"


def is_encrypted(server):
    with server.connect(user="postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL")
        return cursor.fetchone()[0]


def connected(edge, url):
    client = Client(url, words=edge.words)
    client.wait("up")
    return client


def test_another_machine_is_spoken_to_in_tls_although_nobody_said_so(edge, with_tls):
    server, _ = with_tls
    client = connected(edge, address(server))
    assert is_encrypted(server) == [True]
    client.end()


def test_a_root_certificate_makes_it_prove_its_name(edge, with_tls, tmp_path):
    server, ours = with_tls
    client = connected(edge, address(server, f"?sslrootcert={ours}"))
    assert is_encrypted(server) == [True]
    client.end()
    other = authority(tmp_path, "other")
    refused = Client(address(server, f"?sslrootcert={other}"), words=edge.words)
    assert "certificate verify failed" in refused.wait("down database")
    refused.end()


def test_a_server_without_tls_is_refused_and_named(edge, without_tls):
    client = Client(address(without_tls), words=edge.words)
    said = client.wait("down database")
    assert without_tls.address in said and "does not support SSL" in said and without_tls.password not in said
    client.end()


@pytest.mark.parametrize("mode", ["disable", "prefer"])
def test_who_asks_for_less_gets_it_and_one_warning(edge, without_tls, mode):
    client = connected(edge, address(without_tls, f"?sslmode={mode}"))
    assert is_encrypted(without_tls) == [False]
    client.end()
    assert len([line for line in client.all if "event=database.plain_text" in line]) == 1


def test_the_own_machine_needs_none(cluster):
    client = Client(f"{cluster.url()}")
    client.wait("up")
    client.end()
    assert not [line for line in client.all if "database.plain_text" in line]


@pytest.mark.parametrize("words, variable", [(["migrations/apply.sh"], "DATABASE_URL"), (["deploy/moving/move", "look"], "OLD_DATABASE_URL")])
def test_scripts_do_as_the_programs_do(edge, without_tls, words, variable):
    def says(more):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        done = subprocess.run([*edge.words, farm.ROOT / words[0], *words[1:]], capture_output=True, text=True, timeout=120,
                              env={**environment, variable: address(without_tls, more)})
        assert without_tls.password not in done.stdout + done.stderr
        return done.stdout + done.stderr
    for more in ("", "?application_name=x"):
        assert "does not support SSL" in says(more)
    assert "SSL" not in says("?sslmode=disable")
