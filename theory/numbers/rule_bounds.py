"""Numeric functions of E1-E4, on rules at run time.

A rule has a target, a set of keys given as a row of 0s and 1s in `memberships`; a promise, the fidelity that its target
must have; and a strength, in score units, that is added to its target's scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from theory.errors import DomainError
from theory.numbers.checked import (
    Array,
    Number,
    as_written,
    between,
    broadcast,
    count,
    open_unit,
    positive,
    real,
    require,
    scalar,
)
from theory.numbers.exact_game import GameValue, float_game, solve_game
from theory.numbers.numeric import Answer, exactly, is_exact, numeric
from theory.numbers.unseen import violation_share_max

# Above this ratio of odds the difference of logarithms is accurate, and the quotient may overflow.
_LARGE_ODDS = 1e3
_KKT = 1e-11
_MOST_STEPS = 1000
# With more targets and kinds of keys than this, floating point proposes the answer.
_FEW = 24
# Masses meant as round numbers have denominators up to this.
_ROUND = 10**6
_RIDGE = 1e-3
# Nats that one step may add to a strength: a longer Newton step can land where the row no longer responds.
_LONGEST_STEP = 4.0


@dataclass(frozen=True)
class PromiseSup:
    """Supremum of the fidelity that a rule set can promise to every target at once (E2).

    `masses` attains it; finite strengths may only approach it. `certificate`, one weight per rule, proves that no more
    is possible: at every key the weights of the targets that hold it sum to at most `value`.
    """

    value: Fraction
    masses: tuple[Fraction, ...]
    certificate: tuple[Fraction, ...]


@dataclass(frozen=True)
class PromiseVerdict:
    """Whether some row meets every promise (E2).

    `slack` is the most by which a row can exceed all of them at once; `masses` is such a row. If it is negative,
    `certificate` holds weights `y` with `sum_r y_r f_r > max_j sum_r y_r 1[j in T_r]`.
    """

    possible: bool
    slack: Fraction
    masses: tuple[Fraction, ...]
    certificate: tuple[Fraction, ...] | None


@dataclass(frozen=True)
class MeasuredFidelity:
    """Lower bound on the mean fidelity over time from measured misses, at a confidence in all versions at once (E4).

    `missed` bounds each version's share of misses, each at the confidence `each`.
    """

    at_least: float
    missed: Array
    each: Fraction


@numeric
def rule_strength(fidelity: Number, target: Number, temperature: Number = 1.0) -> Answer:
    """Smallest strength that lifts one rule's target from `fidelity` to `target` (E1); 0 if it is already there.

    >>> from sympy import Integer, Rational
    >>> rule_strength(fidelity=Rational(1, 2), target=Rational(9, 10), temperature=Integer(2))
    log(81)
    """
    if is_exact(fidelity, target, temperature):
        return exactly("rule_strength", fidelity, target, temperature)
    start, goal = open_unit("fidelity", fidelity), open_unit("target fidelity", target)
    tau = positive("temperature", temperature)
    # The ratio of the odds less 1; its one subtraction is exact if the two are close.
    with np.errstate(over="ignore"):
        excess = np.maximum(goal - start, 0.0) / (1 - goal) / start
    far = np.log(goal) - np.log1p(-goal) - np.log(start) + np.log1p(-start)
    return scalar(tau * np.where(excess < _LARGE_ODDS, np.log1p(np.minimum(excess, _LARGE_ODDS)), far))


def rule_strengths(
    masses: ArrayLike, memberships: ArrayLike, promises: Sequence[float | Fraction], temperature: float = 1.0
) -> Array:
    """Nonnegative strengths, one per rule, that meet every promise with the least change of the row (E1).

    `masses` is the plain row over the keys. Raises `DomainError` if the promises are impossible, with the
    certificate, or if only a limit of ever larger strengths meets them.

    >>> rule_strengths([0.5, 0.5], [[1, 0]], [0.9]).round(6).tolist()
    [2.197225]
    """
    row, targets = _row_and_targets(masses, memberships)
    wanted = _promises(promises, targets)
    tau = positive("temperature", temperature)
    held = row > 0
    game = _promise_game(targets[:, held], promises)
    if game.value < 0:
        weights = ", ".join(str(y) for y in game.weights)
        raise DomainError(f"promises={wanted.tolist()} must be possible: weights ({weights}) on the rules forbid them")
    if game.value == 0 and not _level(targets[:, held], game.weights):
        raise DomainError(f"promises={wanted.tolist()} must lie below their supremum: no finite strengths reach it")
    strengths = _least_change(np.log(row[held] / row.sum()), targets[:, held], wanted)
    if strengths is None:
        raise DomainError(f"promises={wanted.tolist()} must lie below their supremum: no finite strengths reach it")
    return tau * strengths


def promise_sup(memberships: ArrayLike) -> PromiseSup:
    """Largest fidelity that every target can be promised at once, with a certificate of optimality (E2; exact).

    >>> promise_sup([[1, 1, 0], [0, 1, 1]]).value, promise_sup([[1, 0], [0, 1]]).certificate
    (Fraction(1, 1), (Fraction(1, 2), Fraction(1, 2)))
    """
    targets = _targets(memberships)
    game = solve_game([[Fraction(int(x)) for x in row] for row in targets])
    return PromiseSup(game.value, game.masses, game.weights)


def promises_possible(memberships: ArrayLike, promises: Sequence[float | Fraction]) -> PromiseVerdict:
    """Whether some row gives every target the fidelity promised to it (E2; exact).

    A float is read as the shortest decimal it prints as, so that promises of 0.1 to ten targets are possible.

    >>> promises_possible([[1, 0], [0, 1]], [0.7, 0.3]).possible
    True
    >>> promises_possible([[1, 0], [0, 1]], [0.7, 0.4]).certificate
    (Fraction(1, 2), Fraction(1, 2))
    """
    targets = _targets(memberships)
    _promises(promises, targets)
    game = _promise_game(targets, promises)
    possible = game.value >= 0
    return PromiseVerdict(possible, game.value, game.masses, None if possible else game.weights)


def forbidding_weights(memberships: ArrayLike, promises: Sequence[float | Fraction]) -> tuple[Fraction, ...] | None:
    """Weights that prove the promises impossible (E2), or None if some row meets them all.

    Floating point proposes a row or weights, which rationals check; if neither holds, an exact solver decides.

    >>> forbidding_weights([[1, 0], [0, 1]], [0.7, 0.3]) is None
    True
    >>> forbidding_weights([[1, 0], [0, 1]], [0.7, 0.4])
    (Fraction(1, 2), Fraction(1, 2))
    """
    targets = _targets(memberships)
    if min(targets.shape) > _FEW:
        exact = [as_written(promise) for promise in promises]
        found = float_game(targets - np.array([[float(x)] for x in exact]))
        for masses in [] if found is None else (_rational(found[0]), _rational(found[0], _ROUND)):
            if all(sum(compress(masses, row), Fraction(0)) >= f for row, f in zip(targets, exact, strict=True)):
                return None
        if found is not None and is_certificate(targets, exact, weights := _rational(found[1])):
            return weights
    return promises_possible(targets, promises).certificate


def shared_promise(memberships: ArrayLike) -> float:
    """Fidelity that every target can be promised at once (E2); with many targets slightly less, attained by some row.

    >>> shared_promise([[1, 0], [0, 1]])
    0.5
    """
    targets = _targets(memberships)
    found = float_game(targets) if min(targets.shape) > _FEW else None
    if found is None:
        return float(promise_sup(targets).value)
    masses = _rational(found[0])
    return float(np.nextafter(float(min(sum(compress(masses, row), Fraction(0)) for row in targets)), 0.0))


def _rational(shares: Array, most: int | None = None) -> tuple[Fraction, ...]:
    """Floats as rationals, scaled to sum 1; with `most`, first rounded to denominators up to it."""
    exact = [Fraction(float(x)) if most is None else Fraction(float(x)).limit_denominator(most) for x in shares]
    total = sum(exact, Fraction(0))
    return tuple(x / total for x in exact)


def _promise_game(targets: Array, promises: Sequence[float | Fraction]) -> GameValue:
    pairs = zip(targets, map(as_written, promises), strict=True)
    return solve_game([[Fraction(int(x)) - promise for x in row] for row, promise in pairs])


def _ceilings(targets: Array, weights: Sequence[Fraction]) -> list[Fraction]:
    """At each key, the sum of the weights of the targets that hold it."""
    return [sum((y for y, x in zip(weights, key, strict=True) if x), Fraction(0)) for key in targets.T]


def _level(targets: Array, weights: Sequence[Fraction]) -> bool:
    """Whether the weights have equal sums at every key; else the promises need a mass of 0, which no strength gives."""
    return len(set(_ceilings(targets, weights))) == 1


def is_certificate(memberships: ArrayLike, promises: Sequence[Fraction], weights: Sequence[Fraction]) -> bool:
    """Whether the weights prove the promises impossible (E2): exactly `sum_r y_r f_r > max_j sum_r y_r 1[j in T_r]`."""
    targets = _targets(memberships)
    if len(weights) != len(targets) or len(promises) != len(targets) or min(weights) < 0:
        return False
    promised = sum((y * f for y, f in zip(weights, promises, strict=True)), Fraction(0))
    return promised > max(_ceilings(targets, weights))


@numeric
def expected_fidelity(miss: Number, fired: Number, missed: Number = 0.0) -> Answer:
    """Expected fidelity under a checker that misses with probability `miss` (E3); a lower bound if `missed` is 0.

    `fired` is the (least or mean) fidelity where the rule fired. `missed` is the mean plain fidelity **where it was
    missed**, which equals the mean plain fidelity only if the misses are independent of it.

    >>> from sympy import Rational
    >>> expected_fidelity(Rational(1, 10), Rational(9, 10), Rational(1, 5))
    83/100
    """
    if is_exact(miss, fired, missed):
        return exactly("expected_fidelity", miss, fired, missed)
    q = between("miss", miss, 0, 1)
    return scalar((1 - q) * between("fired", fired, 0, 1) + q * between("missed", missed, 0, 1))


def mean_fidelity_min(promise: ArrayLike, missed: ArrayLike, times: ArrayLike = 1.0) -> float:
    """Lower bound on the mean fidelity over time of a checker replaced while running (E4; attained).

    Entry by entry, a version promises `promise`, misses the share `missed` of the cases and is at work for `times`.

    >>> mean_fidelity_min(0.5, [0.5, 0.0], times=[1, 3])
    0.4375
    """
    f, q, n = broadcast(
        promise=between("promise", promise, 0, 1),
        missed=between("missed", missed, 0, 1),
        times=positive("times", times),
    )
    # Scaled by a power of 2, which is exact, so that no sum of times overflows.
    return float(np.average(f * (1 - q), weights=np.ldexp(n, -np.frexp(n.max())[1] - n.size.bit_length())))


def measured_fidelity_min(
    promise: ArrayLike, misses: ArrayLike, cases: ArrayLike, confidence: float | Fraction, times: ArrayLike = 1.0
) -> MeasuredFidelity:
    """`mean_fidelity_min` from the misses counted in `cases` of each version, at this confidence for all of them (E4).

    A version's cases are independent of each other, as rows of one text are not (H5), and the number of versions is
    fixed before they are counted. Each version gets an equal share of the error, for its exact binomial bound.

    >>> measured_fidelity_min(0.9, [0, 0], [59, 590], 0.95).missed.round(4).tolist()
    [0.0606, 0.0062]
    """
    seen, number = broadcast(misses=count("misses", misses, 0), cases=count("cases", cases, 1))
    require(seen <= number, "misses", seen, "be at most the number of cases")
    open_unit("confidence", float(confidence))
    each = 1 - (1 - as_written(confidence)) / seen.size
    if float(each) == 1:
        raise DomainError(f"confidence={confidence} must leave an error above 1e-16 for each of {seen.size} versions")
    missed = np.asarray(violation_share_max(seen, number, each))
    return MeasuredFidelity(mean_fidelity_min(promise, missed, times), missed, each)


def _targets(memberships: ArrayLike) -> NDArray[np.float64]:
    try:
        targets = real("memberships", memberships)
    except ValueError as error:
        raise DomainError(f"memberships must be rows of one length: {error}") from None
    if targets.ndim != 2 or 0 in targets.shape:
        raise DomainError(f"memberships of shape {targets.shape} must be rules x keys, at least one of each")
    require((targets == 0) | (targets == 1), "memberships", targets, "be 0 or 1")
    return targets


def _promises(promises: Sequence[float | Fraction], targets: Array) -> Array:
    wanted = between("promise", [float(promise) for promise in promises], 0, 1)
    if wanted.shape != targets.shape[:1]:
        raise DomainError(f"{wanted.size} promises must be one for each of {targets.shape[0]} rules")
    return wanted


def _row_and_targets(masses: ArrayLike, memberships: ArrayLike) -> tuple[Array, Array]:
    row, targets = real("masses", masses), _targets(memberships)
    require(row >= 0, "masses", row, "be at least 0")
    if row.shape != targets.shape[1:] or not row.sum() > 0:
        raise DomainError(f"masses of shape {row.shape} must be one for each of {targets.shape[1]} keys, not all 0")
    return row, targets


def _least_change(log_masses: Array, targets: Array, promises: Array) -> Array | None:
    """Minimiser of `log sum_j a_j e^{b . t_j} - b . f` over `b >= 0`, in nats; None if it diverges.

    A projected Newton method: strengths that the gradient pushes below 0 stay at 0, the others take a Newton step,
    halved until the objective falls.
    """
    strengths = np.zeros(len(promises))

    def objective(b: Array) -> float:
        return float(logsumexp(log_masses + b @ targets) - b @ promises)

    for _ in range(_MOST_STEPS):
        tilted = log_masses + strengths @ targets
        row = np.exp(tilted - logsumexp(tilted))
        fidelities = targets @ row
        gradient = fidelities - promises
        residual = np.abs(strengths - np.maximum(0.0, strengths - gradient))
        if residual.max() <= _KKT:
            return strengths
        # Strengths about to reach 0 take a gradient step: a Newton step that is then clipped need not lead downhill.
        free = (strengths > min(1e-3, residual.max())) | (gradient < 0)
        covariance = (targets[free] * row) @ targets[free].T - np.outer(fidelities[free], fidelities[free])
        step = -gradient
        # Targets that together cover every key leave a flat direction, along which the ridge still moves.
        ridge = _RIDGE * residual.max() * np.eye(len(covariance))
        step[free] = -np.linalg.lstsq(covariance + ridge, gradient[free], rcond=None)[0]
        if not np.isfinite(step).all() or gradient @ step >= 0:
            step = -gradient
        here, size = objective(strengths), min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
        # Rounding error of the objective, whose two terms nearly cancel.
        noise = 1e-14 * (1 + float(strengths @ promises))
        while size > 1e-15:
            moved = np.maximum(0.0, strengths + size * step)
            if objective(moved) <= here + 1e-4 * float(gradient @ (moved - strengths)) + noise:
                break
            size /= 2
        strengths = moved
    return None
