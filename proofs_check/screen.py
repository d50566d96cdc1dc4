"""The screen: millions of random rows thrown at every clause of a statement, in float64 with a derived error bound.

A row is clear where the claim holds by more than its error bound. A row that is not clear is looked at again with sums
that keep tiny entropies accurate; what is still open goes to `proofs_check.deciding`, which decides it exactly.
An equality is never clear unless the bound is 0: for such a clause the screen can only refute, and counts the rows
on which the sides agree to within the bound.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import Any

from sympy import Expr, Symbol
from sympy.core.relational import Equality, Relational
from sympy.logic.boolalg import And, Boolean, BooleanFalse, BooleanTrue, Equivalent, Implies, Not, Or

from proofs_check.batch_letters import on_batch
from proofs_check.batches import Batch
from proofs_check.deciding import Letters, decide_clause
from proofs_check.error_target import error_target
from proofs_check.instances import KINDS
from proofs_check.random_batches import BatchSource
from proofs_check.running_error import Tracked, Truth, parted
from proofs_check.sampling import Counterexample
from proofs_check.screen_result import ClauseScreen, ScreenResult
from proofs_check.verdict import Verdict
from theory.errors import DomainError
from theory.lowering import UnknownNode, evaluate
from theory.statement import Clause, Statement

Progress = Callable[[int], None]
# Softmax alone is timed on one batch in this many.
_TIMED = 8


def screen(
    statement: Statement,
    samples: float = 1e6,
    seed: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    decide_at_most: int = 200,
    source: BatchSource | None = None,
) -> ScreenResult:
    """Throw `samples` random rows at every clause of a statement about rows; the same seed draws the same rows.

    `device` None screens in numpy; "cpu" or "cuda" in torch. `progress` is told the rows of each batch. At most
    `decide_at_most` rows a clause that floats cannot settle are decided exactly, and all that floats find false.
    Interrupted (Ctrl-C), it returns what it has. Raises `DomainError` for a statement about something else, or for
    fewer than 1 sample.
    """
    if statement.about != "row":
        raise DomainError(f"statement {statement.id} is about a {statement.about}: only rows have a screen")
    if samples < 1:
        raise DomainError(f"samples={samples:g} must be at least 1")
    source = source or BatchSource(seed, device, 2**18 if device != "cuda" else 2**25)
    result = ScreenResult(clauses={clause.name: ClauseScreen() for clause in statement.claim})
    begun = time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt), _quiet(source.xp):
        result.interrupted = True
        _screen_batches(statement, source, int(samples), result, progress, decide_at_most)
        result.interrupted = False
    result.seconds = time.perf_counter() - begun
    return result


def _screen_batches(
    statement: Statement,
    source: BatchSource,
    samples: int,
    result: ScreenResult,
    progress: Progress | None,
    decide_at_most: int,
) -> None:
    batches = source.batches(samples)
    timed_seconds, timed_scores, scores, number = 0.0, 0, 0, 0
    while True:
        start = _now(source.xp)
        batch = next(batches, None)
        if batch is None:
            break
        _ = batch.columns["temperature"]
        drawn = _now(source.xp)
        result.drawing_seconds += drawn - start
        if number % _TIMED == 0:
            _softmax(batch)
            warm = _now(source.xp)
            _softmax(batch)
            timed_seconds += _now(source.xp) - warm
            timed_scores += batch.rows * batch.keys
        number += 1
        scores += batch.rows * batch.keys
        _screen_batch(statement, batch, result, decide_at_most)
        result.rows += batch.rows
        result.softmax_seconds = timed_seconds / timed_scores * scores
        if progress is not None:
            progress(batch.rows)
        if result.counterexample is not None:
            break


@dataclass
class _Judged:
    """One clause on one batch: rows certainly for it, certainly against it, and certainly outside its assumption."""

    for_claim: Any
    against: Any
    outside: Any

    def doubtful(self, clause: Clause) -> Any:
        """Rows that are not settled; for an equality, which floats never prove, those certainly against it."""
        return self.against if isinstance(clause.holds, Equality) else ~(self.for_claim | self.outside)

    def count(self, clause: Clause, counts: ClauseScreen) -> None:
        """Add the rows that are settled to the counts."""
        counts.clear += int(self.for_claim.sum())
        counts.not_applying += int((self.outside & ~self.for_claim).sum())
        if isinstance(clause.holds, Equality):
            counts.agreeing += int((~(self.for_claim | self.outside | self.against)).sum())

    def __getitem__(self, chosen: Any) -> _Judged:
        return _Judged(self.for_claim[chosen], self.against[chosen], self.outside[chosen])


def _screen_batch(statement: Statement, batch: Batch, result: ScreenResult, decide_at_most: int) -> None:
    before, xp = _now(batch.xp), batch.xp
    clauses = {clause.name: clause for clause in statement.claim}
    judged = _judge_all(statement, batch, result)
    masks = {name: seen.doubtful(clauses[name]) for name, seen in judged.items()}
    for name, seen in judged.items():
        seen.count(clauses[name], result.clauses[name])
    chosen = xp.where(reduce(or_, masks.values()))[0] if masks else ()
    pending = []
    if len(chosen):
        for name, seen in _judge_all(statement, batch.only(chosen), result).items():
            mine = xp.where(masks[name][chosen])[0]
            careful = seen[mine]
            careful.count(clauses[name], result.clauses[name])
            still = careful.doubtful(clauses[name])
            pending.append((clauses[name], chosen[mine][still], careful.against[still]))
    result.evaluation_seconds += _now(xp) - before
    before = time.perf_counter()
    for clause, rows, against in pending:
        counts = result.clauses[clause.name]
        _decide(clause, batch, [int(i) for i in rows], [bool(x) for x in against], counts, result, decide_at_most)
    result.decision_seconds += time.perf_counter() - before


def _judge_all(statement: Statement, batch: Batch, result: ScreenResult) -> dict[str, _Judged]:
    found: dict[Symbol, Tracked] = {}
    judged = {}
    for clause in statement.claim:
        counts = result.clauses[clause.name]
        if counts.skipped:
            continue
        try:
            judged[clause.name] = _judge_clause(clause, batch, found)
        except UnknownNode as unknown:
            counts.skipped = str(unknown)
    return judged


@lru_cache(maxsize=512)
def _letters_of(clause: Clause) -> frozenset[Symbol]:
    return frozenset(clause.holds.free_symbols | clause.given.free_symbols)


def _judge_clause(clause: Clause, batch: Batch, found: dict[Symbol, Tracked]) -> _Judged:
    values = on_batch(batch, _letters_of(clause), found)
    claim, given = clause.holds, clause.given
    if isinstance(claim, Implies):
        given, claim = And(given, claim.args[0]), claim.args[1]
    shape = batch.columns["temperature"]
    holds, fails = (_full(x, shape) for x in judge(claim, values, batch.xp))
    applies, not_applying = (_full(x, shape) for x in judge(given, values, batch.xp))
    return _Judged(holds & ~not_applying, fails & applies, not_applying)


def _full(truth: Any, like: Any) -> Any:
    return (like == like) & truth


def judge(claim: Boolean, values: dict[Symbol, Tracked], xp: Any) -> Truth:
    """Where a claim is certainly true and where certainly false (Kleene's logic). `TypeError` for an unknown form."""
    if isinstance(claim, BooleanTrue | BooleanFalse):
        return bool(claim), not bool(claim)
    if isinstance(claim, Relational):
        target = error_target(xp)

        def side(expr: Expr) -> Tracked:
            return evaluate(expr, values, target)

        return parted(claim.rel_op, side(claim.lhs), side(claim.rhs))
    parts = [judge(part, values, xp) for part in claim.args]
    if isinstance(claim, Not):
        return parts[0][1], parts[0][0]
    if isinstance(claim, And):
        true, false = parts[0]
        for also, not_also in parts[1:]:
            true, false = true & also, false | not_also
        return true, false
    if isinstance(claim, Or):
        true, false = parts[0]
        for also, not_also in parts[1:]:
            true, false = true | also, false & not_also
        return true, false
    if isinstance(claim, Implies):
        (first, not_first), (then, not_then) = parts
        return not_first | then, first & not_then
    if isinstance(claim, Equivalent) and len(parts) == 2:
        (one, not_one), (other, not_other) = parts
        return (one & other) | (not_one & not_other), (one & not_other) | (not_one & other)
    raise TypeError(f"no rule judges a claim of type {type(claim).__name__}")


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
        verdict = decide_clause(clause, Letters(row, KINDS["row"].definitions))
        if verdict is Verdict.REFUTED:
            result.counterexample = result.counterexample or Counterexample(clause, row)
        elif verdict is Verdict.UNDECIDED:
            counts.open += 1
        elif verdict is Verdict.VACUOUS:
            counts.not_applying += 1
            counts.broken += surely_against[i]
        else:
            counts.decided += 1
            counts.broken += surely_against[i]


def _softmax(batch: Batch) -> Any:
    """The softmax alone, in the screen's own layout and with its own buffers: what the screen is compared with."""
    xp, scores = batch.xp, batch.scores
    row = batch.scratch.like("softmax", scores) if batch.scratch is not None else xp.empty_like(scores)
    xp.divide(scores, batch.columns["temperature"], out=row)
    xp.subtract(row, xp.amax(row, 0), out=row)
    xp.exp(row, out=row)
    return xp.divide(row, xp.sum(row, 0), out=row)


def _now(xp: Any) -> float:
    """Seconds, once the device has finished what it was given."""
    if xp.__name__ == "torch" and xp.cuda.is_available():
        xp.cuda.synchronize()
    return time.perf_counter()


def _quiet(xp: Any) -> Any:
    """Overflow and NaN are expected: they give an infinite bound or none, and the row goes to the exact decision."""
    return xp.errstate(all="ignore") if hasattr(xp, "errstate") else contextlib.nullcontext()
