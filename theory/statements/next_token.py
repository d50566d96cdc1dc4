"""H2: how far the next-token distribution moves where its logits move, in terms of the range of their moves."""

from __future__ import annotations

from sympy import Eq, Expr, Gt, Le, Lt, S, exp, log, symbols

from theory.derivation import Equal, Limit, Positive, Step
from theory.functions import Logistic
from theory.output_symbols import KL_back, KL_z, TV_pair, TV_z, move_log, rho
from theory.statement import Clause, Kind, Statement
from theory.statements.range_deficit import QUADRATIC, RANGE_DEFICIT
from theory.symbols import r

TV_MAX: Expr = 2 * Logistic(rho / 2) - 1
KL_MAX = RANGE_DEFICIT.subs(r, rho)
KL_QUADRATIC = QUADRATIC.subs(r, rho)


def _variation() -> tuple[Step, ...]:
    odds, growth, inside, outside, x, y, gap = symbols("o y a b u v rho", positive=True)
    more = symbols("x", nonnegative=True)
    root = 1 + more
    gained = odds * growth / (1 + odds * growth) - odds / (1 + odds)
    return (
        Equal(
            "the odds of any set of tokens grow by the ratio of the means of e^move in it and off it",
            (x * inside / (x * inside + y * outside)) / (y * outside / (x * inside + y * outside)),
            x / y * (inside / outside),
        ),
        Positive("a ratio that is at most e^rho; the mass gained rises with it", gained.diff(growth)),
        Equal(
            "at the ratio s^2 = e^rho the gain falls short of (s - 1)/(s + 1) by a square",
            (root - 1) / (root + 1) - gained.subs(growth, root**2),
            (root - 1) * (1 - odds * root) ** 2 / ((root + 1) * (1 + odds) * (1 + odds * root**2)),
        ),
        Equal(
            "which is tanh(rho/4)",
            (exp(gap / 2) - 1) / (exp(gap / 2) + 1),
            TV_MAX.subs(rho, gap).expand(func=True),
        ),
    )


def _divergence() -> tuple[Step, ...]:
    first, second, share_odds, gap = symbols("p_1 p_2 o rho", positive=True)
    up, down = symbols("e_1 e_2", real=True)
    total, moved = first + second, first * exp(up) + second * exp(down)
    masses = ((first, up), (second, down))
    share = 1 / (1 + share_odds)
    at_ends = log(1 - share + share * exp(gap)) - share * gap
    mean = (exp(gap) - 1) / gap
    best = (exp(gap) - 1) / (mean - 1) - 1
    x = symbols("x", positive=True)
    return (
        Equal(
            "the divergence is the log-mean of e^move less the mean move",
            sum(mass / total * (log(mass / total) - log(mass * exp(move) / moved)) for mass, move in masses),
            log(moved / total) - sum(mass / total * move for mass, move in masses),
        ),
        Equal(
            "and the other one is the same of the moves back",
            sum(
                mass * exp(move) / moved * (log(mass * exp(move) / moved) - log(mass / total)) for mass, move in masses
            ),
            log(total / moved) + sum(mass * exp(move) / moved * move for mass, move in masses),
        ),
        Positive("e^x is convex: with a given mean it is largest where every move is at an end", exp(x).diff(x, 2)),
        Positive("of two ends it is concave in the share of the upper one", -log(1 + first * x).diff(first, 2)),
        Equal("level at the best odds of the lower one", at_ends.diff(share_odds).subs(share_odds, best), S.Zero),
        Equal("where it is the law of A5, at most rho^2/8", at_ends.subs(share_odds, best), KL_MAX.subs(rho, gap)),
        Limit(
            "no smaller multiple of rho^2 will do",
            at_ends.subs(share_odds, 1) / KL_QUADRATIC.subs(rho, gap),
            gap,
            S.Zero,
            S.One,
        ),
    )


def _log_probability() -> tuple[Step, ...]:
    rare, rest = symbols("p x", positive=True)
    gap = symbols("rho", positive=True)
    below = symbols("w", nonnegative=True)
    return (
        Positive(
            "a token's log-probability moves by its own move less a log-mean of e^move, a number between the ends",
            gap - (gap - below) / (1 + rest),
            strict=False,
        ),
        Limit(
            "a rare token that alone moves comes as near to rho as one likes",
            gap - log((1 - rare) + rare * exp(gap)),
            rare,
            S.Zero,
            gap,
        ),
    )


def _derive() -> tuple[Step, ...]:
    return (*_variation(), *_divergence(), *_log_probability())


NEXT_TOKEN = Statement(
    id="H2",
    name="next-token",
    title="The range of the logits' moves bounds how far the next-token distribution moves",
    kind=Kind.SHARP,
    source="own; the quadratic bound is Hoeffding's lemma (1963)",
    uses=("A5",),
    about="moved logits",
    claim=(
        Clause("total variation", Le(TV_z, TV_MAX)),
        Clause("attained", Eq(TV_pair, TV_MAX)),
        Clause("divergence", Le(KL_z, KL_MAX), Gt(rho, 0)),
        Clause("divergence back", Le(KL_back, KL_MAX), Gt(rho, 0)),
        Clause("quadratic", Le(KL_z, KL_QUADRATIC)),
        Clause("quadratic back", Le(KL_back, KL_QUADRATIC)),
        Clause("log-probability", Le(move_log, rho)),
        Clause("log-probability, strictly", Lt(move_log, rho), Gt(rho, 0)),
    ),
    derive=_derive,
)
