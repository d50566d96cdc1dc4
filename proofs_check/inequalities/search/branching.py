"""Branch and bound: boxes split at exact points until every one is settled, one is refuted, or the budget is spent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from flint import ctx

from proofs_check.inequalities.search import refuting
from proofs_check.inequalities.search.boxes import Side, split, split_after
from proofs_check.inequalities.search.claims import Question, resolved
from proofs_check.inequalities.search.corners import Box, Leaf, settle, suffices
from proofs_check.inequalities.search.domains import whole
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.pieces import Piece
from proofs_check.inequalities.search.pool import KINKS
from proofs_check.inequalities.search.spans import NoValue, Span

_DEEPEST = 160
_REPORTED = 64
# A box may leave so many kinks open, each of which is settled both ways.
_FORKS = 3


@dataclass(frozen=True)
class Progress:
    """The progress of a search: boxes examined, and boxes still open."""

    done: int
    waiting: int
    seconds: float


@dataclass
class Cell:
    """One box of the tree: a leaf once settled, or split in two at a point of one letter, or by what a kink takes."""

    box: Box
    depth: int
    leaf: Leaf | None = None
    precision: int = 0
    cut: tuple[str, Fraction, bool] | None = None
    parts: tuple[Cell, Cell] | None = None
    either: int | None = None


class Search:
    """A question, its smooth pieces so far, and the tree of boxes, which `run` continues.

    `point` is one at which the claim is false; `stuck` holds the boxes that can be neither settled nor split further.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self.pieces: list[Piece] = []
        self.root = Cell(dict(question.box), 0)
        self.boxes = 0
        self.point: dict[str, Fraction] | None = None
        self.stuck: list[Cell] = []
        self.reason = ""
        # Halves come after all boxes that wait, so that the shallowest is always the next.
        self._waiting = deque([self.root])
        self._by_choices: dict[tuple[tuple[int, bool], ...], int] = {}
        self._whole = [each.name for each in question.domain if each.is_integer and each.name in question.box]
        self._claim_nodes = question.pool.below(question.difference)
        self._expr_nodes = set(question.pool.below(question.pool.from_sympy(question.expr)))

    @property
    def left(self) -> list[Cell]:
        """The boxes that are still open."""
        return [*self.stuck, *self._waiting]

    @property
    def is_over(self) -> bool:
        """Whether more boxes would change nothing."""
        return not self._waiting or any(cell.depth >= _DEEPEST for cell in self.stuck)

    def run(self, boxes: int, precision: int, deadline: float, report: Callable[[int, int], None]) -> int:
        """Examines up to `boxes` more boxes, the shallowest first, until `deadline`; returns their number.

        `report` is told now and then how many were examined in this run, and how many wait.
        """
        done = 0
        while not self.is_over and done < boxes and time.monotonic() < deadline:
            if done % _REPORTED == 0:
                report(done, len(self._waiting))
            cell = self._waiting.popleft()
            done += 1
            self.boxes += 1
            self.point = self._look_at(cell, precision)
            if self.point is not None:
                break
            if cell.leaf is None and cell.either is None:
                deep = cell.depth >= _DEEPEST
                if deep or not self._split(cell):
                    self.stuck.append(cell)
                    self.reason = f"a box is open after {_DEEPEST} splits" if deep else "a box cannot be split further"
                self._waiting.extend(cell.parts or ())
        return done

    def _look_at(self, cell: Cell, precision: int) -> dict[str, Fraction] | None:
        """Settle the cell, or return a point of it at which the claim is false."""
        # Where it touches 0 the difference shrinks as the square of the box: digits must grow faster than boxes halve.
        working = precision + 32 * (cell.depth // 16)
        with ctx.workprec(working):
            cell.precision = working
            inside = Enclosure(self.question.pool, cell.box)
            gap = next((name for name in self._whole if whole(cell.box[name]).is_empty), None)
            if gap is not None:
                cell.leaf = Leaf("gap", -1, (), {"letter": gap})
                return None
            with suppress(NoValue):
                value = self._value(inside)
                open_still = self.question.compares(inside) and not self._settle(cell, inside, {})
                if open_still and value is not None and suffices(value, self.question.strict):
                    cell.leaf = Leaf("direct", -1)
        return refuting.near(self.question, cell.box) if cell.leaf is None and cell.either is None else None

    def _value(self, inside: Enclosure) -> Span | None:
        """The difference on a box; None where only the whole domain shows that it has values."""
        try:
            return inside.span(self.question.difference)
        except NoValue:
            if not self.question.is_defined:
                raise
            return None

    def _settle(self, cell: Cell, inside: Enclosure, taken: dict[int, bool]) -> bool:
        """Settles a cell, whatever the kinks take that it leaves open; says whether it did."""
        number = self._piece(inside, taken)
        if number is not None:
            cell.leaf = settle(cell.box, self.pieces[number], number, self.question)
            return cell.leaf is not None
        kink = self._open_kink(self._choices(inside, taken))
        # A kink that sympy has cancelled cannot be given a branch in what is left.
        if len(taken) == _FORKS or kink not in self._expr_nodes:
            return False
        parts = (Cell(cell.box, cell.depth), Cell(cell.box, cell.depth))
        for part, side in zip(parts, (True, False), strict=True):
            part.precision = cell.precision
            if not self._settle(part, inside, {**taken, kink: side}):
                return False
        cell.either, cell.parts = kink, parts
        return True

    def _choices(self, inside: Enclosure, taken: dict[int, bool]) -> dict[int, bool]:
        """The branches that kinks are said to take, or certainly take on all of the box."""
        nodes = self.question.pool.nodes
        chosen = dict(taken)
        for index in {*self._claim_nodes, *self._expr_nodes}:
            if nodes[index][0] in KINKS:
                with suppress(NoValue):
                    side = inside.chooses(index)
                    if side is not None and index not in taken:
                        chosen[index] = side
        return chosen

    def _piece(self, inside: Enclosure, taken: dict[int, bool]) -> int | None:
        """Index of the piece whose kinks each take one branch on all of the box; None if a kink takes both."""
        chosen = self._choices(inside, taken)
        if self._open_kink(chosen) is not None:
            return None
        key = tuple(sorted(chosen.items()))
        if key not in self._by_choices:
            expr = resolved(self.question.expr, self.question.pool, chosen)
            if expr is None:
                return None
            claimed = {index: side for index, side in chosen.items() if index in set(self._claim_nodes)}
            self._by_choices[key] = len(self.pieces)
            # A claim with kinks may jump at a face where its piece is continuous, so the piece uses its own forms only.
            base = None if claimed or self.question.factor is not None else self.question.difference
            self.pieces.append(Piece(expr, base, claimed, self.question.pool, self.question.box))
        return self._by_choices[key]

    def _open_kink(self, chosen: dict[int, bool]) -> int | None:
        """A kink without a branch that the difference can still reach; None where every one has a branch."""
        pool = self.question.pool
        waiting = [self.question.difference]
        while waiting:
            index = waiting.pop()
            if pool.nodes[index][0] not in KINKS:
                waiting.extend(pool.children(index))
            elif index not in chosen:
                return index
            else:
                branches = pool.children(index)
                waiting.append(branches[-2] if chosen[index] and len(branches) > 1 else branches[-1])
        return None

    def _split(self, cell: Cell) -> bool:
        cut = self._at_kink(cell.box) or self._at_middle(cell)
        if cut is not None and cut[0] in self._whole:
            name, side = cut[0], cell.box[cut[0]]
            inner = whole(side)
            if inner.low is not None and (side.low_open or side.low != inner.low):
                cut = name, inner.low, False
            elif inner.high is not None and (side.high_open or side.high != inner.high):
                cut = name, inner.high, True
            else:
                cut = name, Fraction(cut[1] // 1), True
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
            if pool.nodes[index][0] not in KINKS:
                continue
            try:
                if inside.chooses(index) is not None:
                    continue
            except NoValue:
                continue
            affine = inside.gap(index)
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
