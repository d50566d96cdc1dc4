"""Mutants are false at an exact point, the complete methods refute all of them, and a blind method is noticed."""

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
from proofs_check.inequalities.search.domains import side_of
from proofs_check.inequalities.search.false_points import false_point, shown
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.symbolic import decide_step
from proofs_check.mutants import Planted, kill_table
from proofs_check.mutants import tested_methods as methods
from proofs_check.mutants.derivation_mutants import lemma_mutants, step_mutants
from proofs_check.mutants.kill_table import Trial, cell, holds, survivors, try_statement
from proofs_check.mutants.tested_methods import METHODS, Method
from theory.derivation import Positive
from theory.errors import DomainError
from theory.statements.catalogue import CATALOGUE, find

COMPLETE = tuple(method for method in METHODS if method.complete)
x, y = Symbol("x", positive=True), Symbol("y", real=True)


def silent(part):
    """Ignores progress."""


@pytest.mark.parametrize("key", ["A6", "C1"])
def test_the_complete_methods_refute_every_mutant(key):
    trials = try_statement(key, silent, methods=COMPLETE)
    assert holds(trials, COMPLETE)
    assert {trial.method for trial in trials} == {method.name for method in COMPLETE}
    assert min(cell(trials, method.name).tried for method in COMPLETE) >= 5
    # A mutation that nothing shows false may be true; a method that then says so contradicts nothing.
    assert all(trial.counterexample for trial in trials if trial.killed)


# Equal sides at a dial of 0, and nearly equal ones beside it, are as near to false for a search that compares them.
LET_PASS = {("adversarial", "B2 strict converse: dial 0 too")}


@pytest.mark.slow
@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_method_refutes_every_mutant_of_the_catalogue(statement):
    trials = try_statement(statement.id, silent)
    assert survivors(trials) == []
    passed = {(trial.method, trial.mutant) for trial in survivors(trials, complete=False)}
    assert passed == {each for each in LET_PASS if each[1].startswith(f"{statement.id} ")}


def blind(method):
    """The method with PROVED as its only verdict."""
    return replace(method, decide=lambda planted, seed: (Verdict.PROVED, ""))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("verdict", [Verdict.PROVED, Verdict.UNDECIDED])
def test_a_blind_method_fails_if_it_is_complete(method, verdict):
    blinded = replace(method, decide=lambda planted, seed: (verdict, ""))
    trials = try_statement("A6", silent, methods=[blinded])
    assert cell(trials, method.name).killed == 0
    assert holds(trials, [blinded]) is not method.complete
    assert bool(survivors(trials, [blinded], complete=method.complete))


def verify_mutants(monkeypatch, *words):
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["localist", "verify", "C1", "--mutants", "--jobs", "1", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize("name", ["random", "symbolic", "interval"])
def test_the_command_ends_in_1_for_a_blind_method(monkeypatch, capsys, name):
    planted = [blind(method) if method.name == name else method for method in COMPLETE]
    work = kill_table.try_statement
    monkeypatch.setattr(kill_table, "try_statement", lambda key, report, seed: work(key, report, seed, planted))
    assert verify_mutants(monkeypatch) == 1
    assert f"SURVIVED on {name}" in capsys.readouterr().out


def test_the_command_prints_the_table_and_every_trial(monkeypatch, capsys):
    monkeypatch.setattr(kill_table.try_statement, "__defaults__", (0, COMPLETE))
    assert verify_mutants(monkeypatch) == 0
    table = capsys.readouterr().out
    assert "mutants: refuted of tried" in table
    assert "6/6" in table
    assert "equivalent" in table
    assert verify_mutants(monkeypatch, "--json") == 0
    trials = json.loads(capsys.readouterr().out)
    assert {trial["method"] for trial in trials} == {"random", "symbolic", "interval"}
    assert all(trial["killed"] for trial in trials if trial["shown"])
    assert {"statement", "method", "mutant", "verdict", "counterexample", "shown", "killed"} == set(trials[0])


def test_a_method_that_refuses_the_question_has_not_decided_it():
    def refuse(planted, seed):
        raise DomainError("intervals have no meaning for it")

    method = Method("refusing", True, lambda statement: [Planted("planted", None, "x=1")], refuse)
    (trial,) = try_statement("A1", silent, methods=[method])
    assert trial.survived
    assert not holds([trial], [method])


def test_a_new_method_is_one_more_value():
    def plant(statement):
        return [Planted(f"{statement.id} planted", statement, "x=1")]

    method = Method("kernel", True, plant, lambda planted, seed: (Verdict.REFUTED, "x=1"))
    trials = try_statement("C1", silent, methods=[*COMPLETE, method])
    assert str(cell(trials, "kernel")) == "1/1"


def test_no_trials_are_no_success():
    assert not holds([])
    assert str(cell([], "random")) == ""


def test_mutations_that_no_point_shows_false_are_not_counted():
    shown_false = Trial("A1", "symbolic", "one", "refuted", "x=1", True)
    equivalent = Trial("A1", "symbolic", "other", "proved", "", False)
    found = cell([shown_false, equivalent], "symbolic")
    assert (found.killed, found.tried, found.equivalent) == (1, 1, 1)
    assert holds([shown_false, equivalent])
    assert not holds([shown_false, replace(equivalent, shown=True)])


@pytest.mark.parametrize("key", ["A6", "C1", "D2"])
def test_every_step_and_lemma_has_mutants_shown_by_a_point(key):
    steps, lemmas = list(step_mutants(find(key))), list(lemma_mutants(find(key)))
    for index, _ in enumerate(find(key).derive(), 1):
        assert any(mutant.false_at for mutant in steps if mutant.name.startswith(f"{key} step {index}: "))
    for name in {mutant.asked.name for mutant in lemmas}:
        assert sum(bool(mutant.false_at) for mutant in lemmas if mutant.asked.name == name) >= 2
    assert len({mutant.name for mutant in steps}) > len(steps) * 0.9


def test_mutants_are_false_at_their_point():
    for mutant in [mutant for mutant in lemma_mutants(find("A2")) if mutant.false_at]:
        values = dict(part.split("=") for part in mutant.false_at.split(", ") if "=" in part)
        place = {letter: Rational(values[letter.name]) for letter in mutant.asked.domain}
        assert all(mutant.asked.domain[letter].contains(value) for letter, value in place.items())
        gap = (mutant.asked.claim.gts - mutant.asked.claim.lts).subs(place).evalf(50)
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


def test_methods_have_different_names_and_three_are_complete():
    assert len({method.name for method in METHODS}) == len(METHODS)
    assert {method.name for method in COMPLETE} == {"random", "symbolic", "interval"}
    assert "one-sided" in methods.__doc__


@pytest.mark.slow
def test_ctrl_c_prints_what_is_finished(tmp_path):
    import signal
    import time

    command = [sys.executable, "-m", "localist", "verify", "--mutants", "F2", "A4", "--jobs", "2"]
    environment = {**os.environ, "COLUMNS": "120"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell starts what it puts into the background with Ctrl-C ignored, and children inherit that.
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    run = subprocess.Popen(command, cwd=ROOT, text=True, env=environment, **pipes, **heed)
    time.sleep(25)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "of 2 statements were tried" in err
    assert "Traceback" not in err
    assert "mutants: refuted of tried" in out
