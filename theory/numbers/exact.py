"""Exact versions of the numeric functions, by substitution into the statements' own expressions.

A function of `PLAIN` is one expression, whose letters its arguments replace; the others need a limit, a condition or a
search. `theory.numbers.numeric.exactly` calls both by the numeric function's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import (
    Expr,
    Integer,
    Max,
    Min,
    Rational,
    S,
    Symbol,
    cos,
    exp,
    expand_func,
    expand_log,
    expand_trig,
    floor,
    log,
    logcombine,
    oo,
    preorder_traversal,
    simplify,
    sqrt,
)

from theory import design_symbols as design
from theory import weight_symbols as weights
from theory.errors import DomainError
from theory.functions import LowestEntropy
from theory.lowering import arb_target, evaluate
from theory.numbers.exact_arguments import (
    FROM_1,
    INTEGER,
    REAL,
    SIZE,
    Values,
    checked,
    expression,
    given,
    loss_drop,
    loss_gain,
    n,
    start_norms,
    weight_norms,
)
from theory.output_symbols import rho
from theory.stable import best_share
from theory.statements.anchors import BRACKET, RANDOM_COHERENCE
from theory.statements.dial import DIAL_NEEDED, DIALLED_LEAK
from theory.statements.distance_decay import DECAY_LEAK_FAR, DECAY_LEAK_MAX, SLOPE_NEEDED
from theory.statements.entropy import ENTROPY_MAX
from theory.statements.known import ENTROPY_MIN_ZHAI, INFORMATION_NEEDED
from theory.statements.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.statements.local_layers import TRUNCATION_SHIFT_MAX
from theory.statements.next_token import KL_MAX, TV_MAX
from theory.statements.penalty import PENALTY_NEEDED
from theory.statements.quantile_leak import QUANTILE_LEAK_MAX
from theory.statements.rules import EXPECTED_FIDELITY, STRENGTH_NEEDED
from theory.statements.schedules import LAYER_COST
from theory.statements.sparse_attention import SPARSE_PENALTY
from theory.statements.weights.extinction import LIMIT_SQUARE, UPDATE_SQUARE
from theory.statements.weights.gradient_bound import GRADIENT_MAX, PER_KEY_NORM
from theory.statements.weights.group_lasso import uniform_threshold
from theory.statements.weights_to_attention import MARGIN_FROM_WEIGHTS
from theory.symbols import (
    D_cut,
    F,
    F_target,
    W_out,
    content,
    d,
    d_rest,
    delta,
    eps,
    eps_target,
    fade,
    k,
    k_rest,
    lam,
    m,
    m_kept,
    r,
    slope,
    tau,
)

# A statement's expression, and the letters that the function's arguments replace, in their order.
PLAIN: dict[str, tuple[Expr, tuple[Symbol, ...]]] = {
    "margin_needed": (tau * MARGIN_THRESHOLD, (n, m, eps_target, tau)),
    "penalised_margin": (tau * MARGIN_THRESHOLD - delta, (n, m, eps_target, delta, tau)),
    "penalty_needed": (PENALTY_NEEDED, (n, m, eps_target, delta, tau)),
    "dial_needed": (DIAL_NEEDED, (F, F_target)),
    "sparse_penalty_needed": (sqrt(weights.p) * SPARSE_PENALTY, (m, weights.p, delta, tau)),
    "gradient_bound": (GRADIENT_MAX, (weights.Lam, weights.v_norm, weights.k_norm, weights.x_g, weights.d_k, tau)),
    "group_threshold": (
        uniform_threshold(PER_KEY_NORM * weights.x_all / 2, start_norms, loss_drop),
        (weights.Lam, weights.v_norm, weights.x_g, weights.x_all, weights.d_k, loss_drop, start_norms, tau),
    ),
    "surviving_product": (
        loss_gain / PER_KEY_NORM / weights.x_g,
        (loss_gain, weights.Lam, weights.v_norm, weights.x_g, weights.d_k, tau),
    ),
    "survival_penalty": (loss_gain / weight_norms, (loss_gain, weight_norms)),
    "margin_from_weights": (MARGIN_FROM_WEIGHTS, (weights.s_in, weights.reach_off, weights.pull, weights.d_k)),
    "random_anchor_coherence": (RANDOM_COHERENCE, (design.dimension, design.anchors, design.failure)),
    "rule_strength": (STRENGTH_NEEDED, (F, design.promise, tau)),
    "decay_slope_needed": (SLOPE_NEEDED, (m, eps_target, content, tau)),
    "next_token_variation_max": (TV_MAX, (rho,)),
    "truncation_shift_max": (TRUNCATION_SHIFT_MAX, (eps, D_cut)),
    "expected_fidelity": (EXPECTED_FIDELITY, (design.missed, design.mean_fired, design.mean_missed)),
}


def answer(name: str, *values: Any) -> Expr:
    """The exact value of the numeric function of this name, given all its arguments by position.

    Raises `DomainError` for an argument that breaks its law.
    """
    if name in PLAIN:
        expr, letters = PLAIN[name]
        return _at(expr, given(letters, *values))
    return _OTHERS[name](*values)


def _leak_max(keys: Any, block: Any, separation: Any) -> Expr:
    return _at_separation(LEAK_MAX, keys, block, separation, S.Zero, S.One)


def _fidelity_min(keys: Any, block: Any, separation: Any) -> Expr:
    return _at_separation(1 - LEAK_MAX, keys, block, separation, S.One, S.Zero)


def _quantile_leak_max(singled: Any, others: Any, other_score: Any, block_keys: Any, block_score: Any) -> Expr:
    least = checked(block_score, "block score", REAL)
    rest = checked(others, "others", INTEGER, SIZE)
    kept = checked(block_keys, "block keys", INTEGER, FROM_1)
    top, level = _below_infinity("singled", singled), _below_infinity("other score", other_score)
    gap = oo if rest == 0 else least - level
    return _at(QUANTILE_LEAK_MAX, {W_out: exp(top - least), d_rest: gap, k_rest: rest, m_kept: kept})


def _decay_leak_max(keys: Any, block: Any, loss: Any, span: Any, temperature: Any) -> Expr:
    letters = given((m, slope, content, tau), block, loss, span, temperature)
    letters[fade] = exp(-letters[slope] / letters[tau])
    if expression("n", keys) == oo:
        return _at(DECAY_LEAK_FAR, letters)
    return _at(DECAY_LEAK_MAX, letters | given((n, m), keys, block))


def _below_infinity(label: str, value: Any) -> Expr:
    score = expression(label, value)
    if score == oo or score.is_extended_real is False:
        raise DomainError(f"{label}={score} must be a number below infinity")
    return score


def _entropy_max(keys: Any, block: Any, separation: Any) -> Expr:
    return _at_separation(ENTROPY_MAX, keys, block, separation, log(m), log(n - 1))


def _entropy_max_at_least(keys: Any, block: Any, separation: Any) -> Expr:
    return _entropy_max(keys, block, Max(_separation(separation), 0))


def _at_separation(expr: Expr, keys: Any, block: Any, separation: Any, above: Expr, below: Expr) -> Expr:
    """The expression at this separation; `above` and `below` are its limits, which substitution may miss."""
    sizes, gap = given((n, m), keys, block), _separation(separation)
    if gap.is_infinite:
        return _substituted(above if gap == oo else below, sizes)
    return _at(expr, sizes | {d: gap})


def _separation(separation: Any) -> Expr:
    gap = expression("separation", separation)
    if gap.is_extended_real is False:
        raise DomainError(f"separation={gap} must be real")
    return gap


def _entropy_min(keys: Any, logit_range: Any) -> Expr:
    size, span = given((n, r), keys, logit_range).values()
    if not size.is_number:
        raise DomainError(f"n={size} must be a number")
    tops = range(1, int(size)) if size <= 64 else _near_best(size, span)
    entropies = [LowestEntropy.with_top(Integer(top), size, span, exp(span)) for top in tops]
    values = [evaluate(entropy, {}, arb_target()) for entropy in entropies]
    return _tidy(entropies[min(range(len(values)), key=lambda i: float(values[i]))])


def _near_best(keys: Expr, span: Expr) -> list[int]:
    middle = int(best_share(np.float64(span), np) * float(keys))
    return sorted({max(1, min(int(keys) - 1, middle + shift)) for shift in (-1, 0, 1, 2)})


def _next_token_divergence_max(logit_range: Any) -> Expr:
    values = given((rho,), logit_range)
    return S.Zero if values[rho] == 0 else _at(KL_MAX, values)


def _entropy_min_zhai(keys: Any, norm: Any) -> Expr:
    values = given((n, design.norm), keys, norm)
    return _at(ENTROPY_MIN_ZHAI, values | {m: S.One, k: values[n] - 1})


def _dialled_leak(leak: Any, dial: Any) -> Expr:
    return _at(DIALLED_LEAK, _below_hard_mask((eps, lam), leak, dial))


def _dial_gain(leak: Any, dial: Any) -> Expr:
    return _at(LAYER_COST, _below_hard_mask((eps, design.dial_here), leak, dial))


def _below_hard_mask(letters: tuple[Symbol, Symbol], leak: Any, dial: Any) -> Values:
    values = given(letters, leak, dial)
    if all(value == 1 for value in values.values()):
        raise DomainError("leak=1 must be below 1 where the dial is 1, a hard mask")
    return values


def _collapse_radius(penalty: Any, loss_gradient: Any, values: Any, inputs: Any, width: Any, temperature: Any) -> Expr:
    letters = (weights.lam_g, weights.Lam, weights.v_norm, weights.x_g, weights.x_all, weights.d_k, tau)
    norms = given(letters, penalty, loss_gradient, values, inputs, inputs, width, temperature)
    slope = _substituted(PER_KEY_NORM * weights.x_all, norms)
    return _tidy(norms[weights.lam_g] / slope) if slope != 0 else oo


def _adam_update_bound(step: Any, beta1: Any, beta2: Any) -> Expr:
    decays = given((weights.beta_1, weights.beta_2), beta1, beta2)
    first, second = decays.values()
    if (second - first**2).is_positive is False:
        raise DomainError(f"beta1={first} must have a square below beta2={second}")
    if step == oo:
        return _tidy(sqrt(_substituted(LIMIT_SQUARE, decays)))
    t = checked(step, "step", INTEGER, FROM_1)
    powers = {weights.beta_1_t: first**t, weights.beta_2_t: second**t}
    return _tidy(sqrt(_substituted(UPDATE_SQUARE, decays | powers)))


def _adam_threshold(group_size: Any, beta1: Any, beta2: Any, step: Any) -> Expr:
    last = oo if step == float("inf") else step
    size = given((weights.p,), group_size)[weights.p]
    return _tidy(sqrt(size) * _adam_update_bound(last, beta1, beta2))


def _anchor_margin(coherence: Any, distance: Any, scale: Any) -> Expr:
    factor = given((design.alpha,), scale)[design.alpha]
    return _tidy(factor * _bracket(coherence, distance))


def _anchor_scale_needed(coherence: Any, distance: Any, margin: Any) -> Expr:
    """The scale for a margin; `oo` if there is none."""
    bracket, wanted = _bracket(coherence, distance), given((delta,), margin)[delta]
    if wanted.is_nonpositive:
        return S.Zero
    return _tidy(wanted / bracket) if bracket.is_positive else oo


def _bracket(coherence: Any, distance: Any) -> Expr:
    written = _substituted(BRACKET, given((design.coherence, design.distance), coherence, distance))
    return simplify(written.replace(cos, lambda x: expand_trig(cos(x))))


def _coherence_possible(dimension: Any, anchors: Any) -> Expr:
    p, number = given((design.dimension, design.anchors), dimension, anchors).values()
    try:
        simplex, orthoplex = bool(number <= p + 1), bool(number <= 2 * p)
    except TypeError:
        raise DomainError(f"dimension={p} and anchors={number} must compare, as numbers do") from None
    if simplex:
        return -1 / (number - 1)
    if orthoplex or p == 1:
        return S.One if p == 1 else S.Zero
    square = (p * (p - 1)) ** 2 + 4 * p * (number - p - 1) * (number - 2 * p)
    return _tidy((sqrt(square) - p * (p - 1)) / (2 * p * (number - p - 1)))


def _anchor_capacity(dimension: Any, coherence: Any) -> Expr:
    p, mu = given((design.dimension, design.coherence), dimension, coherence).values()
    if mu.is_nonpositive is not True:
        raise DomainError(f"coherence={mu} must lie in [-1, 0]")
    return 2 * p if mu == 0 else Min(p + 1, floor(1 - 1 / mu))


def _information_needed(blocks: Any, error: Any) -> Expr:
    values = given((design.blocks, design.error), blocks, error)
    number, wrong = values.values()
    if (wrong - 1 + 1 / number).is_nonnegative:
        return S.Zero
    # Substitution would meet 0 log 0.
    return log(number) if wrong == 0 else _at(INFORMATION_NEEDED, values)


_OTHERS: dict[str, Callable[..., Expr]] = {
    each.__name__.removeprefix("_"): each
    for each in (
        *(_leak_max, _fidelity_min, _entropy_max, _entropy_max_at_least, _entropy_min, _entropy_min_zhai),
        *(_quantile_leak_max, _decay_leak_max, _dialled_leak, _dial_gain, _next_token_divergence_max),
        *(_collapse_radius, _adam_update_bound, _adam_threshold),
        *(_anchor_margin, _anchor_scale_needed, _coherence_possible, _anchor_capacity, _information_needed),
    )
}


def _at(expr: Expr, values: Values) -> Expr:
    return _tidy(_substituted(expand_func(expr), values))


def _substituted(expr: Expr, values: Values) -> Expr:
    # At once: a value may contain letters of the statements, which are not to be replaced in their turn.
    return expr.subs(values, simultaneous=True)


# Above this, powers of a logarithm's argument overflow float64, in which sympy estimates their roots.
_MOST_BITS = 900


def _tidy(expr: Expr) -> Expr:
    """The shortest of a few equal forms."""
    written = expand_func(expr)
    # Combining logarithms raises their arguments to their coefficients; sympy cannot handle so many digits.
    if _digits(written) > _MOST_BITS:
        return written
    try:
        plain = simplify(written)
        candidates = [plain, logcombine(expand_log(plain, force=True), force=True), expand_log(plain, force=True)]
    except OverflowError:
        # sympy may try larger powers on the way.
        return written
    return min(candidates, key=lambda e: (e.count_ops(), len(str(e))))


def _digits(expr: Expr) -> int:
    """Bits of the largest argument of a logarithm raised to the largest coefficient."""
    powers = [abs(part.as_coeff_Mul()[0]) for part in preorder_traversal(expr) if part.is_Mul and part.has(log)]
    bits = [n.p.bit_length() + n.q.bit_length() for part in expr.atoms(log) for n in part.atoms(Rational)]
    return max((int(max(x.p, x.q)) for x in powers if x.is_Rational), default=1) * sum(bits)
