"""`localist check` at the command line: tables, JSON, exit statuses, one-line errors and imports."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import RUN

from localist import cli
from theory.design.rounded import at_least, at_most
from theory.numbers import bounds

BASE = ["check", "--keys", "1024", "--block", "64", "--margin", "6"]


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["localist", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return stop.value.code, printed.out, printed.err

    return call


def test_json_has_the_documented_shape(run):
    status, out, _ = run(*BASE, "--logit-range", "9", "--target-fidelity", "0.99", "--dial", "0.5", "--json")
    answer = json.loads(out)
    assert set(answer) == {"inputs", "bounds", "thresholds", "guaranteed"}
    assert set(answer["bounds"]) == {"leak_max", "fidelity_min", "entropy_max_nats", "entropy_min_nats"}
    assert set(answer["thresholds"]) == {"margin", "penalty", "dial"}
    d = 6 + math.log(2)
    assert answer["bounds"]["leak_max"] == pytest.approx(bounds.leak_max(1024, 64, d), rel=1e-12)
    assert answer["bounds"]["entropy_max_nats"] == pytest.approx(bounds.entropy_max(1024, 64, d), rel=1e-12)
    assert answer["bounds"]["entropy_min_nats"] == bounds.entropy_min(1024, 9.0)
    assert answer["thresholds"]["margin"] == pytest.approx(bounds.margin_needed(1024, 64, 0.01))
    assert (status, answer["guaranteed"]) == (1, False)


def test_without_targets_there_is_no_decision(run):
    status, out, _ = run(*BASE, "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["guaranteed"] is None
    assert answer["bounds"]["entropy_min_nats"] is None
    assert set(answer["thresholds"].values()) == {None}


def test_printed_thresholds_are_guaranteed(run):
    goals = ["--target-fidelity", "0.97", "--target-entropy-bits", "6.2", "--json"]
    _, out, _ = run(*BASE, *goals)
    thresholds = json.loads(out)["thresholds"]
    for name, value in thresholds.items():
        words = [*BASE, *goals] + ([f"--{name}", repr(value)] if name != "margin" else [])
        if name == "margin":
            words[words.index("--margin") + 1] = repr(value)
        status, out, _ = run(*words)
        assert (status, json.loads(out)["guaranteed"]) == (0, True)


def test_table_has_bounds_thresholds_and_decision(run):
    status, out, _ = run(*BASE, "--target-entropy-bits", "5")
    assert status == 1
    assert "not guaranteed" in out
    assert "log m" in out
    assert "none" in out


def test_table_writes_targets_in_full(run):
    words = ["--target-fidelity", "0.999999999", "--target-entropy-bits", "6.0000000001"]
    printed = " ".join(run(*BASE, *words)[1].split())
    assert "fidelity >= 0.999999999 and entropy <= 6.0000000001 bits" in printed


@given(st.one_of(st.floats(0, 1), st.floats(0, 1e308)), st.integers(1, 12))
def test_printed_bounds_are_rounded_outward(value, digits):
    assert float(at_least(value, digits)) <= value <= float(at_most(value, digits))
    assert float(at_most(value, digits)) - float(at_least(value, digits)) <= 2 * 10.0 ** (1 - digits) * value
    assert at_least(1 - 1e-9, 6) == "0.999999"


def test_refuses_out_without_a_grid(run, tmp_path):
    path = tmp_path / "RUN.toml"
    path.write_text(RUN)
    status, out, err = run("check", str(path), "--out", "x.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--out x.csv" in err


def test_negative_separation_bounds_the_entropy_of_that_row_only(run):
    words = ["check", "--keys", "16", "--block", "8", "--target-entropy-bits", "3.95", "--margin"]
    status, out, _ = run(*words, "-7")
    assert status == 0
    assert "rows of a larger one can have up to 2.77259 nats" in " ".join(out.split())
    assert "rows of a larger one" not in run(*words, "7")[1]


def test_table_distinguishes_possible_from_impossible(run):
    goal = ["--target-fidelity", "0.99"]
    assert "possible for some rows" in run(*BASE, *goal)[1]
    assert "possible for some rows" in run(*BASE, *goal, "--logit-range", "8")[1]
    assert "impossible: no row" in run(*BASE, *goal, "--logit-range", "7")[1]


BAD = [
    (["--block", "1024"], "error: --block=1024 must satisfy 1 <= block < --keys=1024"),
    (["--temperature", "0"], "error: --temperature=0 must be positive"),
    (["--dial", "1"], "error: --dial=1 must lie in [0, 1)"),
    (["--dial", "-0.1"], "error: --dial=-0.1 must lie in [0, 1)"),
    (["--margin", "nan"], "error: --margin=nan must be finite"),
    (["--margin", "inf"], "error: --margin=inf must be finite"),
    (["--penalty", "-1"], "error: --penalty=-1 must be at least 0"),
    (["--logit-range", "-1"], "error: --logit-range=-1 must be at least 0"),
    (["--logit-range", "5.99"], "error: --logit-range=5.99 must be at least 6, the size of the row's separation"),
    (["--logit-range", "6.6", "--dial", "0.5"], "error: --logit-range=6.6 must be at least 6.69315"),
    (["--target-fidelity", "1"], "error: --target-fidelity=1 must lie in (0, 1)"),
    (["--target-fidelity", "0"], "error: --target-fidelity=0 must lie in (0, 1)"),
    (["--keys", "10.5"], "10.5"),
    (["--keys", "many"], "many"),
    (["--colour", "red"], "--colour"),
    (["--keys", str(10**400)], "keys=1000000"),
    (["--keys", "1000000000001"], "must be at least 2 and at most 1000000000000"),
    (["--block", str(10**400)], "block=1000000"),
    (["--keys", "9" * 5000], "--keys"),
    (["--out", "x.csv"], "--out x.csv is the file of a sweep"),
    (["--dial", "1.0000000001"], "error: --dial=1.0000000001 must lie in [0, 1)"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_one_line_with_status_2(run, words, message):
    status, out, err = run(*BASE, *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_missing_option_is_one_line(run):
    status, _, err = run("check", "--keys", "8")
    assert status == 2
    assert err.count("\n") == 1
    assert "--block" in err


def test_unknown_command_is_one_line(run):
    status, _, err = run("chekc")
    assert status == 2
    assert "chekc" in err


def imported_by(*words):
    code = (
        "import sys\nfrom localist import cli\n"
        f"sys.argv = {['localist', *words]!r}\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["check", "--help"], ["train", "--help"], BASE])
def test_help_and_check_import_no_heavy_library(words):
    loaded = imported_by(*words)
    assert "localist" in loaded
    assert not loaded & {"torch", "transformers", "matplotlib", "sympy", "hypothesis"}
