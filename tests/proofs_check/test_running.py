"""Work runs item by item, in one process or several; it keeps the order, can be interrupted and raises errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from repository import ROOT

from proofs_check.methods.running import each
from theory.errors import DomainError, LocalistError


def doubled(item, report):
    report("doubling")
    return item * 2


def refusing(item, report):
    raise DomainError(f"item {item} must be something else")


def dying(item, report):
    os._exit(3)


def interrupted(item, report):
    if item == "b":
        raise KeyboardInterrupt
    return item


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_in_the_order_of_the_items(jobs):
    run = each(doubled, ["a", "b", "c"], "doubling", jobs)
    assert run.found == ["aa", "bb", "cc"]
    assert not run.interrupted


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised(jobs):
    with pytest.raises(DomainError, match="must be something else"):
        each(refusing, ["a", "b"], "refusing", jobs)


def test_a_process_that_dies_ends_the_run():
    with pytest.raises(LocalistError, match="worker process died"):
        each(dying, ["a", "b"], "dying", 2)


def test_an_interruption_keeps_what_is_finished():
    run = each(interrupted, ["a", "b", "c"], "interrupted", 1)
    assert run.interrupted
    assert run.found == ["a"]


SLEEPER = """
from pathlib import Path
import sys, time
from proofs_check.methods.running import each

def work(item, report):
    if item == "slow":
        Path(sys.argv[1]).touch()
        time.sleep(60)
    return item

if __name__ == "__main__":
    run = each(work, ["quick", "slow", "never"], "working", 2)
    print(run.found, run.interrupted)
"""


@pytest.mark.parametrize("wait", [0.0, 0.5])
def test_ctrl_c_ends_the_processes_and_keeps_what_is_finished(tmp_path, wait):
    """Without a wait, the second process is still loading its modules."""
    program, begun = tmp_path / "program.py", tmp_path / "begun"
    program.write_text(SLEEPER)
    command = [sys.executable, str(program), str(begun)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # In a session of its own, so that the signal reaches the group as a terminal's Ctrl-C does, and not this process.
    run = subprocess.Popen(
        command, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes
    )
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(wait)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert out.strip() in ("['quick', 'never'] True", "['quick'] True", "[] True")
    assert "Traceback" not in err
