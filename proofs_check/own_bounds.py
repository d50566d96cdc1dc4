"""A user's own bounds: read from a Python file, and put to every method that decides the catalogue's statements.

A file is executed to read it, as pytest executes a test file. `FILE.py::NAME` names one bound, `FILE.py` all of them.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sympy import Eq, Ge, Gt, Le, Lt, Ne, true
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, Equivalent, Implies

from proofs_check import kernel
from proofs_check.claims_page import screened, steps, tightest
from proofs_check.evidence import Standing, standing
from proofs_check.findings import Effort
from proofs_check.gathering import gather
from proofs_check.inequalities.points import check_form
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.kernel import KernelResult
from proofs_check.kernel.claims import propositions
from proofs_check.kernel.kinds import COQ_KINDS, FOLDER
from proofs_check.marked import Bound
from proofs_check.methods.attacking import kind_of
from proofs_check.methods.running import Report
from proofs_check.methods.sampling import sample
from proofs_check.mutants.mutations import changed, scaled_down, scaled_up
from proofs_check.statuses import Status
from theory.errors import DomainError, InputError, LocalistError, first_line
from theory.lowering import UnknownNode
from theory.statement import Clause, Kind, Statement
from theory.statements.catalogue import CATALOGUE

_OPPOSITE = {Le: Gt, Gt: Le, Lt: Ge, Ge: Lt, Eq: Ne, Ne: Eq}
# The name of a statement, a file of proofs and a module of Coq.
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Instances on which a mutant is tried.
_TRIED = 200


@dataclass(frozen=True)
class Tried:
    """A mutant of one clause and the verdict of the random method. A `false` one must be refuted."""

    clause: str
    mutation: str
    false: bool
    verdict: Verdict

    @property
    def as_wanted(self) -> bool:
        """Whether the method refuted it, or need not have."""
        return self.verdict is Verdict.REFUTED or not self.false


@dataclass(frozen=True)
class Decided:
    """What every method found of a user's bound; plain data, since a user's functions cannot leave their process.

    `findings` are pairs of a method and what it found. `coq` holds the proposition of each clause that can be printed.
    """

    id: str
    title: str
    status: Status
    reasons: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    mutants: tuple[Tried, ...]
    coq: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        tried = [{**vars(each), "verdict": each.verdict.value} for each in self.mutants]
        parts = {"status": self.status.value, "reasons": list(self.reasons), "findings": dict(self.findings)}
        return {**vars(self), **parts, "mutants": tried}


def names_in(key: str) -> list[str]:
    """`FILE.py::NAME` for each bound that the key names. Raises `InputError` if there is none."""
    place, asked, name = key.partition("::")
    public = {each: value for each, value in vars(_module(place)).items() if not each.startswith("_")}
    defined = [each for each, value in public.items() if isinstance(value, Statement | Bound)]
    if not asked and not defined:
        raise InputError(f"{place} defines no bound: no Statement, and no function marked with @localist.bound")
    if asked and not hasattr(_module(place), name):
        raise InputError(f"{place} has no {name!r}; its bounds: {', '.join(defined) or 'none'}")
    return [key] if asked else [f"{place}::{each}" for each in defined]


@lru_cache
def _module(place: str) -> ModuleType:
    path = Path(place)
    if not path.is_file():
        raise InputError(f"there is no file {place}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{place} must be a Python file")
    module = importlib.util.module_from_spec(spec)
    # So that it can import its neighbours, as a test file can.
    sys.path.insert(0, str(path.parent.resolve()))
    loader = spec.loader
    try:
        _called(lambda: loader.exec_module(module), place)
    finally:
        sys.path.pop(0)
    return module


def statement_of(value: Any, name: str) -> Statement:
    """The statement that a name of a user's file stands for: a Statement, a clause, clauses, a claim, or a bound.

    Raises `DomainError` for any other value, for letters that no instance has, and for an id that is taken.
    """
    if isinstance(value, Bound):
        return statement_of(_called(value.make, name), name)
    if isinstance(value, Clause | Boolean):
        value = (value if isinstance(value, Clause) else Clause("claim", value),)
    if isinstance(value, tuple) and value and all(isinstance(each, Clause) for each in value):
        about = kind_of(_letters(value))
        value = Statement(name, name, f"The bound {name}", Kind.ONE_SIDED, value, "the caller", lambda: (), about=about)
    if not isinstance(value, Statement):
        raise DomainError(f"{name} must be a Statement, a Clause or a sympy claim, not {type(value).__name__}")
    if not _ID.fullmatch(value.id):
        raise DomainError(f"id {value.id!r} must be letters, digits and underscores, and begin with a letter")
    if value.id in {each.id for each in CATALOGUE} or kernel.has_proofs(value):
        raise DomainError(f"id {value.id!r} must not be that of the catalogue's statements or of their proofs")
    if value.about not in KINDS:
        raise DomainError(f"about={value.about!r} must be one of {', '.join(KINDS)}")
    for part in [part for each in value.claim for part in (each.holds, each.given)]:
        check_form(part, (And, Implies, Equivalent))
    for each in value.claim:
        _opposite(each.holds, each.given)
    _called(value.derive, f"the derivation of {name}")
    names = [each.name for each in value.claim]
    if not names or len(set(names)) < len(names):
        raise DomainError(f"{value.id} must have a clause, and each clause a name of its own")
    if unknown := _letters(value.claim, *value.conditions) - set(KINDS[value.about].definitions):
        raise DomainError(f"letter {min(map(str, unknown))} of {value.id} must be a letter of a {value.about}")
    return value


def _called(make: Callable[[], Any], what: str) -> Any:
    """What a user's function returns; `InputError` in one line for whatever it raises."""
    try:
        return make()
    except LocalistError:
        raise
    except Exception as error:
        raise InputError(f"{what} raised {type(error).__name__}: {first_line(error)}") from error


def _letters(clauses: tuple[Clause, ...], *conditions: Boolean) -> set[Any]:
    stated = [part for each in clauses for part in (each.holds, each.given)]
    return set[Any]().union(*(part.free_symbols for part in (*stated, *conditions)))


def decide_named(key: str, report: Report, effort: Effort, rows: int) -> Decided:
    """Every method's findings on the bound of that key; proofs for Coq are sought beside its file, in `ID.v`."""
    place, _, name = key.partition("::")
    return decide(statement_of(getattr(_module(place), name), name), Path(place).parent, effort, rows, report)


def decide(
    statement: Statement, proofs: Path, effort: Effort, rows: int = 60, report: Report = lambda part: None
) -> Decided:
    """Runs every method on a statement that is not the catalogue's.

    Its mutants are its clauses with one relation turned into its opposite, which the random method must refute, with
    the bound 1 % larger or smaller, and without the assumption. A relation's opposite that is not refuted keeps the
    status at undecided: the check could not have failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            gather(statement, Path(folder), effort, report)
            found = standing(statement, Path(folder), rows, effort.seed)
        except UnknownNode as unknown:
            raise DomainError(f"{statement.id} cannot be decided: {unknown}") from unknown
    report("mutants")
    tried = tuple(_tried(statement, effort.seed))
    report("kernel")
    told, printed = _by_coq(statement, proofs)
    status, reasons = found.status, list(found.reasons)
    if status.holds and told.verdict is Verdict.PROVED:
        status, reasons = Status.KERNEL_CHECKED, []
    elif told.open:
        reasons += [f"kernel, {clause}: {why}" for clause, why in told.open.items()]
    for each in tried:
        if not each.as_wanted:
            status = Status.UNDECIDED if status.holds else status
            reasons.append(f"{each.clause}, {each.mutation}, is {each.verdict.value}: the check could not have failed")
    findings = tuple(_findings(found, told))
    return Decided(statement.id, statement.title, status, tuple(reasons), findings, tried, printed)


def _findings(found: Standing, told: KernelResult) -> Iterator[tuple[str, str]]:
    counter = found.quick.random.counterexample
    yield "random", f"{found.quick.random.rows} instances" + (f"; refuted: {counter}" if counter else "")
    yield "symbolic", steps(found) if found.quick.symbolic.steps else "no derivation"
    yield "certified", f"{found.certified}/{found.lemmas} inequalities" if found.lemmas else "no inequality to certify"
    if found.found is not None and found.found.screen is not None:
        screen = found.found.screen
        yield (
            "screened rows",
            screened(found.found) + (f"; refuted: {screen.counterexample}" if screen.counterexample else ""),
        )
        yield "tightest clause", tightest(found.found, 6)
    proved = f"{len(told.proved)} clauses proved" if told.verdict is Verdict.PROVED else told.reason
    yield "kernel", proved


def _tried(statement: Statement, seed: int) -> Iterator[Tried]:
    for clause in statement.claim:
        opposite, where = _opposite(clause.holds, clause.given)
        mutants = [("with a relation turned into its opposite", True, replace(clause, holds=opposite, given=where))]
        if isinstance(clause.holds, Relational) and clause.holds.rhs != 0:
            mutants += [("with its bound 1 % larger", False, changed(clause, scaled_up))]
            mutants += [("with its bound 1 % smaller", False, changed(clause, scaled_down))]
        if clause.given != true:
            mutants += [("without its assumption", False, replace(clause, given=true))]
        for mutation, false, mutant in mutants:
            asked = replace(statement, claim=(mutant,))
            yield Tried(clause.name, mutation, false, sample(asked, _TRIED, seed, shrink=False).verdict)


def _opposite(claim: Boolean, given: Boolean) -> tuple[Boolean, Boolean]:
    """A claim that is false wherever this one is true and says something, and the assumption it needs."""
    if isinstance(claim, Relational):
        return _OPPOSITE[type(claim)](claim.lhs, claim.rhs, evaluate=False), given
    if isinstance(claim, Implies):
        return _opposite(claim.args[1], And(given, claim.args[0]))
    if isinstance(claim, And | Equivalent):
        *others, last = claim.args
        return claim.func(*others, _opposite(last, true)[0], evaluate=False), given
    raise DomainError(f"claim {claim} must be built of relations, And, Implies and Equivalent")


def _by_coq(statement: Statement, proofs: Path) -> tuple[KernelResult, dict[str, str]]:
    printed = propositions(statement) if statement.about in COQ_KINDS else {}
    path = proofs / f"{statement.id}.v"
    if not path.is_file():
        return KernelResult(statement.id, Verdict.UNDECIDED, reason=f"no file of proofs {path}"), printed
    with tempfile.TemporaryDirectory() as folder:
        for each in [*FOLDER.glob("*.v"), path]:
            shutil.copy(each, folder)
        return kernel.check(statement, Path(folder)), printed
