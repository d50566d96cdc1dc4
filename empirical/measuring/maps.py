"""`measure --maps`: attention maps of chosen heads on the first sequence, as a CSV file with a JSON manifest.

A row of the CSV is a query: its weights on every key, rounded, empty for keys that it does not see. The weights are
computed in float64 from the pass's own queries and keys; memory grows with the square of the sequence.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from empirical.attention.attention_call import AttentionCall
from empirical.attention.reference import reference_rows
from empirical.attention.schedule import LayerDial, check_dials, of_heads
from empirical.csv_table import read_table
from empirical.environment import environment
from empirical.locks import alone_in
from empirical.measuring.passes import run_sequence
from empirical.measuring.subject import Subject, open_subject, record_folder
from empirical.memory import enough_memory
from theory.errors import DomainError, InputError
from theory.files import read_json, sha256_of, write_text_atomically

MAPS_NAME = "maps"
TABLE_NAME = "maps.csv"
MANIFEST_NAME = "manifest.json"
KIND = "maps"
SCHEMA = 1
# Decimal places of a weight.
DIGITS = 4
ADVICE = "Draw a shorter sequence with --context, or fewer heads."

# Columns before the weights `k0`, `k1`, ...
COLUMNS = {
    "layer": "layer, from 0",
    "head": "head, from 0",
    "dial": "dial of the head",
    "query": "the query's position, from 0",
    "token": "token at that position",
    "block": "block of that token",
}


def measure_maps(
    model: Path | str,
    heads: Sequence[tuple[int, int]],
    *,
    text: Path | str | None = None,
    dials: Sequence[LayerDial] | None = None,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
) -> dict[str, Any]:
    """Write the maps of these heads `(layer, head)` to `out_dir`, by default `MODEL/maps`; returns the manifest.

    The other arguments are as in `measure`. Raises InputError, DomainError.
    """
    subject = open_subject(model, text, block=block, blocks=blocks, context=context, sequences=1, precision=precision)
    plan = subject.dials if dials is None else dials
    check_dials(plan, subject.layers)
    _check_heads(heads, subject)
    folder = record_folder(subject, out_dir, MAPS_NAME)
    tables: dict[tuple[int, int], pd.DataFrame] = {}
    window, own = subject.sequence(0)

    def take(call: AttentionCall) -> None:
        for layer, head in heads:
            if layer == call.layer:
                tables[layer, head] = _table(call, head, of_heads(plan[layer], subject.heads)[head], window[0])

    with alone_in(folder, "measuring"), enough_memory("measuring", ADVICE):
        run_sequence(subject.model, window, own, plan, take)
        if missing := [each for each in heads if each not in tables]:
            raise DomainError(f"layer {missing[0][0]} computes no attention over keys: it has no map")
        lines = pd.concat([tables[each] for each in heads], ignore_index=True)
        table = lines.to_csv(index=False, lineterminator="\n")
        manifest = {
            "schema": SCHEMA,
            "kind": KIND,
            "run": subject.name,
            "heads": [list(each) for each in heads],
            "sequence": 0,
            "context": window.shape[1],
            "blocks": subject.kind,
            "dials": list(plan),
            "decimal_places": DIGITS,
            **subject.about,
            "versions": environment(),
            "maps_csv": {"name": TABLE_NAME, "sha256": hashlib.sha256(table.encode("utf-8")).hexdigest()},
        }
        write_text_atomically(folder / TABLE_NAME, table)
        write_text_atomically(folder / MANIFEST_NAME, json.dumps(manifest, indent=2, allow_nan=False) + "\n")
    return manifest | {"path": str(folder / TABLE_NAME)}


def parse_heads(text: str) -> list[tuple[int, int]]:
    """Heads of a list `LAYER.HEAD,...`, each once. Raises DomainError.

    >>> parse_heads("0.1,3.2")
    [(0, 1), (3, 2)]
    """
    found = []
    for part in text.split(","):
        layer, dot, head = part.strip().partition(".")
        if not (dot and layer.isdecimal() and head.isdecimal()):
            raise DomainError(f"maps {text}: {part.strip()!r} must be LAYER.HEAD, such as 0.1")
        found.append((int(layer), int(head)))
    if len(set(found)) < len(found):
        raise DomainError(f"maps {text}: a head is named twice")
    return found


def read_maps(folder: Path, *, verify: bool = True) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Table and manifest of a folder of maps. Raises InputError; without `verify`, also if the table was changed."""
    manifest = read_json(folder / MANIFEST_NAME)
    if manifest.get("kind") != KIND or manifest.get("schema") != SCHEMA:
        raise InputError(f"{folder / MANIFEST_NAME} is not a manifest of maps, schema {SCHEMA}")
    path, stated = folder / TABLE_NAME, manifest.get("maps_csv")
    if verify and (not isinstance(stated, dict) or stated.get("sha256") != sha256_of(path)):
        raise InputError(f"{path} does not match its manifest")
    keys = manifest.get("context")
    if not isinstance(keys, int):
        raise InputError(f"{folder / MANIFEST_NAME}: context must be a whole number")
    table = read_table(path, [*COLUMNS, *_weights(keys)], [name for name in COLUMNS if name != "dial"])
    return table, manifest


def _weights(keys: int) -> list[str]:
    return [f"k{key}" for key in range(keys)]


def _check_heads(heads: Sequence[tuple[int, int]], subject: Subject) -> None:
    for layer, head in heads:
        if layer >= subject.layers or head >= subject.heads:
            raise DomainError(
                f"maps of head {layer}.{head}: the model has {subject.layers} layers and {subject.heads} heads, "
                "counted from 0"
            )


@torch.no_grad()
def _table(call: AttentionCall, head: int, dial: float, tokens: torch.Tensor) -> pd.DataFrame:
    shared = head // (call.query.shape[1] // call.key.shape[1])
    bias = math.inf if dial == 1 else -math.log1p(-dial)
    found = reference_rows(
        call.query[:, head : head + 1],
        call.key[:, shared : shared + 1],
        call.value[:, shared : shared + 1],
        call.sight,
        call.scale,
        bias,
        call.softcap,
        # Dial 1 keeps the block alone; a sink is off every block.
        None if call.sinks is None or math.isinf(bias) else call.sinks[head : head + 1],
    )
    keys = call.key.shape[2]
    # A sink is no key of the text; its weight is what a query's row lacks to 1.
    weights = found.weights[0, 0, :, :keys].cpu().numpy()
    if np.isnan(weights).any():
        raise DomainError(f"the attention of layer {call.layer} is not a number: these weights diverged")
    unseen = ~_visible(call)
    shown = np.where(unseen, np.nan, np.round(weights, DIGITS))
    places = {
        "layer": call.layer,
        "head": head,
        "dial": dial,
        "query": np.arange(len(weights)),
        "token": tokens.cpu().numpy(),
        "block": call.own[0].cpu().numpy(),
    }
    return pd.concat([pd.DataFrame(places), pd.DataFrame(shown, columns=_weights(keys))], axis=1)


def _visible(call: AttentionCall) -> Any:
    """Which keys each query of the first sequence sees `(queries, keys)`."""
    _, _, visible = call.sight.of_sequence(0)
    if visible is None:
        return np.tri(call.query.shape[2], call.key.shape[2], dtype=bool)
    return visible.cpu().numpy()
