"""A run: whether it finished and is as training left it, its loss and its settings."""

from __future__ import annotations

import shlex
from typing import Any

from empirical.seal import SEAL_NAME, check_seal, read_seal
from empirical.training.train import CONFIG_NAME, TRAINING_NAME
from figures.report.found import Part
from figures.report.shown import File, Shown, Verdict, count, number
from theory.files import read_json, sha256_of
from theory.pages import table, text

COLUMNS = ("step", "training loss (nats)", "learning rate")


def show(part: Part) -> Shown:
    """Verdicts, losses and settings of a run. Raises InputError, also if a sealed file has changed."""
    check_seal(part.path)
    config = read_json(part.path / CONFIG_NAME)
    sealed = read_seal(part.path)
    files = [File(name, digest, f"matches {SEAL_NAME}") for name, digest in (sealed or {}).items()]
    if sealed is None:
        files = [File(CONFIG_NAME, sha256_of(part.path / CONFIG_NAME), "the run is unsealed: shown as found")]
    facts = {
        f"{group}: {name}" if isinstance(values, dict) else group: value
        for group, values in config.items()
        for name, value in (values.items() if isinstance(values, dict) else [("", values)])
    }
    again = shlex.join(["localist", "train", "runs/again", "--config", f"{part.place}/{CONFIG_NAME}"])
    verdicts: list[Verdict] = []
    body: list[str] = []
    if (part.path / TRAINING_NAME).is_file():
        verdicts, body = _trained(read_json(part.path / TRAINING_NAME), facts)
        if sealed is None:
            verdicts.append(Verdict("", "The run is unsealed.", "Changes of its files cannot be noticed."))
        ended = config.get("training", {}).get("max_seconds")
        again += "  # a limit of seconds may end it at another step" if ended is not None else ""
    else:
        why = f"There is no {TRAINING_NAME}. Continue it with `localist train --resume {shlex.quote(part.place)}`."
        verdicts.append(Verdict("warn", "The run is not finished.", why))
    return Shown(
        title=f"{part.name}: a training run",
        verdicts=verdicts,
        body=body,
        files=files,
        facts=facts,
        commands=[again],
    )


def _trained(training: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Verdict], list[str]]:
    for key in ("corpus", "versions"):
        facts |= {f"{key}: {name}": value for name, value in (training.get(key) or {}).items()}
    said = f"Trained {training['steps']:,} steps to a training loss of {training['final_loss']:.4g} nats per token."
    why = f"{training['parameters']:,} parameters, {training['seconds']:.4g} seconds on {training['device']}."
    losses = training.get("losses", [])
    lines = [[count(each["step"]), number(each["loss"]), number(each["learning_rate"])] for each in losses]
    attributes = {"data-table": "losses", "aria-label": "Training loss"}
    shown = table(COLUMNS, lines, "sortable", attributes=attributes)
    step = f"<h4>Training loss</h4><details><summary>{text(len(lines))} logged steps</summary>{shown}</details>"
    return [Verdict("", said, why)], [step] if lines else []
