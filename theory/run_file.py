"""The file that describes a whole training run, `RUN.toml`: its tables, their laws, and errors with their place.

Every table but `[model]` and `[locality]` may be left out. `"solve"` stands for a value that `localist design` finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from theory.checked import MOST_KEYS, abbreviated
from theory.errors import InputError
from theory.files import parse_toml, read_text

Solve = Literal["solve"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Real = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Dial = Annotated[float, Field(ge=0, lt=1, strict=True)]
Unit = Annotated[float, Field(gt=0, lt=1, strict=True)]
# Each layer is decided exactly, and each step of a plan has its own learning rate in memory.
_MOST_LAYERS = 10**4
_MOST_STEPS = 10**7
# D1's margin is at most twice the scale, and float64 must hold it.
MOST_SCALE = float.fromhex("0x1p+1022")

Count = Annotated[int, Field(ge=1, le=MOST_KEYS, strict=True)]
Steps = Annotated[int, Field(ge=1, le=_MOST_STEPS, strict=True)]
ScheduleName = Literal["distributed", "localist", "linear", "quadratic", "cubic", "quartic", "quintic"]


class Table(BaseModel):
    """A table of the file: unknown keys are refused, and so are text for numbers and numbers for text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    """`[locality.sparse]`: group-sparse attention in the place of softmax (B5); `group` keys share one penalty."""

    penalty: NonNegative
    group: Count = 1


class Locality(Table):
    """`[locality]`: block, temperature, margin (given, or from anchors), dial and its schedule, penalty."""

    block: Count
    temperature: Positive = 1.0
    margin: Real | Solve | None = None
    anchors: Anchors | None = None
    logit_range: NonNegative | None = None
    schedule: ScheduleName | Solve = "localist"
    dial: Dial | Solve = 0.0
    penalty: NonNegative | Solve = 0.0
    sparse: SparseGroups | None = None

    @model_validator(mode="after")
    def _one_source_of_margin(self) -> Locality:
        if (self.margin is None) == (self.anchors is None):
            raise ValueError("exactly one of margin and anchors must be given")
        return self


class Optimizer(Table):
    """`[optimizer]`: group-lasso penalty on the weights, taken by a proximal step after SGD's or AdamW's.

    `group_sizes` are the weights in each penalised block, `block_norm` the norm such a block starts from. SGD needs
    `gradient_bound`, a bound on the block's gradient; `gradient_least` is a lower one, if known.
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
        if self.momentum and self.learning_rate_schedule != "constant":
            raise ValueError("C4 covers momentum at a constant learning rate only")
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
    """`[rules.NAME]`: a rule's target keys, as indices or `"start:stop"`, and the fidelity it is promised."""

    keys: list[Annotated[int, Field(ge=0, strict=True)]] | Annotated[str, Field(pattern=r"^\d+:\d+$")]
    promise: Unit

    def targets(self) -> Sequence[int]:
        """The keys the rule points at, in order; a range is not written out."""
        if isinstance(self.keys, str):
            start, stop = map(int, self.keys.split(":"))
            return range(start, stop)
        return sorted(set(self.keys))


class Targets(Table):
    """`[targets]`: what each localised layer must keep, and how many layers must be localised (default: all)."""

    fidelity: Unit | None = None
    entropy_bits: NonNegative | None = None
    localised_layers: Count | None = None


class Run(Table):
    """A whole run."""

    model: Model
    locality: Locality
    optimizer: Optimizer | None = None
    rules: dict[str, Rule] = {}
    targets: Targets = Targets()

    @model_validator(mode="after")
    def _fits(self) -> Run:
        if not self.locality.block < self.model.context:
            raise ValueError(
                f"locality.block={self.locality.block} must be smaller than model.context={self.model.context}"
            )
        wanted = self.targets.localised_layers
        if wanted is not None and wanted > self.model.layers:
            raise ValueError(f"targets.localised_layers={wanted} must be at most model.layers={self.model.layers}")
        for name, rule in self.rules.items():
            keys = rule.targets()
            if not keys:
                raise ValueError(f"rules.{_key(name)}.keys must name at least one key")
            if keys[-1] >= self.model.context:
                raise ValueError(
                    f"rules.{_key(name)}.keys: key {abbreviated(keys[-1])} must be below "
                    f"model.context={self.model.context}"
                )
        return self

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
    """Read and validate a run file; `InputError` is one line with the place in the file and the law broken."""
    text = read_text(path)
    return parse_run(parse_toml(text, path), str(path), text)


def read_values(path: Path) -> dict[str, Any]:
    """The tables of a run file, validated but as written."""
    text = read_text(path)
    values = parse_toml(text, path)
    parse_run(values, str(path), text)
    return values


def to_toml(run: Run) -> str:
    """A run as the text of a run file; reading it gives the same run."""
    lines: list[str] = []

    def write(values: dict[str, Any], path: str) -> None:
        plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
        if path and (plain or not values):
            lines.extend([f"[{path}]", *(f"{key} = {_literal(value)}" for key, value in plain.items()), ""])
        for key, value in values.items():
            if isinstance(value, dict) and value:
                write(value, f"{path}.{_key(key)}" if path else _key(key))

    write(run.model_dump(exclude_none=True, exclude_unset=True), "")
    return "\n".join(lines)


def _key(name: str) -> str:
    """A key as TOML writes it, on one line: bare where it may be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _literal(name)


def _literal(value: Any) -> str:
    """A value as TOML writes it: JSON's way, but TOML wants characters for pairs of surrogates, and DEL escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_run(values: dict[str, Any], name: str = "run", text: str = "") -> Run:
    """Validate a run given as a dictionary; `text` is the file it came from, for line numbers."""
    try:
        return Run.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{name}{_first_complaint(error, text)}") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply") from None


def _first_complaint(error: ValidationError, text: str) -> str:
    complaints = error.errors(include_url=False)
    # An unknown key is usually a misspelt one, and the reason why another is missing.
    first = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    place = _place(first)
    # A union of types complains once for each of them.
    laws = {_law(c) for c in complaints if _place(c) == place}
    law = " or ".join(sorted(laws))
    shown = (
        "" if first["type"] in ("missing", "value_error", "extra_forbidden") else f"={abbreviated(first.get('input'))}"
    )
    dotted = ".".join(_key(str(part)) for part in place)
    line = _line_of([str(part) for part in place], text)
    where = f", line {line}" if line else ""
    return f"{where}: {dotted}{shown}: {law}" if dotted else f"{where}: {law}"


def _law(complaint: Any) -> str:
    message = complaint["msg"].removeprefix("Value error, ")
    if complaint["type"] == "missing":
        return "must be given"
    if complaint["type"] == "extra_forbidden":
        return "no such key; is it misspelt?"
    return re.sub(r"^(Input|List|String) should", "must", message)


def _place(complaint: Any) -> list[str | int]:
    """The keys of the file in pydantic's location, without the names of the types it tried."""
    location = complaint["loc"]
    # A rule may be called anything.
    named = location[:2] if location[:1] == ("rules",) else location[:1]
    return [*named, *(part for part in location[len(named) :] if _is_key(part))]


def _is_key(part: Any) -> bool:
    return isinstance(part, int) or (re.fullmatch(r"[\w-]+", part) is not None and part not in _TYPE_NAMES)


_TYPE_NAMES = {"float", "int", "str", "literal", "constrained-str", "constrained-float", "constrained-int"}


def _line_of(place: list[str], text: str) -> int | None:
    """Line on which the named key, or else its table, stands; None where the scan does not find it."""
    table: list[str] = []
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([\w.\-\"' ]+?)\s*\]+", line)
        if header:
            table = [part.strip(" \"'") for part in header.group(1).split(".")]
            if table == place[: len(table)] and len(table) <= len(place):
                found = number
            continue
        key = re.match(r"\s*([\w.\-\"']+)\s*=", line)
        if key:
            path = [*table, *(part.strip("\"'") for part in key.group(1).split("."))]
            if path == place[: len(path)]:
                return number
    return found
