"""Report of a model's last layer: in which rows the keys off the block provably move the next token by no more than
was allowed, the margin that each row needs for it, and what truncation does move.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.attention.schedule import LayerDial, check_dials
from empirical.influence.bounds import (
    Amplification,
    check_influence,
    divergence_max,
    margins_needed,
    range_allowed,
)
from empirical.influence.rows import LastRows, last_rows
from empirical.influence.tail import tail_of
from empirical.locality import SIZED
from empirical.measuring.passes import count_rows, tracked
from empirical.measuring.subject import Subject, open_subject
from empirical.memory import enough_memory

Array = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95, 1.0)
# The largest bias tried, and nats added to that needed: the leak measured at it has a rounding bound of its own.
_LARGEST_BIAS, _SPARE = 700.0, 1e-9
ADVICE = "Measure fewer --sequences, or a text whose sequences are shorter."


def influence_report(
    model: Path | str,
    influence: float,
    *,
    text: Path | str | None = None,
    block: int | None = None,
    blocks: str | None = None,
    sequences: int | None = None,
    dial: float | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """What H3 says of a GPT-2's last layer, and what truncating it moves, for `influence` nats of divergence.

    The model is a finished run on its own held-out text or, with `text`, a folder or hub name; `text`, `block`,
    `blocks` and `sequences` are as in `measure`, and `dial` replaces the last layer's own. All is computed in float64,
    and bounds are rounded outward. Raises InputError, and DomainError for a model that breaks an assumption of H3.
    """
    check_influence(influence)
    subject = open_subject(model, text, block=block, blocks=blocks, sequences=sequences, precision="float64")
    tail = tail_of(subject.model)
    if dial is not None:
        subject = replace(subject, dials=[*subject.dials[:-1], dial])
        check_dials(subject.dials, subject.layers)
    count_rows(subject.model, subject.windows, subject.blocks, subject.block)
    with enough_memory("measuring", ADVICE):
        numbers = tracked(range(len(subject.windows)), "influence", progress)
        rows = LastRows.joined([last_rows(subject, tail, number) for number in numbers])
    found = judged(rows, Amplification.of(tail), influence)
    return _about(subject, influence) | found | {"dial_needed": _dial(subject.dials[-1], found["bias_needed"])}


def judged(rows: LastRows, amplification: Amplification, influence: float) -> dict[str, Any]:
    """The decisions about these rows, as a report holds them."""
    lengths = rows.before, rows.after
    truncation = rows.truncation()
    ranges = amplification.range_max(truncation, lengths)
    bound = divergence_max(ranges)
    allowed = amplification.truncation_allowed(range_allowed(influence), lengths)
    certified = truncation <= allowed
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of equal leaks in all heads; any leak will do where all values are equal.
        leak = np.where(rows.distance.any(0), allowed / (rows.distance.sum(0) * (1 + 1e-12)), np.inf)
        own = np.log1p(-rows.leak) - np.log(rows.leak) - np.log((rows.keys - rows.block_keys) / rows.block_keys)
        # How far the row is from its certificate, in factors of its truncation.
        excess = np.where(allowed > 0, truncation / allowed, np.where(certified, 0.0, np.inf))
    needed = margins_needed(leak, rows.keys, rows.block_keys)
    with np.errstate(invalid="ignore"):
        # What rounding may add, beside the bound.
        slack = divergence_max(ranges + rows.moved_error) - bound + rows.divergence_error
        broken = (rows.moved > ranges + rows.moved_error) | (rows.divergence > bound + slack)
    checked = np.isfinite(ranges)
    worst = int(np.argmax(excess))
    head = int(np.argmax(rows.leak[:, worst] * rows.distance[:, worst]))
    return {
        "rows": len(bound),
        "certified": int(certified.sum()),
        "certified_share": float(certified.mean()),
        "vacuous": int((~checked).sum()),
        "vacuous_share": float((~checked).mean()),
        "violations": int((broken & checked).sum()),
        "divergence_share_max": _largest_share(rows.divergence, bound, slack),
        "range_share_max": _largest_share(rows.moved, ranges, rows.moved_error),
        "mlp_norm": amplification.mlp_norm,
        "unembedding_distance": amplification.distance,
        "unembedding_distance_of": "all pairs of tokens"
        if amplification.all_pairs
        else "twice the largest distance from the tokens' mean",
        "margin_needed": _quantiles(needed),
        "leak_allowed": _quantiles(np.minimum(leak, 1.0)),
        "divergence_bound": _quantiles(bound),
        "divergence": _quantiles(rows.divergence),
        "range_bound": _quantiles(ranges),
        "bias_needed": _number(_bias_needed(rows, allowed)),
        "binding": {
            "window": int(rows.window[worst]),
            "position": int(rows.position[worst]),
            "head": head,
            "keys": int(rows.keys[worst]),
            "block_keys": int(rows.block_keys[worst]),
            "certified": bool(certified[worst]),
            "divergence_bound": _number(bound[worst]),
            "divergence": _number(rows.divergence[worst]),
            "leak": _number(rows.leak[head, worst]),
            "leak_allowed": _number(min(leak[worst], 1.0)),
            "margin": _number(own[head, worst]),
            "margin_needed": _number(needed[worst]),
        },
    }


def _about(subject: Subject, influence: float) -> dict[str, Any]:
    return {
        "kind": "influence",
        "run": subject.name,
        "influence": influence,
        "layer": subject.layers - 1,
        "dial": subject.dials[-1],
        "blocks": subject.kind,
        "block": subject.block if subject.kind in SIZED else None,
        "sequences": len(subject.windows),
        "context": subject.windows.shape[1],
        "text": subject.about.get("text"),
        "seal": subject.about["seal"],
        "weights_sha256": subject.about["weights_sha256"],
    }


def _bias_needed(rows: LastRows, allowed: Array) -> float:
    """The smallest further bias on the block, in nats, that certifies every row; infinite if none is found."""
    if (rows.truncation() <= allowed).all():
        return 0.0
    if (rows.truncation(_LARGEST_BIAS) > allowed).any():
        return math.inf
    low, high = 0.0, _LARGEST_BIAS
    while high - low > _SPARE / 2:
        middle = (low + high) / 2
        low, high = (low, middle) if (rows.truncation(middle) <= allowed).all() else (middle, high)
    return high + _SPARE


def _dial(dial: LayerDial, bias: float | None) -> float | None:
    """The dial that adds this bias to that of a layer whose heads have the same; None if float64 has none below 1."""
    if bias is None or not isinstance(dial, int | float):
        return None
    if bias == 0 or dial == 1:
        return float(dial)
    # One float up, because rounding may have taken some of the bias.
    found = math.nextafter(-math.expm1(math.log1p(-dial) - bias), 2.0)
    return found if found < 1 else None


def _largest_share(measured: Array, bound: Array, slack: Array) -> float | None:
    """The largest share of its bound that a row reaches, where the bound is finite and exceeds the rounding error."""
    clear = np.isfinite(bound) & (bound > slack)
    return float((measured[clear] / bound[clear]).max()) if clear.any() else None


def _quantiles(values: Array) -> dict[str, float | None]:
    # The smallest value that is at least as large as this share of the rows'.
    found = np.quantile(values, QUANTILES, method="inverted_cdf")
    return {f"{level:g}": _number(value) for level, value in zip(QUANTILES, found, strict=True)}


def _number(value: float) -> float | None:
    """The number, None if it is infinite."""
    return float(value) if math.isfinite(value) else None
