"""Exact answers of the numeric face of B5 and C, by substitution into the statements' own expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Rational, oo, simplify, sqrt, sympify

from theory.errors import DomainError
from theory.extinction import LIMIT_SQUARE, UPDATE_SQUARE
from theory.gradient_bound import GRADIENT_MAX, PER_KEY_NORM
from theory.group_lasso import uniform_threshold
from theory.sparse_attention import SPARSE_PENALTY
from theory.symbols import delta, m, tau
from theory.weight_symbols import (
    Lam,
    beta_1,
    beta_1_t,
    beta_2,
    beta_2_t,
    d_k,
    k_norm,
    pull,
    reach_off,
    s_in,
    v_norm,
    x_g,
)
from theory.weights_to_attention import MARGIN_FROM_WEIGHTS

Law = tuple[str, Callable[[Expr], bool | None]]

_ANY: Law = ("be real", lambda x: x.is_real)
_SIZE: Law = ("be at least 0", lambda x: x.is_nonnegative)
_POSITIVE: Law = ("be positive", lambda x: x.is_positive)
_COUNT: Law = ("be an integer of at least 1", lambda x: x.is_integer and x.is_positive)


def sparse_penalty_needed(block: Any, group_size: Any, margin: Any, temperature: Any) -> Expr:
    """B5's penalty in terms of the margin."""
    values = {m: _checked("m", block, _COUNT), delta: _checked("margin", margin, _ANY), **_temperature(temperature)}
    return simplify(sqrt(_checked("group size", group_size, _COUNT)) * SPARSE_PENALTY.subs(values))


def gradient_bound(loss_gradient: Any, values: Any, keys: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    """C2's bound."""
    norms = _norms(loss_gradient, values, inputs, width, temperature)
    return simplify(GRADIENT_MAX.subs({**norms, k_norm: _checked("keys", keys, _SIZE)}))


def group_threshold(
    loss_gradient: Any,
    values: Any,
    group_inputs: Any,
    inputs: Any,
    width: Any,
    loss_drop: Any,
    start_norms: Any,
    temperature: Any,
) -> Expr:
    """C3's threshold at a uniform penalty."""
    slope = _slope(loss_gradient, values, group_inputs, inputs, width, temperature) / 2
    norms, drop = _checked("sum of norms", start_norms, _SIZE), _checked("loss drop", loss_drop, _SIZE)
    return simplify(uniform_threshold(slope, norms, drop))


def collapse_radius(penalty: Any, loss_gradient: Any, values: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    """C3's basin of the origin."""
    slope = _slope(loss_gradient, values, inputs, inputs, width, temperature)
    lam = _checked("penalty", penalty, _POSITIVE)
    return simplify(lam / slope) if slope != 0 else oo


def margin_from_weights(block_score: Any, off_target: Any, pulled: Any, width: Any) -> Expr:
    """C6's margin."""
    values = {
        s_in: _checked("block score", block_score, _ANY),
        reach_off: _checked("off-target norm", off_target, _SIZE),
        pull: _checked("pull", pulled, _SIZE),
        d_k: _checked("width", width, _COUNT),
    }
    return simplify(MARGIN_FROM_WEIGHTS.subs(values))


def adam_update_bound(step: Any, beta1: Any, beta2: Any) -> Expr:
    """C5's `c_t`; its limit at `oo`."""
    first = _checked("beta1", beta1, ("lie in [0, 1)", lambda x: x.is_nonnegative and (1 - x).is_positive))
    second = _checked("beta2", beta2, ("lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive))
    if (second - first**2).is_positive is False:
        raise DomainError(f"beta1={first} must have a square below beta2={second}")
    if step == oo:
        return simplify(sqrt(LIMIT_SQUARE.subs({beta_1: first, beta_2: second})))
    t = _checked("step", step, _COUNT)
    values = {beta_1: first, beta_2: second, beta_1_t: first**t, beta_2_t: second**t}
    return simplify(sqrt(UPDATE_SQUARE.subs(values)))


def adam_threshold(group_size: Any, beta1: Any, beta2: Any, step: Any) -> Expr:
    """C5's penalty."""
    last = oo if step == float("inf") else step
    return simplify(sqrt(_checked("group size", group_size, _COUNT)) * adam_update_bound(last, beta1, beta2))


def _slope(loss_gradient: Any, values: Any, group_inputs: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    norms = _norms(loss_gradient, values, group_inputs, width, temperature)
    return PER_KEY_NORM.subs(norms) * _checked("inputs", inputs, _SIZE)


def _norms(loss_gradient: Any, values: Any, inputs: Any, width: Any, temperature: Any) -> dict[Expr, Expr]:
    return {
        Lam: _checked("loss gradient", loss_gradient, _SIZE),
        v_norm: _checked("values", values, _SIZE),
        x_g: _checked("inputs", inputs, _SIZE),
        d_k: _checked("width", width, _COUNT),
        **_temperature(temperature),
    }


def _temperature(temperature: Any) -> dict[Expr, Expr]:
    return {tau: _checked("temperature", temperature, _POSITIVE)}


def _checked(label: str, value: Any, law: Law) -> Expr:
    # A float is a dyadic rational, and enters as that.
    exact = Rational(value) if isinstance(value, float) else sympify(value)
    # Three-valued: a letter whose assumptions leave the law open is let through, a violation is not.
    if law[1](exact) is False:
        raise DomainError(f"{label}={exact} must {law[0]}")
    return exact
