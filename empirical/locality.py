"""Blocks and dials of a run: the part of its configuration that says what is local, and how far."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from empirical.attention.schedule import SCHEDULES, check_dials, layer_dials
from empirical.settings import RECORDED, Settings
from theory.design.measured_curves import LEAST_COST, least_cost_schedule

BlockKind = Literal["windows", "sentences", "paragraphs", "segments", "file"]

# Kinds of blocks with a chosen length.
SIZED = ("windows", "segments")

# The schedule without a dial.
UNDIALLED = "distributed"


class LocalityConfig(Settings):
    """Blocks and dials: the schedule's largest dial, the window length in tokens, the temperature.

    `blocks` may follow the text instead: `segments` are cut at change points and have `block` tokens on average;
    `file` reads the cuts from `block_file`, a JSON object that maps each text file's name to the characters at
    which its blocks begin. The schedule `least-cost` has the mean `mean_dial` and takes its dials from the loss curves
    of `calibration` when the settings are read; `layer_dials` records them.
    """

    schedule: str = Field(default=UNDIALLED, description=f"One of {', '.join((*SCHEDULES, LEAST_COST))}")
    largest_dial: float = Field(default=0.9, ge=0, le=1, description="Dial of the last layer, from 0 to 1")
    calibration: str | None = Field(
        default=None, description="calibration.json of the model, for the schedule least-cost"
    )
    mean_dial: float | None = Field(default=None, ge=0, lt=1, description="Mean dial of the schedule least-cost")
    layer_dials: tuple[float, ...] | None = None
    blocks: BlockKind = Field(
        default="windows",
        description="windows, sentences, paragraphs, segments (cut at change points of a pretrained model's embeddings "
        "over the whole sequence, of the block length on average) or file",
    )
    block_file: str | None = Field(
        default=None, description='JSON file for blocks of kind file: {"TEXT": [characters at which a block begins]}'
    )
    block: int = Field(default=32, ge=1, description="Block length in tokens")
    temperature: float = Field(default=1.0, gt=0, description="Attention temperature")

    @field_validator("schedule")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in (*SCHEDULES, LEAST_COST):
            raise ValueError(f"must be one of {', '.join((*SCHEDULES, LEAST_COST))}")
        return name

    @model_validator(mode="before")
    @classmethod
    def _measured(cls, values: Any, info: ValidationInfo) -> Any:
        """Adds the dials of the schedule least-cost; a record has them."""
        if not isinstance(values, dict) or info.context == RECORDED:
            return values
        if values.get("layer_dials") is not None:
            raise ValueError("layer_dials is what calibration and mean_dial give: leave it out")
        calibration, mean = values.get("calibration"), values.get("mean_dial")
        if values.get("schedule") != LEAST_COST or not isinstance(calibration, str) or not isinstance(mean, float):
            return values
        return values | {"layer_dials": least_cost_schedule(calibration, mean)}

    @model_validator(mode="after")
    def _measured_or_polynomial(self, info: ValidationInfo) -> LocalityConfig:
        measured = self.schedule == LEAST_COST
        for name in () if info.context == RECORDED else ("calibration", "mean_dial"):
            if measured != (getattr(self, name) is not None):
                raise ValueError(f"{{{name}}} must be given with {{schedule}} {LEAST_COST!r}, and with no other")
        if measured and self._chosen(info, "largest_dial"):
            raise ValueError(f"{{largest_dial}} has no effect with {{schedule}} {LEAST_COST!r}: leave it out")
        return self

    @model_validator(mode="after")
    def _file_and_kind_agree(self, info: ValidationInfo) -> LocalityConfig:
        if (self.blocks == "file") != (self.block_file is not None):
            raise ValueError("{blocks} 'file' and {block_file} must be given together")
        if self.blocks not in SIZED and self._chosen(info, "block"):
            raise ValueError(f"{{block}} {self.block} has no effect on {{blocks}} {self.blocks!r}: leave it out")
        return self

    def dials(self, layers: int) -> list[float]:
        """Dials of `layers` layers, one per layer. Raises DomainError if measured dials are of another number."""
        if self.layer_dials is not None:
            check_dials(self.layer_dials, layers)
            return list(self.layer_dials)
        return layer_dials(self.schedule, layers, self.largest_dial)
