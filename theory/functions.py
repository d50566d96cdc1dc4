"""Functions that sympy lacks, kept as single nodes so that each lowering can use its stable form.

`expand_func` rewrites them in exponentials and logarithms, as the derivation steps need them.
"""

from __future__ import annotations

from typing import Any

from sympy import Expr, Function, S, exp, log


class Written(Function):
    """A real function that sympy evaluates through its `expand_func` form."""

    def _eval_is_extended_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> Expr:
        return self._eval_expand_func()._eval_evalf(prec)


class Logistic(Written):
    """`sigma(x) = 1/(1 + e^-x)`.

    >>> from sympy import log
    >>> Logistic(log(3))
    3/4
    """

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        if (x.is_number and x.has(log)) or x.is_zero:
            value = 1 / (1 + exp(-x))
            return value if value.is_Rational else None
        if x is S.Infinity:
            return S.One
        return S.Zero if x is S.NegativeInfinity else None

    def fdiff(self, argindex: int = 1) -> Expr:
        return self * (1 - self)

    def _eval_expand_func(self, **hints: Any) -> Expr:
        return 1 / (1 + exp(-self.args[0]))

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_real

    def _latex(self, printer: Any) -> str:
        return rf"\sigma\left({printer.doprint(self.args[0])}\right)"


class Logit(Written):
    """`logit(p) = log(p/(1-p))`, the inverse of `Logistic`."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        p = self.args[0]
        return 1 / (p * (1 - p))

    def _eval_expand_func(self, **hints: Any) -> Expr:
        p = self.args[0]
        return log(p / (1 - p))

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{logit}}\left({printer.doprint(self.args[0])}\right)"


class BinaryEntropy(Written):
    """`h(p) = -p log p - (1-p) log(1-p)` in nats."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        return -Logit(self.args[0])

    def _eval_expand_func(self, **hints: Any) -> Expr:
        p = self.args[0]
        return -p * log(p) - (1 - p) * log(1 - p)

    def _latex(self, printer: Any) -> str:
        return rf"h\left({printer.doprint(self.args[0])}\right)"


class BinaryDivergence(Written):
    """`kl(p||q) = p log(p/q) + (1-p) log((1-p)/(1-q))` in nats."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> Expr:
        p, q = self.args
        return Logit(p) - Logit(q) if argindex == 1 else (q - p) / (q * (1 - q))

    def _eval_expand_func(self, **hints: Any) -> Expr:
        p, q = self.args
        return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))

    def _latex(self, printer: Any) -> str:
        p, q = (printer.doprint(x) for x in self.args)
        return rf"\mathrm{{kl}}\left({p} \,\|\, {q}\right)"


class LowestEntropy(Function):
    """`L(n, r)`: smallest entropy in nats of `n` keys whose logits span `r` nats (A5); 0 for one key.

    `L(n, r) = min over 1 <= j < n of log(j e^r + n - j) - r j e^r/(j e^r + n - j)`.
    """

    nargs = 2

    @staticmethod
    def with_top(top: Expr, n: Expr, r: Expr, exponential: Expr) -> Expr:
        """The entropy with `top` keys at the upper level, the expression that `L` minimises; `exponential` is `e^r`."""
        weight = top * exponential + n - top
        return log(weight) - r * top * exponential / weight

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _latex(self, printer: Any) -> str:
        n, r = (printer.doprint(x) for x in self.args)
        return rf"L\left({n}, {r}\right)"


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
