"""What a program that was taken over could still do: each profile tries it, and the running farm wears it.

The tries are sandbox_client.c, which enters a program's very profile (common/sandbox_table.h) and tries one thing.
"""
import ctypes
import os
import pathlib
import signal
import struct
import subprocess

import pytest

import farm
import processes
from stage import PAGE
from whole import site  # noqa: F401  (fixture)

KILLED = "killed"
#   try                 parent    edge           worker         monitor
TRIES = """
    exec                ok        killed         killed         killed
    execveat            ok        killed         killed         killed
    fork                ok        killed         killed         killed
    thread              ok        ok             ok             ok
    ptrace              ok        killed         killed         killed
    read_memory         ok        killed         killed         killed
    kill_parent         ok        EPERM          EPERM          EPERM
    abort_signal        ok        ok             ok             ok
    mmap_exec           ok        killed         killed         killed
    mmap_write_exec     ok        killed         killed         killed
    mmap_library        ok        ok             ok             ok
    mprotect_exec       ok        killed         killed         killed
    memfd               ok        killed         killed         killed
    socket_tcp          ok        ok             ok             ok
    socket_udp6         ok        ok             ok             ok
    socket_unix         ok        ok             ok             ok
    socket_raw          -         killed         killed         killed
    socket_packet       -         killed         killed         killed
    socket_netlink      ok        EAFNOSUPPORT   EAFNOSUPPORT   EAFNOSUPPORT
    socket_vsock        -         killed         killed         killed
    listen              ok        ENOSYS         ok             ENOSYS
    mount               EPERM     killed         killed         killed
    bpf                 EPERM     killed         killed         killed
    io_uring            -         ENOSYS         ENOSYS         ENOSYS
    unshare             -         killed         killed         killed
    setuid              -         killed         killed         killed
    keyring             EPERM     killed         killed         killed
    load_module         EPERM     killed         killed         killed
    perf                EPERM     killed         killed         killed
    type_for_others     -         killed         killed         killed
    unknown_call        ENOSYS    ENOSYS         ENOSYS         ENOSYS
    read_etc            ok        ok             ok             ok
    read_own            ok        ok             ok             ok
    read_elsewhere      ok        EACCES         EACCES         EACCES
    list_elsewhere      ok        EACCES         EACCES         EACCES
    write_own           ok        ok             EACCES         EACCES
    write_readable      ok        EACCES         EACCES         EACCES
    write_elsewhere     ok        EACCES         EACCES         EACCES
    rename_own          ok        ok             ENOSYS         ENOSYS
    rename_elsewhere    ok        EACCES         ENOSYS         ENOSYS
    unlink_elsewhere    ok        EACCES         ENOSYS         ENOSYS
    resolve             ok        ok             ok             ok
    charset             ok        ok             ok             ok
    core                ok        ok             ok             ok
    raise_core          -         ENOSYS         ENOSYS         ENOSYS
    be_looked_at        ok        ok             ok             ok
"""
PROFILES = ["parent", "edge", "worker", "monitor"]
CASES = [(line.split()[0], dict(zip(PROFILES, line.split()[1:]))) for line in TRIES.strip().splitlines()]
CLIENT = farm.BUILD / "tests/scenario/sandbox_client"


def outcome(folder, profile, what):
    """What sandbox_client says, or "killed"."""
    for name in ("own", "spool", "elsewhere"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "file").write_text("x")
    told = subprocess.run([CLIENT, profile, what, *(folder / n for n in ("own", "spool", "elsewhere"))],
                          capture_output=True, text=True, timeout=60, check=False)
    if told.returncode == -signal.SIGSYS:
        return KILLED
    assert told.returncode == 0 and told.stdout, (profile, what, told)
    return told.stdout.strip()


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_lets_its_program_try(tmp_path, profile):
    wanted = {what: by[profile] for what, by in CASES if by[profile] != "-"}
    assert {what: outcome(tmp_path, profile, what) for what in wanted} == wanted


def test_every_process_of_the_running_farm_wears_its_sandbox(site, web, pool, proxies):  # noqa: F811
    """After a trace with the browser, so that all there can be is there; Chromium under its launcher too."""
    web.add("http://late.test/", {**PAGE, "body": "<!doctype html><script>location.href = 'http://shop.test/'</script>"})
    pool.add(proxies(1)[0])
    programs = [site.start_edge(), site.start_worker(), site.start_monitor()]
    row = pool.ended(pool.request("http://late.test/", options={"mode": "browser"}))
    assert (row["status"], row["final_url"]) == ("completed", "http://shop.test/")
    for program in programs:
        walls = {(e["profile"] == "parent", e["seccomp"], e["landlock"] != "0") for e in program.events("sandbox.on")}
        assert walls - {(True, "yes", False)} == {(False, "yes", True)}, walls   # parents have no Landlock, all others do
    seen = {pid: processes.status_of(pid) for program in programs for pid in processes.family(program.pid)}
    assert "tp-launcher" in {state["Name"] for state in seen.values()}
    assert {(s["Seccomp"], s["NoNewPrivs"]) for s in seen.values()} == {("2", "1")}, seen
    for program in programs:   # a parent and its child look no file of each other's memory up, nor does another user
        assert pathlib.Path(f"/proc/{program.pid}").stat().st_uid == 0
        assert "Max core file size        0                    0" in pathlib.Path(f"/proc/{program.pid}/limits").read_text()


def test_off_is_said_in_the_log_and_puts_nothing_on(site):  # noqa: F811
    monitor = site.start_monitor("--sandbox.mode=off")
    assert [e["level"] for e in monitor.wait_event("sandbox.off")] == ["warn"]
    assert processes.status_of(monitor.pid)["Seccomp"] == "0"


def without_landlock():
    """For the process that is about to start, this kernel knows no landlock_create_ruleset: a filter of four instructions."""
    load_number, if_equal, give = 0x20, 0x15, 0x06
    allow, no_such_call = 0x7FFF0000, 0x00050000 | 38
    code = b"".join(struct.pack("HBBI", *line) for line in [
        (load_number, 0, 0, 0), (if_equal, 0, 1, 444), (give, 0, 0, no_such_call), (give, 0, 0, allow)])
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(kept))
    prctl = ctypes.CDLL(None).prctl
    assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, program) == 0   # no_new_privs, seccomp


def monitor_says(mode, log, until=None):
    """What a monitor without Landlock logs until that appears, or its end; and its exit status."""
    with open(log, "w", encoding="ascii") as file:
        program = subprocess.Popen([farm.binary("tracepool-monitor"), "--api.listen=127.0.0.1:0", f"--sandbox.mode={mode}"], stderr=file,
                                   preexec_fn=without_landlock, env={"PATH": os.environ["PATH"], "DATABASE_URL": "host=/nowhere"})
    try:
        if until:
            farm.wait_for(lambda: until in log.read_text(), until)
            program.terminate()
        return program.wait(farm.PATIENCE_S), log.read_text()
    finally:
        program.kill()
        program.wait()


def test_a_kernel_without_landlock(tmp_path):
    """auto serves behind the other wall and says what is missing; on refuses to start."""
    status, said = monitor_says("auto", tmp_path / "auto", until="monitor.ready")
    (line,) = [line for line in said.splitlines() if "event=sandbox.on" in line]
    assert status == 0 and "level=warn" in line and "seccomp=yes landlock=0" in line and "advice=" in line
    status, said = monitor_says("on", tmp_path / "on")
    assert status in (1, 2) and "sandbox.mode = on: this kernel has no Landlock" in said
    assert "monitor.ready" not in said


def test_on_starts_where_nothing_is_missing(site):  # noqa: F811
    (seen,) = site.start_monitor("--sandbox.mode=on").events("sandbox.on")
    assert seen["seccomp"] == "yes" and int(seen["landlock"]) > 0
