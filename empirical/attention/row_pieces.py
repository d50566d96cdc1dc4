"""The pass over the scores in pieces, on any device.

A piece holds the scores of some queries and heads against every key that they see. They are computed once, read for
extremes if requested, put through the softmax, multiplied with the values, and reduced to each row's log-sum-exp,
mean score and mass on and off its block. Entropy is log-sum-exp minus mean score. Pieces fit in the CPU's cache, and
memory grows linearly with the tokens.

Keys that every query of the piece sees, before the first one that shares a block with any of them, need no mask; under
causal attention with fixed windows these are all keys but those of the last few blocks.

A soft cap `c` replaces each score `s` by `c tanh(s/c)`. A sink is one more logit per head: a key off every block with
value 0, which is merged into the finished sums in float64.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from empirical.attention.blocks import first_keys
from empirical.attention.rounding import Arithmetic
from empirical.attention.row_numbers import Keep, RowNumbers, finished, gaps
from empirical.attention.sight import Sight

# Queries and scores of a piece: a core's cache holds two such pieces; an accelerator needs larger ones.
QUERIES = 128
CPU_SCORES = 1 << 19
ACCELERATOR_SCORES = 1 << 25

# A masked score, whose weight is an exact zero; finite, so that its product with that weight is 0 and not NaN.
MASKED = -1e30

# Extremes of the scores on and off the block, and what they are where there is no such key.
_EXTREMES = {
    "block_low": math.inf,
    "block_high": -math.inf,
    "block_mean": math.nan,
    "rest_low": math.inf,
    "others_high": -math.inf,
    "sink_score": -math.inf,
}

Where = tuple[int, slice, slice]


def run_pieces(
    query: Float[Tensor, "batch heads queries head"],
    key: Float[Tensor, "batch key_heads keys head"],
    value: Float[Tensor, "batch key_heads keys value"],
    sight: Sight,
    scale: float,
    bias: float,
    keep: Keep,
    ranges: bool,
    softcap: float | None = None,
    sinks: Float[Tensor, " heads"] | None = None,
) -> RowNumbers:
    """`row_pass.pass_rows` for a finite bias, with ranges of whole rows only."""
    shape, device = query.shape[:3], query.device
    work = query.dtype if query.dtype in (torch.float32, torch.float64) else torch.float32
    found = {name: torch.empty(shape, dtype=work, device=device) for name in ("log_sum", "mean_score", "fidelity")}
    found["leak"] = torch.zeros(shape, dtype=work, device=device)
    if ranges:
        for name, value_of_none in _EXTREMES.items():
            found[name] = torch.full(shape, value_of_none, dtype=work, device=device)
    job = _Job(
        query,
        key,
        value,
        sight,
        first_keys(sight.ids).tolist() if sight.visible is None else [],
        sight.first_token(shape[0]).tolist() if ranges and sinks is None else [-1] * shape[0],
        scale,
        softcap,
        bias,
        keep,
        ranges,
        work,
        torch.empty(*shape, value.shape[-1], dtype=work, device=device),
        found,
    )
    batch, heads, queries = shape
    large = batch * heads * queries * key.shape[2] > CPU_SCORES
    threads = torch.get_num_threads() if device.type == "cpu" and large else 1
    parts = -(-threads // batch)
    width = -(-heads // parts)
    shares = [(index, start, min(heads, start + width)) for index in range(batch) for start in range(0, heads, width)]
    if threads == 1:
        for share in shares:
            job.run(*share)
    else:
        # A piece takes about fifty small operations; threads on different heads need not synchronise after each.
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(job.run, *zip(*shares, strict=True)))
        finally:
            # Threads created later inherit the last number set.
            torch.set_num_threads(threads)
    extremes = {name: found.pop(name) for name in _EXTREMES if ranges}
    numbers = RowNumbers(
        output=job.output,
        arithmetic=Arithmetic(work, softcap=softcap is not None, sink=sinks is not None),
        **found,
        **(gaps(**extremes, bias=bias, sinks=sinks) if ranges else {}),
    )
    return finished(numbers, sinks, keep, value.dtype)


@dataclass(frozen=True)
class _Piece:
    """Which keys the queries of a piece keep: keys `begin` to `end`, all of the first `split` of them, then by masks.

    `steer` is added to the scores after the split; `inside` and `outside` are 1 at visible keys on and off the
    query's block, `not_inside` and `not_outside` their complements. All `(queries, keys after the split)`. `sink` is
    the place of the text's first token among the keys, None if it is not there.
    """

    begin: int
    end: int
    split: int
    steer: Tensor
    inside: Tensor
    outside: Tensor
    not_inside: Tensor
    not_outside: Tensor
    mixed: bool
    sink: int | None

    @classmethod
    def of(cls, job: _Job, sequence: int, start: int, stop: int) -> _Piece:
        """The piece of queries `start` to `stop` of a sequence."""
        own, ids, visible = job.sight.of_sequence(sequence)
        if visible is None:
            begin, end, near = 0, stop, min(job.first[min(sequence, len(job.first) - 1)][start:stop])
            places = torch.arange(near, stop, device=ids.device)
            seen = places <= places[start - near :, None]
        else:
            begin, end, near = _reach(visible[start:stop], own[start:stop], ids)
            seen = visible[start:stop, near:end]
        same = own[start:stop, None] == ids[near:end]
        inside, outside = same & seen, ~same & seen
        if job.keep == "all":
            steer = torch.where(seen, same.to(job.work) * job.bias, MASKED)
        else:
            steer = torch.where(inside if job.keep == "block" else outside, 0.0, MASKED)
        begin = near if job.keep == "block" else begin
        sink = job.sink_keys[sequence]
        return cls(
            begin,
            end,
            near - begin,
            steer.to(job.work),
            inside.to(job.work),
            outside.to(job.work),
            ~inside,
            ~outside,
            bool(outside.any()),
            sink - begin if begin <= sink < end else None,
        )


def _reach(visible: Tensor, own: Tensor, ids: Tensor) -> tuple[int, int, int]:
    """First key that a query sees, one past the last, and the first key that some query does not see or has in block.

    `visible` is `(queries, keys)`.
    """
    seen = visible.any(0).nonzero()
    if not len(seen):
        return 0, 1, 0
    begin, end = int(seen[0]), int(seen[-1]) + 1
    far = visible[:, begin:end].all(0) & ~torch.isin(ids[begin:end], own)
    # A piece needs a key after the split.
    return begin, end, begin + min(int(far.long().cumprod(0).sum()), end - begin - 1)


@dataclass(frozen=True)
class _Job:
    query: Tensor
    key: Tensor
    value: Tensor
    sight: Sight
    first: list[list[int]]
    sink_keys: list[int]
    scale: float
    softcap: float | None
    bias: float
    keep: Keep
    ranges: bool
    work: torch.dtype
    output: Tensor
    found: dict[str, Tensor]

    def run(self, index: int, low: int, high: int) -> None:
        """Run heads `low` to `high` of sequence `index`."""
        # Both modes are thread-local.
        with torch.inference_mode(self.output.is_inference()), torch.no_grad():
            queries, keys = self.query.shape[2], self.key.shape[2]
            share = self._key_heads(low, high)
            key, value = (each[index, share].to(self.work) for each in (self.key, self.value))
            step, group = self._sizes(high - low)
            room = torch.empty(2, min(group, high - low) * step * keys, dtype=self.work, device=key.device)
            for start in range(0, queries, step):
                stop = min(queries, start + step)
                piece = _Piece.of(self, index, start, stop)
                for head in range(0, high - low, group):
                    heads = slice(head, min(high - low, head + group))
                    where = (index, slice(low + heads.start, low + heads.stop), slice(start, stop))
                    query = self.query[where].to(self.work)
                    kept = heads, slice(piece.begin, piece.end)
                    self._piece(piece, query, key[kept], value[kept], where, room)

    def _key_heads(self, low: int, high: int) -> slice | Tensor:
        """The key heads of query heads `low` to `high`; consecutive query heads share one."""
        shared = self.query.shape[1] // self.key.shape[1]
        # A slice copies nothing.
        return slice(low, high) if shared == 1 else torch.arange(low, high, device=self.key.device) // shared

    def _sizes(self, heads: int) -> tuple[int, int]:
        """Queries and heads of a piece."""
        keys = self.key.shape[2]
        if self.query.device.type == "cpu":
            return QUERIES, max(1, CPU_SCORES // (QUERIES * keys))
        return max(16, ACCELERATOR_SCORES // (heads * keys)), heads

    def _piece(self, piece: _Piece, query: Tensor, key: Tensor, value: Tensor, where: Where, room: Tensor) -> None:
        shape = (query.shape[0], query.shape[1], key.shape[1])
        scores, weights = (each[: math.prod(shape)].view(shape) for each in room)
        scale = self.scale if self.softcap is None else self.scale / self.softcap
        torch.baddbmm(scores, query, key.transpose(1, 2), beta=0, alpha=scale, out=scores)
        if self.softcap is not None:
            scores.tanh_().mul_(self.softcap)
        tail = scores[..., piece.split :]
        top = None
        if self.ranges:
            top = self._extremes(piece, scores, where)
        tail += piece.steer
        if top is None:
            top = scores.amax(-1)
        torch.softmax(scores, -1, out=weights)
        # The weight of the largest score is 1 over the sum.
        self.found["log_sum"][where] = top - weights.amax(-1).log()
        torch.bmm(weights, value, out=self.output[where])
        near = weights[..., piece.split :]
        self.found["fidelity"][where] = (near * piece.inside).sum(-1)
        if self.keep != "block":
            self.found["leak"][where] = weights[..., : piece.split].sum(-1) + (near * piece.outside).sum(-1)
        self.found["mean_score"][where] = scores.mul_(weights).sum(-1)

    def _extremes(self, piece: _Piece, scores: Tensor, where: Where) -> Tensor:
        """Store the extremes on and off the block; returns the largest score with the bias."""
        far, near = scores[..., : piece.split], scores[..., piece.split :]
        found = {
            "block_low": near.masked_fill(piece.not_inside, math.inf).amin(-1),
            "block_high": near.masked_fill(piece.not_inside, -math.inf).amax(-1),
            "block_mean": (near * piece.inside).sum(-1) / piece.inside.sum(-1),
        }
        tops = [found["block_high"] + self.bias]
        rest: list[tuple[Tensor, Tensor | None]] = []
        if piece.mixed:
            rest.append((near, piece.not_outside))
        if piece.split:
            rest.append((far, None))
        if rest:
            found["rest_low"] = reduce(torch.minimum, (_masked(*each, math.inf).amin(-1) for each in rest))
            column = scores[..., piece.sink : piece.sink + 1] if piece.sink is not None else scores[..., :0]
            # The sink key's scores are taken out while the largest of the others are read.
            held = column.clone()
            column.fill_(-math.inf)
            found["others_high"] = reduce(torch.maximum, (_masked(*each, -math.inf).amax(-1) for each in rest))
            column.copy_(held)
            tops.append(found["others_high"])
            if piece.sink is not None:
                hidden = piece.not_outside[:, piece.sink - piece.split] if piece.sink >= piece.split else None
                found["sink_score"] = _masked(held.squeeze(-1), hidden, -math.inf)
                tops.append(found["sink_score"])
        for name, values in found.items():
            self.found[name][where] = values
        return reduce(torch.maximum, tops)


def _masked(values: Tensor, hidden: Tensor | None, value: float) -> Tensor:
    return values if hidden is None else values.masked_fill(hidden, value)
