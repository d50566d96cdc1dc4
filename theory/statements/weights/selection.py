"""C7: the target block survives where the objective is below uniform attention's loss.

The setting is that of C3, whose condition makes the other blocks zero. What is left to show is that the target block
is not zero too: C3's warning. Nothing here needs the point to be stationary.
"""

from __future__ import annotations

from sympy import And, Eq, Equivalent, Expr, Ge, Gt, Le, Lt, S, exp, solve, sqrt, symbols

from theory.derivation import Equal, Limit, Positive, Step, cauchy_schwarz_step
from theory.statement import Clause, Kind, Statement
from theory.statements.weights.gradient_bound import NO_NORMALISATION, PER_KEY_NORM
from theory.statements.weights.group_lasso import NO_BIAS, ONE_LIVE_BLOCK, SLOPE_BOUNDED, uniform_threshold
from theory.symbols import tau
from theory.weight_symbols import J_here, J_origin, L_least, Lam, d_k, lam_g, v_norm, w_K, w_Q, x_all, x_g, x_off

_PER_PRODUCT = PER_KEY_NORM * x_g
"""What the loss can fall from uniform attention's, per unit of `|W_Q| |W_K|`."""
SURVIVING_PRODUCT = (J_origin - J_here) / _PER_PRODUCT
NORMS = w_Q + w_K
LOSS = J_here - lam_g * NORMS
GAINED = J_origin - LOSS
OFF_TARGET = PER_KEY_NORM.subs(x_g, x_off) * x_all / 2
"""C3's slope for the other blocks: their penalty squared has to exceed it times the objective above its bound."""
EXTINCTION_PENALTY = uniform_threshold(OFF_TARGET, NORMS, LOSS - L_least)
BELOW = Lt(J_here, J_origin)


def _survival() -> tuple[Step, ...]:
    product, gap, excess = symbols("P D x", positive=True)
    return (
        cauchy_schwarz_step(
            "the loss differs from uniform attention's by at most Lambda |O - O_u|_F, at most Lambda |A - A_u|_F |V|_2"
        ),
        Positive(
            "softmax's Jacobian is at most 1/(2 tau) (C2), so |A - A_u|_F <= |S|_F/(2 tau), and "
            "|S|_F <= |X|_2^2 |W_Q|_F |W_K|_F/sqrt(d_k): the factors multiply to the bound",
            _PER_PRODUCT - _PER_PRODUCT / (1 + excess),
            strict=False,
        ),
        Equal(
            "where the objective, and so the loss, is below uniform attention's, the product makes up for it",
            solve(Eq(_PER_PRODUCT * product, J_origin - J_here), product)[0],
            SURVIVING_PRODUCT,
        ),
        Positive("a product above 0: neither is zero", gap / product),
        Limit("the constant is the best: two tokens come as near as one likes", _two_tokens(), _weights, S.Zero, S.One),
    )


_weights = symbols("u", positive=True)


def _two_tokens() -> Expr:
    """Loss gained over its bound, from the definition: inputs, values and gradients `(1, -1)`, product `u`."""
    logit = _weights / (tau * sqrt(d_k))
    output = (exp(logit) - exp(-logit)) / (exp(logit) + exp(-logit))
    root = sqrt(2)
    return (2 * output / (_PER_PRODUCT.subs({Lam: root, v_norm: root, x_g: root}) * _weights)).simplify()


def _window() -> tuple[Step, ...]:
    penalty, slope, drop, norms, below, gained = symbols("lambda c D P x E", positive=True)
    threshold = uniform_threshold(slope, norms, drop)
    largest = gained / norms
    return (
        Equal(
            "the penalty squared exceeds c (J - L_inf), J = L + lambda P, beyond the larger root (C3)",
            penalty**2 - slope * (drop + penalty * norms),
            (penalty - threshold) * (penalty - (slope * norms - threshold)),
        ),
        Equal(
            "J falls short of L_u by P times what the penalty falls short of the loss gained over P",
            gained - (largest - below) * norms,
            below * norms,
        ),
        Equal(
            "there the quadratic is (E^2 - c P^2 (L_u - L_inf))/P^2, D + E = L_u - L_inf: positive if a penalty fits",
            largest**2 - slope * (drop + largest * norms),
            (gained**2 - slope * norms**2 * (drop + gained)) / norms**2,
        ),
    )


def _derive() -> tuple[Step, ...]:
    return (*_survival(), *_window())


SELECTION = Statement(
    id="C7",
    name="selection",
    title="The target block survives where the objective is below uniform attention's loss",
    kind=Kind.SHARP,
    source="own, after seed claim that penalties above a threshold localise attention (arXiv 2510.09338)",
    uses=("C2", "C3"),
    about="stationary head",
    assumptions=(NO_BIAS, NO_NORMALISATION, ONE_LIVE_BLOCK, SLOPE_BOUNDED),
    claim=(
        Clause("loss gained", Le(GAINED, _PER_PRODUCT * w_Q * w_K)),
        Clause("survives", Ge(w_Q * w_K, SURVIVING_PRODUCT), BELOW),
        Clause("both alive", And(Gt(w_Q, 0), Gt(w_K, 0)), BELOW),
        Clause(
            "window",
            And(Gt(lam_g**2, OFF_TARGET * (J_here - L_least)), BELOW),
            And(Gt(lam_g, EXTINCTION_PENALTY), Lt(lam_g * NORMS, GAINED)),
        ),
        Clause(
            "window open",
            Equivalent(
                Lt(EXTINCTION_PENALTY * NORMS, GAINED), Gt(GAINED**2, OFF_TARGET * NORMS**2 * (J_origin - L_least))
            ),
            BELOW,
        ),
    ),
    derive=_derive,
)
