"""D3 and G1-G4: results of others on a pointer and on one row, stated beside ours so that the same methods check both.

A statement without steps cites its proof; G3's is short enough to derive.
"""

from __future__ import annotations

from sympy import Abs, And, Expr, Ge, Gt, Le, Rational, S, exp, log, sqrt, symbols

from theory.derivation import AboveTangent, Equal, Positive, Step
from theory.design_symbols import (
    H_any,
    TV_any,
    blocks,
    error,
    error_allowed,
    information,
    moved_row,
    moved_scores,
    norm,
    surprise_variance,
)
from theory.functions import BinaryEntropy
from theory.statement import Assumption, Clause, Kind, Statement, Witness
from theory.statements.entropy import chain_rule_step
from theory.symbols import H, k, m, tau

_n = m + k
_STRETCHED = norm * sqrt(_n / (_n - 1))
_REST = (_n - 1) * exp(-_STRETCHED)
ENTROPY_MIN_ZHAI = log(1 + _REST) + _STRETCHED * _REST / (1 + _REST)

INFORMATION_NEEDED = log(blocks) - BinaryEntropy(error) - error * log(blocks - 1)


def _cited() -> tuple[Step, ...]:
    return ()


ZHAI_ENTROPY = Statement(
    id="G1",
    name="zhai-entropy-below",
    title="The entropy of a row is at least that of one key above the others, at the same norm of the scores",
    kind=Kind.KNOWN,
    source="Zhai et al. 2023, arXiv 2303.06296, theorem 3.1, whose N is a spectral norm of the logits, at least the "
    "Euclidean norm of every row less its mean; the bound falls in N, so this form implies theirs",
    uses=("A5",),
    about="row beside another",
    claim=(Clause("norm", Ge(H, ENTROPY_MIN_ZHAI)),),
    witnesses=(Witness("norm", block=((tau * _STRETCHED, S.One),), complement=((0 * tau, _n - 1),)),),
    derive=_cited,
)

ENTROPY_CONTINUITY = Statement(
    id="G2",
    name="entropy-continuity",
    title="Rows close in total variation are close in entropy",
    kind=Kind.KNOWN,
    source="Audenaert 2007, A sharp continuity estimate for the von Neumann entropy, after Fannes 1973; classical case",
    about="row beside another",
    claim=(
        Clause(
            "entropies",
            Le(Abs(H - H_any), TV_any * log(_n - 1) + BinaryEntropy(TV_any)),
            Gt(TV_any, 0),
        ),
    ),
    derive=_cited,
)


def _derive_lipschitz() -> tuple[Step, ...]:
    x, y, mass, slack = symbols("x y a v", real=True)
    share = symbols("o", positive=True)
    inside = 1 / (1 + share)
    return (
        Equal(
            "the Jacobian's quadratic form is the variance of the direction under the row, at most the mean square "
            "about the middle of its range",
            mass * x**2 + (1 - mass) * y**2 - (mass * x + (1 - mass) * y) ** 2,
            mass * (x - (x + y) / 2) ** 2
            + (1 - mass) * (y - (x + y) / 2) ** 2
            - (mass * x + (1 - mass) * y - (x + y) / 2) ** 2,
        ),
        Positive(
            "every entry lies within half the range of that middle: the variance is at most a quarter of its square",
            ((x - y) ** 2 / 4 - inside * (1 - inside) * (x - y) ** 2),
            strict=False,
        ),
        Equal(
            "and the squared range at most twice the squared norm: the Jacobian's norm is at most 1/2",
            2 * (x**2 + y**2) - (x - y) ** 2,
            (x + y) ** 2,
        ),
        Equal(
            "attained in the limit: two keys alike, moved apart",
            Rational(1, 2) * (1 - Rational(1, 2)) * (2 * slack) ** 2,
            Rational(1, 2) * (2 * slack**2),
        ),
    )


SOFTMAX_LIPSCHITZ = Statement(
    id="G3",
    name="softmax-lipschitz",
    title="Softmax moves at most half as far as its scores, over the temperature",
    kind=Kind.KNOWN,
    source="Nair 2025, arXiv 2510.23012, for every p-norm; in the Euclidean norm by Popoviciu's inequality",
    about="row beside another",
    claim=(Clause("Euclidean", Le(4 * moved_row, moved_scores)),),
    derive=_derive_lipschitz,
)

SURPRISE_VARIANCE = Statement(
    id="G4",
    name="surprise-variance",
    title="The variance of the surprise is at most a quarter of log^2(n-1), plus 1",
    kind=Kind.KNOWN,
    source="Reeb and Wolf 2015, Tight bound on relative entropy by entropy difference (arXiv 1304.0036)",
    about="row beside another",
    claim=(Clause("variance", Le(surprise_variance, log(_n - 1) ** 2 / 4 + 1)),),
    derive=_cited,
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
