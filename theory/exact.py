"""Exact answers of the numeric face, by substitution into the statements' own expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr, Integer, Rational, exp, expand_func, expand_log, logcombine, simplify, sympify

from theory.dial import DIAL_NEEDED, DIALLED_LEAK
from theory.entropy import ENTROPY_MAX
from theory.errors import DomainError
from theory.functions import LowestEntropy
from theory.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.lowering import arb_target, evaluate
from theory.penalty import PENALTY_NEEDED
from theory.stable import best_share
from theory.symbols import F, F_target, d, delta, eps, eps_target, k, lam, m, tau


def _leak_max(n: Any, m: Any, separation: Any) -> Expr:
    return _answer(LEAK_MAX, **_block(n, m), d=separation)


def _fidelity_min(n: Any, m: Any, separation: Any) -> Expr:
    return _answer(1 - LEAK_MAX, **_block(n, m), d=separation)


def _entropy_max(n: Any, m: Any, separation: Any) -> Expr:
    return _answer(ENTROPY_MAX, **_block(n, m), d=separation)


def _entropy_min(n: Any, logit_range: Any) -> Expr:
    keys = _integer("n", n, at_least=2)
    span = _checked("logit range", logit_range, "be at least 0", lambda x: x.is_nonnegative)
    if not (span.is_number and span.is_finite):
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
    return _answer(DIALLED_LEAK, epsilon=leak, **{"lambda": dial})


FACES: dict[str, Callable[..., Expr]] = {
    "leak_max": _leak_max,
    "fidelity_min": _fidelity_min,
    "entropy_max": _entropy_max,
    "entropy_min": _entropy_min,
    "margin_needed": _margin_needed,
    "penalty_needed": _penalty_needed,
    "dial_needed": _dial_needed,
    "dialled_leak": _dialled_leak,
}

_LETTERS = {str(letter): letter for letter in (m, k, d, delta, tau, eps, eps_target, F, F_target, lam)}
_LAWS: dict[str, tuple[str, str, Callable[[Expr], bool | None]]] = {
    "epsilon": ("leak", "lie in [0, 1)", lambda x: x.is_nonnegative and (1 - x).is_positive),
    "epsilon_target": ("leak", "lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive),
    "F": ("fidelity", "lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive),
    "F_target": ("target fidelity", "lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive),
    "lambda": ("dial", "lie in [0, 1]", lambda x: x.is_nonnegative and (1 - x).is_nonnegative),
    "tau": ("temperature", "be positive", lambda x: x.is_positive),
    "d": ("separation", "be real", lambda x: x.is_extended_real),
    "delta": ("margin", "be real", lambda x: x.is_real),
}


def _answer(expr: Expr, **values: Any) -> Expr:
    for name, value in values.items():
        if name in _LAWS:
            label, law, holds = _LAWS[name]
            values[name] = _checked(label, value, law, holds)
    return _tidy(expand_func(expr).subs({_LETTERS[name]: value for name, value in values.items()}))


def _tidy(expr: Expr) -> Expr:
    plain = simplify(expand_func(expr))
    candidates = [plain, logcombine(expand_log(plain, force=True), force=True), expand_log(plain, force=True)]
    return min(candidates, key=lambda e: (e.count_ops(), len(str(e))))


def _checked(label: str, value: Any, law: str, holds: Callable[[Expr], bool | None]) -> Expr:
    # A float is a dyadic rational, and enters as that.
    exact = Rational(value) if isinstance(value, float) else sympify(value)
    # Three-valued: a letter whose assumptions leave the law open is let through, a violation is not.
    if holds(exact) is False:
        raise DomainError(f"{label}={exact} must {law}")
    return exact


def _block(n: Any, size: Any) -> dict[str, Expr]:
    keys, block = _integer("n", n, at_least=2), _integer("m", size, at_least=1)
    if (keys - block).is_positive is False:
        raise DomainError(f"block size m={block} must satisfy 1 <= m < n={keys}")
    return {"m": block, "k": keys - block}


def _integer(label: str, value: Any, at_least: int) -> Expr:
    count = _checked(label, value, "be an integer", lambda x: x.is_integer)
    if (count - at_least).is_nonnegative is False:
        raise DomainError(f"{label}={count} must be at least {at_least}")
    return count
