"""B1-B3 and B6: what the locality dial does to one row, what it costs, and the gate that computes it."""

from __future__ import annotations

from sympy import Abs, And, Eq, Equivalent, Ge, Gt, Implies, Le, Max, S, exp, log, solve, symbols

from theory.derivation import Equal, Limit, Positive, Step
from theory.functions import BinaryDivergence, BinaryEntropy, Logit
from theory.statement import Clause, Kind, Statement
from theory.statements.entropy import chain_rule_step, mixture_entropy
from theory.symbols import (
    H_B,
    H_C,
    KL,
    TV,
    F,
    F_lam,
    F_target,
    H,
    H_lam,
    H_mask,
    H_more,
    delta_mean,
    eps,
    eps_lam,
    lam,
    lam_more,
    o_B,
    o_lam,
    o_null,
    o_plain,
    p_null,
    sbar_B,
    sbar_C,
    shift,
    spread,
    tau,
    vbar_B,
    vbar_C,
)

DIALLED_LEAK = (1 - lam) * eps / (1 - lam * eps)
DIAL_NEEDED = Max(0, 1 - F / (1 - F) * (1 - F_target) / F_target)
DIAL_BIAS = -tau * log(1 - lam)
_BIAS_MORE = DIAL_BIAS.subs(lam, lam_more)
GATE = lam * F / (1 - lam * (1 - F))

_Z_B, _Z_C, _o = symbols("Z_B Z_C o", positive=True)


def _derive_odds_law() -> tuple[Step, ...]:
    open_dial = 1 / (1 + _o)
    boosted = _Z_B * exp(DIAL_BIAS / tau)
    odds, dialled_odds = _Z_B / _Z_C, boosted / _Z_C
    leak, dialled_leak = _Z_C / (_Z_B + _Z_C), _Z_C / (boosted + _Z_C)
    dial = symbols("lambda_")
    target_odds = symbols("t", positive=True)
    (needed,) = solve(Eq(odds / (1 - dial), target_odds), dial)
    return (
        Equal(
            "the bias multiplies the block's sum of exponentials, hence the odds",
            dialled_odds.subs(lam, 1 - open_dial),
            odds / open_dial,
        ),
        Equal(
            "the same law for the leak",
            dialled_leak.subs(lam, 1 - open_dial),
            DIALLED_LEAK.subs({lam: 1 - open_dial, eps: leak}),
        ),
        Equal("solved for the dial", needed, 1 - odds / target_odds),
        Limit("dial 1 is the hard block mask", dialled_leak.simplify(), lam, S.One, S.Zero, "-"),
        Equal("dial 0 changes nothing", dialled_leak.subs(lam, 0), leak),
    )


ODDS_LAW = Statement(
    id="B1",
    name="dial-odds-law",
    title="The dial divides the odds of the leak: one scalar per row predicts the whole curve",
    kind=Kind.IDENTITY,
    source="own, after seed claim on the locality dial (arXiv 2510.09338)",
    uses=("A1",),
    claim=(
        Clause("leak", Eq(eps_lam, DIALLED_LEAK)),
        Clause("odds", Eq(Logit(F_lam), Logit(F) - log(1 - lam))),
        Clause("dial needed", Implies(Ge(lam, DIAL_NEEDED), Ge(F_lam, F_target))),
        Clause("dial necessary", Implies(Ge(F_lam, F_target), Ge(lam, DIAL_NEEDED))),
    ),
    derive=_derive_odds_law,
)


def _derive_entropy_along() -> tuple[Step, ...]:
    mass, part = symbols("mass part", positive=True)
    mean_B, mean_C = symbols("sbar_B sbar_C", real=True)
    entropy_B, entropy_C = symbols("H_B H_C", real=True)
    share = 1 / (1 + _o)
    mixture = mixture_entropy(F, entropy_B, entropy_C)
    slope = -(Logit(F) - entropy_B + entropy_C)
    from_sums = log(_Z_B / _Z_C) - (log(_Z_B) - mean_B / tau) + (log(_Z_C) - mean_C / tau)
    weight = exp(entropy_B) + exp(entropy_C)
    return (
        chain_rule_step(mass, part),
        Equal(
            "slope of the entropy in the fidelity",
            mixture.diff(F).subs(F, share),
            slope.expand(func=True).subs(F, share),
        ),
        Equal(
            "each conditional entropy is a log-sum less a mean score, so that slope is a difference of mean scores",
            from_sums,
            (mean_B - mean_C) / tau,
        ),
        Positive(
            "the fidelity rises with the dial, so the sign of that gap plus the dial's bias decides",
            (1 - DIALLED_LEAK).diff(lam).subs({lam: 1 - share, eps: 1 / (1 + mass)}),
        ),
        Equal(
            "the slope vanishes at fidelity e^{H_B}/(e^{H_B} + e^{H_C})",
            slope.expand(func=True).subs(F, exp(entropy_B) / weight),
            S.Zero,
        ),
        Equal("where the entropy peaks", mixture.subs(F, exp(entropy_B) / weight), log(weight)),
    )


ENTROPY_ALONG_DIAL = Statement(
    id="B2",
    name="entropy-along-dial",
    title="The dial lowers entropy throughout exactly when the block's mean score is the larger",
    kind=Kind.IDENTITY,
    source="own, after seed claim that locality lowers entropy (arXiv 2510.09338), which is false without a condition",
    uses=("A4", "B1"),
    claim=(
        Clause("mixture", Eq(H_lam, BinaryEntropy(F_lam) + F_lam * H_B + eps_lam * H_C)),
        Clause("slope", Eq(Logit(F) - H_B + H_C, (sbar_B - sbar_C) / tau)),
        Clause("falls", Le(H_lam, H), Ge(sbar_B, sbar_C)),
        Clause("rises first", Ge(H_lam, H), Le(DIAL_BIAS, sbar_C - sbar_B)),
        Clause("strict converse", Gt(H_lam, H), And(Gt(lam, 0), Le(DIAL_BIAS, sbar_C - sbar_B))),
        Clause("rises up to the gap", Ge(H_more, H_lam), And(Ge(lam_more, lam), Le(_BIAS_MORE, sbar_C - sbar_B))),
        Clause("falls beyond the gap", Le(H_more, H_lam), And(Ge(lam_more, lam), Ge(DIAL_BIAS, sbar_C - sbar_B))),
        Clause("falls beyond the margin", Le(H_more, H_lam), And(Ge(lam_more, lam), Ge(DIAL_BIAS, -delta_mean))),
        Clause("peak", Le(H_lam, log(exp(H_B) + exp(H_C)))),
        Clause("score gap", Ge(sbar_B - sbar_C, delta_mean)),
        Clause("mean margin suffices", Le(H_lam, H), Ge(delta_mean, 0)),
        Clause("whole way", Equivalent(Le(H_mask, H), Le(eps * (H_B - H_C), BinaryEntropy(F)))),
    ),
    derive=_derive_entropy_along,
)


def _derive_cost() -> tuple[Step, ...]:
    plain, dialled, part, value = symbols("F F_lambda part v", positive=True)
    odds, dialled_odds = symbols("o p", positive=True)
    return (
        Equal(
            "inside, one key gains its share of F_lambda - F",
            dialled * part - plain * part,
            (dialled - plain) * part,
        ),
        Equal(
            "outside it loses likewise, so half the total change is F_lambda - F",
            (1 - plain) * part - (1 - dialled) * part,
            (dialled - plain) * part,
        ),
        Equal(
            "one key's term of the divergence keeps the ratio of the fidelities",
            (dialled * part * log(dialled * part / (plain * part))),
            part * dialled * log(dialled / plain),
        ),
        Equal(
            "the output moves by the change of mass times the gap of conditional means",
            dialled * value + (1 - dialled) * part - plain * value - (1 - plain) * part,
            (dialled - plain) * (value - part),
        ),
        Positive(
            "fidelity never falls under the dial",
            ((1 - DIALLED_LEAK) - (1 - eps)).subs({lam: odds / (1 + odds), eps: 1 / (1 + dialled_odds)}),
        ),
    )


DIAL_COST = Statement(
    id="B3",
    name="dial-cost",
    title="The dial moves the row, and the head's output, exactly by the fidelity it gains",
    kind=Kind.IDENTITY,
    source="own; elementary",
    uses=("B1",),
    claim=(
        Clause("total variation", Eq(TV, F_lam - F)),
        Clause("divergence", Eq(KL, BinaryDivergence(F_lam, F))),
        Clause("output", Eq(shift, (F_lam - F) * (vbar_B - vbar_C))),
        Clause("output bound", Le(Abs(shift), (F_lam - F) * spread)),
    ),
    derive=_derive_cost,
)


def _derive_gate() -> tuple[Step, ...]:
    open_dial = 1 / (1 + _o)
    inner, outer = symbols("v_B v_C", real=True)
    fidelity = _Z_B / (_Z_B + _Z_C)
    boosted = _Z_B * exp(DIAL_BIAS / tau)
    plain = (_Z_B * inner + _Z_C * outer) / (_Z_B + _Z_C)
    dialled = (boosted * inner + _Z_C * outer) / (boosted + _Z_C)
    null = _Z_B / (2 * _Z_B + _Z_C)
    return (
        Equal(
            "both outputs mix the same conditional means: the dialled one lies the gate's share from the plain one "
            "to the block's",
            dialled.subs(lam, 1 - open_dial),
            (plain + GATE.subs(F, fidelity) * (inner - plain)).subs(lam, 1 - open_dial),
        ),
        Equal("a key that weighs as much as the whole block takes F/(1 + F)", null, fidelity / (1 + fidelity)),
        Equal("so the fidelity is the odds of its mass", null / (1 - null), fidelity),
        Equal(
            "and the plain output is what is left, over the mass that is left",
            (_Z_B * inner + _Z_C * outer) / (2 * _Z_B + _Z_C) / (1 - null),
            plain,
        ),
    )


DIAL_GATE = Statement(
    id="B6",
    name="dial-gate",
    title="The dialled output is the plain one moved towards the block's by a gate of the dial and the fidelity",
    kind=Kind.IDENTITY,
    source="own; elementary",
    uses=("B1", "B3"),
    claim=(
        Clause("gate", Eq(o_lam, o_plain + GATE * (o_B - o_plain))),
        Clause("null key", Eq(p_null, F / (1 + F))),
        Clause("fidelity", Eq(F, p_null / (1 - p_null))),
        Clause("plain output", Eq(o_plain, o_null / (1 - p_null))),
    ),
    derive=_derive_gate,
)
