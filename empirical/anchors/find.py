"""Finds a text's anchor tokens and writes them to a file that later programs can read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from empirical.anchor_file import KIND, SCHEMA
from empirical.anchors.choice import Choice, HalfTest, choose
from empirical.anchors.copies import copies, copy_targets
from empirical.anchors.geometry import geometry, input_embeddings
from empirical.anchors.labelled import LabelledBlocks, labelled_blocks
from empirical.anchors.tokens import TextTokens, model_tokens, word_tokens
from empirical.environment import environment
from empirical.training.corpus import load_tokenizer, read_text
from theory.files import check_writable, write_text_atomically
from theory.numbers.anchor_bounds import information_needed


def find_anchors(
    text: Path | str,
    *,
    block: int | None = None,
    blocks: str | None = None,
    labels: Path | str | None = None,
    model: Path | str | None = None,
    level: float = 0.05,
    least: int = 5,
    most: int = 8,
    error: float = 0.1,
    permutations: int | None = None,
    seed: int = 0,
    leak: float | None = None,
    entropy: float | None = None,
    others: int | None = None,
    separation: float | None = None,
    scale: float | None = None,
    out: Path | str | None = None,
) -> dict[str, Any]:
    """The anchor tokens of a text's labelled blocks, as plain JSON, also written to `out`.

    `level` is the corrected p-value up to which a token is chosen and confirmed, `least` the blocks that a tested token
    is in, `most` the number of anchors per label, and `error` the error rate for which D3 states the information that a
    pointer needs. `leak`, `entropy`, `others` and one of `separation` and `scale`, or none of them, are the question to
    D4 of `CopyTargets`. Raises InputError, DomainError.
    """
    targets = copy_targets(leak, entropy, others, separation, scale, model is not None)
    if out is not None:
        check_writable(Path(out))
    content = read_text(Path(text))
    tokens = word_tokens(content) if model is None else model_tokens(load_tokenizer(str(model)), content)
    labelled = labelled_blocks(tokens, block, blocks, labels)
    needed = float(information_needed(len(labelled.names), error))
    choice = choose(labelled, level=level, least=least, most=most, permutations=permutations, seed=seed)
    about: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": KIND,
        "text": {"name": Path(text).name, "sha256": hashlib.sha256(content.encode("utf-8")).hexdigest()},
        "model": None if model is None else str(model),
        "blocks": blocks if blocks is not None else "windows",
        "block": block,
        "labels_file": None if labels is None else Path(labels).name,
        "blocks_of_the_text": labelled.blocks,
        "blocks_used": len(labelled.labels),
        "level": level,
        "least": least,
        "most": most,
        "seed": seed,
        "tested": choice.tested,
        "permutations": choice.permutations,
        "smallest_p": 1 / (choice.permutations + 1),
        "labels": _by_label(tokens, labelled, choice),
        "pointer": {
            "error": error,
            "information_needed": needed,
            "label_entropy": float(stats.entropy(np.bincount(labelled.labels))),
            "measured_error": None if choice.pointer is None else choice.pointer.error,
            "measured_information": None if choice.pointer is None else choice.pointer.information,
        },
        "confirmed": int(choice.confirmed.sum()),
    }
    margin = None
    if tokens.ids is not None and model is not None:
        vectors = input_embeddings(model, tokens.ids[choice.tokens])
        # The first of each label: D1 has one anchor per block.
        leading = np.unique(choice.first.labels, return_index=True)[1]
        single = geometry(vectors[leading])
        about["geometry"] = {"all": geometry(vectors), "one_per_label": single}
        margin = None if single is None else single["margin"]
    if targets is not None:
        about["copies"] = copies(labelled, choice, targets, margin)
    about["versions"] = environment()
    if out is not None:
        write_text_atomically(Path(out), json.dumps(about, indent=1, allow_nan=False) + "\n")
    return about


def _by_label(tokens: TextTokens, labelled: LabelledBlocks, choice: Choice) -> list[dict[str, Any]]:
    """Each label with its blocks in the two halves and its anchors, the most informative first."""
    chosen = choice.first.labels
    return [
        {
            "label": name,
            "blocks": [int(choice.first.totals[label]), int(choice.second.totals[label])],
            "anchors": [_anchor(tokens, choice, place) for place in np.flatnonzero(chosen == label).tolist()],
        }
        for label, name in enumerate(labelled.names)
    ]


def _anchor(tokens: TextTokens, choice: Choice, place: int) -> dict[str, Any]:
    token, label = choice.tokens[place], choice.first.labels[place]
    return {
        "text": tokens.spelled[token],
        "id": None if tokens.ids is None else int(tokens.ids[token]),
        "chosen": _half(choice.first, place, label),
        "confirming": _half(choice.second, place, label),
        "confirmed": bool(choice.confirmed[place]),
    }


def _half(test: HalfTest, place: int, label: int) -> dict[str, Any]:
    """`share` of the label's blocks and `share_elsewhere` of the others that contain the token; tests in nats."""
    inside, blocks = int(test.counts[place, label]), int(test.totals[label])
    return {
        "share": inside / blocks,
        "share_elsewhere": (int(test.counts[place].sum()) - inside) / (int(test.totals.sum()) - blocks),
        "information": float(test.information[place]),
        "p": float(test.p[place]),
        "p_corrected": float(test.corrected[place]),
    }
