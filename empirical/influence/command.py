"""What `localist check --model FOLDER --influence NATS` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from empirical.influence.report import QUANTILES, influence_report

_SHOWN = {
    "margin_needed": "margin needed, nats",
    "leak_allowed": "leak allowed in each head",
    "divergence_bound": "divergence, bound of H2 and H3, nats",
    "divergence": "divergence, measured, nats",
}
_MEANS = (
    "margin needed: from this soft margin in every head on, whatever bias on the block gives it, the last layer's keys "
    "off the block move the row's next-token distribution by at most the divergence allowed. Layers before the last "
    "are not bounded: attention has no Lipschitz constant over all inputs."
)


def report_influence(
    model: Path | str,
    influence: float,
    *,
    text: Path | None,
    block: int | None,
    blocks: str | None,
    sequences: int | None,
    dial: float | None,
    as_json: bool,
) -> None:
    """Measure and print the report; exit status 1 unless every row is certified and none violates its bound."""
    about = influence_report(model, influence, text=text, block=block, blocks=blocks, sequences=sequences, dial=dial)
    if as_json:
        typer.echo(json.dumps(about, allow_nan=False))
    else:
        _print(about)
    if about["certified"] < about["rows"] or about["violations"]:
        raise typer.Exit(1)


def _print(about: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"last layer of {about['run']}, rows with a key off their block", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    for name in ("quantile of the rows", *(f"{level:g}" for level in QUANTILES)):
        table.add_column(name, justify="left" if name.startswith("q") else "right", overflow="fold")
    for name, title in _SHOWN.items():
        table.add_row(title, *(_shown(about[name][f"{level:g}"], name) for level in QUANTILES))
    console.print(table)
    console.print(
        f"{about['certified']:,} of {about['rows']:,} rows ({about['certified_share']:.1%}) certified for at most "
        f"{about['influence']:g} nats; the bound is vacuous in {about['vacuous']:,} ({about['vacuous_share']:.1%})"
    )
    console.print(_binding(about["binding"]))
    if about["bias_needed"] is None:
        console.print("no bias on the block that certifies every row was found")
    elif about["bias_needed"]:
        dial = "" if about["dial_needed"] is None else f", a dial of {about['dial_needed']!r},"
        console.print(
            f"a further bias of {about['bias_needed']:.4g} nats on the last layer's block{dial} certifies every row"
        )
    share = about["divergence_share_max"]
    console.print(
        f"{about['violations']} violations"
        + ("" if share is None else f"; the largest divergence measured is {share:.2g} of its bound")
    )
    console.print(
        f"from the weights: MLP norm {about['mlp_norm']:.4g}, unembedding distance {about['unembedding_distance']:.4g} "
        f"({about['unembedding_distance_of']})"
    )
    console.print(_MEANS)


def _binding(row: dict[str, Any]) -> str:
    margin = "unknown" if row["margin"] is None else _shown(row["margin"], "margin")
    needed = _shown(row["margin_needed"], "margin_needed")
    return (
        f"the binding row: window {row['window']}, position {row['position']}, head {row['head']}, with "
        f"{row['block_keys']} of {row['keys']} keys in its block: soft margin {margin}, needed {needed}"
    )


def _shown(value: float | None, name: str) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}" if name.startswith("margin") else f"{value:.2e}"
