"""Terms added to the language modelling loss: the off-block penalty, the fidelity floor, the anchors.

With leak `eps`, fidelity `F` and mass `A` on the anchors of the own block, over all layers and heads:

    L + penalty * mean(eps) + floor_weight * mean(max(0, f_min - F)) + anchor_weight * mean(max(0, a_min - A))

The first two means are over rows with a complement, the last one over those of `anchors.anchor_rows`. The first term
is the penalty of B4, in nats per unit of mass; the others are lower bounds as hinges. Leak, fidelity and mass are
always those without attention dropout.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.attention.blocks import visible_counts
from empirical.config import ObjectiveConfig
from empirical.training.anchors import anchor_rows
from theory.errors import DomainError


class AttentionObjective:
    """A row sink for one forward pass; `loss()` and `anchor_loss()` are its contributions to the objective.

    `anchors` says which of the pass's tokens are anchors; None without the last term.
    """

    def __init__(self, config: ObjectiveConfig, anchors: Bool[Tensor, "batch tokens"] | None = None) -> None:
        if config.anchors is not None and anchors is None:
            raise DomainError("an objective with anchors needs to know which tokens are anchors")
        self.config = config
        self.anchors = None if config.anchors is None else anchors
        self.leaks: list[Tensor] = []
        self._terms: list[Tensor] = []
        # Rows with a complement in each layer; `mean_leak` averages over them.
        self.rows = torch.zeros((), dtype=torch.long)
        self._counted: tuple[Tensor, Tensor] | None = None
        # The same for the rows that see an anchor.
        self.masses: list[Tensor] = []
        self._anchor_terms: list[Tensor] = []
        self.anchored = torch.zeros((), dtype=torch.long)
        self._kept: Tensor | None = None

    def __call__(self, call: AttentionCall) -> None:
        """Add one layer's leak and fidelity. Raises DomainError for padded or cached sequences."""
        if not torch.is_grad_enabled():
            raise DomainError("the objective needs gradients: call the model outside torch.no_grad()")
        leak, fidelity = call.leak, call.fidelity
        kept, rows = self._rows(call)
        # Heads times sequences that share their blocks.
        copies = leak.shape[1] * leak.shape[0] // kept.shape[0]
        self.rows = kept.sum() * copies
        # A row without complement has leak 0 and adds nothing to this sum.
        mean_leak = leak.sum() / (rows * copies)
        self.leaks.append(mean_leak.detach())
        term = self.config.off_block_penalty * mean_leak
        floor = self.config.fidelity_floor
        if floor is not None:
            short = (floor - fidelity).clamp_min(0) * kept[:, None]
            term = term + self.config.floor_weight * short.sum() / (rows * copies)
        self._terms.append(term)
        if self.anchors is not None:
            self._add_anchors(call, self.anchors)

    def _add_anchors(self, call: AttentionCall, keys: Tensor) -> None:
        if self._kept is None:
            self._kept = anchor_rows(keys, call.ids)
        mass, kept = call.mass(keys), self._kept[:, None]
        self.anchored = self._kept.sum() * mass.shape[1]
        rows = self.anchored.clamp_min(1)
        short = (self.config.anchor_fidelity - mass).clamp_min(0) * kept
        self._anchor_terms.append(self.config.anchor_weight * short.sum() / rows)
        self.masses.append((mass.detach() * kept).sum() / rows)

    def loss(self) -> Float[Tensor, ""]:
        """Mean over the layers seen. Raises DomainError if no layer has called."""
        if not self._terms:
            raise DomainError("the objective saw no attention layer: pass it as row_sink to the model")
        return torch.stack(self._terms).mean()

    def anchor_loss(self) -> Float[Tensor, ""]:
        """Mean over the layers seen. Raises DomainError if no layer has called, or without anchors."""
        if not self._anchor_terms:
            raise DomainError("the objective saw no anchors in an attention layer")
        return torch.stack(self._anchor_terms).mean()

    def mean_mass(self) -> Float[Tensor, ""]:
        """Mean mass on the own block's anchors over layers, heads and the rows that see one, detached."""
        return torch.stack(self.masses).mean()

    def mean_leak(self) -> Float[Tensor, ""]:
        """Mean off-block mass over layers, heads and rows, detached."""
        return torch.stack(self.leaks).mean()

    def _rows(self, call: AttentionCall) -> tuple[Tensor, Tensor]:
        # Every layer of a pass has the same blocks.
        if self._counted is None:
            n, m = visible_counts(call.ids)
            kept = m < n
            self._counted = kept, kept.sum().clamp_min(1)
        return self._counted
