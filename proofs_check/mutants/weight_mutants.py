"""Mutations of the statements on sparse attention (B5) and sparse weights (C)."""

from __future__ import annotations

from sympy import And, Eq, Equivalent, Expr, Ge, Gt, Le, Lt, S, true

from proofs_check.mutants.expression_mutations import LESS, MORE
from proofs_check.mutants.mutations import Anywhere, Given, Mutation, scaled_down
from theory import weight_symbols as w
from theory.statements.weights.extinction import FILLED, UPDATE_SQUARE
from theory.statements.weights.group_lasso import uniform_threshold
from theory.statements.weights.selection import EXTINCTION_PENALTY, GAINED, LOSS, NORMS, OFF_TARGET
from theory.symbols import delta, delta_mean, m, tau
from theory.weight_symbols import G, beta_1, beta_2, eps_sparse, lam_g, mu, over

_STATIONARY, _EMPTY = Eq(w.move, 0), Eq(w.b_0, 0)
_ENOUGH_GAIN, _ENOUGH_GAIN_MU = Ge(w.gain, w.w_0), Ge(w.gain_mu, w.w_0)
_BETAS_SWAPPED = {beta_1: beta_2, beta_2: beta_1, w.beta_1_t: w.beta_2_t, w.beta_2_t: w.beta_1_t}
_BELOW_LARGEST = Lt(lam_g * NORMS, GAINED)
_WITHOUT_NORMS = uniform_threshold(OFF_TARGET, S.Zero, LOSS - w.L_least)


def _open_where(norms: Expr, loss: Expr) -> Equivalent:
    return Equivalent(Lt(EXTINCTION_PENALTY * NORMS, GAINED), Gt(GAINED**2, OFF_TARGET * norms**2 * (loss - w.L_least)))


MUTATIONS: tuple[Mutation, ...] = (
    ("B5", "water level", "temperature dropped", lambda level: level + tau / m),
    ("B5", "exact zeros", "threshold 1% low", Equivalent(Eq(eps_sparse, 0), Le(over, MORE))),
    ("B5", "exact zeros", "threshold 1% high", Equivalent(Eq(eps_sparse, 0), Le(over, LESS))),
    ("B5", "margin", "threshold 1% low", Anywhere(tau / m - delta, LESS * (tau / m - delta))),
    ("B5", "margin", "block one too large", Anywhere(m, m + 1)),
    ("B5", "margin", "sign of the margin flipped", Anywhere(delta, -delta)),
    ("B5", "wide margin", "half the margin", Given(Ge(delta_mean, tau / (2 * m)))),
    ("B5", "entropy", "floor scaled by 0.99", scaled_down),
    ("C1", "small gradient", "not strict", Given(And(_STATIONARY, Le(w.g, lam_g)))),
    ("C1", "small gradient", "penalty 1% high", Given(And(_STATIONARY, Lt(w.g, lam_g * MORE)))),
    ("C1", "live block", "zero blocks too", Given(_STATIONARY)),
    ("C1", "zero block", "penalty 1% low", scaled_down),
    ("C1", "zero block", "stationarity dropped", Given(Eq(w.w, 0))),
    ("C1", "both at equality", "live blocks too", Given(Le(w.g, lam_g))),
    ("C2", "query", "width for its root", (w.d_k, w.d_k**2)),
    ("C2", "query", "temperature inverted", (tau, 1 / tau)),
    ("C2", "query", "inputs centred", (w.x_g, w.x_centred)),
    ("C2", "key", "keys for queries", (w.q_norm, w.k_norm)),
    ("C2", "jacobian", "a quarter", lambda bound: bound / 2),
    ("C2", "jacobian, of this row", "factor 2 dropped", lambda bound: bound / 2),
    ("C3", "balanced", "norms swapped", Eq(w.lam_Q * w.w_K, w.lam_K * w.w_Q)),
    ("C3", "half the drop", "half scaled by 0.99", scaled_down),
    ("C3", "live block", "temperature inverted", (tau, 1 / tau)),
    ("C3", "live block", "norm of the inputs dropped", (w.x_all, 1)),
    ("C3", "collapse", "far from the origin too", Given(Gt(w.w_Q + w.w_K, 0))),
    ("C4", "one step", "gradient dropped", (G, 0)),
    ("C4", "extinct", "one step fewer", lambda bound: bound - 1),
    ("C4", "extinct", "learning rate dropped", (w.eta, 1)),
    ("C4", "extinct", "gradient dropped", (G, 0)),
    ("C4", "extinct with momentum", "momentum dropped", Anywhere(mu, 0)),
    # The theory's text leaves this condition out: a buffer filled before the gradients were small keeps pushing.
    ("C4", "extinct with momentum", "any buffer", Given(Lt(G / (1 - mu), lam_g))),
    ("C4", "buffer", "any buffer", Given(true)),
    ("C4", "buffer", "one step fewer", lambda bound: bound - G * w.mu_T),
    ("C4", "buffer", "momentum dropped", G),
    ("C4", "extinct from an empty buffer", "any buffer", Given(And(_ENOUGH_GAIN_MU, Ge(lam_g, FILLED)))),
    ("C4", "extinct from an empty buffer", "penalty not above the buffer", Given(And(_EMPTY, _ENOUGH_GAIN_MU))),
    ("C4", "extinct from an empty buffer", "gain dropped", Given(And(_EMPTY, Ge(lam_g, FILLED)))),
    (
        "C4",
        "extinct from an empty buffer",
        "gain scaled by 1.01",
        Given(And(_EMPTY, Ge(MORE * w.gain_mu, w.w_0), Ge(lam_g, FILLED))),
    ),
    ("C5", "update", "bias of the mean not corrected", (w.beta_1_t, 0)),
    ("C5", "update", "rho without beta_2", (beta_1**2 / beta_2, beta_1**2)),
    ("C5", "update", "betas swapped", lambda bound: bound.subs(_BETAS_SWAPPED, simultaneous=True)),
    ("C5", "least", "least scaled by 1.01", lambda bound: bound * MORE),
    ("C5", "limit", "rho dropped", (1 - beta_1) ** 2 / (1 - beta_2)),
    # The theory's text leaves this condition out: c_t rises, and a block that was zero comes back.
    ("C5", "extinct", "penalty below sqrt(p) c_t later on", Given(_ENOUGH_GAIN)),
    ("C5", "extinct", "size of the block dropped", Given(And(_ENOUGH_GAIN, Ge(lam_g**2, UPDATE_SQUARE)))),
    ("C5", "extinct", "gain dropped", Given(Ge(lam_g**2, w.p * UPDATE_SQUARE))),
    ("C6", "margin", "width for its root", (w.d_k, w.d_k**2)),
    ("C6", "margin", "query's pull halved", (w.pull, w.pull / 2)),
    ("C6", "leak", "temperature inverted", (tau, 1 / tau)),
    ("C7", "loss gained", "temperature inverted", (tau, 1 / tau)),
    ("C7", "loss gained", "norm of the inputs once", lambda bound: bound / w.x_g),
    ("C7", "survives", "temperature inverted", (tau, 1 / tau)),
    ("C7", "survives", "bound scaled by 1.01", lambda bound: bound * MORE),
    ("C7", "both alive", "objective level with uniform attention's", Given(Le(w.J_here, w.J_origin))),
    ("C7", "window", "no least penalty", Given(_BELOW_LARGEST)),
    ("C7", "window", "no largest penalty", Given(Gt(lam_g, EXTINCTION_PENALTY))),
    ("C7", "window", "threshold without the penalty in it", Given(And(_BELOW_LARGEST, Gt(lam_g, _WITHOUT_NORMS)))),
    ("C7", "window open", "norms halved", _open_where(NORMS / 2, w.J_origin)),
    ("C7", "window open", "loss here for uniform attention's", _open_where(NORMS, w.J_here)),
)
