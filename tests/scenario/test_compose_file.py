"""The Compose file keeps its rules. That it runs, tests/compose/run says."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

import farm

DEPLOY = farm.ROOT / "deploy"
ONCE = {"migrate", "demo-rows"}
OURS = {"edge": "edge.drain_s", "worker": "worker.drain_s"}
GRACE_S = {"edge": 2, "worker": 15}   # after a drain, until the parent kills a child that is still there
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
TEXT = (DEPLOY / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def example():
    lines = [line for line in (DEPLOY / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def stages():
    """What the Dockerfile makes, by name: its instructions, those of the stages below it included."""
    found, bases, name = {}, {}, None
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            found[name] = list(found.get(base, []))
            bases[name] = base
        elif line and not line.startswith("#") and name:
            found[name].append(line)
    return found


def resolved(*arguments):
    """The file as docker-compose understands it, without anything of this test's environment."""
    done = subprocess.run(["docker-compose", *arguments, "config"], cwd=DEPLOY, capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "HOME": "/", "COMPOSE_PROFILES": "front,prometheus,demo"})
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["SYS_CHROOT"] if name == "worker" else [])
    assert "no-new-privileges:true" in service["security_opt"]
    assert int(service["user"].split(":")[0]) > 10000
    assert service["pids_limit"] > 0 and service["mem_limit"]
    assert "privileged" not in service and "network_mode" not in service and "pid" not in service
    assert all("size=" in one for one in service["tmpfs"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_looked_after(name):
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert service["healthcheck"] == {"disable": True} if name in ONCE else service["healthcheck"]["test"][0] == "CMD"
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert service["networks"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_built_here(name):
    """From a stage that ends as another user than root."""
    build = SERVICES[name]["build"]
    instructions = stages()[build["target"]]
    users = [line.split()[1] for line in instructions if line.startswith("USER ")]
    assert users == [SERVICES[name]["user"]]
    assert SERVICES[name]["image"] == f"tracepool/{build['target']}:${{TRACEPOOL_TAG:-latest}}"


def test_a_stop_lasts_longer_than_a_drain():
    defaults = dict(re.findall(r"^\| `([\w.]+)` \| `(\d+)` \|", (farm.ROOT / "README.md").read_text(), re.M))
    for name, setting in OURS.items():
        environment = SERVICES[name]["environment"]
        drain_s = int(environment["TRACEPOOL_" + setting.upper().replace(".", "_")])
        assert drain_s == int(defaults[setting]), "the file keeps the default, and says so, because its grace rests on it"
        assert seconds(SERVICES[name]["stop_grace_period"]) > drain_s + GRACE_S[name]
    assert all(seconds(service["stop_grace_period"]) > 10 for service in SERVICES.values())


def test_the_worker_gets_what_chromiums_own_sandbox_takes():
    worker = SERVICES["worker"]
    assert worker["shm_size"] == "256m"
    assert any("chromium-seccomp.json" in one for one in worker["security_opt"])
    profile = json.loads((DEPLOY / "compose" / "chromium-seccomp.json").read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    names = {name for rule in profile["syscalls"] for name in rule["names"]}
    assert {"clone", "unshare", "chroot", "landlock_restrict_self", "seccomp"} <= names
    assert not names & {"mount", "setns", "ptrace", "bpf", "keyctl", "pivot_root", "init_module", "kexec_load", "open_by_handle_at"}


def test_nobody_switches_chromiums_sandbox_off():
    for path in [DEPLOY / "docker-compose.yml", DEPLOY / "Dockerfile", DEPLOY / ".env.example", *(DEPLOY / "compose").iterdir()]:
        text = path.read_text()
        assert "no-sandbox" not in text and "NO_SANDBOX" not in text and "no_sandbox" not in text, path.name


def test_what_must_survive_is_in_named_volumes():
    volumes = yaml.safe_load(TEXT)["volumes"]
    kept = {name: [one.split(":")[0] for one in service.get("volumes", []) if one.split(":")[0] in volumes] for name, service in SERVICES.items()}
    assert (kept["db"], kept["edge"], kept["prometheus"]) == (["db"], ["spool"], ["prometheus"])
    assert "spool:/var/lib/tracepool/spool" in SERVICES["edge"]["volumes"]


def test_only_the_front_proxy_listens_beyond_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"edge", "monitor", "front", "prometheus"}
    for name, ports in published.items():
        assert all(one.startswith("${TRACEPOOL_FRONT_BIND" if name == "front" else "${TRACEPOOL_BIND:-127.0.0.1}") for one in ports)


def test_the_database_may_be_elsewhere():
    """Its own network leads nowhere, so whoever speaks to a database needs another one too."""
    networks = yaml.safe_load(TEXT)["networks"]
    assert networks["data"] == {"internal": True} and SERVICES["db"]["networks"] == ["data"]
    for name in ("migrate", "edge", "worker", "monitor"):
        assert any(not (networks[one] or {}).get("internal") for one in SERVICES[name]["networks"]), name


def test_the_edge_believes_the_front_proxy_alone():
    address = SERVICES["front"]["networks"]["front"]["ipv4_address"]
    assert SERVICES["edge"]["environment"]["TRACEPOOL_EDGE_TRUSTED_PROXIES"] == address


def test_secrets_are_files_and_made_by_the_script(tmp_path):
    whole = yaml.safe_load(TEXT)
    assert all(set(secret) == {"file"} for secret in whole["secrets"].values())
    subprocess.run([DEPLOY / "compose" / "secrets", tmp_path / "made"], check=True, capture_output=True)
    made = {path.name for path in (tmp_path / "made").iterdir()} - {"proxies"}
    assert made == set(whole["secrets"])
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == made
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("URL|TOKEN|SECRET|PASSWORD", name) or name.endswith("_FILE"), name
            assert not name.endswith("_FILE") or value.removeprefix("/run/secrets/") in service["secrets"], name


def test_secrets_that_are_there_stay(tmp_path):
    folder = tmp_path / "made"
    subprocess.run([DEPLOY / "compose" / "secrets", folder], check=True, capture_output=True)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "api-token").unlink()
    again = subprocess.run([DEPLOY / "compose" / "secrets", folder], check=True, capture_output=True, text=True).stdout
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert again.split() == ["made", str(folder / "api-token")]
    assert {path for path in before if before[path] != after[path]} == {folder / "api-token"}


def test_the_example_names_every_variable_and_no_other():
    used = {name: default for name, default in VARIABLE.findall(TEXT)}
    ours = {name: value for name, value in example().items() if not name.startswith("COMPOSE_")}
    assert ours == used


def test_compose_reads_it_with_the_example_as_without(tmp_path):
    """Every default of the file is the example's value."""
    copy = tmp_path / "env"
    shutil.copy(DEPLOY / ".env.example", copy)
    (tmp_path / "none").write_text("")
    assert resolved("--env-file", str(copy)) == resolved("--env-file", str(tmp_path / "none"))


def test_without_a_profile_it_is_the_stack_alone():
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"db", "migrate", "edge", "worker", "monitor"}
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {"front", "prometheus", "demo"}


def test_no_secret_is_sent_to_the_builder():
    ignored = (farm.ROOT / ".dockerignore").read_text().split("\n")
    assert {"deploy/secrets", "deploy/.env", ".git"} <= set(ignored)
    git = pathlib.Path(farm.ROOT / ".gitignore").read_text().split("\n")
    assert {"/deploy/secrets/", "/deploy/.env"} <= set(git)
