"""Which combinations of predicates can hold, decided by z3.

The theory of a token: it has one text, and texts that a file names decide every predicate of the text; it is of one
class; its position, its block and its position there fit together. The theory of a pair: a query sees keys at its own
position and before, blocks are numbered in order, and a token is seen before if an earlier one has its text.

About a text that no formula names, two regular expressions, or one and a class, are taken to be independent. So `False`
means impossible, and `True` possible as far as this theory knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import sympy
import z3
from sympy.logic.boolalg import Boolean

from empirical.rules.formula import Formula
from empirical.rules.predicates import CLASSES, HasText, Number, OfClass, OfText, Predicate, SeenBefore, holds_for

# Steps of z3 for one question, a few seconds; unlike a time limit it gives the same answer on every machine.
_STEPS = 20_000_000


@dataclass(frozen=True)
class Shape:
    """What is known of all texts: the most tokens (None: any number), and the least and most tokens of a block."""

    context: int | None = None
    least: int = 1
    most: int | None = None


class Token:
    """One unknown token: z3 variables, and `laws` that every token obeys."""

    def __init__(self, name: str, texts: Mapping[str, int], predicates: Iterable[Predicate], shape: Shape) -> None:
        self.texts = texts
        self.text = z3.Int(f"{name}.text")
        self.places = {place: z3.Int(f"{name}.{place}") for place in ("position", "block_position", "block")}
        self.seen = z3.Bool(f"{name}.seen_before")
        # What holds of a text that no formula names.
        of_text = [each for each in predicates if isinstance(each, OfText) and not isinstance(each, HasText)]
        self.other = {each: z3.Bool(f"{name}.{each}") for each in [*map(OfClass, CLASSES), *of_text]}
        self.laws = z3.And(*self._laws(shape))

    @property
    def start(self) -> Any:
        """The position at which the token's block starts."""
        return self.places["position"] - self.places["block_position"]

    def _laws(self, shape: Shape) -> Iterable[Any]:
        position, inside, block = self.places.values()
        yield from (position >= 0, inside >= 0, block >= 0, self.text >= 0, self.text <= len(self.texts))
        # The blocks before the token's own fill the text up to its start.
        yield self.start >= shape.least * block
        yield z3.Implies(block == 0, self.start == 0)
        if shape.most is not None:
            yield from (self.start <= shape.most * block, inside < shape.most)
        if shape.context is not None:
            yield position < shape.context
        yield z3.Implies(self.seen, position >= 1)
        for one, other in combinations(set(CLASSES) - {"capitalised"}, 2):
            yield z3.Not(z3.And(self.other[OfClass(one)], self.other[OfClass(other)]))
        yield z3.Implies(self.other[OfClass("capitalised")], self.other[OfClass("word")])

    def satisfies(self, formula: Formula) -> Any:
        """That the formula holds at this token, as a z3 expression."""
        return self._logic(formula.logic, formula.predicates)

    def _logic(self, logic: Boolean, predicates: Mapping[sympy.Symbol, Predicate]) -> Any:
        if isinstance(logic, sympy.Symbol):
            return self._predicate(predicates[logic])
        if logic in (sympy.true, sympy.false):
            return z3.BoolVal(logic == sympy.true)
        join = {sympy.And: z3.And, sympy.Or: z3.Or, sympy.Not: z3.Not}[logic.func]
        # Sorted, because z3's choices depend on the order, and sympy's is by memory addresses.
        parts = sorted(logic.args, key=sympy.default_sort_key)
        return join(*(self._logic(part, predicates) for part in parts))

    def _predicate(self, predicate: Predicate) -> Any:
        match predicate:
            case Number(place, value, below):
                return self.places[place] < value if below else self.places[place] == value
            case SeenBefore():
                return self.seen
            case HasText(text):
                return self.text == self.texts[text]
            case _:
                named = [self.text == index for text, index in self.texts.items() if holds_for(predicate, text)]
                return z3.Or(*named, z3.And(self.text == len(self.texts), self.other[predicate]))


class TokenTheory:
    """Makes tokens that share the named texts of some formulas, and answers questions about them."""

    def __init__(self, formulas: Iterable[Formula], shape: Shape) -> None:
        self.shape = shape
        self.predicates = list(dict.fromkeys(each for formula in formulas for each in formula.predicates.values()))
        named = [each.text for each in self.predicates if isinstance(each, HasText)]
        self.texts = {text: index for index, text in enumerate(named)}

    def token(self, name: str) -> Token:
        """An unknown token."""
        return Token(name, self.texts, self.predicates, self.shape)

    def sees(self, query: Token, key: Token) -> Any:
        """That the query sees the key: the two are one token, or the key stands before."""
        place, before = query.places, key.places
        same = [query.text == key.text, query.seen == key.seen]
        same += [place[name] == before[name] for name in place]
        same += [query.other[each] == key.other[each] for each in query.other]
        blocks = place["block"] - before["block"]
        earlier = [before["position"] < place["position"], blocks >= 0]
        earlier.append(z3.Implies(blocks == 0, query.start == key.start))
        earlier.append(z3.Implies(blocks > 0, query.start > before["position"] + self.shape.least * (blocks - 1)))
        earlier.append(query.start >= key.start + self.shape.least * blocks)
        if self.shape.most is not None:
            earlier.append(query.start <= key.start + self.shape.most * blocks)
        repeated = z3.And(query.text == key.text, query.text < len(self.texts))
        earlier.append(z3.Implies(repeated, query.seen))
        return z3.Or(z3.And(*same), z3.And(*earlier))

    def solver(self, *laws: Any) -> Any:
        """A z3 solver with these laws, which gives up after a fixed number of steps."""
        solver = z3.Solver()
        solver.set("rlimit", _STEPS)
        solver.add(*laws)
        return solver


def possible(solver: Any, *assumptions: Any) -> bool | None:
    """Whether the solver's laws can hold with these assumptions; None if it gave up."""
    answer = solver.check(*assumptions)
    return None if answer == z3.unknown else bool(answer == z3.sat)
