"""The rows of a call at which rules fire, in pieces: all that follows from rules and masks, and not from scores.

Arrays are numpy's, in the memory of the processor: a step of generation has few numbers, and numpy's small operations
cost less than torch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.steering.firings import Acting
from empirical.steering.newton import TOLERANCE, Array, Mask
from empirical.steering.strengths import Promises

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
    fires: Mask
    keys: int
    whole: bool
    visible: Bool[Tensor, "#batch queries keys"] | None
    _promises: dict[bool, Promises] = field(default_factory=dict)

    @cached_property
    def active(self) -> Mask:
        """Which rules fire and act in which rows, `(texts, heads, queries, rules)`."""
        return np.asarray(self.fires[:, None] & self.acting.heads.T[:, None])

    @cached_property
    def promised(self) -> Mask:
        """Which of them have a promise."""
        return np.asarray(self.active & (self.acting.promises > 0))

    @cached_property
    def least(self) -> Array:
        """The least fidelity with which a promise is kept, 0 without one."""
        return np.where(self.promised, self.acting.promises - TOLERANCE, 0.0)

    @cached_property
    def added(self) -> Array | None:
        """Strengths of the rules that have one; None if none has."""
        return self.acting.strengths * self.active if self.acting.strengths.any() else None

    @cached_property
    def place(self) -> NDArray[np.intp]:
        """Where the firings are in arrays `(texts, heads, queries, rules)`, made flat."""
        return np.flatnonzero(self.active)

    @cached_property
    def rows(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Text, query, head and rule of each firing."""
        text, head, query, rule = self.active.nonzero()
        places = self.texts.cpu().numpy()[text], self.queries.cpu().numpy()[query], head, self.acting.index[rule]
        one, two, three, four = map(torch.from_numpy, places)
        return one, two, three, four

    @cached_property
    def hidden(self) -> Mask | None:
        """Which keys a query does not see, `(texts or 1, 1, queries, keys)`; None if it sees all."""
        if self.visible is None:
            later = np.arange(self.keys) > self.queries.cpu().numpy()[:, None]
            hidden = later[None, None]
        else:
            hidden = ~self.of_texts(self.visible)[:, self.queries].unsqueeze(1).cpu().numpy()
        return hidden if hidden.any() else None

    @cached_property
    def members(self) -> Array:
        """1 at the atoms of a rule's target, else 0: `(rules, atoms)`."""
        return self.acting.members.astype(np.float64)

    @cached_property
    def targets(self) -> Array:
        """1 at the keys of a rule's target, else 0: `(texts, rules, keys)`."""
        chosen = self.acting.targets[:, self.texts.cpu().numpy(), -self.keys :]
        return np.ascontiguousarray(chosen.transpose(1, 0, 2), dtype=np.float64)

    def promises(self, sink: bool) -> Promises:
        """What is promised in the rows; a sink is one more atom, off every target."""
        if sink not in self._promises:
            members = self.acting.members
            members = np.hstack((members, np.zeros((len(members), int(sink)), dtype=bool)))
            self._promises[sink] = Promises(members, self.promised, self.acting.promises)
        return self._promises[sink]

    def masses(self, scores: Array) -> Array:
        """Log mass of each atom `(texts, heads, queries, atoms)`; -inf where no key of it is visible."""
        order, segment, starts, text, atom = self._segments
        texts, heads, queries, keys = scores.shape
        # Keys first, those of a text's atom next to each other.
        ordered = scores.transpose(0, 3, 1, 2).reshape(texts * keys, -1)[order]
        tops = np.maximum.reduceat(ordered, starts)
        # Relative to the atom's own largest score: one far below another atom's does not vanish.
        tops = np.where(tops == -np.inf, 0.0, tops)
        sums = np.add.reduceat(np.exp(ordered - tops[segment]), starts)
        found = np.full((texts, self.acting.members.shape[1], heads * queries), -np.inf)
        found[text, atom] = np.log(sums) + tops
        return found.reshape(texts, -1, heads, queries).transpose(0, 2, 3, 1)

    @cached_property
    def _segments(self) -> tuple[NDArray[np.intp], ...]:
        """Keys of all texts in the order of text and atom; each one's segment; start, text and atom of each segment."""
        atoms = self.acting.atoms[self.texts.cpu().numpy(), -self.keys :]
        number = atoms + self.acting.members.shape[1] * np.arange(len(atoms))[:, None]
        order = number.ravel().argsort(kind="stable")
        kinds, starts, counts = np.unique(number.ravel()[order], return_index=True, return_counts=True)
        segment = np.repeat(np.arange(len(kinds)), counts)
        return order, segment, starts, *np.divmod(kinds, self.acting.members.shape[1])

    def of_texts(self, values: Tensor) -> Tensor:
        """Values `(batch or 1, ...)` of this piece's texts."""
        return values if values.shape[0] in (1, self.texts.shape[0]) else values[self.texts]


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
    heads, keys, device = call.query.shape[1], call.key.shape[2], call.query.device
    fires = acting.fires if call.real is None else acting.fires & call.real.cpu().numpy()
    where: Mask = np.asarray(fires.any(0))
    most = max(1, SCORES // (heads * max(keys, acting.members.size)))
    for texts, queries in _parts(where, most):
        whole = len(texts) * len(queries) == where.size
        part = fires[:, texts][:, :, queries].transpose(1, 2, 0)
        chosen = [torch.from_numpy(each).to(device) for each in (texts, queries)]
        yield Piece(acting, chosen[0], chosen[1], part, keys, whole, call.visible)


def _parts(where: Mask, most: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Texts and queries, at all pairs of which a rule fires, at most so many pairs at once."""
    if where.shape[1] == 1:
        texts = np.flatnonzero(where)
        for start in range(0, len(texts), most):
            yield texts[start : start + most], np.zeros(1, dtype=np.intp)
        return
    for text in np.flatnonzero(where.any(1)):
        queries = np.flatnonzero(where[text])
        for start in range(0, len(queries), most):
            yield np.array([text]), queries[start : start + most]
