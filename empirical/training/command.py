"""`localist train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from theory.errors import DomainError, InputError
from theory.files import read_json, read_toml

# Options whose name differs from their setting.
_OPTIONS = {"pretrained": "--model", "packages": "--package"}

Text = Annotated[
    list[Path] | None,
    typer.Option("--text", metavar="FILE...", help="UTF-8 text files; default: Python's own manual."),
]


def train(
    run: Annotated[
        Path | None,
        typer.Argument(help="Folder of the run. Default: runs/SCHEDULE-SEED.", show_default=False),
    ] = None,
    more_text: Annotated[list[Path] | None, typer.Argument(metavar="TEXT", help="Further files of --text.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="distributed, localist, linear, quadratic, cubic, quartic or quintic (distributed)"),
    ] = None,
    largest_dial: Annotated[float | None, typer.Option(help="Dial of the last layer, from 0 to 1 (0.9)")] = None,
    block: Annotated[int | None, typer.Option(help="Block length in tokens (32).")] = None,
    blocks: Annotated[
        str | None,
        typer.Option(
            help="windows, sentences, paragraphs, segments (change points on the embeddings of --model over the whole "
            "window, --block tokens on average) or file (windows)"
        ),
    ] = None,
    block_file: Annotated[
        str | None,
        typer.Option(help='JSON for --blocks file: {"TEXT": [characters at which a block begins]}.'),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Attention temperature (1).")] = None,
    text: Text = None,
    builtin: Annotated[
        str | None,
        typer.Option(
            help="Text if no files are given: topics, docstrings (of Python's library) or packages (docstrings of "
            "installed packages; all of them take minutes) (topics)."
        ),
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option(metavar="NAME...", help="Only these of --builtin packages.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Hugging Face dataset: a folder, or a name (needs a network); choose a part with --config."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Pretrained GPT-2: a folder, or a name (needs a network).")] = None,
    layers: Annotated[int | None, typer.Option(help="Transformer layers (4).")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads (4).")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the residual stream (128).")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens in a window (256).")] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Tokens of the byte-level BPE (2048).")] = None,
    dropout: Annotated[float | None, typer.Option(help="Dropout (0).")] = None,
    off_block_penalty: Annotated[
        float | None, typer.Option(help="Loss per unit of attention off the block, nats (0).")
    ] = None,
    fidelity_floor: Annotated[float | None, typer.Option(help="Penalise rows of fidelity below this (none).")] = None,
    floor_weight: Annotated[float | None, typer.Option(help="Weight of the fidelity floor (1).")] = None,
    group_penalty: Annotated[
        float | None, typer.Option(help="Group penalty on W_Q and W_K, by proximal steps (0).")
    ] = None,
    feature_blocks: Annotated[int | None, typer.Option(help="Feature blocks of the group penalty (8).")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or sgd (adamw).")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or bfloat16 for products with float32 weights (float32).")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps (300, unless --max-seconds is given).")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds of training.")] = None,
    batch: Annotated[int | None, typer.Option(help="Windows per step, in each process of torchrun (8).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate (0.002).")] = None,
    checkpoint_steps: Annotated[int | None, typer.Option(help="Also write a checkpoint every this many steps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, data order and dropout (0).")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML or JSON file of the same settings; options override it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in this folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a localist GPT-2; Ctrl-C leaves a checkpoint to --resume from."""
    given: dict[str, dict[str, Any]] = {
        "model": {
            "pretrained": model,
            "layers": layers,
            "heads": heads,
            "width": width,
            "context": context,
            "vocabulary": vocabulary,
            "dropout": dropout,
        },
        "locality": {
            "schedule": schedule,
            "largest_dial": largest_dial,
            "block": block,
            "blocks": blocks,
            "block_file": block_file,
            "temperature": temperature,
        },
        "corpus": {
            "text": [str(path) for path in [*(text or []), *(more_text or [])]] or None,
            "builtin": builtin or ("packages" if package else None),
            "packages": package,
            "dataset": dataset,
        },
        "objective": {
            "off_block_penalty": off_block_penalty,
            "fidelity_floor": fidelity_floor,
            "floor_weight": floor_weight,
            "group_penalty": group_penalty,
            "feature_blocks": feature_blocks,
        },
        "training": {
            "steps": steps,
            "max_seconds": max_seconds,
            "optimizer": optimizer,
            "precision": precision,
            "batch": batch,
            "learning_rate": learning_rate,
            "checkpoint_steps": checkpoint_steps,
        },
    }
    chosen = {part: {k: v for k, v in values.items() if v is not None} for part, values in given.items()}
    if more_text and not text:
        raise DomainError(f"{more_text[0]}: only one run folder can be given")
    from empirical.config import load_config, run_config

    options = _options(chosen, seed, only_packages=builtin is None)
    if resume:
        _refuse_choices([*options.values(), *(["--config"] if config is not None else [])])
        if run is None:
            raise DomainError("--resume needs the folder of the run")
        settings = load_config(run / "run.json")
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
        settings = run_config(values, where="configuration" if config is None else str(config), typed=options)
    folder = run or Path("runs") / f"{settings.locality.schedule}-{settings.seed}"
    if folder.is_file():
        raise InputError(f"{folder} is a file; the run needs a folder")

    from empirical.training.callbacks import is_main
    from empirical.training.train import train as run_training
    from empirical.training.train import training_summary

    run_training(settings, folder, resume=resume)
    if not is_main():
        return
    summary = training_summary(folder)
    shown = {
        "run": str(folder),
        "schedule": settings.locality.schedule,
        **{name: summary[name] for name in ("steps", "seconds", "parameters", "final_loss", "device")},
    }
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        _print_table("trained", shown)


def _options(chosen: dict[str, dict[str, Any]], seed: int | None, *, only_packages: bool) -> dict[str, str]:
    """The option that set each value, by its dotted name in the configuration."""
    options = {
        f"{part}.{name}": _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        for part, choices in chosen.items()
        for name in choices
    }
    if only_packages and "corpus.builtin" in options:
        options["corpus.builtin"] = _OPTIONS["packages"]
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
