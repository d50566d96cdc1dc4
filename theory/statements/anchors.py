"""D1, D2 and D4: what designed anchors promise, how many fit, and what copies of one save and cost."""

from __future__ import annotations

from sympy import (
    And,
    Eq,
    Equivalent,
    Ge,
    Gt,
    Implies,
    Le,
    Lt,
    Max,
    S,
    acos,
    asin,
    cos,
    exp,
    expand_trig,
    log,
    sin,
    sqrt,
    symbols,
)

from theory.derivation import Equal, Limit, Positive, RisesFromZero, Step
from theory.design_symbols import (
    H_few,
    H_many,
    H_up,
    alpha,
    anchors,
    coherence,
    coherence_orthoplex,
    coherence_simplex,
    copies,
    dimension,
    distance,
    eps_few,
    eps_one,
    eps_up,
    failure,
    few,
    many,
)
from theory.functions import CapShare
from theory.statement import Assumption, Clause, Kind, Statement, Witness
from theory.statements.entropy import mixture_entropy
from theory.statements.leak import MARGIN_THRESHOLD, two_level_entropy
from theory.symbols import Delta, H, H_mask, d, delta, eps, eps_target, k, m, sbar_B, sbar_C, tau

ANCHOR_ANGLE = acos(coherence)
KEY_ANGLE = 2 * asin(distance / 2)
BRACKET = cos(KEY_ANGLE) - cos(Max(0, ANCHOR_ANGLE - KEY_ANGLE))
BRACKET_SIMPLE = 1 - coherence - 2 * distance
SCALE_NEEDED = tau * Max(0, MARGIN_THRESHOLD) / BRACKET

SIMPLEX = -1 / (anchors - 1)
PAIRS = anchors * (anchors - 1) / 2
RANDOM_COHERENCE = sqrt(2 * log(PAIRS / failure) / dimension)

SEPARATION_WITH_COPIES = MARGIN_THRESHOLD.subs(m, 1) - log(copies)
# Mass outside over that of one copy, and how far a copy's score is above the mean outside, in nats.
OUTSIDE = eps_one / (1 - eps_one)
ABOVE_MEAN = (sbar_B - sbar_C) / tau
COPIES_FOR_LEAK = OUTSIDE * (1 - eps_target) / eps_target
COPIES_OF_LEAST_ENTROPY = (ABOVE_MEAN - 1) * OUTSIDE


def _derive_margin() -> tuple[Step, ...]:
    x, y, z, first, second = symbols("x y z a b", real=True)
    apart, off, below, above = symbols("theta phi v w", positive=True)
    gram = 1 + 2 * x * y * z - x**2 - y**2 - z**2
    planar = cos(off) - cos(apart - off)
    return (
        Equal(
            "unit vectors at the angle phi stand 2 sin(phi/2) apart",
            (1 - cos(off)) ** 2 + sin(off) ** 2,
            (2 * sin(off / 2)) ** 2,
        ),
        Equal(
            "the Gram determinant of three unit vectors is not negative: an inner product x lies within "
            "sin a sin b of y z = cos a cos b",
            gram,
            (1 - y**2) * (1 - z**2) - (x - y * z) ** 2,
        ),
        Equal(
            "so it is at most cos(a - b)",
            cos(first) * cos(second) + sin(first) * sin(second),
            expand_trig(cos(first - second)),
        ),
        Equal(
            "and at least cos(a + b): angles obey the triangle inequality, so block keys stand within phi of the "
            "query and the others at least theta - phi from it",
            cos(first) * cos(second) - sin(first) * sin(second),
            expand_trig(cos(first + second)),
        ),
        Equal(
            "in the plane, on the near side of each anchor, both happen at once: the bound is attained",
            (cos(off) - (cos(apart) * cos(off) + sin(apart) * sin(off))),
            expand_trig(planar),
        ),
        Equal(
            "the bound as a product, positive exactly where 2 phi < theta",
            2 * sin(apart / 2) * sin(apart / 2 - off),
            planar,
        ),
        Positive(
            "the simple form: by Cauchy-Schwarz an inner product moves by at most the distance of the key",
            ((1 - distance + below) - (coherence + distance - above)) - BRACKET_SIMPLE,
        ),
    )


UNIT_ANCHORS = Assumption("unit anchors", "every anchor has length 1")
ALONG_ANCHOR = Assumption("along its anchor", "the query points along the anchor of its block")
EQUAL_KEYS = Assumption("equal keys", "all keys have one norm")

ANCHOR_MARGIN = Statement(
    id="D1",
    name="anchor-margin",
    title="Anchors far apart, and keys near their anchors, give a margin",
    kind=Kind.SHARP,
    source="own, after seed claim that anchors are designed information-theoretically (arXiv 2510.09338)",
    uses=("A2", "A3"),
    about="anchored head",
    assumptions=(UNIT_ANCHORS, ALONG_ANCHOR, EQUAL_KEYS),
    claim=(
        Clause("margin", Ge(delta, alpha * BRACKET)),
        Clause("simple", Ge(delta, alpha * BRACKET_SIMPLE)),
        Clause("sign", Equivalent(Gt(BRACKET, 0), Lt(2 * KEY_ANGLE, ANCHOR_ANGLE))),
        Clause("scale", Implies(Ge(alpha, SCALE_NEEDED), Le(eps, eps_target)), Lt(2 * KEY_ANGLE, ANCHOR_ANGLE)),
    ),
    witnesses=(
        Witness(
            "margin",
            block=((alpha * cos(KEY_ANGLE), m),),
            complement=((alpha * cos(Max(0, ANCHOR_ANGLE - KEY_ANGLE)), k),),
        ),
    ),
    derive=_derive_margin,
)


def _derive_capacity() -> tuple[Step, ...]:
    count = symbols("M", integer=True, positive=True)
    mean, first, second, inner = symbols("mu x y z", positive=True)
    height, beyond = symbols("v w", nonnegative=True)
    # Past t^2 = 1/2: t^2 = 1/(1 + w) with w at most 1.
    squared = 1 / (1 + beyond)
    far = log(2) + log(squared) / 2 - squared / 2
    return (
        Equal(
            "the squared length of the sum of M unit anchors, when every pair has inner product mu: it is not "
            "negative, so mu >= -1/(M-1)",
            (count + count * (count - 1) * mean).subs(mean, -1 / (count - 1)),
            S.Zero,
        ),
        Equal(
            "the basis vectors of R^M less their mean attain it, in M - 1 dimensions",
            -(1 / count) / (1 - 1 / count),
            -1 / (count - 1),
        ),
        Positive(
            "anchors that all point away from one another still do so with one of them projected out: with "
            "inner products -x, -y to it and -z, the rest have -z - x y < 0. A line holds 2 of them, so R^p "
            "holds p + 1",
            -(-inner - (-first) * (-second)),
        ),
        RisesFromZero(
            "a cap of height t takes at most the share of a ball of radius sqrt(1 - t^2) = 1/sqrt(1 + v), and "
            "(1 - t^2)^(p/2) <= exp(-p t^2/2)",
            log(1 + height) - height / (1 + height),
            height,
        ),
        Positive(
            "and, for t^2 >= 1/2, of a ball of radius 1/(2t): log(2t) - t^2/2 rises in t^2",
            (log(first) / 2 - first / 2).diff(first).subs(first, squared),
            strict=False,
        ),
        Positive("from a positive value at t^2 = 1/2", far.subs(beyond, 1)),
        Equal(
            "so each of the M(M-1)/2 pairs fails with probability at most q over their number",
            exp(-dimension * RANDOM_COHERENCE**2 / 2),
            failure / PAIRS,
        ),
    )


ANCHOR_CAPACITY = Statement(
    id="D2",
    name="anchor-capacity",
    title="A simplex of p + 1 anchors, an orthoplex of 2p, or random ones",
    kind=Kind.KNOWN,
    source="Rankin 1955, The closest packing of spherical caps in n dimensions; the cap: Ball 1997, An elementary "
    "introduction to modern convex geometry, lemma 2.2",
    about="anchor set",
    assumptions=(UNIT_ANCHORS, Assumption("two anchors", "there are at least 2 anchors", Ge(anchors, 2))),
    claim=(
        Clause("simplex least", Ge(coherence, SIMPLEX)),
        Clause("simplex attained", Eq(coherence_simplex, SIMPLEX), Le(anchors, dimension + 1)),
        Clause("orthoplex least", Ge(coherence, 0), Gt(anchors, dimension + 1)),
        Clause(
            "orthoplex attained",
            Eq(coherence_orthoplex, 0),
            And(Gt(anchors, dimension + 1), Le(anchors, 2 * dimension)),
        ),
        Clause(
            "random",
            Le(PAIRS * CapShare(dimension, RANDOM_COHERENCE), failure),
            And(Ge(dimension, 2), Le(RANDOM_COHERENCE, 1)),
        ),
    ),
    derive=_derive_capacity,
)


def _derive_redundancy() -> tuple[Step, ...]:
    number, rest, leak = symbols("R W e", positive=True)
    level, above, outside = symbols("s g H_C", real=True)
    beyond, short, small = symbols("v w x", nonnegative=True)
    entropy = log(number + rest) + above * rest / (number + rest)
    slope = (number - (above - 1) * rest) / (number + rest) ** 2
    share, needed = number / (number + rest), rest * (1 - leak) / leak
    return (
        Equal(
            "R copies weigh as much as one whose score is higher by tau log R",
            number * exp(level / tau),
            exp((level + tau * log(number)) / tau),
        ),
        Equal(
            "so the separation needed (A3 with m = R) is lower by log R",
            MARGIN_THRESHOLD.subs(m, copies),
            SEPARATION_WITH_COPIES,
        ),
        Limit(
            "and the floor of the entropy bound (A4) higher by log R: it was log 1 = 0",
            two_level_entropy(upper=copies),
            d,
            S.Infinity,
            log(copies),
        ),
        Equal(
            "at one leak the entropy rises by less: by the chain rule (A4) only the mass on the copies is spread",
            mixture_entropy(share, log(number), outside) - mixture_entropy(share, S.Zero, outside),
            share * log(number),
        ),
        Equal(
            "R = W (1-e)/e copies leak e, for W the mass outside over that of one copy",
            rest / (needed + rest),
            leak,
        ),
        Positive("and the leak falls in R", -(rest / (number + rest)).diff(number)),
        Equal(
            "for copies g nats above the mean score outside, the entropy outside is g + log W (B2 with one copy)",
            mixture_entropy(share, log(number), above + log(rest)),
            entropy,
        ),
        Equal("slope of the entropy in R", entropy.diff(number), slope),
        Positive(
            "it is not negative from R = (g - 1) W on",
            slope.subs(above, 1 + (number - beyond) / rest),
            strict=False,
        ),
        Positive(
            "and not positive up to there: the entropy falls, then rises, and the copies that keep it below a target "
            "are an interval",
            -slope.subs(above, 1 + (number + beyond) / rest),
            strict=False,
        ),
        Positive(
            "where the leak is at most e and g at most 1/e, it only rises",
            slope.subs({number: needed + beyond, above: 1 / leak - short}, simultaneous=True),
            strict=False,
        ),
        Equal(
            "what the entropy has over log R, for W = R x",
            (entropy - log(number)).subs(rest, number * small),
            log(1 + small) + above * small / (1 + small),
        ),
        Positive(
            "is not negative where g is not",
            log(1 + small) + beyond * small / (1 + small),
            strict=False,
        ),
    )


REDUNDANCY = Statement(
    id="D4",
    name="anchor-redundancy",
    title="At one leak, R copies of an anchor save log R of separation and cost (1 - leak) log R of entropy",
    kind=Kind.IDENTITY,
    source="own, after seed claim that anchors are designed information-theoretically (arXiv 2510.09338)",
    uses=("A3", "A4", "B2"),
    about="copied anchor",
    assumptions=(
        Assumption("equal copies", "the copies have one score"),
        Assumption("few and many", "R_u lies between the other two numbers", And(Le(few, copies), Le(copies, many))),
    ),
    claim=(
        Clause("score saved", Eq(eps, eps_up)),
        Clause("separation saved", Equivalent(Le(eps, eps_target), Ge(Delta, SEPARATION_WITH_COPIES))),
        Clause("floor", Eq(H_mask, log(copies))),
        Clause("entropy paid", Eq(H, H_up + (1 - eps) * log(copies))),
        Clause("at least the floor", Ge(H, log(copies)), Ge(ABOVE_MEAN, 0)),
        Clause("copies for the leak", Equivalent(Le(eps, eps_target), Ge(copies, COPIES_FOR_LEAK))),
        Clause("leak falls", Le(eps, eps_few)),
        Clause("one interval", Le(H, Max(H_few, H_many))),
        Clause("entropy falls first", Le(H, H_few), Le(copies, COPIES_OF_LEAST_ENTROPY)),
        Clause("entropy rises", Ge(H, H_few), Ge(few, COPIES_OF_LEAST_ENTROPY)),
        Clause(
            "rises where the leak is kept",
            Ge(H, H_few),
            And(Le(eps_few, eps_target), Le(ABOVE_MEAN * eps_target, 1)),
        ),
    ),
    derive=_derive_redundancy,
)
