"""Logits before and after a move, and their next-token distributions (H2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.exact.quantities import Vector, largest
from theory import output_symbols as letters


@dataclass(frozen=True)
class MovedLogits(Instance):
    """Logits of the tokens, and the move of each."""

    before: Vector
    moves: Vector

    @property
    def levels(self) -> int:
        """How many different exponentials the two distributions have."""
        return len({z - max(each) for each in (self.before, self.after) for z in each})

    @property
    def after(self) -> Vector:
        """The logits after the move."""
        return tuple(z + move for z, move in zip(self.before, self.moves, strict=True))

    @property
    def range(self) -> Fraction:
        """Largest less smallest move."""
        return max(self.moves) - min(self.moves)


def _masses(logits: Vector, by: Arithmetic) -> list[Any]:
    weights = [by.exp(z - max(logits)) for z in logits]
    return [weight / sum(weights, by.number(0)) for weight in weights]


def _variation(before: Vector, after: Vector, by: Arithmetic) -> Any:
    pairs = zip(_masses(before, by), _masses(after, by), strict=True)
    return sum((by.absolute(q - p) for p, q in pairs), by.number(0)) / 2


def _variation_of_pair(logits: MovedLogits, by: Arithmetic) -> Any:
    half, still = logits.range / 2, Fraction(0)
    return _variation((still, half), (half, still), by)


def _divergence(one: Vector, other: Vector, by: Arithmetic) -> Any:
    pairs = zip(_masses(one, by), _masses(other, by), strict=True)
    return sum((p * (by.log(p) - by.log(q)) for p, q in pairs), by.number(0))


def _largest_log(logits: MovedLogits, by: Arithmetic) -> Any:
    pairs = zip(_masses(logits.before, by), _masses(logits.after, by), strict=True)
    moves = [by.absolute(by.log(q) - by.log(p)) for p, q in pairs]
    # No inequality on it is an equality, so it needs no exact form where the moves differ.
    return largest(moves) if isinstance(moves[0], arb) else moves[0]


_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.rho: exactly(lambda logits: logits.range),
    letters.TV_z: lambda logits, by: _variation(logits.before, logits.after, by),
    letters.TV_pair: _variation_of_pair,
    letters.KL_z: lambda logits, by: _divergence(logits.before, logits.after, by),
    letters.KL_back: lambda logits, by: _divergence(logits.after, logits.before, by),
    letters.move_log: _largest_log,
}


@st.composite
def moved_logits(draw: st.DrawFn) -> MovedLogits:
    """Logits of up to six tokens and their moves; a third are pairs that attain the bound, and some move alike.

    >>> from hypothesis import find
    >>> find(moved_logits(), lambda logits: logits.range > 1).range > 1
    True
    """
    eighth = st.integers(-48, 48).map(lambda i: Fraction(i, 8))
    size = draw(st.integers(0, 40).map(lambda i: Fraction(i, 4)))
    shape = draw(st.sampled_from(["any", "ends", "pair"]))
    if shape == "pair":
        start = draw(st.sampled_from([-size / 2, draw(eighth)]))
        return MovedLogits((Fraction(0), start), (Fraction(0), size))
    tokens = draw(st.integers(2, 6 if size else 3))
    moves = eighth if shape == "any" and size else st.sampled_from([Fraction(0), size])
    each = st.lists(st.tuples(eighth, moves), min_size=tokens, max_size=tokens)
    before, move = zip(*draw(each), strict=True)
    return MovedLogits(before, move)


KIND = InstanceKind(moved_logits, _DEFINITIONS)
