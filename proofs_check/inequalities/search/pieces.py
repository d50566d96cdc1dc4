"""A smooth piece of a claim: its forms, its derivatives and the places where it vanishes, found by sympy.

Nothing here is trusted: the replay compares every form with the claim by an algebra of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

import sympy
from flint import ctx
from sympy import Expr, Symbol, exp, expand_func, expand_log, factor_terms, log, together

from proofs_check.inequalities.search.boxes import Box, Side
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.meeting import meeting_numbers
from proofs_check.inequalities.search.moments import FIRST, Moment
from proofs_check.inequalities.search.polynomials import factored, plainly_positive, positive_forms
from proofs_check.inequalities.search.pool import Pool, exact, rational
from proofs_check.inequalities.search.spans import NoValue, Span, meet
from theory.errors import DomainError

Slope = tuple[tuple[str, int], ...]
VALUE: Slope = ()
_FACTOR_LIMIT = 160
_ORDER_LIMIT = 6
_HIGHEST_POWER = 64
_FORMS = 6
# Algebra on logarithms factors whole numbers, which must stay small enough for that.
_TALLEST = 2**20


class Piece:
    """`f = larger side - smaller side` of the claim with every kink resolved, as sympy and as nodes of the pool."""

    def __init__(self, expr: Expr, base: int | None, choices: dict[int, bool], pool: Pool, box: Box) -> None:
        self.base = base
        self.choices = choices
        self.pool = pool
        self.letters: dict[str, Symbol] = {symbol.name: symbol for symbol in expr.free_symbols}
        found = [*forms(expr), *positive_forms(expr, {letter: box[letter.name] for letter in self.letters.values()})]
        self._expr: dict[Slope, list[Expr]] = {VALUE: list(dict.fromkeys(found))}
        self._whole: dict[Slope, list[Expr]] = {VALUE: [f for f in self._expr[VALUE] if f.has(Moment)][:1]}
        self._meetings: list[Expr] | None = None
        self._nodes: dict[Slope, list[int]] = {}
        self._vanishing: dict[tuple[str, str, tuple[tuple[str, str], ...]], int | None] = {}

    def expressions(self, slope: Slope) -> list[Expr]:
        """Forms of that derivative of `f`, the plainest first."""
        if slope not in self._expr:
            *before, (name, times) = slope
            lower = (*before, (name, times - 1)) if times > 1 else tuple(before)
            letter = self.letters[name]
            seen: dict[Expr, None] = {}
            for expr in _few(self.expressions(lower)):
                for form in forms(expr.diff(letter)):
                    seen[form] = None
            found = sorted(seen, key=lambda form: form.count_ops())[:_FORMS]
            # Derivatives of a form without a hole have none either; those of a shorter form may.
            self._whole[slope] = [form.diff(letter) for form in self._whole[lower]]
            found += [form for form in self._whole[slope] if form not in found]
            self._expr[slope] = found
        return self._expr[slope]

    def nodes(self, slope: Slope) -> list[int]:
        """The same forms as nodes; among those of `f` its own node comes first."""
        if slope not in self._nodes:
            found = [self.base] if slope == VALUE and self.base is not None else []
            for expr in self.expressions(slope):
                try:
                    index = self.pool.from_sympy(expr)
                except DomainError:
                    continue
                if index not in found:
                    found.append(index)
            self._nodes[slope] = found
        return self._nodes[slope]

    def span(self, slope: Slope, box: Enclosure) -> Span | None:
        """The span on which the forms of that derivative agree; None where none is known to have values on the box."""
        found: Span | None = None
        for index in self.nodes(slope):
            try:
                span = box.span(index)
            except NoValue:
                continue
            found = span if found is None else meet(found, span)
        return found

    def meetings(self, letter: str, box: Box) -> list[Expr]:
        """Numbers at which a piece of one letter may be 0."""
        if self._meetings is None:
            only = list(self.letters) == [letter]
            shortest = min(self._expr[VALUE], key=lambda expr: expr.count_ops())
            self._meetings = meeting_numbers(shortest, self.letters[letter], box[letter]) if only else []
        return self._meetings

    def vanishing(self, letter: str, at: Expr, fixed: dict[str, Fraction]) -> int | None:
        """How many derivatives in a letter, from the 0th, are 0 at `at` for all values of the free letters.

        `fixed` gives some letters a value first. None where `f` itself is not 0, or is 0 to every order tried.
        """
        key = (letter, str(at), tuple(sorted((name, str(value)) for name, value in fixed.items())))
        if key not in self._vanishing:
            self._vanishing[key] = self._find_order(letter, at, fixed)
        return self._vanishing[key]

    def _find_order(self, letter: str, at: Expr, fixed: dict[str, Fraction]) -> int | None:
        place = {self.letters[name]: rational(value) for name, value in fixed.items() if name in self.letters}
        place[self.letters[letter]] = at
        for expr in self._expr[VALUE]:
            if not defined_at(expr, place) or not zero_at(expr, place):
                continue
            slope = expr
            for order in range(1, _ORDER_LIMIT + 1):
                slope = slope.diff(self.letters[letter])
                if not defined_at(slope, place):
                    break
                if not zero_at(slope, place):
                    return order
        return None


def _few(exprs: list[Expr]) -> list[Expr]:
    """The plainest form and the shortest."""
    return list(dict.fromkeys([exprs[0], min(exprs, key=lambda expr: expr.count_ops())]))


def forms(expr: Expr) -> Iterator[Expr]:
    """Ways to write an expression that enclose it differently, without repeats."""
    seen: set[Expr] = set()
    for form in _forms(expr):
        if form not in seen and not form.has(sympy.nan, sympy.zoo, sympy.I):
            seen.add(form)
            yield form


def _forms(expr: Expr) -> Iterator[Expr]:
    yield expr
    exponents = [power.exp for power in expr.atoms(sympy.Pow) if power.exp.is_Rational]
    if any(max(abs(exponent.p), exponent.q) > _HIGHEST_POWER for exponent in exponents):
        # Multiplied out, or as a polynomial in the root, it would fill the memory.
        return
    if expr.is_polynomial() and expr.is_Add:
        spread = sympy.expand(expr)
        yield spread
        if not plainly_positive(spread):
            yield factored(expr)
        return
    plain = expand_func_but_moments(expr)
    yield plain
    if plain.count_ops() > _FACTOR_LIMIT:
        return
    yield factored(together(plain))
    yield factor_terms(plain)
    spread = expand_log(plain.replace(log, lambda x: log(factored(together(x)))))
    yield spread
    yield factored(together(spread))
    yield sympy.expand(spread)
    whole = with_moments(plain)
    if whole is not None:
        yield whole
        yield factored(together(whole))


def expand_func_but_moments(expr: Expr) -> Expr:
    """The field's functions written out in exponentials and logarithms, moments left whole."""
    moments = {moment: sympy.Dummy(real=True) for moment in expr.atoms(Moment)}
    back = {dummy: moment for moment, dummy in moments.items()}
    return expand_func(expr.xreplace(moments)).xreplace(back)


def with_moments(expr: Expr) -> Expr | None:
    """Exponentials of multiples of one exponent `v`, as powers of `1 + v M_0(v)`; None where they have no such `v`."""
    exponents = [e.args[0] for e in sympy.powsimp(sympy.expand_power_exp(expr)).atoms(exp)]
    if not exponents:
        return None
    v = min(exponents, key=lambda u: (abs(exact(u.as_coeff_Mul()[0])), u.could_extract_minus_sign()))
    if v.is_Number:
        return None
    ratios = [sympy.cancel(u / v) for u in exponents]
    if not all(ratio.is_Integer for ratio in ratios):
        return None
    factor_of = 1 + v * Moment(FIRST, v)
    flat = sympy.powsimp(sympy.expand_power_exp(expr))
    return flat.subs({exp(u): factor_of ** int(ratio) for u, ratio in zip(exponents, ratios, strict=True)})


def defined_at(expr: Expr, place: dict[Symbol, Expr]) -> bool:
    """Whether substitution leaves an expression without poles."""
    value = expr.subs(place)
    return not value.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


def zero_at(expr: Expr, place: dict[Symbol, Expr]) -> bool:
    """Whether the expression is 0 there for all values of the other letters, screened by numbers and then decided."""
    if any(x.is_Rational and abs(x.p) + x.q > _TALLEST for x in place.values()):
        return False
    value = expr.subs(place)
    if value == 0:
        return True
    letters = sorted(value.free_symbols, key=str)
    if any(_certainly_nonzero(value, letters, seed) for seed in range(2)):
        return False
    return is_zero(value)


def is_zero(expr: Expr) -> bool:
    """Whether expanding and cancelling leaves 0, with exponentials and logarithms taken as letters.

    Gentler than `simplify`, which raises numbers to the power of the coefficients of their logarithms.
    """
    written = expand_func(expr)
    spread = expand_log(written.replace(log, lambda x: log(factored(together(x)))), force=True, factor=True)
    if spread == 0:
        return True
    if spread.count_ops() > _FACTOR_LIMIT:
        return False
    powers = sympy.powsimp(sympy.expand_power_exp(spread))
    atoms = sorted(powers.atoms(exp, log), key=sympy.default_sort_key, reverse=True)
    return bool(sympy.cancel(together(powers.subs({atom: sympy.Dummy() for atom in atoms}))) == 0)


def _certainly_nonzero(value: Expr, letters: list[Symbol], seed: int) -> bool:
    generator = random.Random(seed)
    pool = Pool()
    try:
        index = pool.from_sympy(value)
    except DomainError:
        return False
    box: Box = {}
    for letter in letters:
        positive = letter.is_nonnegative or letter.is_positive
        point = Fraction(generator.randint(1, 63), 64) * (1 if positive or seed else -1)
        box = {**box, letter.name: Side.at(point)}
    with ctx.workprec(128):
        try:
            span = Enclosure(pool, box).span(index)
        except NoValue:
            return False
        return bool(span.low > 0 or span.high < 0)
