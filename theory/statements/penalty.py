"""B4: a penalty on off-block attention is a shift of the logits, and so is the dial."""

from __future__ import annotations

from sympy import Eq, Ge, Implies, Le, Max, S, exp, log, symbols

from theory.derivation import AboveTangent, Equal, Step
from theory.functions import Logistic
from theory.statement import Clause, Kind, Statement
from theory.statements.dial import DIAL_BIAS
from theory.statements.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.symbols import (
    Delta,
    J_any,
    J_soft,
    d,
    delta,
    delta_mean,
    eps_pen,
    eps_target,
    k,
    lam,
    m,
    pen,
    tau,
)

SEPARATION = (delta + pen) / tau
PENALTY_NEEDED = Max(0, tau * MARGIN_THRESHOLD - delta)


def _derive() -> tuple[Step, ...]:
    p, s, total, x, ratio = symbols("p s Z x q", positive=True)
    # One key, score s over tau 1 after the shift: softmax mass q = e^s/Z.
    objective_term = p * s - p * log(p)
    open_dial = symbols("o", positive=True)
    return (
        Equal(
            "one key's term of the penalised objective is that of -KL(p || a), plus log Z times its mass",
            objective_term.subs(s, log(ratio * total)),
            -p * log(p / ratio) + p * log(total),
        ),
        AboveTangent(
            "KL >= 0, by log x <= x - 1 on each ratio: the shifted softmax maximises",
            x - 1 - log(x),
            x,
            S.One,
        ),
        Equal(
            "dial and penalty are the same shift",
            (DIAL_BIAS / tau).subs(lam, open_dial / (1 + open_dial)),
            log(1 + open_dial),
        ),
        Equal(
            "the penalty adds to the margin, so A2 at the shifted separation gives the target",
            LEAK_MAX.subs(d, MARGIN_THRESHOLD).expand(func=True),
            eps_target,
        ),
        Equal(
            "exponential form at the shifted separation",
            k / m * exp(-SEPARATION),
            (k / m * exp(-d)).subs(d, SEPARATION),
        ),
    )


PENALTY_DUALITY = Statement(
    id="B4",
    name="penalty-dial-duality",
    title="Penalised attention is softmax of shifted scores: the threshold theorem with its constants",
    kind=Kind.IDENTITY,
    source="own, after seed claim that penalties above a threshold localise attention (arXiv 2510.09338)",
    uses=("A2", "A3", "B1"),
    claim=(
        Clause("maximiser", Le(J_any, J_soft)),
        Clause("soft margin", Eq(eps_pen, Logistic(-(Delta + pen / tau + log(m / k))))),
        Clause("threshold", Implies(Ge(pen, PENALTY_NEEDED), Le(eps_pen, eps_target))),
        Clause(
            "mean threshold",
            Implies(Ge(pen, PENALTY_NEEDED.subs(delta, delta_mean)), Le(eps_pen, eps_target)),
        ),
        Clause("exact threshold", Implies(Le(eps_pen, eps_target), Ge(pen, tau * (MARGIN_THRESHOLD - Delta)))),
        Clause("exponential", Le(eps_pen, k / m * exp(-SEPARATION))),
    ),
    derive=_derive,
)
