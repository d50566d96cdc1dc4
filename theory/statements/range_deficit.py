"""A5: the smallest entropy of a row, given the range of its logits."""

from __future__ import annotations

from sympy import Expr, Ge, Gt, LambertW, Le, Min, S, exp, log, symbols

from theory.derivation import Equal, Limit, Positive, Step
from theory.functions import BinaryEntropy, Logistic, LowestEntropy
from theory.statement import Clause, Kind, Statement
from theory.statements.leak import LEAK_MAX, two_level_entropy
from theory.symbols import H, k, m, r

ENTROPY_MIN = LowestEntropy(m + k, r)
TILT = r / (1 - exp(-r))
RANGE_DEFICIT = TILT - 1 - log(TILT)
QUADRATIC = r**2 / 8

_BRANCH_POINT = -exp(-1 - (log(m + k) - H))
RANGE_NEEDED = LambertW(_BRANCH_POINT, 0) - LambertW(_BRANCH_POINT, -1)

_FIDELITY_LEAST = 1 - LEAK_MAX
_FIDELITY_MOST = Logistic(r + log(m / k))


def block_entropy_min(fidelity: Expr) -> Expr:
    """`h(F) + F L_B + (1-F) L_C`: least entropy at that fidelity, from the finite bounds of block and complement."""
    return BinaryEntropy(fidelity) + fidelity * LowestEntropy(m, r) + (1 - fidelity) * LowestEntropy(k, r)


def _one_logit() -> tuple[Step, ...]:
    s, moment = symbols("s M", real=True)
    rest = symbols("Z", positive=True)
    weight = exp(s) + rest
    share = exp(s) / weight
    entropy = log(weight) - (s * exp(s) + moment) / weight
    excess = s - log(weight) + entropy
    return (
        Equal("slope of the entropy in one logit s: -a (log a + H)", entropy.diff(s), -share * excess),
        Equal(
            "where that vanishes the curvature is -a (1 - a) < 0: at a minimum over a box every logit sits at an end",
            entropy.diff(s, 2),
            -share * (1 - share) - share * (1 - 2 * share) * excess,
        ),
    )


def _two_levels() -> tuple[Step, ...]:
    x, y, odds, gap, top = symbols("x y o r j", positive=True)
    tilt = TILT.subs(r, gap)
    # The upper level holds the share 1/(1 + odds) of the keys.
    deficit = log(top * (1 + odds)) - two_level_entropy(top, top * odds, gap)
    in_y = -log(y) + tilt * (1 - 1 / y)
    at_share = (exp(gap) + odds) / (1 + odds)
    best_odds = (exp(gap) - 1) / (tilt - 1) - 1
    mass = exp(gap) / (exp(gap) + odds)
    return (
        Equal(
            "a two-level row's deficit in y, the mean of e^s over its lower level's",
            deficit,
            in_y.subs(y, at_share),
        ),
        Equal(
            "it rises up to y = z and falls beyond: floor and ceiling of the best number hold the finite minimum",
            in_y.diff(y),
            (tilt - y) / y**2,
        ),
        Equal("its peak is the range-deficit law", in_y.subs(y, tilt), tilt - 1 - log(tilt)),
        Equal("reached where the upper share is (z - 1)/(e^r - 1)", at_share.subs(odds, best_odds), tilt),
        Equal("slope of the deficit in the range", deficit.diff(gap), gap * mass * (1 - mass)),
        Equal(
            "which is at most r/4, so the deficit is at most r^2/8",
            x * (1 - x),
            S.One / 4 - (x - S.Half) ** 2,
        ),
        Limit("no range, no deficit", RANGE_DEFICIT, r, S.Zero, S.Zero),
    )


def _inverse() -> tuple[Step, ...]:
    gap = symbols("r", positive=True)
    tilt = TILT.subs(r, gap)
    return (
        Equal(
            "with deficit D, -z e^-z = -e^(-1-D): -z is the branch W_{-1}, as z >= 1",
            log(tilt * exp(-tilt)),
            -1 - (tilt - 1 - log(tilt)),
        ),
        Equal(
            "and r - z solves the same equation: it is the branch W_0, so r = W_0 - W_{-1}",
            gap - tilt,
            -tilt * exp(-gap),
        ),
    )


def _block_form() -> tuple[Step, ...]:
    odds = symbols("o", positive=True)
    fidelity, low, high = symbols("F L_B L_C", positive=True)
    mixture = BinaryEntropy(fidelity) + fidelity * low + (1 - fidelity) * high
    return (
        Positive(
            "least entropy given F is concave in F, so over an interval it is least at an end; A2 and A1 give the ends",
            -mixture.diff(fidelity, 2).expand(func=True).subs(fidelity, 1 / (1 + odds)),
        ),
    )


def _derive() -> tuple[Step, ...]:
    return (*_one_logit(), *_two_levels(), *_inverse(), *_block_form())


RANGE_DEFICIT_LAW = Statement(
    id="A5",
    name="entropy-below",
    title="The entropy of a row falls short of log n by at most the range-deficit law",
    kind=Kind.SHARP,
    source="own, after seed claim on entropy bounds (arXiv 2510.09338)",
    uses=("A1", "A2", "A4"),
    claim=(
        Clause("finite", Ge(H, ENTROPY_MIN)),
        Clause("dimension-free", Le(log(m + k) - H, RANGE_DEFICIT), Gt(r, 0)),
        Clause("quadratic", Le(log(m + k) - H, QUADRATIC)),
        Clause("law below quadratic", Le(RANGE_DEFICIT, QUADRATIC), Gt(r, 0)),
        Clause("range needed", Ge(r, RANGE_NEEDED), Gt(r, 0)),
        Clause("block form", Ge(H, Min(block_entropy_min(_FIDELITY_LEAST), block_entropy_min(_FIDELITY_MOST)))),
    ),
    derive=_derive,
)
