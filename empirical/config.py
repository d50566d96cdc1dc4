"""Configuration of a run: every choice that its numbers depend on, validated when read and saved as JSON.

A choice without effect is refused. A setting with a description is also an option of `localist train`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from empirical.locality import SIZED, UNDIALLED, LocalityConfig
from empirical.settings import Settings, checked
from theory.errors import DomainError, InputError
from theory.files import read_json, write_text_atomically

# A run or a sweep, with `model`, `corpus` and `locality`.
Anchored = TypeVar("Anchored", bound=BaseModel)

# Parts of the shape that loaded weights decide.
DECIDED_BY_WEIGHTS = ("layers", "heads", "width", "vocabulary")

# The configuration of a sweep in the sweep's folder.
SWEEP_NAME = "sweep.json"


class ModelConfig(Settings):
    """Shape of a GPT-2 trained from scratch; with `pretrained` only context and dropout can be chosen."""

    pretrained: str | None = Field(
        default=None, description="Pretrained decoder: a folder, or a name (needs a network)"
    )
    layers: int = Field(default=4, ge=1, description="Transformer layers")
    heads: int = Field(default=4, ge=1, description="Attention heads")
    width: int = Field(default=128, ge=1, description="Width of the residual stream")
    context: int = Field(default=256, ge=2, description="Tokens in a sequence")
    vocabulary: int = Field(default=2048, ge=257, description="Tokens of the byte-level BPE")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout")

    @model_validator(mode="after")
    def _weights_decide(self, info: ValidationInfo) -> ModelConfig:
        name = self._chosen(info, *DECIDED_BY_WEIGHTS)
        if self.pretrained is not None and name is not None:
            raise ValueError(f"{{{name}}} is decided by the weights of {self.pretrained}: leave it out")
        return self

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.width % self.heads:
            raise ValueError(f"{{width}} {self.width} must be a multiple of {{heads}} {self.heads}")
        return self

    @model_serializer(mode="wrap")
    def _without_defaults_that_weights_decide(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        if self.pretrained is None:
            return values
        return {
            name: value
            for name, value in values.items()
            if name not in DECIDED_BY_WEIGHTS or name in self.model_fields_set
        }


class CorpusConfig(Settings):
    """Source of the text (files, a dataset, or text installed here), and the share held out of training.

    `builtin` is `topics` (of the reference manual), `docstrings` (of the standard library) or `packages`
    (docstrings of the installed packages named in `packages`, or of all). `dataset` is a Hugging Face dataset, by
    name or folder; `subset`, `split` and `column` choose a part of it.
    """

    text: tuple[str, ...] = Field(default=(), description="UTF-8 text files")
    builtin: Literal["topics", "docstrings", "packages"] = Field(
        default="topics",
        description="Text if no files are given: topics (Python's manual), docstrings (of Python's library) or "
        "packages (docstrings of installed packages; all of them take minutes)",
    )
    packages: tuple[str, ...] = Field(
        default=(), description="Packages to read docstrings from, if builtin is packages (all)"
    )
    dataset: str | None = Field(
        default=None,
        description="Hugging Face dataset: a folder, or a name (needs a network); a file can add subset, split, column",
    )
    subset: str | None = None
    split: str = "train"
    column: str = "text"
    held_out: float = Field(default=0.1, gt=0, le=0.5)

    @model_validator(mode="after")
    def _one_source(self) -> CorpusConfig:
        if self.text and self.dataset is not None:
            raise ValueError("{text} and {dataset} exclude each other")
        if self.packages and self.builtin != "packages":
            raise ValueError("{packages} has no effect without {builtin} 'packages'")
        return self

    @model_validator(mode="after")
    def _nothing_is_ignored(self, info: ValidationInfo) -> CorpusConfig:
        if self._chosen(info, "builtin") and (self.text or self.dataset is not None):
            raise ValueError(f"{{builtin}} and {{{'text' if self.text else 'dataset'}}} exclude each other")
        part = self._chosen(info, "subset", "split", "column")
        if part and self.dataset is None:
            raise ValueError(f"{{{part}}} chooses a part of a dataset: give dataset too")
        return self


class ObjectiveConfig(Settings):
    """Terms added to the language modelling loss, and the group penalty of the proximal step; 0 turns each off.

    `off_block_penalty` is in nats per unit of off-block mass. `group_penalty` multiplies the groups' norms; under AdamW
    it is dimensionless and not comparable with a gradient. docs/anchors.md says which rows `anchor_fidelity` is about.
    """

    off_block_penalty: float = Field(default=0.0, ge=0, description="Loss per unit of attention off the block, nats")
    fidelity_floor: float | None = Field(default=None, gt=0, lt=1, description="Penalise rows of fidelity below this")
    floor_weight: float = Field(default=1.0, gt=0, description="Weight of the fidelity floor")
    anchors: str | None = Field(default=None, description="File of `localist anchors`: draw attention to its tokens")
    anchor_fidelity: float = Field(default=0.5, gt=0, lt=1, description="Penalise rows with less mass on own anchors")
    anchor_weight: float = Field(default=1.0, gt=0, description="Weight of the anchor fidelity")
    group_penalty: float = Field(default=0.0, ge=0, description="Group penalty on W_Q and W_K, by proximal steps")
    feature_blocks: int = Field(default=8, ge=1, description="Feature blocks of the group penalty")
    norms_every: int | None = Field(default=None, ge=1, description="Record the groups' norms every this many steps")

    @property
    def watches_rows(self) -> bool:
        """Whether the loss needs the rows' masses."""
        return self.off_block_penalty > 0 or self.fidelity_floor is not None or self.anchors is not None

    @model_validator(mode="after")
    def _nothing_is_ignored(self, info: ValidationInfo) -> ObjectiveConfig:
        needs = {"floor_weight": "fidelity_floor", "anchor_fidelity": "anchors", "anchor_weight": "anchors"}
        for name, other in (needs | dict.fromkeys(("feature_blocks", "norms_every"), "group_penalty")).items():
            if self._chosen(info, name) and not getattr(self, other):
                least = " above 0" if other == "group_penalty" else ""
                raise ValueError(f"{{{name}}} has no effect without {{{other}}}{least}: give that too")
        return self

    def check_width(self, width: int) -> None:
        """Raise DomainError unless the group penalty's feature blocks divide this width."""
        if self.group_penalty and width % self.feature_blocks:
            raise DomainError(f"feature_blocks {self.feature_blocks} must divide the width {width}")


class TrainingConfig(Settings):
    """Optimisation. `steps` or `max_seconds` ends the run, whichever comes first; at least one is needed.

    With `precision` bfloat16, matrix products use that format and weights stay float32. Training then rounds a
    dial's bias to bfloat16, within 0.4 %; measuring uses float32, or float64 if asked.
    """

    steps: int | None = Field(default=300, ge=1, description="Optimiser steps; unlimited if only a time limit is given")
    max_seconds: float | None = Field(default=None, gt=0, description="Stop after this many seconds of training")
    optimizer: Literal["adamw", "sgd"] = Field(default="adamw", description="adamw or sgd")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="float32, or bfloat16 for products with float32 weights"
    )
    batch: int = Field(default=8, ge=1, description="Sequences per pass, in each process of torchrun")
    accumulate: int = Field(default=1, ge=1, description="Passes whose gradients are added up for one step")
    learning_rate: float = Field(default=2e-3, gt=0, description="Peak learning rate")
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    checkpoint_seconds: float = Field(default=30.0, gt=0)
    checkpoint_steps: int | None = Field(
        default=None, ge=1, description="Also write a checkpoint every this many steps"
    )
    evaluate_every: int | None = Field(
        default=None, ge=1, description="Log held-out loss, entropy and fidelity every this many steps"
    )
    lora_rank: int | None = Field(
        default=None, ge=1, description="Train adapters of this rank on queries, keys and values (needs peft)"
    )

    @model_validator(mode="after")
    def _ends(self) -> TrainingConfig:
        if self.steps is None and self.max_seconds is None:
            raise ValueError("give {steps} or {max_seconds}: without either the run never ends")
        if self.steps is not None and (self.evaluate_every or 0) > self.steps:
            raise ValueError(f"{{evaluate_every}} {self.evaluate_every} has no effect with {{steps}} {self.steps}")
        return self


class RunConfig(Settings):
    """One training run. `seed` fixes initial weights, data order and dropout."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of weights, data order and dropout")
    model: ModelConfig = ModelConfig()
    locality: LocalityConfig = LocalityConfig()
    corpus: CorpusConfig = CorpusConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _segments_need_embeddings(self) -> RunConfig:
        if self.locality.blocks == "segments" and self.model.pretrained is None:
            raise ValueError("{blocks} 'segments' need trained token embeddings: give --model")
        return self

    @model_validator(mode="after")
    def _blocks_leave_keys_out(self) -> RunConfig:
        if self.locality.blocks in SIZED and self.locality.block >= self.model.context:
            raise ValueError(
                f"{{block}} {self.locality.block} must be below the {{context}} {self.model.context}: "
                "no row has keys off its block"
            )
        return self

    @model_validator(mode="after")
    def _a_largest_dial_has_its_schedule(self, info: ValidationInfo) -> RunConfig:
        if self.locality.schedule == UNDIALLED and self.locality._chosen(info, "largest_dial"):
            raise ValueError(
                f"{{largest_dial}} {self.locality.largest_dial:g} has no effect with {{schedule}} {UNDIALLED!r}, "
                "whose dials are 0: leave it out, or choose another schedule"
            )
        return self

    @model_validator(mode="after")
    def _adapters_have_weights_to_adapt(self) -> RunConfig:
        if self.training.lora_rank is not None:
            if self.model.pretrained is None:
                raise ValueError(
                    f"{{lora_rank}} {self.training.lora_rank} trains adapters of pretrained weights: give a model too"
                )
            if self.objective.group_penalty:
                raise ValueError(
                    f"{{group_penalty}} {self.objective.group_penalty:g} shrinks weights that {{lora_rank}} "
                    f"{self.training.lora_rank} keeps as they are: leave one out"
                )
        return self

    @model_validator(mode="after")
    def _groups_divide_width(self) -> RunConfig:
        # The width of pretrained weights is known only after loading them.
        blocks, width = self.objective.feature_blocks, self.model.width
        if self.model.pretrained is None and self.objective.group_penalty and width % blocks:
            raise ValueError(f"{{feature_blocks}} {blocks} must divide the {{width}} {width}")
        return self


def run_config(
    values: dict[str, Any],
    where: str = "configuration",
    *,
    recorded: bool = False,
    typed: Mapping[str, str] | None = None,
) -> RunConfig:
    """Checked configuration from plain values. Raises DomainError with the value and the rule it breaks.

    A choice without effect is refused, unless the values are `recorded`: a record names every value.
    `typed` is as in `checked`.

    >>> run_config({"locality": {"schedule": "quintic"}}).locality.dials(2)
    [0.0, 0.9]
    """
    return checked(RunConfig, values, where, recorded=recorded, typed=typed)


def anchored(config: Anchored) -> Anchored:
    """The configuration with absolute paths for its files and existing folders, so that it holds in any folder."""
    changed: dict[str, Any] = {}
    for part, name, local in (
        ("model", "pretrained", False),
        ("corpus", "dataset", False),
        ("corpus", "text", True),
        ("locality", "block_file", True),
        ("locality", "calibration", True),
        ("objective", "anchors", True),
    ):
        settings = changed.get(part, getattr(config, part))
        value = getattr(settings, name)
        if isinstance(value, tuple):
            whole: Any = tuple(os.path.abspath(each) for each in value)
        else:
            # Not a folder here: a name on a hub.
            whole = os.path.abspath(value) if value is not None and (local or Path(value).exists()) else value
        if whole != value:
            changed[part] = settings.model_copy(update={name: whole})
    calibration = getattr(config, "calibration", None)
    if isinstance(calibration, str):
        changed["calibration"] = os.path.abspath(calibration)
    return config.model_copy(update=changed) if changed else config


def load_config(path: Path) -> RunConfig:
    """Configuration from a JSON file. Raises InputError or DomainError."""
    if not path.is_file():
        raise InputError(f"{path} is missing: {path.parent} is not a run of `localist train`")
    return run_config(read_json(path), where=str(path), recorded=True)


def save_config(config: RunConfig, path: Path) -> None:
    """Write the configuration as JSON."""
    write_text_atomically(path, json.dumps(config.model_dump(mode="json"), indent=2) + "\n")
