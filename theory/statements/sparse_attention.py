"""B5: a group penalty on off-block attention makes it exactly zero, at a threshold in closed form.

The row is the maximiser of `<s,p> - (tau/2)|p|^2 - sum_g lam_g |p_g|_2` over the simplex. The groups `g` are disjoint
and cover the complement of the block, every `lam_g > 0`, and the block is not penalised.
"""

from __future__ import annotations

from sympy import Eq, Equivalent, Ge, Implies, Le, Max, S, log, solve, sqrt, symbols

from theory.derivation import Equal, Positive, Step, cauchy_schwarz_step
from theory.statement import Assumption, Clause, Kind, Statement, Witness
from theory.statements.entropy import log_of_size_step
from theory.symbols import J_any, delta, delta_mean, k, m, tau
from theory.weight_symbols import H_sparse, J_sparse, eps_sparse, lam_each, level, nu, over

SPARSE_PENALTY = Max(0, tau / m - delta)
"""What `lam_g / sqrt(m_g)` has to reach in every group, in terms of the margin."""


def _water_level() -> tuple[Step, ...]:
    keys, total, score = symbols("j Sigma s", positive=True)
    x = symbols("x", real=True)
    at_level = (total - tau) / keys
    (solved,) = solve(Eq((total - keys * x) / tau, 1), x)
    return (
        Equal("j keys above the level x hold (sum s - j x)/tau = 1", solved, total / keys - tau / keys),
        Equal(
            "one more key, of score s, moves that level by (s - level)/(j + 1): it rises exactly while s lies "
            "above it, so the largest over j is the level at which the keys above it hold all mass",
            (total + score - tau) / (keys + 1) - at_level,
            (score - at_level) / (keys + 1),
        ),
    )


def _threshold() -> tuple[Step, ...]:
    a, b = symbols("a b", real=True)
    step, norm, penalty, spread, excess = symbols("t u lambda D x", positive=True)
    mass = symbols("p", nonnegative=True)
    gained = step * norm**2 - step * penalty * norm - tau / 2 * step**2 * spread
    best = norm * (norm - penalty) / (tau * spread)
    return (
        Equal(
            "the quadratic term lies below its tangent at the block's own row",
            -tau / 2 * b**2 - (-tau / 2 * a**2 - tau * a * (b - a)),
            -tau / 2 * (b - a) ** 2,
        ),
        cauchy_schwarz_step("so mass p_g gains at most <p_g, max(s_g - nu, 0)> <= |p_g| |max(s_g - nu, 0)|"),
        Positive(
            "which a penalty of at least that norm eats up: the block's own row is the maximiser",
            ((norm + excess) * mass - norm * mass).expand(),
            strict=False,
        ),
        Equal(
            "a smaller penalty is beaten: moving t along u = max(s_g - nu, 0), taken from the block, gains",
            gained.subs(step, best),
            norm**2 * (norm - penalty) ** 2 / (2 * tau * spread),
        ),
        Positive("and that is positive", best.subs(norm, penalty + excess)),
    )


def _in_margins() -> tuple[Step, ...]:
    mean, gap = symbols("sbar delta", real=True)
    above, count = symbols("x m_g", positive=True)
    return (
        Equal(
            "the level is at least that of the whole block, so no score off it lies more than tau/m - delta above",
            (mean - gap) - (mean - tau / m),
            tau / m - gap,
        ),
        Equal("m_g scores at that height have the norm", sqrt(count * above**2), sqrt(count) * above),
        log_of_size_step(),
    )


def _derive() -> tuple[Step, ...]:
    return (*_water_level(), *_threshold(), *_in_margins())


GROUPS_COVER = Assumption("groups cover", "the groups are disjoint and cover the complement")
BLOCK_FREE = Assumption("block free", "the penalties are on the groups alone: the block is not penalised")

SPARSE_ATTENTION = Statement(
    id="B5",
    name="group-sparse-attention",
    title="A group penalty empties the complement exactly when it covers each group's scores above the water level",
    kind=Kind.SHARP,
    source="own, after seed claim that group penalties localise attention (arXiv 2510.09338); cf. sparsemax",
    uses=("A4",),
    about="sparse row",
    assumptions=(GROUPS_COVER, BLOCK_FREE),
    claim=(
        Clause("maximiser", Le(J_any, J_sparse)),
        Clause("water level", Eq(nu, level)),
        Clause("exact zeros", Equivalent(Eq(eps_sparse, 0), Le(over, 1))),
        Clause("margin", Implies(Ge(lam_each, SPARSE_PENALTY), Eq(eps_sparse, 0))),
        Clause("mean margin", Implies(Ge(lam_each, SPARSE_PENALTY.subs(delta, delta_mean)), Eq(eps_sparse, 0))),
        Clause("wide margin", Eq(eps_sparse, 0), Ge(delta_mean, tau / m)),
        Clause("entropy", Le(H_sparse, log(m)), Eq(eps_sparse, S.Zero)),
    ),
    witnesses=(Witness("margin", block=((delta, m),), complement=((0 * delta, k),)),),
    derive=_derive,
)
