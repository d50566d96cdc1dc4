"""What follows the last attention layer of a GPT-2, as H3 needs it: its weights, and how far they can stretch a move.

H3 assumes a pre-norm decoder: the residual after the last attention layer passes a layer norm and an MLP, which adds to
it, then the last layer norm and the unembedding. GPT-2 is built like this; models of other classes are refused.

H3 is applied to an equal model. Each norm's gain is folded into the matrix that follows it, so that both gains are 1.
The mean over the features is taken out of whatever enters a norm or leaves one, because a norm does not see it and its
output has none. This changes no logit's difference, and a spectral norm of a folded matrix is at most the product that
it replaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear
from transformers import Conv1D, GPT2LMHeadModel, PreTrainedModel
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP, GPT2Attention, GPT2Block

from empirical.influence.distances import diameter
from empirical.model import text_config
from theory.errors import DomainError

# Upper bounds on the activations' slopes; each is 0 at 0. A test compares them with the functions.
SLOPES = {"gelu_new": 1.129, "gelu": 1.129, "silu": 1.1, "relu": 1.0, "tanh": 1.0}
_PARTS = {"ln_1": LayerNorm, "attn": GPT2Attention, "ln_2": LayerNorm, "mlp": GPT2MLP}
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Affine:
    """A matrix `(in, out)` and its offset `(out,)`, or a norm's gain and offset; float64."""

    weight: Tensor
    offset: Tensor

    @classmethod
    def of(cls, module: Any) -> Affine:
        """The weights of a norm or a linear module."""
        weight = module.weight.detach().double()
        weight = weight.T if isinstance(module, Linear) else weight
        bias = weight.new_zeros(weight.shape[-1]) if module.bias is None else module.bias.detach().double()
        return cls(weight, bias)


@dataclass(frozen=True)
class Tail:
    """The parts of the model from the output of the last attention on, float64."""

    projection: Affine
    norm: Affine
    first: Affine
    second: Affine
    last_norm: Affine
    unembedding: Affine
    stabiliser: float
    slope: float
    heads: int

    @property
    def width(self) -> int:
        """Number of features of the residual."""
        return len(self.norm.weight)

    @property
    def mlp_norm(self) -> float:
        """Bound on the MLP's stretch of what the norm before it gives: spectral norms times the largest slope."""
        gained, error = _gained(self.first, self.norm)
        return self.slope * (spectral_norm(gained) + error) * spectral_norm(_centred(self.second.weight))

    def unembedding_distance(self) -> tuple[float, bool]:
        """Bound on the distance of two tokens' rows, and whether it is the largest distance but for rounding."""
        gained, error = _gained(self.unembedding, self.last_norm)
        distance, exact = diameter(gained.T)
        return distance + 2 * error, exact

    def value_maps(self) -> Tensor:
        """What takes each head's values into the residual, `(heads, head, width)`."""
        return _centred(self.projection.weight).view(self.heads, -1, self.width)


def tail_of(model: PreTrainedModel) -> Tail:
    """The tail of a GPT-2. Raises DomainError that says which assumption of H3 another model breaks."""
    breach = _breach(model)
    if breach:
        raise DomainError(f"{type(model).__name__} breaks an assumption of H3: {breach}")
    inner: Any = model.transformer
    block = inner.h[-1]
    return Tail(
        Affine.of(block.attn.c_proj),
        Affine.of(block.ln_2),
        Affine.of(block.mlp.c_fc),
        Affine.of(block.mlp.c_proj),
        Affine.of(inner.ln_f),
        Affine.of(model.lm_head),
        # A smaller stabiliser only raises the bound.
        min(block.ln_2.eps, inner.ln_f.eps),
        SLOPES[model.config.activation_function],
        int(model.config.num_attention_heads),
    )


def spectral_norm(weight: Tensor) -> float:
    """Largest singular value, rounded up: float64 computes it with a relative error below `(entries + 64) 2^-52`."""
    return float(torch.linalg.matrix_norm(weight, ord=2)) * (1 + (weight.numel() + 64) * _EPS)


def _gained(after: Affine, norm: Affine) -> tuple[Tensor, float]:
    """The matrix after a norm with the norm's gain in it, and the length of its rounding error.

    The norm's output without gain has the mean 0, so a multiple of 1 may be taken off each column, whichever it is.
    """
    gained = after.weight * norm.weight[:, None]
    return gained - gained.mean(0, keepdim=True), float(gained.norm()) * _EPS


def _centred(weight: Tensor) -> Tensor:
    """The matrix `(in, width)` with a multiple of 1 taken off each row, which the next norm does not see."""
    return weight - weight.mean(-1, keepdim=True)


def _breach(model: PreTrainedModel) -> str:
    """The assumption of H3 that the model breaks, in words; empty if none."""
    config: Any = text_config(model)
    modules = dict(model.named_modules())
    if type(model) is not GPT2LMHeadModel:
        for module in modules.values():
            if type(module).__name__.endswith("RMSNorm"):
                return f"its norms are {type(module).__name__}, not layer norms"
        # GPT-J and Cohere say it only in their code: one norm in a layer is before both.
        if getattr(config, "use_parallel_residual", False) or config.model_type in ("gptj", "cohere", "phi", "codegen"):
            return "its MLP reads the residual before the attention, not after it"
        if any(name.endswith(("gate_proj", "gate_up_proj")) for name in modules):
            return "its MLP is gated, not two matrices with an activation between"
        return "the order of its norms, attention and MLP is not known to be GPT-2's"
    block: Any = model.transformer.h[-1]
    for name, _ in block.named_children():
        if name not in _PARTS:
            return f"its last layer has {name} besides norms, attention and MLP"
    expected = {"last layer": (block, GPT2Block), "last norm": (model.transformer.ln_f, LayerNorm)}
    expected |= {name: (getattr(block, name), kind) for name, kind in _PARTS.items()}
    maps = {"attn.c_proj": block.attn.c_proj, "mlp.c_fc": block.mlp.c_fc, "mlp.c_proj": block.mlp.c_proj}
    expected |= {name: (part, Conv1D) for name, part in maps.items()} | {"lm_head": (model.lm_head, Linear)}
    for name, (part, kind) in expected.items():
        if type(part) is not kind:
            return f"its {name} is {type(part).__name__}, as with adapters, where GPT-2 has {kind.__name__}"
    if config.activation_function not in SLOPES:
        return f"no bound on the slope of its activation {config.activation_function!r} is known"
    return ""
