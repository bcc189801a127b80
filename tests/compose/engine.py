"""A container engine that leaves no trace: podman with storage and settings of its own, in namespaces of its own.

Two stages, because only building needs the network. Each is this test's program started anew under unshare, so that
whatever happens to it, its containers, bridges, filters and mounts end with it:

    Engine(home, outside=True)     builds images; the machine's network
    Engine(home)                   runs containers; a network that consists of them alone

What is worked around, and why:
    runtime = runc          crun 1.8 refuses a machine with both kinds of cgroups
    default_ulimits         podman raises limits above our own, which not everybody may
    health checks           podman has systemd start them; here a thread does
    short image names       are those that we made, never a registry's
"""
import contextlib
import os
import pathlib
import resource
import subprocess
import threading
import time

CONTAINERS = """[containers]
default_ulimits = ["nofile={nofile}:{nofile}", "nproc=16384:16384"]
log_driver = "k8s-file"
{containers}
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
compat_api_enforce_docker_hub = false
tmp_dir = "{run}/libpod"
[network]
network_backend = "netavark"
network_config_dir = "{home}/networks"
"""
STORAGE = """[storage]
driver = "overlay"
graphroot = "{home}/graph"
runroot = "{run}/storage"
"""
# What apt is told in the public images too: to leave no caches behind in a layer.
SMALL = 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache ""; APT::Keep-Downloaded-Packages "false";'
REGISTRIES = """unqualified-search-registries = []
short-name-mode = "disabled"
"""


def call(*command, stderr_too=False, **options):
    """Its output, without the last newline; what it complained about when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if stderr_too else subprocess.PIPE,
                          text=True, errors="replace", **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-2000:]}{(done.stderr or '')[-4000:]}")
    return done.stdout.rstrip("\n")


class Engine:
    def __init__(self, home, outside=False, seccomp=None):
        self.home, self.run = pathlib.Path(home), pathlib.Path(home) / "run"
        self.run.mkdir(parents=True, exist_ok=True)
        call("mount", "-t", "tmpfs", "tmpfs", self.run if outside else "/run")
        self.run = self.run if outside else pathlib.Path("/run/tracepool-compose")
        self.run.mkdir(exist_ok=True)
        self.socket = self.run / "api.sock"
        self.write_settings(outside, seccomp)
        self.service, self.ending = None, threading.Event()

    def write_settings(self, outside, seccomp):
        nofile = min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        more = ('netns = "host"\n' if outside else "") + (f'seccomp_profile = "{seccomp}"\n' if seccomp else "")
        files = {"containers": CONTAINERS.format(home=self.home, run=self.run, nofile=nofile, containers=more),
                 "storage": STORAGE.format(home=self.home, run=self.run), "registries": REGISTRIES}
        for name, text in files.items():
            (self.run / f"{name}.conf").write_text(text)
        (self.run / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        os.environ.update(CONTAINERS_CONF=str(self.run / "containers.conf"),
                          CONTAINERS_STORAGE_CONF=str(self.run / "storage.conf"),
                          CONTAINERS_REGISTRIES_CONF=str(self.run / "registries.conf"),
                          DOCKER_HOST=f"unix://{self.socket}", BUILDAH_ISOLATION="oci",
                          COMPOSE_DOCKER_CLI_BUILD="0", DOCKER_BUILDKIT="0")

    def podman(self, *words, **options):
        return call("podman", *words, **options)

    def __enter__(self):
        log = open(self.home / "service.log", "wb")
        self.service = subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{self.socket}"],
                                        stdout=log, stderr=log)
        log.close()
        while not self.socket.exists():
            if self.service.poll() is not None:
                raise RuntimeError(f"podman's service ended: {(self.home / 'service.log').read_text()[-2000:]}")
            time.sleep(0.05)    # it has no way to tell
        self.clear()
        self.pump = threading.Thread(target=self.check_health, daemon=True)
        self.pump.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.pump.join()
        self.clear()
        self.service.terminate()
        self.service.wait()

    def clear(self):
        """No container and no volume, whatever an earlier run left in the storage."""
        self.podman("rm", "--all", "--force", "--time", "1")
        self.podman("volume", "rm", "--all", "--force")
        self.podman("network", "prune", "--force")

    def check_health(self):
        while not self.ending.wait(1):
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                for container in self.podman("ps", "-q", "--filter", "health=starting", "--filter", "health=healthy",
                                             "--filter", "health=unhealthy").split():
                    subprocess.run(["podman", "healthcheck", "run", container], capture_output=True, timeout=20)


def apt_sources():
    """The machine's own sources of Debian or Ubuntu, and its release: where the base image comes from."""
    lines = call("apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)",
                 "Created-By: Packages").splitlines()
    found = [line.split("|") for line in lines if line.split("|")[0] in ("Debian", "Ubuntu")]
    release = call("sh", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"')
    return release, sorted({f"deb {uri} {suite} {component}" for _, uri, suite, _, component in found})


def make_base(engine, name):
    """A minimal system from those sources, as the public image of that name would be."""
    release, sources = apt_sources()
    tar = engine.home / "base.tar"
    call("mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=path-exclude=/usr/share/doc/*",
         "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
         f"--customize-hook=printf '%s' '{SMALL}' >\"$1/etc/apt/apt.conf.d/small\"", release, tar, "-",
         input="\n".join(sources) + "\n")
    engine.podman("import", "-q", str(tar), f"localhost/{name}")
    tar.unlink()
