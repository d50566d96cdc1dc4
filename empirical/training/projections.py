"""Finds the weights behind each head's queries, keys and values in a decoder, without knowing its architecture.

In one short pass the graph is cut after every linear module, so that a head's queries depend on the outputs of the last
linear module before them alone: those with a gradient are the head's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Linear, Module
from transformers import Conv1D, PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import WindowBlocks
from theory.errors import DomainError

MATRICES = ("query", "key")

# Linear modules, and for each the outputs `(features,)` on which a head depends.
Sources = dict[str, Tensor]


@dataclass(frozen=True)
class Projection:
    """`W_Q` or `W_K` of one layer: head `i` has the outputs from `first + i * step` on of a linear `module`."""

    module: Module
    heads: int
    width: int
    first: int
    step: int

    @property
    def weight(self) -> Float[Tensor, "inputs heads head"]:
        """The weights `(inputs, heads, head)`, without gradients; a view."""
        weight: Any = self.module.weight
        inputs_first = weight.detach() if isinstance(self.module, Conv1D) else weight.detach().T
        heads: Tensor = inputs_first[:, self.first :].unfold(1, self.width, self.step)[:, : self.heads]
        return heads


def query_and_key(model: PreTrainedModel) -> list[tuple[Projection, Projection]]:
    """`W_Q` and `W_K` of every layer.

    Raises DomainError unless each head's queries and keys come from outputs of one linear module that no other head
    uses, evenly spaced; and for a model that does not dispatch its attention.
    """
    modules = dict(model.named_modules())
    found = []
    for layer, sources in enumerate(_traced(model)):
        try:
            query, key = (_projection(modules, sources[matrix]) for matrix in MATRICES)
        except ValueError as error:
            raise DomainError(
                f"{type(model).__name__}: the weights of the heads' queries and keys in layer {layer} cannot be told "
                "apart: leave out the group penalty"
            ) from error
        found.append((query, key))
    return found


def attention_inputs(model: PreTrainedModel) -> list[str]:
    """Names of the linear modules that give queries, keys and values. Raises DomainError as `query_and_key`."""
    return sorted({name for layer in _traced(model) for heads in layer.values() for head in heads for name in head})


def _traced(model: PreTrainedModel) -> list[dict[str, list[Sources]]]:
    """For every layer the sources of each head's query, key and value."""
    found: dict[int, dict[str, list[Sources]]] = {}
    leaves: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(0)

    def on_call(call: AttentionCall) -> None:
        found[call.layer] = {
            name: [_sources(each, leaves, generator) for each in getattr(call, name).unbind(1)]
            for name in (*MATRICES, "value")
        }
        leaves.clear()

    # Two tokens: rotary positions leave the first one as it is.
    tokens = torch.tensor([[0, 1]], device=model.device)
    with _evaluating(model), ExitStack() as hooks, torch.enable_grad():
        for name, module in model.named_modules():
            if isinstance(module, Linear | Conv1D):
                hooks.callback(module.register_forward_hook(_cut(name, leaves)).remove)
        with Attachment(model, WindowBlocks(1), on_call=on_call).attached():
            # With a mask, since transformers warns of texts that hold the padding token.
            model(tokens, attention_mask=torch.ones_like(tokens), use_cache=False)
    return [found[layer] for layer in sorted(found)]


def _cut(name: str, leaves: dict[str, Tensor]) -> Any:
    def hook(module: Module, args: Any, output: Tensor) -> Tensor:
        leaves[name] = output.detach().requires_grad_()
        return leaves[name]

    return hook


def _sources(head: Tensor, leaves: dict[str, Tensor], generator: torch.Generator) -> Sources:
    """The outputs of `leaves` on which a head's query, key or value `(batch, tokens, head)` depends."""
    if not head.requires_grad:
        return {}
    # A random combination, so that gradients do not cancel.
    weights = torch.randn(head.shape, generator=generator).to(head)
    slopes = torch.autograd.grad((head * weights).sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
    used = {
        name: slope.flatten(0, -2).any(0).nonzero().flatten()
        for name, slope in zip(leaves, slopes, strict=True)
        if slope is not None
    }
    return {name: features for name, features in used.items() if len(features)}


def _projection(modules: dict[str, Module], heads: list[Sources]) -> Projection:
    """The projection with these sources. Raises ValueError if they are not those of one."""
    # Unpacking raises ValueError for more or fewer modules than one.
    ((name,),) = {tuple(head) for head in heads}
    features = [head[name] for head in heads]
    first, width = int(features[0][0]), len(features[0])
    step = int(features[1][0]) - first if len(heads) > 1 else width
    outputs = torch.arange(width, device=features[0].device)
    for index, each in enumerate(features):
        if step < width or not torch.equal(each, first + index * step + outputs):
            raise ValueError(f"head {index} has outputs {each.tolist()}")
    return Projection(modules[name], len(heads), width, first, step)


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Without dropout, which would draw random numbers and hide outputs."""
    before = model.training
    model.eval()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        model.train(before)
