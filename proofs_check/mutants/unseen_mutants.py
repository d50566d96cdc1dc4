"""Mutations of the statements on outputs, stacks of layers, and windows not yet seen (H2-H5)."""

from __future__ import annotations

from sympy import And, Equivalent, Expr, Ge, Le, Rational, true

from proofs_check.mutants.expression_mutations import LESS
from proofs_check.mutants.mutations import Given, Mutation
from theory import output_symbols as out
from theory.design_symbols import layers
from theory.output_symbols import rho
from theory.statements.last_layers import within
from theory.statements.unseen import NONE_SEEN
from theory.symbols import S_cut, r_layer
from theory.unseen_symbols import dial_least, error, few, few_beta, hard_layers, measured, rank, share

_NEARLY_HARD = Given(Ge(dial_least, Rational(999, 1000)))
_ALL_BUT_ONE = Given(Ge(hard_layers, layers - 1))


def _none_seen(most: Expr) -> Equivalent:
    return Equivalent(Ge(few, error), Le(share, most))


_SMALL_MOVE = And(Le(S_cut, out.S_star), within(out.S_star))


MUTATIONS: tuple[Mutation, ...] = (
    ("H2", "total variation", "half the range", (rho, rho / 2)),
    ("H2", "attained", "twice the range", (rho, 2 * rho)),
    ("H2", "divergence", "largest size of a move for the range", (rho, rho / 2)),
    ("H2", "divergence back", "range scaled by 0.99", (rho, LESS * rho)),
    ("H2", "quadratic", "a ninth for an eighth", rho**2 / 9),
    ("H2", "log-probability", "half the range", rho / 2),
    ("H2", "log-probability, strictly", "no move too", Given(true)),
    ("H3", "first norm", "width dropped", (out.p_r, 1)),
    ("H3", "residual", "MLP dropped", (out.mlp, 0)),
    ("H3", "residual", "residual dropped", lambda bound: bound - r_layer),
    ("H3", "last norm", "width dropped", (out.p_r, 1)),
    ("H3", "logits", "half the distance", (out.apart, out.apart / 2)),
    ("H3", "leak suffices", "amplification dropped", Given(And(_SMALL_MOVE, Le(S_cut, out.rho_star)))),
    ("H4", "isolation", "dial 0.999", _NEARLY_HARD),
    ("H4", "isolation", "dial 1 in all layers but one", _ALL_BUT_ONE),
    ("H4", "isolation", "any dials", Given(true)),
    ("H4", "window alone", "dial 0.999", _NEARLY_HARD),
    ("H4", "window alone", "dial 1 in all layers but one", _ALL_BUT_ONE),
    ("H5", "new window", "one window more", (measured, measured + 1)),
    ("H5", "new window", "one rank fewer", (rank, rank - 1)),
    ("H5", "without ties", "N for N + 1", (measured, measured - 1)),
    ("H5", "without ties", "ties too", Given(true)),
    ("H5", "share", "tails swapped", few_beta),
    ("H5", "none seen", "root dropped", _none_seen(1 - error)),
    ("H5", "none seen", "one window more", _none_seen(NONE_SEEN.subs(measured, measured + 1))),
    ("H5", "none seen", "some seen too", Given(true)),
    ("H5", "share covered", "half the error", 1 - error / 2),
    # Rows of one window, counted as if they were independent, are units that violate together.
    ("H5", "share covered", "units that violate together", Given(true)),
    ("H5", "corpus covered", "half the error", 1 - error / 2),
)
