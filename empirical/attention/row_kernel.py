"""The pass over the scores as one GPU kernel: attention, and the sums and extremes that give the rows' numbers.

Each program holds some queries of one head and reads the keys that they see once, tile by tile, as fused attention
does: it keeps the largest score so far and rescales its sums to each new one. No score leaves the chip, and memory
is linear in the tokens. A query sees the keys from `low` to before `high` (`Sight.intervals`), which covers causality,
sliding windows, padding and caches. Tiles that all queries see whole, before the first key that shares a block with any
of them, are off the block for all and need no mask. Query heads that share a key head read it where it lies. Sinks are
merged afterwards (`row_numbers`).

All sums are float32. Tensor cores sum the products of half formats, but not those of float32 (`rounding`).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from empirical.attention.blocks import first_keys
from empirical.attention.rounding import Arithmetic
from empirical.attention.row_numbers import Keep, RowNumbers, finished, gaps
from empirical.attention.sight import Sight

QUERIES = 64
KEYS = 32

# Queries and keys of wider heads do not fit the registers.
WIDEST_HEAD = 128

# Below every score; a tile without a key of the row leaves its sums at 0.
NOTHING = tl.constexpr(-1e30)
UNSEEN = tl.constexpr(float("inf"))


def run_kernel(
    query: Float[Tensor, "batch heads queries head"],
    key: Float[Tensor, "batch key_heads keys head"],
    value: Float[Tensor, "batch key_heads keys head"],
    sight: Sight,
    scale: float,
    bias: float,
    keep: Keep,
    ranges: bool,
    softcap: float | None = None,
    sinks: Float[Tensor, " heads"] | None = None,
) -> RowNumbers:
    """`row_pass.pass_rows` for a finite bias, with ranges of whole rows only; float32 or a half format.

    Every query must see an interval of keys (`Sight.intervals`).
    """
    batch, heads, queries, head = query.shape
    key_heads, keys = key.shape[1:3]
    # A sink rescales the output, which is rounded to a half format only afterwards.
    form = value.dtype if sinks is None else torch.float32
    output = torch.empty(batch, heads, queries, head, dtype=form, device=query.device)
    sums = torch.empty(12 if ranges else 5, batch, heads, queries, device=query.device)
    own, ids, low, high, near, sink = _places(sight, sinks is None)
    with torch.cuda.device_of(query):
        _rows[batch * heads, triton.cdiv(queries, QUERIES)](
            query.contiguous(),
            key.contiguous(),
            value.contiguous(),
            own,
            ids,
            low,
            high,
            near,
            sink,
            output,
            sums,
            scale if softcap is None else scale / softcap,
            0.0 if softcap is None else softcap,
            bias,
            heads,
            heads // key_heads,
            queries,
            keys,
            batch * heads * queries,
            int(len(own) > 1),
            HEAD=head,
            WIDTH=max(16, triton.next_power_of_2(head)),
            BLOCK=keep != "rest",
            REST=keep != "block",
            RANGES=ranges,
            CAPPED=softcap is not None,
            QUERIES=QUERIES,
            KEYS=KEYS,
            num_warps=8 if query.dtype == torch.float32 else 4,
            num_stages=2,
            # Fused multiply-add rounds once less, which the error bound allows; Triton warns without a choice.
            enable_fp_fusion=True,
        )
    top, total, weighted, inside, outside = sums[:5]
    found = {}
    if ranges:
        low, high, block_sum, block_keys, rest_low, others_high, score = sums[5:]
        found = gaps(low, high, block_sum.double() / block_keys, rest_low, others_high, score, bias, sinks)
    # A row that keeps no key may still have a sink.
    whole = total.where(total > 0, 1.0)
    numbers = RowNumbers(
        output=output,
        log_sum=top + total.log(),
        mean_score=weighted / whole,
        fidelity=inside / whole,
        leak=outside / whole,
        arithmetic=Arithmetic(
            torch.float32,
            tile=KEYS,
            tensor_cores=query.dtype != torch.float32,
            softcap=softcap is not None,
            sink=sinks is not None,
        ),
        **found,
    )
    return finished(numbers, sinks, keep, value.dtype)


def _places(sight: Sight, first_token: bool) -> list[Tensor]:
    """Blocks of queries and keys, the interval of keys that each query sees, the first key in its block, and sink keys.

    All `(batch or 1, queries or keys)`, int32. A query that sees no key has an empty interval. The sink key
    `(batch or 1, 1)` is the text's first token if that is asked for, and below 0 without one.
    """
    assert sight.intervals is not None
    keys = sight.ids.shape[1]
    sink = sight.first_token(1 if sight.first is None else len(sight.first)).unsqueeze(1)
    if not first_token:
        sink = torch.full_like(sink, -1)
    size = max(map(len, (sight.own, sight.ids, sight.intervals[0], sink)))
    own, ids = (each.expand(size, -1) for each in (sight.own, sight.ids))
    # The keys come first, so that a query's block begins among them unless none of them is in it.
    near = first_keys(torch.cat((ids, own), dim=1))[:, keys:]
    return [each.expand(size, -1).int().contiguous() for each in (own, ids, *sight.intervals, near, sink)]


@triton.jit(do_not_specialize=["heads", "shared", "queries", "keys", "count", "each"])
def _rows(
    query,
    key,
    value,
    own,
    ids,
    low,
    high,
    near,
    sink,
    output,
    sums,
    scale,
    softcap,
    bias,
    heads,
    shared,
    queries,
    keys,
    count,
    each,
    HEAD: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    REST: tl.constexpr,
    RANGES: tl.constexpr,
    CAPPED: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):
    # Longest rows first, so that the last programs to start are the shortest.
    tile = tl.num_programs(1) - 1 - tl.program_id(1)
    lane = tl.program_id(0).to(tl.int64)
    sequence = (lane // heads) * each
    places = tile * QUERIES + tl.arange(0, QUERIES)
    real = places < queries
    columns = tl.arange(0, WIDTH)
    inner = real[:, None] & (columns[None, :] < HEAD)
    at = lane * queries * HEAD + places[:, None] * HEAD + columns[None, :]
    mine = sequence * queries + places
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
    first, last = tl.load(low + mine, mask=real, other=keys), tl.load(high + mine, mask=real, other=0)
    sink_key = tl.load(sink + sequence)
    states, block = tl.load(query + at, mask=inner, other=0.0), tl.load(own + mine, mask=real, other=-1)
    row = (states, block, first, last, sink_key)
    # Consecutive query heads share a key head.
    at_keys = (lane // shared) * keys * HEAD
    seen = (key + at_keys, value + at_keys, ids + sequence * keys, keys, scale, softcap, bias)
    begin = tl.min(first) // KEYS * KEYS
    stop = tl.maximum(tl.max(last), begin)
    # Tiles from `whole` to before `split` are visible to all queries and off their blocks.
    whole = begin + (tl.minimum(tl.max(tl.where(real, first, 0)), stop) - begin + KEYS - 1) // KEYS * KEYS
    off = tl.minimum(tl.min(tl.load(near + mine, mask=real, other=keys)), tl.min(tl.where(real, last, keys)))
    if REST:
        split = whole + tl.maximum(off - whole, 0) // KEYS * KEYS
        for start in range(begin, whole, KEYS):
            state = _tile(state, row, seen, start, False, HEAD, WIDTH, BLOCK, REST, RANGES, CAPPED, KEYS)
        for start in range(whole, split, KEYS):
            state = _tile(state, row, seen, start, True, HEAD, WIDTH, BLOCK, REST, RANGES, CAPPED, KEYS)
    else:
        split = tl.maximum(begin, off // KEYS * KEYS)
    for start in range(split, stop, KEYS):
        state = _tile(state, row, seen, start, False, HEAD, WIDTH, BLOCK, REST, RANGES, CAPPED, KEYS)
    top, total, weighted, inside, outside, attended = state[0], state[1], state[2], state[3], state[4], state[5]
    # Avoids NaN output for a row that keeps no key.
    divisor = tl.where(total > 0, total, 1.0)
    tl.store(output + at, (attended / divisor[:, None]).to(output.dtype.element_ty), mask=inner)
    sums += lane * queries + places
    step = tl.cast(count, tl.int64)
    tl.store(sums, top, mask=real)
    tl.store(sums + step, total, mask=real)
    tl.store(sums + 2 * step, weighted, mask=real)
    tl.store(sums + 3 * step, inside, mask=real)
    tl.store(sums + 4 * step, outside, mask=real)
    if RANGES:
        for index in tl.static_range(6):
            tl.store(sums + (5 + index) * step, state[6 + index], mask=real)
        # Without a sink key any key will do: no query sees one below 0.
        place = tl.maximum(sink_key, 0)
        features = tl.load(key + at_keys + place * HEAD + columns, mask=columns < HEAD, other=0.0).to(tl.float32)
        score = tl.sum(states.to(tl.float32) * features[None, :], 1) * scale
        if CAPPED:
            score = softcap * _tanh(score)
        same = block == tl.load(ids + sequence * keys + place)
        off = (first <= sink_key) & (sink_key < last) & ~same
        tl.store(sums + 11 * step, tl.where(off, score, -UNSEEN), mask=real)


@triton.jit
def _tile(
    state,
    row,
    seen,
    start,
    FAR: tl.constexpr,
    HEAD: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    REST: tl.constexpr,
    RANGES: tl.constexpr,
    CAPPED: tl.constexpr,
    KEYS: tl.constexpr,
):
    """The state after one more tile of keys; with `FAR` all of them are visible and off the block."""
    top, total, weighted, inside, outside, attended, block_low, block_high, block_sum, block_keys, low, high = state
    query, own, first, last, sink_key = row
    key, value, ids, count, scale, softcap, bias = seen
    columns = tl.arange(0, WIDTH)
    others = start + tl.arange(0, KEYS)
    there = others < count
    held = there[:, None] & (columns[None, :] < HEAD)
    at = others[:, None] * HEAD + columns[None, :]
    keys = tl.load(key + at, mask=held, other=0.0)
    plain = tl.dot(query, tl.trans(keys), input_precision="ieee") * scale
    if CAPPED:
        plain = softcap * _tanh(plain)
    if FAR:
        scores = plain
    else:
        visible = (others[None, :] >= first[:, None]) & (others[None, :] < last[:, None])
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
            high = tl.maximum(high, tl.max(tl.where(others[None, :] == sink_key, -UNSEEN, plain), 1))
        else:
            block = visible & same
            others_kept = visible & ~same
            block_low = tl.minimum(block_low, tl.min(tl.where(block, plain, UNSEEN), 1))
            block_high = tl.maximum(block_high, tl.max(tl.where(block, plain, -UNSEEN), 1))
            block_sum += tl.sum(tl.where(block, plain, 0.0), 1)
            block_keys += tl.sum(block.to(tl.float32), 1)
            low = tl.minimum(low, tl.min(tl.where(others_kept, plain, UNSEEN), 1))
            others_kept &= others[None, :] != sink_key
            high = tl.maximum(high, tl.max(tl.where(others_kept, plain, -UNSEEN), 1))
    return above, total, weighted, inside, outside, attended, block_low, block_high, block_sum, block_keys, low, high


@triton.jit
def _tanh(x):
    """Hyperbolic tangent within a few units in the last place: near 0 the polynomial of the Cephes library."""
    # Unused beyond 1, where powers could overflow.
    square = tl.minimum(x * x, 1.0)
    series = square * -5.70498872745e-3 + 2.06390887954e-2
    series = series * square - 5.37397155531e-2
    series = series * square + 1.33314422036e-1
    series = series * square - 3.33332819422e-1
    # At most 1: no overflow.
    decay = tl.exp(-2.0 * tl.abs(x))
    outer = (1.0 - decay) / (1.0 + decay)
    return tl.where(tl.abs(x) < 0.625, x + x * square * series, tl.where(x < 0, -outer, outer))
