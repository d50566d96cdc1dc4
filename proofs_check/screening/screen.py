"""The screen: tries millions of random rows on every clause of a statement, in float64 with a derived error bound.

A row is clear where the claim holds by more than its error bound. A row that is not clear goes to
`proofs_check.deciding.deciding`, which decides it exactly, up to a limit per clause; all that floats find false go
there. An equality is never clear unless the bound is 0: for such a clause the screen can only refute, and counts the
rows on which the sides agree to within the bound.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sympy import Symbol
from sympy.core.relational import Equality, Relational
from sympy.logic.boolalg import And, Boolean, Implies

from proofs_check.deciding.counterexample import Counterexample
from proofs_check.deciding.deciding import Letters, decide_clause, lacks_value
from proofs_check.inequalities.arguments import whole_number
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.screening.batches import Batch
from proofs_check.screening.letters import values_on
from proofs_check.screening.random_rows import random_batches
from proofs_check.screening.result import ClauseScreen, ScreenResult
from proofs_check.screening.tracked import Tracked, Truth, compare
from proofs_check.screening.tracked_target import TRACKED
from theory.booleans import Logic
from theory.errors import DomainError
from theory.lowering import UnknownNode, evaluate
from theory.statement import Clause, Statement

Progress = Callable[[int], None]
Values = Mapping[Symbol, Tracked]


def screen(
    statement: Statement,
    samples: float = 1e6,
    seed: int = 0,
    progress: Progress | None = None,
    decide_at_most: int = 200,
) -> ScreenResult:
    """Tries `samples` random rows on every clause of a statement about rows; the same seed repeats them.

    `progress` is told the rows of each batch. At most `decide_at_most` rows per clause that floats cannot settle are
    decided exactly, and all that floats find false. Interrupted (Ctrl-C), it returns what it has. Raises `DomainError`
    for a statement about something else, for fewer than 1 sample, or for a seed below 0.
    """
    if statement.about != "row":
        raise DomainError(f"statement {statement.id} is about a {statement.about}: only rows have a screen")
    samples, seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
    return screen_batches(statement, random_batches(samples, seed), progress, decide_at_most)


def screen_batches(
    statement: Statement, batches: Iterable[Batch], progress: Progress | None = None, decide_at_most: int = 200
) -> ScreenResult:
    """Tries the rows of the batches, until one refutes; see `screen`."""
    result = ScreenResult(clauses={clause.name: ClauseScreen() for clause in statement.claim}, interrupted=True)
    begun = time.perf_counter()
    # Overflow and NaN are expected: no comparison with them is certain, and the row goes to the exact decision.
    with contextlib.suppress(KeyboardInterrupt), np.errstate(all="ignore"):
        for batch in batches:
            values = values_on(batch)
            for clause in statement.claim:
                _screen_clause(clause, batch, values, result, decide_at_most)
            result.rows += batch.rows
            if progress is not None:
                progress(batch.rows)
            if result.counterexample is not None:
                break
        result.interrupted = False
    result.seconds = time.perf_counter() - begun
    return result


def _screen_clause(clause: Clause, batch: Batch, values: Values, result: ScreenResult, decide_at_most: int) -> None:
    counts = result.clauses[clause.name]
    if counts.skipped:
        return
    try:
        holds, fails, outside = judge(clause, batch, values)
    except UnknownNode as unknown:
        counts.skipped = str(unknown)
        return
    doubtful = ~(holds | outside)
    if isinstance(clause.holds, Equality):
        counts.agreeing += int(np.count_nonzero(doubtful & ~fails))
        doubtful = fails
    counts.clear += int(np.count_nonzero(holds))
    counts.not_applying += int(np.count_nonzero(outside))
    _decide(clause, batch, doubtful, fails, result, decide_at_most)


def split(clause: Clause) -> tuple[Boolean, Boolean]:
    """The assumption of a clause, with the antecedent of its claim, and what it concludes."""
    if isinstance(clause.holds, Implies):
        return And(clause.given, clause.holds.args[0]), clause.holds.args[1]
    return clause.given, clause.holds


def judge(clause: Clause, batch: Batch, values: Values) -> tuple[Any, Any, Any]:
    """The rows that are certainly for a clause, certainly against it, and certainly outside its assumption."""
    given, claim = split(clause)
    (applies, outside), (holds, fails) = (Kleene(values).value(part) for part in (given, claim))
    judged = np.broadcast_arrays(holds & ~outside, fails & applies, outside, np.empty(batch.rows))
    return judged[0], judged[1], judged[2]


@dataclass(frozen=True)
class Kleene(Logic[Truth]):
    """The rows on which a claim is certainly true, and those on which it is certainly false (Kleene's logic)."""

    values: Values

    def constant(self, holds: bool) -> Truth:
        """All rows, or none."""
        return np.bool_(holds), np.bool_(not holds)

    def relation(self, claim: Relational) -> Truth:
        """The rows on which the sides' error bounds settle it."""
        return compare(claim.rel_op, *(evaluate(side, self.values, TRACKED) for side in (claim.lhs, claim.rhs)))

    def conjunction(self, parts: Iterator[Truth]) -> Truth:
        """All parts true, or some false."""
        return reduce(lambda one, other: (one[0] & other[0], one[1] | other[1]), parts)

    def negation(self, part: Truth) -> Truth:
        """True where the part is false."""
        return part[::-1]


def _decide(clause: Clause, batch: Batch, doubtful: Any, fails: Any, result: ScreenResult, decide_at_most: int) -> None:
    """Decides doubtful rows exactly, those certainly false in floats first: they refute."""
    counts = result.clauses[clause.name]
    rows = [*np.flatnonzero(doubtful & fails), *np.flatnonzero(doubtful & ~fails)]
    counts.suspicious += len(rows)
    for done, i in enumerate(rows):
        if result.counterexample is not None or (counts.tried >= decide_at_most and not fails[i]):
            counts.left += len(rows) - done
            return
        counts.tried += 1
        row = batch.row(int(i))
        letters = Letters(row, KINDS["row"].definitions)
        verdict = decide_clause(clause, letters)
        if verdict is Verdict.REFUTED:
            result.counterexample = Counterexample(clause, row)
        elif verdict is Verdict.UNDECIDED:
            counts.open += 1
            counts.undefined += lacks_value(clause, letters)
        else:
            counts.not_applying += verdict is Verdict.VACUOUS
            counts.decided += verdict is Verdict.PROVED
            counts.broken += bool(fails[i])
