"""Which rules fire at which queries of a pass, on which keys, and where: what a plan says, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.text import Text
from theory.errors import DomainError

Mask = NDArray[np.bool_]

# Targets of a 64-bit word, whose sign is not used.
_WORD = 62


@dataclass(frozen=True)
class SteeringRule:
    """A rule's name, what it promises or adds, and where it acts.

    `promise` is the fidelity in (0, 1) that its target has at least, in each row where it fires; a rule with a
    `strength` instead adds that many nats to its target's scores. `layers` and `heads` count from 0; None: all of them.
    Raises DomainError.
    """

    name: str
    promise: float | None = None
    strength: float | None = None
    layers: frozenset[int] | None = None
    heads: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if (self.promise is None) == (self.strength is None):
            raise DomainError(f"rule {self.name!r} must have either a promise or a strength")
        if self.promise is not None and not 0 < self.promise < 1:
            raise DomainError(f"rule {self.name!r} promises {self.promise}: a promise must lie in (0, 1)")
        if self.strength is not None and not 0 <= self.strength < float("inf"):
            raise DomainError(f"rule {self.name!r} has strength {self.strength}: it must be finite and at least 0")


@dataclass(frozen=True)
class Firings:
    """The rules of one pass, at which queries they fire, and which keys are their targets.

    `fires` is `(rules, batch, queries)`, and `targets` `(rules, batch, keys)` with all tokens so far as keys. Raises
    DomainError for shapes that do not fit.
    """

    rules: Sequence[SteeringRule]
    fires: Bool[Tensor, "rules batch queries"]
    targets: Bool[Tensor, "rules batch keys"]

    def __post_init__(self) -> None:
        shapes = self.fires.shape, self.targets.shape
        alike = self.fires.dim() == self.targets.dim() == 3 and shapes[0][:2] == shapes[1][:2]
        if not alike or len(self.rules) != len(self.fires) or {self.fires.dtype, self.targets.dtype} != {torch.bool}:
            raise DomainError(
                f"{len(self.rules)} rules need bool tensors fires (rules, batch, queries) and targets (rules, batch, "
                f"keys), found {tuple(shapes[0])} of {self.fires.dtype} and {tuple(shapes[1])} of {self.targets.dtype}"
            )

    @cached_property
    def firing(self) -> list[int]:
        """The rules that fire at some query."""
        return self.fires.flatten(1).any(1).nonzero().squeeze(1).tolist()

    @cached_property
    def _parts(self) -> dict[tuple[tuple[int, ...], int], Acting | None]:
        return {}

    def acting(self, layer: int, heads: int) -> Acting | None:
        """The rules that fire and act in this layer; None if there are none. Layers with the same rules share it."""
        chosen = tuple(rule for rule in self.firing if _within(layer, self.rules[rule].layers))
        if (chosen, heads) not in self._parts:
            self._parts[chosen, heads] = self._acting(chosen, heads) if chosen else None
        return self._parts[chosen, heads]

    def _acting(self, chosen: tuple[int, ...], heads: int) -> Acting | None:
        rules = [self.rules[each] for each in chosen]
        for rule in rules:
            if rule.heads and max(rule.heads) >= heads:
                raise DomainError(f"rule {rule.name!r} names head {max(rule.heads)} of layers that have {heads}")
        where = [[_within(head, rule.heads) for head in range(heads)] for rule in rules]
        fires, targets = (each[torch.tensor(chosen, device=each.device)] for each in (self.fires, self.targets))
        ids, members = _atoms(targets)
        return Acting(
            np.array(chosen),
            fires.cpu().numpy(),
            targets.cpu().numpy(),
            np.array(where),
            np.array([rule.promise or 0.0 for rule in rules]),
            np.array([rule.strength or 0.0 for rule in rules]),
            ids.cpu().numpy(),
            members.cpu().numpy(),
        )


@dataclass(frozen=True)
class Acting:
    """The rules that act in a layer, numbered by `index`, as arrays.

    `fires` is `(rules, batch, queries)` and `targets` `(rules, batch, keys)`. `heads` `(rules, heads)` says where each
    acts. `promises` is 0 for a rule with a strength and `strengths` 0 for one with a promise. `atoms` `(batch, keys)`
    numbers the sets of keys in the same targets, and `members` `(rules, atoms)` says which targets hold them. `known`
    is what layers share.
    """

    index: NDArray[np.int64]
    fires: Mask
    targets: Mask
    heads: Mask
    promises: NDArray[np.float64]
    strengths: NDArray[np.float64]
    atoms: NDArray[np.int64]
    members: Mask
    known: dict[Any, Any] = field(default_factory=dict)

    @cached_property
    def everywhere(self) -> bool:
        """Whether every rule acts in every head."""
        return bool(self.heads.all())


class Plan(Protocol):
    """What decides which rules fire."""

    def firings(self, text: Text) -> Firings | None:
        """The rules of this pass; None if none fires. `text.tokens` are all tokens so far. Raises DomainError."""


def _within(place: int, places: frozenset[int] | None) -> bool:
    return places is None or place in places


def _atoms(targets: Bool[Tensor, "rules batch keys"]) -> tuple[Int[Tensor, "batch keys"], Bool[Tensor, "rules atoms"]]:
    """The atom of each key, and which targets hold each atom.

    >>> ids, members = _atoms(torch.tensor([[[True, False, True]], [[True, False, False]]]))
    >>> members[:, ids[0]].tolist()
    [[True, False, True], [True, False, False]]
    """
    flat = targets.flatten(1)
    ids = torch.zeros(flat.shape[1], dtype=torch.long, device=flat.device)
    # Sorting words is far cheaper than sorting columns.
    for part in torch.split(flat, _WORD):
        word = (part.long() << torch.arange(len(part), device=flat.device).unsqueeze(1)).sum(0)
        low, names = (torch.unique(each, return_inverse=True)[1] for each in (ids, word))
        ids = torch.unique(low * flat.shape[1] + names, return_inverse=True)[1]
    members = flat.new_zeros(len(flat), int(ids.max()) + 1)
    members[:, ids] = flat
    return ids.view(targets.shape[1:]), members
