"""A checked request to the interval method, and the same as plain data for a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Interval, Rational, Set, Symbol

from proofs_check.inequalities.search.as_data import from_data, to_data
from proofs_check.inequalities.search.boxes import Side


@dataclass(frozen=True)
class Request:
    """One claim with the interval of every letter, the hints, the budget of boxes and the precision in bits."""

    claim: Any
    sides: Mapping[Symbol, Side]
    substitution: Mapping[Symbol, Expr] | None
    hints: tuple[dict[str, Fraction], ...]
    boxes: int
    precision: int

    @property
    def by_name(self) -> dict[str, Side]:
        """The intervals by the letters' names."""
        return {symbol.name: side for symbol, side in self.sides.items()}

    @property
    def domain(self) -> dict[Symbol, Set]:
        """The intervals as sympy's sets."""
        return {symbol: _set_of(side) for symbol, side in self.sides.items()}

    def to_json(self) -> dict[str, Any]:
        """The request as data; `DomainError` for an expression without interval rules."""
        changes = None if self.substitution is None else [[*map(to_data, pair)] for pair in self.substitution.items()]
        return {
            "claim": to_data(self.claim),
            "sides": [[to_data(symbol), side.to_json()] for symbol, side in self.sides.items()],
            "substitution": changes,
            "hints": [{name: str(x) for name, x in hint.items()} for hint in self.hints],
            "boxes": self.boxes,
            "precision": self.precision,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """The request that the data describes."""
        changes = data["substitution"]
        return cls(
            from_data(data["claim"]),
            {from_data(symbol): _side_of(side) for symbol, side in data["sides"]},
            None if changes is None else {from_data(symbol): from_data(written) for symbol, written in changes},
            tuple({name: Fraction(x) for name, x in hint.items()} for hint in data["hints"]),
            data["boxes"],
            data["precision"],
        )


def _side_of(data: Mapping[str, Any]) -> Side:
    low, high = data["low"], data["high"]
    return Side(
        None if low == "-inf" else Fraction(low),
        None if high == "inf" else Fraction(high),
        data["low_open"],
        data["high_open"],
    )


def _set_of(side: Side) -> Set:
    low = -sympy.oo if side.low is None else Rational(side.low.numerator, side.low.denominator)
    high = sympy.oo if side.high is None else Rational(side.high.numerator, side.high.denominator)
    return Interval(low, high, side.low_open, side.high_open)
