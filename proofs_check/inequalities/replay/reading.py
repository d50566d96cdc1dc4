"""The range of a certificate's node over a box. Shares no code with the search."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import permutations
from typing import Any

from flint import arb

from proofs_check.inequalities.replay import ranges
from proofs_check.inequalities.replay.boxes import Box
from proofs_check.inequalities.replay.ranges import FUNCTIONS, MINUS, PLUS, Nowhere, Range, bend, common, cover


class Reading:
    """One box, and the ranges computed over it so far."""

    def __init__(self, nodes: list[list[Any]], box: Box, aliases: Mapping[int, list[int]]) -> None:
        self.nodes = nodes
        self.box = box
        self.aliases = aliases
        self._ranges: dict[int, Range] = {}
        self._without: Reading | None = Reading(nodes, box, {}) if aliases else None

    def range_of(self, i: int) -> Range:
        """The range of a node over the box."""
        if i not in self._ranges:
            found = self._work_out(self.nodes[i], i)
            for alias in self.aliases.get(i, ()):
                if self._without is not None:
                    try:
                        found = common(found, self._without.range_of(alias))
                    except Nowhere:
                        continue
            self._ranges[i] = found
        return self._ranges[i]

    def _work_out(self, node: list[Any], i: int) -> Range:
        op, *parts = node
        if op == "x":
            return ranges.limits(*self.box[parts[0]])
        if op == "q":
            return ranges.single(ranges.exactly(Fraction(parts[0])))
        if op == "pi":
            return ranges.single(arb.pi())
        if op == "+":
            total = self.range_of(parts[0])
            for part in parts[1:]:
                total = total.plus(self.range_of(part))
            return total
        if op == "*":
            return self._times(list(parts))
        if op == "^":
            return self.range_of(parts[0]).raised(parts[1])
        if op == "root":
            return ranges.root(self.range_of(parts[1]), parts[0])
        if op == "moment":
            return self._moment(parts[0], parts[1])
        if op in ("abs", "max", "min", "case"):
            return self._branch(i, op, parts)
        if op == "nothing":
            raise Nowhere("no branch applies")
        return FUNCTIONS[op](*(self.range_of(part) for part in parts))

    def _times(self, parts: list[int]) -> Range:
        total = ranges.single(arb(1))
        for part, other in permutations(parts, 2):
            joint = self._joint(part, other)
            if joint is not None:
                total = joint
                parts.remove(part)
                parts.remove(other)
                break
        for part in parts:
            total = total.times(self.range_of(part))
        return total

    def _joint(self, part: int, other: int) -> Range | None:
        """`w^n log w`, or `w^n e^(-c w)` with `c > 0`, enclosed whole: its factors may be 0 times infinity."""
        kind = self.nodes[part][0]
        base, n = (self.nodes[other][1], self.nodes[other][2]) if self.nodes[other][0] == "^" else (other, 1)
        if kind not in ("log", "exp") or n < 1:
            return None
        inner = self.nodes[part][1]
        w = self.range_of(base)
        if kind == "log":
            if inner != base:
                return None
            if not w.above_zero():
                raise Nowhere("a logarithm of a value that may not be positive")
            return bend(w, lambda x: x**n * x.log(), (arb(-1) / n).exp(), arb(0), PLUS, True)
        scale = self._multiple(inner, base)
        if scale is None or scale >= 0 or not w.not_below_zero():
            return None
        c = ranges.exactly(scale)
        return bend(w, lambda x: x**n * (c * x).exp(), -n / c, arb(0), arb(0), False)

    def _multiple(self, i: int, base: int) -> Fraction | None:
        node = self.nodes[i]
        if node[0] != "*" or len(node) != 3:
            return None
        for number, other in ((node[1], node[2]), (node[2], node[1])):
            if other == base and self.nodes[number][0] == "q":
                return Fraction(self.nodes[number][1])
        return None

    def _moment(self, order: int, i: int) -> Range:
        x = self.range_of(i)
        return ranges.rising(x, lambda t: ranges.moment_at(t, order), arb(0), PLUS, x.tame)

    def _branch(self, i: int, op: str, parts: list[Any]) -> Range:
        taken = self.branch(i)
        if op == "abs":
            inner = self.range_of(parts[0])
            if taken is not None:
                return inner if taken else inner.opposite()
            return Range(arb(0), max(-inner.least, inner.most), False, False, False)
        if taken is not None:
            return self.range_of(parts[-2] if taken else parts[-1])
        first, second = self.range_of(parts[-2]), self.range_of(parts[-1])
        if op == "case":
            return cover(first, second, False)
        if op == "min":
            return _larger(first.opposite(), second.opposite()).opposite()
        return _larger(first, second)

    def branch(self, i: int) -> bool | None:
        """True if a kink takes its first branch on all of the box, False if its second, None if neither."""
        op, *parts = self.nodes[i]
        if op == "case":
            return _holds(self._exact(self._linear(parts[1])) or self.range_of(parts[1]), parts[0])
        if op == "abs":
            value = self._exact(self._linear(parts[0])) or self.range_of(parts[0])
        else:
            first, second = self._linear(parts[0]), self._linear(parts[1])
            if first is not None and second is not None:
                gap = {name: first.get(name, Fraction(0)) - second.get(name, Fraction(0)) for name in {*first, *second}}
                value = self._exact(gap) or self.range_of(parts[0])
            else:
                value = self.range_of(parts[0]).plus(self.range_of(parts[1]).opposite())
            value = value.opposite() if op == "min" else value
        if value.not_below_zero():
            return True
        return False if value.opposite().not_below_zero() else None

    def _linear(self, i: int) -> dict[str, Fraction] | None:
        """Rational coefficients of an affine node, the constant under the empty name."""
        op, *parts = self.nodes[i]
        if op == "x":
            return {parts[0]: Fraction(1)}
        if op == "q":
            return {"": Fraction(parts[0])}
        if op in ("abs", "max", "min", "case"):
            return self._linear_branch(i, op, parts)
        if op not in ("+", "*"):
            return None
        inner = [self._linear(part) for part in parts]
        total: dict[str, Fraction] = {} if op == "+" else {"": Fraction(1)}
        for form in inner:
            if form is None:
                return None
            if op == "+":
                total = {n: total.get(n, Fraction(0)) + form.get(n, Fraction(0)) for n in {*total, *form}}
            elif set(form) == {""}:
                total = {n: v * form[""] for n, v in total.items()}
            elif set(total) == {""}:
                total = {n: v * total[""] for n, v in form.items()}
            else:
                return None
        return total

    def _linear_branch(self, i: int, op: str, parts: list[Any]) -> dict[str, Fraction] | None:
        taken = self.branch(i)
        if taken is None:
            return None
        form = self._linear(parts[0] if op == "abs" else parts[-2] if taken else parts[-1])
        if form is None or op != "abs" or taken:
            return form
        return {name: -c for name, c in form.items()}

    def _exact(self, form: Mapping[str, Fraction] | None) -> Range | None:
        """The range of an affine form by exact arithmetic, with limits reduced to their signs."""
        if form is None:
            return None
        low = high = form.get("", Fraction(0))
        low_end = high_end = True
        low_missed = high_missed = False
        for name, c in form.items():
            if not name or not c:
                continue
            least, most, least_missed, most_missed = self.box[name]
            if c < 0:
                least, most, least_missed, most_missed = most, least, most_missed, least_missed
            low_end, high_end = low_end and least is not None, high_end and most is not None
            low, high = low + c * (least or 0), high + c * (most or 0)
            low_missed, high_missed = low_missed or least_missed, high_missed or most_missed
        bottom = arb((low > 0) - (low < 0)) if low_end else MINUS
        top = arb((high > 0) - (high < 0)) if high_end else PLUS
        return Range(bottom, top, low_missed, high_missed, True)


def _holds(value: Range, sign: str) -> bool | None:
    if sign in ("<", "<="):
        value, sign = value.opposite(), {"<": ">", "<=": ">="}[sign]
    if sign == ">":
        if value.above_zero():
            return True
        return False if value.opposite().not_below_zero() else None
    if value.not_below_zero():
        return True
    return False if value.opposite().above_zero() else None


def _larger(a: Range, b: Range) -> Range:
    """The range of the larger of two numbers: it is not below either, so a least that one of them misses is missed."""
    least = max(a.least, b.least)
    missed = any(r.least_missed for r in (a, b) if r.least == least)
    both = cover(a, b, False)
    return Range(least, both.most, missed, both.most_missed, False)
