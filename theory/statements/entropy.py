"""A4: the largest entropy of a row, given its fidelity or its separation."""

from __future__ import annotations

from sympy import Eq, Expr, Ge, Le, Lt, Piecewise, S, Symbol, exp, expand_log, log, symbols

from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.functions import BinaryEntropy, Logistic
from theory.statement import Clause, Kind, Statement, Witness
from theory.statements.leak import LEAK_MAX, two_level_entropy
from theory.symbols import H_B, H_C, Delta, F, H, H_pair, H_two, d, d_mean, eps, k, m, tau

CHAIN_RULE = BinaryEntropy(eps) + F * H_B + eps * H_C
GIVEN_FIDELITY = BinaryEntropy(eps) + F * log(m) + eps * log(k)
TWO_LEVEL = log(m + k * exp(-d)) + d * LEAK_MAX
ONE_PAIR = log(m + k - 2 + exp(BinaryEntropy(Logistic(d))))
ENTROPY_MAX = Piecewise((TWO_LEVEL, d >= 0), (ONE_PAIR, True))
EXPONENTIAL = log(m) + k / m * (1 + d) * exp(-d)


def mixture_entropy(share: Expr, entropy: Expr, other_entropy: Expr) -> Expr:
    """Entropy of a mixture of two disjoint parts, from the definition (the chain rule is a step that checks it)."""
    return -share * log(share) - (1 - share) * log(1 - share) + share * entropy + (1 - share) * other_entropy


def chain_rule_step(mass: Symbol, part: Symbol) -> Step:
    """One key's term: with `a = mass * part`, `-a log a` splits, and sums over the block to the chain rule."""
    return Equal(
        "chain rule, one key: a log a for a = mass * part",
        -mass * part * expand_log(log(mass * part), force=True),
        part * (-mass * log(mass)) + mass * (-part * log(part)),
    )


def log_of_size_step() -> Step:
    """Gibbs' inequality in one variable: it bounds an entropy over `m` keys by `log m`."""
    x = symbols("x", positive=True)
    return AboveTangent("log x <= x - 1, which bounds the entropy over m keys by log m", x - 1 - log(x), x, S.One)


def _derive() -> tuple[Step, ...]:
    mass, part, share = symbols("mass part P", positive=True)
    gap = symbols("d", nonnegative=True)
    pair, rest = symbols("h_pair", positive=True), symbols("N", positive=True)
    ratio = symbols("x", positive=True)
    leak = LEAK_MAX.expand(func=True)
    two_level = two_level_entropy()
    given_fidelity = GIVEN_FIDELITY.subs({F: 1 - eps}).subs(eps, leak).expand(func=True)
    split = mixture_entropy(share, pair, log(rest))
    peak = exp(pair) / (exp(pair) + rest)
    small = symbols("v", nonnegative=True)
    pair_share = 1 / (1 + exp(gap))
    return (
        chain_rule_step(mass, part),
        log_of_size_step(),
        Equal(
            "the bound given the fidelity, at the leak of the separation (A1), is the two-level entropy",
            given_fidelity,
            two_level,
        ),
        Equal("the two-level entropy in closed form", two_level, TWO_LEVEL.expand(func=True)),
        Equal("its slope in the separation", two_level.diff(d), -d * leak * (1 - leak)),
        Positive(
            "so it falls for d >= 0, and a soft margin above d (A1) has less entropy",
            (gap * leak * (1 - leak)).subs(d, gap),
            strict=False,
        ),
        RisesFromZero("log(1 + v) <= v, for the exponential form with v = (k/m) e^-d", small - log(1 + small), small),
        Positive("v/(1 + v) <= v, likewise", small - small / (1 + small), strict=False),
        Equal(
            "the leak is v/(1 + v)",
            leak,
            (ratio / (1 + ratio)).subs(ratio, k / m * exp(-d)),
        ),
        Limit("the floor is the entropy of a uniform block", two_level, d, S.Infinity, log(m)),
        Equal(
            "below 0: the best mass of the one pair at gap d against N other keys",
            split.diff(share).subs(share, peak),
            S.Zero,
        ),
        Positive(
            "that is a maximum, since the mixture is concave in the mass",
            -split.diff(share, 2).subs(share, 1 / (1 + ratio)),
        ),
        Positive(
            "a two-level bound is at least the entropy of a uniform block: log(1 + v) and d v/(1 + v) are not negative",
            log(1 + small) + gap * small / (1 + small),
            strict=False,
        ),
        Equal(
            "the pair's scores (1 - sigma(d)) d and -sigma(d) d stand d apart, all other keys at 0: for d = -g",
            (1 - pair_share) * -gap - (-pair_share * -gap),
            -gap,
        ),
        Equal("and its entropy", split.subs(share, peak), log(rest + exp(pair))),
    )


ENTROPY_BOUND = Statement(
    id="A4",
    name="entropy-above",
    title="The entropy of a row is at most that of two-level logits",
    kind=Kind.SHARP,
    source="own, after seed claim on exponential entropy bounds (arXiv 2510.09338)",
    uses=("A1", "A2"),
    claim=(
        Clause("chain rule", Eq(H, CHAIN_RULE)),
        Clause("given fidelity", Le(H, GIVEN_FIDELITY)),
        Clause("given separation", Le(H, TWO_LEVEL), Ge(d, 0)),
        Clause("given mean separation", Le(H, TWO_LEVEL.subs(d, d_mean)), Ge(d_mean, 0)),
        Clause("given soft margin", Le(H, TWO_LEVEL.subs(d, Delta))),
        Clause("exponential", Le(H, EXPONENTIAL), Ge(d, 0)),
        Clause("one pair", Le(H, ONE_PAIR), Lt(d, 0)),
        Clause("attained", Eq(H_two, TWO_LEVEL)),
        Clause("floor", Ge(TWO_LEVEL, log(m)), Ge(d, 0)),
        Clause("one pair attained", Eq(H_pair, ONE_PAIR), Le(d, 0)),
    ),
    witnesses=(
        Witness("given fidelity", block=((tau * d, m),), complement=((0 * d, k),)),
        Witness("given separation", block=((tau * d, m),), complement=((0 * d, k),)),
        Witness("given mean separation", block=((tau * d, m),), complement=((0 * d, k),)),
        Witness("given soft margin", block=((tau * d, m),), complement=((0 * d, k),)),
    ),
    derive=_derive,
)
