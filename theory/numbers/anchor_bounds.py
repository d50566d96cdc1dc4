"""Numeric functions of D1-D4, on anchors.

Every function broadcasts over numpy arrays, works in float64 and is accurate to a relative error of 1e-12. Sympy
numbers give exact answers instead. Information is in nats. `copies_allowed` takes single numbers, and its answer is
exact: floats are taken as the decimals that they print as.

Symbols: anchors are unit vectors; `coherence` is the largest inner product of two of them, `distance` the largest
distance of a unit key direction from its anchor, `scale` is `|q| |key| / sqrt(d_k)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from theory.errors import DomainError
from theory.numbers.checked import (
    MOST_KEYS,
    Array,
    Number,
    abbreviated,
    as_written,
    between,
    count,
    open_unit,
    positive,
    real,
    require,
    scalar,
    single_count,
)
from theory.numbers.numeric import Answer, exactly, is_exact, numeric

# A difference smaller than this share of its terms has lost more digits than the promised error allows.
_CANCELLED = 1e-2
# Keeps numbers of copies below e^700 or so, which float64 can nearly hold.
_MOST_NATS = 700.0
_PRECISIONS = (128, 2048, 32768)


@dataclass(frozen=True)
class CopyInterval:
    """Which numbers of copies of an anchor keep a leak and an entropy (D4); exact.

    `for_leak` copies or more keep the leak. `for_entropy` holds the fewest and the most that keep the entropy, as do
    all between; None if no number does. Print it for the answer in words.
    """

    for_leak: int
    for_entropy: tuple[int, int] | None

    @property
    def both(self) -> tuple[int, int] | None:
        """The fewest and the most copies that keep both, as do all between; None if no number does."""
        if self.for_entropy is None or self.for_leak > self.for_entropy[1]:
            return None
        return max(self.for_leak, self.for_entropy[0]), self.for_entropy[1]

    def __str__(self) -> str:
        if self.both is not None:
            return f"{self.both[0]} to {self.both[1]} copies"
        entropy = "no number keeps the entropy"
        if self.for_entropy is not None:
            entropy = f"the entropy allows {self.for_entropy[0]} to {self.for_entropy[1]}"
        return f"no number of copies: the leak needs at least {self.for_leak}, and {entropy}"


@numeric
def anchor_margin(coherence: Number, distance: Number, scale: Number = 1.0) -> Answer:
    """Smallest margin of a query along an anchor (D1; sharp): `scale` times a factor of the geometry.

    Negative if the keys stray so far from their anchors that a key of another block can be nearer.

    >>> from sympy import Integer, Rational
    >>> anchor_margin(coherence=Integer(0), distance=Integer(0), scale=Integer(8))
    8
    >>> anchor_margin(coherence=Rational(3, 5), distance=Rational(6, 5), scale=Integer(1))
    -18/25
    """
    if is_exact(coherence, distance, scale):
        return exactly("anchor_margin", coherence, distance, scale)
    factor = positive("scale", scale)
    return scalar(factor * _bracket(coherence, distance))


@numeric
def anchor_scale_needed(coherence: Number, distance: Number, margin: Number) -> Answer:
    """Smallest scale at which D1 promises the margin; infinite if no scale does, 0 if none is needed.

    `margin` is `tau d*` (A3) for a leak; see `theory.numbers.bounds.margin_needed`.

    >>> from sympy import Integer, Rational
    >>> anchor_scale_needed(coherence=Rational(1, 2), distance=Integer(0), margin=Integer(3))
    6
    >>> float(anchor_scale_needed(coherence=0.9, distance=1.0, margin=3.0))
    inf
    """
    if is_exact(coherence, distance, margin):
        return exactly("anchor_scale_needed", coherence, distance, margin)
    bracket, wanted = np.broadcast_arrays(_bracket(coherence, distance), real("margin", margin))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(bracket > 0, wanted / np.where(bracket > 0, bracket, 1.0), np.inf)
    return scalar(np.where(wanted <= 0, 0.0, scale))


@numeric
def coherence_possible(dimension: Number, anchors: Number) -> Answer:
    """Lower bound on the coherence of `anchors` unit vectors in R^`dimension` (D2).

    Attained up to `2 dimension` anchors: by a simplex, then by an orthoplex (Rankin). Beyond that, Levenshtein's bound
    solved for the coherence `s`; it rises to `1/sqrt(dimension)`: `anchors <= p (1-s) (2 + (p+1) s)/(1 - p s^2)`.
    It is Delsarte's bound of the polynomial `(t - s) (t + b)^2`, `b = (1+s)/(1 + p s)`, whose Gegenbauer coefficients
    are not negative while `p s^2 < 1`: `2b - s > 0`, and `3/(p+2) + b^2 - 2bs` falls in `s` to `3/(p+2) - 1/p >= 0`.

    >>> from sympy import Integer
    >>> coherence_possible(dimension=Integer(3), anchors=Integer(4))
    -1/3
    >>> coherence_possible(dimension=Integer(6), anchors=Integer(27))
    1/4
    >>> float(coherence_possible(dimension=64, anchors=128))
    0.0
    """
    if is_exact(dimension, anchors):
        return exactly("coherence_possible", dimension, anchors)
    p, number = count("dimension", dimension, at_least=1), count("anchors", anchors, at_least=2)
    more = np.maximum(number - 2 * p, 0.0)
    root = np.sqrt((p * (p - 1)) ** 2 + 4 * p * np.maximum(number - p - 1, 0.0) * more)
    beyond = 2 * more / np.maximum(p * (p - 1) + root, 1.0)
    least = np.where(number <= p + 1, -1 / (number - 1), beyond)
    # A line has only two directions: of three unit numbers, two are equal.
    return scalar(np.where((p == 1) & (number > 2), 1.0, least))


@numeric
def anchor_capacity(dimension: Number, coherence: Number) -> Answer:
    """Largest number of unit vectors in R^`dimension` of coherence at most `coherence` (D2, Rankin; attained).

    `coherence` lies in [-1, 0]; a positive one, for which no closed form is known, raises `DomainError`: see
    `random_anchor_coherence`.

    >>> float(anchor_capacity(dimension=64, coherence=0.0)), float(anchor_capacity(dimension=64, coherence=-0.25))
    (128.0, 5.0)
    >>> from sympy import Integer, Rational
    >>> anchor_capacity(dimension=Integer(64), coherence=Rational(-1, 4))
    5
    """
    if is_exact(dimension, coherence):
        return exactly("anchor_capacity", dimension, coherence)
    p, mu = np.broadcast_arrays(count("dimension", dimension, at_least=1), between("coherence", coherence, -1, 0))
    with np.errstate(divide="ignore", over="ignore"):
        simplex = np.minimum(p + 1, np.floor(1 - 1 / mu))
    # The quotient may round to just below an integer: one more fits if its simplex still meets the coherence.
    simplex = np.where((simplex < p + 1) & (-1 / simplex <= mu), simplex + 1, simplex)
    return scalar(np.where(mu == 0, 2 * p, simplex))


@numeric
def random_anchor_coherence(dimension: Number, anchors: Number, failure: Number) -> Answer:
    """Coherence that random directions do not exceed with probability at least `1 - failure` (D2).

    >>> from sympy import Integer, Rational
    >>> random_anchor_coherence(dimension=Integer(64), anchors=Integer(2), failure=Rational(1, 2))
    sqrt(2)*sqrt(log(2))/8
    """
    if is_exact(dimension, anchors, failure):
        return exactly("random_anchor_coherence", dimension, anchors, failure)
    p, number = count("dimension", dimension, at_least=1), count("anchors", anchors, at_least=2)
    q = open_unit("failure", failure)
    return scalar(np.sqrt(2 * (np.log(number * (number - 1) / 2) - np.log(q)) / p))


@numeric
def information_needed(blocks: Number, error: Number) -> Answer:
    """Least mutual information, in nats, of a uniform target and a pointer of error rate at most `error` (D3, Fano).

    0 from an error rate of `1 - 1/blocks` on, that of guessing.

    >>> from sympy import Integer, Rational
    >>> information_needed(blocks=Integer(2), error=Integer(0))
    log(2)
    >>> information_needed(blocks=Integer(4), error=Rational(1, 4))
    log(3)/2
    """
    if is_exact(blocks, error):
        return exactly("information_needed", blocks, error)
    number, wrong = np.broadcast_arrays(count("blocks", blocks, at_least=2), between("error", error, 0, 1))
    # Divergence of the pointer's success rate from a guess's: kl(1 - error || 1/blocks).
    right = 1 - wrong
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = (
            np.where(right > 0, right * (np.log1p(-wrong) + np.log(number)), 0.0),
            np.where(wrong > 0, wrong * (np.log(wrong) - np.log1p(-1 / number)), 0.0),
        )
    needed = np.where(right * number > 1, terms[0] + terms[1], 0.0)
    lost = np.abs(terms[0] + terms[1]) < _CANCELLED * right * np.log(number)
    for index in zip(*np.nonzero(np.atleast_1d(lost)), strict=True):
        np.atleast_1d(needed)[index] = _information_in_arb(
            float(np.atleast_1d(number)[index]), float(np.atleast_1d(wrong)[index])
        )
    return scalar(needed)


def copies_allowed(
    others: int, separation: float | Fraction, leak: float | Fraction, entropy: float | Fraction
) -> CopyInterval:
    """Numbers of equal copies of an anchor with which every row of at least the separation keeps both targets (D4).

    `others` counts the keys outside, `entropy` is in nats. Every number outside the answer lets a two-level row break a
    target. Copies lower the leak always, but the entropy only up to a number: from then on they raise it, and it may
    bound them from both sides.

    >>> print(copies_allowed(others=1000, separation=8, leak=0.1, entropy=2.5))
    4 to 8 copies
    >>> print(copies_allowed(others=1000, separation=8, leak=0.1, entropy=2))
    no number of copies: the leak needs at least 4, and the entropy allows 2 to 2
    """
    number = single_count("others", others, at_least=1)
    if number > MOST_KEYS:
        raise DomainError(f"others={number} must be at most {MOST_KEYS}")
    gap, target, most = _single("separation", separation), _single("leak", leak), _single("entropy", entropy)
    open_unit("leak", float(target))
    between("entropy", float(most), 0, _MOST_NATS)
    require(float(gap) >= -_MOST_NATS, "separation", np.asarray(float(gap)), f"be at least {-_MOST_NATS:g}")
    # Of rows known to have at least a separation below 0, all that holds is A4 at 0: the uniform row is among them.
    return CopyInterval(_copies_for_leak(number, gap, target), _copies_for_entropy(number, max(gap, Fraction(0)), most))


def _single(name: str, value: float | Fraction) -> Fraction:
    if real(name, value).ndim:
        raise DomainError(f"{name}={abbreviated(value)} must be a single number")
    return as_written(value)


def _copies_for_leak(others: int, gap: Fraction, leak: Fraction) -> int:
    """The integer from `others e^-gap (1 - leak)/leak` on, at least 1."""
    from flint import ctx

    scale = others * (1 - leak) / leak
    if gap == 0:
        return max(1, -(-scale.numerator // scale.denominator))
    precision = _PRECISIONS[0]
    while True:
        # A rational times e to a rational power is irrational: some precision separates it from all integers.
        with ctx.workprec(precision):
            needed = _arb(scale) * (-_arb(gap)).exp()
            if needed <= 1:
                return 1
            above = needed.ceil().unique_fmpz()
        if above is not None:
            return int(above)
        precision *= 2


def _copies_for_entropy(others: int, gap: Fraction, entropy: Fraction) -> tuple[int, int] | None:
    """The fewest and the most copies whose entropy bound (A4) is at most the target; it falls, then rises with them."""

    from flint import arb, ctx

    def keeps(copies: int) -> bool:
        for precision in _PRECISIONS:
            with ctx.workprec(precision):
                outside = others * (-_arb(gap)).exp()
                total = arb(copies) + outside
                room = _arb(entropy) - total.log() - _arb(gap) * outside / total
                if room > 0 or room < 0:
                    return bool(room > 0)
        # What no precision decides is not promised.
        return False

    # The integers beside (gap - 1) others e^-gap, at which the bound is least; floats are off by less than 1.
    about = int((float(gap) - 1) * others * np.exp(-float(gap))) if gap < 100 else 0
    lowest = next((copies for i in (-1, 0, 1, 2) if keeps(copies := max(1, about + i))), None)
    if lowest is None:
        return None
    # The bound is above the logarithm of the copies.
    too_many = int(np.exp(float(entropy))) * 2
    return _first(keeps, 1, lowest), _first(lambda copies: not keeps(copies), lowest, too_many) - 1


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first integer in `[low, high]` from which on it holds, as it does at `high`."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _arb(value: Fraction) -> Any:
    from flint import arb, fmpq

    return arb(fmpq(value.numerator, value.denominator))


def presence_information(present: ArrayLike, tokens: ArrayLike) -> float | Array:
    """Mutual information, in nats, of a token's presence and the block label; anchor tokens have the most (D3).

    `present[..., g]` counts those of the `tokens[g]` contexts of block `g` in which the token occurs.

    >>> float(presence_information([10, 0], [10, 10])) == float(np.log(2))
    True
    >>> float(presence_information([5, 5], [10, 10]))
    0.0
    """
    inside, total = np.broadcast_arrays(count("present", present, at_least=0), count("tokens", tokens, at_least=1))
    require(inside <= total, "present", inside, "be at most the contexts of its block")
    everything = total.sum(axis=-1, keepdims=True)
    information: Array = np.zeros(inside.shape[:-1])
    for part in (inside, total - inside):
        share = part.sum(axis=-1, keepdims=True)
        ratio = np.where(part > 0, part * everything / np.where(share > 0, share * total, 1.0), 1.0)
        information = information + (part / everything * np.log(ratio)).sum(axis=-1)
    return scalar(np.maximum(information, 0.0))


def _bracket(coherence: Number, distance: Number) -> Array:
    """`cos phi - cos(max(0, theta - phi))` as a product, from half angles that are accurate at both ends."""
    mu, eta = np.broadcast_arrays(between("coherence", coherence, -1, 1), between("distance", distance, 0, 2))
    half_apart = np.arctan2(np.sqrt(1 - mu), np.sqrt(1 + mu))
    off = 2 * np.arcsin(eta / 2)
    inside = np.array(half_apart - off)
    lost = np.abs(inside) < _CANCELLED * off
    for index in zip(*np.nonzero(np.atleast_1d(lost)), strict=True):
        np.atleast_1d(inside)[index] = _inside_in_arb(float(np.atleast_1d(mu)[index]), float(np.atleast_1d(eta)[index]))
    bracket: Array = np.where(off < 2 * half_apart, 2 * np.sin(half_apart) * np.sin(inside), 0.0 - eta**2 / 2)
    return bracket


def _inside_in_arb(mu: float, eta: float) -> float:
    from flint import arb, ctx

    # No precision can tell that two angles are equal; their cosines are rational and compare exactly.
    if Fraction(mu) == 2 * (1 - Fraction(eta) ** 2 / 2) ** 2 - 1:
        return 0.0
    with ctx.workprec(256):
        return float(arb(mu).acos() / 2 - 2 * (arb(eta) / 2).asin())


def _information_in_arb(number: float, wrong: float) -> float:
    from flint import arb, ctx

    with ctx.workprec(256):
        right, e = 1 - arb(wrong), arb(wrong)
        if not right * number > 1:
            return 0.0
        return float(right * (right * number).log() + e * (e * number / (number - 1)).log())
