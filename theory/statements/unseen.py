"""H5: what windows measured say of windows not yet seen; `theory.numbers.unseen` computes the bounds.

The windows are the units that must be exchangeable. Rows of one window are not: they violate together.
"""

from __future__ import annotations

from sympy import Eq, Equivalent, Ge, Le, Lt, symbols

from theory.derivation import Equal, Positive, Step
from theory.statement import Assumption, Clause, Kind, Statement
from theory.unseen_symbols import (
    covered,
    covered_drawn,
    distinct,
    error,
    few,
    few_beta,
    few_drawn,
    few_drawn_more,
    kept_new,
    measured,
    population,
    rank,
    seen,
    share,
    together,
)

NONE_SEEN = 1 - error ** (1 / measured)


def _derive() -> tuple[Step, ...]:
    below, ties, others, alpha, spared, number = symbols("k t c alpha s N", positive=True)
    chance, count, rest, ways, odds = symbols("p v b a o", positive=True)
    violating, intact, hits, spare = symbols("K M_K x h", positive=True)
    # Of N = v + b windows, v violate: C(N-1, v-1) = a, so C(N, v) = a N/v and C(N-1, v) = a b/v.
    powers = ways * (count + rest) * chance**count * (1 - chance) ** rest
    before, after = powers / chance, powers * rest / count / (1 - chance)
    # P(x of n drawn violate) where K + 1 of M do, over that where K do; M_K = M - K and h = M_K - n.
    growth = (violating + 1) / (violating + 1 - hits) * (spare + hits) / intact
    return (
        Equal(
            "each of the N + 1 windows is as likely the new one; without ties k of them lie below the k-th smallest "
            "of the others, the k smallest",
            (below + others - below) / (below + others),
            1 - below / (below + others),
        ),
        Positive(
            "a tie takes windows from below it",
            (1 - below / (below + ties + others)) - (1 - (below + ties) / (below + ties + others)),
        ),
        Equal(
            "the slope in p of the probability of v violations is a difference, which leaves of the sum over at most V "
            "the last term: the density of Beta(V + 1, N - V), negated",
            (powers / count).diff(chance),
            before - after,
        ),
        Positive("so the probability of so few falls in p", after.subs(chance, 1 / (1 + odds))),
        Equal(
            "with no violation seen it is (1 - p)^N, which is alpha at p = 1 - alpha^(1/N)",
            (1 - (1 - alpha ** (1 / number))) ** number,
            alpha,
        ),
        Positive(
            "the bound fails where at most V violations have a probability below alpha; that of the largest such V is "
            "the chance of failing: it covers at 1 - alpha",
            (1 - (alpha - spared)) - (1 - alpha),
        ),
        Positive(
            "drawn without replacement, one violating window more multiplies the probability of x violations by a "
            "factor that rises in x: few grow less likely with the violating windows, and the same argument covers",
            growth.diff(hits).subs({violating: hits + ways, spare: others - hits}, simultaneous=True),
        ),
    )


UNSEEN_WINDOWS = Statement(
    id="H5",
    name="unseen-windows",
    title="Windows measured bound what windows not yet seen do, the windows being the exchangeable units",
    kind=Kind.KNOWN,
    source="conformal prediction: Vovk, Gammerman and Shafer 2005; the binomial bound: Clopper and Pearson 1934, "
    "Biometrika 26; the hypergeometric one inverts the tail of the draw likewise",
    about="window sample",
    assumptions=(
        Assumption("exchangeable", "each of the N_w + 1 windows is equally likely to be the new one"),
        Assumption("all counted", "every violating window is counted"),
        Assumption("a rank", "the rank is that of a measured window", Le(rank, measured)),
        Assumption("a count", "no more windows violate than are measured", Le(seen, measured)),
        Assumption("a draw", "the corpus has all the windows measured", Le(measured, population)),
    ),
    claim=(
        Clause("new window", Ge(kept_new, 1 - rank / (measured + 1))),
        Clause("without ties", Eq(kept_new, 1 - rank / (measured + 1)), Eq(distinct, measured + 1)),
        Clause("share", Eq(few, 1 - few_beta), Lt(seen, measured)),
        Clause("none seen", Equivalent(Ge(few, error), Le(share, NONE_SEEN)), Eq(seen, 0)),
        Clause("share covered", Ge(covered, 1 - error), Eq(together, 1)),
        Clause("corpus", Le(few_drawn_more, few_drawn)),
        Clause("corpus covered", Ge(covered_drawn, 1 - error)),
    ),
    derive=_derive,
)
