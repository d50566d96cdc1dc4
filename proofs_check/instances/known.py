"""The letters that the known results add to those of a row: norms, and distances to another row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import Symbol

from proofs_check.instances import rows
from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, entropy_of, exactly, shares
from proofs_check.instances.rows import AttentionRow
from theory import design_symbols as letters


def _masses(row: AttentionRow, by: Arithmetic) -> list[Any]:
    """Mass of every key, in the order of the scores."""
    found = {(group.score, group.inside): mass for group, mass in rows.softmax(row, by)}
    return [found[score, i < row.block] for i, score in enumerate(row.scores)]


def _square(x: Any) -> Any:
    # Arb's power of a ball around 0 is NaN.
    return x * x


def _norm(row: AttentionRow, by: Arithmetic) -> Any:
    mean = sum(row.scores, Fraction(0)) / len(row.scores)
    square = sum((score - mean) ** 2 for score in row.scores) / row.temperature**2
    return by.number(square) ** by.number(Fraction(1, 2))


def _surprise_variance(row: AttentionRow, by: Arithmetic) -> Any:
    masses = _masses(row, by)
    mean = sum((a * by.log(a) for a in masses), by.number(0))
    return sum((a * _square(by.log(a) - mean) for a in masses), by.number(0))


def _variation(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by), shares(row.weights), strict=True)
    return by.number(Fraction(1, 2)) * sum((by.absolute(a - by.number(p)) for a, p in pairs), by.number(0))


def _moved_row(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by), _masses(replace(row, scores=row.seen), by), strict=True)
    return sum((_square(a - b) for a, b in pairs), by.number(0))


def _moved_scores(row: AttentionRow) -> Fraction:
    return sum((a - b) ** 2 for a, b in zip(row.scores, row.seen, strict=True)) / row.temperature**2


KNOWN_DEFINITIONS: Mapping[Symbol, Definition] = {
    **rows.DEFINITIONS,
    letters.norm: _norm,
    letters.surprise_variance: _surprise_variance,
    letters.H_any: lambda row, by: entropy_of(by, shares(row.weights)),
    letters.TV_any: _variation,
    letters.moved_row: _moved_row,
    letters.moved_scores: exactly(_moved_scores),
}
