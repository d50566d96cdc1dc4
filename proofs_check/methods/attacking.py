"""Looks for a counterexample to a user's own claim: over a box of real numbers, or over attention rows.

A search in float64 proposes points; each is an exact rational, at which Arb decides. If none refutes, the verdict is
UNDECIDED with the nearest miss: an attack never proves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from sympy import Set, Symbol
from sympy.logic.boolalg import And, Boolean, Equivalent, Implies, true

from proofs_check.deciding.counterexample import Counterexample
from proofs_check.deciding.deciding import Letters, decide, decide_clause
from proofs_check.deciding.vacuity import assumption
from proofs_check.inequalities.arguments import whole_number
from proofs_check.inequalities.points import check_form, decide_at, slack_at
from proofs_check.inequalities.search.box_search import Box, Proposals, evolve, refine
from proofs_check.inequalities.search.domains import filled
from proofs_check.inequalities.search.false_points import false_point
from proofs_check.inequalities.showing import claim_card, point_table
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.rows import AttentionRow
from proofs_check.methods.adversary import SHAPES, tightness
from proofs_check.methods.assumed_rows import contradicts_itself, fixed_numbers, rows_for, shapes
from proofs_check.methods.sampling import sample
from proofs_check.screening.screen import screen
from theory import symbols as letters
from theory.display import Card, Displayed
from theory.errors import DomainError
from theory.lowering import UnknownNode
from theory.statement import Clause, Kind, Statement


@dataclass(frozen=True, repr=False)
class Attack(Displayed):
    """What an attack over a box found: REFUTED with the exact point, or UNDECIDED with the nearest miss.

    `slack` is `(rhs - lhs)/(|lhs| + |rhs|)` at `nearest`, the margin by which the claim holds there: enclosed by Arb
    for a single relation, in float64 for a compound claim. `points` counts the points of the random search.
    """

    verdict: Verdict
    point: dict[Symbol, Fraction] | None
    nearest: dict[Symbol, Fraction] | None
    slack: float
    points: int
    claim: Any = field(default=None, compare=False)

    def card(self) -> Card:
        """What a notebook shows."""
        found = self.nearest if self.point is None else self.point
        said = [_NO_POINT if self.point is None else "It is false at this exact point."]
        if self.point is None and found:
            said.append(f"Nearest miss among {self.points} points of the search: relative slack {self.slack:.4g}.")
        return claim_card(self.claim, self.verdict.badge, *said, table=point_table(found) if found else None)


@dataclass(frozen=True, repr=False)
class RowAttack(Displayed):
    """What an attack over attention rows found: REFUTED with the row, VACUOUS, or UNDECIDED with the best ratio.

    VACUOUS means that the assumption is proved unsatisfiable, not that no row was found to meet it.

    `rows` counts the random rows tried. `ratio` and `nearest` come from the adversarial search (`Tightness`); they are
    NaN and None if it did not run. A limited number of random rows is decided exactly; `undefined` counts those given
    up because a side of the claim has no value there.
    """

    verdict: Verdict
    counterexample: Counterexample | None
    ratio: float
    nearest: AttentionRow | None
    rows: int
    undefined: int = 0
    claim: Any = field(default=None, compare=False)

    def card(self) -> Card:
        """What a notebook shows."""
        said = [_NO_ROW] if self.verdict is Verdict.UNDECIDED else []
        if self.verdict is Verdict.VACUOUS:
            said.append("The assumption contradicts itself: the claim says nothing.")
        if self.counterexample is not None:
            said.append(f"It is false at this row: {self.counterexample.instance}.")
        if self.nearest is not None and self.counterexample is None:
            said.append(f"Nearest row, ratio of the sides {self.ratio:.6g}: {self.nearest}.")
        said.append(f"Random rows tried: {self.rows}; without a value on a side: {self.undefined}.")
        return claim_card(self.claim, self.verdict.badge, *said)


_NO_POINT = "No point of the search refutes it. That is no proof: an attack never proves."
_NO_ROW = "No row of the search refutes it. That is no proof: an attack never proves."


def attack(claim: Boolean, domain: Mapping[Symbol, Set], samples: int = 100_000, seed: int = 0) -> Attack:
    """Searches a box `{symbol: Interval}` for a point at which the claim is false; the same seed repeats the search.

    Closed ends are included; unbounded intervals are searched out to 10^9, and beyond by local steps; integer symbols
    take integers only; a float end is the number it stores. A box of one point, or without letters, is decided there.
    Raises `DomainError` for a letter without an interval, for an interval that is empty, beyond the floats or outside
    sympy's assumptions on the letter, for an unknown form of claim, for a function that Arb cannot evaluate, and for
    `samples` below 1 or a negative `seed`.

    >>> from sympy import Interval, symbols
    >>> x = symbols("x", real=True)
    >>> attack(x**2 >= x, {x: Interval(0, 2)}, samples=1000).verdict
    <Verdict.REFUTED: 'refuted'>
    """
    samples, seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
    box = Box(claim, filled(claim, domain))
    only = box.only()
    if only is not None:
        return replace(_decided(box, only), claim=claim)
    rng = np.random.default_rng(seed)
    proposals = Proposals(box)
    with np.errstate(all="ignore"):
        for start in range(0, samples, 50_000):
            proposals.add(box.draw(rng, min(50_000, samples - start)))
        found = proposals.refuted()
        if found is None:
            found = false_point(claim, box.sides)
        if found is None:
            refine(box, proposals)
            evolve(box, proposals, seed)
            found = proposals.refuted()
    nearest, worst = proposals.best()
    verdict = Verdict.UNDECIDED if found is None else Verdict.REFUTED
    return Attack(verdict, found, nearest, slack_at(claim, nearest, -worst), proposals.count, claim)


def _decided(box: Box, point: dict[Symbol, Fraction]) -> Attack:
    """The attack on a box of one point: a claim without letters, or with every letter fixed."""
    refuted = decide_at(box.claim, point) is Verdict.REFUTED
    with np.errstate(all="ignore"):
        wrong = float(box.wrongness(np.zeros((len(point), 1)))[0])
    verdict = Verdict.REFUTED if refuted else Verdict.UNDECIDED
    return Attack(verdict, point if refuted else None, point, slack_at(box.claim, point, -wrong), 1)


def attack_row(claim: Boolean, given: Boolean = true, samples: float = 1e5, seed: int = 0) -> RowAttack:
    """Searches for an attention row at which a claim in the letters of `theory.symbols` is false where `given` holds.

    Rows built to meet what `given` and antecedents say about sizes, temperature, dial, targets and separation are tried
    first, then the screen and the adversarial search run in turn; a row that refutes was decided exactly. VACUOUS means
    that `given` is proved to contradict itself; if merely no row was seen to meet it, the verdict is UNDECIDED. A claim
    that also uses letters of `theory.statements.known` (the norm of the scores, a second row) is tried on rows of the
    random method alone, one per thousand samples and at least 100. Raises `DomainError` for a letter that rows do not
    have, an unknown form of claim, a function that cannot be evaluated, `samples` below 1 or a negative `seed`.
    """
    return replace(_attacked(claim, given, samples, seed), claim=claim if given == true else Implies(given, claim))


def _attacked(claim: Boolean, given: Boolean, samples: float, seed: int) -> RowAttack:
    samples, seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
    for part in (claim, given):
        check_form(part, (And, Implies, Equivalent))
    about = kind_of(claim.free_symbols | given.free_symbols)
    clause = Clause("attacked", claim, given)
    statement = Statement(
        "user", "user-claim", "A claim to attack", Kind.ONE_SIDED, (clause,), "the caller", lambda: (), about=about
    )
    assumed = assumption(clause)
    built, met = _at_built_rows(clause, assumed, about)
    if not met and contradicts_itself(assumed):
        return RowAttack(Verdict.VACUOUS, None, float("nan"), None, 0)
    if built is not None:
        return RowAttack(Verdict.REFUTED, built, float("nan"), None, 0)
    # That no row drawn met the assumption proves nothing, so no search may report VACUOUS.
    if about != "row":
        try:
            sampled = sample(statement, max(100, samples // 1000), seed)
        except UnknownNode as unknown:
            raise DomainError(f"claim {claim} cannot be attacked: {unknown}") from unknown
        verdict = Verdict.UNDECIDED if sampled.counterexample is None else Verdict.REFUTED
        return RowAttack(verdict, sampled.counterexample, float("nan"), None, sampled.rows, sampled.undefined)
    screened = screen(statement, samples, seed)
    counts = screened.clauses[clause.name]
    if counts.skipped:
        raise DomainError(f"claim {claim} cannot be attacked: {counts.skipped}")
    if screened.counterexample is not None:
        return RowAttack(Verdict.REFUTED, screened.counterexample, float("nan"), None, screened.rows, counts.undefined)
    pinned = {_COLUMNS[letter]: number for letter, number in fixed_numbers(assumed).items() if letter in _COLUMNS}
    near = tightness(statement, clause, seed, shapes=shapes(assumed) or SHAPES, pinned=pinned)
    verdict = Verdict.REFUTED if near.verdict is Verdict.REFUTED else Verdict.UNDECIDED
    return RowAttack(verdict, near.counterexample, near.ratio, near.row, screened.rows, counts.undefined)


_COLUMNS: Mapping[Symbol, str] = {
    letters.tau: "temperature",
    letters.lam: "dial",
    letters.pen: "penalty",
    letters.eps_target: "leak_target",
    letters.F_target: "fidelity_target",
}


def _at_built_rows(clause: Clause, assumed: Boolean, about: str) -> tuple[Counterexample | None, bool]:
    """A counterexample among rows built for the assumption, and whether any of these rows meets it."""
    met = assumed == true
    for row in () if met else rows_for(clause.holds, assumed):
        row_letters = Letters(row, KINDS[about].definitions)
        try:
            if decide(assumed, row_letters) is not Verdict.PROVED:
                continue
            met = True
            if decide_clause(clause, row_letters) is Verdict.REFUTED:
                return Counterexample(clause, row), met
        except UnknownNode:
            # The next method that evaluates the claim reports it.
            break
    return None, met


def kind_of(used: set[Symbol]) -> str:
    """The kind of row that has all these letters; `DomainError` for a letter that none has."""
    for about in ("row", "row beside another"):
        if used <= set(KINDS[about].definitions):
            return about
    strange = min(str(letter) for letter in used - set(KINDS["row"].definitions))
    raise DomainError(f"letter {strange} must be a letter of theory.symbols that is measured on a row")
