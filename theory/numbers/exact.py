"""Exact versions of the numeric functions, by substitution into the statements' own expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import (
    Expr,
    Integer,
    Max,
    Rational,
    S,
    exp,
    expand_func,
    expand_log,
    log,
    logcombine,
    oo,
    preorder_traversal,
    simplify,
)

from theory.errors import DomainError
from theory.functions import LowestEntropy
from theory.lowering import arb_target, evaluate
from theory.numbers.exact_arguments import OPEN_UNIT, POSITIVE, REAL, SIZE, UNIT, Law, checked, count, expression
from theory.stable import best_share
from theory.statements.dial import DIAL_NEEDED, DIALLED_LEAK
from theory.statements.entropy import ENTROPY_MAX
from theory.statements.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.statements.penalty import PENALTY_NEEDED
from theory.symbols import F, F_target, d, delta, eps, eps_target, k, lam, m, tau


def _leak_max(n: Any, m: Any, separation: Any) -> Expr:
    return _at_separation(LEAK_MAX, _block(n, m), separation, S.Zero, S.One)


def _fidelity_min(n: Any, m: Any, separation: Any) -> Expr:
    return _at_separation(1 - LEAK_MAX, _block(n, m), separation, S.One, S.Zero)


def _entropy_max(n: Any, m: Any, separation: Any) -> Expr:
    sizes = _block(n, m)
    return _at_separation(ENTROPY_MAX, sizes, separation, log(sizes["m"]), log(sizes["m"] + sizes["k"] - 1))


def _entropy_max_at_least(n: Any, m: Any, separation: Any) -> Expr:
    return _entropy_max(n, m, Max(_real_separation(separation), 0))


def _at_separation(expr: Expr, sizes: dict[str, Expr], separation: Any, above: Expr, below: Expr) -> Expr:
    """The expression at this separation; `above` and `below` are its limits, which substitution may miss."""
    gap = _real_separation(separation)
    if gap.is_infinite:
        return above if gap == oo else below
    return _answer(expr, **sizes, d=gap)


def _real_separation(separation: Any) -> Expr:
    gap = expression("separation", separation)
    if gap.is_extended_real is False:
        raise DomainError(f"separation={gap} must be real")
    return gap


def _entropy_min(n: Any, logit_range: Any) -> Expr:
    keys = count("n", n, at_least=2)
    span = checked("logit range", logit_range, SIZE)
    if not span.is_number:
        raise DomainError(f"logit range={span} must be a number")
    tops = range(1, int(keys)) if keys <= 64 else _near_best(keys, span)
    entropies = [LowestEntropy.with_top(Integer(top), keys, span, exp(span)) for top in tops]
    values = [evaluate(entropy, {}, arb_target()) for entropy in entropies]
    return _tidy(entropies[min(range(len(values)), key=lambda i: float(values[i]))])


def _near_best(keys: Expr, span: Expr) -> list[int]:
    middle = int(best_share(np.float64(span), np) * float(keys))
    return sorted({max(1, min(int(keys) - 1, middle + shift)) for shift in (-1, 0, 1, 2)})


def _margin_needed(n: Any, m: Any, leak: Any, temperature: Any) -> Expr:
    return _answer(tau * MARGIN_THRESHOLD, **_block(n, m), epsilon_target=leak, tau=temperature)


def _penalty_needed(n: Any, m: Any, leak: Any, margin: Any, temperature: Any) -> Expr:
    return _answer(PENALTY_NEEDED, **_block(n, m), epsilon_target=leak, tau=temperature, delta=margin)


def _dial_needed(fidelity: Any, target: Any) -> Expr:
    return _answer(DIAL_NEEDED, F=fidelity, F_target=target)


def _dialled_leak(leak: Any, dial: Any) -> Expr:
    wrong, lam_ = checked("leak", leak, UNIT), checked("dial", dial, UNIT)
    if wrong == 1 and lam_ == 1:
        raise DomainError(f"leak={wrong} must be below 1 where the dial is 1, a hard mask")
    return _answer(DIALLED_LEAK, epsilon=wrong, **{"lambda": lam_})


# Above this, powers of a logarithm's argument overflow float64, in which sympy estimates their roots.
_MOST_BITS = 900

FACES: dict[str, Callable[..., Expr]] = {
    "leak_max": _leak_max,
    "fidelity_min": _fidelity_min,
    "entropy_max": _entropy_max,
    "entropy_max_at_least": _entropy_max_at_least,
    "entropy_min": _entropy_min,
    "margin_needed": _margin_needed,
    "penalty_needed": _penalty_needed,
    "dial_needed": _dial_needed,
    "dialled_leak": _dialled_leak,
}

_LETTERS = {str(letter): letter for letter in (m, k, d, delta, tau, eps, eps_target, F, F_target, lam)}
_LAWS: dict[str, tuple[str, Law]] = {
    "epsilon_target": ("leak", OPEN_UNIT),
    "F": ("fidelity", OPEN_UNIT),
    "F_target": ("target fidelity", OPEN_UNIT),
    "tau": ("temperature", POSITIVE),
    "delta": ("margin", REAL),
}


def _answer(expr: Expr, **values: Any) -> Expr:
    for name, value in values.items():
        if name in _LAWS:
            label, law = _LAWS[name]
            values[name] = checked(label, value, law)
    return _tidy(expand_func(expr).subs({_LETTERS[name]: value for name, value in values.items()}))


def _tidy(expr: Expr) -> Expr:
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


def _block(n: Any, size: Any) -> dict[str, Expr]:
    keys, block = count("n", n, at_least=2), count("m", size, at_least=1)
    if (keys - block).is_positive is False:
        raise DomainError(f"block size m={block} must satisfy 1 <= m < n={keys}")
    return {"m": block, "k": keys - block}
