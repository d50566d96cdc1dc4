"""The screen: tries millions of random rows on every clause of a statement, in float64 with a derived error bound.

A row is clear where the claim holds by more than its error bound. First one bound serves all rows of a batch, which
costs little more than the values do; the rows it leaves are bounded one by one from the same letters. A row that is
not clear then is looked at again with sums that keep tiny entropies accurate; what is still open goes to
`proofs_check.deciding.deciding`, which decides it exactly.
An equality is never clear unless the bound is 0: for such a clause the screen can only refute, and counts the rows
on which the sides agree to within the bound.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_
from typing import Any

from sympy.core.relational import Equality

from proofs_check.deciding.counterexample import Counterexample
from proofs_check.deciding.deciding import Letters, decide_clause, lacks_value
from proofs_check.inequalities.arguments import whole_number
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.screening.batches import Batch
from proofs_check.screening.judging import Judge, Judged
from proofs_check.screening.key_sums import now, softmax_alone
from proofs_check.screening.random_batches import BatchSource
from proofs_check.screening.result import ClauseScreen, ScreenResult
from theory.errors import DomainError
from theory.statement import Clause, Statement

Progress = Callable[[int], None]
# Softmax alone is timed on one batch in this many, which reaches every length in turn.
_TIMED = 5
_SMALLEST_BATCH, _LARGEST_BATCH = 2**18, 2**21
# A batch of at most so many rows is bounded row by row from the start.
_FEW = 4


def screen(
    statement: Statement,
    samples: float = 1e6,
    seed: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    decide_at_most: int = 200,
    source: BatchSource | None = None,
) -> ScreenResult:
    """Tries `samples` random rows on every clause of a statement about rows; the same seed draws the same rows.

    `device` None screens in numpy; "cpu" or "cuda" in torch. `progress` is told the rows of each batch. At most
    `decide_at_most` rows per clause that floats cannot settle are decided exactly, and all that floats find false.
    Interrupted (Ctrl-C), it returns what it has. Raises `DomainError` for a statement about something else, for fewer
    than 1 sample, or for a seed below 0.
    """
    if statement.about != "row":
        raise DomainError(f"statement {statement.id} is about a {statement.about}: only rows have a screen")
    samples, seed = whole_number("samples", samples, 1), whole_number("seed", seed, 0)
    source = source or BatchSource(seed, device, _elements(samples, device))
    result = ScreenResult(clauses={clause.name: ClauseScreen() for clause in statement.claim})
    begun = time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt), _quiet(source.xp):
        result.interrupted = True
        _screen_batches(_Judges(statement, source.xp), source, samples, result, progress, decide_at_most)
        result.interrupted = False
    result.seconds = time.perf_counter() - begun
    return result


def _elements(samples: float, device: str | None) -> int:
    """Scores of a batch: a short screen takes many small batches for their variety, a long one large ones for speed."""
    return 2**25 if device == "cuda" else int(min(_LARGEST_BATCH, max(_SMALLEST_BATCH, 4 * samples)))


class _Judges:
    """A statement's clauses read once for loose bounds and once for careful ones."""

    def __init__(self, statement: Statement, xp: Any) -> None:
        self.clauses = {clause.name: clause for clause in statement.claim}
        self.loose, self.careful = Judge(statement, xp, loose=True), Judge(statement, xp, loose=False)


def _screen_batches(
    judges: _Judges,
    source: BatchSource,
    samples: int,
    result: ScreenResult,
    progress: Progress | None,
    decide_at_most: int,
) -> None:
    batches = source.batches(samples)
    timed_seconds, timed_scores, scores, number = 0.0, 0, 0, 0
    while True:
        start = now(source.xp)
        batch = next(batches, None)
        if batch is None:
            break
        _ = batch.columns["temperature"]
        drawn = now(source.xp)
        result.drawing_seconds += drawn - start
        if number % _TIMED == 0:
            if not timed_scores:
                _softmax(batch)
            warm = now(source.xp)
            _softmax(batch)
            timed_seconds += now(source.xp) - warm
            timed_scores += batch.rows * batch.keys
        number += 1
        scores += batch.rows * batch.keys
        _screen_batch(judges, batch, result, decide_at_most)
        result.rows += batch.rows
        result.softmax_seconds = timed_seconds / timed_scores * scores
        if progress is not None:
            progress(batch.rows)
        if result.counterexample is not None:
            break


def _count(judged: Judged, clause: Clause, result: ScreenResult) -> Any | None:
    """Adds the settled rows to the counts; returns the mask of the others, None if there are none."""
    counts, xp = result.clauses[clause.name], judged.xp
    clear = int(xp.count_nonzero(judged.for_claim))
    counts.clear += clear
    settled = clear
    if judged.outside is not None:
        settled = int(xp.count_nonzero(judged.settled))
        counts.not_applying += settled - clear
    if isinstance(clause.holds, Equality):
        counts.agreeing += len(judged.for_claim) - settled - int(xp.count_nonzero(judged.against))
    doubtful = judged.doubtful(clause)
    return doubtful if bool(doubtful.any()) else None


def _judged_again(
    judges: _Judges, batch: Batch, masks: dict[str, Any | None] | None
) -> Iterator[tuple[Clause, Any, Judged]]:
    """Yields each clause, the rows that its mask names (all without masks), and their careful judgement."""
    xp = batch.xp
    if masks is None:
        chosen = xp.arange(batch.rows)
        for name, careful in judges.careful.judge(batch.only(chosen)).items():
            yield judges.clauses[name], chosen, careful
        return
    found = {name: mask for name, mask in masks.items() if mask is not None}
    if not found:
        return
    chosen = xp.where(reduce(or_, found.values()))[0]
    again = judges.careful.judge(batch.only(chosen), found)
    for name, careful in again.items():
        mine = xp.where(found[name][chosen])[0]
        yield judges.clauses[name], chosen[mine], careful[mine]


def _screen_batch(judges: _Judges, batch: Batch, result: ScreenResult, decide_at_most: int) -> None:
    before, drawn, xp = now(batch.xp), batch.columns.seconds, batch.xp
    masks = None
    if batch.rows > _FEW:
        judged = judges.loose.judge(batch)
        masks = {name: _count(seen, judges.clauses[name], result) for name, seen in judged.items()}
    pending = [
        (clause, rows[still], careful.against[still])
        for clause, rows, careful in _judged_again(judges, batch, masks)
        if (still := _count(careful, clause, result)) is not None
    ]
    drawn = batch.columns.seconds - drawn
    result.drawing_seconds += drawn
    result.evaluation_seconds += now(xp) - before - drawn
    before = time.perf_counter()
    for clause, rows, against in pending:
        counts = result.clauses[clause.name]
        _decide(clause, batch, [int(i) for i in rows], [bool(x) for x in against], counts, result, decide_at_most)
    result.decision_seconds += time.perf_counter() - before
    for name, why in {**judges.loose.skipped, **judges.careful.skipped}.items():
        result.clauses[name].skipped = why


def _decide(
    clause: Clause,
    batch: Batch,
    chosen: list[int],
    surely_against: list[bool],
    counts: ClauseScreen,
    result: ScreenResult,
    decide_at_most: int,
) -> None:
    counts.suspicious += len(chosen)
    # Rows certainly false in floats first: they refute.
    order = sorted(range(len(chosen)), key=lambda i: not surely_against[i])
    for done, i in enumerate(order):
        if result.counterexample is not None or (counts.tried >= decide_at_most and not surely_against[i]):
            counts.left += len(order) - done
            return
        counts.tried += 1
        row = batch.row(chosen[i])
        letters = Letters(row, KINDS["row"].definitions)
        verdict = decide_clause(clause, letters)
        if verdict is Verdict.REFUTED:
            result.counterexample = result.counterexample or Counterexample(clause, row)
        elif verdict is Verdict.UNDECIDED:
            counts.open += 1
            counts.undefined += lacks_value(clause, letters)
        elif verdict is Verdict.VACUOUS:
            counts.not_applying += 1
            counts.broken += surely_against[i]
        else:
            counts.decided += 1
            counts.broken += surely_against[i]


def _softmax(batch: Batch) -> None:
    softmax_alone(batch.scores, batch.columns["temperature"], batch.room, batch.xp)


def _quiet(xp: Any) -> Any:
    """Overflow and NaN are expected: the bound is infinite or NaN, and the row goes to the exact decision."""
    return xp.errstate(all="ignore") if hasattr(xp, "errstate") else contextlib.nullcontext()
