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
# # A first threshold
#
# In a transformer, each token asks a question (its *query*) of the tokens before it (the *keys*). The answer is an
# *attention row*: one number per key, at least 0, all together 1. Suppose that the text is divided into blocks, and
# that a query should attend to its own block. This tutorial asks how clearly the scores must prefer the block before
# that is certain, and answers it exactly.
#
# These words are enough:
#
# - the *fidelity* of a row is its attention on the block, and the *leak* is the rest;
# - the *margin* is the smallest score in the block minus the largest score outside, and the *separation* is the margin
#   over the temperature of the softmax, which is 1 here;
# - numbers such as margins and entropies are in *nats*: they are natural logarithms.

# %%
import math

import numpy as np
from sympy import Rational

import localist

# %% [markdown]
# ## One row, by hand
#
# A query sees 1,024 keys, of which 64 are its block. We draw random scores and lift those of the block until the margin
# is 3 nats.

# %%
n, m, margin = 1024, 64, 3.0
rng = np.random.default_rng(0)
scores = rng.normal(size=n)
scores[:m] += scores[m:].max() + margin - scores[:m].min()
assert math.isclose(scores[:m].min() - scores[m:].max(), margin)

row = np.exp(scores - scores.max())
row /= row.sum()
leak = row[m:].sum()
bound = localist.leak_max(n=n, m=m, separation=margin)
print(f"this row leaks {leak:.4f}; a row of this margin leaks at most {bound:.4f}")
assert leak <= bound

# %% [markdown]
# The bound holds for every row with this margin, not only for this one. It is statement A2 of the library. A statement
# is a value that shows itself: in a notebook, the next cell prints its assumptions, its formulas and its letters.

# %%
A2 = next(statement for statement in localist.CATALOGUE if statement.id == "A2")
A2

# %% [markdown]
# The word *sharp* beside its name says that no smaller bound is true. The worst row gives all keys of the block one
# score and all other keys another score, lower by the margin:

# %%
worst = np.exp(np.where(np.arange(n) < m, 0.0, -margin))
worst /= worst.sum()
assert math.isclose(worst[m:].sum(), bound, rel_tol=1e-12)

# %% [markdown]
# ## The threshold
#
# Now turn the question round: which margin is enough for a leak of at most 1 %?

# %%
needed = localist.margin_needed(n=n, m=m, leak=0.01)
print(f"a leak of at most 1 % needs a margin of {needed:.4f} nats")
assert math.isclose(localist.leak_max(n=n, m=m, separation=needed), 0.01, rel_tol=1e-12)
# A little less is not enough: the worst row of that margin leaks more.
assert localist.leak_max(n=n, m=m, separation=needed - 0.001) > 0.01

# %% [markdown]
# The function takes exact numbers too, and then its answer is exact.

# %%
exact = localist.margin_needed(n=n, m=m, leak=Rational(1, 100))
print(f"exactly: {exact}")
assert str(exact) == "log(1485)"
assert math.isclose(float(exact), needed)

# %% [markdown]
# ## A whole run: design
#
# A model has many rows. A query at the start of a block sees many keys, but only one of its own block. A promise about
# "the model" must cover that row too. `design_run` takes a description of the whole model and solves for a setting that
# is left open, here the margin. The target is a fidelity of 90 % in the last layer.
#
# The *dial* is a number in [0, 1) per layer that adds `log(1/(1 - dial))` to the separation; `quintic` lets it rise
# steeply with the depth, up to 0.99 in the last layer.

# %%
question = {
    "model": {"layers": 12, "context": 1024},
    "locality": {"block": 64, "margin": "solve", "schedule": "quintic", "dial": 0.99},
    "targets": {"fidelity": 0.9, "localised_layers": 1},
}
design = localist.design_run(localist.parse_run(question))
design

# %%
answer = design.solved[0].value
print(f"the run needs a margin of {answer:.4f} nats")

# %% [markdown]
# ## A whole run: check
#
# `check_run` decides whether a run keeps its targets. Its answer names the row that binds: if that row keeps the
# target, every row does.

# %%
check = localist.check_run(design.run)
check

# %%
binding = check.binding.fidelity
print(f"guaranteed: {check.guaranteed}; the binding query sees {binding.keys} keys, {binding.own} of its own block")
assert check.guaranteed is True
assert (binding.keys, binding.own) == (961, 1)

# %% [markdown]
# How far off is a calculation for the typical row, with 1,024 keys and all 64 of its block? The dial adds
# `log(1/(1 - dial))` to the separation, so we subtract it.

# %%
naive = localist.margin_needed(n=1024, m=64, leak=0.1) - math.log(1 / (1 - 0.99))
print(f"the typical row needs {naive:.4f} nats, {answer - naive:.4f} less than the run")
question["locality"]["margin"] = naive
refused = localist.check_run(localist.parse_run(question))
assert refused.guaranteed is False
refused

# %% [markdown]
# The answer is decided in exact arithmetic. The next smaller number that the computer can hold is not enough:

# %%
question["locality"]["margin"] = math.nextafter(answer, -math.inf)
assert localist.check_run(localist.parse_run(question)).guaranteed is False

# %% [markdown]
# ## Where to go next
#
# - `docs/tutorials/your_model.py`, the next tutorial, measures leaks of a real model and moves its dial.
# - `localist check RUN.toml` and `localist design RUN.toml` do the same from a file: `docs/run-file.md`.
# - `localist explore` opens a page on which every number of this tutorial has a slider: `docs/explorer.md`.
# - `docs/theory.md` lists all statements, and `docs/glossary.md` all words.
