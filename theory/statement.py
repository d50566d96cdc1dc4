"""A theorem is a value: what it says, when, where it is sharp, where it comes from and how it is derived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from sympy import Expr, latex, true
from sympy.logic.boolalg import Boolean

from theory.derivation import Step
from theory.symbols import VOCABULARY, Variable


class Kind(Enum):
    """How strong a statement is: an equality or an equivalence, an attained bound, a bound, somebody else's result."""

    IDENTITY = "identity"
    SHARP = "sharp"
    ONE_SIDED = "one-sided"
    KNOWN = "known"


@dataclass(frozen=True)
class Assumption:
    """What a statement asks of every instance it speaks about, beside its letters' domains and the instance's kind.

    `condition` says it as a relation of letters. It is None where no relation of the letters says it: then `sentence`
    does, and the kinds of instance and Coq's definitions know the assumption by its name.
    """

    name: str
    sentence: str
    condition: Boolean | None = None


@dataclass(frozen=True)
class Clause:
    """One thing a statement says: `holds` wherever `given` and the statement's assumptions do."""

    name: str
    holds: Boolean
    given: Boolean = true


@dataclass(frozen=True)
class Witness:
    """A row at which a clause holds with equality: groups of (score, how many keys), in the statement's letters."""

    clause: str
    block: tuple[tuple[Expr, Expr], ...]
    complement: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True)
class Statement:
    """A theorem as data; sampling, proofs, LaTeX and every numeric face follow from it.

    `id` is the one in the project's theory, `name` the readable one. `about` names the kind of instance the
    letters are measured on ("row": one attention row), which `theory.statements.about` describes. Every clause stands
    under all `assumptions`. `uses` lists the ids its derivation rests on.
    `derive` returns the steps that symbolic algebra has to decide.
    """

    id: str
    name: str
    title: str
    kind: Kind
    claim: tuple[Clause, ...]
    source: str
    derive: Callable[[], tuple[Step, ...]]
    uses: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    about: str = "row"
    assumptions: tuple[Assumption, ...] = ()

    @property
    def conditions(self) -> tuple[Boolean, ...]:
        """The assumptions that are relations of letters."""
        return tuple(each.condition for each in self.assumptions if each.condition is not None)

    @property
    def structure(self) -> tuple[Assumption, ...]:
        """The assumptions that no relation of letters says."""
        return tuple(each for each in self.assumptions if each.condition is None)

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The letters of the claim and the assumptions, with their domains and meanings."""
        used = set().union(*(c.holds.free_symbols | c.given.free_symbols for c in self.claim))
        used = used.union(*(condition.free_symbols for condition in self.conditions))
        return tuple(variable for symbol, variable in VOCABULARY.items() if symbol in used)

    def clause(self, name: str) -> Clause:
        """The clause of that name."""
        return next(clause for clause in self.claim if clause.name == name)

    def to_latex(self) -> str:
        """The claim as LaTeX: one line per assumption, then one per clause with what is given first."""
        lines = [
            rf"\text{{assuming that {each.sentence}}}" if each.condition is None else latex(each.condition)
            for each in self.assumptions
        ]
        for clause in self.claim:
            given = "" if clause.given == true else latex(clause.given) + r" \implies "
            lines.append(given + latex(clause.holds))
        return r" \\ ".join(lines)
