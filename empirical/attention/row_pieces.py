"""The pass over the scores in pieces, on any device.

A piece holds the scores of some queries and heads against every key that they see. They are computed once, read for
extremes if requested, shifted by each row's largest, exponentiated, multiplied with the values, and reduced to each
row's log-sum-exp, mean score and mass on and off its block. Entropy is log-sum-exp minus mean score. Pieces fit in the
CPU's cache, and memory grows linearly with the tokens.

Scores are in units of log 2: MKL's powers of e are slow where a score is masked, torch's powers of 2 are not. Sums are
turned into nats at the end, in float64.

Keys that every query of the piece sees, before the first one that shares a block with any of them, need no mask; under
causal attention with fixed windows these are all keys but those of the last few blocks.

A soft cap `c` replaces each score `s` by `c tanh(s/c)`. A sink is one more logit per head: a key off every block with
value 0, which is merged into the finished sums in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from empirical.attention.blocks import first_keys
from empirical.attention.rounding import Arithmetic
from empirical.attention.row_numbers import Keep, RowNumbers, finished, gaps
from empirical.attention.sight import Sight

# Queries of a piece, and scores per core; an accelerator needs larger pieces.
QUERIES = 64
CPU_SCORES = 1 << 19
ACCELERATOR_SCORES = 1 << 25

# A masked score, whose weight is an exact zero; finite, so that its product with that weight is 0 and not NaN.
MASKED = -1e30

LOG_2 = math.log(2)

# Sums of a piece: the largest score, then sums of weights relative to it: all, on and off the block, times the score.
_SUMS = ("top", "total", "block", "rest", "moment")

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
    found = {name: torch.zeros(shape, dtype=work, device=device) for name in _SUMS}
    if ranges:
        found |= {name: torch.full(shape, none, dtype=work, device=device) for name, none in _EXTREMES.items()}
    job = _Job(
        query,
        key,
        value,
        sight,
        first_keys(sight.ids).tolist() if sight.visible is None else [],
        sight.first_token(shape[0]).tolist() if ranges and sinks is None else [-1] * shape[0],
        scale / LOG_2,
        None if softcap is None else softcap / LOG_2,
        bias / LOG_2,
        keep,
        ranges,
        work,
        torch.empty(*shape, value.shape[-1], dtype=work, device=device),
        found,
    )
    for index in range(shape[0]):
        job.run(index)
    top, total, block, rest, moment = (found[name].double() for name in _SUMS)
    extremes = {name: found[name].double() * LOG_2 for name in _EXTREMES if ranges}
    numbers = RowNumbers(
        output=job.output,
        arithmetic=Arithmetic(work, softcap=softcap is not None, sink=sinks is not None),
        log_sum=(top + total.log2()) * LOG_2,
        mean_score=(top + moment / total) * LOG_2,
        fidelity=block / total,
        leak=rest / total,
        **(gaps(**extremes, bias=bias, sinks=sinks) if ranges else {}),
    )
    return finished(numbers, sinks, keep, value.dtype)


@dataclass(frozen=True)
class _Masks:
    """Masks `(queries, keys)` of the keys after a piece's split.

    `steer` is added to the scores; `inside` and `outside` are True at visible keys on and off the query's block, and
    `mixed` says whether there are any of the latter.
    """

    steer: Tensor
    inside: Tensor
    outside: Tensor
    mixed: bool

    @classmethod
    def of(cls, job: _Job, own: Tensor, ids: Tensor, seen: Tensor) -> _Masks:
        """The masks of queries and keys with these blocks, where `seen` keys are visible."""
        inside = (own[:, None] == ids) & seen
        outside = seen ^ inside
        if job.keep == "all":
            steer = torch.where(seen, inside.to(job.work) * job.bias, MASKED)
        else:
            steer = torch.where(inside if job.keep == "block" else outside, 0.0, MASKED)
        return cls(steer.to(job.work), inside, outside, bool(outside.any()))


@dataclass(frozen=True)
class _Piece:
    """Which keys the queries of a piece keep: keys `begin` to `end`, all of the first `split` of them, then by masks.

    `sink` is the place of the text's first token among the keys, None if it is not there.
    """

    begin: int
    end: int
    split: int
    masks: _Masks
    sink: int | None

    @classmethod
    def of(cls, job: _Job, sequence: int, start: int, stop: int) -> _Piece:
        """The piece of queries `start` to `stop` of a sequence."""
        own, ids, visible = job.sight.of_sequence(sequence)
        if visible is None:
            first = job.first[min(sequence, len(job.first) - 1)]
            begin, end, near = 0, stop, min(first[start:stop])
            # Under causality, masks depend only on which keys share a block: with windows they repeat.
            pattern = (start - near, *(key - near for key in first[near:stop]))
            masks = job.masks.get(pattern)
            if masks is None:
                places = torch.arange(near, stop, device=ids.device)
                seen = places <= places[start - near :, None]
                masks = job.masks[pattern] = _Masks.of(job, own[start:stop], ids[near:end], seen)
        else:
            begin, end, near = _reach(visible[start:stop], own[start:stop], ids)
            masks = _Masks.of(job, own[start:stop], ids[near:end], visible[start:stop, near:end])
        begin = near if job.keep == "block" else begin
        sink = job.sink_keys[sequence]
        return cls(begin, end, near - begin, masks, sink - begin if begin <= sink < end else None)


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
    masks: dict[tuple[int, ...], _Masks] = field(default_factory=dict)

    def run(self, index: int) -> None:
        """Run one sequence of the batch."""
        heads, queries = self.query.shape[1:3]
        key, value = (each[index].to(self.work) for each in (self.key, self.value))
        shared = heads // len(key)
        step = min(queries, self._queries())
        room = torch.empty(2, self._most(step * key.shape[1]), dtype=self.work, device=key.device)
        for start in range(0, queries, step):
            stop = min(queries, start + step)
            piece = _Piece.of(self, index, start, stop)
            group = self._heads((stop - start) * (piece.end - piece.begin))
            for head in range(0, heads, group):
                last = min(heads, head + group)
                where = (index, slice(head, last), slice(start, stop))
                # A piece holds whole groups of heads that share keys, or a part of one group.
                kept = slice(head // shared, -(-last // shared)), slice(piece.begin, piece.end)
                self._piece(piece, key[kept], value[kept], where, room)

    def _queries(self) -> int:
        """Queries of a piece."""
        if self.query.device.type == "cpu":
            return QUERIES
        return max(16, ACCELERATOR_SCORES // (self.query.shape[1] * self.key.shape[2]))

    def _heads(self, scores: int) -> int:
        """Heads of a piece with so many scores per head: whole groups that share keys, or a divisor of one group."""
        heads, shared = self.query.shape[1], self.query.shape[1] // self.key.shape[1]
        fit = self._most(scores) // scores
        if fit >= shared:
            return min(heads, fit // shared * shared)
        return max(each for each in range(1, fit + 1) if shared % each == 0)

    def _most(self, scores: int) -> int:
        """Scores of the largest piece, of at least one head with so many scores."""
        every = self.query.shape[1] * scores
        if self.query.device.type != "cpu":
            return every
        return min(every, max(scores, CPU_SCORES * torch.get_num_threads()))

    def _piece(self, piece: _Piece, key: Tensor, value: Tensor, where: Where, room: Tensor) -> None:
        masks, query = piece.masks, self.query[where].to(self.work)
        shape = (query.shape[0], query.shape[1], key.shape[1])
        scores, weights = (each[: math.prod(shape)].view(shape) for each in room)
        # One matrix per key head, whose rows are the queries of all heads that share it.
        one = (len(key), -1, query.shape[2])
        scale = self.scale if self.softcap is None else self.scale / self.softcap
        product = scores.view(len(key), -1, key.shape[1])
        torch.baddbmm(product, query.reshape(one), key.transpose(1, 2), beta=0, alpha=scale, out=product)
        if self.softcap is not None:
            scores.tanh_().mul_(self.softcap)
        if self.ranges:
            self._extremes(piece, scores, where)
        scores[..., piece.split :] += masks.steer
        found = {name: self.found[name][where] for name in _SUMS}
        if not self.ranges:
            torch.amax(scores, -1, out=found["top"])
        scores -= found["top"].unsqueeze(-1)
        torch.exp2(scores, out=weights)
        far, near = weights[..., : piece.split], weights[..., piece.split :]
        torch.sum(far, -1, out=found["rest"])
        torch.add(found["rest"], near.sum(-1), out=found["total"])
        output = torch.bmm(weights.view(product.shape), value).view(*shape[:2], -1)
        torch.div(output, found["total"].unsqueeze(-1), out=self.output[where])
        torch.sum(near * masks.inside if masks.mixed else near, -1, out=found["block"])
        if masks.mixed:
            found["rest"] += (near * masks.outside).sum(-1)
        torch.sum(scores.mul_(weights), -1, out=found["moment"])

    def _extremes(self, piece: _Piece, scores: Tensor, where: Where) -> None:
        """Store the extremes on and off the block, and the largest score with the bias."""
        far, near = scores[..., : piece.split], scores[..., piece.split :]
        masks = piece.masks
        hidden = ~masks.inside
        found = {
            "block_low": near.masked_fill(hidden, math.inf).amin(-1),
            "block_high": near.masked_fill(hidden, -math.inf).amax(-1),
            "block_mean": near.masked_fill(hidden, 0).sum(-1) / masks.inside.sum(-1),
        }
        tops = [found["block_high"] + self.bias]
        rest: list[tuple[Tensor, Tensor | None]] = []
        if masks.mixed:
            rest.append((near, ~masks.outside))
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
                absent = ~masks.outside[:, piece.sink - piece.split] if piece.sink >= piece.split else None
                found["sink_score"] = _masked(held.squeeze(-1), absent, -math.inf)
                tops.append(found["sink_score"])
        # A row at padding has no key: its weights must be finite.
        found["top"] = reduce(torch.maximum, tops).clamp_(min=MASKED)
        for name, values in found.items():
            self.found[name][where] = values


def _masked(values: Tensor, hidden: Tensor | None, value: float) -> Tensor:
    return values if hidden is None else values.masked_fill(hidden, value)
