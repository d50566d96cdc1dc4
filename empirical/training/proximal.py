"""Group sparsity on `W_Q` and `W_K`, head by head and feature block by feature block (theory.md C).

After the optimiser's step, the proximal map of `lam |W|_F` shrinks each group:
`W <- W max(0, 1 - eta lam / |W|_F)`, with that step's learning rate `eta`. A group reaches exact zero and stays
there as long as the optimiser's own step is shorter than `eta lam`.

For every group the run records the step from which it is zero, and two predictions counted from the start: with
the largest step length `G` measured in the run, the first `N` with `sum_{t<=N} eta_t (lam - G) >= |w_0|` (C4, one
step more in floating point); for AdamW, whatever the loss, the first `N` with
`sum_{t<=N} eta_t (lam - sqrt(p) c_t) >= |w_0|` (C5; `p` weights per group). With `norms_every` it also records the
groups' norms every so many steps, and the learning rate of each step.

`S = Q K^T` is bilinear, so `W_Q = W_K = 0` is a strict local minimum for every `lam > 0`. One zero matrix is enough
to lose the head: its queries (or keys) are then only biases, and its scores no longer depend on the query (or key).
Heads with all groups of `W_Q`, or all of `W_K`, extinct are listed as collapsed; they lose the target block too.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from empirical.training.projections import MATRICES, Projection, query_and_key
from theory.errors import DomainError
from theory.numbers.extinction_steps import adam_update_bound


def group_view(weight: Float[Tensor, "inputs heads head"], blocks: int) -> Float[Tensor, "blocks rows heads head"]:
    """A `W_Q` or `W_K` `(inputs, heads, head)` by feature blocks; a view. Raises DomainError."""
    width = weight.shape[0]
    if width % blocks:
        raise DomainError(f"feature blocks {blocks} must divide the width {width}")
    return weight.view(blocks, width // blocks, *weight.shape[1:])


def group_norms(weight: Float[Tensor, "inputs heads head"], blocks: int) -> Float[Tensor, "blocks heads"]:
    """Frobenius norm of every group, `(blocks, heads)`."""
    return group_view(weight, blocks).square().sum((1, 3)).sqrt()


@torch.no_grad()
def shrink_groups(weight: Float[Tensor, "inputs heads head"], blocks: int, amount: float) -> None:
    """Proximal map of `amount * sum |W_group|_F`, in place."""
    norms = group_norms(weight, blocks)
    factor = (1 - amount / norms).clamp_min(0)
    # 0/0 at a group that is already zero; it stays zero.
    factor = torch.where(norms > 0, factor, torch.zeros_like(factor))
    group_view(weight, blocks).mul_(factor[:, None, :, None])


def predicted_step(start: float, gains: NDArray[np.float64]) -> int | None:
    """First step, from 1, at which the summed gains reach `start`, if the block stays zero afterwards.

    None if they never do, or if a later gain is negative: such a step may revive the block (C4, C5).

    >>> predicted_step(1.0, np.array([0.0, 0.6, 0.6]))
    3
    >>> predicted_step(1.0, np.array([0.6, 0.6, -0.1])) is None
    True
    """
    reached = np.cumsum(gains) >= start
    if not reached.any():
        return None
    first = int(reached.argmax())
    return first + 1 if np.all(gains[first:] >= 0) else None


class GroupProximal(TrainerCallback, ExportableState):
    """Applies the proximal step after the optimiser's, and records when each group becomes extinct."""

    def __init__(
        self,
        penalty: float,
        feature_blocks: int,
        optimizer: str = "adamw",
        betas: tuple[float, float] = (0.9, 0.999),
        norms_every: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.norms_every = norms_every
        self.feature_blocks = feature_blocks
        self.optimizer = optimizer
        self.betas = betas
        self.rates: list[float] = []
        self.group_size = 0
        self._projections: list[Projection] = []
        # `W_Q` and `W_K` of the first layer, of the second, ..., each `(blocks, heads)`; `extinct` is 0 while a group
        # is alive.
        self.start: list[Tensor] = []
        self.reach: list[Tensor] = []
        self.extinct: list[Tensor] = []
        # The norms of all groups, in this order, after each step at which they were recorded.
        self.norms: list[list[Tensor]] = []
        self._before: list[Tensor] = []

    def state(self) -> dict[str, Any]:
        """State to store in a checkpoint."""
        kept = {name: [each.tolist() for each in getattr(self, name)] for name in ("start", "reach", "extinct")}
        kept["norms"] = [[each.tolist() for each in norms] for norms in self.norms]
        return {"args": {}, "attributes": {"rates": self.rates, "group_size": self.group_size, **kept}}

    def restore(self, attributes: dict[str, Any]) -> None:
        """Restore what `state` stored."""
        self.rates = list(attributes["rates"])
        self.group_size = int(attributes["group_size"])
        self.start = [torch.tensor(each) for each in attributes["start"]]
        self.reach = [torch.tensor(each) for each in attributes["reach"]]
        self.extinct = [torch.tensor(each, dtype=torch.long) for each in attributes["extinct"]]
        # A checkpoint of an earlier version holds none.
        self.norms = [[torch.tensor(each) for each in norms] for norms in attributes.get("norms", [])]

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        """Record the norms at the start of the run."""
        self.find(model)
        if not self.start:
            inputs, _, width = self._projections[0].weight.shape
            self.group_size = inputs // self.feature_blocks * width
            self.start = [self._norms(each.weight) for each in self._projections]
            self.reach = [torch.zeros_like(each) for each in self.start]
            self.extinct = [torch.zeros_like(each, dtype=torch.long) for each in self.start]

    def find(self, model: Any) -> None:
        """Find the heads' weights. Raises DomainError if they cannot be told apart, or not divided into blocks."""
        if not self._projections:
            self._projections = [each for layer in query_and_key(getattr(model, "module", model)) for each in layer]
            for each in self._projections:
                group_view(each.weight, self.feature_blocks)

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        """Store the weights before the step, to measure how far the optimiser moves them."""
        self._before = [each.weight.clone() for each in self._projections]

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Shrink every group and record those that have just become extinct."""
        rate = float(optimizer.param_groups[0]["lr"])
        step = len(self.rates) + 1
        self.rates.append(rate)
        norms = []
        for index, weight in enumerate(each.weight for each in self._projections):
            if rate > 0:
                moved = self._norms(weight - self._before[index]) / rate
                alive = self.extinct[index] == 0
                self.reach[index] = torch.where(alive, torch.maximum(self.reach[index], moved), self.reach[index])
            shrink_groups(weight, self.feature_blocks, rate * self.penalty)
            norms.append(self._norms(weight))
            zero = norms[-1] == 0
            born = zero & (self.extinct[index] == 0)
            self.extinct[index] = torch.where(zero, self.extinct[index] + born * step, 0)
        if self.norms_every is not None and step % self.norms_every == 0:
            self.norms.append(norms)

    def report(self) -> dict[str, Any]:
        """What the run records of its groups, as plain data."""
        found = {
            "optimizer": self.optimizer,
            "group_penalty": self.penalty,
            "weights_in_a_group": self.group_size,
            "collapsed_heads": self.collapsed(),
        }
        if self.norms_every is not None:
            found |= {"norms_every": self.norms_every, "betas": list(self.betas), "learning_rates": self.rates}
        return found | {"groups": self.groups()}

    def groups(self) -> list[dict[str, Any]]:
        """One record per group: norm at the start, longest step, extinction measured and predicted, norms recorded."""
        rates = np.array(self.rates)
        reaches = adam_update_bound(np.arange(1, len(rates) + 1), *self.betas)
        universal = rates * (self.penalty - math.sqrt(self.group_size) * reaches)
        adam = self.optimizer == "adamw"
        records = []
        places = sorted(
            (index // len(MATRICES), block, index % len(MATRICES), head)
            for index, starts in enumerate(self.start)
            for block, head in product(*map(range, starts.shape))
        )
        for layer, block, matrix, head in places:
            index = len(MATRICES) * layer + matrix
            start, reach, extinct = (each[index][block, head].item() for each in (self.start, self.reach, self.extinct))
            norms = [float(f"{each[index][block, head].item():.9g}") for each in self.norms]
            records.append(
                {
                    "layer": layer,
                    "matrix": MATRICES[matrix],
                    "head": head,
                    "feature_block": block,
                    "norm_start": start,
                    "largest_step": reach,
                    "extinct_step": extinct or None,
                    "predicted_step_measured": predicted_step(start, rates * (self.penalty - reach)),
                    "predicted_step_universal": predicted_step(start, universal) if adam else None,
                }
                # Nine digits tell any two numbers of float32 apart.
                | ({"norms": norms} if self.norms_every is not None else {})
            )
        return records

    def collapsed(self) -> list[dict[str, int]]:
        """Heads with every group of `W_Q`, or every group of the `W_K` that they share, zero."""
        found = []
        for layer in range(len(self.extinct) // len(MATRICES)):
            queries, keys = ((each > 0).all(0) for each in self.extinct[2 * layer : 2 * layer + 2])
            lost = queries | keys.repeat_interleave(len(queries) // len(keys))
            found += [{"layer": layer, "head": head} for head in lost.nonzero().flatten().tolist()]
        return found

    def _norms(self, weight: Tensor) -> Tensor:
        return group_norms(weight, self.feature_blocks).float().cpu()
