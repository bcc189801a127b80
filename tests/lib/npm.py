"""Public tools from npm, at the versions of a committed package.json, installed below build-tests/."""
import fcntl
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def is_there():
    return bool(shutil.which("node") and shutil.which("npm"))


def install(package_json, *scripts):
    """The folder where they are, with copies of our scripts beside them. npm's own settings say where from."""
    wanted = package_json.read_text()
    folder = ROOT / "build-tests" / "npm" / package_json.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed.json"  # written last: an install that was broken off is begun anew
        if not done.exists() or done.read_text() != wanted:
            shutil.copy(package_json, folder / "package.json")
            subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"],
                           cwd=folder, check=True, stdout=subprocess.DEVNULL)
            done.write_text(wanted)
        for script in scripts:
            copy = folder / f"{script.name}.{os.getpid()}"
            shutil.copy(script, copy)
            copy.rename(folder / script.name)
    return folder
