"""Expressions have one value in numpy, torch and Arb and a LaTeX form; unknown nodes are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flint import arb
from scipy import special
from sympy import Expr, Function, Symbol, gamma
from sympy.core.relational import Relational

from theory.lowering import UnknownNode, arb_target, array_target, evaluate
from theory.statements.catalogue import CATALOGUE
from theory.statements.leak import LEAK_MAX
from theory.symbols import VOCABULARY, d, k, m

NUMPY, TORCH = array_target(np, special), array_target(torch, torch.special)


def sides():
    """Both sides of every relation in the clauses about a row."""
    for statement in CATALOGUE:
        if statement.about != "row":
            continue
        for clause in statement.claim:
            for relation in clause.holds.atoms(Relational):
                for side in relation.args:
                    if isinstance(side, Expr) and side.args:
                        yield f"{statement.id} {clause.name}", side


def values_for(expr, generator):
    values = {}
    for letter in sorted(expr.free_symbols, key=str):
        if letter.is_integer:
            values[letter] = float(generator.integers(1, 30))
        elif VOCABULARY[letter].domain.sup == 1:
            values[letter] = float(generator.uniform(0.05, 0.95))
        else:
            values[letter] = float(generator.uniform(0.2, 3.0))
    return values


@pytest.mark.parametrize(("name", "expr"), list(sides()), ids=lambda x: x if isinstance(x, str) else "")
def test_numpy_torch_and_arb_agree(name, expr):
    if "range needed" in name:
        pytest.skip("torch has no Lambert W; test_range_needed_agrees_in_numpy_and_arb compares numpy with Arb")
    generator = np.random.default_rng(0)
    for _ in range(3):
        values = values_for(expr, generator)
        exact = float(evaluate(expr, {x: arb(v) for x, v in values.items()}, arb_target()))
        in_numpy = evaluate(expr, {x: np.float64(v) for x, v in values.items()}, NUMPY)
        in_torch = evaluate(expr, {x: torch.tensor(v, dtype=torch.float64) for x, v in values.items()}, TORCH)
        assert float(in_numpy) == pytest.approx(exact, rel=1e-12, abs=1e-13)
        assert float(in_torch) == pytest.approx(exact, rel=1e-12, abs=1e-13)


def test_range_needed_agrees_in_numpy_and_arb():
    from theory.statements.range_deficit import RANGE_NEEDED
    from theory.symbols import H

    values = {m: 16.0, k: 48.0, H: 2.5}
    exact = float(evaluate(RANGE_NEEDED, {x: arb(v) for x, v in values.items()}, arb_target()))
    assert float(evaluate(RANGE_NEEDED, values, NUMPY)) == pytest.approx(exact, rel=1e-9)


def test_arrays_broadcast_and_gradients_flow():
    separation = torch.linspace(-2, 2, 5, dtype=torch.float64, requires_grad=True)
    leak = evaluate(LEAK_MAX, {m: torch.tensor(4.0), k: torch.tensor(12.0), d: separation}, TORCH)
    leak.sum().backward()
    assert torch.allclose(separation.grad, -(leak * (1 - leak)).detach())


def test_refuses_unknown_nodes():
    x = Symbol("x")
    with pytest.raises(UnknownNode, match="gamma"):
        evaluate(gamma(x), {x: 1.0}, NUMPY)
    with pytest.raises(UnknownNode, match="made_up"):
        evaluate(Function("made_up")(x), {x: arb(1)}, arb_target())


def test_letter_without_a_value_is_an_error():
    with pytest.raises(KeyError):
        evaluate(LEAK_MAX, {m: 1.0, k: 2.0}, NUMPY)


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_claim_has_latex(statement):
    text = statement.to_latex()
    assert text.count(r"\\ ") == len(statement.assumptions) + len(statement.claim) - 1
    assert r"\mathtt" not in text
    assert "Logistic" not in text


def test_power_of_a_ball_around_0_is_finite():
    x = Symbol("x", real=True)
    ball = arb(0, 1e-9)
    for power in (2, 3, 5):
        found = evaluate(x**power, {x: ball}, arb_target())
        assert found.is_finite()
        assert found.contains(0)
    assert evaluate(x**5, {x: arb(3)}, arb_target()) == 243
