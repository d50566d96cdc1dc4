"""Passes over a text in which the dials of one layer move and its inputs stay as they are.

The layers below give what they gave in the plain pass. The layer's own attention follows from its plain and its
block-local output at every dial (theory.md B6), so that a pass costs the layers above only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import Blocks
from empirical.attention.schedule import LayerDial, of_heads
from empirical.measuring.passes import loss_of
from empirical.measuring.rows import RowMeter, Rows, kept_rows
from theory.errors import DomainError

Array = NDArray[np.float64]

# A pass that repeats the plain one may move the loss by rounding, relative to 1 + loss.
_ROUNDING = 1e-4


class FixedInputs:
    """The plain pass over `tokens` `(1, context)`, and passes that move one layer's dials.

    `loss` is the plain pass's, nats per token. `leaks[layer]` `(heads, rows)` are the leaks of its rows with a key off
    their block. Made by `fixed_inputs`.
    """

    def __init__(self, model: PreTrainedModel, tokens: Tensor) -> None:
        self.leaks: dict[int, Array] = {}
        self.loss = 0.0
        self._model, self._tokens = model, tokens.to(model.device)
        self._meter = RowMeter(ranges=False)
        self._layers = _decoder_layers(model)
        self._outputs: list[Any] = []
        self._moved: tuple[int, LayerDial] | None = None
        # The layer whose outputs are held, its plain output, what the block-local one adds, and its fidelity.
        self._held: tuple[int, Tensor, Tensor, Tensor] | None = None

    @torch.no_grad()
    def loss_at(self, layer: int, dial: LayerDial) -> float:
        """Loss in nats per token with these dials of the layer's heads, and dial 0 in all other layers."""
        self._moved = layer, dial
        skipped = self._layers[:layer]
        try:
            for module, output in zip(skipped, self._outputs, strict=False):
                module.forward = partial(_given, output)
            return self._run()
        finally:
            self._moved = None
            for module in skipped:
                vars(module).pop("forward", None)

    def _run(self) -> float:
        return loss_of(self._model(self._tokens, use_cache=False).logits, self._tokens).mean

    @torch.no_grad()
    def begin(self) -> None:
        """Run the plain pass."""
        hooks = [module.register_forward_hook(lambda *held: self._outputs.append(held[-1])) for module in self._layers]
        try:
            self.loss = self._run()
        finally:
            for hook in hooks:
                hook.remove()
        last = max(self.leaks)
        if self._layers and not abs(self.loss_at(last, 0.0) - self.loss) <= _ROUNDING * (1 + abs(self.loss)):
            # Some layer does more than its output says: none is skipped, which takes longer.
            self._layers, self._outputs, self._held = [], [], None

    def take(self, call: AttentionCall) -> None:
        """Measure a layer's call of the plain pass, or give the moved layer its output."""
        if self._moved is None:
            self.leaks[call.layer] = decided(self._meter(call), call).leak
        elif self._moved[0] == call.layer:
            call.use(self._mixed(call, self._moved[1]))

    def _mixed(self, call: AttentionCall, dial: LayerDial) -> Tensor:
        if self._held is None or self._held[0] != call.layer:
            plain = call.rows(ranges=False)
            self._held = call.layer, plain.output, kept_rows(call, "block").output - plain.output, plain.fidelity
        _, plain_output, change, fidelity = self._held
        dials = torch.tensor(of_heads(dial, call.query.shape[1]), dtype=torch.float64, device=change.device)[:, None]
        inside = dials * fidelity.double()
        # At dial 1 the block is alone, also where its mass has underflowed.
        gate = torch.where(dials == 1, 1.0, inside / (1 - dials + inside))
        return torch.add(plain_output, change * gate.unsqueeze(-1)).to(plain_output.dtype)


@contextmanager
def fixed_inputs(model: PreTrainedModel, tokens: Tensor, blocks: Blocks) -> Iterator[FixedInputs]:
    """A model's `FixedInputs` on `tokens` `(1, context)`. Raises DomainError as `watch`, and for a loss that is NaN."""
    found = FixedInputs(model, tokens)
    with Attachment(model, blocks, 0.0, on_call=found.take).attached():
        found.begin()
        if not np.isfinite(found.loss):
            raise DomainError(f"the loss is {found.loss} nats per token: these weights diverged")
        yield found


def decided(rows: Rows, call: AttentionCall) -> Rows:
    """The rows. Raises DomainError if the scores of some are too large for their format."""
    if count := int(rows.undecided.sum()):
        form = str(rows.arithmetic.dtype).removeprefix("torch.")
        advice = ": give --precision float64" if form == "float32" else ""
        raise DomainError(f"{count} rows of layer {call.layer} have scores too large for {form}{advice}")
    return rows


def _decoder_layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The decoder's layers in order; empty if they cannot be told, as where two share a module."""
    count = int(model.config.get_text_config().num_hidden_layers)
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            numbered = [{getattr(part, "layer_idx", None) for part in layer.modules()} for layer in module]
            if all(numbers - {None} == {index} for index, numbers in enumerate(numbered)):
                return list(module)
    return []


def _given(output: Any, *args: Any, **kwargs: Any) -> Any:
    return output
