"""Which rules can fire together in one row, and which keys such a row is certain to have.

A set of rules that can fire together is not enough to judge its subsets: a key that the set is certain to have may
exist only because of one more rule. `kinds` therefore holds whichever rules of the set fire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import z3

from empirical.rules.predicates import Number
from empirical.rules.rule_file import Rule
from empirical.rules.token_theory import Shape, Token, TokenTheory, possible

# More rules or sets than this are not enumerated.
MOST_RULES = 100
MOST_SETS = 200
# Positions named by the formulas whose keys are considered.
_MOST_POSITIONS = 32
# Answers that a question about many rules must give: it takes as long as several about one or two.
_WORTH = 10

K = TypeVar("K")


class Meeting:
    """Rules at one row: a query, a layer and a head, and for each rule that acts a key of its target that is seen."""

    def __init__(self, rules: Sequence[Rule], shape: Shape) -> None:
        self.rules = tuple(rules)
        chosen = [rule.target.formula for rule in rules]
        formulas = [rule.when for rule in rules] + [each for each in chosen if each is not None]
        self.theory = TokenTheory(formulas, shape)
        self.query = self.theory.token("query")
        self.keys = [self.theory.token(f"key{index}") for index in range(len(rules))]
        self.acts = [z3.Bool(f"acts{index}") for index in range(len(rules))]
        self.layer, self.head = z3.Ints("layer head")
        self.solver = self.theory.solver(self.query.laws)
        self._shown: dict[tuple[int, int], bool] = {}
        self._targets_shown: dict[tuple[int, int], bool] = {}
        self._in_target: dict[tuple[int, int], bool] = {}
        self._laws = [self._acting(index) for index in range(len(rules))]
        for acts, laws in zip(self.acts, self._laws, strict=True):
            self.solver.add(z3.Implies(acts, laws))

    def _acting(self, index: int) -> Any:
        rule, key = self.rules[index], self.keys[index]
        laws = [self.query.satisfies(rule.when), key.laws, self.theory.sees(self.query, key), self._holds(index, key)]
        for number, numbers in ((self.layer, rule.layers), (self.head, rule.heads)):
            if numbers is not None:
                laws.append(z3.Or(*(number == each for each in sorted(numbers))))
        return z3.And(*laws)

    def _holds(self, index: int, key: Token) -> Any:
        """That a key is in a rule's target."""
        formula = self.rules[index].target.formula
        if formula is None:
            return key.places["block"] == self.query.places["block"]
        return key.satisfies(formula)

    def can_act(self, index: int) -> bool:
        """Whether a rule can act at all; also if this is not decided."""
        return possible(self.solver, self.acts[index]) is not False

    def maximal_sets(self) -> tuple[list[tuple[int, ...]], bool]:
        """The maximal sets of rules that can act in one row, and whether these are all of them."""
        if len(self.rules) > MOST_RULES:
            return [], False
        if possible(self.solver, *self.acts):
            return [tuple(range(len(self.rules)))], True
        found: list[tuple[int, ...]] = []
        self.solver.push()
        try:
            while (answer := possible(self.solver)) and len(found) < MOST_SETS:
                acting = self._grown()
                if acting is None:
                    return found, False
                found.append(acting)
                self.solver.add(z3.Or(*(acts for i, acts in enumerate(self.acts) if i not in acting)))
        finally:
            self.solver.pop()
        return sorted(found), answer is False

    def _grown(self) -> tuple[int, ...] | None:
        """A maximal set that holds what acts in the solver's last answer; None if z3 gave up."""
        while True:
            model = self.solver.model()
            acting = [i for i, acts in enumerate(self.acts) if z3.is_true(model.eval(acts, model_completion=True))]
            more = z3.Or(*(acts for i, acts in enumerate(self.acts) if i not in acting))
            answer = possible(self.solver, *(self.acts[i] for i in acting), more)
            if answer is not True:
                return tuple(acting) if answer is False else None

    def kinds(self, acting: Sequence[int]) -> set[frozenset[int]]:
        """Kinds of keys: sets of targets with one key that is certain to be in all those of them that act.

        Whichever rules of a kind act in a row, that row has such a key. It is the query itself, the key at a position
        that the formulas name, or the key that is certain of the smallest of targets that contain one another.
        Targets overlap where this is shown here; elsewhere they count as disjoint, which is the worst case.
        """
        kinds = {self._held(place, acting) for place in range(len(self._places))} | set(self._chains(sorted(acting)))
        return {kind for kind in kinds if kind and not any(kind < other for other in kinds)}

    @cached_property
    def _places(self) -> list[tuple[Token, Any, frozenset[int]]]:
        """The query and the key at each named position: token, laws, and the rules whose rows all have it."""
        found = [(self.query, z3.BoolVal(True), frozenset(range(len(self.rules))))]
        positions = self._positions()
        reached = [self._reached(index, positions) for index in range(len(self.rules))]
        for position in positions:
            key = self.theory.token("certain")
            laws = z3.And(key.laws, key.places["position"] == position, self.theory.sees(self.query, key))
            found.append((key, laws, frozenset(i for i, certain in enumerate(reached) if position in certain)))
        return found

    def _reached(self, index: int, positions: Sequence[int]) -> list[int]:
        """Those of the positions, which rise, that every query of a rule has reached."""
        left, at = list(positions), self.query.places["position"]
        solver = self.theory.solver(self.query.laws, self._laws[index])
        while left and (answer := possible(solver, at < left[-1])) is not False:
            # A query before one position is before all later ones.
            before = solver.model().eval(at, True).as_long() if answer else left[-1] - 1
            left = [position for position in left if position <= before]
        return left

    def _held(self, place: int, acting: Sequence[int]) -> frozenset[int]:
        """Those of the acting rules in whose target a key of `_places` is, wherever they act."""
        key, laws, reached = self._places[place]
        fresh = [i for i in acting if i in reached and (place, i) not in self._in_target]
        outside = {i: z3.Not(self._holds(i, key)) for i in fresh}
        refuted = self._refuted(acting, outside, laws)
        for i in fresh:
            self._in_target[place, i] = i not in refuted and self._never(self._laws[i], laws, outside[i])
        return frozenset(i for i in acting if i in reached and self._in_target[place, i])

    def _chains(self, acting: Sequence[int]) -> Iterator[frozenset[int]]:
        """Sets of targets that contain one another, at least one with each target; not all of them if they are many."""
        self._refute(acting)
        groups: list[list[int]] = []
        for index in acting:
            # Equal targets are one link of a chain.
            same = (g for g in groups if all(self._within(index, i) and self._within(i, index) for i in g))
            group = next(same, None)
            if group is None:
                groups.append([index])
            else:
                group.append(index)
        above = [
            {j for j, other in enumerate(groups) if j != i and all(self._within(a, b) for a in group for b in other)}
            for i, group in enumerate(groups)
        ]
        for first in range(len(groups)):
            chain, left = [first], set(above[first])
            while left:
                # The link with most of the others above it.
                link = max(sorted(left), key=lambda each: len(above[each] & left))
                chain.append(link)
                left &= above[link]
            yield frozenset(index for link in chain for index in groups[link])

    def _refute(self, acting: Sequence[int]) -> None:
        """Finds, many at once, pairs of targets of which one is not within the other, so that few are asked singly."""
        outside = {
            (inner, outer): z3.Not(self._holds(outer, self.keys[inner]))
            for inner in acting
            for outer in acting
            if (inner, outer) not in self._shown and self._targets[inner] != self._targets[outer]
        }
        self._shown |= dict.fromkeys(self._refuted(acting, outside), False)

    def _refuted(self, acting: Sequence[int], laws: dict[K, Any], *others: Any) -> set[K]:
        """Laws that some row in which all these rules act obeys, together with the others; not all of them."""
        acts, left, fell = [self.acts[index] for index in acting], dict(laws), _WORTH
        while len(left) >= _WORTH and fell >= _WORTH and possible(self.solver, *acts, *others, z3.Or(*left.values())):
            model, before = self.solver.model(), len(left)
            left = {name: law for name, law in left.items() if not z3.is_true(model.eval(law, True))}
            fell = before - len(left)
        return laws.keys() - left.keys()

    @cached_property
    def _targets(self) -> list[int]:
        """For each rule the first one with the same target."""
        key, first = self.theory.token("key"), dict[int, int]()
        # Equal expressions have one id while they are kept.
        held = [self._holds(index, key) for index in range(len(self.rules))]
        return [first.setdefault(each.get_id(), index) for index, each in enumerate(held)]

    def _contained(self, inner: int, outer: int) -> bool:
        """Whether each visible key of one rule's target is in the other's, wherever the query is."""
        pair = self._targets[inner], self._targets[outer]
        if pair not in self._targets_shown:
            key = self.keys[inner]
            laws = key.laws, self.theory.sees(self.query, key), self._holds(inner, key), z3.Not(self._holds(outer, key))
            self._targets_shown[pair] = pair[0] == pair[1] or self._never(*laws)
        return self._targets_shown[pair]

    def _within(self, inner: int, outer: int) -> bool:
        """Whether, where both rules act, each key of one's target is in the other's; False if this is not shown."""
        if (inner, outer) not in self._shown:
            outside = z3.Not(self._holds(outer, self.keys[inner]))
            shown = self._contained(inner, outer) or self._never(self._laws[inner], self._laws[outer], outside)
            self._shown[inner, outer] = shown
        return self._shown[inner, outer]

    def _never(self, *laws: Any) -> bool:
        """Whether these laws contradict one another; a solver of its own has far fewer laws than the common one."""
        return possible(self.theory.solver(self.query.laws, *laws)) is False

    def _positions(self) -> list[int]:
        named = {each.value for each in self.theory.predicates if isinstance(each, Number) and each.place == "position"}
        # A range's first and last key.
        return sorted({0, *named, *(value - 1 for value in named if value)})[:_MOST_POSITIONS]
