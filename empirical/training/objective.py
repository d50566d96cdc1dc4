"""Terms added to the language modelling loss: the off-block penalty and the fidelity floor.

With leak `eps` and fidelity `F` of a row, over all layers, heads and rows with a complement:

    L + penalty * mean(eps) + floor_weight * mean(max(0, f_min - F))

The first term is the penalty of B4, in nats per unit of mass; the second is the low-fidelity constraint as a
hinge. Leak and fidelity are always those without attention dropout.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.attention.blocks import visible_counts
from empirical.config import ObjectiveConfig
from theory.errors import DomainError


class AttentionObjective:
    """A row sink for one forward pass; `loss()` is its contribution to the objective."""

    def __init__(self, config: ObjectiveConfig) -> None:
        self.config = config
        self.leaks: list[Tensor] = []
        self._terms: list[Tensor] = []
        # Rows with a complement in each layer; `mean_leak` averages over them.
        self.rows = torch.zeros((), dtype=torch.long)
        self._counted: tuple[Tensor, Tensor] | None = None

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

    def loss(self) -> Float[Tensor, ""]:
        """Mean over the layers seen. Raises DomainError if no layer has called."""
        if not self._terms:
            raise DomainError("the objective saw no attention layer: pass it as row_sink to the model")
        return torch.stack(self._terms).mean()

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
