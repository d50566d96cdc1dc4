"""Numeric functions of the statements on one attention row and its dial: thresholds and bounds.

Every function broadcasts over numpy arrays, works in float64 and is accurate to a relative error of 1e-12
over the whole domain: separations of any size (infinite ones give the limits), up to 1e12 keys, leaks down
to 1e-300. Sympy numbers give exact answers instead, from the expression of the statement itself.

Symbols: a query sees `n` keys, of which `m` form its target block and `k = n - m` do not; `leak` is the
attention mass off the block, fidelity the mass on it; a separation is a margin divided by the temperature.
Entropies are in nats.
"""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.special import expit

from theory.errors import DomainError
from theory.numbers.checked import (
    Array,
    Number,
    between,
    broadcast,
    count,
    number,
    open_unit,
    positive,
    real,
    require,
    scalar,
    shown,
)
from theory.numbers.numeric import Answer, exactly, is_exact, numeric
from theory.stable import binary_entropy_of_logit, lowest_entropy, mixture_entropy_of_logit

# A difference smaller than this share of its terms has lost more digits than the promised error allows.
_CANCELLED = 1e-2


@numeric
def leak_max(n: Number, m: Number, separation: Number) -> Answer:
    """Largest leak of a row whose separation is at least `separation` (A2; own, after the seed's threshold claim).

    The separation may be the margin, the mean margin (a stronger bound) or the soft margin (an equality),
    each divided by the temperature. Raises `DomainError` unless `1 <= m < n`.

    >>> from sympy import Integer, log
    >>> leak_max(n=8, m=2, separation=log(3))
    1/2
    >>> leak_max(n=8, m=2, separation=Integer(0))
    3/4
    """
    if is_exact(n, m, separation):
        return exactly("leak_max", n, m, separation)
    n, m, d = _block_and_separation(n, m, separation)
    return scalar(expit(-(d + _log_ratio(m, n - m))))


@numeric
def quantile_leak_max(
    singled: Number, others: Number, other_score: Number, block_keys: Number, block_score: Number
) -> Answer:
    """Largest leak of a row of which a few outside keys are singled out and a few block keys are counted (A8; sharp).

    `singled` is the logarithm of the sum of `e^score` over the keys singled out, -inf for none; `others` is the number
    of the other outside keys and `other_score` their largest score, which is ignored if there are none. `block_keys`
    keys of the block are counted, and `block_score` is the smallest of their scores. Scores are divided by the
    temperature. The bound holds however the keys are chosen, so the least over several choices holds too.

    One key 2 nats above a block of 64 keys, and 959 others 6 nats below: `leak_max` gives 0.991.

    >>> from sympy import Integer, log
    >>> round(float(quantile_leak_max(2, 959, -6, 64, 0)), 3)
    0.132
    >>> quantile_leak_max(singled=log(3), others=5, other_score=Integer(0), block_keys=8, block_score=Integer(0))
    1/2
    """
    if is_exact(singled, others, other_score, block_keys, block_score):
        return exactly("quantile_leak_max", singled, others, other_score, block_keys, block_score)
    top, level = number("singled", singled), number("other score", other_score)
    require(top < np.inf, "singled", top, "be a number below infinity")
    require(level < np.inf, "other score", level, "be a number below infinity")
    rest, kept = count("others", others, at_least=0), count("block keys", block_keys, at_least=1)
    least = real("block score", block_score)
    top, rest, level, kept, least = broadcast(
        singled=top, others=rest, other_score=level, block_keys=kept, block_score=least
    )
    # Scores are subtracted first, so that large ones which nearly agree keep their digits. A difference that overflows,
    # and the logarithm of 0 keys, give the limits.
    with np.errstate(over="ignore", divide="ignore"):
        level = np.where(rest > 0, level, -np.inf)
        odds = np.logaddexp(top - least - np.log(kept), level - least + _log_ratio(rest, kept))
    return scalar(expit(odds))


@numeric
def fidelity_min(n: Number, m: Number, separation: Number) -> Answer:
    """Smallest fidelity of a row whose separation is at least `separation` (A2).

    >>> from sympy import log
    >>> fidelity_min(n=8, m=2, separation=log(12))
    4/5
    """
    if is_exact(n, m, separation):
        return exactly("fidelity_min", n, m, separation)
    n, m, d = _block_and_separation(n, m, separation)
    return scalar(expit(d + _log_ratio(m, n - m)))


@numeric
def entropy_max(n: Number, m: Number, separation: Number) -> Answer:
    """Largest entropy in nats of a row of this separation (A4; attained).

    For `separation >= 0` it bounds every row whose separation is at least that; its floor is `log(m)`, not 0.
    Below 0 it is the largest entropy with one pair of keys at that gap, and holds for that separation only; if
    only a lower bound on the separation is known, use `entropy_max_at_least`.

    >>> from sympy import Integer, log
    >>> entropy_max(n=1024, m=64, separation=Integer(0))
    log(1024)
    >>> entropy_max(n=2, m=1, separation=log(3))
    log(4*3**(1/4)/3)
    """
    if is_exact(n, m, separation):
        return exactly("entropy_max", n, m, separation)
    n, m, d = _block_and_separation(n, m, separation)
    above = mixture_entropy_of_logit(d + _log_ratio(m, n - m), m, n - m, np, special)
    pair = np.expm1(binary_entropy_of_logit(d, np, special))
    below = np.log(n - 1) + np.log1p(pair / (n - 1))
    return scalar(np.where(d >= 0, above, below))


@numeric
def entropy_max_at_least(n: Number, m: Number, separation: Number) -> Answer:
    """Largest entropy in nats of a row whose separation is at least this (A4; attained): `log(n)` below 0.

    >>> from sympy import Integer, log
    >>> entropy_max_at_least(n=16, m=8, separation=Integer(-7))
    log(16)
    """
    if is_exact(n, m, separation):
        return exactly("entropy_max_at_least", n, m, separation)
    n, m, d = _block_and_separation(n, m, separation)
    return entropy_max(n, m, np.maximum(d, 0.0))


@numeric
def entropy_min(n: Number, logit_range: Number) -> Answer:
    """Smallest entropy in nats of a row of `n` keys whose logits, over the temperature, span `logit_range` (A5).

    Exact at finite `n`: attained by a row with every logit at one of two levels.

    >>> from sympy import Integer, log
    >>> entropy_min(n=16, logit_range=Integer(0))
    log(16)
    >>> entropy_min(n=2, logit_range=log(3))
    log(4*3**(1/4)/3)
    """
    if is_exact(n, logit_range):
        return exactly("entropy_min", n, logit_range)
    n = count("n", n, at_least=2)
    r = real("logit range", logit_range)
    require(r >= 0, "logit range", r, "be at least 0")
    n, r = broadcast(n=n, logit_range=r)
    return scalar(lowest_entropy(n, r, np, special))


@numeric
def entropy_min_zhai(n: Number, norm: Number) -> Answer:
    """Smallest entropy in nats of a row of `n` keys with this norm of the scores (G1, Zhai et al. 2023; attained).

    `norm` is the Euclidean norm of the row's scores less their mean, over the temperature; a spectral norm of the
    logits is at least this. Incomparable with `entropy_min`: the larger of the two holds.

    >>> from sympy import Integer
    >>> entropy_min_zhai(n=Integer(16), norm=Integer(0))
    log(16)
    >>> round(float(entropy_min_zhai(1000, 6 * (999 / 1000) ** 0.5)), 2)
    5.52
    """
    if is_exact(n, norm):
        return exactly("entropy_min_zhai", n, norm)
    keys, spread = np.broadcast_arrays(count("n", n, at_least=2), real("norm", norm))
    require(spread >= 0, "norm", spread, "be at least 0")
    gap = spread * np.sqrt(keys / (keys - 1))
    return scalar(mixture_entropy_of_logit(gap - np.log(keys - 1), 1.0, keys - 1, np, special))


@numeric
def margin_needed(n: Number, m: Number, leak: Number, temperature: Number = 1.0) -> Answer:
    """Smallest margin at which no row leaks more than `leak`: `temperature * d*` (A3; can be negative).

    >>> from sympy import Rational
    >>> margin_needed(n=128, m=16, leak=Rational(1, 100))
    log(693)
    """
    if is_exact(n, m, leak, temperature):
        return exactly("margin_needed", n, m, leak, temperature)
    return penalised_margin(n, m, leak, 0.0, temperature)


@numeric
def penalty_needed(n: Number, m: Number, leak: Number, margin: Number, temperature: Number = 1.0) -> Answer:
    """Smallest penalty on off-block attention at which no row of this margin leaks more than `leak` (A3, B4).

    >>> from sympy import Integer, Rational
    >>> penalty_needed(n=128, m=16, leak=Rational(1, 100), margin=Integer(2))
    -2 + log(693)
    >>> penalty_needed(n=128, m=16, leak=Rational(1, 100), margin=Integer(7))
    0
    """
    if is_exact(n, m, leak, margin, temperature):
        return exactly("penalty_needed", n, m, leak, margin, temperature)
    return scalar(np.maximum(0.0, penalised_margin(n, m, leak, margin, temperature)))


@numeric
def dial_needed(fidelity: Number, target: Number) -> Answer:
    """Smallest dial that lifts a row from `fidelity` to `target` (B1); 0 if it is already there.

    >>> from sympy import Rational
    >>> dial_needed(fidelity=Rational(1, 2), target=Rational(9, 10))
    8/9
    """
    if is_exact(fidelity, target):
        return exactly("dial_needed", fidelity, target)
    start, goal = broadcast(fidelity=open_unit("fidelity", fidelity), target=open_unit("target fidelity", target))
    # 1 - odds(start)/odds(goal) over a common denominator, which leaves one exact subtraction. A goal below the start
    # needs no dial, and its quotient may overflow.
    return scalar(np.maximum(0.0, goal - start) / goal / (1 - start))


@numeric
def dialled_leak(leak: Number, dial: Number) -> Answer:
    """Leak of a row after the dial, from its leak before (B1, an identity).

    >>> from sympy import Rational
    >>> dialled_leak(leak=Rational(1, 2), dial=Rational(8, 9))
    1/10
    """
    if is_exact(leak, dial):
        return exactly("dialled_leak", leak, dial)
    eps, lam = broadcast(leak=between("leak", leak, 0, 1), dial=between("dial", dial, 0, 1))
    require((eps < 1) | (lam < 1), "leak", eps, "be below 1 where the dial is 1, a hard mask")
    # 1 - lam*eps, written as a sum of positive terms.
    return scalar((1 - lam) * eps / ((1 - lam) + lam * (1 - eps)))


@numeric
def penalised_margin(n: Number, m: Number, leak: Number, margin: Number, temperature: Number = 1.0) -> Answer:
    """Shortfall of a margin for `leak`: `temperature * d*(leak) - margin`, negative if the margin suffices (A3).

    >>> from sympy import Integer, Rational
    >>> penalised_margin(n=128, m=16, leak=Rational(1, 100), margin=Integer(7))
    -7 + log(693)
    """
    if is_exact(n, m, leak, margin, temperature):
        return exactly("penalised_margin", n, m, leak, margin, temperature)
    n, m = _block(n, m)
    eps = open_unit("leak", leak)
    tau = positive("temperature", temperature)
    delta = real("margin", margin)
    n, m, eps, tau, delta = broadcast(n=n, m=m, leak=eps, temperature=tau, margin=delta)
    shape = n.shape
    n, m, eps, tau, delta = (np.atleast_1d(x) for x in (n, m, eps, tau, delta))
    terms = _log_ratio(n - m, m), np.log1p(-eps), -np.log(eps)
    lacking = np.array(tau * (terms[0] + terms[1] + terms[2]) - delta)
    largest = np.maximum(np.abs(delta), tau * np.maximum.reduce([np.abs(term) for term in terms]))
    for index in zip(*np.nonzero(np.abs(lacking) < _CANCELLED * largest), strict=True):
        lacking[index] = _lacking_in_arb(n[index], m[index], eps[index], tau[index], delta[index])
    return scalar(lacking.reshape(shape))


def _lacking_in_arb(n: float, m: float, eps: float, tau: float, delta: float) -> float:
    from flint import arb, ctx

    with ctx.workprec(256):
        odds = arb(n - m) * (1 - arb(eps)) / (arb(m) * arb(eps))
        return float(arb(tau) * odds.log() - arb(delta))


def _log_ratio(a: Array, b: Array) -> Array:
    return np.log(a / b)


def _block(n: Number, m: Number) -> tuple[Array, Array]:
    n, m = count("n", n, at_least=2), count("m", m, at_least=1)
    n, m = broadcast(n=n, m=m)
    bad = ~(m < n)
    if np.any(bad):
        raise DomainError(f"block size m={shown(m[bad].flat[0])} must satisfy 1 <= m < n={shown(n[bad].flat[0])}")
    return n, m


def _block_and_separation(n: Number, m: Number, separation: Number) -> tuple[Array, Array, Array]:
    n, m = _block(n, m)
    d = number("separation", separation)
    require(~np.isnan(d), "separation", d, "be a number")
    n, m, d = broadcast(n=n, m=m, separation=d)
    return n, m, d
