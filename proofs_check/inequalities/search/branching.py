"""Branch and bound: boxes split at exact points until every one is settled, one is refuted, or the budget is spent."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from flint import ctx

from proofs_check.inequalities.search import refuting
from proofs_check.inequalities.search.boxes import Side, split, split_after
from proofs_check.inequalities.search.claims import Question, resolved
from proofs_check.inequalities.search.corners import Box, Leaf, settle
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.pieces import Piece
from proofs_check.inequalities.search.pool import KINKS
from proofs_check.inequalities.search.spans import NoValue

_DEEPEST = 160


@dataclass(frozen=True)
class Progress:
    """The progress of a search: boxes examined, and boxes still open."""

    done: int
    waiting: int
    seconds: float


@dataclass
class Cell:
    """One box of the tree: a leaf once settled, or split in two at a point of one letter."""

    box: Box
    depth: int
    leaf: Leaf | None = None
    precision: int = 0
    cut: tuple[str, Fraction, bool] | None = None
    parts: tuple[Cell, Cell] | None = None


@dataclass
class Outcome:
    """The result of a search: `proved` if every box is settled; `point` if the claim is false there; else boxes `left`.

    `final` says that a larger budget would change nothing.
    """

    root: Cell
    pieces: list[Piece]
    boxes: int = 0
    point: dict[str, Fraction] | None = None
    left: list[Cell] = field(default_factory=list)
    reason: str = ""
    final: bool = True

    @property
    def proved(self) -> bool:
        """Whether nothing is left and nothing was refuted."""
        return self.point is None and not self.left


class Search:
    """A question, its pieces so far, and the loop that settles it."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.pieces: list[Piece] = []
        self._by_choices: dict[tuple[tuple[int, bool], ...], int] = {}
        self._claim_nodes = question.pool.below(question.difference)
        self._expr_nodes = question.pool.below(question.pool.from_sympy(question.expr))

    def run(
        self,
        boxes: int,
        precision: int,
        seconds: float | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Outcome:
        """Settle boxes, the shallowest first, until none is left or `boxes` or `seconds` are spent."""
        begun = time.monotonic()
        root = Cell(dict(self.question.box), 0)
        outcome = Outcome(root, self.pieces)
        waiting: list[tuple[int, int, Cell]] = [(0, 0, root)]
        ticket = 0
        while waiting:
            spent = time.monotonic() - begun
            if outcome.boxes >= boxes or (seconds is not None and spent > seconds):
                outcome.left.extend(cell for _, _, cell in waiting)
                outcome.reason = f"the budget of {boxes} boxes" if outcome.boxes >= boxes else f"{seconds} seconds"
                outcome.reason += " is spent"
                outcome.final = False
                return outcome
            if progress is not None and outcome.boxes % 64 == 0:
                progress(Progress(outcome.boxes, len(waiting), spent))
            _, _, cell = heapq.heappop(waiting)
            outcome.boxes += 1
            point = self._look_at(cell, precision)
            if point is not None:
                outcome.point = point
                return outcome
            if cell.leaf is not None:
                continue
            if cell.depth >= _DEEPEST or not self._split(cell):
                outcome.left.append(cell)
                outcome.reason = outcome.reason or "a box could not be split further"
                if cell.depth >= _DEEPEST:
                    return self._stop(outcome, waiting)
                continue
            for part in cell.parts or ():
                ticket += 1
                heapq.heappush(waiting, (part.depth, ticket, part))
        return outcome

    @staticmethod
    def _stop(outcome: Outcome, waiting: list[tuple[int, int, Cell]]) -> Outcome:
        outcome.left.extend(cell for _, _, cell in waiting)
        outcome.reason = f"a box is still open after {_DEEPEST} splits"
        return outcome

    def _look_at(self, cell: Cell, precision: int) -> dict[str, Fraction] | None:
        """Settle the cell, or return a point of it at which the claim is false."""
        # Where it touches 0 the difference shrinks as the square of the box: digits must grow faster than boxes halve.
        working = precision + 32 * (cell.depth // 16)
        with ctx.workprec(working):
            inside = Enclosure(self.question.pool, cell.box)
            try:
                inside.span(self.question.difference)
                number = self._piece(inside)
            except NoValue:
                number = None
            if number is not None:
                cell.leaf = settle(cell.box, self.pieces[number], number, self.question)
                cell.precision = working
                if cell.leaf is not None:
                    return None
            elif self._kinked_but_true(cell, inside):
                cell.precision = working
                return None
        return refuting.near(self.question, cell.box)

    def _kinked_but_true(self, cell: Cell, inside: Enclosure) -> bool:
        try:
            value = inside.span(self.question.difference)
        except NoValue:
            return False
        if value.is_positive() if self.question.strict else value.is_nonnegative():
            cell.leaf = Leaf("direct", -1)
            return True
        return False

    def _piece(self, inside: Enclosure) -> int | None:
        """Index of the piece whose kinks each take one branch on all of the box; None if a kink takes both."""
        nodes = self.question.pool.nodes
        chosen: dict[int, bool] = {}
        for index in {*self._claim_nodes, *self._expr_nodes}:
            if nodes[index][0] in KINKS:
                try:
                    side = inside.chooses(index)
                except NoValue:
                    side = None
                if side is not None:
                    chosen[index] = side
        if not self._settled(chosen):
            return None
        key = tuple(sorted(chosen.items()))
        if key not in self._by_choices:
            expr = resolved(self.question.expr, self.question.pool, chosen)
            if expr is None:
                return None
            claimed = {index: side for index, side in chosen.items() if index in set(self._claim_nodes)}
            self._by_choices[key] = len(self.pieces)
            # A claim with kinks may jump at a face where its piece is continuous, so the piece uses its own forms only.
            base = None if claimed else self.question.difference
            self.pieces.append(Piece(expr, base, claimed, self.question.pool))
        return self._by_choices[key]

    def _settled(self, chosen: dict[int, bool]) -> bool:
        """Whether every kink that the difference can still reach has a branch."""
        pool = self.question.pool
        waiting = [self.question.difference]
        while waiting:
            index = waiting.pop()
            if pool.nodes[index][0] not in KINKS:
                waiting.extend(pool.children(index))
            elif index not in chosen:
                return False
            else:
                branches = pool.children(index)
                waiting.append(branches[-2] if chosen[index] and len(branches) > 1 else branches[-1])
        return True

    def _split(self, cell: Cell) -> bool:
        cut = self._at_kink(cell.box) or self._at_middle(cell)
        if cut is None:
            return False
        name, at, after = cut
        lower, upper = (split_after if after else split)(cell.box[name], at)
        cell.cut = cut
        cell.parts = (
            Cell({**cell.box, name: lower}, cell.depth + 1),
            Cell({**cell.box, name: upper}, cell.depth + 1),
        )
        return True

    def _at_kink(self, box: Box) -> tuple[str, Fraction, bool] | None:
        """A cut exactly where a kink of one letter lies, so that each part has one branch."""
        pool = self.question.pool
        inside = Enclosure(pool, box)
        for index in self._claim_nodes:
            op, *parts = pool.nodes[index]
            if op not in KINKS:
                continue
            try:
                if inside.chooses(index) is not None:
                    continue
            except NoValue:
                continue
            affine = inside.affine(parts[1] if op == "case" else parts[0])
            if op in ("max", "min") and affine is not None:
                other = inside.affine(parts[1])
                if other is None:
                    continue
                affine = {n: affine.get(n, Fraction(0)) - other.get(n, Fraction(0)) for n in {*affine, *other}}
            letters = [name for name, value in (affine or {}).items() if name and value != 0]
            if affine is None or len(letters) != 1:
                continue
            (name,) = letters
            at = -affine.get("", Fraction(0)) / affine[name]
            side = box[name]
            if side.is_point or not side.holds(at):
                continue
            return (name, at, True) if at == side.low else (name, at, False)
        return None

    def _at_middle(self, cell: Cell) -> tuple[str, Fraction, bool] | None:
        """A cut near the middle of the side along which the difference may vary most."""
        box = cell.box
        open_sides = {name: side for name, side in box.items() if not side.is_point}
        if not open_sides:
            return None
        weights = {name: self._weight(name, side, cell) for name, side in open_sides.items()}
        name = max(sorted(weights), key=weights.__getitem__)
        return name, open_sides[name].inside(), False

    def _weight(self, name: str, side: Side, cell: Cell) -> float:
        root = self.question.box[name]
        if side.low is None or side.high is None:
            return 4.0 ** -(cell.depth // 8) if cell.depth % 2 else 1e6
        width = side.high - side.low
        scale = root.high - root.low if root.low is not None and root.high is not None else None
        try:
            return float(width) / (1.0 + abs(float(side.low)) if scale is None else float(scale))
        except OverflowError:
            # The numbers overflow a float; their ratio may not.
            return float(min(Fraction(10) ** 300, width / (1 + abs(side.low) if scale is None else scale)))


def largest(outcome: Outcome, count: int = 3) -> list[dict[str, Any]]:
    """A few of the boxes left, for a message."""
    return [{name: side.to_json() for name, side in cell.box.items()} for cell in outcome.left[:count]]
