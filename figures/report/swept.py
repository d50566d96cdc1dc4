"""A sweep: its summary, its tasks, and the heads of every configuration."""

from __future__ import annotations

import shlex
from typing import Any

from empirical.attention.schedule import BUDGET_WARNING
from empirical.config import SWEEP_NAME
from empirical.sweep.summary import CONFIDENCE, MANIFEST_NAME
from figures.report.found import Part
from figures.report.measured import heads_of
from figures.report.shown import File, Map, Shown, Verdict, count, number
from figures.sweeps import read_sweep
from theory.pages import Cell, table, text

BUDGETS = {"largest": "same largest dial", "mean": "same mean dial", "promise": "same promise on the base"}
COLUMNS = (
    "compared at",
    "schedule",
    "largest dial",
    "mean dial",
    "seeds",
    "perplexity",
    "low",
    "high",
    "ratio to distributed",
    "ratio low",
    "ratio high",
    "fidelity",
    "last layer's",
    "entropy",
    "violated",
    "undecided",
)
_VALUES = (
    "perplexity",
    "perplexity_low",
    "perplexity_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "fidelity",
    "last_layer_fidelity",
    "entropy",
)
TASK_COLUMNS = (
    "task",
    "seed",
    "largest dial",
    "perplexity",
    "loss",
    "rows",
    "violated",
    "undecided",
    "weights SHA-256",
)
_SAID = (
    "Perplexity is exp of the mean held-out loss over seeds: lower is better. The ratio compares it with the schedule "
    f"“distributed”, seed by seed. Low and high are ends of {CONFIDENCE:.0%} intervals over fine-tuning seeds alone: "
    "all seeds share one base model and one held-out text, so they say nothing of others. Entropies are in nats."
)

_UNNAMED = "localist sweep SWEEP.toml runs/again  # SWEEP.toml: the settings listed above"


def show(part: Part) -> Shown:
    """Verdicts, tables and heads of a sweep. Raises InputError."""
    sweep = read_sweep(part.path)
    manifest = sweep.manifest
    tasks, rows = manifest.get("tasks", []), sweep.rows
    body = [f"<p>{text(_SAID)}</p>", _summary(sweep.summary)]
    if len(set(sweep.summary["budget"])) > 1:
        body.append(f'<p class="faint">{text(BUDGET_WARNING[0].upper() + BUDGET_WARNING[1:])}.</p>')
    body += ["<h4>Every task</h4>", _tasks(tasks)]
    groups = [] if rows.empty else rows.groupby(["configuration", "largest_dial"], sort=False)
    kept = "A sweep keeps the distributions of each head's rows, not single rows."
    maps = [Map(f"{name}, largest dial {dial:.3g}", heads_of(part), kept) for (name, dial), part in groups]
    files = [File(name, digest, _checked(name)) for name, digest in sweep.digests.items()]
    own = next((name for name in ("SWEEP.toml", SWEEP_NAME) if (part.path / name).is_file()), None)
    again = (
        shlex.join(["localist", "sweep", f"{part.place}/{own}", "runs/again", "--jobs", "2"])
        if own == "SWEEP.toml"
        else None
    )
    return Shown(
        title=f"{part.name}: a sweep of schedules",
        verdicts=_verdicts(manifest, tasks),
        body=body,
        maps=maps,
        files=files,
        facts=_facts(manifest),
        commands=[
            again or _UNNAMED,
            shlex.join(["localist", "figures", "--records", part.place]),
        ],
        drawn_from=[part.path],
    )


def _checked(name: str) -> str:
    return "states the hashes of the others" if name == MANIFEST_NAME else "matches its manifest"


def _verdicts(manifest: dict[str, Any], tasks: list[dict[str, Any]]) -> list[Verdict]:
    found = []
    measured, violations, undecided = (
        sum(each[name] for each in tasks) for name in ("rows", "violations", "undecided")
    )
    if violations:
        names = ", ".join(each["name"] for each in tasks if each["violations"])
        found.append(
            Verdict(
                "bad",
                f"{violations:,} of {measured:,} measured rows violate a bound, in the tasks {names}.",
                "The bounds are theorems and rounding is allowed for: this contradicts a statement or shows a defect.",
            )
        )
    if undecided:
        why = "Their scores are too large for their format. Undecided is not kept."
        found.append(Verdict("open", f"{undecided:,} of {measured:,} measured rows are undecided.", why))
    for name, why in manifest.get("failed", {}).items():
        found.append(Verdict("bad", f"The task {name} failed and is missing from every mean.", str(why)))
    if not tasks:
        found.append(Verdict("warn", "No task has finished.", "There is nothing to compare."))
    elif not violations and not undecided:
        why = "Measured, not proved: it says nothing of other texts or models."
        found.append(Verdict("good", f"No bound is violated in {measured:,} rows of {len(tasks)} tasks.", why))
    return found


def _summary(summary: Any) -> str:
    lines = []
    for each in summary.to_dict("records"):
        line: list[Cell] = [BUDGETS.get(each["budget"], each["budget"]), each["configuration"]]
        line += [number(each["largest_dial"]), number(each["mean_dial"]), count(each["seeds"])]
        line += [number(each[name]) for name in _VALUES]
        lines.append([*line, count(each["violations"]), count(each["undecided"])])
    return table(COLUMNS, lines, "sortable", attributes={"data-table": "summary", "aria-label": "Schedules compared"})


def _tasks(tasks: list[dict[str, Any]]) -> str:
    lines = []
    for each in tasks:
        line: list[Cell] = [str(each["name"]), count(each["seed"]), number(each["largest_dial"])]
        line += [number(each["perplexity"]), number(each["loss"], 5)]
        line += [count(each[name]) for name in ("rows", "violations", "undecided")]
        lines.append([*line, str(each["weights_sha256"])[:16]])
    return table(TASK_COLUMNS, lines, "sortable", attributes={"data-table": "tasks", "aria-label": "Tasks"})


def _facts(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in (manifest.get("sweep") or {}).items():
        if isinstance(value, dict):
            found |= {f"{key}: {name}": each for name, each in value.items()}
        else:
            found[key] = value
    for key in ("corpus", "versions"):
        found |= {f"{key}: {name}": each for name, each in (manifest.get(key) or {}).items()}
    return found
