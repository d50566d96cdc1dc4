"""Planted falsehoods: each false at an exact point, all refuted by the complete roads, and a blind road caught."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pytest
from repository import ROOT
from sympy import Eq, Ge, Gt, Integer, Interval, Rational, Symbol, exp, log, oo, symbols

from localist import cli
from proofs_check.inequalities.domains import side_of
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.symbolic import decide_step
from proofs_check.mutants import kill_table, roads
from proofs_check.mutants.derivation_twins import lemma_twins, step_twins
from proofs_check.mutants.falsehood import false_point, shown
from proofs_check.mutants.kill_table import Trial, cell, holds, survivors, try_statement
from proofs_check.mutants.roads import ROADS, Planted, Road
from theory.derivation import Positive
from theory.errors import DomainError
from theory.statements.catalogue import CATALOGUE, find

COMPLETE = tuple(road for road in ROADS if road.complete)
x, y = Symbol("x", positive=True), Symbol("y", real=True)


def silent(part):
    """Hears nothing of what is under way."""


@pytest.mark.parametrize("key", ["A6", "C1"])
def test_the_complete_roads_refute_every_falsehood(key):
    trials = try_statement(key, silent, roads=COMPLETE)
    assert holds(trials, COMPLETE)
    assert {trial.road for trial in trials} == {road.name for road in COMPLETE}
    assert min(cell(trials, road.name).tried for road in COMPLETE) >= 5
    # A slip that nothing shows false may be true; a road that then says so contradicts nothing.
    assert all(trial.counterexample for trial in trials if trial.killed)


@pytest.mark.slow
@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_road_refutes_every_falsehood_of_the_catalogue(statement):
    trials = try_statement(statement.id, silent)
    assert survivors(trials) == []
    assert survivors(trials, complete=False) == []


def blind(road):
    """The road, passing everything."""
    return replace(road, decide=lambda planted, seed: (Verdict.PROVED, ""))


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
@pytest.mark.parametrize("verdict", [Verdict.PROVED, Verdict.UNDECIDED])
def test_a_blind_road_fails_if_it_should_be_complete(road, verdict):
    blinded = replace(road, decide=lambda planted, seed: (verdict, ""))
    trials = try_statement("A6", silent, roads=[blinded])
    assert cell(trials, road.name).killed == 0
    assert holds(trials, [blinded]) is not road.complete
    assert bool(survivors(trials, [blinded], complete=road.complete))


def verify_twins(monkeypatch, *words):
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["localist", "verify", "C1", "--twins", "--jobs", "1", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize("name", ["random", "symbolic", "interval"])
def test_the_command_ends_in_1_for_a_blind_road(monkeypatch, capsys, name):
    planted = [blind(road) if road.name == name else road for road in COMPLETE]
    work = kill_table.try_statement
    monkeypatch.setattr(kill_table, "try_statement", lambda key, report, seed: work(key, report, seed, planted))
    assert verify_twins(monkeypatch) == 1
    assert f"SURVIVED on {name}" in capsys.readouterr().out


def test_the_command_prints_the_table_and_every_trial(monkeypatch, capsys):
    monkeypatch.setattr(kill_table.try_statement, "__defaults__", (0, COMPLETE))
    assert verify_twins(monkeypatch) == 0
    table = capsys.readouterr().out
    assert "planted falsehoods" in table
    assert "6/6" in table
    assert "equivalent" in table
    assert verify_twins(monkeypatch, "--json") == 0
    trials = json.loads(capsys.readouterr().out)
    assert {trial["road"] for trial in trials} == {"random", "symbolic", "interval"}
    assert all(trial["killed"] for trial in trials if trial["shown"])
    assert {"statement", "road", "twin", "verdict", "counterexample", "shown", "killed"} == set(trials[0])


def test_a_road_that_refuses_the_question_has_not_decided_it():
    def refuse(planted, seed):
        raise DomainError("intervals have no meaning for it")

    road = Road("refusing", True, lambda statement: [Planted("planted", None, "x=1")], refuse)
    (trial,) = try_statement("A1", silent, roads=[road])
    assert trial.survived
    assert not holds([trial], [road])


def test_a_further_road_is_one_more_value():
    def plant(statement):
        return [Planted(f"{statement.id} planted", statement, "x=1")]

    road = Road("kernel", True, plant, lambda planted, seed: (Verdict.REFUTED, "x=1"))
    trials = try_statement("C1", silent, roads=[*COMPLETE, road])
    assert str(cell(trials, "kernel")) == "1/1"


def test_nothing_tried_is_no_success():
    assert not holds([])
    assert str(cell([], "random")) == ""


def test_slips_that_no_point_shows_false_are_not_counted():
    shown_false = Trial("A1", "symbolic", "one", "refuted", "x=1", True)
    equivalent = Trial("A1", "symbolic", "other", "proved", "", False)
    found = cell([shown_false, equivalent], "symbolic")
    assert (found.killed, found.tried, found.equivalent) == (1, 1, 1)
    assert holds([shown_false, equivalent])
    assert not holds([shown_false, replace(equivalent, shown=True)])


@pytest.mark.parametrize("key", ["A6", "C1", "D2"])
def test_every_step_and_lemma_has_falsehoods_shown_by_a_point(key):
    steps, lemmas = list(step_twins(find(key))), list(lemma_twins(find(key)))
    for index, _ in enumerate(find(key).derive(), 1):
        assert any(twin.false_at for twin in steps if twin.index == index)
    for name in {twin.lemma.name for twin in lemmas}:
        assert sum(bool(twin.false_at) for twin in lemmas if twin.lemma.name == name) >= 2
    assert len({twin.name for twin in steps}) > len(steps) * 0.9


def test_what_is_shown_false_is_false():
    for twin in [twin for twin in lemma_twins(find("A2")) if twin.false_at]:
        values = dict(part.split("=") for part in twin.false_at.split(", ") if "=" in part)
        place = {letter: Rational(values[letter.name]) for letter in twin.lemma.domain}
        assert all(twin.lemma.domain[letter].contains(value) for letter, value in place.items())
        gap = (twin.lemma.claim.gts - twin.lemma.claim.lts).subs(place).evalf(50)
        assert gap <= 0


FALSE_AT = [
    (Gt(y, 0), {y: Interval(0, 1)}, {y: Fraction(0)}),
    (Ge(x**2, x, evaluate=False), {x: Interval(0, oo)}, {x: Fraction(1, 2)}),
    (Eq(Integer(0), Rational(1, 1000), evaluate=False), {}, {}),
]


@pytest.mark.parametrize(("claim", "domain", "point"), FALSE_AT, ids=str)
def test_a_false_claim_has_a_point(claim, domain, point):
    found = false_point(claim, {letter: side_of(letter, values) for letter, values in domain.items()})
    assert set(found) == set(point)
    assert shown(found)


def test_a_true_claim_has_none():
    assert false_point(Ge(exp(x), 1 + x), {x: side_of(x, Interval(0, oo))}) is None
    assert false_point(Ge(log(x), -1000, evaluate=False), {x: side_of(x, Interval(-5, 0))}) is None
    assert shown(None) == ""


def test_a_step_false_only_where_letters_meet_is_refuted_there():
    a, b, free = *symbols("a b", positive=True), Symbol("c", real=True)
    assert decide_step(Positive("", (a - b) ** 2)).verdict is Verdict.REFUTED
    assert decide_step(Positive("", free**2)).verdict is Verdict.REFUTED
    assert decide_step(Positive("", free**2, strict=False)).verdict is Verdict.PROVED


def test_every_road_has_its_own_name_and_says_whether_it_is_complete():
    assert len({road.name for road in ROADS}) == len(ROADS)
    assert {road.name for road in COMPLETE} == {"random", "symbolic", "interval"}
    assert "one-sided" in roads.__doc__


@pytest.mark.slow
def test_ctrl_c_prints_what_is_done(tmp_path):
    import signal
    import time

    command = [sys.executable, "-m", "localist", "verify", "--twins", "F2", "A4", "--jobs", "2"]
    environment = {**os.environ, "COLUMNS": "120"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen(command, cwd=ROOT, text=True, env=environment, **pipes)
    time.sleep(25)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "of 2 statements were tried" in err
    assert "Traceback" not in err
    assert "planted falsehoods" in out
