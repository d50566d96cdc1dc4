"""Two bounds of your own: `localist verify examples/my_bounds.py`, or `pytest examples/my_bounds.py`."""

from sympy import Ge, Le, Symbol, exp, log

import localist
from theory.derivation import Equal, RisesFromZero
from theory.statement import Clause, Kind, Statement
from theory.symbols import H, d, eps, k, m


@localist.bound
def entropy_at_most_log_n():
    """A claim alone can be sampled, screened and attacked, and it can be refuted; it cannot be proved."""
    return Le(H, log(m + k))


x = Symbol("x", nonnegative=True)
weight = m + k * exp(-x)


# With a derivation, sympy decides its steps and intervals certify its inequalities. UNIFORM_LEAK.v, beside this file,
# holds a proof that Coq's kernel checks.
@localist.bound(at_least="certified")
def leak_at_most_uniform():
    return Statement(
        id="UNIFORM_LEAK",
        name="uniform-leak",
        title="A row with a separation of at least 0 leaks at most what a uniform row does",
        kind=Kind.ONE_SIDED,
        source="an example",
        claim=(Clause("leak", Le(eps, k / (m + k)), given=Ge(d, 0)),),
        derive=lambda: (
            Equal(
                "by how much A2's bound at separation x is below k/(m + k)",
                k / (m + k) - k * exp(-x) / weight,
                k * m * (1 - exp(-x)) / ((m + k) * weight),
            ),
            RisesFromZero("which is not negative", 1 - exp(-x), x),
        ),
        uses=("A2",),
    )
