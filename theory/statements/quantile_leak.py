"""A8: how much attention leaks off the target block, with a few keys singled out on either side."""

from __future__ import annotations

from sympy import Expr, exp

from theory.symbols import W_out, d_rest, k_rest, m_kept


def leak_from(singled: Expr, gap: Expr) -> Expr:
    """Largest leak, given the weight of the keys singled out and the gap from the other keys to those counted."""
    odds = (singled + k_rest * exp(-gap)) / m_kept
    return odds / (1 + odds)


QUANTILE_LEAK_MAX = leak_from(W_out, d_rest)
