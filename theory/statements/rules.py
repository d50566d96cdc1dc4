"""E1-E4: what rules injected at run time do to a row, what a set of them can promise, and what a checker's misses cost.

A rule adds its strength to the scores of its target while its condition holds.
"""

from __future__ import annotations

from sympy import And, Eq, Equivalent, Expr, Ge, Gt, Le, Lt, Max, S, Symbol, exp, log, solve, symbols

from theory.derivation import AboveTangent, Equal, Limit, Positive, Step
from theory.design_symbols import (
    F_ruled,
    KL_any,
    KL_ruled,
    boost,
    boost_other,
    cover,
    covered_all,
    early,
    error_all,
    errors,
    fidelity_least,
    fidelity_mean,
    kept_mean,
    kept_strength,
    least_mass,
    mean_fidelity,
    mean_fired,
    mean_missed,
    mean_plain,
    missed,
    missed_late,
    missed_mean,
    missed_most,
    odds,
    odds_ruled,
    promise,
    promised_strength,
    rules,
    shared,
    shared_any,
    shared_dual,
    shared_ruled,
    slack,
    slack_dual,
    spare,
    strength,
    strengths,
    tilt,
    times,
)
from theory.functions import Logit
from theory.statement import Assumption, Clause, Kind, Statement
from theory.symbols import F, tau

STRENGTH_NEEDED = Max(0, tau * (Logit(promise) - Logit(F)))
EXPECTED_FIDELITY = (1 - missed) * mean_fired + missed * mean_missed


def _derive_composition() -> tuple[Step, ...]:
    first, second = symbols("b_1 b_2", positive=True)
    mass, others, ratio, tilted = symbols("a Z x p", positive=True)
    dial_odds, open_goal = symbols("o w", positive=True)
    inside = mass * exp(first / tau)
    (needed,) = solve(Eq(log(dial_odds) + first / tau, log(open_goal)), first)
    return (
        Equal(
            "strengths add up in the exponent: a key's mass is multiplied by the exponential of their sum",
            mass * exp(first / tau) * exp(second / tau),
            mass * exp((first + second) / tau),
        ),
        Equal(
            "one rule multiplies the odds of its target, as the dial does (B1)",
            (inside / (inside + others)) / (others / (inside + others)),
            mass / others * exp(first / tau),
        ),
        Equal("solved for the strength", needed, tau * (log(open_goal) - log(dial_odds))),
        Equal(
            "one key's term of KL(p || a) is that of KL(p || ruled) plus p (b/tau - log Z): summed, the divergence of "
            "an arbitrary row is at least sum b_r p(T_r)/tau - log Z, with equality at the ruled row",
            tilted * log(tilted / mass),
            tilted * log(tilted / (mass * exp(first / tau) / ratio)) + tilted * (first / tau - log(ratio)),
        ),
        AboveTangent("KL >= 0, by log x <= x - 1 on each ratio", ratio - 1 - log(ratio), ratio, S.One),
        Positive(
            "the dual is convex: its second derivative along a direction is the variance of the boost, here of two "
            "atoms apart by b_2",
            log(mass + others * exp(first * second)).diff(first, 2),
        ),
        Positive(
            "it grows without bound below f_star: the ruled masses sum to more than that of the key with most boost, "
            "and the most is at least the mean boost under the row that attains f_star, f_star times the strengths",
            log(1 + others / (mass * exp(first))),
        ),
    )


ODDS_COMPOSITION = Statement(
    id="E1",
    name="rule-composition",
    title="Rules multiply masses by the exponential of their strengths; the least change meets the promises",
    kind=Kind.IDENTITY,
    source="own, after seed claim that rules are injected at run time; least change: Csiszar 1975, "
    "I-divergence geometry",
    uses=("B1",),
    about="rule set",
    claim=(
        Clause("composition", Eq(odds_ruled, odds * exp((boost - boost_other) / tau))),
        Clause("one rule", Equivalent(Ge(strength, STRENGTH_NEEDED), Ge(F_ruled, promise))),
        Clause("least change", Ge(KL_any, promised_strength / tau - tilt)),
        Clause("least change attained", Eq(KL_ruled, kept_strength / tau - tilt)),
        Clause(
            "a solution exists",
            Ge(tilt - promise * strengths / tau, log(least_mass) + (shared - promise) * strengths / tau),
            Lt(promise, shared),
        ),
    ),
    derive=_derive_composition,
)


def _derive_sharing() -> tuple[Step, ...]:
    masses = symbols("p_1 p_2", nonnegative=True)
    weights = symbols("y_1 y_2", nonnegative=True)
    member = [[Symbol(f"t_{r}{j}", nonnegative=True) for j in (1, 2)] for r in (1, 2)]
    excess, gap, cap = symbols("v w c", nonnegative=True)
    count, ratio = symbols("R o", positive=True)
    by_rule = sum(weights[r] * sum(masses[j] * member[r][j] for j in (0, 1)) for r in (0, 1))
    by_key = sum(masses[j] * sum(weights[r] * member[r][j] for r in (0, 1)) for j in (0, 1))
    floor, ceiling = by_rule - excess, by_key + gap
    uniform = (cap - gap + ratio * (cap - excess)) / ((1 + ratio) * count)
    return (
        Equal("the weighted fidelities, summed by rule or by key", by_rule, by_key),
        Positive(
            "summed by rule they are at least the least fidelity, by key at most the largest weight that shares a key: "
            "no row beats a weighting (and the two meet, by duality of linear programs)",
            (ceiling - floor).expand(),
            strict=False,
        ),
        Positive(
            "weights 1/R: a mean over keys, each in at most c targets, is at most c/R; one key of each of R disjoint "
            "targets, with mass 1/R, attains it",
            cap / count - uniform,
            strict=False,
        ),
    )


NO_EMPTY_TARGET = Assumption("no empty target", "the target of every rule holds a key")

RULE_SET_PROMISE = Statement(
    id="E2",
    name="rule-set-promise",
    title="What a rule set can promise is the value of a linear program, and its dual certifies what it cannot",
    kind=Kind.SHARP,
    source="own; duality of linear programs: Farkas 1902, von Neumann 1928",
    uses=("E1",),
    about="rule set",
    assumptions=(NO_EMPTY_TARGET,),
    claim=(
        Clause("shared promise", Eq(shared, shared_dual)),
        Clause("every row", Le(shared_any, shared)),
        Clause("supremum", Le(shared_ruled, shared)),
        Clause("certificate", Equivalent(Lt(slack, 0), Lt(slack_dual, 0))),
        Clause("cover", Le(shared, cover / rules)),
        Clause("disjoint targets", Eq(shared, 1 / rules), Eq(cover, 1)),
    ),
    derive=_derive_sharing,
)


def _derive_checker() -> tuple[Step, ...]:
    fired, lost, inside, outside, floor, above = symbols("w_1 w_2 F_1 F_2 f v", positive=True)
    share = lost / (fired + lost)

    def mixed(missed_fidelity: Expr) -> Expr:
        return (fired * inside + lost * missed_fidelity) / (fired + lost)

    return (
        Equal("total expectation", mixed(outside), (1 - share) * inside + share * outside),
        Positive(
            "fidelity after a miss is not negative, and f at least where the rule fired",
            mixed(outside).subs(inside, floor + above) - (1 - share) * floor,
        ),
        Equal(
            "if the misses are independent of the plain fidelity, so is its mean",
            (fired * outside + lost * outside) / (fired + lost),
            outside,
        ),
    )


FIRES_AND_MISSES = Assumption(
    "fires and misses", "the checker fires at times and misses at times", And(Gt(missed, 0), Lt(missed, 1))
)

IMPERFECT_CHECKER = Statement(
    id="E3",
    name="imperfect-checker",
    title="A checker that misses costs the promise in proportion",
    kind=Kind.IDENTITY,
    source="own; elementary (total expectation)",
    uses=("E1",),
    about="checker",
    assumptions=(FIRES_AND_MISSES,),
    claim=(
        Clause("expectation", Eq(mean_fidelity, EXPECTED_FIDELITY)),
        Clause("at least", Ge(mean_fidelity, (1 - missed) * promise)),
        Clause(
            "independent misses",
            Eq(mean_fidelity, EXPECTED_FIDELITY.subs(mean_missed, mean_plain)),
            Eq(mean_missed, mean_plain),
        ),
    ),
    derive=_derive_checker,
)


def _derive_reloading() -> tuple[Step, ...]:
    first, second, fired, lost = symbols("n_1 n_2 w_1 w_2", positive=True)
    floor, share, other, above = symbols("f q_1 q_2 v", nonnegative=True)
    outside, more = symbols("F_2 u", nonnegative=True)
    horizon, start = symbols("T T_0", positive=True)
    caught = fired / (fired + lost)

    def mean(one: Expr, two: Expr) -> Expr:
        return (first * one + second * two) / (first + second)

    return (
        Positive(
            "at one time (E3): fidelity after a miss is not negative, and at least the promise where the rule fired",
            caught * (floor + above) + (1 - caught) * outside - caught * floor,
            strict=False,
        ),
        Positive(
            "every version's promise is at least f",
            caught * (floor + above) - caught * floor,
            strict=False,
        ),
        Equal(
            "the mean over the times, here of two versions, is linear in their misses",
            mean(floor * (1 - share), floor * (1 - other)),
            floor * (1 - mean(share, other)),
        ),
        Positive(
            "so larger numbers in the place of the misses give a lower bound",
            mean(share + above, other + more) - mean(share, other),
            strict=False,
        ),
        Positive(
            "at most every case is missed at the first times, and at most q_late at the others",
            first / (first + second) + other - mean(caught, other),
            strict=False,
        ),
        Limit(
            "the first times count less and less: if q_t tends to 0, no number below f is a limit of the means",
            floor * (1 - start / horizon - other),
            horizon,
            S.Infinity,
            floor * (1 - other),
        ),
        Positive(
            "each version's bound fails with at most the version's error (H5): some bound fails with at most their sum",
            (1 - (share + other)) - (1 - (share + above) - (other + more)),
            strict=False,
        ),
    )


RELOADED_CHECKER = Statement(
    id="E4",
    name="reloaded-checker",
    title="A checker replaced while running keeps its promise but for the mean of its misses over time",
    kind=Kind.ONE_SIDED,
    source="own; total expectation, and the union bound over the versions' exact binomial bounds",
    uses=("E3", "H5"),
    about="reloaded checker",
    assumptions=(
        Assumption("error split", "the errors of the versions' bounds sum to at most alpha_E", Le(errors, error_all)),
    ),
    claim=(
        Clause("attained", Eq(fidelity_least, promise * (1 - missed_mean))),
        Clause("at least", Ge(fidelity_mean, promise * (1 - missed_mean))),
        Clause("own promises", Ge(fidelity_mean, kept_mean)),
        Clause("late misses", Ge(fidelity_mean, promise * (1 - early / times - missed_late))),
        Clause("from bounds", Ge(fidelity_mean, promise * (1 - missed_most)), Ge(spare, 0)),
        Clause("all bounds covered", Ge(covered_all, 1 - error_all)),
    ),
    derive=_derive_reloading,
)
