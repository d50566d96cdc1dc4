"""Counts queries and adds up the fidelity of rows, by rule, version of the checker, and decision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.checkers.checker import Bools, CheckedRule, Decision
from empirical.steering.steered import SteeredPass
from theory.errors import DomainError

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class DecidedRows:
    """One layer's rows of one text, one entry for each row and rule that is decided there.

    `before` and `after` are the fidelity of the rule's target without any rule and with all that fire; `met` says
    whether the rule's promise is kept.
    """

    rule: Ints
    decision: Ints
    query: Ints
    before: Array
    after: Array
    met: Bools


def decided_rows(passes: Iterable[SteeredPass]) -> Iterator[DecidedRows]:
    """The rows of passes over one text by `CheckedText.firings`, layer by layer. Raises DomainError for other rules."""
    for each in passes:
        rules = [rule for rule in each.rules if isinstance(rule, CheckedRule)]
        if len(rules) != len(each.rules):
            raise DomainError("a pass by rules without decisions cannot be counted")
        indices, decisions = (np.array(column) for column in zip(*((r.index, r.decision) for r in rules), strict=True))
        for rows in each.layers:
            entry, query, before, after, met = (
                column.cpu().numpy() for column in (rows.rule, rows.query, rows.before, rows.after, rows.met)
            )
            yield DecidedRows(indices[entry], decisions[entry], query, before, after, met)


class Tally:
    """Sums over texts; arrays are `(rules, versions, decisions)`, or `(rules, versions)` for all that is due.

    `queries` counts the decisions themselves. `rows` counts the rows where they are found, `before` and `after` add up
    the fidelities there, and `kept` counts the rows whose promise is met. `due_rows` and `due_after` are those of all
    rows of due queries, whatever was found there.
    """

    def __init__(self, rules: int, versions: int) -> None:
        shape = rules, versions, len(Decision)
        self.queries, self.rows, self.kept = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        self.before, self.after = np.zeros(shape), np.zeros(shape)
        self.due_rows, self.due_after = np.zeros(shape[:2], dtype=np.int64), np.zeros(shape[:2])

    def of(self, rules: Sequence[int]) -> Tally:
        """The sums of some rules."""
        chosen = Tally(0, 0)
        for name, values in vars(self).items():
            setattr(chosen, name, values[list(rules)])
        return chosen

    def add(self, version: int, due: Bools, missed: Bools, false: Bools, passes: Iterable[SteeredPass]) -> None:
        """Count one text: the decisions about it, each `(rules, tokens)`, and the passes over it."""
        for decision, where in zip(Decision, (due & ~missed, missed, false), strict=True):
            self.queries[:, version, decision] += where.sum(1)
        for rows in decided_rows(passes):
            place = rows.rule, version, rows.decision
            self.rows += added_up(self.rows.shape, place)
            self.kept += added_up(self.rows.shape, place, rows.met).astype(np.int64)
            self.before += added_up(self.rows.shape, place, rows.before)
            self.after += added_up(self.rows.shape, place, rows.after)
            is_due = due[rows.rule, rows.query]
            due_place = rows.rule[is_due], version
            self.due_rows += added_up(self.due_rows.shape, due_place)
            self.due_after += added_up(self.due_rows.shape, due_place, rows.after[is_due])


def added_up(shape: tuple[int, ...], places: tuple[Any, ...], values: NDArray[Any] | None = None) -> NDArray[Any]:
    """Sums of the values at each place of an array, or how many there are; `places` are indices for each axis.

    >>> added_up((2, 2), (np.array([0, 0, 1]), 1), np.array([1.0, 2.0, 4.0])).tolist()
    [[0.0, 3.0], [0.0, 4.0]]
    """
    flat = np.ravel_multi_index(places, shape)
    return np.bincount(flat, values, minlength=math.prod(shape)).reshape(shape)
