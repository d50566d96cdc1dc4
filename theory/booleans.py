"""One walk over And, Or, Not, Implies and Equivalent, for whatever a claim's truth is measured by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanAtom, Equivalent, Implies, Not, Or, true

T = TypeVar("T")


class Logic(ABC, Generic[T]):
    """Truth values of one kind: those of relations, and how they combine.

    A disjunction, an implication and an equivalence follow from `conjunction` and `negation` unless overridden. Parts
    are evaluated as they are taken from the iterator.
    """

    @abstractmethod
    def constant(self, holds: bool) -> T:
        """The value of true or false."""

    @abstractmethod
    def relation(self, claim: Relational) -> T:
        """The value of one relation."""

    @abstractmethod
    def conjunction(self, parts: Iterator[T]) -> T:
        """The value of And."""

    @abstractmethod
    def negation(self, part: T) -> T:
        """The value of Not."""

    def disjunction(self, parts: Iterator[T]) -> T:
        """The value of Or."""
        return self.negation(self.conjunction(self.negation(part) for part in parts))

    def implication(self, parts: Iterator[T]) -> T:
        """The value of Implies: its antecedent comes first."""
        return self.disjunction(iter((self.negation(next(parts)), next(parts))))

    def equivalence(self, parts: Iterator[T]) -> T:
        """The value of Equivalent: each part implies the next, and the last the first."""
        sides = list(parts)
        pairs = zip(sides, [*sides[1:], sides[0]], strict=True)
        return self.conjunction(self.implication(iter(pair)) for pair in pairs)

    def value(self, claim: Boolean) -> T:
        """The value of a claim; `TypeError` for one of another form."""
        if isinstance(claim, BooleanAtom):
            return self.constant(claim == true)
        if isinstance(claim, Relational):
            return self.relation(claim)
        parts = (self.value(part) for part in claim.args)
        if isinstance(claim, And):
            return self.conjunction(parts)
        if isinstance(claim, Or):
            return self.disjunction(parts)
        if isinstance(claim, Not):
            return self.negation(next(parts))
        if isinstance(claim, Implies):
            return self.implication(parts)
        if isinstance(claim, Equivalent):
            return self.equivalence(parts)
        raise TypeError(f"no rule decides a claim of type {type(claim).__name__}")
