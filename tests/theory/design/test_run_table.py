"""`localist check RUN.toml` as a user meets it: tables, JSON and exit statuses."""

from __future__ import annotations

import json
import sys

import pytest
from runs import RUN
from test_run_check import checked

from localist import cli
from theory.design.run_table import print_run


@pytest.mark.parametrize(("changes", "status"), [({}, 0), ({"fidelity = 0.8": "fidelity = 0.99"}, 1)])
def test_exit_status_is_the_decision(tmp_path, monkeypatch, capsys, changes, status):
    text = RUN
    for old, new in changes.items():
        text = text.replace(old, new)
    path = tmp_path / "RUN.toml"
    path.write_text(text)
    for words in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["localist", "check", str(path), *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr().out
        assert stop.value.code == status
        if words:
            assert json.loads(printed)["guaranteed"] is (status == 0)
        else:
            assert ("not guaranteed" in printed) is (status == 1)


HUGE = """
[model]
layers = 2
context = 16
[locality]
block = 8
{}
[targets]
fidelity = 0.9
"""


EXTREME = [
    ("margin = 1e308\ntemperature = 1e-308", 0),
    ("margin = 1e308\npenalty = 1e308", 0),
    ("margin = -1e308\npenalty = 1e308\nlogit_range = 1e308", 1),
    ("margin = -1e308\ntemperature = 1e-308", 1),
    ("margin = 1e308\ntemperature = 1e308\nlogit_range = 1e308\n[locality.sparse]\npenalty = 1e308", 0),
    (
        "margin = 3.0\n[optimizer]\nkind = 'adamw'\nlearning_rate = 1e-300\nsteps = 1\nblock_norm = 1e300\n"
        "penalty = 1.0\ngroup_sizes = [4]",
        1,
    ),
    ("temperature = 1e308\n[locality.anchors]\nnumber = 3\ncoherence = 0.9\ndistance = 0.1\nscale = 4e307", 1),
    ("[locality.anchors]\nnumber = 3\ncoherence = 0.9\nscale = 1e308", 2),
]


@pytest.mark.parametrize(("locality", "status"), EXTREME)
@pytest.mark.parametrize("words", [[], ["--json"]], ids=["table", "json"])
def test_extreme_numbers_give_an_answer_or_one_line(tmp_path, monkeypatch, capsys, locality, status, words):
    path = tmp_path / "RUN.toml"
    path.write_text(HUGE.format(locality))
    monkeypatch.setattr(sys, "argv", ["localist", "check", str(path), *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    printed = capsys.readouterr()
    assert (stop.value.code, printed.err.count("\n")) == (status, int(status == 2))
    if words and status != 2:
        answer = json.loads(printed.out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
        assert answer["guaranteed"] is (status == 0)


def test_rule_names_are_printed_verbatim(tmp_path, monkeypatch, capsys):
    path = tmp_path / "RUN.toml"
    rules = "".join(f'[rules."{name}"]\nkeys = [{key}]\npromise = 0.9\n' for key, name in enumerate(("[/x]", ":dog:")))
    path.write_text(HUGE.format("margin = 9.0") + rules)
    monkeypatch.setattr(sys, "argv", ["localist", "check", str(path)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    printed = capsys.readouterr().out
    assert stop.value.code == 1
    assert "[/x] 0.5" in printed
    assert ":dog: 0.5" in printed


def test_refuses_row_options_with_a_file(tmp_path, monkeypatch, capsys):
    path = tmp_path / "RUN.toml"
    path.write_text(RUN)
    monkeypatch.setattr(sys, "argv", ["localist", "check", str(path), "--margin", "3"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "--margin must be given in" in capsys.readouterr().err


def test_table_without_a_target_says_nothing_of_guarantees(capsys):
    print_run(checked(targets=None, optimizer=None, rules=None))
    assert "guaranteed" not in capsys.readouterr().out
    print_run(checked(optimizer=None, rules=None, targets__fidelity=0.1))
    assert "layers guaranteed: 6, required: 2" in capsys.readouterr().out


def test_tables_fit_80_columns(monkeypatch, capsys):
    """Every layer's standing and the binding rows are printed in full."""
    monkeypatch.setenv("COLUMNS", "80")
    answer = checked(targets__entropy_bits=7.9, locality__dial=0.9999)
    print_run(answer)
    printed = capsys.readouterr().out
    assert "\u2026" not in printed
    assert all(len(line) <= 80 for line in printed.splitlines())
    for layer in answer.layers:
        assert any(layer.standing.value in line and f" {layer.layer} " in line for line in printed.splitlines())
    said = " ".join(printed.split())
    assert "query 224: 225 keys, 1 of its own block" in said
    assert "share of rows kept" in said
