"""`localist anchors`."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer


def anchors(
    text: Annotated[Path, typer.Option(help="Text file to find anchor tokens in.")],
    block: Annotated[int | None, typer.Option(help="Length of a block in tokens.")] = None,
    blocks: Annotated[
        str | None, typer.Option(help="Or: sentences, paragraphs, starting-at:ID,ID or ending-at:ID,ID (with --model).")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help='JSON object {"labels": [...]}, one text per block; else the marking token.'),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or hub name of a decoder, for its tokens and embeddings; else words.")
    ] = None,
    level: Annotated[float, typer.Option(help="Largest corrected p-value of an anchor.")] = 0.05,
    least: Annotated[int, typer.Option(help="Blocks of the choosing half that a tested token is in.")] = 5,
    most: Annotated[int, typer.Option(help="Anchors per label.")] = 8,
    error: Annotated[float, typer.Option(help="Error rate for which D3 states the information needed.")] = 0.1,
    permutations: Annotated[
        int | None, typer.Option(help="Permutations of the labels (the fewest that can choose a single token).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the halves and the permutations.")] = 0,
    leak: Annotated[float | None, typer.Option(help="Leak that D4's copies of an anchor are to keep.")] = None,
    entropy: Annotated[float | None, typer.Option(help="Entropy in nats that they are to keep.")] = None,
    others: Annotated[int | None, typer.Option(help="Keys of a row besides its anchors, for D4.")] = None,
    separation: Annotated[float | None, typer.Option(help="Separation in nats, for D4.")] = None,
    scale: Annotated[
        float | None, typer.Option(help="Or: |q||key|/sqrt(d_k), by which D1's margin is multiplied (with --model).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result to this JSON file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find tokens whose presence says which label a block has; exit status 1 if no anchor is confirmed."""
    from empirical.anchors.find import find_anchors

    about = find_anchors(
        text,
        block=block,
        blocks=blocks,
        labels=labels,
        model=model,
        level=level,
        least=least,
        most=most,
        error=error,
        permutations=permutations,
        seed=seed,
        leak=leak,
        entropy=entropy,
        others=others,
        separation=separation,
        scale=scale,
        out=out,
    )
    if as_json:
        typer.echo(json.dumps(about))
    else:
        _print(about, out)
    if not about["confirmed"]:
        raise typer.Exit(1)


def _print(about: dict[str, Any], out: Path | None) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"anchors of {escape(about['text']['name'])}", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    for name in ("label", "token", "share", "others", "nats", "p", "nats", "p", "confirmed"):
        is_text = name in ("label", "token")
        table.add_column(name, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
    for label in about["labels"]:
        for index, each in enumerate(label["anchors"]):
            chosen, other = each["chosen"], each["confirming"]
            # repr: a token may hold a line break or a control character.
            table.add_row(
                "" if index else escape(repr(label["label"])),
                escape(repr(each["text"])),
                *(f"{chosen[name]:.2f}" for name in ("share", "share_elsewhere")),
                f"{chosen['information']:.4f}",
                f"{chosen['p_corrected']:.1e}",
                f"{other['information']:.4f}",
                f"{other['p']:.1e}",
                "yes" if each["confirmed"] else "no",
            )
    console.print(table)
    for line in _lines(about):
        console.print(escape(line))
    if out is not None:
        console.print(escape(f"anchors in {out}"))


def _lines(about: dict[str, Any]) -> list[str]:
    found = sum(len(label["anchors"]) for label in about["labels"])
    without = [label["label"] for label in about["labels"] if not label["anchors"]]
    pointer = about["pointer"]
    lines = [
        "share: of the label's blocks that contain the token, beside that of the other blocks; then information and "
        "corrected p-value on the half that chooses, information and p-value on the half that confirms",
        f"{about['blocks_used']} of {about['blocks_of_the_text']} blocks have one of {len(about['labels'])} labels "
        f"that recur; {about['tested']} tokens tested, {found} chosen, {about['confirmed']} confirmed "
        f"at level {about['level']:g}",
        f"{about['permutations']} permutations: no p-value is below {about['smallest_p']:.2g}",
        f"D3: a pointer among {len(about['labels'])} equally frequent labels with error {pointer['error']:g} needs "
        f"{pointer['information_needed']:.4f} nats; the labels have an entropy of {pointer['label_entropy']:.4f}",
    ]
    if without:
        lines.append(f"no anchor for: {', '.join(map(repr, without))}")
    if pointer["measured_information"] is not None:
        lines.append(
            f"the most informative anchor in a block, as a pointer: {pointer['measured_information']:.4f} nats and "
            f"error {pointer['measured_error']:.3f} on the other half"
        )
    for name, each in about.get("geometry", {}).items():
        lines.append(f"input embeddings, {name.replace('_', ' ')}: {_geometry(each)}")
    return lines + (_copies(about["copies"]) if "copies" in about else [])


def _copies(about: dict[str, Any]) -> list[str]:
    """D4's interval in words, the measured copies, and what is assumed."""
    wanted = (
        f"a leak of {about['leak']:g} and an entropy of {about['entropy']:g} nats, with {about['others']} other keys"
    )
    measured = about["measured"]
    lines = []
    if about["separation"] is None:
        lines.append("D4: no interval: fewer than two labels have an anchor, so D1 gives no margin")
    else:
        both = "none" if about["both"] is None else _range(about["both"])
        entropy = "no number keeps the entropy"
        if about["for_entropy"] is not None:
            entropy = f"the entropy allows {_range(about['for_entropy'])}"
        lines.append(
            f"D4: copies of an anchor that keep {wanted} against {about['others']} other keys at a separation of "
            f"{about['separation']:.6g} nats: {both} (the leak needs {Decimal(about['for_leak']):.6g} or more, "
            f"{entropy})"
        )
    inside = "" if measured["inside"] is None else f"; inside the interval in {measured['inside']} blocks"
    lines.append(
        f"confirmed anchors of its label in a block: {measured['mean']:.2f} on average, {measured['least']} to "
        f"{measured['most']}, in {measured['blocks']} blocks{inside}"
    )
    for each in about["labels"]:
        inside = "" if each["inside"] is None else f", {each['inside']} inside"
        lines.append(
            f"  {each['label']!r}: {each['mean']:.2f}, {each['least']} to {each['most']}, in {each['blocks']}{inside}"
        )
    lines.append(
        "assumed: the anchors of a block are equal copies, whose scores are at least the separation above those of all "
        "other keys, in the block and outside"
        + ("" if about["scale"] is None else "; D1's margin has keys along their anchors")
    )
    return lines


def _range(ends: list[int]) -> str:
    # Not floats, which are too small for the largest.
    return " to ".join(f"{Decimal(end):.6g}" for end in ends)


def _geometry(found: dict[str, Any] | None) -> str:
    if found is None:
        return "fewer than two anchors have no coherence"
    return (
        f"{found['anchors']} anchors in {found['dimension']} dimensions, coherence {found['coherence']:.4f} (D2: "
        f"none is below {found['coherence_possible']:.4f}, {found['capacity']} anchors fit at 0, random ones are at "
        f"most {found['random_coherence']:.4f} with probability {1 - found['random_failure']:g}); D1's margin with "
        f"keys along their anchors: {found['margin']:.4f} |q||key|/sqrt(d_k)"
    )
