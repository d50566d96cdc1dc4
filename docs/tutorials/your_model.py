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
# # Your model, watched and dialled
#
# This tutorial takes a decoder of the transformers library, measures how much attention stays on each token's own
# block, and then moves it there without training. It needs no network: the model is made and trained here, in a few
# seconds. With a model of your own, start at "Watch it".

# %%
import matplotlib.pyplot as plt
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import localist

# %% [markdown]
# ## A model to look at
#
# The texts are simple. Nine tokens out of ten repeat the token three places before; the others are random. A model that
# has learned this looks three places back, and nowhere else.

# %%
WORDS, TOKENS, BACK = 32, 64, 3


def texts(count: int) -> torch.Tensor:
    """Token ids `(count, TOKENS)`."""
    ids = torch.randint(WORDS, (count, TOKENS))
    for place in range(BACK, TOKENS):
        repeats = torch.rand(count) < 0.9
        ids[:, place] = torch.where(repeats, ids[:, place - BACK], ids[:, place])
    return ids


shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "max_position_embeddings": TOKENS}
torch.manual_seed(0)
config = LlamaConfig(**shape, num_attention_heads=4, num_key_value_heads=2, vocab_size=WORDS)
model = LlamaForCausalLM(config)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(120):
    batch = texts(16)
    loss = model(batch, labels=batch).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
unseen = texts(32)

# %% [markdown]
# ## Watch it
#
# Inside `with localist.watch(...)` the model computes what it always computes, and every attention row is measured on
# the way. Here, a block is a window of 16 tokens: the block of a query is the part of its window that it sees.

# %%
with torch.no_grad(), localist.watch(model, block=16) as plain:
    loss = model(unseen, labels=unseen).loss.item()
plain

# %% [markdown]
# `frame()` gives the same and more as a pandas table, with one line per layer and head.

# %%
frame = plain.frame()
by_layer = frame.groupby("layer")["fidelity"].mean()
print(f"loss {loss:.3f}; fidelity by layer: {', '.join(f'{each:.2f}' for each in by_layer)}")
print(f"rows that violate a bound: {frame['violations'].sum()}")

# %% [markdown]
# The last line is a check of theory against measurement. Each row's entropy and leak are compared with the largest
# ones that the statements A2 and A4 allow at the row's margin. A row counts as a violation only beyond a bound on its
# rounding error, and as undecided if its scores are too large for the number format.

# %%
assert frame["violations"].sum() == 0
assert frame["undecided"].sum() == 0
assert (frame["leak"] <= frame["leak_bound"]).all()

# %% [markdown]
# ## Turn the dial
#
# A *dial* of 0 leaves a layer as it is. A dial of 0.9 multiplies the odds of leaking by 1 - 0.9 = 0.1 in every row of
# the layer (statement B1), and a dial of 1 removes every key outside the block. The weights stay as they are. We try
# five dials, the same in both layers.

# %%
found = {}
for dial in (0.0, 0.5, 0.9, 0.99, 1.0):
    with torch.no_grad(), localist.watch(model, block=16, dials=dial) as rows:
        cost = model(unseen, labels=unseen).loss.item() - loss
    found[dial] = (rows.frame().groupby("layer")["fidelity"].mean(), cost)
    fidelity = ", ".join(f"{each:.2f}" for each in found[dial][0])
    print(f"dial {dial}: fidelity by layer {fidelity}; loss {cost:+.3f} nats per token")

# %% [markdown]
# Read the table from top to bottom:
#
# - The first layer's fidelity rises with every step of the dial.
# - Up to a dial of 0.9 the loss hardly changes: most of what the model needs is three places back, in the same block.
# - At dial 1 the loss jumps. The first three queries of each block need a key of the block before, and it is gone.

# %%
first = [fidelity[0] for fidelity, _ in found.values()]
assert first == sorted(first)
assert abs(found[0.9][1]) < 0.02
assert found[1.0][1] > 0.1
assert found[1.0][0].min() > 0.999

# %% [markdown]
# The same as a picture: each line is a layer.

# %%
figure, axis = plt.subplots(figsize=(4.5, 2.6), layout="constrained")
for layer, (marker, words) in enumerate([("o", "first layer"), ("s", "second layer")]):
    axis.plot([f"{dial:g}" for dial in found], [each[layer] for each, _ in found.values()], marker=marker, label=words)
axis.set(xlabel="dial", ylabel="mean fidelity", ylim=(0, 1.05))
axis.legend(loc="center right")
# A notebook would show an open figure a second time.
plt.close(figure)
figure

# %% [markdown]
# ## What the dial promises
#
# B1 says what becomes of one row whose inputs stay the same. In the first layer they do. A row of fidelity 0.2 reaches
# 0.9 with this dial:

# %%
dial = localist.dial_needed(fidelity=0.2, target=0.9)
print(f"from a fidelity of 0.2 to 0.9: dial {dial:.4f}")
assert abs(1 - localist.dialled_leak(leak=0.8, dial=dial) - 0.9) < 1e-12

# %% [markdown]
# A mean over rows says less than a row. The law of B1 bends downwards, so the mean fidelity of a layer rises at most
# as far as that of a single row that has the mean fidelity before. Some rows, whose leak is close to 1, hardly move.

# %%
alone = 1 - localist.dialled_leak(leak=1 - first[0], dial=0.9)
print(f"first layer at dial 0.9: mean fidelity {found[0.9][0][0]:.3f}, at most {alone:.3f}")
assert first[0] < found[0.9][0][0] <= alone

# %% [markdown]
# ## Keep the dial on
#
# `localist.dial` moves the dial without measuring, also while the model generates. After the `with` statement the model
# is as before.

# %%
with torch.no_grad(), localist.dial(model, 0.9, block=16):
    dialled = model(unseen, labels=unseen).loss.item()
with torch.no_grad():
    after = model(unseen, labels=unseen).loss.item()
assert abs(dialled - loss - found[0.9][1]) < 1e-4
assert abs(after - loss) < 1e-4

# %% [markdown]
# ## Where to go next
#
# - `docs/tutorials/your_bound.py`, the next tutorial, certifies inequalities of your own.
# - `localist.calibrate(model, text=FILE, fidelity=0.9)` chooses dials for a text of yours at little loss, and says what
#   holds on text not yet seen: `docs/commands.md`.
# - `localist.ruled` steers attention by rules that you write: `docs/rules.md`.
# - `docs/library.md` says which models can be watched, and which are refused and why.
