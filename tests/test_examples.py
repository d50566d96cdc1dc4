"""Every script in examples/ runs and prints what its comments state."""

import runpy

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


# Decided in tests/proofs_check/test_own_bounds.py.
BOUNDS = {"my_bounds"}


def test_every_example_is_tested():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(SAYS) | BOUNDS


@pytest.mark.parametrize("name", SAYS)
def test_example_prints_what_it_states(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # In this process, which has imported torch already.
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out.splitlines()


def test_run_files_match_the_documentation():
    assert localist.check_run(localist.read_run(ROOT / "examples" / "RUN.toml")).guaranteed
    design = localist.design_run(localist.read_run(ROOT / "examples" / "OPEN.toml"))
    assert [solved.name for solved in design.solved] == ["locality.margin"]
    assert localist.check_run(design.run).guaranteed
