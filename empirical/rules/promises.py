"""What a set of rules can promise together, exactly, and the least reduction that makes conflicting promises possible.

E2 over the kinds of keys that a row is certain to have: a kind is the set of targets that hold such a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from theory.numbers.exact_game import simplex, solve_game
from theory.numbers.rule_bounds import promise_sup

# Rows of a linear program; beyond, pivots in exact arithmetic take minutes.
_MOST_ROWS = 150

Kind = frozenset[int]


@dataclass(frozen=True)
class Verdict:
    """What E2 says of one set: the supremum of an equal promise, and what the promises ask of a row that has 1.

    `weights` times the promises sum to `asked`, and no key of the certain ones counts for more than 1. `asked` is at
    least 1 exactly if no finite strengths meet the promises in a row that has only these keys in the targets.
    """

    shared: Fraction
    asked: Fraction
    weights: dict[int, Fraction]

    @property
    def possible(self) -> bool:
        """Whether finite strengths meet the promises in every row that has these keys."""
        return self.asked < 1


def judge(kinds: Collection[Kind], promises: Mapping[int, Fraction]) -> Verdict:
    """E2's verdict on promises, one or more, each with a key of some kind in its target.

    >>> disjoint = [frozenset({0}), frozenset({1})]
    >>> verdict = judge(disjoint, {0: Fraction(7, 10), 1: Fraction(6, 10)})
    >>> verdict.asked, verdict.shared, verdict.weights[0]
    (Fraction(13, 10), Fraction(1, 2), Fraction(1, 1))
    """
    names, columns = list(promises), sorted(kinds, key=sorted)
    held = [[int(name in kind) for kind in columns] for name in names]
    game = solve_game([[x - promises[name] for x in row] for name, row in zip(names, held, strict=True)])
    most = max(sum(y * row[j] for y, row in zip(game.weights, held, strict=True)) for j in range(len(columns)))
    weights = {name: y / most for name, y in zip(names, game.weights, strict=True) if y}
    asked = sum((y * promises[name] for name, y in weights.items()), Fraction(0))
    return Verdict(promise_sup(held).value, asked, weights)


def least_reduction(
    sets: Sequence[tuple[Collection[Kind], Sequence[int]]], promises: Mapping[int, Fraction], kept: Collection[int] = ()
) -> dict[int, Fraction] | None:
    """Reductions of least total that bring the promises of all sets to the limit of the possible.

    Each set has its kinds of keys and the promises that act in it. Those in `kept` are reduced only if there is no
    other way. None if the linear program is too large to be solved exactly.

    >>> disjoint = [frozenset({0}), frozenset({1})]
    >>> change = least_reduction([(disjoint, [0, 1])], {0: Fraction(7, 10), 1: Fraction(6, 10)}, kept=[0])
    >>> change == {1: Fraction(3, 10)}
    True
    """
    names = sorted({name for _, acting in sets for name in acting})
    places = {name: index for index, name in enumerate(names)}
    masses = [(index, kind) for index, (kinds, _) in enumerate(sets) for kind in sorted(kinds, key=sorted)]
    width = len(names) + len(masses)
    # Variables: what is kept of each promise, and each set's row; all at least 0. In units of 1/scale.
    scale = lcm(*(promises[name].denominator for name in names))
    table = []
    for name in names:
        table.append(_line(width, {places[name]: 1}, int(promises[name] * scale)))
    for index, (_, acting) in enumerate(sets):
        own = {len(names) + j: kind for j, (of, kind) in enumerate(masses) if of == index}
        table.append(_line(width, dict.fromkeys(own, 1), scale))
        for name in acting:
            # What is kept is at most the target's mass.
            table.append(_line(width, {places[name]: 1} | {j: -1 for j, kind in own.items() if name in kind}, 0))
    if len(table) > _MOST_ROWS:
        return None
    # No reduction of the others makes up for one of those.
    worth = {places[name]: -(len(names) + 1 if name in kept else 1) for name in names}
    table.append(_line(width, worth, 0))
    solution, _ = simplex(table)
    lost = {name: promises[name] - solution[places[name]] / scale for name in names}
    return {name: loss for name, loss in lost.items() if loss}


def _line(width: int, entries: Mapping[int, int], last: int) -> list[int]:
    return [entries.get(index, 0) for index in range(width)] + [last]
