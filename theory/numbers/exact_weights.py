"""Exact versions of the numeric functions of B5 and C, by substitution into the statements' own expressions."""

from __future__ import annotations

from typing import Any

from sympy import Expr, oo, simplify, sqrt

from theory.errors import DomainError
from theory.numbers.exact_arguments import POSITIVE, REAL, SIZE, Law, checked
from theory.statements.extinction import LIMIT_SQUARE, UPDATE_SQUARE
from theory.statements.gradient_bound import GRADIENT_MAX, PER_KEY_NORM
from theory.statements.group_lasso import uniform_threshold
from theory.statements.sparse_attention import SPARSE_PENALTY
from theory.statements.weights_to_attention import MARGIN_FROM_WEIGHTS
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

_COUNT: Law = ("be an integer of at least 1", lambda x: x.is_integer and x.is_positive)


def sparse_penalty_needed(block: Any, group_size: Any, margin: Any, temperature: Any) -> Expr:
    """B5's penalty in terms of the margin."""
    values = {m: checked("m", block, _COUNT), delta: checked("margin", margin, REAL), **_temperature(temperature)}
    return simplify(sqrt(checked("group size", group_size, _COUNT)) * SPARSE_PENALTY.subs(values))


def gradient_bound(loss_gradient: Any, values: Any, keys: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    """C2's bound."""
    norms = _norms(loss_gradient, values, inputs, width, temperature)
    return simplify(GRADIENT_MAX.subs({**norms, k_norm: checked("keys", keys, SIZE)}))


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
    norms, drop = checked("sum of norms", start_norms, SIZE), checked("loss drop", loss_drop, SIZE)
    return simplify(uniform_threshold(slope, norms, drop))


def collapse_radius(penalty: Any, loss_gradient: Any, values: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    """C3's basin of the origin."""
    slope = _slope(loss_gradient, values, inputs, inputs, width, temperature)
    lam = checked("penalty", penalty, POSITIVE)
    return simplify(lam / slope) if slope != 0 else oo


def margin_from_weights(block_score: Any, off_target: Any, pulled: Any, width: Any) -> Expr:
    """C6's margin."""
    values = {
        s_in: checked("block score", block_score, REAL),
        reach_off: checked("off-target norm", off_target, SIZE),
        pull: checked("pull", pulled, SIZE),
        d_k: checked("width", width, _COUNT),
    }
    return simplify(MARGIN_FROM_WEIGHTS.subs(values))


def adam_update_bound(step: Any, beta1: Any, beta2: Any) -> Expr:
    """C5's `c_t`; its limit at `oo`."""
    first = checked("beta1", beta1, ("lie in [0, 1)", lambda x: x.is_nonnegative and (1 - x).is_positive))
    second = checked("beta2", beta2, ("lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive))
    if (second - first**2).is_positive is False:
        raise DomainError(f"beta1={first} must have a square below beta2={second}")
    if step == oo:
        return simplify(sqrt(LIMIT_SQUARE.subs({beta_1: first, beta_2: second})))
    t = checked("step", step, _COUNT)
    values = {beta_1: first, beta_2: second, beta_1_t: first**t, beta_2_t: second**t}
    return simplify(sqrt(UPDATE_SQUARE.subs(values)))


def adam_threshold(group_size: Any, beta1: Any, beta2: Any, step: Any) -> Expr:
    """C5's penalty."""
    last = oo if step == float("inf") else step
    return simplify(sqrt(checked("group size", group_size, _COUNT)) * adam_update_bound(last, beta1, beta2))


def _slope(loss_gradient: Any, values: Any, group_inputs: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    norms = _norms(loss_gradient, values, group_inputs, width, temperature)
    return PER_KEY_NORM.subs(norms) * checked("inputs", inputs, SIZE)


def _norms(loss_gradient: Any, values: Any, inputs: Any, width: Any, temperature: Any) -> dict[Expr, Expr]:
    return {
        Lam: checked("loss gradient", loss_gradient, SIZE),
        v_norm: checked("values", values, SIZE),
        x_g: checked("inputs", inputs, SIZE),
        d_k: checked("width", width, _COUNT),
        **_temperature(temperature),
    }


def _temperature(temperature: Any) -> dict[Expr, Expr]:
    return {tau: checked("temperature", temperature, POSITIVE)}
