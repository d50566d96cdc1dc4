"""`localist demo`: the whole chain once, from thresholds to a trained model measured against its bounds.

It calls the functions of the other commands and prints the equivalent command line of each.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from theory.errors import DomainError, InputError
from theory.files import read_json, write_text_atomically

if TYPE_CHECKING:
    from rich.console import Console

CONFIGURATIONS = ("distributed", "quintic")
MOVED = "quintic"
# Denser towards 1, where the curves are steep.
DIALS = "0,0.2,0.4,0.6,0.8,0.9,0.95,0.98,1"
DIAL_WINDOWS = 16
ROWS_WANTED = 100_000
VERIFY_ROWS = 25

PLAN_NAME = "demo.json"
SUMMARY_NAME = "summary.json"
FIGURES_NAME = "figures"
_PROBE_STEPS = 24


@dataclass(frozen=True)
class Plan:
    """Settings that a demo folder was started with; a second run keeps them."""

    seconds: float
    steps: int


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo.")] = Path("runs/demo"),
    seconds: Annotated[float, typer.Option(help="Approximate seconds of training per configuration.")] = 60.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove what an earlier demo left in --out.")] = False,
) -> None:
    """Check, verify, train two small GPT-2s, measure them against their bounds and draw the figures.

    A second run in the same folder keeps finished training, continues training that was interrupted, and repeats
    the rest. Exit status: 0 success, 1 a check failed, 2 bad input.
    """
    if not 1 <= seconds <= 86_400:
        raise DomainError(f"seconds {seconds:g} must lie in [1, 86400]")
    from rich.console import Console

    # Before torch is loaded, because it sets how torch's threads wait.
    import empirical  # noqa: F401

    console = Console()
    begun = time.monotonic()
    try:
        plan = _plan(out, seconds, fresh)
        failures = _check_and_verify(console)
        plan = plan or _new_plan(out, seconds)
        for name in CONFIGURATIONS:
            failures += _train_and_measure(console, out / name, name, plan)
        failures += _move_the_dial(console, out / MOVED)
        failures += _draw(console, out)
        failures += _close(console, out)
    except KeyboardInterrupt:
        console.print(f"\nThe same command continues in {out}.", soft_wrap=True)
        raise
    took = f"{time.monotonic() - begun:.0f} s"
    if failures:
        console.print(f"failed after {took}: " + "; ".join(failures), style="bold red", soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"all checks passed in {took}", style="bold green")


def _check_and_verify(console: Console) -> list[str]:
    from proofs_check.commands import verify
    from theory.design.commands import check

    _title(console, "1/5 Thresholds of one attention row")
    status = _command(console, check, keys=256, block=32, margin=6.0, target_fidelity=0.9, target_entropy_bits=6.0)
    failures = ["the example is not guaranteed"] if status else []
    _title(console, "2/5 The theorems behind them")
    status = _command(console, verify, rows=VERIFY_ROWS)
    return failures + (["a statement is neither proved nor sampled clean"] if status else [])


def _train_and_measure(console: Console, folder: Path, name: str, plan: Plan) -> list[str]:
    from empirical.measuring.measure_command import measure
    from empirical.training.command import train

    _title(console, f"3/5 A small GPT-2, {name}: train and measure")
    if (folder / "run.json").is_file():
        _command(console, train, folder, resume=True)
    else:
        # The same steps for each, so that perplexities compare; the time limit is for a machine that slows down.
        limit = round(1.5 * plan.seconds, 3)
        _command(console, train, folder, schedule=name, steps=plan.steps, max_seconds=limit)
    status = _command(console, measure, folder)
    return [f"{name}: rows violate a bound or are undecided"] if status else []


def _move_the_dial(console: Console, folder: Path) -> list[str]:
    from empirical.measuring.measure import DIAL_NAME
    from empirical.measuring.measure_command import measure
    from empirical.measuring.records import read_records
    from figures.pictures.dial import faults, first_layer_error

    _title(console, "4/5 The dial moved without retraining")
    status = _command(console, measure, folder, dial=DIALS, sequences=DIAL_WINDOWS, as_json=True)
    rows = read_records(folder / DIAL_NAME).rows.assign(configuration=folder.name)
    error = first_layer_error(rows)
    console.print(f"first layer: measured fidelity within {error:.1e} of what B1 predicts from dial 0")
    failures = [f"{folder.name}: rows violate a bound or are undecided when the dial moves"] if status else []
    return failures + faults(rows)


def _draw(console: Console, out: Path) -> list[str]:
    from figures.commands import figures

    _title(console, "5/5 Figures")
    records = [out / name for name in CONFIGURATIONS]
    names = ["thresholds", "leak", "entropy", "dial", "layers"]
    status = _command(console, figures, names, records=records, out=out / FIGURES_NAME)
    return ["a figure shows rows that contradict a bound"] if status else []


def _close(console: Console, out: Path) -> list[str]:
    """Prints and saves the summary; returns failures."""
    from rich.table import Table

    from empirical.measuring.measure import OWN_NAME
    from empirical.measuring.records import read_records

    table = Table(title="measured on held-out text")
    table.add_column("configuration")
    for heading in ("training steps", "rows measured", "violations", "perplexity"):
        table.add_column(heading, justify="right")
    summary, failures = [], []
    for name in CONFIGURATIONS:
        records = read_records(out / name / OWN_NAME)
        row = {
            "configuration": name,
            "training_steps": records.manifest["training"]["steps"],
            "rows_measured": records.measured_rows,
            "violations": records.violations,
            "perplexity": records.manifest["perplexity"],
            "records_sha256": records.digest,
        }
        summary.append(row)
        table.add_row(
            name,
            f"{row['training_steps']:,}",
            f"{row['rows_measured']:,}",
            f"{row['violations']:,}",
            f"{row['perplexity']:.1f}",
        )
        if records.measured_rows < ROWS_WANTED:
            failures.append(f"{name}: {records.measured_rows:,} rows are fewer than {ROWS_WANTED:,}")
    write_text_atomically(out / SUMMARY_NAME, json.dumps({"configurations": summary}, indent=2) + "\n")
    _title(console, "Where everything is")
    for path, what in (
        (out / FIGURES_NAME, "figures as PNG, PDF and SVG, with captions and the values drawn"),
        (out / "NAME" / OWN_NAME, "records of each configuration: rows.csv, manifest.json"),
        (out / "NAME", "its model, tokenizer, configuration and losses"),
        (out / SUMMARY_NAME, "the table below"),
    ):
        console.print(f"{path}  {what}", soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    console.print("Perplexities after so few steps show that the chain works, not which schedule is better.")
    return failures


def _plan(out: Path, seconds: float, fresh: bool) -> Plan | None:
    """The plan of the demo in this folder, or None if there is none. Raises InputError."""
    path = out / PLAN_NAME
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} is neither empty nor a demo folder: choose another --out")
        return None
    if fresh:
        for name in (*CONFIGURATIONS, FIGURES_NAME):
            shutil.rmtree(out / name, ignore_errors=True)
        path.unlink()
        return None
    values = read_json(path)
    found, steps = values.get("seconds"), values.get("steps")
    if not (isinstance(found, int | float) and isinstance(steps, int) and steps >= 1):
        raise InputError(f"{path} is not the plan of a demo: start over with --fresh")
    if found != seconds:
        raise InputError(f"{out} holds a demo of {found:g} seconds, not {seconds:g}: choose another --out, or --fresh")
    return Plan(float(found), steps)


def _new_plan(out: Path, seconds: float) -> Plan:
    """Times a training step, and saves and returns the plan for so many seconds."""
    from rich.console import Console

    from empirical.config import run_config
    from empirical.training.train import train, training_summary

    with tempfile.TemporaryDirectory() as folder, Console(stderr=True).status("timing a training step"):
        config = run_config({"training": {"steps": _PROBE_STEPS}})
        summary = training_summary(train(config, Path(folder) / "probe", progress=False))
    plan = Plan(seconds, max(1, round(seconds * _PROBE_STEPS / max(summary["seconds"], 1e-3))))
    write_text_atomically(out / PLAN_NAME, json.dumps(asdict(plan), indent=2) + "\n")
    return plan


def _command(console: Console, function: Callable[..., None], *arguments: Path | list[str], **options: Any) -> int:
    """Prints a command line, runs the function behind it, and returns its exit status."""
    words = ["localist", function.__name__]
    for argument in arguments:
        words += argument if isinstance(argument, list) else [str(argument)]
    for name, value in options.items():
        flag = "--json" if name == "as_json" else f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            words += [flag] if each is True else [flag, f"{each:g}" if isinstance(each, float) else str(each)]
    console.print(f"$ {shlex.join(words)}", style="bold", soft_wrap=True, highlight=False, markup=False)
    try:
        function(*arguments, **options)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def _title(console: Console, text: str) -> None:
    console.print()
    console.rule(text, align="left")
