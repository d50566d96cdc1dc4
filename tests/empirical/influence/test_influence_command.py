"""`localist check --model FOLDER --influence NATS` on a tiny trained run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT
from tiny import one_thread, tiny  # noqa: F401
from typer.testing import CliRunner

from empirical.training.train import train
from localist.cli import app
from theory.errors import DomainError


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tiny(training={"steps": 2}), tmp_path_factory.mktemp("influence") / "run", progress=False)


def called(*words: Any) -> Any:
    return CliRunner().invoke(app, ["check", *map(str, words)], env={"COLUMNS": "200"})


def test_check_of_a_run_in_json(trained_run: Path) -> None:
    result = called("--model", trained_run, "--influence", 0.01, "--sequences", 2, "--json")
    about = json.loads(result.stdout)
    assert (about["kind"], about["layer"], about["influence"], about["sequences"]) == ("influence", 2, 0.01, 2)
    assert (about["block"], about["seal"], about["violations"]) == (8, "intact", 0)
    assert about["rows"] == 2 * (64 - 8)
    assert result.exit_code == int(about["certified"] < about["rows"])
    # At the dial that it names, the answer is yes.
    again = called(
        "--model", trained_run, "--influence", 0.01, "--sequences", 2, "--dial", about["dial_needed"], "--json"
    )
    assert again.exit_code == 0
    assert json.loads(again.stdout)["certified"] == about["rows"]


def test_table_names_the_binding_row_and_where_the_bound_is_vacuous(trained_run: Path) -> None:
    about = json.loads(called("--model", trained_run, "--influence", 1e-9, "--sequences", 1, "--json").stdout)
    result = called("--model", trained_run, "--influence", 1e-9, "--sequences", 1)
    assert result.exit_code == 1
    row = about["binding"]
    assert f"the binding row: window 0, position {row['position']}, head {row['head']}" in result.stdout
    assert f"{about['certified']} of 56 rows" in result.stdout
    assert f"the bound is vacuous in {about['vacuous']} (" in result.stdout
    assert f"a dial of {about['dial_needed']!r}," in result.stdout
    assert "0 violations" in result.stdout
    assert f"unembedding distance {about['unembedding_distance']:.4g} (all pairs of tokens)" in result.stdout
    assert "Layers before the last are not bounded" in result.stdout


MODEL = ("--model", "FOLDER")
REFUSED: list[tuple[tuple[Any, ...], str]] = [
    (MODEL, "--model FOLDER needs --influence"),
    ((*MODEL, "--influence", 0.01, "--keys", 10), "--keys 10 does not go with --model FOLDER"),
    ((*MODEL, "--influence", 0.01, "--margin", 0), "--margin 0.0 does not go with --model FOLDER"),
    ((*MODEL, "--influence", 0.01, "--grid", "locality.dial=0,1"), "does not go with --model FOLDER"),
    ((*MODEL, "--influence", 0.01, "RUN.toml"), "RUN.toml RUN.toml does not go with --model FOLDER"),
    ((*MODEL, "--influence", 0), "influence 0 must be a positive number of nats"),
    ((*MODEL, "--influence", 0.01, "--block", 4), "block 4 is for a text"),
    (("--influence", 0.01), "--influence 0.01 is about a model, which must be given with --model"),
    (("--keys", 9, "--block", 3, "--margin", 1, "--text", "FILE"), "--text FILE is about a model"),
    (("--keys", 9, "--block", 3, "--margin", 1, "--blocks", "sentences"), "--blocks sentences is about a model"),
    (("RUN.toml", "--sequences", 3), "--sequences 3 is about a model"),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_options_that_make_no_sense_together_are_refused(words: tuple[Any, ...], reason: str) -> None:
    error = called(*words).exception
    assert isinstance(error, DomainError)
    assert reason in str(error)


def test_a_dial_outside_its_range_is_refused(trained_run: Path) -> None:
    error = called("--model", trained_run, "--influence", 0.01, "--dial", 1.5).exception
    assert isinstance(error, DomainError)
    assert "1.5" in str(error)


def test_a_row_is_checked_without_loading_what_runs_models() -> None:
    code = (
        "import sys; sys.argv = 'localist check --keys 10 --block 3 --margin 1'.split(); from localist import cli\n"
        "try: cli.main()\n"
        "finally: print([m for m in ('torch', 'transformers', 'empirical.influence') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
