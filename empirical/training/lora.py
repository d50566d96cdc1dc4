"""Low-rank adapters (LoRA) on the modules that give queries, keys and values, merged into the weights at the end."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, LoraModel
from transformers import Conv1D, PreTrainedModel

from empirical.training.projections import attention_inputs

_ADAPTER = "default"


class Adapters:
    """Adapters of rank `rank` in place of training the model's own weights; `seed` fixes their start.

    Raises DomainError for a model that does not dispatch its attention.
    """

    def __init__(self, model: PreTrainedModel, rank: int, seed: int) -> None:
        self._modules = attention_inputs(model)
        self._config = LoraConfig(
            r=rank,
            # Scale 1, whatever the rank.
            lora_alpha=rank,
            lora_dropout=0.0,
            target_modules=self._modules,
            fan_in_fan_out=all(isinstance(model.get_submodule(name), Conv1D) for name in self._modules),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._tuner = LoraModel(model, self._config, _ADAPTER)

    def merge(self) -> PreTrainedModel:
        """The model with the adapters added to its weights."""
        merged: Any = self._tuner.merge_and_unload()
        return merged  # type: ignore[no-any-return]

    def describe(self) -> dict[str, Any]:
        """What the run records of its adapters."""
        return {"rank": self._config.r, "alpha": self._config.lora_alpha, "dropout": 0.0, "modules": self._modules}
