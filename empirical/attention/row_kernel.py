"""The pass over the scores as one GPU kernel: attention, and the sums and extremes that give the rows' numbers.

Each program holds some queries of one head and reads the keys that they see once, tile by tile, as fused attention
does: it keeps the largest score so far and rescales its sums to each new one. No score leaves the chip, and memory
is linear in the tokens. Tiles before the first key that shares a block with any of the queries are off the block for
all of them and need no mask.

All sums are float32. Tensor cores sum the products of half formats, but not those of float32 (`rounding`).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from empirical.attention.blocks import first_keys
from empirical.attention.rounding import Arithmetic
from empirical.attention.row_numbers import Keep, RowNumbers, gaps

QUERIES = 64
KEYS = 32

# Queries and keys of wider heads do not fit the registers.
WIDEST_HEAD = 128

# Below every score; a tile without a key of the row leaves its sums at 0.
NOTHING = tl.constexpr(-1e30)
UNSEEN = tl.constexpr(float("inf"))


def run_kernel(
    query: Float[Tensor, "batch heads tokens head"],
    key: Float[Tensor, "batch heads tokens head"],
    value: Float[Tensor, "batch heads tokens value"],
    ids: Int[Tensor, "#batch tokens"],
    scale: float,
    bias: float,
    keep: Keep,
    ranges: bool,
) -> RowNumbers:
    """`row_pass.pass_rows` for a finite bias, with ranges of whole rows only; float32 or a half format."""
    batch, heads, tokens, head = query.shape
    output = torch.empty(batch, heads, tokens, head, dtype=value.dtype, device=query.device)
    sums = torch.empty(11 if ranges else 5, batch, heads, tokens, device=query.device)
    tiles = triton.cdiv(tokens, QUERIES)
    padded = torch.nn.functional.pad(first_keys(ids), (0, tiles * QUERIES - tokens), value=tokens)
    with torch.cuda.device_of(query):
        _rows[batch * heads, tiles](
            query.contiguous(),
            key.contiguous(),
            value.contiguous(),
            ids.int().contiguous(),
            padded.view(-1, tiles, QUERIES).amin(-1).int().contiguous(),
            output,
            sums,
            scale,
            bias,
            heads,
            tokens,
            batch * heads * tokens,
            int(ids.shape[0] > 1),
            HEAD=head,
            WIDTH=max(16, triton.next_power_of_2(head)),
            BLOCK=keep != "rest",
            REST=keep != "block",
            RANGES=ranges,
            QUERIES=QUERIES,
            KEYS=KEYS,
            num_warps=8 if query.dtype == torch.float32 else 4,
            num_stages=2,
            # Fused multiply-add rounds once less, which the error bound allows; Triton warns without a choice.
            enable_fp_fusion=True,
        )
    top, total, weighted, inside, outside = sums[:5]
    margin = mean_margin = logit_range = None
    if ranges:
        block_low, block_high, block_sum, block_keys, rest_low, rest_high = sums[5:]
        block_mean = block_sum.double() / block_keys
        margin, mean_margin, logit_range = gaps(block_low, block_high, block_mean, rest_low, rest_high, bias)
    return RowNumbers(
        output=output,
        log_sum=top + total.log(),
        mean_score=weighted / total,
        fidelity=inside / total,
        leak=outside / total,
        margin=margin,
        mean_margin=mean_margin,
        logit_range=logit_range,
        arithmetic=Arithmetic(torch.float32, tile=KEYS, tensor_cores=query.dtype != torch.float32),
    )


@triton.jit(do_not_specialize=["heads", "tokens", "count", "own_ids"])
def _rows(
    query,
    key,
    value,
    ids,
    near,
    output,
    sums,
    scale,
    bias,
    heads,
    tokens,
    count,
    own_ids,
    HEAD: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    REST: tl.constexpr,
    RANGES: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    # Longest rows first, so that the last programs to start are the shortest.
    tile = tl.num_programs(1) - 1 - tl.program_id(1)
    lane = tl.program_id(0).to(tl.int64)
    sequence = (lane // heads) * own_ids
    places = tile * QUERIES + tl.arange(0, QUERIES)
    columns = tl.arange(0, WIDTH)
    inner = (places[:, None] < tokens) & (columns[None, :] < HEAD)
    at = lane * tokens * HEAD + places[:, None] * HEAD + columns[None, :]
    ids += sequence * tokens
    state = (
        tl.full([QUERIES], NOTHING, tl.float32),
        tl.zeros([QUERIES], tl.float32),
        tl.zeros([QUERIES], tl.float32),
        tl.zeros([QUERIES], tl.float32),
        tl.zeros([QUERIES], tl.float32),
        tl.zeros([QUERIES, WIDTH], tl.float32),
        tl.full([QUERIES], UNSEEN, tl.float32),
        tl.full([QUERIES], -UNSEEN, tl.float32),
        tl.zeros([QUERIES], tl.float32),
        tl.zeros([QUERIES], tl.float32),
        tl.full([QUERIES], UNSEEN, tl.float32),
        tl.full([QUERIES], -UNSEEN, tl.float32),
    )
    row = (tl.load(query + at, mask=inner, other=0.0), places, tl.load(ids + places, mask=places < tokens, other=-1))
    key += lane * tokens * HEAD
    value += lane * tokens * HEAD
    split = tl.load(near + sequence * tl.num_programs(1) + tile) // KEYS * KEYS
    stop = tl.minimum((tile + 1) * QUERIES, tokens)
    if REST:
        for start in range(0, split, KEYS):
            state = _tile(
                state, row, key, value, ids, start, scale, bias, tokens, True, HEAD, WIDTH, BLOCK, REST, RANGES, KEYS
            )
    for start in range(split, stop, KEYS):
        state = _tile(
            state, row, key, value, ids, start, scale, bias, tokens, False, HEAD, WIDTH, BLOCK, REST, RANGES, KEYS
        )
    top, total, weighted, inside, outside, attended = state[0], state[1], state[2], state[3], state[4], state[5]
    # Avoids NaN output for a row that keeps no key.
    whole = tl.where(total > 0, total, 1.0)
    tl.store(output + at, (attended / whole[:, None]).to(output.dtype.element_ty), mask=inner)
    kept = places < tokens
    sums += lane * tokens + places
    step = tl.cast(count, tl.int64)
    tl.store(sums, top, mask=kept)
    tl.store(sums + step, total, mask=kept)
    tl.store(sums + 2 * step, weighted, mask=kept)
    tl.store(sums + 3 * step, inside, mask=kept)
    tl.store(sums + 4 * step, outside, mask=kept)
    if RANGES:
        for index in tl.static_range(6):
            tl.store(sums + (5 + index) * step, state[6 + index], mask=kept)


@triton.jit
def _tile(
    state,
    row,
    key,
    value,
    ids,
    start,
    scale,
    bias,
    tokens,
    FAR: tl.constexpr,
    HEAD: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    REST: tl.constexpr,
    RANGES: tl.constexpr,
    KEYS: tl.constexpr,
):
    """The state after one more tile of keys; with `FAR` all of them are visible and off the block."""
    top, total, weighted, inside, outside, attended, block_low, block_high, block_sum, block_keys, low, high = state
    query, places, own = row
    columns = tl.arange(0, WIDTH)
    others = start + tl.arange(0, KEYS)
    there = others < tokens
    held = there[:, None] & (columns[None, :] < HEAD)
    at = others[:, None] * HEAD + columns[None, :]
    keys = tl.load(key + at, mask=held, other=0.0)
    plain = tl.dot(query, tl.trans(keys), input_precision="ieee") * scale
    if FAR:
        scores = plain
    else:
        visible = others[None, :] <= places[:, None]
        same = own[:, None] == tl.load(ids + others, mask=there, other=-2)[None, :]
        scores = tl.where(same, plain + bias, plain)
        if not REST:
            kept = visible & same
        elif not BLOCK:
            kept = visible & ~same
        else:
            kept = visible
        scores = tl.where(kept, scores, NOTHING)
    above = tl.maximum(top, tl.max(scores, 1))
    weights = tl.exp(scores - above[:, None])
    if not FAR:
        weights = tl.where(kept, weights, 0.0)
    shrink = tl.exp(top - above)
    mass = tl.sum(weights, 1)
    total = total * shrink + mass
    weighted = weighted * shrink + tl.sum(weights * scores, 1)
    if FAR:
        # No tile so far contains a key of the block.
        outside = outside * shrink + mass
    else:
        inside = inside * shrink + tl.sum(tl.where(same, weights, 0.0), 1)
        outside = outside * shrink + tl.sum(tl.where(same, 0.0, weights), 1)
    values = tl.load(value + at, mask=held, other=0.0)
    attended = attended * shrink[:, None]
    attended += tl.dot(weights.to(values.dtype), values, input_precision="ieee")
    if RANGES:
        if FAR:
            low = tl.minimum(low, tl.min(plain, 1))
            high = tl.maximum(high, tl.max(plain, 1))
        else:
            block = visible & same
            others_kept = visible & ~same
            block_low = tl.minimum(block_low, tl.min(tl.where(block, plain, UNSEEN), 1))
            block_high = tl.maximum(block_high, tl.max(tl.where(block, plain, -UNSEEN), 1))
            block_sum += tl.sum(tl.where(block, plain, 0.0), 1)
            block_keys += tl.sum(block.to(tl.float32), 1)
            low = tl.minimum(low, tl.min(tl.where(others_kept, plain, UNSEEN), 1))
            high = tl.maximum(high, tl.max(tl.where(others_kept, plain, -UNSEEN), 1))
    return above, total, weighted, inside, outside, attended, block_low, block_high, block_sum, block_keys, low, high
