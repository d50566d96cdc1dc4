"""The pass over the scores in pieces, on any device.

A piece holds the scores of some queries and heads against every key that they see. They are computed once, read for
extremes if requested, put through the softmax, multiplied with the values, and reduced to each row's log-sum-exp,
mean score and mass on and off its block. Entropy is log-sum-exp minus mean score. Pieces fit in the CPU's cache, and
memory grows linearly with the tokens.

Keys before the first one that shares a block with any query of the piece are off the block for all of them and need
no mask; under fixed windows these are all keys but those of the last few blocks.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from empirical.attention.blocks import first_keys
from empirical.attention.rounding import Arithmetic
from empirical.attention.row_numbers import Keep, RowNumbers, gaps

# Queries and scores of a piece: a core's cache holds two such pieces; an accelerator needs larger ones.
QUERIES = 128
CPU_SCORES = 1 << 19
ACCELERATOR_SCORES = 1 << 25

# A masked score, whose weight is an exact zero; finite, so that its product with that weight is 0 and not NaN.
MASKED = -1e30

Where = tuple[int, slice, slice]


def run_pieces(
    query: Float[Tensor, "batch heads tokens head"],
    key: Float[Tensor, "batch heads tokens head"],
    value: Float[Tensor, "batch heads tokens value"],
    ids: Int[Tensor, "#batch tokens"],
    scale: float,
    bias: float,
    keep: Keep,
    ranges: bool,
) -> RowNumbers:
    """`row_pass.pass_rows` for a finite bias, with ranges of whole rows only."""
    shape, device = query.shape[:3], query.device
    work = query.dtype if query.dtype in (torch.float32, torch.float64) else torch.float32
    found = {name: torch.empty(shape, dtype=work, device=device) for name in ("log_sum", "mean_score", "fidelity")}
    found["leak"] = torch.zeros(shape, dtype=work, device=device)
    if ranges:
        for name in ("margin", "mean_margin", "logit_range"):
            found[name] = torch.full(shape, math.inf, dtype=torch.float64, device=device)
    job = _Job(
        query,
        key,
        value,
        ids,
        first_keys(ids).tolist(),
        scale,
        bias,
        keep,
        ranges,
        work,
        torch.empty(*shape, value.shape[-1], dtype=work, device=device),
        found,
    )
    batch, heads, tokens = shape
    threads = torch.get_num_threads() if device.type == "cpu" and batch * heads * tokens**2 > CPU_SCORES else 1
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
    return RowNumbers(
        output=job.output.to(value.dtype),
        log_sum=found["log_sum"],
        mean_score=found["mean_score"],
        fidelity=found["fidelity"],
        leak=found["leak"],
        margin=found.get("margin"),
        mean_margin=found.get("mean_margin"),
        logit_range=found.get("logit_range"),
        arithmetic=Arithmetic(work),
    )


@dataclass(frozen=True)
class _Piece:
    """Which keys the queries of a piece keep: none before `begin`, all of the next `split`, then by masks.

    `steer` is added to the scores after the split; `inside` and `outside` are 1 at visible keys on and off the
    query's block, `not_inside` and `not_outside` their complements. All `(queries, keys after the split)`.
    """

    begin: int
    split: int
    steer: Tensor
    inside: Tensor
    outside: Tensor
    not_inside: Tensor
    not_outside: Tensor
    mixed: bool

    @classmethod
    def of(cls, ids: Tensor, start: int, stop: int, near: int, job: _Job) -> _Piece:
        """The piece of queries `start` to `stop`, whose blocks begin at key `near` or later."""
        places = torch.arange(near, stop, device=ids.device)
        visible = places <= places[start - near :, None]
        same = ids[start:stop, None] == ids[near:stop]
        inside, outside = same & visible, ~same & visible
        if job.keep == "all":
            steer = torch.where(visible, same.to(job.work) * job.bias, MASKED)
        else:
            steer = torch.where(inside if job.keep == "block" else outside, 0.0, MASKED)
        begin = near if job.keep == "block" else 0
        return cls(
            begin,
            near - begin,
            steer.to(job.work),
            inside.to(job.work),
            outside.to(job.work),
            ~inside,
            ~outside,
            bool(outside.any()),
        )


@dataclass(frozen=True)
class _Job:
    query: Tensor
    key: Tensor
    value: Tensor
    ids: Tensor
    first: list[list[int]]
    scale: float
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
            tokens = self.query.shape[2]
            key, value = (each[index, low:high].to(self.work) for each in (self.key, self.value))
            sequence = min(index, len(self.first) - 1)
            ids, first = self.ids[sequence], self.first[sequence]
            step, group = self._sizes(high - low)
            room = torch.empty(2, min(group, high - low) * step * tokens, dtype=self.work, device=key.device)
            for start in range(0, tokens, step):
                stop = min(tokens, start + step)
                piece = _Piece.of(ids, start, stop, min(first[start:stop]), self)
                for head in range(0, high - low, group):
                    heads = slice(head, min(high - low, head + group))
                    where = (index, slice(low + heads.start, low + heads.stop), slice(start, stop))
                    query = self.query[where].to(self.work)
                    keys = heads, slice(piece.begin, stop)
                    self._piece(piece, query, key[keys], value[keys], where, room)

    def _sizes(self, heads: int) -> tuple[int, int]:
        """Queries and heads of a piece."""
        tokens = self.query.shape[2]
        if self.query.device.type == "cpu":
            return QUERIES, max(1, CPU_SCORES // (QUERIES * tokens))
        return max(16, ACCELERATOR_SCORES // (heads * tokens)), heads

    def _piece(self, piece: _Piece, query: Tensor, key: Tensor, value: Tensor, where: Where, room: Tensor) -> None:
        shape = (query.shape[0], query.shape[1], key.shape[1])
        scores, weights = (each[: math.prod(shape)].view(shape) for each in room)
        torch.baddbmm(scores, query, key.transpose(1, 2), beta=0, alpha=self.scale, out=scores)
        tail = scores[..., piece.split :]
        top = None
        if self.ranges:
            top = self._extremes(piece, scores[..., : piece.split], tail, where)
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

    def _extremes(self, piece: _Piece, far: Tensor, near: Tensor, where: Where) -> Tensor:
        """Store margins and ranges; returns the largest score with the bias, in the format of the scores."""
        block_low = near.masked_fill(piece.not_inside, math.inf).amin(-1)
        block_high = near.masked_fill(piece.not_inside, -math.inf).amax(-1)
        block_mean = (near * piece.inside).sum(-1).double() / piece.inside.sum(-1)
        if piece.mixed:
            rest_high = near.masked_fill(piece.not_outside, -math.inf).amax(-1)
            rest_low = near.masked_fill(piece.not_outside, math.inf).amin(-1)
            if far.shape[-1]:
                rest_high, rest_low = torch.maximum(rest_high, far.amax(-1)), torch.minimum(rest_low, far.amin(-1))
        elif far.shape[-1]:
            rest_high, rest_low = far.amax(-1), far.amin(-1)
        else:
            return block_high + self.bias
        found = gaps(block_low, block_high, block_mean, rest_low, rest_high, self.bias)
        for name, values in zip(("margin", "mean_margin", "logit_range"), found, strict=True):
            self.found[name][where] = values
        return torch.maximum(block_high + self.bias, rest_high)
