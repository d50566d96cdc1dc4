"""The letters that the known results add to those of a row: norms, and distances to another row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Symbol

from proofs_check.instances import rows
from proofs_check.instances.rows import Arithmetic, AttentionRow
from theory import design_symbols as letters


def _total(by: Arithmetic, terms: Any) -> Any:
    total = by.number(0)
    for term in terms:
        total = total + term
    return total


def _square(x: Any) -> Any:
    # Arb's power of a ball around 0 is NaN.
    return x * x


def _masses(row: AttentionRow, by: Arithmetic) -> list[Any]:
    """Mass of every key, in the order of the scores."""
    top = max(row.scores)
    weights = [by.exp((score - top) / row.temperature) for score in row.scores]
    total = _total(by, weights)
    return [weight / total for weight in weights]


def _other(row: AttentionRow) -> list[Fraction]:
    total = sum(row.weights)
    return [Fraction(weight, total) for weight in row.weights]


def _norm(row: AttentionRow, by: Arithmetic) -> Any:
    mean = sum(row.scores, Fraction(0)) / len(row.scores)
    square = sum(((score - mean) ** 2 for score in row.scores), Fraction(0)) / row.temperature**2
    return by.number(square) ** by.number(Fraction(1, 2))


def _surprise_variance(row: AttentionRow, by: Arithmetic) -> Any:
    masses = _masses(row, by)
    mean = _total(by, (a * by.log(a) for a in masses))
    return _total(by, (a * _square(by.log(a) - mean) for a in masses))


def _other_entropy(row: AttentionRow, by: Arithmetic) -> Any:
    return _total(by, (-by.number(p) * by.log(by.number(p)) for p in _other(row) if p))


def _variation(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by), _other(row), strict=True)
    return by.number(Fraction(1, 2)) * _total(by, (by.absolute(a - by.number(p)) for a, p in pairs))


def _moved_row(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by), _masses(replace(row, scores=row.seen), by), strict=True)
    return _total(by, (_square(a - b) for a, b in pairs))


def _moved_scores(row: AttentionRow, by: Arithmetic) -> Any:
    squares = ((a - b) ** 2 for a, b in zip(row.scores, row.seen, strict=True))
    return by.number(sum(squares, Fraction(0)) / row.temperature**2)


KNOWN_DEFINITIONS: Mapping[Symbol, Any] = {
    **rows.DEFINITIONS,
    letters.norm: _norm,
    letters.surprise_variance: _surprise_variance,
    letters.H_any: _other_entropy,
    letters.TV_any: _variation,
    letters.moved_row: _moved_row,
    letters.moved_scores: _moved_scores,
}
