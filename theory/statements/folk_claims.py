"""Tempting but false statements, kept outside the catalogue; a test refutes each by its counterexample.

Each has the kind that it is quoted as; `uses` names the statement that holds instead.
"""

from __future__ import annotations

from sympy import Eq, Ge, Le, Lt, log

from theory.derivation import Step
from theory.design_symbols import cost_even, cost_even_steeper, mean_fidelity, mean_missed, mean_plain
from theory.statement import Clause, Kind, Statement
from theory.statements.entropy import EXPONENTIAL, ONE_PAIR
from theory.statements.rules import EXPECTED_FIDELITY
from theory.symbols import H, H_lam, d, k, m


def _none() -> tuple[Step, ...]:
    return ()


DIAL_ALWAYS_LOWERS = Statement(
    id="dial-always-lowers-entropy",
    name="dial-always-lowers-entropy",
    title="False: more locality, less entropy",
    kind=Kind.ONE_SIDED,
    source="folk claim; a row concentrated on one key outside the block must first pass through the middle (B2)",
    uses=("B2",),
    claim=(Clause("falls", Le(H_lam, H)),),
    derive=_none,
)

ENTROPY_VANISHES = Statement(
    id="entropy-bound-vanishes",
    name="entropy-bound-vanishes",
    title="False: the entropy is at most a multiple of e^-d, so it goes to 0",
    kind=Kind.ONE_SIDED,
    source="folk claim; attention inside the block may stay even, so the floor is log m (A4)",
    uses=("A4",),
    claim=(Clause("exponential", Le(H, EXPONENTIAL - log(m)), Ge(d, 0)),),
    derive=_none,
)

LOG_N_AT_NEGATIVE = Statement(
    id="log-n-at-negative-separation",
    name="log-n-at-negative-separation",
    title="False: below a separation of 0 no bound on the entropy is better than log n",
    kind=Kind.SHARP,
    source="folk claim; one pair at the gap d already costs entropy (A4)",
    uses=("A4",),
    claim=(Clause("best bound", Ge(ONE_PAIR, log(m + k)), Lt(d, 0)),),
    derive=_none,
)

MISSES_INDEPENDENT = Statement(
    id="misses-are-independent",
    name="misses-are-independent",
    title="False: a checker that misses with probability q leaves q times the mean plain fidelity",
    kind=Kind.IDENTITY,
    source="folk claim; misses may fall where the plain fidelity is low (E3)",
    uses=("E3",),
    about="checker",
    claim=(Clause("expectation", Eq(mean_fidelity, EXPECTED_FIDELITY.subs(mean_missed, mean_plain))),),
    derive=_none,
)

STEEPER_IS_CHEAPER = Statement(
    id="steeper-is-cheaper",
    name="steeper-is-cheaper",
    title="False: at equal mean dial a steeper schedule costs less",
    kind=Kind.ONE_SIDED,
    source="folk claim, after the seed's steep schedules near the baseline; a budget effect (F3)",
    uses=("F3",),
    about="schedule",
    claim=(Clause("equal mean dial", Le(cost_even_steeper, cost_even)),),
    derive=_none,
)

FOLK_CLAIMS: tuple[Statement, ...] = (
    DIAL_ALWAYS_LOWERS,
    ENTROPY_VANISHES,
    LOG_N_AT_NEGATIVE,
    MISSES_INDEPENDENT,
    STEEPER_IS_CHEAPER,
)
