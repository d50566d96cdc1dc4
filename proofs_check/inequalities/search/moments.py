"""`M_k(x)`, the moments of `e^(x s)` over `0 <= s <= 1`: they write `(e^x - 1)/x` without a hole at 0."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Function, Integer, Rational, exp


class Moment(Function):
    """`M_k(x) = int_0^1 s^k e^(x s) ds`: positive, rising, and smooth everywhere, with slope `M_{k+1}(x)`.

    `e^x = 1 + x M_0(x)`, so a quotient such as `r/(1 - e^-r) = 1/M_0(-r)` can be enclosed across `r = 0`.

    >>> from sympy import Symbol
    >>> Moment(1, 0), Moment(0, Symbol("x")).diff()
    (1/2, Moment(1, x))
    """

    nargs = 2

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return Rational(1, int(order) + 1) if x.is_zero else None

    def fdiff(self, argindex: int = 2) -> Expr:
        return Moment(self.args[0] + 1, self.args[1])

    def _eval_is_positive(self) -> bool:
        return True

    def _eval_expand_func(self, **hints: Any) -> Expr:
        order, x = self.args
        written = (exp(x) - 1) / x
        for k in range(1, int(order) + 1):
            written = (exp(x) - k * written) / x
        return written


FIRST = Integer(0)
