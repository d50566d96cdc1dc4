"""A number written as a sum of shared numbers and a rest, so that what two numbers share cancels before it rounds.

The entropy of a row is that of its block and a small rest when nearly all mass is there; two such entropies differ by
their rests. A score difference is a sum of two exact scores, and so on. Sums are computed only when asked for, on the
rows asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# The rest of a form on the chosen rows.
Rest = Callable[[Any], Any]


class Form(NamedTuple):
    """`sum sign * number + rest`; no rest is 0."""

    numbers: tuple[tuple[Any, int], ...]
    rest: Rest | None

    def is_number(self, number: Any) -> bool:
        """Whether the form is that number itself."""
        return self.rest is None and len(self.numbers) == 1 and self.numbers[0] == (number, 1)


def shared(number: Any) -> Any:
    """The number, marked so that it cancels against itself."""
    number.forms = (Form(((number, 1),), None),)
    return number


def opaque(number: Any) -> Form:
    """The trivial form: no shared numbers, all rest."""
    return Form((), lambda rows: number[rows])


def flipped(form: Form) -> Form:
    """The form of the negated number."""
    numbers = tuple((number, -sign) for number, sign in form.numbers)
    rest = form.rest
    return Form(numbers, None if rest is None else lambda rows: -rest(rows))


def added(forms: tuple[Form, ...], others: tuple[Form, ...]) -> tuple[Form, ...]:
    """Forms of a sum: every form of one term with every form of the other."""
    return tuple(_sum(one, other) for one in forms for other in others)


def _sum(one: Form, other: Form) -> Form:
    left = list(one.numbers)
    for number, sign in other.numbers:
        if (number, -sign) in left:
            left.remove((number, -sign))
        else:
            left.append((number, sign))
    if one.rest is None or other.rest is None:
        return Form(tuple(left), one.rest or other.rest)
    first, second = one.rest, other.rest
    return Form(tuple(left), lambda rows: first(rows) + second(rows))


def total(form: Form, rows: Any) -> Any | None:
    """The form added up on the chosen rows, numbers of opposite signs first; None for an empty sum, which is 0.

    In `(a - b) - (c - d)` like terms go together: `(a - c) + (d - b)`.
    """
    ups = [number[rows] for number, sign in form.numbers if sign > 0]
    downs = [number[rows] for number, sign in form.numbers if sign < 0][::-1]
    terms = [a - b for a, b in zip(ups, downs, strict=False)]
    terms += ups[len(downs) :] + [-number for number in downs[len(ups) :]]
    if form.rest is not None:
        terms.append(form.rest(rows))
    if not terms:
        return None
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
