"""`localist rules check`: exit statuses, tables, JSON, and a run's own promises."""

from __future__ import annotations

import json
import sys

import pytest
from repository import ROOT
from ruled_texts import rule_file

from localist import cli, extras

RUN = """
[model]
layers = 4
heads = 2
context = 64
[locality]
block = 8
margin = 4.0
[targets]
fidelity = 0.9
localised_layers = 2
"""
CONFLICT = [('text == "a"', "block 0", 0.7), ('text == "a"', "block 1", 0.6)]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Writes a rule file and perhaps a run file, and checks them; returns status, output and errors."""

    def run(rules, *words, run_file=None):
        path = tmp_path / "RULES.toml"
        path.write_text(rules, encoding="utf-8")
        if run_file is not None:
            beside = tmp_path / "RUN.toml"
            beside.write_text(run_file)
            words = ("--run", beside, *words)
        monkeypatch.setattr(sys, "argv", ["localist", "rules", "check", str(path), *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


def test_example_is_possible(call):
    example = (ROOT / "examples" / "RULES.toml").read_text(encoding="utf-8")
    status, out, err = call(example, run_file=(ROOT / "examples" / "RUN.toml").read_text())
    assert (status, err) == (0, "")
    assert "possible" in out


def test_conflict(call):
    status, out, err = call(rule_file(CONFLICT))
    assert (status, err) == (1, "")
    assert "conflict: rules r0 and r1 ask for 1.3 of a row that has 1" in out
    assert "0.3 less in all" in out
    assert "assumed: targets overlap only where this is shown" in out


def test_json(call):
    status, out, _ = call(rule_file(CONFLICT), "--json")
    answer = json.loads(out)
    assert status == 1
    assert (answer["schema"], answer["possible"], answer["complete"]) == (1, False, True)
    assert answer["sets"] == [
        {
            "rules": ["r0", "r1"],
            "shared_sup": 0.5,
            "asked": 1.3,
            "certificate": {"r0": 1.0, "r1": 1.0},
            "possible": False,
        }
    ]
    assert answer["total_change"] == 0.3
    assert answer["conflicts"] == ["rules r0 and r1 ask for 1.3 of a row that has 1"]


def test_bad_file(call):
    status, out, err = call(rule_file([("nothing", "own block", 0.5)]), "--json")
    assert (status, out) == (2, "")
    assert "unknown predicate 'nothing'" in json.loads(err)["error"]


def test_undecided_is_no_success(call, monkeypatch):
    from empirical.rules import meeting

    monkeypatch.setattr(meeting, "MOST_RULES", 1)
    status, out, _ = call(rule_file(CONFLICT))
    assert status == 1
    assert "not every set was found" in out
    assert "undecided" in out


def test_run_whose_fidelity_leaves_no_room(call):
    rules = rule_file([('text == "a" and block > 2', "block 0", 0.2)])
    assert call(rules)[0] == 0
    status, out, _ = call(rules, run_file=RUN)
    assert status == 1
    assert "rules r0 and the run's fidelity ask for 1.1 of a row that has 1" in out
    # The run's own promise stays.
    assert "promise r0 below 0.1, 0.1 less in all" in out
    assert "assumed: the run's fidelity is due in its last localised layers" in out


def test_rule_in_the_own_block_fits_the_run(call):
    assert call(rule_file([('text == "a"', "own block", 0.95)]), run_file=RUN)[0] == 0


def test_run_promises_nothing_in_its_first_layers(call):
    rules = rule_file([('text == "a" and block > 2', "block 0", 0.2)])
    assert call(rules + 'layers = "0-1"\n', run_file=RUN)[0] == 0
    assert call(rules + "layers = [1, 2]\n", run_file=RUN)[0] == 1


def test_own_keys_of_the_run(call):
    """The run promises nothing to the first seven queries of a block."""
    rules = rule_file([("block_position < 7 and block > 2", "block 0", 0.2)])
    assert call(rules, run_file=RUN + "own_keys = 8\n")[0] == 0
    assert call(rules, run_file=RUN + "own_keys = 7\n")[0] == 1


def test_rules_of_the_run(call):
    own = '[rules.first]\nkeys = "0:8"\npromise = 0.3\n[rules.some]\nkeys = [1, 2, 9]\npromise = 0.2\n'
    run = RUN.replace("fidelity = 0.9", "").replace("localised_layers = 2", "own_keys = 1") + own
    rule = [("position > 20", "tokens(block == 3)", 0.6)]
    status, out, _ = call(rule_file(rule), run_file=run)
    # Both rules of the run have key 1.
    assert (status, "possible" in out) == (0, True)
    status, out, _ = call(rule_file([("position > 30", "tokens(block == 3)", 0.8)]), run_file=run)
    assert status == 1
    assert "rules r0 and the run's rule first ask for 1.1 of a row that has 1" in out


@pytest.mark.parametrize(
    ("extra", "when", "said"),
    [
        ("layers = [4]\n", "block == 2", "rule 'r0': layer 4 must be below the run's layers=4"),
        ('heads = "1-2"\n', "block == 2", "rule 'r0': head 2 must be below the run's heads=2"),
        ("", "block == 8", "rule 'r0' can never fire in this run: no query meets its condition"),
        ("", "position == 64", "rule 'r0' can never fire in this run"),
        ("", "block == 2 and position < 16", "rule 'r0' can never fire in this run"),
    ],
)
def test_rules_that_do_not_fit_the_run(call, extra, when, said):
    status, _, err = call(rule_file([(when, "own block", 0.5)]) + extra, run_file=RUN)
    assert status == 2
    assert said in err


@pytest.mark.parametrize("words", [["--runs", "x"], ["extra"]])
def test_what_is_not_understood_is_refused(call, words):
    assert call(rule_file(CONFLICT), *words)[0] == 2


@pytest.mark.parametrize(("module", "library"), [("z3", "z3-solver"), ("re2", "google-re2"), ("lark", "lark")])
def test_missing_library_is_named_with_its_extra(monkeypatch, module, library):
    declared = [f"{name}>=1; extra == 'rules'" for name in ("google-re2", "lark", "z3-solver")]
    monkeypatch.setattr(extras, "requires", lambda name: declared)
    assert extras.advice(module) == f"{library} is not installed. Install it with pip install 'localist[rules]'"
