"""A7: what a lower bound on the separation promises for every causal row of a context, also early in a window.

Queries count from 0 and look back: query `q` sees keys 0 to `q`. Windows of `b_w` keys tile the context, and a query's
target is what it sees of its own window: `m = (q mod b_w) + 1` keys, with `k = q - (q mod b_w)` outside. The statement
covers the queries with `k >= 1` and `m >= m_0`.
"""

from __future__ import annotations

from sympy import Eq, Equivalent, Ge, Implies, Le, exp, floor, log, symbols

from theory.derivation import Equal, Positive, Step
from theory.functions import Logistic, Logit
from theory.statement import Assumption, Clause, Kind, Statement
from theory.statements.leak import LEAK_MAX
from theory.symbols import (
    H_T,
    H_most,
    d,
    d_T,
    eps_most,
    eps_T,
    eps_target,
    k,
    least_own,
    m,
    ratio_T,
    share_kept,
    share_within,
    tokens,
    window,
)

LARGEST_RATIO = window * floor((tokens - least_own) / window) / least_own
"""`max k/m` over the queries that count."""
CONTEXT_THRESHOLD = log(LARGEST_RATIO) + Logit(1 - eps_target)


def _derive() -> tuple[Step, ...]:
    later, slack = symbols("x y", nonnegative=True)
    earlier, ratio = symbols("j rho", positive=True)
    bound = LEAK_MAX.expand(func=True)
    by_ratio = (ratio * exp(-d)) / (1 + ratio * exp(-d))
    return (
        Positive(
            "a query with j windows before its own and m_0 + x own keys lies within the context, so j is at most "
            "(T - m_0)/b_w, and a whole number",
            ((earlier * window + least_own + later + slack) - least_own) / window - earlier,
            strict=False,
        ),
        Positive(
            "its k/m = b_w j/(m_0 + x) is largest at x = 0",
            earlier * window / least_own - earlier * window / (least_own + later),
            strict=False,
        ),
        Equal(
            "and query b_w j + m_0 - 1 has that, one of the context for the largest such j",
            (earlier * window + least_own - 1) - (least_own - 1),
            earlier * window,
        ),
        Equal("A2 sees the sizes through k/m alone", bound, by_ratio.subs(ratio, k / m)),
        Positive("and rises with it: the query with the largest ratio binds", by_ratio.diff(ratio)),
        Equal(
            "a row leaks at most epsilon exactly where k/m is at most epsilon e^d/(1 - epsilon)",
            by_ratio.subs(ratio, eps_target * exp(d) / (1 - eps_target)),
            eps_target,
        ),
        Equal(
            "solved for the separation",
            by_ratio.subs(d, (log(ratio) + Logit(1 - eps_target)).expand(func=True)),
            eps_target,
        ),
    )


WHOLE_CONTEXT = Statement(
    id="A7",
    name="whole-context",
    title="A separation keeps every causal row exactly from the threshold of the query with the largest k/m on",
    kind=Kind.SHARP,
    source="own; the rows early in a window bind, not the last one",
    uses=("A2", "A3", "A4"),
    about="context",
    assumptions=(
        Assumption("own keys", "a window holds the least number of own keys", Le(least_own, window)),
        Assumption("a query counts", "a query after the first window counts", Ge(tokens, least_own + window)),
    ),
    claim=(
        Clause("largest ratio", Eq(ratio_T, LARGEST_RATIO)),
        Clause("every query", Le(eps_T, eps_most)),
        Clause("binding query", Eq(eps_most, Logistic(log(LARGEST_RATIO) - d_T))),
        Clause("iff", Equivalent(Le(eps_most, eps_target), Ge(d_T, CONTEXT_THRESHOLD))),
        Clause("sufficient", Implies(Ge(d_T, CONTEXT_THRESHOLD), Le(eps_T, eps_target))),
        Clause("share", Eq(share_kept, share_within)),
        Clause("entropy", Le(H_T, H_most), Ge(d_T, 0)),
    ),
    derive=_derive,
)
