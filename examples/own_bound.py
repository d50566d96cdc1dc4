"""Is your own bound true? Prove it over a box, or look for an attention row that breaks it."""

from sympy import Interval, Le, Symbol, log, oo

import localist
from theory.symbols import H, k, m

x = Symbol("x", positive=True)
everywhere = {x: Interval.open(0, oo)}

found = localist.certify(Le(log(x), x - 1), everywhere)
print("log x <= x - 1:", found.verdict.value)
assert found.verdict is localist.Verdict.PROVED

# Smaller by a second-order term: false, at the printed point.
found = localist.certify(Le(log(x), x - 1 - (x - 1) ** 2 / 10**4), everywhere)
print("with a term less:", found.verdict.value, "at", found.point)
assert found.verdict is localist.Verdict.REFUTED

# No row has more entropy than its own block spread evenly: false.
found = localist.attack_row(Le(H, log(m)))
print("entropy at most log m:", found.verdict.value)
print(found.counterexample)

# An attack never proves: UNDECIDED says only that no row was found.
found = localist.attack_row(Le(H, log(m + k)), samples=2_000)
print("entropy at most log n:", found.verdict.value)
