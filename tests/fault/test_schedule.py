"""The schedule: what a seed decides, and what it does not."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import faults  # noqa: E402
import schedule  # noqa: E402


def test_the_same_seed_gives_the_same_schedule():
    assert schedule.plan(7, 600) == schedule.plan(7, 600)
    assert schedule.plan(7, 600) != schedule.plan(8, 600)
    assert schedule.plan(7, 600) != schedule.plan(7, 300)


def test_every_kind_comes_in_its_turn_and_ends_with_the_run():
    kinds = [kind[0] for kind in schedule.KINDS]
    for seconds in (25, 60, 600):
        plan = schedule.plan(3, seconds)
        names = [fault.name for fault in plan]
        assert set(names[:len(kinds)]) <= set(kinds)
        assert len(set(names[:len(kinds)])) == min(len(names), len(kinds)), "none comes twice before all came once"
        assert all(schedule.QUIET_START_S <= fault.at and fault.at + fault.lasts <= seconds + 0.02 for fault in plan)
    assert all(names.count(kind) >= 3 for kind in kinds), "ten minutes have room for each several times"


def test_faults_overlap_most_in_the_last_third():
    plan = schedule.plan(5, 600)
    starts = [fault.at for fault in plan]
    late = sum(at > 400 for at in starts)
    assert late / 200 > (len(starts) - late) / 400
    assert any(fault.at < other.at < fault.at + fault.lasts for fault in plan for other in plan)


def test_every_kind_can_be_done():
    assert set(faults.KINDS) == {kind[0] for kind in schedule.KINDS}
    assert {faults.family(name) for name in faults.KINDS} <= {
        "edge", "worker", "browser", "monitor", "database", "spool", "clock", "proxy", "descriptors", "memory"}


def test_the_plan_is_printed_and_nothing_is_done():
    words = [sys.executable, str(HERE / "run"), "--seed", "11", "--minutes", "1", "--plan"]
    first, second = (subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    assert [line.split()[2] for line in first.splitlines()[1:]] == [fault.name for fault in schedule.plan(11, 60)]
