"""`localist theorems`: the list, one statement in full, and the graph of which statement uses which."""

from __future__ import annotations

import json
import re
import sys

import pytest

from localist import cli
from theory.statement import Kind
from theory.statements.catalogue import CATALOGUE, find

THEORY = [
    *("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"),
    *("B1", "B2", "B3", "B4", "B5", "B6"),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7"),
    *("D1", "D2", "D3", "D4", "E1", "E2", "E3", "E4", "F1", "F2", "F3", "F4"),
]


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["localist", "theorems", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return stop.value.code, printed.out, printed.err

    return call


def test_lists_every_statement_in_order(run):
    ids = [statement.id for statement in CATALOGUE]
    assert ids[: len(THEORY)] == THEORY
    assert ids[len(THEORY) :]
    assert all(key.startswith(("G", "H")) for key in ids[len(THEORY) :])
    assert ids == sorted(ids)
    status, out, _ = run()
    assert status == 0
    assert all(key in out for key in ids)


def joined(text):
    return "".join(text.split())


@pytest.mark.parametrize("width", [80, 48, 200])
def test_output_is_complete_at_any_width(run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = run()
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    for statement in CATALOGUE:
        assert f"{statement.id} {statement.name} ({statement.kind.value}; " in out or width == 48
        assert joined(statement.title) in joined(out)
        assert not statement.uses or joined(f"uses {', '.join(statement.uses)})") in joined(out)
    _, out, _ = run("A4")
    assert "…" not in out
    assert max(len(line) for line in out.splitlines() if not line.startswith("  LaTeX")) <= width
    for step in json.loads(run("A4", "--json")[1])["derivation"]:
        assert joined(step) in joined(out)


def test_every_statement_has_a_derivation_or_a_citation():
    for statement in CATALOGUE:
        assert statement.derive() or statement.kind is Kind.KNOWN, statement.id
        if statement.kind is Kind.KNOWN:
            assert any(character.isdigit() for character in statement.source), statement.id


def test_prints_one_statement_in_full(run):
    status, out, _ = run("leak-bound")
    assert status == 0
    for part in (
        "A2 leak-bound (sharp)",
        "arXiv 2510.09338",
        r"\epsilon \leq",
        "uses: A1",
        "used by:",
        "sharp in 'margin'",
    ):
        assert part in out


def test_json_describes_every_statement(run):
    _, out, _ = run("--json")
    described = json.loads(out)
    assert [each["id"] for each in described] == [statement.id for statement in CATALOGUE]
    for each in described:
        assert each["claim"]
        assert all(clause["latex"] for clause in each["claim"])
    one = json.loads(run("B1", "--json")[1])
    assert "A1" in one["uses"]


def test_graph_has_an_arrow_for_every_use(run):
    _, out, _ = run("--graph")
    assert out.startswith("digraph")
    assert out.count("->") == sum(len(statement.uses) for statement in CATALOGUE)


def test_graph_of_one_statement_has_what_it_uses(run):
    status, out, _ = run("A4", "--graph")
    assert status == 0
    by_id = {statement.id: statement for statement in CATALOGUE}
    assert set(re.findall(r'"(\w+)" \[label', out)) == below("A4", by_id) < set(by_id)
    assert set(re.findall(r'"(\w+)" -> "(\w+)"', out)) == {(s, u) for s in below("A4", by_id) for u in by_id[s].uses}
    assert run("Z1", "--graph")[0] == 2


def below(key, by_id):
    return {key}.union(*(below(used, by_id) for used in by_id[key].uses))


@pytest.mark.parametrize("both", [("--graph", "--json"), ("--graph", "--markdown"), ("--markdown", "--json")])
def test_refuses_two_output_formats(run, both):
    status, out, err = run(*both)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "only one of them may be given" in err


def test_prints_one_statement_in_markdown(run):
    status, out, _ = run("A4", "--markdown")
    assert status == 0
    assert re.findall(r"^## (\w+)", out, flags=re.MULTILINE) == ["A4"]
    assert all(f"**{clause.name}**" in out for clause in find("A4").claim)
    assert all(step.because in out for step in find("A4").derive())


def test_unknown_statement_is_one_line(run):
    status, out, err = run("Z1")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
