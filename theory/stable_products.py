"""A difference whose product is not rounded first: what cancels then leaves its digits behind."""

from __future__ import annotations

from theory.checked import Array

# 2^27 + 1 cuts a float64 into two halves whose products are exact (Dekker).
_SPLITTER = 134217729.0


def less_product(total: Array, a: Array, b: Array) -> Array:
    """`total - a b`, right to a few roundings of the result even where the two nearly cancel."""
    product = a * b
    (high_a, low_a), (high_b, low_b) = _halves(a), _halves(b)
    rest = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
    return (total - product) - rest


def _halves(x: Array) -> tuple[Array, Array]:
    high = _SPLITTER * x - (_SPLITTER * x - x)
    return high, x - high
