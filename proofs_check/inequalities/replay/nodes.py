"""Reads a certificate's expression tree as one quotient of the replay's own algebra."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.replay.algebra import Algebra
from proofs_check.inequalities.replay.quotients import Quotient, Unreadable

WAVES = ("cos", "sin", "tan", "acos", "asin", "atan", "lambertw")


def read(
    algebra: Algebra, nodes: list[list[Any]], index: int, place: Mapping[str, Quotient], choices: Mapping[int, bool]
) -> Quotient:
    """The quotient of a node, letters in `place` replaced, kinks resolved by `choices`."""
    known: dict[int, Quotient] = {}
    one = algebra.number(Fraction(1))

    def walk(i: int) -> Quotient:
        if i not in known:
            known[i] = kink(i) if nodes[i][0] in ("abs", "max", "min", "case") else step(nodes[i])
        return known[i]

    def chosen(i: int) -> bool:
        if i not in choices:
            raise Unreadable("a kink without a choice")
        return choices[i]

    def step(node: list[Any]) -> Quotient:
        op, *parts = node
        if op == "x":
            return place[parts[0]] if parts[0] in place else algebra.letter(parts[0])
        if op == "q":
            return algebra.number(Fraction(parts[0]))
        if op == "pi":
            return algebra.pi()
        if op in ("+", "*"):
            total = walk(parts[0])
            for part in parts[1:]:
                total = total + walk(part) if op == "+" else total * walk(part)
            return total
        if op == "^":
            return walk(parts[0]).raised(parts[1])
        if op == "root":
            inner = nodes[parts[1]]
            name = inner[1] if inner[0] == "x" and inner[1] not in place else None
            return algebra.root(walk(parts[1]), parts[0], name)
        if op in ("exp", "log"):
            return algebra.exp(walk(parts[0])) if op == "exp" else algebra.log(walk(parts[0]))
        if op in WAVES:
            return algebra.wave(op, walk(parts[0]))
        if op == "moment":
            return moment(walk(parts[1]), parts[0])
        return field(op, [walk(part) for part in parts])

    def kink(i: int) -> Quotient:
        op, *parts = nodes[i]
        if op == "abs":
            value = walk(parts[0])
            return value if chosen(i) else algebra.number(Fraction(0)) - value
        return walk(parts[-2] if chosen(i) else parts[-1])

    def moment(u: Quotient, order: int) -> Quotient:
        if u.is_zero:
            return algebra.number(Fraction(1, order + 1))
        rise = algebra.exp(u)
        total = (rise - one) / u
        for k in range(1, order + 1):
            total = (rise - algebra.number(Fraction(k)) * total) / u
        return total

    def field(op: str, args: list[Quotient]) -> Quotient:
        p = args[0]
        if op == "logistic":
            return one / (one + algebra.exp(algebra.number(Fraction(0)) - p))
        if op == "logit":
            return algebra.log(p) - algebra.log(one - p)
        if op == "entropy":
            return algebra.number(Fraction(0)) - weighted(p, p) - weighted(one - p, one - p)
        if op == "kl":
            q = args[1]
            return weighted(p, p) - weighted(p, q) + weighted(one - p, one - p) - weighted(one - p, one - q)
        raise Unreadable(f"no rule for {op!r}")

    def weighted(weight: Quotient, p: Quotient) -> Quotient:
        return weight if weight.is_zero else weight * algebra.log(p)

    return walk(index)
