"""Watch a decoder of another family while it runs: how much attention stays on each token's block?"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import localist

# A small random Llama with grouped queries; any transformers decoder will do.
torch.manual_seed(0)
shape = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "vocab_size": 100,
    "initializer_range": 0.2,
}
model = LlamaForCausalLM(LlamaConfig(**shape, num_attention_heads=4, num_key_value_heads=2)).eval()
tokens = torch.randint(0, 100, (2, 64))

with torch.no_grad(), localist.watch(model, block=16) as rows:
    model(tokens)
frame = rows.frame()
print(frame[["layer", "head", "rows", "entropy", "entropy_bound", "fidelity", "sink_share"]].round(3).to_string())
print(f"rows that violate a bound: {frame['violations'].sum()}")

# The dial moves it towards the blocks without retraining.
with torch.no_grad(), localist.watch(model, block=16, dials=[0.9, 0.9]) as dialled:
    model(tokens)
before, after = frame["fidelity"].mean(), dialled.frame()["fidelity"].mean()
print(f"mean fidelity {before:.2f}, with a dial of 0.9 {after:.2f}")
