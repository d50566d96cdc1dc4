"""A1-A3 and A6: how much attention leaks off the target block, from one row's margin."""

from __future__ import annotations

from sympy import Abs, Eq, Equivalent, Expr, Ge, Implies, Le, S, exp, expand_log, log, oo, simplify, solve, symbols

from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.functions import Logistic, Logit
from theory.statement import Clause, Kind, Statement, Witness
from theory.symbols import (
    Delta,
    F,
    d,
    d_mean,
    delta,
    delta_mean,
    delta_seen,
    eps,
    eps_target,
    eps_two,
    k,
    m,
    r,
    reach,
    tau,
    u,
)

LEAK_MAX = Logistic(-(d + log(m / k)))
MARGIN_THRESHOLD = log(k / m) + Logit(1 - eps_target)

_Z_B, _Z_C = symbols("Z_B Z_C", positive=True)
_y = symbols("y", real=True)
_w = symbols("w", nonnegative=True)


def two_level_masses(upper: Expr = m, lower: Expr = k, gap: Expr = d) -> tuple[Expr, Expr]:
    """Softmax masses of the upper and lower group, for `upper` keys that are `gap` nats above `lower` keys."""
    weight = upper + lower * exp(-gap)
    return upper / weight, lower * exp(-gap) / weight


def two_level_entropy(upper: Expr = m, lower: Expr = k, gap: Expr = d) -> Expr:
    """Entropy of that row from its definition: minus the sum of `a log a` over single keys, in nats."""
    mass_up, mass_down = two_level_masses(upper, lower, gap)
    surprise_up = -expand_log(log(mass_up / upper), force=True)
    surprise_down = -expand_log(log(mass_down / lower), force=True)
    return simplify(mass_up * surprise_up + mass_down * surprise_down)


def _derive_identity() -> tuple[Step, ...]:
    fidelity = _Z_B / (_Z_B + _Z_C)
    soft_margin = log(_Z_B / m) - log(_Z_C / k)
    return (
        Equal(
            "fidelity and soft margin from the two partial sums of exp(s/tau)",
            Logit(fidelity),
            soft_margin + log(m / k),
        ),
        AboveTangent(
            "e^y >= 1 + y, averaged over deviations y from the mean: a log-mean-exp is at least the mean",
            exp(_y) - 1 - _y,
            _y,
            0,
        ),
        RisesFromZero(
            "e^-w <= 1, averaged over depths w below the largest: a log-mean-exp is at most the largest",
            1 - exp(-_w),
            _w,
        ),
    )


SOFTMAX_IDENTITY = Statement(
    id="A1",
    name="softmax-identity",
    title="The soft margin is the log-odds of the fidelity, up to the sizes",
    kind=Kind.IDENTITY,
    source="own, after seed claim on pointer fidelity; elementary",
    claim=(
        Clause("identity", Eq(Logit(F), Delta + log(m / k))),
        Clause("mean margin", Le(delta, delta_mean)),
        Clause("soft margin", Le(delta_mean, tau * Delta)),
        Clause("top", Le(tau * Delta, reach)),
        Clause("range", Le(reach, tau * r)),
    ),
    derive=_derive_identity,
)


def _derive_leak() -> tuple[Step, ...]:
    odds = symbols("odds", positive=True)
    (soft_margin_odds,) = solve(Eq(log(odds), d + log(m / k)), odds)
    solved = 1 / (1 + soft_margin_odds)
    bound = LEAK_MAX.expand(func=True)
    return (
        Equal("A1 solved for the leak, with d in the place of the soft margin", solved, bound),
        Equal("slope of the bound in the separation", bound.diff(d), -bound * (1 - bound)),
        Positive("so the bound falls, and a larger soft margin leaks less", bound * (1 - bound)),
        Equal("equality at two-level logits", two_level_masses()[1], bound),
        Positive("the exponential form lies above", k / m * exp(-d) - bound),
    )


LEAK_BOUND = Statement(
    id="A2",
    name="leak-bound",
    title="The leak is at most logistic in the separation, and two-level rows attain that",
    kind=Kind.SHARP,
    source="own, after seed claim on explicit thresholds (arXiv 2510.09338)",
    uses=("A1",),
    claim=(
        Clause("margin", Le(eps, LEAK_MAX)),
        Clause("mean margin", Le(eps, LEAK_MAX.subs(d, d_mean))),
        Clause("soft margin", Eq(eps, LEAK_MAX.subs(d, Delta))),
        Clause("exponential", Le(eps, k / m * exp(-d))),
        Clause("attained", Eq(eps_two, LEAK_MAX)),
    ),
    witnesses=(
        Witness("margin", block=((tau * d, m),), complement=((0 * d, k),)),
        Witness("mean margin", block=((tau * d, m),), complement=((0 * d, k),)),
    ),
    derive=_derive_leak,
)


def _derive_threshold() -> tuple[Step, ...]:
    bound = LEAK_MAX.expand(func=True)
    threshold = MARGIN_THRESHOLD.expand(func=True)
    return (
        Equal("the bound at the threshold is the target leak", bound.subs(d, threshold), eps_target),
        Positive(
            "the bound falls strictly, and at the soft margin it is the leak (A2): "
            "leak <= target exactly where the soft margin reaches the threshold",
            -bound.diff(d),
        ),
        Limit(
            "a row far below the threshold leaks everything, so no target is met for free",
            bound,
            d,
            -oo,
            S.One,
        ),
    )


MARGIN_THRESHOLD_STATEMENT = Statement(
    id="A3",
    name="margin-threshold",
    title="A row leaks at most a target exactly when its soft margin reaches the threshold",
    kind=Kind.IDENTITY,
    source="own, after seed claim on explicit thresholds (arXiv 2510.09338)",
    uses=("A1", "A2"),
    claim=(
        Clause("iff", Equivalent(Le(eps, eps_target), Ge(Delta, MARGIN_THRESHOLD))),
        Clause("sufficient", Implies(Ge(d, MARGIN_THRESHOLD), Le(eps, eps_target))),
        Clause("necessary", Implies(Le(eps, eps_target), Ge(r, MARGIN_THRESHOLD))),
    ),
    derive=_derive_threshold,
)


def _derive_robustness() -> tuple[Step, ...]:
    up, down = symbols("p q", nonnegative=True)
    block_error, outside_error = u - up, -u + down
    return (
        Positive(
            "errors of at most u raise the least of the block, and lower the largest outside, by at most u",
            2 * u - (block_error - outside_error),
            strict=False,
        ),
        Positive(
            "and likewise the other way",
            2 * u + (-u + up) - (u - down),
            strict=False,
        ),
    )


ROBUSTNESS = Statement(
    id="A6",
    name="margin-robustness",
    title="Scores known to within u give the margin to within 2u",
    kind=Kind.ONE_SIDED,
    source="own; elementary",
    uses=("A2", "A4"),
    claim=(
        Clause("margin", Le(Abs(delta - delta_seen), 2 * u)),
        Clause("leak", Le(eps, LEAK_MAX.subs(d, (delta_seen - 2 * u) / tau))),
    ),
    derive=_derive_robustness,
)
