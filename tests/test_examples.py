"""Every script in examples/ runs and prints what its comments state."""

import subprocess
import sys

import pytest
from repository import ROOT

import localist

SAYS = {
    "row_thresholds": "exactly: log(1485)",
    "designed_run": "the binding query sees 961 keys, 1 of them of its own block",
    "own_bound": "log x <= x - 1: proved",
    "watched_decoder": "rows that violate a bound: 0",
    "measured_model": "rows that violate a bound: 0",
}


def test_every_example_is_tested():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_example_prints_what_it_states(name, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{name}.py"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout.splitlines()


def test_run_files_match_the_documentation():
    assert localist.check_run(localist.read_run(ROOT / "examples" / "RUN.toml")).guaranteed
    design = localist.design_run(localist.read_run(ROOT / "examples" / "OPEN.toml"))
    assert [solved.name for solved in design.solved] == ["locality.margin"]
    assert localist.check_run(design.run).guaranteed
