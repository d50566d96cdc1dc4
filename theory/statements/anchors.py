"""D1-D3: what designed anchors promise: a margin, how many fit, and the information a pointer must carry."""

from __future__ import annotations

from sympy import (
    And,
    Eq,
    Equivalent,
    Expr,
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

from theory.derivation import AboveTangent, Equal, Positive, RisesFromZero, Step
from theory.design_symbols import (
    alpha,
    anchors,
    blocks,
    coherence,
    coherence_orthoplex,
    coherence_simplex,
    dimension,
    distance,
    error,
    error_allowed,
    failure,
    information,
)
from theory.functions import BinaryEntropy, CapShare
from theory.statement import Assumption, Clause, Kind, Statement, Witness
from theory.statements.entropy import chain_rule_step
from theory.statements.leak import MARGIN_THRESHOLD
from theory.symbols import delta, eps, eps_target, k, m, tau

ANCHOR_ANGLE = acos(coherence)
KEY_ANGLE = 2 * asin(distance / 2)
BRACKET = cos(KEY_ANGLE) - cos(Max(0, ANCHOR_ANGLE - KEY_ANGLE))
BRACKET_SIMPLE = 1 - coherence - 2 * distance
SCALE_NEEDED = tau * Max(0, MARGIN_THRESHOLD) / BRACKET

SIMPLEX = -1 / (anchors - 1)
PAIRS = anchors * (anchors - 1) / 2
RANDOM_COHERENCE = sqrt(2 * log(PAIRS / failure) / dimension)

INFORMATION_NEEDED = log(blocks) - BinaryEntropy(error) - error * log(blocks - 1)


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


def fano_slope() -> Expr:
    """Derivative in the error of Fano's bound on the conditional entropy, `h(e) + e log(M-1)`."""
    return (BinaryEntropy(error) + error * log(blocks - 1)).diff(error).expand(func=True)


def _derive_information() -> tuple[Step, ...]:
    mass, part, ratio = symbols("mass part x", positive=True)
    others = symbols("N", positive=True)
    surplus = symbols("v", nonnegative=True)
    # At or below guessing, 1 - e = (1 + v)/(M + v) and e = (M - 1)/(M + v).
    below_guessing = others / (others + 1 + surplus)
    return (
        chain_rule_step(mass, part),
        AboveTangent(
            "log x <= x - 1: the target given the pointer is no more uncertain than a row with mass e spread evenly "
            "over the M - 1 other blocks",
            ratio - 1 - log(ratio),
            ratio,
            S.One,
        ),
        Equal(
            "entropy of that row",
            -(1 - mass) * log(1 - mass) - others * (mass / others) * log(mass / others),
            BinaryEntropy(mass).expand(func=True) + mass * log(others),
        ),
        Positive(
            "what is left unknown rises in the error as long as the pointer does no worse than guessing",
            fano_slope().subs(blocks, others + 1).subs(error, below_guessing),
            strict=False,
        ),
        Equal(
            "guessing needs no information",
            INFORMATION_NEEDED.expand(func=True).subs(blocks, others + 1).subs(error, others / (others + 1)),
            S.Zero,
        ),
    )


UNIFORM_TARGET = Assumption("uniform target", "every block is the target equally often")

POINTER_INFORMATION = Statement(
    id="D3",
    name="pointer-information",
    title="A pointer that rarely errs carries almost all the information about its target",
    kind=Kind.KNOWN,
    source="Fano 1961, Transmission of Information; equality at symmetric errors",
    about="pointer channel",
    assumptions=(UNIFORM_TARGET, Assumption("two blocks", "there are at least 2 blocks", Ge(blocks, 2))),
    claim=(
        Clause("error", Ge(information, INFORMATION_NEEDED)),
        Clause(
            "error allowed",
            Ge(information, INFORMATION_NEEDED.subs(error, error_allowed)),
            And(Le(error, error_allowed), Le(error_allowed, 1 - 1 / blocks)),
        ),
    ),
    derive=_derive_information,
)
