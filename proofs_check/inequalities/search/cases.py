"""Proofs by cases: a letter on either side of 0, or two letters in either order, each case a box of new letters."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.branching import Search
from proofs_check.inequalities.search.certificates import certificate_of
from proofs_check.inequalities.search.claims import Question, question_of
from proofs_check.inequalities.search.polynomials import polynomial
from proofs_check.inequalities.search.pool import letters_of
from proofs_check.inequalities.search.substitution import Change
from proofs_check.inequalities.search.ways import changed, unchanged

_DEEPEST, _MOST = 9, 250
_SHARE = 16


class ByCases:
    """The cases of one request, tried until a deadline; `boxes` counts those examined."""

    def __init__(self, request: Any, deadline: float, way: Question | None = None) -> None:
        self._request, self._deadline, self._way = request, deadline, way
        self.boxes = 0
        self._tried = 0

    def tree(self, given: tuple[Change, ...], depth: int) -> dict[str, Any] | None:
        """A proof of the case, as a certificate holds it; None where none was found."""
        request = self._request
        way = self._way
        by, cleared = (way.by, way.factor is not None) if way is not None else ("nothing", False)
        plain = question_of(request.claim, request.domain, given, by, cleared)
        if (way is not None and (not given or _is_plain(plain))) or (way is None and given):
            for question in [plain] if way is not None else self._ways(plain, given):
                if self._is_over():
                    return None
                self._tried += 1
                search = Search(question)
                share = _SHARE if way is None else 1
                self.boxes += search.run(share, request.precision, self._deadline, lambda done, waiting: None)
                if search.point is not None:
                    return None
                if not search.left:
                    return {"proof": dict(certificate_of(search).payload)}
        cut = None if depth == _DEEPEST or self._is_over() else self._cut(plain, depth)
        if cut is None:
            return None
        letter, at, changes = cut
        parts: list[dict[str, Any]] = []
        for change in changes:
            part = self.tree((*given, change), depth + 1)
            if part is None:
                return None
            parts.append(part)
        return {"letter": letter, "at": at, "new": changes[0].new, "parts": parts}

    def _ways(self, plain: Question, given: tuple[Change, ...]) -> Iterator[Question]:
        yield from unchanged(self._request, plain, given)
        if len(plain.box) == 1:
            yield from changed(self._request, plain, given)

    def _is_over(self) -> bool:
        return self._tried >= _MOST or self.boxes >= self._request.boxes or time.monotonic() >= self._deadline

    def _cut(self, question: Question, depth: int) -> tuple[str, str, tuple[Change, Change]] | None:
        """The next cut: at 0 while a letter has both signs, then between two letters."""
        new = f"d{depth}"
        if new in question.box or new in question.sides:
            return None
        everywhere = [name for name, side in question.box.items() if side.low is None and side.high is None]
        whole = Side(Fraction(0), None, False, True)
        if everywhere:
            name = everywhere[0]
            ways = [Change("line", name, new, Fraction(0), sign, whole) for sign in (1, -1)]
            return name, "0", (ways[0], ways[1])
        pairs = [
            (a, b)
            for a, b in itertools.combinations(sorted(question.box), 2)
            if all(question.box[name].high is None and question.box[name].low is not None for name in (a, b))
        ]
        if not pairs:
            return None
        # Letters that are added to the same letter come first: that sorts all of them, and then starts again.
        base: dict[str, str] = {}
        for change in question.changes:
            base = {each: change.new if under == change.letter else under for each, under in base.items()}
            base[change.new] = change.other
        level = [pair for pair in pairs if base.get(pair[0], "") == base.get(pair[1], "")]
        a, b = min(level or pairs, key=lambda pair: _minuses(question, *pair))
        first, second = (Change("above", x, new, Fraction(0), 1, whole, y) for x, y in ((a, b), (b, a)))
        return a, f"letter {b}", (first, second)


def _is_plain(question: Question) -> bool:
    """Whether a polynomial has no coefficient below 0, or one letter only."""
    poly = polynomial(question.expr, letters_of(question.expr))
    return poly is None or len(poly.gens) == 1 or not any(c.is_negative for c in poly.coeffs())


def _minuses(question: Question, a: str, b: str) -> int:
    """How many coefficients of a polynomial stay below 0 once two letters have an order."""
    letters = letters_of(question.expr)
    named = [letter.name for letter in letters]
    if a not in named or b not in named or polynomial(question.expr, letters) is None:
        return 10**6 if a not in named or b not in named else 0
    ring, poly = sympy.sring(question.expr, *letters)
    if not (ring.domain.is_ZZ or ring.domain.is_QQ):
        return 0
    x, y = (ring.gens[named.index(name)] for name in (a, b))
    return sum(bool(c < 0) for first in (x, y) for c in poly.compose(first, x + y).coeffs())
