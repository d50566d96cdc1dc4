"""The file that describes a whole training run, `RUN.toml`: its tables, their laws, and errors with their place.

Every table but `[model]` and `[locality]` may be left out. `"solve"` stands for a value that `localist design` finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from pydantic import BaseModel, Field, ValidationError, model_validator

from theory.design.causal_rows import CausalRows
from theory.design.guarantee import margin_of_anchors
from theory.design.measured_curves import LEAST_COST
from theory.design.run_errors import first_complaint, toml_key
from theory.design.run_numbers import Count, Dial, NonNegative, Positive, Real, Solve, Table, Unit
from theory.design.selection import Selection
from theory.errors import InputError
from theory.files import parse_toml, read_text
from theory.numbers.checked import MOST_KEYS, abbreviated

# Each layer is decided exactly, and each step of a plan has its own learning rate in memory.
_MOST_LAYERS = 10**4
_MOST_STEPS = 10**7
# D1's margin is at most twice the scale, and float64 must hold it.
MOST_SCALE = float.fromhex("0x1p+1022")

Steps = Annotated[int, Field(ge=1, le=_MOST_STEPS, strict=True)]
KeyRange = Annotated[str, Field(pattern=r"^\d+:\d+$")]
ScheduleName = Literal["distributed", "localist", "linear", "quadratic", "cubic", "quartic", "quintic", "least-cost"]


class Model(Table):
    """`[model]`: the transformer's shape; a query sees at most `context` keys."""

    layers: Annotated[int, Field(ge=2, le=_MOST_LAYERS, strict=True)]
    heads: Count = 1
    head_width: Count = 64
    context: Annotated[int, Field(ge=2, le=MOST_KEYS, strict=True)]


class Anchors(Table):
    """`[locality.anchors]`: unit anchors from which the margin follows (D1).

    `coherence` is the largest inner product of two anchors, `distance` how far a key's direction strays from its
    anchor, `scale` the norm `|q||key|/sqrt(head width)`.
    """

    number: Annotated[int, Field(ge=2, le=MOST_KEYS, strict=True)]
    coherence: Annotated[float, Field(ge=-1, lt=1, strict=True)]
    distance: Annotated[float, Field(ge=0, le=2, strict=True)] = 0.0
    scale: Positive | Solve

    @model_validator(mode="after")
    def _margin_in_float64(self) -> Anchors:
        if self.scale != "solve" and self.scale > MOST_SCALE:
            raise ValueError(f"scale={self.scale!r} must be at most {MOST_SCALE!r}")
        return self


class SparseGroups(Table):
    """`[locality.sparse]`: group-sparse attention instead of softmax (B5); `group` keys share one penalty."""

    penalty: NonNegative
    group: Count = 1


class Locality(Table):
    """`[locality]`: blocks, temperature, margin (given, or from anchors), dial and its schedule, penalty.

    `block` is the size of windows; `block_least` and `block_most` are the sizes of blocks that follow the text. Blocks
    tile the context from its first key on; only the last one of a context may be shorter. `logit_range` is the range of
    a row's scores over the temperature, before dial and penalty. The schedule `least-cost` takes its dials from the
    curves in `calibration`, a file of `localist calibrate` beside this one, with the mean `mean_dial` (F4).
    """

    block: Count | None = None
    block_least: Count | None = None
    block_most: Count | None = None
    temperature: Positive = 1.0
    margin: Real | Solve | None = None
    anchors: Anchors | None = None
    logit_range: NonNegative | None = None
    schedule: ScheduleName | Solve = "localist"
    dial: Dial | Solve = 0.0
    calibration: str | None = None
    mean_dial: Dial | None = None
    penalty: NonNegative | Solve = 0.0
    sparse: SparseGroups | None = None

    @model_validator(mode="after")
    def _measured_or_polynomial(self) -> Locality:
        measured = self.schedule == LEAST_COST
        for name in ("calibration", "mean_dial"):
            if measured != (getattr(self, name) is not None):
                raise ValueError(f"{name} must be given with schedule={LEAST_COST!r}, and with no other")
        if measured and "dial" in self.model_fields_set:
            raise ValueError(f"dial has no effect with schedule={LEAST_COST!r}, whose dials have the mean mean_dial")
        return self

    @model_validator(mode="after")
    def _one_source_of_margin(self) -> Locality:
        if (self.margin is None) == (self.anchors is None):
            raise ValueError("exactly one of margin and anchors must be given")
        return self

    @model_validator(mode="after")
    def _one_kind_of_block(self) -> Locality:
        if self.block is not None:
            if not (self.block_least is None and self.block_most is None):
                raise ValueError("block is the size of windows: block_least and block_most must be left out beside it")
        elif self.block_least is None or self.block_most is None:
            raise ValueError("block must be given, or both block_least and block_most for blocks that follow the text")
        elif self.block_least > self.block_most:
            raise ValueError(f"block_least={self.block_least} must be at most block_most={self.block_most}")
        return self

    @model_validator(mode="after")
    def _margin_within_range(self) -> Locality:
        margin = self.promised_margin()
        if margin is None or self.logit_range is None:
            return self
        if Fraction(margin) > Fraction(self.logit_range) * Fraction(self.temperature):
            raise ValueError(
                f"margin={margin!r} must be at most logit_range={self.logit_range!r} times temperature="
                f"{self.temperature!r}: no row of that range has it"
            )
        return self

    @property
    def sizes(self) -> tuple[int, int]:
        """Fewest and most keys of a block that the context does not cut short."""
        return (self.block or self.block_least or 1), (self.block or self.block_most or 1)

    def promised_margin(self) -> float | None:
        """The margin given, or the one that the anchors promise (D1); None if it is left to `localist design`."""
        if self.anchors is None:
            return None if self.margin == "solve" else self.margin
        if self.anchors.scale == "solve":
            return None
        return margin_of_anchors(self.anchors.coherence, self.anchors.distance, self.anchors.scale)


class Optimizer(Table):
    """`[optimizer]`: group-lasso penalty on the weights, applied by a proximal step after SGD's or AdamW's.

    `group_sizes` are the numbers of weights in the penalised blocks, `block_norm` is a block's norm at the start. SGD
    needs `gradient_bound`, an upper bound on the block's gradient; `gradient_least` is a lower bound, if known.
    """

    kind: Literal["proximal-sgd", "adamw"]
    learning_rate: Positive
    steps: Steps | Solve
    penalty: NonNegative | Solve
    block_norm: Positive
    group_sizes: Annotated[list[Count], Field(min_length=1)]
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    betas: tuple[Dial, Unit] = (0.9, 0.999)
    momentum: Dial = 0.0
    gradient_bound: NonNegative | None = None
    gradient_least: NonNegative | None = None

    @model_validator(mode="after")
    def _possible(self) -> Optimizer:
        if self.kind == "proximal-sgd" and self.gradient_bound is None:
            raise ValueError("proximal-sgd needs gradient_bound, a bound on a block's gradient (C4)")
        if self.kind == "adamw":
            given = self.model_fields_set & {"gradient_bound", "gradient_least", "momentum"}
            if given:
                raise ValueError(f"adamw takes no {min(given)}: its threshold holds whatever the loss (C5)")
            if not self.betas[0] ** 2 < self.betas[1]:
                raise ValueError(f"betas={list(self.betas)} must satisfy beta1^2 < beta2 (C5)")
        if self.kind == "proximal-sgd" and "betas" in self.model_fields_set:
            raise ValueError("proximal-sgd takes no betas")
        if (
            self.gradient_least is not None
            and self.gradient_bound is not None
            and self.gradient_least > self.gradient_bound
        ):
            raise ValueError(
                f"gradient_least={self.gradient_least:g} must be at most gradient_bound={self.gradient_bound:g}"
            )
        return self


class Rule(Table):
    """`[rules.NAME]`: a rule's target keys, as indices or `"start:stop"`, and the fidelity it is promised.

    It acts on the queries `"start:stop"`, by default on all that see all of its keys.
    """

    keys: list[Annotated[int, Field(ge=0, strict=True)]] | KeyRange
    promise: Unit
    queries: KeyRange | None = None

    def targets(self) -> Sequence[int]:
        """The rule's target keys, in order; a range stays a range."""
        if isinstance(self.keys, str):
            return _range(self.keys)
        return sorted(set(self.keys))

    def acts_on(self, context: int) -> range:
        """The queries on which the rule acts."""
        return range(self.targets()[-1], context) if self.queries is None else _range(self.queries)


def _range(text: str) -> range:
    start, stop = map(int, text.split(":"))
    return range(start, stop)


class Targets(Table):
    """`[targets]`: what each localised layer must keep, and how many layers must be localised (default: all).

    Every row must keep it; with `own_keys`, every row of a query that sees at least so many keys of its own block.
    """

    fidelity: Unit | None = None
    entropy_bits: NonNegative | None = None
    localised_layers: Count | None = None
    own_keys: Count = 1


class Run(Table):
    """A whole run."""

    model: Model
    locality: Locality
    optimizer: Optimizer | None = None
    selection: Selection | None = None
    rules: dict[str, Rule] = Field(default_factory=dict)
    targets: Targets = Targets()

    @model_validator(mode="after")
    def _fits(self) -> Run:
        most, rows = self.locality.sizes[1], self.rows
        if not most < self.model.context:
            name = "block" if self.locality.block is not None else "block_most"
            raise ValueError(f"locality.{name}={most} must be smaller than model.context={self.model.context}")
        if rows.own_keys > most:
            raise ValueError(f"targets.own_keys={rows.own_keys} must be at most {most}, the keys of a block")
        if not rows.any:
            raise ValueError(
                f"targets.own_keys={rows.own_keys} leaves no row: no query below model.context={self.model.context} "
                "has so many keys of its own block and one outside it"
            )
        wanted = self.targets.localised_layers
        if wanted is not None and wanted > self.model.layers:
            raise ValueError(f"targets.localised_layers={wanted} must be at most model.layers={self.model.layers}")
        for name, rule in self.rules.items():
            keys = rule.targets()
            if not keys:
                raise ValueError(f"rules.{toml_key(name)}.keys must name at least one key")
            if keys[-1] >= self.model.context:
                raise ValueError(
                    f"rules.{toml_key(name)}.keys: key {abbreviated(keys[-1])} must be below "
                    f"model.context={self.model.context}"
                )
            self._require_visible(name, rule)
        return self

    def _require_visible(self, name: str, rule: Rule) -> None:
        queries, last, context = rule.acts_on(self.model.context), rule.targets()[-1], self.model.context
        if not queries or queries.stop > context:
            raise ValueError(
                f"rules.{toml_key(name)}.queries must name at least one query below model.context={context}"
            )
        if queries.start < last:
            raise ValueError(
                f"rules.{toml_key(name)}.queries: query {queries.start} must see every key of the rule and does not "
                f"see key {abbreviated(last)}"
            )

    @property
    def rows(self) -> CausalRows:
        """The rows that the targets are about."""
        return CausalRows(self.model.context, *self.locality.sizes, self.targets.own_keys)

    @property
    def localised_layers(self) -> int:
        """How many layers must be localised."""
        return self.targets.localised_layers or self.model.layers


def open_settings(run: Run) -> list[str]:
    """Dotted names of the values left to `localist design`, in the order of the file's tables."""
    found = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                walk(getattr(value, name), f"{path}.{name}" if path else name)
        elif value == "solve":
            found.append(path)

    walk(run, "")
    return found


def read_run(path: Path) -> Run:
    """Reads and validates a run file; an `InputError` is one line with the place in the file and the law broken."""
    text = read_text(path)
    return parse_run(_beside(parse_toml(text, path), path), str(path), text)


def read_values(path: Path) -> dict[str, Any]:
    """The tables of a run file, as written, after validation."""
    text = read_text(path)
    values = _beside(parse_toml(text, path), path)
    parse_run(values, str(path), text)
    return values


def _beside(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The values with the place of the calibration, which the file gives from its own folder."""
    locality = values.get("locality")
    named = locality.get("calibration") if isinstance(locality, dict) else None
    if not isinstance(locality, dict) or not isinstance(named, str):
        return values
    return values | {"locality": locality | {"calibration": str(path.parent / named)}}


def filled_in(text: str, run: Run) -> str:
    """The text of a run file with its open settings filled in from `run`; comments and order stay."""
    document = tomlkit.parse(text)
    values = run.model_dump()
    for name in open_settings(parse_run(document.unwrap())):
        *tables, key = name.split(".")
        table: Any = document
        value: Any = values
        for each in tables:
            table, value = table[each], value[each]
        table[key] = value[key]
    return tomlkit.dumps(document)


def parse_run(values: dict[str, Any], name: str = "run", text: str = "") -> Run:
    """Validates a run given as a dictionary; `text` is the file it came from, for line numbers."""
    try:
        return Run.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{name}{first_complaint(error, text)}") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply") from None
