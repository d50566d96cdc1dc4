"""Encloses the values of pooled expressions over a box, with a few rules tighter than term by term."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import permutations

from flint import arb, fmpq

from proofs_check.inequalities.search import spans
from proofs_check.inequalities.search.boxes import Box, Side
from proofs_check.inequalities.search.pool import Node, Pool
from proofs_check.inequalities.search.spans import ABOVE, BELOW, ONE, ZERO, NoValue, Span


class Enclosure:
    """One box, and the enclosures found over it so far. Raises `NoValue` where a value may not exist."""

    def __init__(self, pool: Pool, box: Box, with_aliases: bool = True) -> None:
        self.pool = pool
        self.box = box
        self._spans: dict[int, Span] = {}
        # An alias may depend on the very node it stands for, so aliases are read without aliases.
        self._plain = Enclosure(pool, box, with_aliases=False) if with_aliases and pool.aliases else None

    def span(self, index: int) -> Span:
        """The values that a node takes over the box."""
        known = self._spans.get(index)
        if known is None:
            known = self._enclose(index)
            if self._plain is not None:
                for alias in self.pool.aliases.get(index, ()):
                    try:
                        known = spans.meet(known, self._plain.span(alias))
                    except NoValue:
                        continue
            self._spans[index] = known
        return known

    def _enclose(self, index: int) -> Span:
        op, *parts = self.pool.nodes[index]
        match op:
            case "x":
                return self.box[parts[0]].span()
            case "q":
                value = Fraction(parts[0])
                return spans.constant(arb(fmpq(value.numerator, value.denominator)))
            case "pi":
                return spans.constant(arb.pi())
            case "+":
                return self._sum(parts)
            case "*":
                return self._product(parts)
            case "^":
                return spans.power(self.span(parts[0]), parts[1])
            case "root":
                return spans.root(self.span(parts[1]), parts[0])
            case "moment":
                return spans.moment(self.span(parts[1]), parts[0])
            case "exp":
                return spans.exponential(self.span(parts[0]))
            case "log":
                return spans.logarithm(self.span(parts[0]))
            case "logistic":
                return spans.invert(spans.add(Span(ONE, ONE), spans.exponential(spans.negate(self.span(parts[0])))))
            case "logit":
                p = self.span(parts[0])
                return spans.add(spans.logarithm(p), spans.negate(spans.logarithm(_one_minus(p))))
            case "entropy":
                return _entropy(self.span(parts[0]))
            case "kl":
                return _divergence(self.span(parts[0]), self.span(parts[1]))
            case "cos" | "sin":
                return _wave(self.span(parts[0]), op)
            case "acos" | "asin":
                return _arc(self.span(parts[0]), op)
            case "atan":
                return spans.rising(self.span(parts[0]), lambda x: x.atan(), -arb.pi() / 2, arb.pi() / 2)
            case "tan" | "lambertw":
                return _between(self.span(parts[0]), op)
            case "abs" | "max" | "min" | "case":
                return self._kink(index, op, parts)
        raise NoValue("no branch of the Piecewise applies")

    def _sum(self, parts: list[int]) -> Span:
        total = self.span(parts[0])
        for part in parts[1:]:
            total = spans.add(total, self.span(part))
        return total

    def _product(self, parts: list[int]) -> Span:
        """A product; `w^a log w` and `w^a e^(c w)` are enclosed whole, since their factors may be 0 times infinity."""
        total, rest = Span(ONE, ONE), list(parts)
        for i, j in permutations(range(len(parts)), 2):
            joint = self._joint(self.pool.nodes[parts[i]], parts[j])
            if joint is not None:
                total, rest = joint, [part for k, part in enumerate(parts) if k not in (i, j)]
                break
        for part in rest:
            total = spans.multiply(total, self.span(part))
        return total

    def _joint(self, node: Node, other: int) -> Span | None:
        """The product of a logarithm or an exponential and a power of what it is taken of; None for other factors."""
        if node[0] not in ("log", "exp"):
            return None
        base, exponent = self._as_power(other)
        if exponent < 1:
            return None
        w = self.span(base)
        if node[0] == "log" and node[1] == base:
            if not w.is_positive():
                raise NoValue("the argument of a logarithm may be 0 or negative")
            return _power_log(w, exponent)
        rate = self._rate(node[1], base) if node[0] == "exp" and w.is_nonnegative() else None
        return _power_exp(w, exponent, rate) if rate is not None and rate < 0 else None

    def _as_power(self, index: int) -> tuple[int, int]:
        node = self.pool.nodes[index]
        return (node[1], node[2]) if node[0] == "^" else (index, 1)

    def _rate(self, index: int, base: int) -> Fraction | None:
        """The `c` for which the node is `c` times the base."""
        node = self.pool.nodes[index]
        if node[0] == "*" and len(node) == 3:
            for number, other in ((node[1], node[2]), (node[2], node[1])):
                if other == base and self.pool.nodes[number][0] == "q":
                    return Fraction(self.pool.nodes[number][1])
        return None

    def _kink(self, index: int, op: str, parts: list[int]) -> Span:
        side = self.chooses(index)
        if op == "abs":
            value = self.span(parts[0])
            if side is not None:
                return value if side else spans.negate(value)
            return _absolute(value)
        first, second = parts[-2:]
        if side is not None:
            return self.span(first if side else second)
        a, b = self.span(first), self.span(second)
        if op == "case":
            return spans.hull(a, b)._replace(smooth=False)
        return _larger(a, b) if op == "max" else spans.negate(_larger(spans.negate(a), spans.negate(b)))

    def chooses(self, index: int) -> bool | None:
        """Which branch a kink takes on all of the box: True for the first; None where that depends on the point.

        `abs` takes its argument or its negative, `max` and `min` one of the two, `case` yes or no.
        """
        op, *parts = self.pool.nodes[index]
        gap = self.gap(index)
        if gap is not None:
            value = affine_range(gap, self.box)
        elif op in ("max", "min"):
            value = spans.add(self.span(parts[0]), spans.negate(self.span(parts[1])))
        else:
            value = self.span(parts[1] if op == "case" else parts[0])
        if op == "case":
            return _settled(parts[0], value)
        value = spans.negate(value) if op == "min" else value
        if value.is_nonnegative():
            return True
        return False if value.is_nonpositive() else None

    def gap(self, index: int) -> dict[str, Fraction] | None:
        """Coefficients of the form whose sign decides a kink; None where it is not affine on the box."""
        op, *parts = self.pool.nodes[index]
        first = self.affine(parts[1] if op == "case" else parts[0])
        if op not in ("max", "min") or first is None:
            return first
        second = self.affine(parts[1])
        if second is None:
            return None
        return {name: first.get(name, Fraction(0)) - second.get(name, Fraction(0)) for name in first | second}

    def affine(self, index: int) -> dict[str, Fraction] | None:
        """Coefficients of a node that is affine on all of the box, each kink by the branch it takes there."""
        return self.pool.affine(index, self._affine_branch)

    def _affine_branch(self, index: int) -> dict[str, Fraction] | None:
        op, *parts = self.pool.nodes[index]
        side = self.chooses(index)
        if side is None:
            return None
        form = self.affine(parts[0] if op == "abs" else parts[-2] if side else parts[-1])
        if form is None or op != "abs" or side:
            return form
        return {name: -value for name, value in form.items()}


def _settled(sign: str, value: Span) -> bool | None:
    """Whether all values compare so with 0, or none does; None where some do."""
    if sign in ("<", "<="):
        return _settled({"<": ">", "<=": ">="}[sign], spans.negate(value))
    strict = sign == ">"
    if value.is_positive() if strict else value.is_nonnegative():
        return True
    return False if (value.is_nonpositive() if strict else value.is_negative()) else None


def affine_range(coefficients: Mapping[str, Fraction], box: Box) -> Span:
    """Exact sign of an affine form over a box: each end is -1, 0, 1 or infinite, scaled to its sign."""
    low: Fraction | None = coefficients.get("", Fraction(0))
    high = low
    low_open = high_open = False
    for name, value in coefficients.items():
        if not name or value == 0:
            continue
        side = box[name] if value > 0 else _flipped(box[name])
        size = abs(value)
        low = None if low is None or side.low is None else low + size * side.low
        high = None if high is None or side.high is None else high + size * side.high
        low_open, high_open = low_open or side.low_open, high_open or side.high_open
    return Span(_sign(low, BELOW), _sign(high, ABOVE), low_open, high_open)


def _flipped(side: Side) -> Side:
    return Side(
        None if side.high is None else -side.high,
        None if side.low is None else -side.low,
        side.high_open,
        side.low_open,
    )


def _sign(end: Fraction | None, infinite: arb) -> arb:
    return infinite if end is None else arb((end > 0) - (end < 0))


def _power_log(w: Span, a: int) -> Span:
    """`w^a log w` for `w > 0`: falls up to `e^(-1/a)`, then rises."""

    def falls_last(x: arb) -> arb:
        if x == 0:
            return ZERO
        return BELOW if x == ABOVE else -(x**a) * x.log()

    return spans.negate(spans.hill(w, falls_last, (-arb(1) / a).exp()))


def _power_exp(w: Span, a: int, rate: Fraction) -> Span:
    """`w^a e^(rate w)` for `w >= 0` and a negative rate: rises up to `w = -a/rate`, then falls to 0, never reached."""
    c = arb(fmpq(rate.numerator, rate.denominator))
    return spans.hill(w, lambda x: ZERO if x == ABOVE else x**a * (c * x).exp(), -a / c)


def _entropy(p: Span) -> Span:
    """`h(p)`: 0 at both ends of [0, 1], rising to log 2 at 1/2."""
    if not (p.low >= 0 and p.high <= 1):
        raise NoValue("the argument of a binary entropy may lie outside [0, 1]")
    smooth = p.smooth and p.is_positive() and _one_minus(p).is_positive()

    def at(x: arb) -> arb:
        return ZERO if x == 0 or x == 1 else -x * x.log() - (1 - x) * (1 - x).log()

    return spans.hill(p, at, arb(0.5))._replace(smooth=smooth)


def _one_minus(a: Span) -> Span:
    return spans.add(Span(ONE, ONE), spans.negate(a))


def _divergence(p: Span, q: Span) -> Span:
    cross = spans.add(
        spans.multiply(p, spans.logarithm(q)), spans.multiply(_one_minus(p), spans.logarithm(_one_minus(q)))
    )
    return spans.negate(spans.add(_entropy(p), cross))


def _wave(a: Span, name: str) -> Span:
    if a.low == BELOW or a.high == ABOVE:
        return Span(-ONE, ONE, False, False, a.smooth)
    ball = a.low.union(a.high)
    value = ball.cos() if name == "cos" else ball.sin()
    found = spans.checked(value, value, False, False, a.smooth)
    low, high = max(found.low, -ONE), min(found.high, ONE)
    return Span(low, high, False, False, a.smooth) if low <= high else Span(-ONE, ONE, False, False, a.smooth)


def _arc(a: Span, name: str) -> Span:
    if not (a.low >= -1 and a.high <= 1):
        raise NoValue(f"the argument of {name} may lie outside [-1, 1]")
    inner = (a.low > -1 or a.low_open) and (a.high < 1 or a.high_open)
    if name == "asin":
        return spans.checked(a.low.asin(), a.high.asin(), a.low_open, a.high_open, a.smooth and inner)
    return spans.checked(a.high.acos(), a.low.acos(), a.high_open, a.low_open, a.smooth and inner)


def _between(a: Span, name: str) -> Span:
    """The tangent between `-pi/2` and `pi/2`, or Lambert's W above `-1/e`: both rise."""
    low, high = (-arb.pi() / 2, arb.pi() / 2) if name == "tan" else (-(-ONE).exp(), ABOVE)
    if not (a.low > low and (a.high < high or high == ABOVE)):
        raise NoValue(f"the argument of {name} may lie where it does not rise")
    return spans.rising(a, lambda x: x.tan() if name == "tan" else x.lambertw(), BELOW, ABOVE)


def _absolute(a: Span) -> Span:
    high = _larger(a, spans.negate(a))
    return Span(ZERO, high.high, False, high.high_open, False)


def _larger(a: Span, b: Span) -> Span:
    low_open = a.low_open if a.low > b.low else b.low_open if b.low > a.low else a.low_open or b.low_open
    high_open = a.high_open if a.high > b.high else b.high_open if b.high > a.high else a.high_open and b.high_open
    return Span(max(a.low, b.low), max(a.high, b.high), low_open, high_open, False)
