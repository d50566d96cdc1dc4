"""The share of a sphere that a cap takes: the probability that two random directions are close."""

from __future__ import annotations

from typing import Any

from sympy import Function


class CapShare(Function):
    """`P(<u, v> >= t)` for `u` uniform on the unit sphere of R^p and `v` fixed, `p >= 2`, `0 <= t <= 1`.

    It is half the regularised incomplete beta function `I_{1-t^2}((p-1)/2, 1/2)`.
    """

    nargs = 2

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _latex(self, printer: Any) -> str:
        dimension, height = (printer.doprint(x) for x in self.args)
        return rf"P\left(\langle u, v\rangle \geq {height} \mid u, v \in S^{{{dimension} - 1}}\right)"
