"""The report of an audit: what bounds each head, what its weights guarantee, what was measured, what follows of that.

`audit` returns plain JSON. All of it but `time` is the same for the same model, text, rules and options on the same
machine, and `sha256` is the hash of all of it but `time`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from empirical.attention.schedule import of_heads
from empirical.audit.exceptions import Exceptions
from empirical.audit.guarantees import HeadGuarantee, rows_that_occur
from empirical.audit.manifest import Options, manifest
from empirical.audit.measured import Measured, PromiseRows, check_named, finite, measure_rows
from empirical.audit.promises import Promise, parse_promise
from empirical.audit.sentences import LIMITS, METHODS, STATUSES
from empirical.audit.weight_range import head_ranges
from empirical.calibration.unseen import unseen_windows
from empirical.measuring.records import BOUNDS
from empirical.measuring.subject import Subject, open_subject
from empirical.memory import enough_memory
from empirical.seal import SEAL
from empirical.seal import content_hash as hash_of
from empirical.training.corpus import load_tokenizer
from theory.errors import DomainError
from theory.numbers.checked import as_written
from theory.statements.catalogue import find

SCHEMA, KIND = 1, "audit"
ADVICE = "Give a smaller --context."

# Means of measured bounds, by statement: the column of the records, and whether it bounds the leak.
_BOUNDS = {
    "A2": ("bound_fidelity_margin", False),
    "A8": ("bound_leak_sink", True),
    "A4": ("bound_entropy_fidelity", False),
    "A5": ("bound_entropy_range", False),
}


def audit(
    model: Path | str,
    exceptions: Exceptions,
    *,
    text: Path | None = None,
    rules: Path | None = None,
    options: Options | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Audit a decoder on a text, or without one a finished run on its held-out sequences; the report but its time.

    `model`, `text` and the options are as in `measure`, but that `sequences` are drawn at random with `seed`. Every
    exception goes to `exceptions`. Raises InputError, DomainError.
    """
    chosen = options or Options()
    promises = [parse_promise(each) for each in chosen.promises]
    if len({str(each) for each in promises}) < len(promises):
        raise DomainError("a promise was given twice")
    with enough_memory("auditing", ADVICE):
        subject = open_subject(
            model, text, block=chosen.block, blocks=chosen.blocks, context=chosen.context, precision=chosen.precision
        )
        for promise in promises:
            check_named(promise, subject)
        if rules is not None:
            from empirical.audit.ruled_rows import audit_rules, check_rules_named

            check_rules_named(rules, subject)
        windows = drawn(len(subject.windows), chosen.sequences, chosen.seed)
        stated = manifest(subject, model, text, rules, chosen, windows)
        tokenizer = load_tokenizer(str(model))

        @cache
        def text_of(token: int) -> str:
            return str(tokenizer.decode([token], skip_special_tokens=False))

        ranges = head_ranges(subject.model)
        found = measure_rows(subject, windows, promises, ranges, exceptions, text_of, progress)
        occurring = rows_that_occur(subject.kind, subject.block, subject.windows.shape[1])
        heads = {
            (layer, head): HeadGuarantee(occurring, ranges[layer][head], dial)
            for layer in sorted(found.layers)
            for head, dial in enumerate(of_heads(subject.dials[layer], subject.heads))
        }
        steered = None
        if rules is not None:
            steered = audit_rules(rules, subject, windows, tokenizer, chosen.confidence, exceptions, text_of, progress)
    about: dict[str, Any] = {"schema": SCHEMA, "kind": KIND}
    about["promises"] = [
        _promised(promise, rows, heads, chosen.confidence, len(subject.windows))
        for promise, rows in zip(promises, found.promises, strict=True)
    ]
    about["heads"] = [line for layer in sorted(found.layers) for line in _heads(layer, found, heads, promises, subject)]
    totals = {name: sum(line[name] for line in about["heads"]) for name in ("rows", "violations", "undecided")}
    about["measured"] = totals | {"windows": len(windows), "loss": finite(found.loss)}
    about["isolated"] = isolated(subject)
    about["rules"] = steered
    about["exceptions"] = exceptions.to_json()
    about["statements"] = _cited(about)
    about["methods"] = _methods(about, subject)
    about["limits"] = list(LIMITS)
    about["manifest"] = stated
    about["kept"] = kept(about)
    # As JSON reads it back.
    about = json.loads(json.dumps(about, allow_nan=False))
    return about | {SEAL: content_hash(about)}


def drawn(windows: int, sequences: int | None, seed: int) -> list[int]:
    """The windows that are measured: all, or so many drawn at random without replacement. Raises DomainError."""
    if sequences is None or sequences == windows:
        return list(range(windows))
    if sequences > windows:
        raise DomainError(f"sequences {sequences} must be at most the text's {windows}")
    return sorted(np.random.default_rng(seed).permutation(windows)[:sequences].tolist())


def content_hash(about: dict[str, Any]) -> str:
    """SHA-256 of a report without its time."""
    return hash_of({name: value for name, value in about.items() if name != "time"})


def kept(about: dict[str, Any]) -> bool:
    """Whether every promise and rule was kept as measured, and no bound violated or undecided."""
    promised = all(each["verdict"] in ("guaranteed", "kept") for each in about["promises"])
    ruled = about["rules"] is None or all(each["verdict"] != "broken" for each in about["rules"]["rules"])
    return promised and ruled and not about["measured"]["violations"] and not about["measured"]["undecided"]


def isolated(subject: Subject) -> bool:
    """Whether every layer has dial 1 and blocks are windows (H4)."""
    return subject.kind == "windows" and all(set(of_heads(dial, subject.heads)) == {1} for dial in subject.dials)


def _promised(
    promise: Promise,
    rows: PromiseRows,
    heads: dict[tuple[int, int], HeadGuarantee],
    confidence: float,
    population: int,
) -> dict[str, Any]:
    chosen = [guarantee for place, guarantee in heads.items() if promise.covers(*place)]
    answers = [guarantee.keeps(promise) for guarantee in chosen]
    needed = [
        guarantee.dial if answer else guarantee.dial_needed(promise)
        for guarantee, answer in zip(chosen, answers, strict=True)
    ]
    dials = [each for each in needed if each is not None]
    count, (yes, broken, undecided) = int(rows.counts.sum()), rows.total
    wanted = as_written(promise.percent) / 100
    measured = "kept" if Fraction(yes, count) >= wanted else "broken"
    if measured == "broken" and Fraction(yes + undecided, count) >= wanted:
        measured = "undecided"
    weights = "guaranteed" if all(answers) else "not decided" if False not in answers else "not guaranteed"
    return {
        "promise": str(promise),
        "weights": weights,
        "verdict": "guaranteed" if (measured, weights) == ("kept", "guaranteed") else measured,
        "heads": len(chosen),
        "heads_guaranteed": sum(each is True for each in answers),
        "heads_not_decided": sum(each is None for each in answers),
        "reasons": sorted({g.why(promise) for g, answer in zip(chosen, answers, strict=True) if answer is None}),
        # Of all heads; None if some head has none below 1.
        "dial_needed": max(dials) if len(dials) == len(needed) else None,
        "bias_needed": max((each for g in chosen if (each := g.bias_needed(promise)) is not None), default=None),
        "rows": count,
        "rows_kept": yes,
        "rows_broken": broken,
        "rows_undecided": undecided,
        "unseen": unseen_windows(rows.shares, promise.share, confidence, population),
    }


def _heads(
    layer: int,
    found: Measured,
    heads: dict[tuple[int, int], HeadGuarantee],
    promises: Sequence[Promise],
    subject: Subject,
) -> list[dict[str, Any]]:
    lines = []
    for record in found.layers[layer].records(0.0):
        head = int(record["head"])
        guarantee = heads[layer, head]
        beyond = int(found.beyond[layer][head])
        lines.append(
            {
                "layer": layer,
                "head": head,
                "dial": guarantee.dial,
                "rows": int(record["rows"]),
                "statements": statements_of(guarantee.dial, isolated(subject)),
                "weights": {
                    "decided": guarantee.fidelity_min is not None,
                    "reason": guarantee.why(),
                    "score_max": guarantee.range.score,
                    "range_max": guarantee.range.spread,
                    "fidelity_min": guarantee.fidelity_min,
                    "entropy_max": guarantee.entropy_max,
                },
                "measured": {
                    "fidelity_least": finite(record["fidelity_min"]),
                    "fidelity_mean": finite(record["fidelity_mean"]),
                    "entropy_mean": finite(record["entropy_mean"]),
                    "entropy_largest": finite(record["entropy_max"]),
                    "range_largest": finite(found.widest[layer][head]),
                },
                "bounds_mean": {
                    name: finite(1 - record[column] if of_leak else record[column])
                    for name, (column, of_leak) in _BOUNDS.items()
                },
                # A row may violate several.
                "violations": int(record["violations"]) + beyond,
                "violations_of": {name: int(record[f"violations_{name}"]) for name in BOUNDS} | {"weights": beyond},
                "undecided": int(record["undecided"]),
                "promises": [
                    _of_head(guarantee, promise) if promise.covers(layer, head) else None for promise in promises
                ],
            }
        )
    return lines


def _of_head(guarantee: HeadGuarantee, promise: Promise) -> dict[str, Any]:
    answer = guarantee.keeps(promise)
    weights = "not decided" if answer is None else "guaranteed" if answer else "not guaranteed"
    found: dict[str, Any] = {"weights": weights, "reason": guarantee.why(promise)}
    if answer is not True:
        found |= {"dial_needed": guarantee.dial_needed(promise), "bias_needed": guarantee.bias_needed(promise)}
    return found


def statements_of(dial: float, isolated: bool) -> list[str]:
    """The statements that bound the rows of a head with this dial.

    >>> statements_of(0.0, False), statements_of(0.5, False)
    (['A1', 'A2', 'A3', 'A4', 'A5', 'A7', 'A8'], ['A1', 'A2', 'A3', 'A4', 'A5', 'A7', 'A8', 'B1', 'B2'])
    >>> statements_of(1.0, True)
    ['A4', 'H4']
    """
    if dial == 1:
        # Nothing is off the block, so margins and ranges are infinite.
        return ["A4", *(["H4"] if isolated else [])]
    return ["A1", "A2", "A3", "A4", "A5", "A7", "A8", *(["B1", "B2"] if dial else [])]


def _cited(about: dict[str, Any]) -> list[dict[str, str]]:
    used = {name for line in about["heads"] for name in line["statements"]}
    used |= {"H5"} if about["promises"] or about["rules"] else set()
    used |= {"E1", "E2"} if about["rules"] else set()
    found = [find(name) for name in STATUSES if name in used]
    return [
        {"id": each.id, "title": each.title, "kind": each.kind.value, "status": STATUSES[each.id]} for each in found
    ]


def _methods(about: dict[str, Any], subject: Subject) -> dict[str, str]:
    """The sentences of the methods that this report uses."""
    dials = {line["dial"] for line in about["heads"]}
    used = ["weights", "measured", "bounds"]
    used += ["mask"] if 1 in dials else []
    used += ["isolation"] if about["isolated"] else []
    if about["promises"] or about["rules"]:
        used += ["whole" if about["measured"]["windows"] == len(subject.windows) else "draw", "share", "new"]
    used += ["rules"] if about["rules"] else []
    numbers = {
        "context": subject.windows.shape[1],
        "dtype": str(subject.model.dtype).removeprefix("torch."),
        "population": len(subject.windows),
        "windows": about["measured"]["windows"],
        "rows": about["measured"]["rows"],
    }
    return {name: METHODS[name].format(**numbers) for name in METHODS if name in used}
