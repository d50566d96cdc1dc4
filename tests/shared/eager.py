"""A GPT-2 with the dial and the numbers of its rows, from their definitions in float64: an oracle for `measure`.

It reads only weights and settings and imports no attention, rows or bounds of the project.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import gelu, layer_norm

from empirical.model import load_model
from empirical.training.held_out import load_held_out


def eager_rows(folder, dials, windows):
    """Numbers of every row by layer, `name -> (heads, sequences, tokens)`, and the mean loss in nats per token.

    Rows without a key off their block are NaN. Each layer also has the heads' outputs, under `output`.
    """
    model = load_model(folder).double()
    weights = {name.removeprefix("transformer."): each.detach() for name, each in model.named_parameters()}
    config = model.config
    heads, block, temperature = config.n_head, config.localist["block"], config.localist["temperature"]
    tokens = load_held_out(folder)[0][:windows]
    count, length = tokens.shape
    width = config.n_embd // heads
    state = weights["wte.weight"][tokens] + weights["wpe.weight"][:length]
    own = torch.arange(length) // block
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    inside, outside = visible & (own[:, None] == own), visible & (own[:, None] != own)
    layers = []
    for layer, dial in enumerate(dials):
        part = {
            name.removeprefix(f"h.{layer}."): each for name, each in weights.items() if name.startswith(f"h.{layer}.")
        }

        def norm(name, state, part=part):
            return layer_norm(state, state.shape[-1:], part[f"{name}.weight"], part[f"{name}.bias"], 1e-5)

        def linear(name, state, part=part):
            return state @ part[f"{name}.weight"] + part[f"{name}.bias"]

        projected = linear("attn.c_attn", norm("ln_1", state)).view(count, length, 3, heads, width)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width) / temperature
        scores = scores + (inside.double() * -math.log1p(-dial) if dial < 1 else 0.0)
        kept = scores.masked_fill(~(visible if dial < 1 else inside), -math.inf)
        attention = kept.softmax(-1)
        output = attention @ value
        layers.append(_numbers(scores, attention, inside, outside, dial) | {"output": output.transpose(0, 1).numpy()})
        state = state + linear("attn.c_proj", output.transpose(1, 2).reshape(count, length, -1))
        state = state + linear("mlp.c_proj", gelu(linear("mlp.c_fc", norm("ln_2", state)), approximate="tanh"))
    state = layer_norm(state, state.shape[-1:], weights["ln_f.weight"], weights["ln_f.bias"], 1e-5)
    surprise = -(state @ weights["wte.weight"].T).log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])
    return layers, surprise.mean().item()


def _numbers(scores, attention, inside, outside, dial):
    nothing = ~outside.any(-1)
    high, first = _largest(scores, outside), torch.arange(scores.shape[-1]) == 0
    low = scores.masked_fill(~inside, math.inf).amin(-1)
    seen = inside | outside
    spread = _largest(scores, seen) - scores.masked_fill(~seen, math.inf).amin(-1)
    found = {
        "entropy": -torch.special.xlogy(attention, attention).sum(-1),
        "fidelity": (attention * inside).sum(-1),
        "leak": (attention * outside).sum(-1),
        "margin": low - high if dial < 1 else torch.full_like(low, math.inf),
        "mean_margin": (scores * inside).sum(-1) / inside.sum(-1) - high
        if dial < 1
        else torch.full_like(low, math.inf),
        "logit_range": spread if dial < 1 else torch.full_like(low, math.inf),
        # Relative to the smallest score in the block; the sink is the first token where it is off the block.
        "block_high": _largest(scores, inside) - low,
        "sink": _largest(scores, outside & first) - low if dial < 1 else torch.full_like(low, -math.inf),
        "others": _largest(scores, outside & ~first) - low if dial < 1 else torch.full_like(low, -math.inf),
        "n": seen.sum(-1).expand_as(low).double(),
        "m": inside.sum(-1).expand_as(low).double(),
    }
    found = {name: each.masked_fill(nothing, math.nan).transpose(0, 1).numpy() for name, each in found.items()}
    with np.errstate(divide="ignore"):
        odds = np.log(found["fidelity"] / found["leak"])
    return found | {"soft_margin": odds - np.log(found["m"] / (found["n"] - found["m"]))}


def _largest(scores, counted):
    return scores.masked_fill(~counted, -math.inf).amax(-1)


def eager_bounds(row):
    """Bounds of one row from the formulas of A2, A4, A5 and A8; `row` maps the names above to numbers."""
    n, m = row["n"], row["m"]

    def leak(separation):
        if separation == math.inf:
            return 0.0
        return (n - m) * math.exp(-separation) / (m + (n - m) * math.exp(-separation))

    def above(separation):
        if separation == math.inf:
            return math.log(m)
        if separation >= 0:
            return math.log(m + (n - m) * math.exp(-separation)) + separation * leak(separation)
        share = 1 / (1 + math.exp(-separation))
        return math.log(n - 2 + math.exp(-share * math.log(share) - (1 - share) * math.log(1 - share)))

    def below(spread):
        if spread == math.inf:
            return 0.0
        j = np.arange(1, n)
        total = j * math.exp(spread) + n - j
        return float((np.log(total) - spread * j * math.exp(spread) / total).min())

    def beside_sink():
        """The least of A8's bounds with and without the sink singled out, for the whole block and its largest score."""
        above_low = [(n - m) * math.exp(-row["margin"])]
        if row["sink"] > -math.inf:
            above_low.append(math.exp(row["sink"]) + (n - m - 1) * math.exp(row["others"]))
        odds = min(above_low) / max(m, math.exp(row["block_high"]))
        return odds / (1 + odds)

    eps, usable = row["leak"], row["mean_margin"] if row["mean_margin"] >= 0 else row["margin"]
    binary = -sum(p * math.log(p) for p in (eps, 1 - eps) if p > 0)
    return {
        "bound_fidelity_margin": 1 - leak(row["margin"]),
        "bound_leak_margin": leak(row["margin"]),
        "bound_leak_mean_margin": leak(row["mean_margin"]),
        "bound_leak_sink": beside_sink(),
        "bound_entropy_fidelity": binary + (1 - eps) * math.log(m) + eps * math.log(n - m),
        "bound_entropy_margin": above(row["margin"]),
        "bound_entropy_mean_margin": above(usable),
        "bound_entropy_range": below(row["logit_range"]),
    }
