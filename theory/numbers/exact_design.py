"""Exact versions of the numeric functions of D-G, by substitution into the statements' own expressions."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Integer, S, cos, expand_func, expand_trig, oo, simplify, sqrt

from theory import design_symbols as letters
from theory.errors import DomainError
from theory.numbers.exact_arguments import OPEN_UNIT, POSITIVE, REAL, SIZE, UNIT, checked, count
from theory.statements.anchors import BRACKET, INFORMATION_NEEDED, RANDOM_COHERENCE
from theory.statements.known import ENTROPY_MIN_ZHAI
from theory.statements.rules import EXPECTED_FIDELITY, STRENGTH_NEEDED
from theory.statements.schedules import LAYER_COST
from theory.symbols import F, eps, k, m, tau


def anchor_margin(coherence: Any, distance: Any, scale: Any) -> Expr:
    """D1's margin."""
    factor = checked("scale", scale, POSITIVE)
    return simplify(factor * _bracket(coherence, distance))


def anchor_scale_needed(coherence: Any, distance: Any, margin: Any) -> Expr:
    """D1's scale for a margin; `oo` if there is none."""
    bracket, wanted = _bracket(coherence, distance), checked("margin", margin, REAL)
    if wanted.is_nonpositive:
        return S.Zero
    return simplify(wanted / bracket) if bracket.is_positive else oo


def _bracket(coherence: Any, distance: Any) -> Expr:
    mu = checked("coherence", coherence, ("lie in [-1, 1]", lambda x: (1 - x * x).is_nonnegative))
    eta = checked("distance", distance, ("lie in [0, 2]", lambda x: x.is_nonnegative and (2 - x).is_nonnegative))
    written = BRACKET.subs({letters.coherence: mu, letters.distance: eta})
    return simplify(written.replace(cos, lambda x: expand_trig(cos(x))))


def coherence_possible(dimension: Any, anchors: Any) -> Expr:
    """D2's least coherence."""
    p, number = count("dimension", dimension, 1), count("anchors", anchors, 2)
    if number <= p + 1:
        return -1 / (number - 1)
    if number <= 2 * p or p == 1:
        return S.One if p == 1 else S.Zero
    square = (p * (p - 1)) ** 2 + 4 * p * (number - p - 1) * (number - 2 * p)
    return simplify((sqrt(square) - p * (p - 1)) / (2 * p * (number - p - 1)))


def random_anchor_coherence(dimension: Any, anchors: Any, failure: Any) -> Expr:
    """D2's coherence of random directions."""
    values = {
        letters.dimension: count("dimension", dimension, 1),
        letters.anchors: count("anchors", anchors, 2),
        letters.failure: checked("failure", failure, OPEN_UNIT),
    }
    return simplify(RANDOM_COHERENCE.subs(values))


def information_needed(blocks: Any, error: Any) -> Expr:
    """D3's information."""
    number, wrong = count("blocks", blocks, 2), checked("error", error, UNIT)
    if (wrong - 1 + 1 / number).is_nonnegative:
        return S.Zero
    if wrong == 0:
        return INFORMATION_NEEDED.func(*(a for a in INFORMATION_NEEDED.args if not a.has(letters.error))).subs(
            letters.blocks, number
        )
    return simplify(expand_func(INFORMATION_NEEDED).subs({letters.blocks: number, letters.error: wrong}))


def rule_strength(fidelity: Any, target: Any, temperature: Any) -> Expr:
    """E1's strength of one rule."""
    values = {
        F: checked("fidelity", fidelity, OPEN_UNIT),
        letters.promise: checked("target fidelity", target, OPEN_UNIT),
        tau: checked("temperature", temperature, POSITIVE),
    }
    return simplify(expand_func(STRENGTH_NEEDED).subs(values))


def expected_fidelity(miss: Any, fired: Any, missed: Any) -> Expr:
    """E3's expected fidelity."""
    values = {
        letters.missed: checked("miss", miss, UNIT),
        letters.mean_fired: checked("fired", fired, UNIT),
        letters.mean_missed: checked("missed", missed, UNIT),
    }
    return simplify(EXPECTED_FIDELITY.subs(values))


def dial_gain(leak: Any, dial: Any) -> Expr:
    """F3's cost of one layer."""
    lam, wrong = checked("dial", dial, UNIT), checked("leak", leak, UNIT)
    if lam == 1 and wrong == 1:
        raise DomainError(f"leak={wrong} must be below 1 where the dial is 1, a hard mask")
    return simplify(LAYER_COST.subs({eps: wrong, letters.dial_here: lam}))


def entropy_min_zhai(n: Any, norm: Any) -> Expr:
    """G1's entropy."""
    keys = count("n", n, 2)
    spread = checked("norm", norm, SIZE)
    return simplify(ENTROPY_MIN_ZHAI.subs({m: Integer(1), k: keys - 1}).subs(letters.norm, spread))
