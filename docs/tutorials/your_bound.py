# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own bound
#
# You have an inequality, and you want to know whether it is true. Two tools of this library help. `certify` proves an
# inequality on all of a box, or finds a point at which it is false. `attack_row` looks for an attention row that breaks
# a claim. Neither asks you to trust a sample of points: what is called proved is proved, and what is called refuted has
# an exact counterexample. There is a third answer, and this tutorial ends with it: UNDECIDED.

# %%
import tempfile
from pathlib import Path

import numpy as np
from sympy import Interval, Le, Symbol, log, oo

import localist
from localist import Verdict, attack_row, certify
from proofs_check.inequalities.replay import replay
from theory.symbols import H, k, m

# %% [markdown]
# ## Prove an inequality
#
# The logarithm lies below its tangent at 1. `x` stands for every positive number, of which there are infinitely many,
# so trying points cannot prove this.

# %%
x = Symbol("x", positive=True)
everywhere = {x: Interval.open(0, oo)}
proved = certify(Le(log(x), x - 1), everywhere)
print(f"log x <= x - 1: {proved.verdict.value}")
assert proved.verdict is Verdict.PROVED
proved

# %% [markdown]
# A proof comes with a certificate: a file that holds the whole proof. Another program replays it, which shares no code
# with the search. A certificate that was changed is refused.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = proved.certificate.write(Path(folder) / "tangent.json")
    print(f"replayed: {replay(path).holds}")
    assert replay(path).holds
    changed = path.read_text().replace('"<="', '"<"')
    assert changed != path.read_text()
    path.write_text(changed)
    print(f"changed, then replayed: {replay(path).holds}")
    assert not replay(path).holds

# %% [markdown]
# ## Refute one
#
# Is there room below the tangent? Subtract a small term of second order. Near 1 the claim looks true; far away the new
# term wins, and `certify` returns an exact point there.

# %%
smaller = Le(log(x), x - 1 - (x - 1) ** 2 / 10**4)
refuted = certify(smaller, everywhere)
print(f"with a term less: {refuted.verdict.value} at x = {refuted.point['x']}")
assert refuted.verdict is Verdict.REFUTED
# Check it by hand.
at = refuted.point["x"]
assert np.log(float(at)) > float(at - 1 - (at - 1) ** 2 / 10**4)
refuted

# %% [markdown]
# ## Attack a claim about attention
#
# The letters of `theory.symbols` are measured on attention rows: `H` is the entropy of a row in nats, `m` is the number
# of keys in its block, and `k` the number of the others. Here is a claim that sounds right: "no row has more entropy
# than its block spread evenly", which is `H <= log m`.

# %%
claim = Le(H, log(m))
attacked = attack_row(claim)
print(f"entropy at most log m: {attacked.verdict.value}")
assert attacked.verdict is Verdict.REFUTED
attacked

# %% [markdown]
# The counterexample is a row of exact numbers. A few lines of numpy confirm it without the library's help:

# %%
row = attacked.counterexample.instance
scores = np.array([float(score / row.temperature) for score in row.scores])
mass = np.exp(scores - scores.max())
mass /= mass.sum()
entropy = -(mass * np.log(mass)).sum()
print(f"its entropy is {entropy:.4f} nats, and log m is {np.log(row.block):.4f}")
assert entropy > np.log(row.block)

# %% [markdown]
# ## What UNDECIDED means
#
# The next claim is true: no row of `m + k` keys has more entropy than the logarithm of their number. An attack finds no
# counterexample. That is not a proof, and the answer says so.

# %%
survived = attack_row(Le(H, log(m + k)), samples=2_000)
print(f"entropy at most log n: {survived.verdict.value}")
assert survived.verdict is Verdict.UNDECIDED
survived

# %% [markdown]
# UNDECIDED means that neither a proof nor a counterexample was found. It says nothing about which of the two exists.
# `certify` answers UNDECIDED too when its budget is spent. The inequality is the one that was proved above; a budget of
# no boxes is too small for it:

# %%
hurried = certify(Le(log(x), x - 1), everywhere, boxes=0)
print(f"log x <= x - 1 with no boxes: {hurried.verdict.value}, {hurried.reason}")
assert hurried.verdict is Verdict.UNDECIDED
hurried

# %% [markdown]
# So that UNDECIDED is never taken for success, a verdict has no truth value. `if found.verdict:` raises an error; write
# `if found.verdict is Verdict.PROVED:` instead.

# %%
try:
    bool(hurried.verdict)
except TypeError as error:
    print(f"refused: {error}")
else:
    raise AssertionError("a verdict has a truth value")

# %% [markdown]
# A fourth verdict, VACUOUS, says that nothing meets the assumptions. Such a claim is true of nothing.

# %%
empty = certify(Le(log(x), x - 2), {x: Interval(2, 1)})
print(f"on an empty interval: {empty.verdict.value}")
assert empty.verdict is Verdict.VACUOUS

# %% [markdown]
# The library's own bound on the entropy is statement A4. It is sharper, since it knows the separation of the row, and
# it was decided by several methods: `CLAIMS.md` lists them for every statement.

# %%
A4 = next(statement for statement in localist.CATALOGUE if statement.id == "A4")
A4

# %% [markdown]
# ## Where to go next
#
# - `docs/library.md`, "Your own bound", has a lower bound from the literature that survives an attack.
# - `localist.strategies.attention_rows()` draws rows for property tests of your own.
# - `localist verify --full` decides the library's own statements on your machine: `docs/commands.md`.
# - `docs/theory.md` lists the statements, each with its assumptions and its derivation.
