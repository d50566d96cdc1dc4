"""The scalar inequalities that the catalogue rests on, each certified over its whole domain.

Most are steps of a statement's derivation; `NAMED` holds the few that a derivation states only in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Ge, Gt, Interval, Le, Lt, S, Set, Symbol, exp, log, symbols

from proofs_check.inequalities.replay import Replayed, replay_document
from proofs_check.inequalities.search.certificates import speaks_of
from proofs_check.inequalities.search.interval import Certified, Finding, certify
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.step_claims import domains_of, said_by
from theory.derivation import AboveTangent, Positive, RisesFromZero
from theory.errors import DomainError
from theory.statement import Statement
from theory.statements.dial import DIALLED_LEAK
from theory.statements.range_deficit import QUADRATIC, RANGE_DEFICIT, TILT
from theory.symbols import NONNEGATIVE, POSITIVE, UNIT, eps, lam, r

SECONDS = 30.0


@dataclass(frozen=True)
class Lemma:
    """One scalar inequality, `statement-index`, with the domain of every letter and the reason it is needed."""

    statement: str
    index: int
    because: str
    claim: Any
    domain: Mapping[Symbol, Set]

    @property
    def name(self) -> str:
        """Its name in the evidence."""
        return f"{self.statement}-{self.index}"


@dataclass(frozen=True)
class LemmaResult:
    """A lemma with its verdict, and the certificate document if it is proved."""

    lemma: Lemma
    verdict: Verdict
    certificate: Mapping[str, Any] | None = None
    reason: str = ""


_x, _v, _ratio = symbols("x v q", positive=True)
_d, _steep, _more = symbols("d beta h", nonnegative=True)
_share, _z = symbols("u z", positive=True)
_mean_decay, _square_decay = Symbol("beta_1", nonnegative=True), Symbol("beta_2", positive=True)
_gain = lam * eps * (1 - eps) / (1 - lam * eps)
_entropy = log(1 + _ratio * exp(-_d)) + _d * _ratio / (_ratio + exp(_d))
_dial: Mapping[Symbol, Set] = {lam: Interval.Ropen(0, 1), eps: UNIT}
_range: Mapping[Symbol, Set] = {r: POSITIVE}

NAMED: dict[str, tuple[tuple[str, Any, Mapping[Symbol, Set]], ...]] = {
    "A2": (("exponential form, in x = (k/m) e^-d", Lt(_x / (1 + _x), _x), {_x: POSITIVE}),),
    "A4": (
        (
            "exponential form, in v = (k/m) e^-d and d",
            Le(log(1 + _v) + _d * _v / (1 + _v), _v * (1 + _d)),
            {_v: POSITIVE, _d: NONNEGATIVE},
        ),
        ("the bound falls in d >= 0, q = k/m", Le(_entropy.diff(_d), 0), {_ratio: POSITIVE, _d: NONNEGATIVE}),
    ),
    "A5": (
        ("z is above 1", Gt(TILT, 1), _range),
        ("the law is at most r^2/8", Le(RANGE_DEFICIT, QUADRATIC), _range),
        ("and never 0 for a range above 0", Gt(RANGE_DEFICIT, 0), _range),
        ("z rises with the range: its slope times (1 - e^-r)^2", Gt(1 - (1 + r) * exp(-r), 0), _range),
        ("and the law rises with z", Gt(1 - 1 / _z, 0), {_z: Interval.open(1, S.Infinity)}),
    ),
    "B1": (("the leak falls along the dial", Lt(DIALLED_LEAK.diff(lam), 0), _dial),),
    "B3": (
        ("fidelity gained is not negative", Ge(_gain, 0), _dial),
        ("and rises along the dial", Gt(_gain.diff(lam), 0), _dial),
    ),
    "C5": (
        (
            "the constant is at least 1; for powers of the decays, c_t is at most its limit",
            Ge((1 - _mean_decay) ** 2, (1 - _square_decay) * (1 - _mean_decay**2 / _square_decay)),
            {_mean_decay: Interval.Ropen(0, 1), _square_decay: UNIT},
        ),
    ),
    "F3": (
        ("a layer's cost rises in its dial", Gt(_gain.diff(lam), 0), _dial),
        ("and is convex in it", Gt(_gain.diff(lam, 2), 0), _dial),
        (
            "an inner layer's dial falls in the steepness",
            Le(_share ** (_steep + _more), _share**_steep),
            {_share: UNIT, _steep: NONNEGATIVE, _more: NONNEGATIVE},
        ),
    ),
}


def lemmas_of(statement: Statement) -> tuple[Lemma, ...]:
    """Every scalar inequality of a statement: those of its steps in their order, then the named ones."""
    found = [*_from_steps(statement), *NAMED.get(statement.id, ())]
    return tuple(Lemma(statement.id, i, because, claim, domain) for i, (because, claim, domain) in enumerate(found))


def _from_steps(statement: Statement) -> Iterator[tuple[str, Any, Mapping[Symbol, Set]]]:
    for step in statement.derive():
        if isinstance(step, Positive | RisesFromZero | AboveTangent):
            claim, _ = said_by(step)
            yield step.because, claim, domains_of(claim)


def certify_statement(
    statement: Statement, kept: Iterable[Any] = (), *, seconds: float = SECONDS
) -> tuple[LemmaResult, ...]:
    """Certifies every lemma of a statement.

    A certificate in `kept` that states the same lemma and replays is reused. `seconds` bounds the search for each
    lemma.
    """
    kept, results = list(kept), []
    for lemma in lemmas_of(statement):
        earlier = next((each for each in kept if replayed(each, lemma).holds), None)
        known = None if earlier is None else LemmaResult(lemma, Verdict.PROVED, earlier)
        results.append(known or _certified(lemma, seconds))
    return tuple(results)


def replayed(certificate: Any, lemma: Lemma) -> Replayed:
    """Replays a certificate, which must state the lemma's claim over the lemma's domain."""
    if not speaks_of(certificate, lemma.claim, lemma.domain):
        return Replayed(False, "the certificate speaks of another claim")
    return replay_document(certificate)


def _certified(lemma: Lemma, seconds: float) -> LemmaResult:
    try:
        found: Finding = certify(lemma.claim, lemma.domain, seconds=seconds)
    except DomainError as error:
        return LemmaResult(lemma, Verdict.UNDECIDED, reason=str(error))
    if isinstance(found, Certified):
        return LemmaResult(lemma, found.verdict, found.certificate.document)
    reason = getattr(found, "reason", "") or ", ".join(f"{k}={v}" for k, v in getattr(found, "point", {}).items())
    return LemmaResult(lemma, found.verdict, reason=reason)
