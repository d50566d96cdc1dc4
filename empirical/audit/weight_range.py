"""Bounds on the scores of each head that hold for every text, from the weights alone.

A norm before the attention gives `n = x * gamma + beta` with `|x| <= sqrt(p)`, whatever the text: layer norm divides by
the standard deviation, RMS norm by the root mean square, each with an epsilon that only shortens `x`. A head's query is
`W n + b`, so `|q| <= sqrt(p) |W diag(gamma)| + |W beta + b|` in spectral norm, and a key likewise; rotary positions
turn both and keep their length. Where a norm of the head's own follows, `|q| <= sqrt(d) max|gamma|` instead. Then every
score is at most `scale |q| |k|` in size, or at most the soft cap.

Two margins are added. Float64 computes each norm here with an error below `(p d + 64) 2^-52` of it. The model computes
in a format of precision `eps`, norms and rotary positions in float32 at best: products and sums of `p` terms err by at
most `2 (p + 64) eps |W|_F |n|`, rotations and the dot product of `d` terms by at most `(d + 64) eps` of themselves. One
thing is assumed: the rounding inside a norm moves its output by no more than `(p + 64) eps` of its length. That fails
for inputs whose mean is far larger than their deviations from it.

That a head is computed like this is not taken for granted. Only attention of known classes is accepted, and a pass over
a few tokens compares the norm's output, the projection and each query and key with the formulas; else the answer is
"not decided", with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear, Module
from transformers import Conv1D, PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import WindowBlocks
from empirical.model import positions, text_config
from empirical.training.projections import Projection, query_and_key
from theory.errors import DomainError

# Attention whose queries and keys are projections of its input, then at most normed per head and rotated.
KNOWN = frozenset(
    f"{name}Attention"
    for name in (
        *("GPT2", "GPTNeoX", "Llama", "Mistral", "Qwen2", "Qwen3", "Phi3", "Gemma2", "Gemma3", "Granite", "GptOss"),
        *("SmolLM3", "Starcoder2"),
    )
)
# Norms of single heads inside such attention.
_OWN_NORMS = {"query": "q_norm", "key": "k_norm"}
# Tokens of the pass that compares the model with the formulas, and the relative difference that it allows.
_TOKENS, _NEAR = 16, 1e-3


@dataclass(frozen=True)
class HeadRange:
    """What the weights say of one head's scores, over the temperature and before the dial.

    `score` bounds the size of each; `sink` is the head's sink logit, if any. If `score` is None, `reason` says why.
    """

    score: float | None
    sink: float | None = None
    reason: str = ""

    @property
    def deficit(self) -> float | None:
        """The most by which a key off the block, a sink included, can exceed one in it."""
        if self.score is None:
            return None
        return 2 * self.score if self.sink is None else max(2 * self.score, self.score + self.sink)

    @property
    def spread(self) -> float | None:
        """Largest minus smallest score of a row, a sink included."""
        if self.score is None:
            return None
        return 2 * self.score if self.sink is None else max(2 * self.score, self.score + abs(self.sink))


@dataclass(frozen=True)
class Normed:
    """A norm's output `x * gamma + beta` with `|x| <= sqrt(width)`; layer norm's `x` has the mean 0 (`centred`)."""

    gamma: Tensor
    beta: Tensor
    centred: bool

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.gamma)

    @property
    def longest(self) -> float:
        """Bound on the output's length."""
        return math.sqrt(self.width) * float(self.gamma.abs().max()) + float(self.beta.norm())


@dataclass
class _Seen:
    """What the pass over a few tokens showed: calls by layer, and which norm's output entered each linear module."""

    calls: dict[int, AttentionCall] = field(default_factory=dict)
    norms: list[tuple[str, Tensor]] = field(default_factory=list)
    inputs: dict[str, Tensor] = field(default_factory=dict)


def head_ranges(model: PreTrainedModel) -> list[list[HeadRange]]:
    """The bound of every layer's heads. Raises DomainError for a model that does not dispatch its attention."""
    config = text_config(model)
    layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    seen = _seen(model)
    try:
        projections = query_and_key(model)
    except DomainError:
        why = "the heads' queries and keys are not outputs of one linear module that no other head shares"
        return [[HeadRange(None, reason=why)] * heads for _ in range(layers)]
    modules = dict(model.named_modules())
    found = [[HeadRange(None, reason="the layer calls no attention")] * heads for _ in range(layers)]
    # Some models have layers without attention.
    for layer, pair in zip(sorted(seen.calls), projections, strict=True):
        call = seen.calls[layer]
        try:
            longest = [_lengths(part, pair[index], call, seen, modules) for index, part in enumerate(_OWN_NORMS)]
        except ValueError as error:
            found[layer] = [HeadRange(None, reason=str(error))] * call.query.shape[1]
            continue
        found[layer] = [_of_head(head, longest[0], longest[1], call) for head in range(call.query.shape[1])]
    return found


def norm_of(module: Module) -> Normed:
    """Gain and offset of a norm, in float64. Raises ValueError for a module that is no such norm.

    The class says which formula it is, and a comparison on random inputs, some of them far from 0, confirms it.
    """
    weight: Any = getattr(module, "weight", None)
    name = type(module).__name__
    if weight is None or weight.dim() != 1:
        raise ValueError(f"{name} is not a layer norm or an RMS norm with a gain")
    if isinstance(module, LayerNorm):
        bias: Any = weight.new_zeros(len(weight)) if module.bias is None else module.bias
        candidates = [Normed(weight.detach().double(), bias.detach().double(), True)]
    elif name.endswith("RMSNorm"):
        gain = weight.detach().double()
        # Gemma's gain counts from 1.
        candidates = [Normed(each, torch.zeros_like(gain), False) for each in (gain, 1 + gain)]
    else:
        raise ValueError(f"{name} is not a layer norm or an RMS norm")
    inputs = 1e3 * torch.randn(8, len(weight), generator=torch.Generator().manual_seed(0))
    inputs[4:] += 500.0
    inputs = inputs.to(weight)
    with torch.no_grad():
        output = module(inputs).double()
    x = inputs.double() - inputs.double().mean(-1, keepdim=True) * candidates[0].centred
    x = x / x.square().mean(-1, keepdim=True).sqrt()
    for normed in candidates:
        expected = x * normed.gamma + normed.beta
        if bool(((output - expected).abs() <= _NEAR * (expected.abs() + normed.longest / normed.width**0.5)).all()):
            return normed
    raise ValueError(f"{name} does not compute what its name says")


def projection_length(weight: Tensor, bias: Tensor, normed: Normed, eps: float) -> float:
    """Bound on `|W n + b|` for `weight` `(p, d)` and every output `n` of the norm, computed in precision `eps`."""
    weight, bias = weight.double(), bias.double()
    gained = weight * normed.gamma[:, None]
    if normed.centred:
        # Inputs of mean 0 do not see the mean over the features.
        gained = gained - gained.mean(0, keepdim=True)
    exact = 1 + (weight.numel() + 64) * 2.0**-52
    largest = float(torch.linalg.matrix_norm(gained, ord=2)) * math.sqrt(normed.width)
    offset = float((normed.beta @ weight + bias).norm())
    computed = 2 * (normed.width + 64) * eps * (float(weight.norm()) * normed.longest + float(bias.norm()))
    return (largest + offset) * exact + computed


@torch.no_grad()
def _seen(model: PreTrainedModel) -> _Seen:
    found = _Seen()
    vocabulary = int(text_config(model).vocab_size)
    count = int(min(_TOKENS, positions(model)))
    tokens = torch.randint(vocabulary, (1, count), generator=torch.Generator().manual_seed(0)).to(model.device)

    def on_call(call: AttentionCall) -> None:
        found.calls[call.layer] = call

    def on_norm(name: str) -> Any:
        return lambda module, args, output: found.norms.append((name, output))

    def on_linear(name: str) -> Any:
        return lambda module, args, output: found.inputs.__setitem__(name, args[0])

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if isinstance(module, LayerNorm) or type(module).__name__.endswith("RMSNorm"):
                hooks.callback(module.register_forward_hook(on_norm(name)).remove)
            elif isinstance(module, Linear | Conv1D):
                hooks.callback(module.register_forward_hook(on_linear(name)).remove)
        with Attachment(model, WindowBlocks(1), on_call=on_call).attached():
            model(tokens, attention_mask=torch.ones_like(tokens), use_cache=False)
    return found


def _lengths(
    part: str, projection: Projection, call: AttentionCall, seen: _Seen, modules: dict[str, Module]
) -> list[float]:
    """Bound on the length of each head's queries or keys. Raises ValueError with the reason why there is none."""
    name = next(name for name, module in modules.items() if module is projection.module)
    inside = modules[name.rpartition(".")[0]]
    if type(inside).__name__ not in KNOWN:
        raise ValueError(f"what {type(inside).__name__} does between its projections and its scores is not known")
    given = seen.inputs[name]
    norm = next((each for each, output in seen.norms if output is given), None)
    if norm is None:
        raise ValueError(f"the input of {name} is not the output of a norm")
    normed, own = norm_of(modules[norm]), getattr(inside, _OWN_NORMS[part], None)
    # Norms and rotary positions are computed in float32 at best.
    eps = max(torch.finfo(call.query.dtype).eps, torch.finfo(torch.float32).eps)
    least, most = _rotation(modules.values())
    found = []
    for head in range(projection.heads):
        weight, bias = projection.weight[:, head].double(), _bias(projection, head).double()
        measured = getattr(call, part)[0, head].double().norm(dim=-1)
        if own is None:
            bound = projection_length(weight, bias, normed, eps)
            lengths = (given[0].double() @ weight + bias).norm(dim=-1)
            near = _NEAR * most * lengths + 1e-6
            if bool(((measured < least * lengths - near) | (measured > most * lengths + near)).any()):
                raise ValueError(f"{part} {head} has another length than its projection")
        else:
            bound = norm_of(own).longest * (1 + (projection.width + 64) * eps)
        bound *= most * (1 + 64 * eps)
        if bool((measured > bound).any()):
            raise ValueError(f"{part} {head} is longer than its bound")
        found.append(bound)
    return found


def _bias(projection: Projection, head: int) -> Tensor:
    """The bias of one head's outputs; zeros for a module without one."""
    bias: Any = projection.module.bias
    if bias is None:
        return projection.weight.new_zeros(projection.width)
    first = projection.first + head * projection.step
    offset: Tensor = bias.detach()[first : first + projection.width]
    return offset


def _rotation(modules: Iterable[Module]) -> tuple[float, float]:
    """By how much rotary positions may shorten and lengthen a vector: 1, unless they scale their cosines and sines."""
    scales = [1.0]
    for module in modules:
        scales += [float(value) for name, value in vars(module).items() if name.endswith("attention_scaling")]
    return min(scales), max(scales)


def _of_head(head: int, queries: Sequence[float], keys: Sequence[float], call: AttentionCall) -> HeadRange:
    width = call.query.shape[-1]
    score = call.scale * queries[head] * keys[head // (len(queries) // len(keys))]
    score *= 1 + (width + 64) * torch.finfo(call.query.dtype).eps
    if call.softcap is not None:
        score = min(score, float(call.softcap))
    return HeadRange(score, None if call.sinks is None else float(call.sinks.detach()[head]))
