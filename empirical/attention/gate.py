"""The dial as a gate between plain and block-local attention (theory.md B6).

Let `o` and `o_B` be the outputs of attention to all visible keys and to those of the own block, and
`F = Z_B/Z = exp(LSE_B - LSE)`. The dialled output is `o + g (o_B - o)`, `g = lam F/D`, `D = (1-lam) + lam F`. The
dialled fidelity is `F/D` and the leak `(1-lam)(1-F)/D`, so `g` is `lam` times the fidelity. The cost of neither pass
grows with the number of blocks. `D` is a sum of positive terms: nothing cancels for `F` near 0. The absolute error of
the leak is that of `LSE`: a leak far below the rounding of `LSE` is not resolved; rows without a key off their block
have exactly 0.

The backward pass on a CPU needs no gradient of `LSE`. With `LSE' = LSE + log(1 - F + e^b F)`, `e^b = 1/(1-lam)`,
the dialled weights are `exp(s - LSE')` off the block and `e^b` times that on it. A fused backward pass recomputes
weights from the given log-sum-exp, takes `delta = <grad, output>` of each row from the given output, and returns the
gradients of `sum_j weight_j (<grad, v_j> - delta) s_j`. So the dial's gradient is the sum of two such passes with the
dialled output: over all keys with `LSE'`, and over the block with `LSE' - log(e^b - 1)`. A gradient `c` of fidelity
minus leak adds `c (1[own block] - F')` to `<grad, v_j> - delta`, with the dialled fidelity `F'`; `_with_delta` makes
this change of both passes' `delta`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from empirical.attention.block_layout import Layout

_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_FUSED_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward

# The square of a gradient shorter than this may be subnormal in the format.
_SHORT = {torch.float32: 1e-15, torch.float64: 1e-140}

# A bias below this is lost to rounding in every format.
_NO_BIAS = 1e-18

# Columns for the null key's score: a half format needs three to hold a float32; fused kernels want widths that are
# multiples of 8.
_COLUMNS = 8


def gated(
    query: Float[Tensor, "batch heads tokens head"],
    key: Float[Tensor, "batch heads tokens head"],
    value: Float[Tensor, "batch heads tokens value"],
    layout: Layout,
    scale: float,
    bias: float,
) -> tuple[
    Float[Tensor, "batch heads tokens value"], Float[Tensor, "batch heads tokens"], Float[Tensor, "batch heads tokens"]
]:
    """Output, leak and fidelity of causal attention with `bias` nats on the own block's scores; differentiable.

    `query`, `key`, `value` are `(batch, heads, tokens, head)`; leak and fidelity are `(batch, heads, tokens)`,
    float32, or float64 for float64 states. At an infinite bias other blocks are never read.
    """
    if bias < _NO_BIAS:
        bias = 0.0
    if math.isinf(bias):

        def inside(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor]:
            return (_attend(query, key, value, scale),)

        (output,) = layout.each(inside, query, key, value)
        ones = torch.ones(query.shape[:3], dtype=_work(query), device=query.device)
        return output, torch.zeros_like(ones), ones
    if query.device.type != "cpu" or not query.shape == key.shape == value.shape:
        # Autocast would compute the block's scores in a half format.
        with torch.autocast(query.device.type, enabled=False):
            return by_null_key(query, key, value, layout, scale, bias)
    work = _work(query)
    states = query.to(work), key.to(work), value.to(work)
    output, leak, fidelity = _Gate.apply(*states, layout, scale, bias)  # type: ignore[no-untyped-call]
    return output.to(query.dtype), leak, fidelity


def by_null_key(
    query: Float[Tensor, "batch heads tokens head"],
    key: Float[Tensor, "batch heads tokens head"],
    value: Float[Tensor, "batch heads tokens value"],
    layout: Layout,
    scale: float,
    bias: float,
) -> tuple[
    Float[Tensor, "batch heads tokens value"], Float[Tensor, "batch heads tokens"], Float[Tensor, "batch heads tokens"]
]:
    """`gated` with public operations only, on any device, for a finite bias.

    The log-sum-exp of a block comes from its scores, one block at a time. An extra key before the first one, with
    this log-sum-exp as its score, has mass `F/(1+F)`; an extra query before the first one keeps the causal flag valid.
    """
    work, head = _work(query), value.shape[-1]

    def inside(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        future = torch.ones(query.shape[2], query.shape[2], dtype=torch.bool, device=query.device).triu(1)
        scores = (query.to(work) @ key.to(work).transpose(-1, -2) * scale).masked_fill(future, -math.inf)
        return _attend(query, key, value, scale), scores.logsumexp(-1)

    local, log_sum = layout.each(inside, query, key, value)
    score = log_sum / scale
    digits = [score.to(query.dtype)]
    while len(digits) < (1 if query.dtype == work else 3):
        digits.append((score - sum(each.to(work) for each in digits)).to(query.dtype))
    wide_query = pad(torch.cat((query, torch.stack(digits, dim=-1)), dim=-1), (0, _COLUMNS - len(digits), 1, 0))
    null = key.new_zeros(key.shape[-1] + _COLUMNS)
    null[key.shape[-1] : key.shape[-1] + len(digits)] = 1
    wide_key, wide_value = pad(key, (0, _COLUMNS, 1, 0)), pad(value, (0, _COLUMNS, 1, 0))
    wide_key = torch.cat((null.expand(*key.shape[:2], 1, -1), wide_key[:, :, 1:]), dim=2)
    unit = value.new_zeros(head + _COLUMNS)
    unit[head] = 1
    wide_value = torch.cat((unit.expand(*value.shape[:2], 1, -1), wide_value[:, :, 1:]), dim=2)
    wide = _attend(wide_query, wide_key, wide_value, scale)[:, :, 1:]
    mass = wide[..., head].to(work)
    others = 1 - mass
    share = (mass / others).clamp(max=1).masked_fill(layout.alone[:, None], 1)
    leak, fidelity, gate = _dialled(share, bias)
    output = torch.lerp(wide[..., :head].to(work) / others.unsqueeze(-1), local.to(work), gate.unsqueeze(-1))
    return output.to(value.dtype), leak, fidelity


def _dialled(share: Tensor, bias: float) -> tuple[Tensor, Tensor, Tensor]:
    """Leak, fidelity and gate at this bias; `share` is the block's share of the mass without it (B1, B6)."""
    kept, dial = math.exp(-bias), -math.expm1(-bias)
    total = kept + dial * share
    fidelity = share / total
    return kept * (1 - share) / total, fidelity, dial * fidelity


class _Gate(torch.autograd.Function):
    """`gated` with the CPU's fused attention; the module docstring derives the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, bias: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        output, log_sum = _FUSED(query, key, value, 0.0, True, scale=scale)
        local, local_sum = layout.each(lambda *states: _FUSED(*states, 0.0, True, scale=scale), query, key, value)
        share = (local_sum - log_sum).clamp_(max=0).exp_().masked_fill_(layout.alone[:, None], 1)
        leak, fidelity, gate = _dialled(share, bias)
        if bias:
            output = torch.lerp(output, local, gate.unsqueeze(-1), out=local)
        # LSE' minus the bias: one of the backward pass's two sums needs the bias, the other does not.
        log_sum = log_sum + (share * -math.expm1(-bias) + math.exp(-bias)).log_()
        ctx.save_for_backward(query, key, value, output, log_sum, leak, fidelity)
        ctx.given = layout, scale, bias
        ctx.set_materialize_grads(False)
        return output, leak, fidelity

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        query, key, value, output, log_sum, leak, fidelity = ctx.saved_tensors
        layout, scale, bias = ctx.given
        grad, grad_leak, grad_fidelity = grads

        def fused(*states: Tensor) -> tuple[Tensor, ...]:
            found: tuple[Tensor, ...] = _FUSED_BACKWARD(*states, 0.0, True, scale=scale)
            return found

        if grad is None:
            grad = torch.zeros_like(output)
        pull = torch.zeros_like(leak)
        whole = near = output
        if grad_leak is not None or grad_fidelity is not None:
            pull = pull if grad_fidelity is None else pull + grad_fidelity
            pull = pull if grad_leak is None else pull - grad_leak
            kept, dial = math.exp(-bias), -math.expm1(-bias)
            grad, whole, near = _with_delta(
                grad, output, pull, pull * fidelity, -pull * (leak + kept * fidelity) / (dial or 1)
            )
        found = fused(grad, query, key, value, whole, log_sum + bias)
        if bias:
            near_sum = log_sum - math.log(-math.expm1(-bias))
            more = layout.each(fused, grad, query, key, value, near, near_sum)
        else:
            # The block's keys get only `pull`: weights are those of the whole row, and values do not matter.
            # Not expanded: with stride-0 values the pass takes several times as long.
            unit, out, zero = (torch.zeros_like(output) for _ in range(3))
            unit[..., 0], out[..., 0] = 1, -pull
            more = layout.each(fused, unit, query, key, zero, out, log_sum)[:2]
        for into, each in zip(found, more, strict=False):
            into.add_(each)
        return *found, None, None, None


def _with_delta(grad: Tensor, output: Tensor, pull: Tensor, *shifts: Tensor) -> tuple[Tensor, ...]:
    """A gradient, and one output per shift, such that each row's `<grad, output>` grows by the shift.

    The output moves along the gradient. A gradient too short for that gets a first entry far below the rounding of
    `pull`; the shifts are proportional to `pull`.
    """
    length = torch.linalg.vector_norm(grad, dim=-1)
    short = length < _SHORT[grad.dtype]
    some = bool(short.any())
    first = pull
    if some:
        grad = grad.clone()
        tiny = pull.abs() * torch.finfo(grad.dtype).eps ** 2
        grad[..., 0] += torch.copysign(tiny, grad[..., 0]).where(short, 0)
        first = grad[..., 0].where(short & (pull != 0) & (grad[..., 0] != 0), math.inf)
    length.masked_fill_(short, math.inf)
    moved = []
    for shift in shifts:
        out = torch.addcmul(output, grad, (shift / length / length).unsqueeze(-1))
        if some:
            out[..., 0] += (shift / first).where(short, 0)
        moved.append(out)
    return grad, *moved


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)


def _work(states: Tensor) -> torch.dtype:
    """Working format: float32 for half formats, so that fidelity and leak have its precision."""
    return torch.float64 if states.dtype == torch.float64 else torch.float32
