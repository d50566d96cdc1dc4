"""One layer's attention with the rules that fire there: output, strengths, and each target's fidelity.

Only rows with a firing rule are computed again, in pieces, so that memory grows linearly with the tokens; all others
keep the output of the call bit for bit. A row's scores are those of the call: soft cap, mask and the dial's bias
included, in the format of its states. All that follows is float64: the masses of the atoms, the strengths that meet the
promises (`strengths`), the weights with these strengths, and the fidelity of each target, which is summed from those
weights and shares nothing with the solver. A sink is a key off every target without a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int, Int8
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.steering.firings import Firings
from empirical.steering.pieces import Piece, pieces
from empirical.steering.strengths import Status, least_change
from theory.errors import DomainError

# Largest number of scores times atoms that are compared with each other at once.
_DENSE = 1 << 16


@dataclass(frozen=True)
class SteeredRows:
    """What each rule did in each row where it fired, one entry per firing; nats, float64.

    `text`, `query`, `head` and `rule` say which row of `layer` and which rule. `before` and `after` are the fidelity of
    the rule's target without any rule and with all of them. `strength` is what was added to the target's scores.
    """

    layer: int
    text: Int[Tensor, " firings"]
    query: Int[Tensor, " firings"]
    head: Int[Tensor, " firings"]
    rule: Int[Tensor, " firings"]
    before: Float64[Tensor, " firings"]
    after: Float64[Tensor, " firings"]
    strength: Float64[Tensor, " firings"]
    status: Int8[Tensor, " firings"]

    @property
    def met(self) -> Bool[Tensor, " firings"]:
        """Whether the rule kept its promise, as measured; True for rules with a strength."""
        return self.status == Status.MET


@torch.no_grad()
def steer(
    call: AttentionCall, firings: Firings
) -> tuple[Float[Tensor, "batch heads queries value"], SteeredRows | None]:
    """The call's output with the rules that fire, and what they did; None where no rule acts in this layer.

    Raises DomainError for firings of other queries or fewer keys, for dropout, and under gradients.
    """
    batch, heads, queries, _ = call.query.shape
    keys = call.key.shape[2]
    if firings.fires.shape[1:] != (batch, queries) or firings.targets.shape[2] < keys:
        raise DomainError(
            f"rules that fire at {tuple(firings.fires.shape[1:])} queries and have {firings.targets.shape[2]} keys do "
            f"not fit {batch} sequences of {queries} queries and {keys} keys"
        )
    acting = firings.acting(call.layer, heads)
    if acting is None:
        return call.output, None
    if call.dropout:
        raise DomainError("rules take no dropout: put the model in evaluation mode")
    if call.query.requires_grad:
        raise DomainError("rules have no gradients: run the model under torch.no_grad()")
    output, found = None, []
    for piece in pieces(call, acting):
        # Autocast would compute scores and outputs in a half format.
        with torch.autocast(call.query.device.type, enabled=False):
            steered, rows = _steered(call, piece)
        found.append(rows)
        if piece.whole and acting.everywhere:
            output = steered
            break
        output = call.output.clone() if output is None else output
        where = piece.texts[:, None], slice(None), piece.queries
        if not acting.everywhere:
            steered = torch.where(piece.active.any(-1, keepdim=True), steered, output[where].transpose(1, 2))
        output[where] = steered.transpose(1, 2)
    if output is None:
        return call.output, None
    columns = found[0] if len(found) == 1 else map(torch.cat, zip(*found, strict=True))
    return output, SteeredRows(call.layer, *columns)


def _steered(call: AttentionCall, piece: Piece) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The output `(texts, heads, queries, value)`, and the fields of `SteeredRows` after the layer."""
    acting = piece.acting
    scores = _scores(call, piece)
    masses, members = _masses(scores, piece), acting.members
    sinks = _sinks(call, scores)
    if sinks is not None:
        # One more atom, off every target.
        members = torch.cat((members, members.new_zeros(len(members), 1)), 1)
        masses = torch.cat((masses, sinks), -1)
    inside = members.double()
    held = masses if piece.added is None else masses + piece.added @ inside
    solved = least_change(held, members, piece.promised, acting.promises)
    strengths = solved.values if piece.added is None else solved.values + piece.added
    tilted = scores + (strengths.flatten(1, 2) @ piece.targets.mT).view(scores.shape)
    weights = (tilted if sinks is None else torch.cat((tilted, sinks), -1)).softmax(-1)[..., : piece.keys]
    before = masses.softmax(-1) @ inside.mT
    after = (weights.flatten(1, 2) @ piece.targets).view(before.shape)
    # A promise counts as met only if the weights show it.
    broken = (after < piece.least) & (solved.status == Status.MET)
    columns = before, after, strengths, solved.status.masked_fill(broken, Status.UNSOLVED)
    kept = (each.flatten() if piece.all_active else each[piece.place] for each in columns)
    return _output(call, piece, weights), (*piece.rows, *kept)


def _scores(call: AttentionCall, piece: Piece) -> Float64[Tensor, "texts heads queries keys"]:
    """The scores with the dial's bias; -inf at keys that a query does not see."""
    key, query = piece.of_texts(call.key), piece.of_texts(call.query)
    if call.query.shape[2] > 1:
        query = query[:, :, piece.queries]
    shape = query.shape[:3]
    # One matrix per key head, whose rows are the queries of all heads that share it.
    query = query.reshape(shape[0], key.shape[1], -1, query.shape[-1])
    scores = (query.to(call._work) @ key.to(call._work).mT).view(*shape, -1) * call.scale
    if call.softcap is not None:
        scores = call.softcap * torch.tanh(scores / call.softcap)
    scores, hidden = scores.double(), piece.hidden
    if call.bias != 0:
        own = piece.of_texts(call.own)[:, piece.queries]
        same = (own[..., None] == piece.of_texts(call.ids)[:, None]).unsqueeze(1)
        biases = call.biases[:, None, None]
        scores = scores + torch.where(same & biases.isfinite(), biases, 0.0)
        # Dial 1 keeps the block alone.
        hidden = hidden | (biases.isinf() & ~same)
    return scores.masked_fill(hidden, -math.inf)


def _sinks(call: AttentionCall, scores: Tensor) -> Float64[Tensor, "texts heads queries 1"] | None:
    if call.sinks is None:
        return None
    sinks = call.sinks.double()
    if call.bias != 0:
        # A sink is off every block, of which dial 1 keeps nothing.
        sinks = sinks.masked_fill(call.biases.isinf(), -math.inf)
    return sinks[:, None, None].expand(*scores.shape[:3], 1)


def _output(call: AttentionCall, piece: Piece, weights: Tensor) -> Tensor:
    value = piece.of_texts(call.value)
    flat = weights.reshape(weights.shape[0], value.shape[1], -1, weights.shape[-1])
    output = flat.to(call._work) @ value.to(call._work)
    return output.view(*weights.shape[:3], -1).to(value.dtype)


def _masses(scores: Tensor, piece: Piece) -> Float64[Tensor, "texts heads queries atoms"]:
    """Log mass of each atom; -inf where no key of it is visible."""
    count = piece.acting.members.shape[1]
    if scores.numel() * count <= _DENSE:
        return scores.unsqueeze(-2).masked_fill(piece.apart, -math.inf).logsumexp(-1)
    shape, atoms = (*scores.shape[:-1], count), piece.atoms.expand_as(scores)
    tops = scores.new_full(shape, -math.inf).scatter_reduce(-1, atoms, scores, "amax")
    # Relative to the atom's own largest score: one far below another atom's does not vanish.
    tops = tops.masked_fill(tops == -math.inf, 0.0)
    return scores.new_zeros(shape).scatter_add(-1, atoms, (scores - tops.gather(-1, atoms)).exp()).log() + tops
