"""Which rules can fire together in one row, and which keys such a row is certain to have.

A set of rules that can fire together is not enough to judge its subsets: a key that the set is certain to have may
exist only because of one more rule. `kinds` therefore holds whichever rules of the set fire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import z3

from empirical.rules.predicates import Number
from empirical.rules.rule_file import Rule
from empirical.rules.token_theory import Shape, Token, TokenTheory, possible

# More rules or sets than this are not enumerated.
MOST_RULES = 100
MOST_SETS = 200
# Positions named by the formulas whose keys are considered.
_MOST_POSITIONS = 32


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
        within = frozenset(acting)
        kinds = {kind & within for kind in self._places} | set(self._chains(sorted(acting)))
        return {kind for kind in kinds if kind and not any(kind < other for other in kinds)}

    @cached_property
    def _places(self) -> list[frozenset[int]]:
        """For the query and for each named position, the rules that act only where such a key is in their target."""
        everything = range(len(self.rules))
        query = frozenset(i for i in everything if self._never(self._laws[i], z3.Not(self._holds(i, self.query))))
        found = [query]
        for position in self._positions():
            late = self.query.places["position"] >= position
            reached = [i for i in everything if self._never(self._laws[i], z3.Not(late))]
            key = self.theory.token("certain")
            laws = z3.And(key.laws, key.places["position"] == position, self.theory.sees(self.query, key))
            found.append(frozenset(i for i in reached if self._never(self._laws[i], laws, z3.Not(self._holds(i, key)))))
        return found

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
        acts = [self.acts[index] for index in acting]
        for inner in acting:
            left = [outer for outer in acting if (inner, outer) not in self._shown]
            while left:
                outside = [z3.Not(self._holds(outer, self.keys[inner])) for outer in left]
                if not possible(self.solver, *acts, z3.Or(*outside)):
                    break
                model = self.solver.model()
                refuted = {outer for outer, law in zip(left, outside, strict=True) if z3.is_true(model.eval(law, True))}
                self._shown |= {(inner, outer): False for outer in refuted}
                left = [outer for outer in left if outer not in refuted]

    def _within(self, inner: int, outer: int) -> bool:
        """Whether, where both rules act, each key of one's target is in the other's; False if this is not shown."""
        if (inner, outer) not in self._shown:
            acting = self._laws[inner], self._laws[outer]
            self._shown[inner, outer] = self._never(*acting, z3.Not(self._holds(outer, self.keys[inner])))
        return self._shown[inner, outer]

    def _never(self, *laws: Any) -> bool:
        """Whether these laws contradict one another; a solver of its own has far fewer laws than the common one."""
        return possible(self.theory.solver(self.query.laws, *laws)) is False

    def _positions(self) -> list[int]:
        named = {each.value for each in self.theory.predicates if isinstance(each, Number) and each.place == "position"}
        # A range's first and last key.
        return sorted({0, *named, *(value - 1 for value in named if value)})[:_MOST_POSITIONS]
