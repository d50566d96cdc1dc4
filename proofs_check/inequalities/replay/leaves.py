"""The argument of one box: by enclosure, by algebra, or by Taylor's theorem. Shares no code with the search."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.replay.boxes import Box, Broken, apart, joined, letters_below, natural, pinned
from proofs_check.inequalities.replay.forms import Forms
from proofs_check.inequalities.replay.ranges import Range, rational
from proofs_check.inequalities.replay.reading import Reading


def enough(value: Range, strict: bool) -> None:
    """`Broken` unless all numbers are above 0, or at least not below."""
    if not (value.above_zero() if strict else value.not_below_zero()):
        raise Broken("the enclosure does not have the sign claimed")


class Leaves:
    """Arguments about one smooth piece of the difference."""

    def __init__(self, nodes: list[list[Any]], aliases: Mapping[int, list[int]], forms: Forms) -> None:
        self.nodes, self.aliases, self.forms = nodes, aliases, forms

    def argue(self, leaf: Mapping[str, Any], box: Box, strict: bool) -> None:
        """Checks the argument of a leaf on a box; `Broken` where it does not hold."""
        arguments = {"direct": self._direct, "zero": self._zero, "taylor": self._taylor}
        arguments[leaf["method"]](box, strict, leaf["details"])

    def slide(self, box: Box, name: str, end: str) -> tuple[Box, bool]:
        """The face where the difference is least, by the slope's sign; and whether it is larger on all of the box."""
        least, most, least_missed, most_missed = box[name]
        if end not in ("low", "high"):
            raise Broken(f"{end!r} is not an end")
        x, missed = (least, least_missed) if end == "low" else (most, most_missed)
        if x is None:
            raise Broken("there is no face at infinity")
        closed = {**box, name: joined(box[name], (x, x, False, False))}
        if not self.forms.tame(closed):
            raise Broken("the difference may not run on to the face")
        slope = self.forms.value(((name, 1),), Reading(self.nodes, box, self.aliases))
        slope = slope if end == "low" else slope.opposite()
        if not slope.not_below_zero():
            raise Broken("the slope does not have one sign")
        return {**box, name: (x, x, False, False)}, missed and slope.above_zero()

    def _direct(self, box: Box, strict: bool, details: Mapping[str, Any]) -> None:
        enough(self.forms.value((), Reading(self.nodes, box, self.aliases)), strict)

    def _zero(self, box: Box, strict: bool, details: Mapping[str, Any]) -> None:
        if strict:
            raise Broken("0 is not above 0")
        if not self.forms.vanishes((), box, pinned(box)):
            raise Broken("the difference is not 0 there")

    def _taylor(self, box: Box, strict: bool, details: Mapping[str, Any]) -> None:
        """All derivatives below the order vanish at the place, so the sign of the next decides on either side of it."""
        name, order = details["letter"], natural(details["order"])
        side, place = box[name], pinned(box)
        if name in place or order < 1:
            raise Broken("the letter is not free or the order is below 1")
        if details["at"].startswith("letter "):
            other = details["at"].removeprefix("letter ")
            if other not in box or other == name or other in place:
                raise Broken(f"{details['at']!r} is not a place")
            there = box[other]
            place = {**place, name: other}
        elif details["at"].startswith("node "):
            constant = natural(int(details["at"].removeprefix("node ")))
            if letters_below(self.nodes, constant):
                raise Broken(f"{details['at']!r} is not a number")
            found = Reading(self.nodes, {}, {}).range_of(constant)
            there = (rational(found.least), rational(found.most), False, False)
            place = {**place, name: constant}
        else:
            x = Fraction(details["at"])
            there = (x, x, False, False)
            place = {**place, name: x}
        hull = {**box, name: joined(side, there)}
        above = apart(there, side)
        under = apart(side, there)
        if order % 2 and above is None and under is None:
            raise Broken("an odd order needs the box on one side")
        if not self.forms.tame(hull, details["form"]):
            raise Broken("the difference may not be smooth up to the place")
        for lower in range(order):
            if not self.forms.vanishes(((name, lower),) if lower else (), hull, place):
                raise Broken(f"derivative {lower} does not vanish at the place")
        slope = self.forms.value(((name, order),), Reading(self.nodes, hull, self.aliases))
        if order % 2 and above is None:
            slope = slope.opposite()
        enough(slope, strict)
        if strict and not (above or under):
            raise Broken("the sides are equal at the place")
