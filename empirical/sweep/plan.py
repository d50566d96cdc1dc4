"""Sweep configuration, validated, and the fine-tuning tasks that it defines.

Every configuration is fine-tuned from one base model with every seed under two budgets: the same largest dial, and
the same mean dial. With a `calibration` of the base there is a third, the same promise: the smallest dials of each
schedule that keep it on the base. The schedule least-cost takes its dials from the calibration's curves (F4).

At the same largest dial a steeper schedule has a smaller total dial; F3 predicts that this alone makes it look better,
so only the other comparisons are between shapes. The default mean dial is that of the steepest
configuration at the largest dial, which every other one can reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from empirical.attention.schedule import SCHEDULES, largest_for_mean, layer_dials
from empirical.config import CorpusConfig, ModelConfig, ObjectiveConfig, RunConfig, TrainingConfig, anchored
from empirical.locality import UNDIALLED, LocalityConfig
from empirical.settings import RECORDED, Settings, checked, first_message
from empirical.sweep.promised import promised_dials
from theory.design.measured_curves import LEAST_COST, least_cost_schedule
from theory.errors import DomainError, InputError
from theory.files import read_json, read_toml

BUDGETS = ("largest", "mean", "promise")
BASELINE = UNDIALLED
# What a sweep varies.
_VARIED = {"schedule", "largest_dial", "calibration", "mean_dial", "layer_dials"}


class BaseConfig(TrainingConfig):
    """Training of the base model; `seed` fixes its initial weights and data order."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of weights and data order")


class SweepConfig(Settings):
    """A sweep. `locality` gives blocks and temperature; `mean_dial` None is that of the steepest configuration.

    With `model.pretrained` no base is trained: the tasks start from those weights. A task always computes with
    `threads` threads, because the last digits of sums depend on their number.
    """

    configurations: tuple[str, ...] = Field(
        default=(BASELINE, "localist", "linear", "cubic", "quintic"), description="Schedules to compare"
    )
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1, description="Seeds of the fine-tuning runs")
    largest_dial: float = Field(default=0.9, ge=0, le=1, description="Largest dial under the first budget")
    mean_dial: float | None = Field(default=None, ge=0, le=1, description="Mean dial under the second budget")
    calibration: str | None = Field(default=None, description="calibration.json of the base, made with --compare")
    threads: int = Field(default=1, ge=1, description="Threads per task")
    measure_sequences: int | None = Field(default=None, ge=1, description="Held-out sequences to measure (all)")
    model: ModelConfig = ModelConfig()
    locality: LocalityConfig = LocalityConfig()
    corpus: CorpusConfig = CorpusConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    base: BaseConfig = BaseConfig()
    training: TrainingConfig = TrainingConfig(steps=100, learning_rate=5e-4)

    @field_validator("configurations")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in (*SCHEDULES, LEAST_COST):
                raise ValueError(f"{name!r} must be one of {', '.join((*SCHEDULES, LEAST_COST))}")
        if BASELINE not in names:
            raise ValueError(f"must include {BASELINE!r}, with which every other one is compared")
        return _distinct(names)

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        for seed in seeds:
            if not 0 <= seed < 2**32:
                raise ValueError(f"seed {seed} must lie in [0, 2^32)")
        return _distinct(seeds)

    @model_validator(mode="after")
    def _dials_come_from_the_plan(self) -> SweepConfig:
        for name in sorted(_VARIED & self.locality.model_fields_set):
            raise ValueError(f"locality.{name} is what a sweep varies: use configurations and the sweep's own keys")
        if LEAST_COST in self.configurations and self.calibration is None:
            raise ValueError(f"{LEAST_COST!r} needs a calibration of the base: `localist calibrate BASE --compare`")
        return self

    @model_validator(mode="after")
    def _nothing_is_ignored(self, info: ValidationInfo) -> SweepConfig:
        dial = self._chosen(info, "largest_dial", "mean_dial")
        if dial and set(self.configurations) == {BASELINE}:
            raise ValueError(f"{dial} has no effect on {BASELINE!r} alone: leave it out, or add a configuration")
        if self._chosen(info, "base") and self.model.pretrained is not None:
            raise ValueError(f"base is not trained if the tasks start from {self.model.pretrained}: leave it out")
        return self

    @model_validator(mode="after")
    def _budgets_can_be_met(self) -> SweepConfig:
        if self.mean_dial is not None and self.mean_dial > self.largest_dial:
            raise ValueError(f"mean_dial {self.mean_dial:g} must be at most largest_dial {self.largest_dial:g}")
        # The number of layers of pretrained weights is known only after loading them.
        if self.model.pretrained is None:
            plan(self, self.model.layers)
        return self

    @model_validator(mode="after")
    def _runs_are_possible(self) -> SweepConfig:
        try:
            base_run(self)
            task_run(self, Task(BASELINE, 0.0, 0, BUDGETS), "base")
            if self.model.pretrained is None:
                self.objective.check_width(self.model.width)
        except ValidationError as error:
            raise ValueError(first_message(error)) from error
        return self


@dataclass(frozen=True)
class Task:
    """One fine-tuning run, and the budgets whose comparison it belongs to."""

    configuration: str
    largest_dial: float
    seed: int
    budgets: tuple[str, ...]
    # Of a measured schedule; a polynomial one follows from its largest dial.
    measured: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the task's folder."""
        return f"{self.configuration}-{_shown(self.largest_dial)}-{self.seed}"

    def dials(self, layers: int) -> list[float]:
        """The dial of each layer."""
        return list(self.measured or layer_dials(self.configuration, layers, self.largest_dial))


def load_sweep(path: Path) -> SweepConfig:
    """A sweep from its TOML file. Raises InputError for the file, DomainError for a value."""
    return sweep_config(read_toml(path), str(path))


def sweep_config(values: dict[str, Any], where: str = "sweep", *, recorded: bool = False) -> SweepConfig:
    """Checked configuration from plain values, or with `recorded` from those of `plain`. Raises DomainError.

    >>> sweep_config({"seeds": [4]}).largest_dial
    0.9
    """
    return checked(SweepConfig, values, where, recorded=recorded)


def plain(config: SweepConfig) -> dict[str, Any]:
    """The configuration as JSON that `sweep_config` reads back as recorded."""
    return config.model_dump(mode="json", exclude={"locality": _VARIED})


def mean_dial(config: SweepConfig, layers: int) -> float:
    """The mean dial at which configurations are compared under the second budget."""
    if config.mean_dial is not None:
        return config.mean_dial
    shapes = [name for name in config.configurations if name != LEAST_COST]
    means = [sum(layer_dials(name, layers, config.largest_dial)) / layers for name in shapes]
    return min((mean for mean in means if mean > 0), default=0.0)


def plan(config: SweepConfig, layers: int) -> list[Task]:
    """List of all tasks; a task of several budgets, such as the baseline, is listed once.

    Raises DomainError if a configuration cannot reach the mean dial, InputError for a calibration of another model.
    """
    mean = mean_dial(config, layers)
    promised = {} if config.calibration is None else promised_dials(config.calibration)
    if any(len(dials) != layers for dials in promised.values()):
        raise InputError(f"{config.calibration} must be of a model of {layers} layers")
    tasks = []
    for name in config.configurations:
        # Each budget's largest dial, and the dials of a measured schedule.
        found: dict[str, tuple[float, tuple[float, ...] | None]] = {}
        if name == LEAST_COST:
            measured = {"mean": least_cost_schedule(str(config.calibration), mean), "promise": promised[name]}
            found = {budget: (max(dials), dials) for budget, dials in measured.items()}
        elif name == BASELINE:
            found = dict.fromkeys(BUDGETS if promised else BUDGETS[:2], (0.0, None))
        else:
            found = {"largest": (config.largest_dial, None), "mean": (_largest(name, layers, mean), None)}
            if name in promised:
                found["promise"] = (max(promised[name]), None)
            # The steepest one has the requested mean at the largest dial itself. Two dials that print the same would
            # share a folder.
            if _shown(found["mean"][0]) == _shown(found["largest"][0]):
                found["mean"] = found["largest"]
        for seed in config.seeds:
            for dial, dials in dict.fromkeys(found.values()):
                budgets = tuple(budget for budget in BUDGETS if found.get(budget) == (dial, dials))
                tasks.append(Task(name, dial, seed, budgets, dials))
    return tasks


def base_run(config: SweepConfig) -> RunConfig:
    """Configuration of the base model's training: no dial, no added terms."""
    # Segments need trained embeddings, which the base does not have yet; at dial 0 blocks change nothing.
    blocks = {"blocks": "windows"} if config.locality.blocks == "segments" else {}
    settings = {name: getattr(config.base, name) for name in TrainingConfig.model_fields}
    values = {
        "seed": config.base.seed,
        "model": config.model,
        "locality": config.locality.model_copy(update={"schedule": BASELINE, **blocks}),
        "corpus": config.corpus,
        "training": _resumable(TrainingConfig(**settings)),
    }
    return RunConfig.model_validate(values, context=RECORDED)


def task_run(config: SweepConfig, task: Task, base: str) -> RunConfig:
    """Configuration of a task that starts from the weights `base`, a folder or a name on the hub."""
    locality = {"schedule": task.configuration, "largest_dial": task.largest_dial, "layer_dials": task.measured}
    values = {
        "seed": task.seed,
        "model": config.model.model_copy(update={"pretrained": base}),
        "locality": config.locality.model_copy(update=locality),
        "corpus": config.corpus,
        "objective": config.objective,
        "training": _resumable(config.training),
    }
    return RunConfig.model_validate(values, context=RECORDED)


def check_same_sweep(path: Path, config: SweepConfig) -> None:
    """Raise DomainError if the folder's sweep differs in more than configurations and seeds."""
    kept = anchored(sweep_config(read_json(path), str(path), recorded=True))
    for name in sorted(SweepConfig.model_fields.keys() - {"configurations", "seeds"}):
        if getattr(config, name) != getattr(kept, name):
            raise DomainError(
                f"{path.parent} holds a sweep with another {name}: finished tasks would not be comparable. "
                "Choose another folder."
            )


def _shown(dial: float) -> str:
    return f"{dial:.6g}"


def _largest(name: str, layers: int, mean: float) -> float:
    try:
        return largest_for_mean(name, layers, mean)
    except DomainError as error:
        raise DomainError(f"{error}. Give a smaller mean_dial, or leave it out.") from error


def _resumable(training: TrainingConfig) -> TrainingConfig:
    # A checkpoint at each step, so that a kill loses only the current step.
    return training.model_copy(update={"checkpoint_steps": training.checkpoint_steps or 1})


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("must not repeat a value")
    return values
