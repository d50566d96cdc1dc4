"""`localist train`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from inspect import Parameter, isclass, signature
from pathlib import Path
from statistics import fmean
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from empirical.config import RunConfig, load_config, run_config
from theory.errors import DomainError, InputError
from theory.files import read_json, read_toml

# Options whose name differs from their setting.
_OPTIONS = {"pretrained": "model", "packages": "package"}
_METAVARS = {"text": "FILE...", "packages": "NAME..."}


def _settings() -> Iterator[tuple[str, str, FieldInfo]]:
    """Yields table, name and field of every setting that is an option; the seed's table is empty."""
    for name, field in RunConfig.model_fields.items():
        if field.description:
            yield "", name, field
        elif isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield from (
                (name, inner, each) for inner, each in field.annotation.model_fields.items() if each.description
            )


def _parameter(name: str, field: FieldInfo) -> Parameter:
    """The option of a setting: None if it is not typed, with the setting's description and default as its help."""
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not NoneType]
    kind: Any = kinds[0] if isclass(kinds[0]) else str
    several = get_origin(field.annotation) is tuple
    default = "" if field.default in (None, ()) else f" ({field.default:g})" if kind is float else f" ({field.default})"
    option = typer.Option(
        f"--{_OPTIONS.get(name, name).replace('_', '-')}",
        help=f"{field.description}{default}.",
        metavar=_METAVARS.get(name),
    )
    annotation: Any = Annotated[(list[kind] if several else kind) | None, option]
    return Parameter(_OPTIONS.get(name, name), Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def train(
    run: Annotated[
        Path | None,
        typer.Argument(help="Folder of the run. Default: runs/SCHEDULE-SEED.", show_default=False),
    ] = None,
    more_text: Annotated[list[Path] | None, typer.Argument(metavar="TEXT", help="Further files of --text.")] = None,
    *,
    config: Annotated[
        Path | None, typer.Option(help="TOML or JSON file of the same settings; options override it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in this folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    **settings: Any,
) -> None:
    """Train a localist GPT-2, or another decoder from its weights; Ctrl-C leaves a checkpoint to --resume from."""
    typed = {name: value for name, value in settings.items() if value is not None}
    seed, max_seconds, steps = (typed.get(name) for name in ("seed", "max_seconds", "steps"))
    builtin, package, text = (typed.get(name) for name in ("builtin", "package", "text"))
    if package and not builtin:
        typed["builtin"] = "packages"
    if text:
        typed["text"] = [str(path) for path in [*text, *(more_text or [])]]
    given: dict[str, dict[str, Any]] = {}
    for part, name, _ in _settings():
        given.setdefault(part, {})[name] = typed.pop(_OPTIONS.get(name, name), None)
    if typed:
        raise DomainError(f"{min(typed)} is not an option of train")
    del given[""]
    chosen = {part: {k: v for k, v in values.items() if v is not None} for part, values in given.items()}
    if more_text and not text:
        raise DomainError(f"{more_text[0]}: only one run folder can be given")
    options = _options(chosen, seed, only_packages=builtin is None)
    if resume:
        _refuse_choices([*options.values(), *(["--config"] if config is not None else [])])
        if run is None:
            raise DomainError("--resume needs the folder of the run")
        chosen_run = load_config(run / "run.json")
    else:
        values = _read_settings(config) if config else {}
        for part in chosen:
            if not isinstance(values.get(part, {}), dict):
                raise DomainError(f"{config}: {part}={values[part]!r} must be a table")
        if seed is not None:
            values["seed"] = seed
        if max_seconds is not None and steps is None and "steps" not in values.get("training", {}):
            chosen["training"]["steps"] = None
        for part, choices in chosen.items():
            values[part] = {**values.get(part, {}), **choices}
        chosen_run = run_config(values, where="configuration" if config is None else str(config), typed=options)
    folder = run or Path("runs") / f"{chosen_run.locality.schedule}-{chosen_run.seed}"
    if folder.is_file():
        raise InputError(f"{folder} is a file; the run needs a folder")

    from empirical.training.callbacks import is_main
    from empirical.training.train import train as run_training
    from empirical.training.train import training_summary

    run_training(chosen_run, folder, resume=resume)
    if not is_main():
        return
    summary = training_summary(folder)
    shown = {
        "run": str(folder),
        "schedule": chosen_run.locality.schedule,
        **{name: summary[name] for name in ("steps", "seconds", "parameters", "final_loss", "device")},
    }
    if summary.get("evaluations"):
        shown["held_out_loss"] = summary["evaluations"][-1]["held_out_loss"]
    if chosen_run.objective.anchors is not None:
        shown |= _anchors_shown(read_json(folder / "anchor_tokens.json"), summary["evaluations"])
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        _print_table("trained", shown)


def _anchors_shown(about: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """What the run did about its anchors: rows of the training text, mean mass on held-out rows before and after."""
    means = [fmean(each["anchor_fidelity"]) if "anchor_fidelity" in each else None for each in (found[0], found[-1])]
    return {
        "anchor_tokens": len(about["tokens"]),
        "anchors_without_token": about["without_token"],
        "anchor_rows": about["rows"],
        "rows_without_anchor": about["rows_left_out"],
        "anchor_fidelity_before": means[0],
        "anchor_fidelity": means[1],
    }


def _with_options(function: Callable[..., None]) -> None:
    """Give the function a signature that names every option, for the command line to read."""
    own = signature(function, eval_str=True)
    fixed = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    options = [_parameter(name, field) for _, name, field in _settings()]
    positional = [each for each in fixed if each.kind is not Parameter.KEYWORD_ONLY]
    parameters = [*positional, *options, *(each for each in fixed if each.kind is Parameter.KEYWORD_ONLY)]
    function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}


_with_options(train)


def _options(chosen: dict[str, dict[str, Any]], seed: int | None, *, only_packages: bool) -> dict[str, str]:
    """The option that set each value, by its dotted name in the configuration."""
    options = {
        f"{part}.{name}": f"--{_OPTIONS.get(name, name).replace('_', '-')}"
        for part, choices in chosen.items()
        for name in choices
    }
    if only_packages and "corpus.builtin" in options:
        options["corpus.builtin"] = "--package"
    return options if seed is None else {**options, "seed": "--seed"}


def _refuse_choices(options: list[str]) -> None:
    if options:
        raise DomainError(f"--resume keeps the run's own configuration: drop {options[0]}")


def _read_settings(path: Path) -> dict[str, Any]:
    return read_json(path) if path.suffix == ".json" else read_toml(path)


def _print_table(title: str, values: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    for name, value in values.items():
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
