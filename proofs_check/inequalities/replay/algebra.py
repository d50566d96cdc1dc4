"""The replay's algebra: expressions as quotients of polynomials in letters, exponentials and logarithms.

Two expressions with the same quotient are equal wherever both have values, so a quotient 0 decides an identity; a
quotient that is not 0 decides nothing. Shares no code with the search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly_ctx, fmpz

from proofs_check.inequalities.replay.quotients import FACTORED, Quotient, Unreadable, prime_powers

_SLOTS = 28
_HIGHEST_ROOT = 64


# The least and the largest value of a letter; None where it is unbounded.
Ends = Mapping[str, tuple[Fraction | None, Fraction | None]]


class _Again(Exception):
    """An exponent or a root needs a finer unit: the quotients must be rebuilt."""


class Algebra:
    """Quotients over some letters. A `nonnegative` letter under a root becomes a power of a finer letter.

    `ends` gives the least and the largest value of every letter, hence the sign of an affine base under a root.
    """

    def __init__(self, letters: list[str], nonnegative: frozenset[str], ends: Ends | None = None) -> None:
        self.letters = letters
        self.nonnegative = nonnegative
        self._ends = ends
        self._roots: dict[str, int] = {}
        self._units: dict[str, int] = {}
        self._reset()

    def _reset(self) -> None:
        names = [f"u{i}" for i in range(len(self.letters))] + [f"v{i}" for i in range(_SLOTS)]
        self._ring = fmpq_mpoly_ctx.get(names, Ordering.lex)
        self._generators = list(self._ring.gens())
        self._slots: dict[str, int] = {}
        self._made: dict[int, tuple[str, Any]] = {}

    def decide(self, question: Callable[[], Any]) -> Any:
        """Answers a question about quotients; starts over while exponents need a finer unit."""
        for _ in range(12):
            try:
                return question()
            except _Again:
                self._reset()
        raise Unreadable("the exponents have no common unit")

    def number(self, value: Fraction) -> Quotient:
        """A rational number."""
        one = self._generators[0] ** 0
        return Quotient(one * fmpq(value.numerator, value.denominator), one)

    def letter(self, name: str) -> Quotient:
        """A letter, as a power of its finer letter if it has one."""
        return self._generator(self.letters.index(name)).raised(self._roots.get(name, 1))

    def _generator(self, index: int) -> Quotient:
        return Quotient(self._generators[index], self._generators[0] ** 0)

    def _slot(self, kind: str, key: str, argument: Any) -> int:
        """The generator of a function's value, made when first asked for."""
        name = f"{kind} {key}"
        if name not in self._slots:
            if len(self._slots) == _SLOTS:
                raise Unreadable(f"more than {_SLOTS} different functions")
            index = len(self.letters) + len(self._slots)
            self._slots[name] = index
            self._made[index] = (kind, argument)
        return self._slots[name]

    def exp(self, u: Quotient) -> Quotient:
        """`e^u`; a whole multiple of a logarithm in `u` becomes a power."""
        total = one = self.number(Fraction(1))
        if not u.bottom.is_constant():
            c = u.top.leading_coefficient()
            return self._exp_of(Quotient(u.top / c, u.bottom), Fraction(int(c.p), int(c.q)))
        for exponents, c in (u.top / u.bottom.leading_coefficient()).to_dict().items():
            base = one
            for index, n in enumerate(exponents):
                base = base * self._generator(index).raised(int(n))
            total = total * self._exp_of(base, Fraction(int(c.p), int(c.q)))
        return total

    def _exp_of(self, base: Quotient, power: Fraction) -> Quotient:
        for index, (kind, argument) in self._made.items():
            same = kind == "log" and base.key() == self._generator(index).key()
            # The generator is log |p|, so e to it is p only where p cannot be negative.
            if same and self._is_plainly_positive(argument):
                n = power.denominator
                if n == 1 or (n <= _HIGHEST_ROOT and argument.top.is_constant()):
                    return (argument if n == 1 else self.root(argument, n, None)).raised(power.numerator)
        key = base.key()
        unit = self._units.get(key, 1)
        times = power * unit
        if times.denominator != 1:
            self._units[key] = lcm(unit, power.denominator)
            raise _Again
        small = base * self.number(Fraction(1, unit))
        return self._generator(self._slot("exp", key, small)).raised(int(times))

    def _is_plainly_positive(self, u: Quotient) -> bool:
        """Whether it is a sum, without minus signs, of nonnegative letters, exponentials and roots."""
        for poly in (u.top, u.bottom):
            for exponents, c in poly.to_dict().items():
                if c < 0:
                    return False
                for index, n in enumerate(exponents):
                    if n and index < len(self.letters) and self.letters[index] not in self.nonnegative:
                        return False
                    if n and index >= len(self.letters) and self._made[index][0] not in ("exp", "root2", "pi"):
                        return False
        return True

    def log(self, u: Quotient) -> Quotient:
        """`log u` for `u > 0`, as a sum over its factors `p` of `log |p|`."""
        if u.is_zero:
            raise Unreadable("the logarithm of 0")
        total = self.number(Fraction(0))
        for poly, sign in ((u.top, 1), (u.bottom, -1)):
            constant, factors = poly.factor()
            for factor, times in factors:
                lead = factor.leading_coefficient()
                constant = constant * lead ** int(times)
                total = total + self._log_of(factor / lead) * self.number(Fraction(sign * int(times)))
            total = total + self._log_number(constant) * self.number(Fraction(sign))
        return total

    def _log_of(self, factor: Any) -> Quotient:
        whole = Quotient(factor, self._generators[0] ** 0)
        for index, (kind, argument) in self._made.items():
            if kind == "exp" and whole.key() == self._generator(index).key():
                return argument
        return self._generator(self._slot("log", whole.key(), whole))

    def _log_number(self, constant: Any) -> Quotient:
        total = self.number(Fraction(0))
        for number, sign in ((abs(int(constant.p)), 1), (int(constant.q), -1)):
            if number > FACTORED:
                raise Unreadable("the logarithm of a number too large to factor")
            for prime, times in fmpz(number).factor() if number > 1 else ():
                log_prime = self._generator(self._slot("log", str(prime), self.number(Fraction(int(prime)))))
                total = total + log_prime * self.number(Fraction(sign * int(times)))
        return total

    def root(self, u: Quotient, n: int, name: str | None) -> Quotient:
        """The `n`-th root of `u >= 0`: for a nonnegative letter a power of its finer letter, else a new function."""
        if name is not None and name in self.nonnegative:
            have = self._roots.get(name, 1)
            if have % n:
                self._roots[name] = lcm(have, n)
                raise _Again
            return self._generator(self.letters.index(name)).raised(have // n)
        u = self._reduced(u)
        if u.is_zero:
            return u
        outside, inside = self._split_root(u, n)
        rest = [(inside, 1)]
        if inside.top.is_constant() and inside.bottom.is_constant():
            found = prime_powers(inside.top.leading_coefficient())
            rest = [
                (self.number(base if abs(base) >= 1 else 1 / base), k if abs(base) >= 1 else -k) for base, k in found
            ]
        for base, k in rest:
            outside = outside * self._generator(self._slot(f"root{n}", base.key(), (n, base))).raised(k)
        return outside

    def vanishes(self, u: Quotient) -> bool:
        """Whether it is 0 once every root is reduced."""
        return self._reduced(u).is_zero

    def _reduced(self, u: Quotient) -> Quotient:
        """The same with the `n`-th power of every `n`-th root in the numerator taken for what stands under it."""
        for index in sorted(self._made, reverse=True):
            kind, argument = self._made[index]
            if not kind.startswith("root") or u.top.degrees()[index] < argument[0]:
                continue
            n, inside = argument
            terms: dict[int, dict[tuple[int, ...], Any]] = {}
            for exponents, c in u.top.to_dict().items():
                times, left = divmod(int(exponents[index]), n)
                terms.setdefault(times, {})[*exponents[:index], left, *exponents[index + 1 :]] = c
            below = Quotient(u.bottom, self._generators[0] ** 0)
            u = self.number(Fraction(0))
            for times, part in terms.items():
                u = u + Quotient(self._ring.from_dict(part), self._generators[0] ** 0) * inside.raised(times)
            u = u / below
        return u

    def _split_root(self, u: Quotient, n: int) -> tuple[Quotient, Quotient]:
        """The `n`-th root of `u > 0` as a factor and a rest under the root, the same however `u` is written."""
        outside = inside = self.number(Fraction(1))
        for poly, sign in ((u.top, 1), (u.bottom, -1)):
            constant, factors = poly.factor()
            parts: list[tuple[Quotient, int]] = []
            for factor, times in factors:
                lead = factor.leading_coefficient()
                constant = constant * lead ** int(times)
                parts.append((Quotient(factor / lead, self._generators[0] ** 0), int(times)))
            parts += [(self.number(prime), times) for prime, times in prime_powers(constant)]
            for base, times in parts:
                side = self._side_of_zero(base) if times >= n else 0
                # For even `n` the root of `base^n` is `|base|`; for odd `n` the base must be positive.
                if side > 0 or (side < 0 and n % 2 == 0):
                    size = base * self.number(Fraction(side))
                    outside, times = outside * size.raised(sign * (times // n)), times % n
                inside = inside * base.raised(sign * times)
        return outside, inside

    def _side_of_zero(self, u: Quotient) -> int:
        """1 where the base of a power is nowhere below 0, -1 where it is nowhere above, 0 where neither is known."""
        if self._is_plainly_positive(u):
            return 1
        if self._ends is None or not u.bottom.is_constant():
            return 0
        low: Fraction | None = Fraction(0)
        high: Fraction | None = Fraction(0)
        for exponents, c in u.top.to_dict().items():
            factor = Fraction(int(c.p), int(c.q))
            used = [(index, int(k)) for index, k in enumerate(exponents) if k]
            ends: tuple[Fraction | None, Fraction | None] = (Fraction(1), Fraction(1))
            if used:
                (index, power), *more = used
                if more or index >= len(self.letters) or power != self._roots.get(self.letters[index], 1):
                    return 0
                ends = self._ends[self.letters[index]]
            least, most = ends if factor > 0 else ends[::-1]
            low = None if low is None or least is None else low + factor * least
            high = None if high is None or most is None else high + factor * most
        if low is not None and low >= 0:
            return 1
        return -1 if high is not None and high <= 0 else 0

    def wave(self, kind: str, u: Quotient) -> Quotient:
        """A wave, its inverse or Lambert's W of `u`, a new function; the values at 0 and `W(t e^t) = t` are known."""
        if u.is_zero:
            return self.pi() * self.number(Fraction(1, 2)) if kind == "acos" else self.number(Fraction(kind == "cos"))
        if kind == "lambertw":
            for made, argument in list(self._made.values()):
                # W is the inverse for t >= -1 only.
                inverse = made == "exp" and self._is_plainly_positive(argument)
                if inverse and u.key() == (argument * self.exp(argument)).key():
                    return argument
        return self._generator(self._slot(kind, u.key(), u))

    def pi(self) -> Quotient:
        """The number pi, as a generator without relations."""
        return self._generator(self._slot("pi", "", None))

    def slope(self, u: Quotient, name: str) -> Quotient:
        """The derivative of `u` in a letter."""
        top = bottom = self.number(Fraction(0))
        used = {i for poly in (u.top, u.bottom) for i, n in enumerate(poly.degrees()) if n > 0}
        for index in sorted(used):
            inner = self._slope_of(index, name)
            if inner.is_zero:
                continue
            one = self._generators[0] ** 0
            top = top + Quotient(u.top.derivative(index), one) * inner
            bottom = bottom + Quotient(u.bottom.derivative(index), one) * inner
        whole = Quotient(u.bottom, self._generators[0] ** 0)
        return (top * whole - bottom * Quotient(u.top, self._generators[0] ** 0)) / (whole * whole)

    def _slope_of(self, index: int, name: str) -> Quotient:
        if index < len(self.letters):
            if self.letters[index] != name:
                return self.number(Fraction(0))
            n = self._roots.get(name, 1)
            return self._generator(index).raised(1 - n) * self.number(Fraction(1, n))
        kind, argument = self._made[index]
        own = self._generator(index)
        if kind == "pi":
            return self.number(Fraction(0))
        if kind.startswith("root"):
            n, u = argument
            return self.slope(u, name) * own.raised(1 - n) * self.number(Fraction(1, n))
        inner = self.slope(argument, name)
        if inner.is_zero or kind == "exp":
            return inner * own
        if kind == "log":
            return inner / argument
        if kind == "cos":
            return inner * self.wave("sin", argument) * self.number(Fraction(-1))
        if kind == "sin":
            return inner * self.wave("cos", argument)
        one = self.number(Fraction(1))
        if kind == "tan":
            return inner * (one + own * own)
        if kind == "atan":
            return inner / (one + argument * argument)
        if kind == "lambertw":
            return inner * own / (argument * (one + own))
        square = self.root(one - argument * argument, 2, None)
        return inner / square * self.number(Fraction(1 if kind == "asin" else -1))
