"""One layer's attention with the rules that fire there: output, strengths, and each target's fidelity.

Only rows with a firing rule are computed again, in pieces, so that memory grows linearly with the tokens; all others
keep the output of the call bit for bit. A row's scores are those of the call: soft cap, mask and the dial's bias
included, in the format of its states. All that follows is float64: the masses of the atoms, the strengths that meet the
promises (`strengths`), the weights with these strengths, and the fidelity of each target, which is summed from those
weights and shares nothing with the solver. A sink is a key off every target without a value.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int, Int8
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.attention.schedule import of_heads
from empirical.steering.firings import Firings
from empirical.steering.newton import Array
from empirical.steering.pieces import Piece, pieces
from empirical.steering.strengths import Status
from theory.errors import DomainError

_MET, _UNSOLVED = np.int8(Status.MET), np.int8(Status.UNSOLVED)


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
    # Masses of 0 have the logarithm -inf.
    with np.errstate(all="ignore"):
        for piece in pieces(call, acting):
            with _without_autocast(call.query.device.type):
                steered, rows = _steered(call, piece)
            found.append(rows)
            if piece.whole and acting.everywhere:
                output = steered
                break
            output = call.output.clone() if output is None else output
            where = piece.texts[:, None], slice(None), piece.queries
            if not acting.everywhere:
                acts = torch.from_numpy(piece.active.any(-1, keepdims=True)).to(steered.device)
                steered = torch.where(acts, steered, output[where].transpose(1, 2))
            output[where] = steered.transpose(1, 2)
    if output is None:
        return call.output, None
    columns = found[0] if len(found) == 1 else map(torch.cat, zip(*found, strict=True))
    return output, SteeredRows(call.layer, *columns)


def _steered(call: AttentionCall, piece: Piece) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The output `(texts, heads, queries, value)`, and the fields of `SteeredRows` after the layer."""
    scores = _scores(call, piece)
    seen = held = piece.masses(scores)
    if piece.added is not None:
        held = seen + _product(piece.added, piece.members)
    sinks = _sinks(call, scores)
    if sinks is not None:
        # A sink is one more atom, off every target.
        seen, held = (np.concatenate((each, sinks), -1) for each in (seen, held))
    solved = piece.promises(sinks is not None).least_change(held)
    strengths = solved.values if piece.added is None else solved.values + piece.added
    flat = len(scores), scores.shape[1] * scores.shape[2]
    tilted = scores + _product(strengths.reshape(*flat, -1), piece.targets).reshape(scores.shape)
    weights = _softmax(tilted if sinks is None else np.concatenate((tilted, sinks), -1))[..., : piece.keys]
    before = _product(_softmax(seen)[..., : piece.members.shape[1]], piece.members.T)
    after = _product(weights.reshape(*flat, -1), piece.targets.transpose(0, 2, 1)).reshape(before.shape)
    # A promise counts as met only if the weights show it.
    broken = (after < piece.least) & (solved.status == _MET)
    status = np.where(broken, _UNSOLVED, solved.status)
    kept = (torch.from_numpy(each.take(piece.place)) for each in (before, after, strengths, status))
    return _output(call, piece, weights), (*piece.rows, *kept)


def _scores(call: AttentionCall, piece: Piece) -> Array:
    """The scores with the dial's bias `(texts, heads, queries, keys)`; -inf at keys that a query does not see."""
    key, query = piece.of_texts(call.key), piece.of_texts(call.query)
    if call.query.shape[2] > 1:
        query = query[:, :, piece.queries]
    shape = query.shape[:3]
    # One matrix per key head, whose rows are the queries of all heads that share it.
    query = query.reshape(shape[0], key.shape[1], -1, query.shape[-1])
    product = (query.to(call._work) @ key.to(call._work).mT).view(*shape, -1) * call.scale
    if call.softcap is not None:
        product = call.softcap * torch.tanh(product / call.softcap)
    scores: Array = product.double().cpu().numpy()
    hidden = piece.hidden
    if call.bias != 0:
        own = piece.of_texts(call.own)[:, piece.queries]
        same = (own[..., None] == piece.of_texts(call.ids)[:, None]).unsqueeze(1).cpu().numpy()
        biases = _biases(call)
        scores = scores + np.where(same & np.isfinite(biases), biases, 0.0)
        # Dial 1 keeps the block alone.
        off = np.isinf(biases) & ~same
        hidden = off if hidden is None else hidden | off
    return scores if hidden is None else np.where(hidden, -np.inf, scores)


def _sinks(call: AttentionCall, scores: Array) -> Array | None:
    """The score of the sink in each row `(texts, heads, queries, 1)`; None without sinks."""
    if call.sinks is None:
        return None
    sinks = call.sinks.double().cpu().numpy()[:, None, None]
    # A sink is off every block, of which dial 1 keeps nothing.
    sinks = np.where(np.isinf(_biases(call)), -np.inf, sinks)
    return np.broadcast_to(sinks, (*scores.shape[:3], 1))


def _biases(call: AttentionCall) -> Array:
    return np.array(of_heads(call.bias, call.query.shape[1]))[:, None, None]


def _output(call: AttentionCall, piece: Piece, weights: Array) -> Tensor:
    value = piece.of_texts(call.value)
    flat = torch.from_numpy(weights.reshape(len(weights), value.shape[1], -1, piece.keys))
    output = flat.to(value.device, call._work) @ value.to(call._work)
    return output.view(*weights.shape[:3], -1).to(value.dtype)


def _without_autocast(device: str) -> AbstractContextManager[Any]:
    """Autocast would compute scores and outputs in a half format."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _product(left: Array, right: Array) -> Array:
    """Their matrix product, by torch: numpy's has threads of its own, which wait busily beside those of torch."""
    product: Array = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()
    return product


def _softmax(scores: Array) -> Array:
    weights: Array = np.exp(scores - np.maximum.reduce(scores, -1, keepdims=True))
    weights /= np.add.reduce(weights, -1, keepdims=True)
    return weights
