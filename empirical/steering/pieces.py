"""The rows of a call at which rules fire, in pieces: all that follows from rules and masks, and not from scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.steering.firings import Acting
from empirical.steering.strengths import TOLERANCE

# Scores of a piece, or masses of its atoms in all targets.
SCORES = 1 << 19


@dataclass(frozen=True)
class Piece:
    """Some queries of some texts of a call, at all of which a rule fires: `fires` is `(texts, queries, rules)`.

    `whole` says whether these are all rows of the call. `visible` is that of the call.
    """

    acting: Acting
    texts: Int[Tensor, " texts"]
    queries: Int[Tensor, " queries"]
    fires: Bool[Tensor, "texts queries rules"]
    keys: int
    whole: bool
    visible: Bool[Tensor, "#batch queries keys"] | None

    @cached_property
    def active(self) -> Bool[Tensor, "texts heads queries rules"]:
        """Which rules fire and act in which rows."""
        return self.fires.unsqueeze(1) & self.acting.heads.T[:, None]

    @cached_property
    def promised(self) -> Bool[Tensor, "texts heads queries rules"]:
        """Which of them have a promise."""
        return self.active & (self.acting.promises > 0)

    @cached_property
    def least(self) -> Float64[Tensor, "texts heads queries rules"]:
        """The least fidelity with which a promise is kept, 0 without one."""
        return torch.where(self.promised, self.acting.promises - TOLERANCE, 0.0)

    @cached_property
    def added(self) -> Float64[Tensor, "texts heads queries rules"] | None:
        """Strengths of the rules that have one; None if none has."""
        return self.acting.strengths * self.active if self.acting.fixed else None

    @cached_property
    def all_active(self) -> bool:
        """Whether every rule fires and acts in every row."""
        return bool(self.active.all())

    @cached_property
    def place(self) -> tuple[Tensor, ...]:
        """Text, head, query and rule of each firing, as indices into this piece."""
        return self.active.nonzero(as_tuple=True)

    @cached_property
    def rows(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Text, query, head and rule of each firing."""
        text, head, query, rule = self.place
        return self.texts[text], self.queries[query], head, self.acting.index[rule]

    @cached_property
    def hidden(self) -> Bool[Tensor, "#texts 1 queries keys"]:
        """Which keys a query does not see."""
        if self.visible is None:
            later = torch.arange(self.keys, device=self.texts.device) > self.queries.unsqueeze(1)
            return later[None, None]
        return ~self.of_texts(self.visible)[:, self.queries].unsqueeze(1)

    @cached_property
    def atoms(self) -> Int[Tensor, "texts 1 1 keys"]:
        """The atom of each key."""
        return self.of_texts(self.acting.atoms)[:, None, None, -self.keys :]

    @cached_property
    def apart(self) -> Bool[Tensor, "texts 1 1 atoms keys"]:
        """Which keys are off which atom."""
        numbers = torch.arange(self.acting.members.shape[1], device=self.texts.device)
        return self.atoms.unsqueeze(-2) != numbers.unsqueeze(1)

    @cached_property
    def targets(self) -> Float64[Tensor, "texts keys rules"]:
        """1 at the keys of a rule's target, else 0."""
        return self.acting.targets[:, self.texts, -self.keys :].permute(1, 2, 0).double()

    def of_texts(self, values: Tensor) -> Tensor:
        """Values `(batch or 1, ...)` of this piece's texts."""
        return values if len(values) in (1, len(self.texts)) else values[self.texts]


def pieces(call: AttentionCall, acting: Acting) -> list[Piece] | Iterator[Piece]:
    """The pieces of a call; layers whose single query sees alike share them."""
    if call.query.shape[2] > 1:
        return _pieces(call, acting)
    # The masks themselves are kept, so that no other ones get their ids.
    name = call.key.shape[2], id(call.visible), id(call.real)
    if name not in acting.known:
        acting.known[name] = list(_pieces(call, acting)), call.visible, call.real
    found: list[Piece] = acting.known[name][0]
    return found


def _pieces(call: AttentionCall, acting: Acting) -> Iterator[Piece]:
    heads, keys = call.query.shape[1], call.key.shape[2]
    fires = acting.fires if call.real is None else acting.fires & call.real
    where = fires.any(0)
    most = max(1, SCORES // (heads * max(keys, acting.members.numel())))
    for texts, queries in _parts(where, most):
        whole = len(texts) * len(queries) == where.numel()
        part = fires[:, texts][:, :, queries].permute(1, 2, 0)
        yield Piece(acting, texts, queries, part, keys, whole, call.visible)


def _parts(where: Bool[Tensor, "batch queries"], most: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Texts and queries, at all pairs of which a rule fires, at most so many pairs at once."""
    if where.shape[1] == 1:
        for texts in torch.split(where.squeeze(1).nonzero().squeeze(1), most):
            if len(texts):
                yield texts, torch.zeros_like(texts[:1])
        return
    for text in where.any(1).nonzero().squeeze(1):
        for queries in torch.split(where[text].nonzero().squeeze(1), most):
            yield text.unsqueeze(0), queries
