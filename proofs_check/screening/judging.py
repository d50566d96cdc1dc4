"""The clauses of a statement judged on a batch of rows: where each certainly holds, fails, or does not apply."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce
from typing import Any

from sympy import Add, Expr, Max, Min, S, Symbol, expand_log, log
from sympy.core.relational import Equality, Relational
from sympy.logic.boolalg import And, Boolean, BooleanFalse, BooleanTrue, Equivalent, Implies, Not, Or

from proofs_check.screening.batches import Batch
from proofs_check.screening.comparing import Truth, parted
from proofs_check.screening.error_target import error_target
from proofs_check.screening.letters import LETTERS
from proofs_check.screening.tape import Run, Tape
from theory.functions import Logistic
from theory.lowering import UnknownNode
from theory.statement import Clause, Statement


@dataclass
class Judged:
    """One clause on one batch: rows certainly for it, certainly against it, and certainly outside its assumption.

    `outside` is None for a clause that assumes nothing.
    """

    for_claim: Any
    against: Any
    outside: Any
    xp: Any

    @property
    def settled(self) -> Any:
        """Rows for the claim or outside its assumption."""
        return self.for_claim if self.outside is None else self.for_claim | self.outside

    def doubtful(self, clause: Clause) -> Any:
        """Rows that are not settled; for an equality, which floats never prove, those certainly against it."""
        return self.against if isinstance(clause.holds, Equality) else ~self.settled

    def __getitem__(self, chosen: Any) -> Judged:
        outside = None if self.outside is None else self.outside[chosen]
        return Judged(self.for_claim[chosen], self.against[chosen], outside, self.xp)


class Judge:
    """Every clause of a statement, ready to be judged on many batches.

    For `loose` batches the letters whose sign is assumed are clamped at 0: where the assumption holds this changes
    nothing, and elsewhere their size would widen the bound for all rows.
    """

    def __init__(self, statement: Statement, xp: Any, loose: bool) -> None:
        self._xp, self._loose = xp, loose
        self._tape = Tape(error_target(xp))
        self._plan: set[str] = set()
        self.skipped: dict[str, str] = {}
        self._clauses: dict[str, tuple[Any, Any]] = {}
        for clause in statement.claim:
            try:
                self._clauses[clause.name] = self._read_clause(clause, loose)
            except UnknownNode as unknown:
                self.skipped[clause.name] = str(unknown)

    def _read_clause(self, clause: Clause, loose: bool) -> tuple[Any, Any]:
        claim, given = clause.holds, clause.given
        if isinstance(claim, Implies):
            given, claim = And(given, claim.args[0]), claim.args[1]
        if loose and isinstance(claim, Relational):
            kept = claim.xreplace(_kept_to(given))
            # sympy may evaluate it to true; that is left to the symbolic method.
            claim = kept if isinstance(kept, Relational) else claim
        return self._read(claim), self._read(given)

    def _read(self, claim: Boolean) -> Any:
        """A claim as nested tuples, in which relations name the lines of their sides."""
        if isinstance(claim, BooleanTrue | BooleanFalse):
            return (bool(claim),)
        if isinstance(claim, Relational):
            claim = _without_common_logarithm(claim)
            return claim.rel_op, self._line(claim.lhs), self._line(claim.rhs)
        if isinstance(claim, Not | And | Or | Implies) or (isinstance(claim, Equivalent) and len(claim.args) == 2):
            return (claim.func, *(self._read(part) for part in claim.args))
        raise TypeError(f"no rule judges a claim of type {type(claim).__name__}")

    def _line(self, side: Expr) -> int:
        return self._tape.add(side)

    def judge(self, batch: Batch, names: Collection[str] | None = None) -> dict[str, Judged]:
        """Judges the named clauses, or all that floats can evaluate, on every row of the batch."""
        batch.plan = self._plan
        run = Run(self._tape, lambda letter: LETTERS[letter](batch))
        judged = {}
        for name, (claim, given) in list(self._clauses.items()):
            if names is not None and name not in names:
                continue
            try:
                judged[name] = self._judge_clause(claim, given, run, batch)
            except UnknownNode as unknown:
                self.skipped[name] = str(unknown)
                del self._clauses[name]
        return judged

    def _judge_clause(self, claim: Any, given: Any, run: Run, batch: Batch) -> Judged:
        holds, fails = (self._everywhere(truth, batch) for truth in self._truth(claim, run))
        if given == (True,):
            return Judged(holds, fails, None, self._xp)
        applies, not_applying = (self._everywhere(truth, batch) for truth in self._truth(given, run))
        return Judged(holds & ~not_applying, fails & applies, not_applying, self._xp)

    def _everywhere(self, truth: Any, batch: Batch) -> Any:
        """The truth row by row, also where it is one value for all rows."""
        if getattr(truth, "shape", ()):
            return truth
        return self._xp.zeros_like(batch.columns["temperature"], dtype=bool) | truth

    def _truth(self, claim: Any, run: Run) -> Truth:
        """Where a claim is certainly true and where certainly false (Kleene's logic)."""
        kind, *parts = claim
        if isinstance(kind, bool):
            return kind, not kind
        if isinstance(kind, str):
            return self._relation(kind, parts, run)
        truths = [self._truth(part, run) for part in parts]
        if kind is Not:
            return truths[0][1], truths[0][0]
        if kind is And:
            return reduce(_both, truths)
        if kind is Or:
            return reduce(_any, truths)
        if kind is Implies:
            (first, not_first), (then, not_then) = truths
            return not_first | then, first & not_then
        (one, not_one), (other, not_other) = truths
        return (one & other) | (not_one & not_other), (one & not_other) | (not_one & other)

    def _relation(self, sign: str, lines: tuple[int, int], run: Run) -> Truth:
        known = run.known
        if (sign, *lines) not in known:
            known[sign, *lines] = self._part(sign, lines, run)
        return known[sign, *lines]

    def _part(self, sign: str, lines: tuple[int, int], run: Run) -> Truth:
        truth = parted(sign, *(run.number(line) for line in lines))
        if not self._loose or sign in ("==", "!=") or not getattr(truth[0], "shape", ()):
            return truth
        # Row by row the letters' errors grow less than in one bound for all rows.
        rows = self._xp.where(~(truth[0] | truth[1]))[0]
        if len(rows):
            again = run.only(rows)
            also = parted(sign, *(again.number(line) for line in lines))
            for settled, now in zip(truth, also, strict=True):
                settled[rows] = now
        return truth


def _both(one: Truth, other: Truth) -> Truth:
    return one[0] & other[0], one[1] | other[1]


def _any(one: Truth, other: Truth) -> Truth:
    return one[0] | other[0], one[1] & other[1]


def _without_common_logarithm(claim: Relational) -> Relational:
    """`log(a + b) + rest` against `log a` as `log(1 + b/a) + rest` against 0: `a + b` would lose a tiny `b`."""
    for side, other, mirrored in ((claim.lhs, claim.rhs, False), (claim.rhs, claim.lhs, True)):
        if not (isinstance(other, log) and other.args[0].is_Symbol):
            continue
        for term in Add.make_args(side):
            added = term.args[0] - other.args[0] if isinstance(term, log) else S.Zero
            if added.is_positive and other.args[0].is_positive:
                gap = side - term - log(Logistic(other - expand_log(log(added))))
                return claim.func(S.Zero, gap) if mirrored else claim.func(gap, S.Zero)
    return claim


def _kept_to(given: Boolean) -> dict[Symbol, Expr]:
    """Clamps the letters whose sign is assumed."""
    kept: dict[Symbol, Expr] = {}
    for part in given.args if isinstance(given, And) else (given,):
        if isinstance(part, Relational) and part.lhs.is_Symbol and part.rhs == 0:
            if part.rel_op in (">=", ">"):
                kept[part.lhs] = Max(0, part.lhs)
            elif part.rel_op in ("<=", "<"):
                kept[part.lhs] = Min(0, part.lhs)
    return kept
