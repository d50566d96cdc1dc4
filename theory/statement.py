"""Statements: theorems as values, with assumptions, clauses, witnesses of sharpness, source and derivation."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from sympy import Expr, latex, true
from sympy.logic.boolalg import Boolean

from theory.derivation import Step
from theory.display import Badge, Card, Displayed, Markup, Table
from theory.mathml import block, inline
from theory.symbols import VOCABULARY, Variable

# What holds for every instance of a kind, by its name; `theory.statements.about` adds the kinds.
INSTANCES: dict[str, tuple[str, ...]] = {}


class Kind(Enum):
    """Strength of a statement: an equality or equivalence, an attained bound, a bound, or a result of others."""

    IDENTITY = "identity"
    SHARP = "sharp"
    ONE_SIDED = "one-sided"
    KNOWN = "known"


@dataclass(frozen=True)
class Assumption:
    """An assumption on every instance of a statement, besides its letters' domains and its kind of instance.

    `condition` states it as a relation of letters, or is None if no relation can. Then `sentence` states it, and the
    kinds of instance and Coq's definitions refer to the assumption by its name.
    """

    name: str
    sentence: str
    condition: Boolean | None = None


@dataclass(frozen=True)
class Clause:
    """One sentence of a statement: `holds` is true wherever `given` and the statement's assumptions are."""

    name: str
    holds: Boolean
    given: Boolean = true


@dataclass(frozen=True)
class Witness:
    """A row at which a clause holds with equality: groups of (score, number of keys), in the statement's letters."""

    clause: str
    block: tuple[tuple[Expr, Expr], ...]
    complement: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True, repr=False)
class Statement(Displayed):
    """A theorem as data; sampling, proofs, LaTeX and the numeric functions follow from it.

    `id` is the theory's id, `name` a readable one. `about` names the kind of instance on which the letters are
    measured ("row": one attention row); `theory.statements.about` describes it. All `assumptions` apply to every
    clause. `uses` lists the ids that the derivation rests on.
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
        """The assumptions that no relation of letters can state."""
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
        """The claim as LaTeX: one line per assumption, then one per clause, its condition first."""
        lines = [
            rf"\text{{assuming that {each.sentence}}}" if each.condition is None else latex(each.condition)
            for each in self.assumptions
        ]
        for clause in self.claim:
            given = "" if clause.given == true else latex(clause.given) + r" \implies "
            lines.append(given + latex(clause.holds))
        return r" \\ ".join(lines)

    def card(self) -> Card:
        """What a notebook shows: assumptions, clauses, letters. A statement does not say that it is proved."""
        assumed = [*INSTANCES.get(self.about, ()), *(each.sentence for each in self.assumptions)]
        where = f", where {'; '.join(assumed)}" if assumed else ""
        shown: list[str] = [f"About one {self.about}{where}."]
        for clause in self.claim:
            given = "" if clause.given == true else f", where {inline(clause.given)}"
            shown.append(Markup(f"<i>{html.escape(clause.name)}</i>{given}: {block(clause.holds)}"))
        uses = f" Uses {', '.join(self.uses)}." if self.uses else ""
        shown.append(f"Source: {self.source}.{uses} CLAIMS.md says what decided it.")
        letters = [[Markup(inline(v.symbol)), Markup(inline(v.domain)), v.meaning] for v in self.variables]
        tables = (Table(("letter", "domain", "meaning"), letters),)
        return Card(f"{self.id} {self.name}: {self.title}", Badge(self.kind.value), shown, tables)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle \begin{{gathered}}{self.to_latex()}\end{{gathered}}$"
