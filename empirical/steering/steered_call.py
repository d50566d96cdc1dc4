"""One layer's attention with the rules that fire there: output, strengths, and each target's fidelity.

Only rows with a firing rule are computed again, in pieces, so that memory grows linearly with the tokens; all others
keep the output of the call bit for bit. A row's scores are those of the call: soft cap, mask and the dial's bias
included, in the format of its states. All that follows is float64: the masses of the atoms, the strengths that meet the
promises (`strengths`), the weights with these strengths, and the fidelity of each target, which is summed from those
weights and shares nothing with the solver. A sink is a key off every target without a value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int, Int8
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.steering.firings import Acting, Firings
from empirical.steering.strengths import TOLERANCE, Status, least_change
from theory.errors import DomainError

# Scores of a piece, and the atoms' masses times rules.
_SCORES = 1 << 19


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
    fires = acting.fires if call.real is None else acting.fires & call.real
    where = fires.any(0)
    alone = acting.everywhere and bool(where.all())
    output = call.value.new_empty(batch, heads, queries, call.value.shape[-1]) if alone else call.output.clone()
    found = []
    for texts, places in _pieces(where, heads * max(keys, acting.members.numel())):
        piece = _Piece(call, acting, fires[:, texts][:, :, places].permute(1, 2, 0), texts, places)
        steered, rows = piece.run()
        if not acting.everywhere:
            kept = output[texts[:, None], :, places].transpose(1, 2)
            steered = torch.where(piece.active.any(-1, keepdim=True), steered, kept)
        output[texts[:, None], :, places] = steered.transpose(1, 2)
        found.append(rows)
    if not found:
        return call.output, None
    return output, SteeredRows(call.layer, *(torch.cat(each) for each in zip(*found, strict=True)))


def _pieces(where: Bool[Tensor, "batch queries"], each: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Texts and queries of each piece, at all pairs of which a rule fires; `each` numbers belong to such a pair."""
    most = max(1, _SCORES // each)
    if where.shape[1] == 1:
        for texts in where.squeeze(1).nonzero().squeeze(1).split(most):
            if len(texts):
                yield texts, torch.zeros_like(texts[:1])
        return
    for text in where.any(1).nonzero().squeeze(1):
        for places in where[text].nonzero().squeeze(1).split(most):
            yield text.unsqueeze(0), places


@dataclass(frozen=True)
class _Piece:
    """Some queries of some texts, at all of which a rule fires: `fires` is `(texts, queries, rules)`."""

    call: AttentionCall
    acting: Acting
    fires: Bool[Tensor, "texts queries rules"]
    texts: Int[Tensor, " texts"]
    queries: Int[Tensor, " queries"]

    @property
    def active(self) -> Bool[Tensor, "texts heads queries rules"]:
        """Which rules fire and act in which rows."""
        return self.fires.unsqueeze(1) & self.acting.heads.T[:, None]

    def run(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output `(texts, heads, queries, value)`, and the fields of `SteeredRows` after the layer."""
        call, acting = self.call, self.acting
        scores = self._scores()
        keys = call.key.shape[2]
        atoms = self._of_texts(acting.atoms)[:, -keys:]
        targets = acting.targets[:, self.texts, -keys:].permute(1, 2, 0).double()
        members, active = acting.members, self.active
        spread = atoms[:, None, None].expand_as(scores)
        masses = _sums(scores, spread, members.shape[1])
        sinks = self._sinks(scores)
        if sinks is not None:
            # One more atom, off every target.
            members = torch.cat((members, members.new_zeros(len(members), 1)), 1)
            masses = torch.cat((masses, sinks), -1)
            spread = torch.cat((spread, torch.full_like(spread[..., :1], members.shape[1] - 1)), -1)
            scores = torch.cat((scores, sinks), -1)
        inside = members.double()
        promised = active & (acting.promises > 0)
        fixed = acting.strengths * active
        solved = least_change(masses + fixed @ inside if acting.fixed else masses, members, promised, acting.promises)
        strengths = solved.values + fixed if acting.fixed else solved.values
        boosts = (strengths @ inside).gather(-1, spread)
        weights = (scores + boosts).softmax(-1)[..., :keys]
        before = masses.softmax(-1) @ inside.T
        after = (weights.flatten(1, 2) @ targets).view(before.shape)
        kept = ~promised | (after >= acting.promises - TOLERANCE)
        # A promise counts as met only if the weights show it.
        status = torch.where(kept | (solved.status != Status.MET), solved.status, Status.UNSOLVED)
        place = active.nonzero(as_tuple=True)
        rows = self.texts[place[0]], self.queries[place[2]], place[1], acting.index[place[3]]
        return self._output(weights), (*rows, *(each[place] for each in (before, after, strengths, status)))

    def _of_texts(self, values: Tensor) -> Tensor:
        """Values `(batch or 1, ...)` of this piece's texts."""
        if len(values) == 1:
            return values
        return values if len(values) == len(self.texts) else values[self.texts]

    def _scores(self) -> Float64[Tensor, "texts heads queries keys"]:
        """The scores with the dial's bias; -inf at keys that a query does not see."""
        call, work = self.call, self.call._work
        key = self._of_texts(call.key).to(work)
        query = self._of_texts(call.query)
        if call.query.shape[2] > 1:
            query = query[:, :, self.queries]
        shape = query.shape[:3]
        # One matrix per key head, whose rows are the queries of all heads that share it.
        query = query.reshape(shape[0], key.shape[1], -1, query.shape[-1]).to(work)
        with torch.autocast(key.device.type, enabled=False):
            scores = (query @ key.mT).view(*shape, -1) * call.scale
        if call.softcap is not None:
            scores = call.softcap * torch.tanh(scores / call.softcap)
        scores = scores.double()
        if call.visible is None:
            hidden = (torch.arange(scores.shape[-1], device=key.device) > self.queries.unsqueeze(1))[None, None]
        else:
            hidden = ~self._of_texts(call.visible)[:, self.queries].unsqueeze(1)
        if call.bias != 0:
            own = self._of_texts(call.own)[:, self.queries]
            same = (own[..., None] == self._of_texts(call.ids)[:, None]).unsqueeze(1)
            biases = call.biases[:, None, None]
            scores = scores + torch.where(same & biases.isfinite(), biases, 0.0)
            # Dial 1 keeps the block alone.
            hidden = hidden | (biases.isinf() & ~same)
        return scores.masked_fill(hidden, -math.inf)

    def _sinks(self, scores: Tensor) -> Float64[Tensor, "texts heads queries 1"] | None:
        call = self.call
        if call.sinks is None:
            return None
        # A sink is off every block, of which dial 1 keeps nothing.
        sinks = (
            call.sinks.double() if call.bias == 0 else call.sinks.double().masked_fill(call.biases.isinf(), -math.inf)
        )
        return sinks[:, None, None].expand(*scores.shape[:3], 1)

    def _output(self, weights: Tensor) -> Tensor:
        call = self.call
        value = self._of_texts(call.value)
        flat = weights.reshape(weights.shape[0], value.shape[1], -1, weights.shape[-1]).to(call._work)
        with torch.autocast(value.device.type, enabled=False):
            output = flat @ value.to(call._work)
        return output.view(*weights.shape[:3], -1).to(value.dtype)


def _sums(scores: Tensor, atoms: Tensor, count: int) -> Float64[Tensor, "texts heads queries atoms"]:
    """Log mass of each atom; -inf where no key of it is visible."""
    shape = (*scores.shape[:-1], count)
    tops = scores.new_full(shape, -math.inf).scatter_reduce(-1, atoms, scores, "amax")
    # Relative to the atom's own largest score: one far below another atom's does not vanish.
    tops = tops.masked_fill(tops == -math.inf, 0.0)
    return scores.new_zeros(shape).scatter_add(-1, atoms, (scores - tops.gather(-1, atoms)).exp()).log() + tops
