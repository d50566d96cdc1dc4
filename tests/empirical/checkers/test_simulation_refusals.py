"""`localist rules simulate` refuses what it cannot simulate, in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from rule_texts import OWN, SEVERAL
from tiny import one_thread, tiny  # noqa: F401

from empirical.checkers import simulate as module
from empirical.steering import steered as steered_module
from theory.errors import DomainError


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--missed", "1.5"], "missed 1.5 must lie in [0, 1]"),
        (["--missed", "0.1,-0.1"], "missed -0.1 must lie in [0, 1]"),
        (["--missed", "nan"], "must hold finite numbers"),
        (["--missed", "some"], "must be START:STOP:STEP or A,B,C"),
        (["--missed", ""], "must be START:STOP:STEP or A,B,C"),
        ([], "Missing option '--missed'"),
        (["--missed", "0,0,0,0,0,0,0"], "missed names 7 versions, which must be at most the 6 sequences"),
        (["--missed", "0.1", "--false-firings", "2"], "--false-firings=2 must lie in [0, 1]"),
        (["--missed", "0.1", "--false-firings", "nan"], "--false-firings=nan must lie in [0, 1]"),
        (["--missed", "0.1", "--miss-kind", "worst"], "--miss-kind=worst must be one of independent, hardest"),
        (
            ["--missed", "0.1", "--miss-kind", "hardest", "--confidence", "0.9"],
            "needs independent misses: leave it out",
        ),
        (["--missed", "0.1", "--confidence", "1"], "--confidence=1 must lie in (0, 1)"),
        (["--missed", "0.1", "--confidence", "0.9999999999999999"], "must leave an error above 1e-16"),
        (["--missed", "0.1", "--seed", "-1"], "seed -1 must lie in [0, 2^32)"),
        (["--missed", "0.1", "--block", "100"], "block 100 must lie in [1, 48)"),
        (["--missed", "0.1", "--out", "/dev/null/x"], "cannot write"),
    ],
)
def test_bad_values_are_refused(call, monkeypatch, words, reason):
    monkeypatch.setattr(module._Checked, "run", lambda *args: pytest.fail("a sequence was run"))
    status, out, err = call(SEVERAL, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert reason in err


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (OWN.replace("class(word)", "clas(word)"), "clas"),
        (OWN + "layers = [7]\n", "rule 'own' names layer 7 of 2"),
        (OWN + "heads = [4]\n", "rule 'own' names head 4 of layers that have 4"),
        (OWN.replace("class(word)", 'text == "no such token"'), "is due at any query of this text"),
    ],
)
def test_rules_that_do_not_fit_are_refused(call, rules, reason):
    status, out, err = call(rules, "--missed", "0.1")
    assert (status, out) == (2, "")
    assert reason in err.splitlines()[-1]


@pytest.mark.parametrize("part", ["loss", "rows"])
def test_weights_that_diverged_are_refused(call, monkeypatch, part):
    if part == "loss":
        monkeypatch.setattr(module, "loss_of", lambda *args: module.Loss(float("nan"), 1))
    else:
        steer = steered_module.steer

        def broken(*args):
            output, rows = steer(*args)
            return output, replace(rows, after=rows.after * torch.nan)

        monkeypatch.setattr(steered_module, "steer", broken)
    status, out, err = call(OWN, "--missed", "0.1", "--json")
    assert (status, out) == (2, "")
    assert "of sequence 0 is not a number: these weights diverged" in err


def test_no_version_is_refused(simulated):
    with pytest.raises(DomainError, match="missed must name a share"):
        simulated(missed=())
