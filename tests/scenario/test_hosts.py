"""Programs on several hosts and links that break: the short form of tests/hosts/run, which is a command of its own."""
import subprocess
import sys

import farm


def test_cut_reset_and_thinned_out_links_lose_nothing():
    done = subprocess.run([sys.executable, farm.ROOT / "tests/hosts/run", "--quick"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" passed, 0 failed\n")
