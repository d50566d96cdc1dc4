"""A9: how much attention leaks off the nearest keys where scores fall with distance, whatever the context."""

from __future__ import annotations

from sympy import Eq, Equivalent, Ge, Le, Lt, S, exp, log, symbols

from theory.derivation import Equal, Limit, Positive, RisesFromZero, Step
from theory.statement import Clause, Kind, Statement
from theory.symbols import content, eps, eps_ends, eps_target, fade, k, m, slope, tau

_ODDS = exp(content / tau) * (fade**m - fade ** (m + k)) / (1 - fade**m)
_ODDS_FAR = exp(content / tau) * fade**m / (1 - fade**m)
DECAY_LEAK_MAX = _ODDS / (1 + _ODDS)
DECAY_LEAK_FAR = _ODDS_FAR / (1 + _ODDS_FAR)
SLOPE_NEEDED = tau / m * log(1 + exp(content / tau) * (1 - eps_target) / eps_target)


def _derive() -> tuple[Step, ...]:
    depth, block, outside, height = symbols("w B C E", positive=True)
    more, less = symbols("u l", nonnegative=True)
    # The factors at the distances m and n; the nearest key's is 1.
    near, far = symbols("q_m q_n", positive=True)
    off = height * near / (1 - near)
    # e^(a m/tau) less 1, so that it is above 0 is in the algebra.
    rise = symbols("y", positive=True)
    at_slope = (height / rise).subs(rise, exp(SLOPE_NEEDED * m / tau) - 1).subs(height, exp(content / tau))
    return (
        RisesFromZero(
            "e^-w <= 1: no content weighs more than the largest, which is e^(R/tau) times the least",
            1 - exp(-depth),
            depth,
        ),
        Positive(
            "so the leak is at most that of the largest content outside and the least inside",
            (outside + less) / (block + outside + less) - outside / (block + more + outside),
            strict=False,
        ),
        Equal(
            "the factors of distance add up to a geometric sum: one key farther adds the next power",
            (1 - fade * far) / (1 - fade) - (1 - far) / (1 - fade),
            far,
        ),
        Equal(
            "odds of the leak with contents at the two ends, from the sums to n and to m",
            height * ((1 - far) / (1 - fade) - (1 - near) / (1 - fade)) / ((1 - near) / (1 - fade)),
            height * (near - far) / (1 - near),
        ),
        Equal(
            "without the farthest factor the odds exceed them by",
            off - height * (near - far) / (1 - near),
            height * far / (1 - near),
        ),
        Positive("which is above 0", (height * far / (1 - near)).subs(near, 1 / (1 + rise))),
        Limit("and tends to 0 as the context grows", height * (near - far) / (1 - near), far, S.Zero, off),
        Equal("these odds are e^(R/tau)/(e^(a m/tau) - 1)", off.subs(near, 1 / (1 + rise)), height / rise),
        Positive("they fall as the slope rises", -(height / rise).diff(rise)),
        Equal("and at the slope needed they are those of the target", at_slope, eps_target / (1 - eps_target)),
    )


DISTANCE_DECAY = Statement(
    id="A9",
    name="distance-decay",
    title="A slope of the scores in distance bounds the leak off the nearest keys, whatever the context",
    kind=Kind.SHARP,
    source="own, on linear biases (Press, Smith and Lewis 2022); attained at every n, the limit approached",
    uses=("A2",),
    about="row by distance",
    claim=(
        Clause("finite context", Le(eps, DECAY_LEAK_MAX)),
        Clause("attained", Eq(eps_ends, DECAY_LEAK_MAX)),
        Clause("any context", Lt(eps, DECAY_LEAK_FAR)),
        Clause("slope needed", Equivalent(Le(DECAY_LEAK_FAR, eps_target), Ge(slope, SLOPE_NEEDED))),
        Clause("slope suffices", Lt(eps, eps_target), Ge(slope, SLOPE_NEEDED)),
    ),
    derive=_derive,
)
