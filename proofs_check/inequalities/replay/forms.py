"""The forms of a claim's difference: whether each equals what it stands for, and its range over a box.

Shares no code with the search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.replay.algebra import Algebra
from proofs_check.inequalities.replay.boxes import Box, Broken, Place, below, letters_below, natural
from proofs_check.inequalities.replay.nodes import read
from proofs_check.inequalities.replay.quotients import Quotient, Unreadable
from proofs_check.inequalities.replay.ranges import Nowhere, Range, common
from proofs_check.inequalities.replay.reading import Reading

Slope = tuple[tuple[str, int], ...]


class Forms:
    """The forms in which a certificate writes one smooth piece of the difference and its derivatives."""

    def __init__(
        self,
        nodes: list[list[Any]],
        difference: int,
        factor: Callable[[Algebra], Quotient],
        divided: bool,
        algebra: Algebra,
        piece: Mapping[str, Any],
        aliases: Mapping[int, list[int]],
    ) -> None:
        self.nodes = nodes
        self.difference = difference
        self.factor, self.divided = factor, divided
        self.algebra = algebra
        self.aliases = aliases
        self.choices = {int(index): bool(side) for index, side in piece["choices"].items()}
        self._named: dict[Slope, list[int]] = {}
        for form in piece["forms"]:
            slope = tuple((str(name), natural(times)) for name, times in form["slope"])
            self._named[slope] = [natural(index) for index in form["nodes"]]
        for index in {i for indices in self._named.values() for i in indices}:
            if letters_below(self.nodes, index) - set(algebra.letters):
                raise Broken("a form uses letters without a domain")
        self._sound: dict[tuple[int, Slope, str], bool] = {}
        # Only forms with roots can be equal on just a part of the domain.
        self._rooted = any(nodes[i][0] == "root" for i in below(nodes, difference))
        self._zeros: dict[tuple[int, str], bool] = {}
        self._moments: dict[int, list[int]] = {}

    def forms(self, slope: Slope, box: Box) -> list[int]:
        """The forms that algebra finds equal to that derivative, everywhere or at least on the box."""
        found = [i for i in self._named.get(slope, []) if self._is_sound(i, slope) or self._is_sound(i, slope, box)]
        if not found:
            raise Broken(f"no form of the derivative {slope} equals it")
        return found

    def _is_sound(self, index: int, slope: Slope, box: Box | None = None) -> bool:
        key = (index, slope, "" if box is None else str(sorted(box.items())))
        if key not in self._sound:
            if box is not None and not self._rooted:
                return False
            algebra = self.algebra if box is None else _algebra_on(box, self.algebra.letters)

            def same() -> bool:
                expected = read(algebra, self.nodes, self.difference, {}, self.choices)
                expected = expected / self.factor(algebra)
                for name, times in slope:
                    for _ in range(times):
                        expected = algebra.slope(expected, name)
                return algebra.vanishes(read(algebra, self.nodes, index, {}, {}) - expected)

            plain = slope == () and index == self.difference and not self.choices and not self.divided
            try:
                self._sound[key] = plain or bool(algebra.decide(same))
            except Unreadable:
                self._sound[key] = False
        return self._sound[key]

    def _reads(self, index: int, reading: Reading) -> Range | None:
        """The range of a form; None unless its values certainly exist and are those it stands for."""
        if index not in self._moments:
            rests_on = below(self.nodes, index)
            self._moments[index] = [i for i in rests_on if self.nodes[i][0] == "moment"]
        try:
            found = reading.range_of(index)
            for i in self._moments[index]:
                inner = reading.range_of(self.nodes[i][2])
                # At argument 0 a moment equals its quotient only by continuity, which smoothness gives.
                if not (inner.above_zero() or inner.opposite().above_zero() or found.tame):
                    return None
        except Nowhere:
            return None
        return found

    def value(self, slope: Slope, reading: Reading) -> Range:
        """The range on which all forms of a derivative agree."""
        best: Range | None = None
        for index in self.forms(slope, reading.box):
            found = self._reads(index, reading)
            if found is not None:
                best = found if best is None else common(best, found)
        if best is None:
            raise Nowhere(f"no form of the derivative {slope} certainly has a value")
        return best

    def tame(self, box: Box, index: int | None = None) -> bool:
        """Whether a form of the difference (the named one, if any) is smooth on all of the box."""
        reading = Reading(self.nodes, box, self.aliases)
        if index is not None and index not in self.forms((), box):
            return False
        for form in self.forms((), box) if index is None else [index]:
            found = self._reads(form, reading)
            if found is not None and found.tame:
                return True
        return False

    def vanishes(self, slope: Slope, box: Box, place: Place) -> bool:
        """Whether algebra shows that a smooth form of a derivative is 0 at a place, whatever the free letters."""
        reading = Reading(self.nodes, box, self.aliases)
        for index in self.forms(slope, box):
            found = self._reads(index, reading)
            if found is None or not found.tame:
                continue
            if self._is_zero(index, place):
                return True
        return False

    def _place(self, algebra: Algebra, at: Fraction | str | int) -> Quotient:
        if isinstance(at, str):
            return algebra.letter(at)
        return algebra.number(at) if isinstance(at, Fraction) else read(algebra, self.nodes, at, {}, {})

    def _is_zero(self, index: int, place: Place) -> bool:
        key = (index, str(sorted((name, str(value)) for name, value in place.items())))
        if key not in self._zeros:
            algebra = self.algebra

            def zero() -> bool:
                values = {name: self._place(algebra, value) for name, value in place.items()}
                return algebra.vanishes(read(algebra, self.nodes, index, values, {}))

            try:
                self._zeros[key] = bool(algebra.decide(zero))
            except Unreadable:
                self._zeros[key] = False
        return self._zeros[key]


def _algebra_on(box: Box, letters: list[str]) -> Algebra:
    """An algebra that knows the ends of a box, and with them signs on it."""
    ends = {name: (box[name][0], box[name][1]) for name in letters}
    nonnegative = frozenset(name for name, (least, _) in ends.items() if least is not None and least >= 0)
    return Algebra(letters, nonnegative, ends)
