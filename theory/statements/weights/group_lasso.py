"""C1 and C3: what a group penalty on the weights of a head does at a stationary point.

A head has inputs `X` (rows tokens, columns split into feature blocks `g`), `Q = sum_g X_g W_{Q,g}`, `K` likewise,
no biases, `S = Q K^T/sqrt(d_k)`, `A = softmax(S/tau)`, `O = A V`. The objective is
`J = L + sum_g lam_g (|W_{Q,g}|_F + |W_{K,g}|_F)` with every `lam_g > 0` and `L` continuously differentiable in `O`;
stationary means that 0 lies in the gradient of `L` plus the subdifferential of the penalty.
"""

from __future__ import annotations

from sympy import And, Eq, Expr, Gt, Le, Lt, S, solve, sqrt, symbols, tanh

from theory.derivation import Equal, Limit, Positive, Step, cauchy_schwarz_step
from theory.statement import Assumption, Clause, Kind, Statement
from theory.statements.weights.gradient_bound import NO_NORMALISATION, PER_KEY_NORM
from theory.weight_symbols import (
    J_0,
    L_0,
    J_here,
    J_origin,
    L_inf,
    g,
    lam_g,
    lam_K,
    lam_Q,
    move,
    w,
    w_K,
    w_Q,
    x_all,
    x_g,
)

COLLAPSE_WARNING = (
    "scores are bilinear in W_Q and W_K, so W_Q = W_K = 0 is a strict local minimum for every penalty > 0 (C3): "
    "test that the target block itself has not collapsed"
)


def _derive_stationarity() -> tuple[Step, ...]:
    x, y, start, step, pull, excess = symbols("x y t eta g x", positive=True)
    length, size = sqrt(x**2 + y**2), symbols("z", positive=True)
    return (
        Equal(
            "away from 0 the norm has a gradient of length 1, so a stationary block that lives has |grad| = lam",
            length.diff(x) ** 2 + length.diff(y) ** 2,
            S.One,
        ),
        cauchy_schwarz_step("at 0 the loss falls by at most |grad| |z| along z"),
        Positive(
            "against a penalty lam |z|: 0 is stationary where |grad| <= lam, and nowhere else",
            ((pull + excess) * size - pull * size).expand(),
        ),
        Equal(
            "the proximal step shortens a length t to t - eta lam, where the slope of its objective vanishes",
            ((size - start) ** 2 / 2 + step * lam_g * size).diff(size).subs(size, start - step * lam_g),
            S.Zero,
        ),
    )


DIFFERENTIABLE = Assumption("differentiable", "the loss is differentiable in the block at the point")

STATIONARITY = Statement(
    id="C1",
    name="group-stationarity",
    title="At a stationary point a block with a gradient below its penalty is zero, and a zero block's is not above",
    kind=Kind.KNOWN,
    source="known: optimality conditions of the group lasso (Yuan and Lin 2006)",
    about="weight block",
    assumptions=(DIFFERENTIABLE,),
    claim=(
        Clause("small gradient", Eq(w, 0), And(Eq(move, 0), Lt(g, lam_g))),
        Clause("live block", Eq(g, lam_g), And(Eq(move, 0), Gt(w, 0))),
        Clause("zero block", Le(g, lam_g), And(Eq(move, 0), Eq(w, 0))),
        Clause("both at equality", Eq(move, 0), And(Eq(w, 0), Le(g, lam_g))),
    ),
    derive=_derive_stationarity,
)

_HALF = (J_0 - L_inf) / 2
SELF_CONSISTENT = PER_KEY_NORM * x_all * _HALF
"""What `lam_{Q,g} lam_{K,min}` has to exceed for the block of `W_Q` to be zero."""
_c = PER_KEY_NORM * x_all / 2
_P_0 = w_Q + w_K


def uniform_threshold(slope: Expr, norms: Expr, drop: Expr) -> Expr:
    """The uniform penalty `lam` at which `lam^2 = slope (drop + lam norms)`."""
    return (slope * norms + sqrt(slope**2 * norms**2 + 4 * slope * drop)) / 2


UNIFORM = uniform_threshold(_c, _P_0, L_0 - L_inf)


def _derive_threshold() -> tuple[Step, ...]:
    scale = symbols("c", positive=True)
    sum_Q, sum_K, penalty, slope, drop, norms = symbols("P_Q P_K lambda c D P", positive=True)
    least, width = symbols("lambda_min kappa", positive=True)
    threshold = uniform_threshold(slope, norms, drop)
    (balanced,) = solve(Eq((scale * sum_Q + sum_K / scale).diff(scale).subs(scale, 1), 0), sum_Q)
    return (
        Equal(
            "(c W_Q, W_K/c) leaves the loss alone, so at a stationary point the penalty is level in c: it is balanced",
            balanced,
            sum_K,
        ),
        Equal(
            "so each half is half the penalty, which is at most J_0 - L_inf",
            solve(Eq(sum_Q + sum_Q, drop), sum_Q)[0],
            drop / 2,
        ),
        cauchy_schwarz_step("|X W_K|_2 <= |X|_2 |W_K|_F <= |X|_2 sum_g |W_{K,g}|_F"),
        Equal(
            "with sum_g |W_{K,g}| <= (J_0 - L_inf)/(2 lam_min) the bound of C2 is below lam_g, so C1 gives zero",
            (PER_KEY_NORM * x_all * width).subs(width, _HALF / least),
            SELF_CONSISTENT / least,
        ),
        Equal(
            "a uniform lam, with J_0 = L_0 + lam P_0, exceeds it beyond the larger root",
            penalty**2 - slope * (drop + penalty * norms),
            (penalty - threshold) * (penalty - (slope * norms - threshold)),
        ),
        Equal(
            "the other root is negative, as their product is", threshold * (slope * norms - threshold), -slope * drop
        ),
    )


def _derive_sharpness() -> tuple[Step, ...]:
    a, weight, pull = symbols("a w g", positive=True)
    u = symbols("u", positive=True)
    # Two tokens at inputs, values and gradients (1, -1): the loss falls by 2 g tanh(a u) with u = w_Q w_K, and may be
    # level beyond the stationary point, so J_0 - L_inf is the penalty 2 lam w alone.
    slope = (2 * pull * tanh(a * u)).diff(u).subs(u, weight**2)
    penalty = slope * weight
    return (
        Limit(
            "the constant 1/2 is the best: two tokens come as near as one likes",
            (penalty**2 / (2 * pull * a * (2 * penalty * weight) / 2)).simplify(),
            weight,
            S.Zero,
            S.One,
        ),
    )


def _derive_collapse() -> tuple[Step, ...]:
    first, second, total, excess = symbols("w_Q w_K C x", positive=True)
    return (
        Equal(
            "the loss moves by at most C |W_Q| |W_K| from the origin, the penalty by lam times their sum",
            lam_g * (first + second) - total * first * second,
            lam_g * first + second * (lam_g - total * first),
        ),
        Positive(
            "so near 0 the objective rises, whatever the penalty: both zero is a strict local minimum",
            (lam_g * first + second * (lam_g - total * first)).subs(lam_g, total * first + excess),
        ),
    )


def _derive_self_consistent() -> tuple[Step, ...]:
    return (*_derive_threshold(), *_derive_sharpness(), *_derive_collapse())


_ALL_BLOCKS = PER_KEY_NORM.subs(x_g, x_all) * x_all

NO_BIAS = Assumption("no bias", "neither queries nor keys have a bias")
ONE_LIVE_BLOCK = Assumption("one live block", "every other block of W_Q and W_K is zero")
STATIONARY = Assumption("stationary", "the point is stationary in the live block")
SLOPE_BOUNDED = Assumption(
    "slope bounded", "the loss's gradient in the output is no longer than Lambda from here to W_Q = W_K = 0"
)

SELF_CONSISTENT_THRESHOLD = Statement(
    id="C3",
    name="self-consistent-threshold",
    title="Above a self-consistent penalty every stationary point of the sublevel set has a zero block",
    kind=Kind.SHARP,
    source="own, after seed claim that penalties above a threshold localise attention (arXiv 2510.09338)",
    uses=("C1", "C2"),
    about="stationary head",
    assumptions=(NO_BIAS, NO_NORMALISATION, ONE_LIVE_BLOCK, STATIONARY, SLOPE_BOUNDED),
    claim=(
        Clause("balanced", Eq(lam_Q * w_Q, lam_K * w_K)),
        Clause("half the drop", Le(lam_Q * w_Q, _HALF)),
        Clause("live block", Le(lam_Q * lam_K, SELF_CONSISTENT), Gt(w_Q * w_K, 0)),
        Clause("uniform penalty", Le(lam_Q, UNIFORM), And(Eq(w_Q, w_K), Gt(w_Q, 0))),
        Clause(
            "collapse",
            Gt(J_here, J_origin),
            And(Lt(_ALL_BLOCKS * w_Q * w_K, lam_g * (w_Q + w_K)), Gt(w_Q + w_K, 0)),
        ),
    ),
    derive=_derive_self_consistent,
)
