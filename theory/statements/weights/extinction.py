"""C4 and C5: after how many steps of a proximal optimiser a penalised block of weights is exactly zero.

Both speak of one block `w`. The optimiser's own step is followed by the proximal step of `eta lam |w|_2`, last and
Euclidean: `S_t(u) = u max(0, 1 - t/|u|)` with `t = eta lam`.
"""

from __future__ import annotations

from sympy import And, Eq, Ge, Le, Lt, Max, S, cosh, exp, expand_log, log, oo, simplify, sinh, sqrt, symbols

from theory.derivation import Equal, Limit, Positive, RisesFromZero, Step, cauchy_schwarz_step
from theory.statement import Assumption, Clause, Kind, Statement
from theory.weight_symbols import (
    G,
    N,
    N_mu,
    b_0,
    b_T,
    beta_1,
    beta_1_t,
    beta_2,
    beta_2_t,
    eta,
    gain,
    gain_mu,
    lam_g,
    mu,
    mu_T,
    p,
    u_t,
    w_0,
    w_1,
    w_T,
)

ADAM_WARNING = (
    "Adam's penalty is dimensionless and its fixed points are not those of the objective: thresholds of C1-C4 say "
    "nothing of a run with Adam, nor C5's of a run with gradient descent"
)

STEPS = w_0 / (eta * (lam_g - G))
_SPED_UP = G / (1 - mu)
STEPS_WITH_MOMENTUM = STEPS.subs(G, _SPED_UP)
FILLED = G * (1 - mu_T) / (1 - mu)
"""Largest norm of the momentum buffer at the end of a run that starts with an empty one."""


def _derive_descent() -> tuple[Step, ...]:
    below, excess = symbols("x y", nonnegative=True)
    earlier = symbols("i", positive=True, integer=True)
    bound = _SPED_UP
    pushed = G * (1 - mu**earlier) / (1 - mu)
    return (
        Equal(
            "one step lengthens the block by at most eta G and shortens it by eta lam, down to 0",
            w_0 + eta * G - eta * lam_g,
            w_0 - eta * (lam_g - G),
        ),
        Equal("so N steps bring it to 0 once N eta (lam - G) reaches w_0", STEPS * eta * (lam_g - G), w_0),
        Positive(
            "and from 0 a step of at most eta G does not get past the shrinkage",
            (eta * lam_g - eta * G).subs(lam_g, G + excess),
            strict=False,
        ),
        Positive(
            "a momentum buffer within G/(1 - mu) stays within it",
            simplify(bound - (mu * (bound - below) + G)),
            strict=False,
        ),
        Equal(
            "a constant gradient fills the buffer by a geometric sum",
            mu * pushed + G,
            pushed.subs(earlier, earlier + 1),
        ),
        Equal(
            "a step adds G mu^t to it",
            pushed.subs(earlier, earlier + 1) - pushed,
            G * mu**earlier,
        ),
        Positive("so it rises, and a penalty above the last is above all of them", G * mu_T, strict=False),
        Equal(
            "from an empty buffer step t so takes eta_t (lam - G (1 - mu^t)/(1 - mu)) off the block, down to 0",
            w_0 + eta * pushed - eta * lam_g,
            w_0 - eta * (lam_g - pushed),
        ),
    )


PROXIMAL_LAST = Assumption("proximal step last", "the proximal step comes last, after the optimiser's own step")
EUCLIDEAN = Assumption(
    "Euclidean proximal step", "the proximal step minimises |z - w|_2^2/2 + eta_t lambda_g |z|_2, Euclidean norms both"
)

EXTINCTION_BY_DESCENT = Statement(
    id="C4",
    name="extinction-by-descent",
    title="Proximal gradient descent empties a block in a counted number of steps, once the penalty is larger",
    kind=Kind.SHARP,
    source="own, after seed claim on explicit thresholds (arXiv 2510.09338); elementary",
    about="descent",
    assumptions=(PROXIMAL_LAST, EUCLIDEAN),
    claim=(
        Clause("one step", Le(w_1, Max(0, w_0 - eta * (lam_g - G)))),
        # An integer is at most the ceiling of x exactly if it is below x + 1.
        Clause("extinct", Lt(N, STEPS + 1), Lt(G, lam_g)),
        Clause("extinct with momentum", Lt(N_mu, STEPS_WITH_MOMENTUM + 1), And(Lt(_SPED_UP, lam_g), Le(b_0, _SPED_UP))),
        Clause("buffer", Le(b_T, FILLED), Eq(b_0, 0)),
        Clause("extinct from an empty buffer", Eq(w_T, 0), And(Eq(b_0, 0), Ge(gain_mu, w_0), Ge(lam_g, FILLED))),
    ),
    derive=_derive_descent,
)

_RHO_T, _RHO = beta_1_t**2 / beta_2_t, beta_1**2 / beta_2
UPDATE_SQUARE = ((1 - beta_1) / (1 - beta_1_t)) ** 2 * ((1 - beta_2_t) / (1 - beta_2)) * ((1 - _RHO_T) / (1 - _RHO))
"""`c_t^2`: the largest square of a coordinate of Adam's bias-corrected update at step `t`."""
LIMIT_SQUARE = (1 - beta_1) ** 2 / ((1 - beta_2) * (1 - _RHO))


def _derive_update() -> tuple[Step, ...]:
    b1, b2, x, past, age = symbols("b1 b2 x j k", positive=True)
    ratio = b1**2 / b2
    return (
        cauchy_schwarz_step("|sum b1^k g_k| <= sqrt(sum (b1^2/b2)^k) sqrt(sum b2^k g_k^2)"),
        Equal("the weights split so", expand_log(log(b1 ** (2 * age)), force=True), log(b2) * age + log(ratio) * age),
        Equal("each sum is geometric", (1 - x**age) / (1 - x) + x**age, (1 - x ** (age + 1)) / (1 - x)),
        Equal(
            "equality where b1^k g_k and (b1^2/b2)^k are in proportion, which g ~ (b2/b1)^past gives at every step",
            expand_log(log(b1**age * (b2 / b1) ** past / ratio**age), force=True),
            expand_log(log((b2 / b1) ** (past + age)), force=True),
        ),
        Equal("the first step is 1", UPDATE_SQUARE.subs({beta_1_t: beta_1, beta_2_t: beta_2}), S.One),
        Limit("beta_1^t, beta_2^t and rho^t tend to 0, which leaves c_inf", exp(-x * age), age, oo, S.Zero),
    )


def _derive_rising() -> tuple[Step, ...]:
    t, y = symbols("t y", positive=True)
    z = symbols("z", nonnegative=True)
    bend = log(sinh(t * y) / sinh(y)).diff(y, 2)
    return (
        Equal(
            "with b = e^-2y a geometric sum is e^{-(t-1)y} sinh(ty)/sinh(y), whose exponentials cancel in c_t",
            (1 - exp(-2 * t * y)) / (1 - exp(-2 * y)),
            (exp(-(t - 1) * y) * sinh(t * y) / sinh(y)).rewrite(exp),
        ),
        Equal(
            "so log c_t^2 is a second difference, in y, of log(sinh(ty)/sinh(y)), whose second derivative is",
            bend.rewrite(exp),
            (1 / sinh(y) ** 2 - t**2 / sinh(t * y) ** 2).rewrite(exp),
        ),
        RisesFromZero("which rises in t, for z/sinh z falls: c_t rises", z * cosh(z) - sinh(z), z),
    )


def _derive_adam() -> tuple[Step, ...]:
    reach = symbols("c_t", positive=True)
    return (
        *_derive_update(),
        *_derive_rising(),
        Equal(
            "p coordinates of size c_t have the norm sqrt(p) c_t, and the block loses the rest of eta lam",
            w_0 + eta * sqrt(p * reach**2) - eta * lam_g,
            w_0 - eta * (lam_g - sqrt(p) * reach),
        ),
    )


DECAYS = Assumption("betas", "beta_1^2 is below beta_2", Lt(beta_1**2, beta_2))
DECAY_BOUNDED = Assumption("weight decay", "learning rate times weight decay lies in [0, 1] at every step")

EXTINCTION_BY_ADAM = Statement(
    id="C5",
    name="extinction-by-adam",
    title="A penalty above sqrt(p) c_t empties a block under proximal AdamW, whatever the loss",
    kind=Kind.SHARP,
    source="own, after seed claim on explicit thresholds (arXiv 2510.09338)",
    about="adam run",
    assumptions=(DECAYS, DECAY_BOUNDED, PROXIMAL_LAST, EUCLIDEAN),
    claim=(
        Clause("update", Le(u_t**2, UPDATE_SQUARE)),
        Clause("least", Ge(UPDATE_SQUARE, 1)),
        Clause("limit", Le(UPDATE_SQUARE, LIMIT_SQUARE)),
        Clause("extinct", Eq(w_T, 0), And(Ge(gain, w_0), Ge(lam_g**2, p * UPDATE_SQUARE))),
    ),
    derive=_derive_adam,
)
