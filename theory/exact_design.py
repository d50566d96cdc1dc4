"""Exact answers of the numeric faces of D-G, by substitution into the statements' own expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Integer, Rational, S, cos, expand_func, expand_trig, oo, simplify, sympify

from theory import design_symbols as letters
from theory.anchors import BRACKET, INFORMATION_NEEDED, RANDOM_COHERENCE
from theory.errors import DomainError
from theory.known import ENTROPY_MIN_ZHAI
from theory.rules import EXPECTED_FIDELITY, STRENGTH_NEEDED
from theory.schedules import LAYER_COST
from theory.symbols import F, eps, k, m, tau

Law = tuple[str, Callable[[Expr], bool | None]]

_INTEGER: Law = ("be an integer", lambda x: x.is_integer)
_POSITIVE: Law = ("be positive", lambda x: x.is_positive)
_UNIT: Law = ("lie in [0, 1]", lambda x: x.is_nonnegative and (1 - x).is_nonnegative)
_OPEN_UNIT: Law = ("lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive)


def anchor_margin(coherence: Any, distance: Any, scale: Any) -> Expr:
    """D1's margin."""
    factor = _checked("scale", scale, _POSITIVE)
    return simplify(factor * _bracket(coherence, distance))


def anchor_scale_needed(coherence: Any, distance: Any, margin: Any) -> Expr:
    """D1's scale for a margin; `oo` where there is none."""
    bracket, wanted = _bracket(coherence, distance), _exact(margin)
    if wanted.is_nonpositive:
        return S.Zero
    return simplify(wanted / bracket) if bracket.is_positive else oo


def _bracket(coherence: Any, distance: Any) -> Expr:
    mu = _checked("coherence", coherence, ("lie in [-1, 1]", lambda x: (1 - x * x).is_nonnegative))
    eta = _checked("distance", distance, ("lie in [0, 2]", lambda x: x.is_nonnegative and (2 - x).is_nonnegative))
    written = BRACKET.subs({letters.coherence: mu, letters.distance: eta})
    return simplify(written.replace(cos, lambda x: expand_trig(cos(x))))


def coherence_possible(dimension: Any, anchors: Any) -> Expr:
    """D2's least coherence."""
    p, number = _count("dimension", dimension, 1), _count("anchors", anchors, 2)
    if number <= p + 1:
        return -1 / (number - 1)
    return S.One if p == 1 else S.Zero


def random_anchor_coherence(dimension: Any, anchors: Any, failure: Any) -> Expr:
    """D2's coherence of random directions."""
    values = {
        letters.dimension: _count("dimension", dimension, 1),
        letters.anchors: _count("anchors", anchors, 2),
        letters.failure: _checked("failure", failure, _OPEN_UNIT),
    }
    return simplify(RANDOM_COHERENCE.subs(values))


def information_needed(blocks: Any, error: Any) -> Expr:
    """D3's information."""
    number, wrong = _count("blocks", blocks, 2), _checked("error", error, _UNIT)
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
        F: _checked("fidelity", fidelity, _OPEN_UNIT),
        letters.promise: _checked("target fidelity", target, _OPEN_UNIT),
        tau: _checked("temperature", temperature, _POSITIVE),
    }
    return simplify(expand_func(STRENGTH_NEEDED).subs(values))


def expected_fidelity(miss: Any, fired: Any, missed: Any) -> Expr:
    """E3's expected fidelity."""
    values = {
        letters.missed: _checked("miss", miss, _UNIT),
        letters.mean_fired: _checked("fired", fired, _UNIT),
        letters.mean_missed: _checked("missed", missed, _UNIT),
    }
    return simplify(EXPECTED_FIDELITY.subs(values))


def dial_gain(leak: Any, dial: Any) -> Expr:
    """F3's cost of one layer."""
    lam, wrong = _checked("dial", dial, _UNIT), _checked("leak", leak, _UNIT)
    if lam == 1 and wrong == 1:
        raise DomainError(f"leak={wrong} must be below 1 where the dial is 1, a hard mask")
    return simplify(LAYER_COST.subs({eps: wrong, letters.dial_here: lam}))


def entropy_min_zhai(n: Any, norm: Any) -> Expr:
    """G1's entropy."""
    keys = _count("n", n, 2)
    spread = _checked("norm", norm, ("be at least 0", lambda x: x.is_nonnegative))
    return simplify(ENTROPY_MIN_ZHAI.subs({m: Integer(1), k: keys - 1}).subs(letters.norm, spread))


def _exact(value: Any) -> Expr:
    # A float is a dyadic rational, and enters as that.
    return Rational(value) if isinstance(value, float) else sympify(value)


def _checked(label: str, value: Any, law: Law) -> Expr:
    exact = _exact(value)
    # Three-valued: a letter whose assumptions leave the law open is let through, a violation is not.
    if law[1](exact) is False:
        raise DomainError(f"{label}={exact} must {law[0]}")
    return exact


def _count(label: str, value: Any, at_least: int) -> Expr:
    return _checked(
        label,
        _checked(label, value, _INTEGER),
        (f"be at least {at_least}", lambda x: (x - at_least).is_nonnegative),
    )
