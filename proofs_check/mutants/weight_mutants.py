"""Mutations of the statements on sparse attention (B5) and sparse weights (C)."""

from __future__ import annotations

from dataclasses import replace

from sympy import And, Eq, Equivalent, Ge, Gt, Le, Lt, Rational
from sympy.logic.boolalg import Boolean

from proofs_check.mutants.mutations import (
    Mutation,
    NamedMutation,
    assuming,
    assumption_dropped,
    claiming,
    flipped,
    in_bound,
    replaced,
    scaled_down,
    sizes_swapped,
)
from theory.statement import Clause
from theory.statements.extinction import FILLED, UPDATE_SQUARE
from theory.symbols import delta, delta_mean, m, tau
from theory.weight_symbols import (
    G,
    b_0,
    beta_1,
    beta_1_t,
    beta_2,
    beta_2_t,
    d_k,
    eps_sparse,
    eta,
    g,
    gain,
    gain_mu,
    k_norm,
    lam_g,
    lam_K,
    lam_Q,
    move,
    mu,
    mu_T,
    over,
    p,
    pull,
    q_norm,
    w,
    w_0,
    w_K,
    w_Q,
    x_all,
    x_centred,
    x_g,
)


def within(old: Boolean, new: Boolean) -> Mutation:
    """A mutation that replaces one expression by another anywhere in the claim."""

    def mutate(clause: Clause) -> Clause:
        return replace(clause, holds=clause.holds.subs(old, new))

    return mutate


def momentum_dropped(clause: Clause) -> Clause:
    """The clause with the momentum set to 0."""
    return replace(clause, holds=clause.holds.subs(mu, 0), given=clause.given.subs(mu, 0))


def _threshold_at(share: Rational) -> Mutation:
    return claiming(Equivalent(Eq(eps_sparse, 0), Le(over, share)))


_OF_SPARSE_ATTENTION: tuple[NamedMutation, ...] = (
    ("B5", "maximiser", "inequality flipped", flipped),
    ("B5", "water level", "temperature dropped", in_bound(lambda level: level + tau / m)),
    ("B5", "exact zeros", "threshold 1% low", _threshold_at(Rational(101, 100))),
    ("B5", "exact zeros", "threshold 1% high", _threshold_at(Rational(99, 100))),
    ("B5", "margin", "threshold 1% low", within(tau / m - delta, Rational(99, 100) * (tau / m - delta))),
    ("B5", "margin", "block one too large", within(m, m + 1)),
    ("B5", "margin", "sign of the margin flipped", within(delta, -delta)),
    ("B5", "wide margin", "half the margin", assuming(Ge(delta_mean, tau / (2 * m)))),
    ("B5", "entropy", "floor scaled by 0.99", scaled_down),
)

_STATIONARY = Eq(move, 0)

_OF_STATIONARY_POINTS: tuple[NamedMutation, ...] = (
    ("C1", "small gradient", "not strict", assuming(And(_STATIONARY, Le(g, lam_g)))),
    ("C1", "small gradient", "penalty 1% high", assuming(And(_STATIONARY, Lt(g, lam_g * Rational(101, 100))))),
    ("C1", "live block", "zero blocks too", assuming(_STATIONARY)),
    ("C1", "zero block", "penalty 1% low", scaled_down),
    ("C1", "zero block", "stationarity dropped", assuming(Eq(w, 0))),
    ("C1", "both at equality", "live blocks too", assuming(Le(g, lam_g))),
    ("C2", "query", "bound scaled by 0.99", scaled_down),
    ("C2", "query", "width for its root", replaced(d_k, d_k**2)),
    ("C2", "query", "temperature inverted", replaced(tau, 1 / tau)),
    ("C2", "query", "inputs centred", replaced(x_g, x_centred)),
    ("C2", "key", "keys for queries", replaced(q_norm, k_norm)),
    ("C2", "jacobian", "a quarter", in_bound(lambda bound: bound / 2)),
    ("C2", "jacobian, of this row", "factor 2 dropped", in_bound(lambda bound: bound / 2)),
    ("C3", "balanced", "norms swapped", claiming(Eq(lam_Q * w_K, lam_K * w_Q))),
    ("C3", "half the drop", "half scaled by 0.99", scaled_down),
    ("C3", "live block", "bound scaled by 0.99", scaled_down),
    ("C3", "live block", "temperature inverted", replaced(tau, 1 / tau)),
    ("C3", "live block", "norm of the inputs dropped", replaced(x_all, 1)),
    ("C3", "uniform penalty", "bound scaled by 0.99", scaled_down),
    ("C3", "collapse", "far from the origin too", assuming(Gt(w_Q + w_K, 0))),
)

_ENOUGH_GAIN = Ge(gain, w_0)
_ENOUGH_GAIN_MU, _EMPTY = Ge(gain_mu, w_0), Eq(b_0, 0)

_OF_EXTINCTION: tuple[NamedMutation, ...] = (
    ("C4", "one step", "gradient dropped", replaced(G, 0)),
    ("C4", "extinct", "one step fewer", in_bound(lambda bound: bound - 1)),
    ("C4", "extinct", "assumption dropped", assumption_dropped),
    ("C4", "extinct", "learning rate dropped", replaced(eta, 1)),
    ("C4", "extinct", "gradient dropped", replaced(G, 0)),
    ("C4", "extinct with momentum", "momentum dropped", momentum_dropped),
    # The theory's text leaves this condition out: a buffer filled before the gradients were small keeps pushing.
    ("C4", "extinct with momentum", "any buffer", assuming(Lt(G / (1 - mu), lam_g))),
    ("C4", "buffer", "any buffer", assumption_dropped),
    ("C4", "buffer", "bound scaled by 0.99", scaled_down),
    ("C4", "buffer", "one step fewer", in_bound(lambda bound: bound - G * mu_T)),
    ("C4", "buffer", "momentum dropped", in_bound(lambda bound: G)),
    ("C4", "extinct from an empty buffer", "any buffer", assuming(And(_ENOUGH_GAIN_MU, Ge(lam_g, FILLED)))),
    (
        "C4",
        "extinct from an empty buffer",
        "penalty not above the buffer",
        assuming(And(_EMPTY, _ENOUGH_GAIN_MU)),
    ),
    ("C4", "extinct from an empty buffer", "gain dropped", assuming(And(_EMPTY, Ge(lam_g, FILLED)))),
    (
        "C4",
        "extinct from an empty buffer",
        "gain scaled by 1.01",
        assuming(And(_EMPTY, Ge(Rational(101, 100) * gain_mu, w_0), Ge(lam_g, FILLED))),
    ),
    ("C5", "update", "bound scaled by 0.99", scaled_down),
    ("C5", "update", "bias of the mean not corrected", replaced(beta_1_t, 0)),
    ("C5", "update", "rho without beta_2", replaced(beta_1**2 / beta_2, beta_1**2)),
    (
        "C5",
        "update",
        "betas swapped",
        in_bound(
            lambda bound: bound.subs(
                {beta_1: beta_2, beta_2: beta_1, beta_1_t: beta_2_t, beta_2_t: beta_1_t}, simultaneous=True
            )
        ),
    ),
    ("C5", "least", "least scaled by 1.01", in_bound(lambda bound: bound * Rational(101, 100))),
    ("C5", "limit", "rho dropped", in_bound(lambda bound: (1 - beta_1) ** 2 / (1 - beta_2))),
    # The theory's text leaves this condition out: c_t rises, and a block that was zero comes back.
    ("C5", "extinct", "penalty below sqrt(p) c_t later on", assuming(_ENOUGH_GAIN)),
    ("C5", "extinct", "size of the block dropped", assuming(And(_ENOUGH_GAIN, Ge(lam_g**2, UPDATE_SQUARE)))),
    ("C5", "extinct", "gain dropped", assuming(Ge(lam_g**2, p * UPDATE_SQUARE))),
)

_OF_SURVIVING_BLOCKS: tuple[NamedMutation, ...] = (
    ("C6", "margin", "inequality flipped", flipped),
    ("C6", "margin", "width for its root", replaced(d_k, d_k**2)),
    ("C6", "margin", "query's pull halved", replaced(pull, pull / 2)),
    ("C6", "leak", "sizes swapped", sizes_swapped),
    ("C6", "leak", "temperature inverted", replaced(tau, 1 / tau)),
    ("C6", "leak", "bound scaled by 0.99", scaled_down),
    ("C6", "entropy", "assumption dropped", assumption_dropped),
)

MUTATIONS: tuple[NamedMutation, ...] = (
    *_OF_SPARSE_ATTENTION,
    *_OF_STATIONARY_POINTS,
    *_OF_EXTINCTION,
    *_OF_SURVIVING_BLOCKS,
)
