"""Debian's cron, for real and for one crontab alone: in a mount and a process namespace of its own.

    with Crond(folder, "* * * * * /path/to/command >> /path/to/log"): ...

Its /var/spool/cron, /etc/crontab, /etc/cron.d and /run are its own; it runs the crontab as root of the namespace, which
is whoever runs the test. Everything ends with it.
"""
import os
import pathlib
import signal
import subprocess

CRON = "/usr/sbin/cron"
INSIDE = """
set -e
mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
cp "$1" /var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
mount -t tmpfs none /etc/cron.d
mount -t tmpfs none /run
mount --bind "$2" /etc/crontab
exec %s -f -L 7
""" % CRON


# In a user namespace one may not change one's groups, which cron does before each job; no other group is there anyway.
GROUPS = "int initgroups(const char *user, int group) { (void)user; (void)group; return 0; }\n"


def without_groups(folder):
    """A library that lets cron believe that it has changed its groups."""
    library = folder / "groups.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=GROUPS, text=True, check=True)
    return {"LD_PRELOAD": str(library)}


class Crond:
    def __init__(self, folder, *lines):
        folder = pathlib.Path(folder)
        self.log = folder / "crond.log"
        self.crontab, self.empty = folder / "crontab", folder / "no-crontab"
        self.crontab.write_text("\n".join(lines) + "\n")
        self.empty.write_text("")
        self.environment = {} if os.geteuid() == 0 else without_groups(folder)
        self.process = None

    def __enter__(self):
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        words += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen([*words, "sh", "-c", INSIDE, "sh", self.crontab, self.empty], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, start_new_session=True,
                                            env={**os.environ, **self.environment})
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)   # of unshare: it takes the namespace along
        self.process.wait()
