"""The replay's enclosures: ranges of numbers, rounded outward by Arb. Shares no code with the search.

A range is a pair of limits; a limit is a number, and whether it is certainly never reached. Infinite limits never are.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb, fmpq

PLUS, MINUS = arb.pos_inf(), arb.neg_inf()


class Nowhere(ArithmeticError):
    """The node may have no real value somewhere in the box."""


class Range:
    """Numbers from `least` to `most`; `tame` if the node is smooth in a neighbourhood of the whole box."""

    __slots__ = ("least", "least_missed", "most", "most_missed", "tame")

    def __init__(self, least: arb, most: arb, least_missed: bool, most_missed: bool, tame: bool) -> None:
        self.least, self.most = least.lower(), most.upper()
        self.least_missed, self.most_missed, self.tame = least_missed, most_missed, tame
        if not self.least <= self.most:
            self.least, self.most = MINUS, PLUS
        if not self.least.is_finite():
            self.least_missed = True
        if not self.most.is_finite():
            self.most_missed = True

    def above_zero(self) -> bool:
        """Whether every number is above 0."""
        return bool(self.least > 0) or (bool(self.least >= 0) and self.least_missed)

    def not_below_zero(self) -> bool:
        """Whether no number is below 0."""
        return bool(self.least >= 0)

    def opposite(self) -> Range:
        """The numbers with their signs changed."""
        return Range(-self.most, -self.least, self.most_missed, self.least_missed, self.tame)

    def plus(self, other: Range) -> Range:
        """Sums with the numbers of another range."""
        return Range(
            self.least + other.least,
            self.most + other.most,
            self.least_missed or other.least_missed,
            self.most_missed or other.most_missed,
            self.tame and other.tame,
        )

    def times(self, other: Range) -> Range:
        """Products, by the signs of both factors."""
        tame = self.tame and other.tame
        if not self.least >= 0:
            if self.most <= 0:
                return self.opposite().times(other).opposite()
            up, down = self._part(True).times(other), self._part(False).times(other)
            return cover(up, down, tame)
        if not other.least >= 0:
            if other.most <= 0:
                return self.times(other.opposite()).opposite()
            up, down = self.times(other._part(True)), self.times(other._part(False))
            return cover(up, down, tame)
        low, low_missed = _product((self.least, self.least_missed), (other.least, other.least_missed))
        high, high_missed = _product((self.most, self.most_missed), (other.most, other.most_missed))
        return Range(low, high, low_missed, high_missed, tame)

    def _part(self, above: bool) -> Range:
        if above:
            return Range(arb(0), self.most, False, self.most_missed, self.tame)
        return Range(self.least, arb(0), self.least_missed, False, self.tame)

    def inverse(self) -> Range:
        """Reciprocals; `Nowhere` if 0 may be among the numbers."""
        if self.opposite().above_zero():
            return self.opposite().inverse().opposite()
        if not self.above_zero():
            raise Nowhere("a division by a value that may be 0")
        top = PLUS if self.least == 0 else 1 / self.least
        bottom = arb(0) if self.most == PLUS else 1 / self.most
        return Range(bottom, top, self.most_missed, self.least_missed, self.tame)

    def raised(self, n: int) -> Range:
        """Whole powers."""
        if n < 0:
            return self.raised(-n).inverse()
        if n == 0:
            return Range(arb(1), arb(1), False, False, self.tame)
        if n % 2 == 0 and not self.least >= 0:
            if self.most <= 0:
                return self.opposite().raised(n)
            return cover(self._part(True).raised(n), self._part(False).opposite().raised(n), self.tame)
        return Range(_up(self.least, n), _up(self.most, n), self.least_missed, self.most_missed, self.tame)


def _up(x: arb, n: int) -> arb:
    return x**n if x.is_finite() else x


def _product(a: tuple[arb, bool], b: tuple[arb, bool]) -> tuple[arb, bool]:
    """Two limits of nonnegative ranges multiplied; a 0 reached on either side is reached, and 0 times infinity is 0."""
    if a[0] == 0 or b[0] == 0:
        reached = (a[0] == 0 and not a[1]) or (b[0] == 0 and not b[1])
        return arb(0), not reached
    return a[0] * b[0], a[1] or b[1]


def cover(a: Range, b: Range, tame: bool) -> Range:
    """The smallest range that holds both."""
    if a.least == b.least:
        least_missed = a.least_missed and b.least_missed
    else:
        least_missed = a.least_missed if a.least < b.least else b.least_missed
    if a.most == b.most:
        most_missed = a.most_missed and b.most_missed
    else:
        most_missed = a.most_missed if a.most > b.most else b.most_missed
    return Range(min(a.least, b.least), max(a.most, b.most), least_missed, most_missed, tame)


def common(a: Range, b: Range) -> Range:
    """The intersection of two ranges of one value; as smooth as the first."""
    low, high = max(a.least, b.least), min(a.most, b.most)
    if not low <= high:
        raise ArithmeticError("two forms of one value disagree")
    least_missed = any(r.least_missed for r in (a, b) if r.least == low)
    most_missed = any(r.most_missed for r in (a, b) if r.most == high)
    return Range(low, high, least_missed, most_missed, a.tame)


def rising(x: Range, f: Any, floor: arb, ceiling: arb, tame: bool) -> Range:
    """Values of a strictly rising function whose limits at the ends of its domain are `floor` and `ceiling`."""
    bottom = f(x.least) if x.least.is_finite() else floor
    top = f(x.most) if x.most.is_finite() else ceiling
    bottom, top = bottom.lower(), top.upper()
    if not bottom >= floor:
        bottom = floor
    # Values of such a function are above its floor, so a limit rounded down to it is not reached.
    return Range(bottom, top, x.least_missed or bool(bottom == floor), x.most_missed, tame)


def limits(least: Fraction | None, most: Fraction | None, least_missed: bool, most_missed: bool) -> Range:
    """The range of a letter."""
    return Range(
        MINUS if least is None else exactly(least),
        PLUS if most is None else exactly(most),
        least_missed,
        most_missed,
        True,
    )


def moment_at(t: arb, order: int) -> arb:
    """`int_0^1 s^order e^(t s) ds`: by its series where `|t| <= 1`, else by parts from order 0 up."""
    if abs(t) <= 1:
        total, term, n = arb(0), arb(1), 0
        while n < 60 + 4 * _bits():
            total += term / (n + order + 1)
            n += 1
            term = term * t / n
            if abs(term) < arb(2) ** (-_bits() - 8):
                break
        # The remaining terms fall faster than a geometric series of ratio 1/2, once n is 2 or more.
        return total + arb(0, (2 * abs(term)).upper())
    rise = t.exp()
    value = (rise - 1) / t
    for k in range(1, order + 1):
        value = (rise - k * value) / t
    return value


def _bits() -> int:
    from flint import ctx

    return int(ctx.prec)


def single(x: arb) -> Range:
    """The range of one number."""
    return Range(x, x, False, False, True)


def exactly(x: Fraction) -> arb:
    """A rational as a ball."""
    return arb(fmpq(x.numerator, x.denominator))


def rational(x: arb) -> Fraction:
    """The dyadic number that a finite limit is."""
    if not x.is_finite():
        raise Nowhere("a number that may be infinite")
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def bend(w: Range, f: Any, turn: arb, at_zero: arb, at_top: arb, valley: bool) -> Range:
    """Values over `w >= 0` of a function with one turn: a valley falls first, a hill rises first."""
    if not valley:
        return bend(w, lambda x: -f(x), turn, -at_zero, -at_top, True).opposite()
    first = at_zero if w.least == 0 else f(w.least)
    last = at_top if not w.most.is_finite() else f(w.most)
    if w.most <= turn:
        return Range(last, first, w.most_missed, w.least_missed, w.tame)
    if w.least >= turn:
        return Range(first, last, w.least_missed, w.most_missed, w.tame)
    ends = cover(_limit(first, w.least_missed), _limit(last, w.most_missed), True)
    return Range(f(turn), ends.most, False, ends.most_missed, w.tame)


def _limit(x: arb, missed: bool) -> Range:
    return Range(x, x, missed, missed, True)


def _exp(x: Range) -> Range:
    return rising(x, lambda t: t.exp(), arb(0), PLUS, x.tame)


def _log(x: Range) -> Range:
    if not x.above_zero():
        raise Nowhere("a logarithm of a value that may not be positive")
    low = MINUS if x.least == 0 else x.least.log()
    return Range(low, x.most.log() if x.most.is_finite() else PLUS, x.least_missed, x.most_missed, x.tame)


def root(x: Range, n: int) -> Range:
    """The `n`-th root of a range without negative numbers."""
    if not x.not_below_zero():
        raise Nowhere("a root of a value that may be negative")
    low = arb(0) if x.least == 0 else x.least.root(n)
    high = x.most.root(n) if x.most.is_finite() else PLUS
    return Range(low, high, x.least_missed, x.most_missed, x.tame and x.above_zero())


def _one_minus(x: Range) -> Range:
    return single(arb(1)).plus(x.opposite())


def _logistic(x: Range) -> Range:
    return single(arb(1)).plus(_exp(x.opposite())).inverse()


def _logit(p: Range) -> Range:
    return _log(p).plus(_log(_one_minus(p)).opposite())


def _entropy(p: Range) -> Range:
    if not (p.least >= 0 and p.most <= 1):
        raise Nowhere("the entropy of a value that may not be a probability")

    def at(x: arb) -> arb:
        return arb(0) if x == 0 or x == 1 else -x * x.log() - (1 - x) * (1 - x).log()

    tame = p.tame and p.above_zero() and _one_minus(p).above_zero()
    found = bend(p, at, arb(1) / 2, arb(0), arb(0), False)
    return Range(found.least, found.most, found.least_missed, found.most_missed, tame)


def _divergence(p: Range, q: Range) -> Range:
    cross = p.times(_log(q)).plus(_one_minus(p).times(_log(_one_minus(q))))
    return _entropy(p).plus(cross).opposite()


def _wave(x: Range, sine: bool) -> Range:
    if not (x.least.is_finite() and x.most.is_finite()):
        return Range(arb(-1), arb(1), False, False, x.tame)
    middle = (x.least + x.most) / 2
    reach = arb(middle.mid(), (x.most - x.least).upper() / 2 + middle.rad())
    value = reach.sin() if sine else reach.cos()
    return Range(max(value.lower(), arb(-1)), min(value.upper(), arb(1)), False, False, x.tame)


def _arc(x: Range, kind: str) -> Range:
    if not (x.least >= -1 and x.most <= 1):
        raise Nowhere(f"{kind} of a value that may lie outside [-1, 1]")
    tame = x.tame and _one_minus(x).above_zero() and _one_minus(x.opposite()).above_zero()
    if kind == "asin":
        return Range(x.least.asin(), x.most.asin(), x.least_missed, x.most_missed, tame)
    return Range(x.most.acos(), x.least.acos(), x.most_missed, x.least_missed, tame)


def _between(x: Range, f: Any, after: arb, before: arb, name: str) -> Range:
    """Values of a function that rises between two numbers, and is read nowhere else."""
    if not (x.least > after and (x.most < before or before == PLUS)):
        raise Nowhere(f"{name} of a value that may not lie between {after.str(4)} and {before.str(4)}")
    return rising(x, f, MINUS, PLUS, x.tame)


FUNCTIONS: dict[str, Any] = {
    "exp": _exp,
    "log": _log,
    "logistic": _logistic,
    "logit": _logit,
    "entropy": _entropy,
    "kl": _divergence,
    "cos": lambda x: _wave(x, False),
    "sin": lambda x: _wave(x, True),
    "acos": lambda x: _arc(x, "acos"),
    "asin": lambda x: _arc(x, "asin"),
    "atan": lambda x: rising(x, lambda t: t.atan(), -arb.pi() / 2, arb.pi() / 2, x.tame),
    "tan": lambda x: _between(x, lambda t: t.tan(), -arb.pi() / 2, arb.pi() / 2, "tan"),
    "lambertw": lambda x: _between(x, lambda t: t.lambertw(), -(-arb(1)).exp(), PLUS, "LambertW"),
}
