"""What D1 and D2 say of anchors that are the input embeddings of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.model import load_decoder
from theory.errors import InputError
from theory.numbers.anchor_bounds import (
    anchor_capacity,
    anchor_margin,
    coherence_possible,
    random_anchor_coherence,
)

Floats = NDArray[np.float64]

# Probability with which random directions may exceed the coherence that is reported of them.
FAILURE = 0.05


def input_embeddings(source: Path | str, tokens: NDArray[np.int64]) -> Floats:
    """Unit vectors of a decoder's input embeddings `(tokens, width)`. Raises InputError."""
    embedding: Any = load_decoder(source).get_input_embeddings()
    weights = embedding.weight.detach()
    if tokens.size and tokens.max() >= len(weights):
        raise InputError(f"{source}: token {tokens.max()} must lie in [0, {len(weights)}), the vocabulary")
    vectors = weights[tokens].double().cpu().numpy()
    norms = np.linalg.norm(vectors, axis=1)
    directed = np.isfinite(norms) & (norms > 0)
    if not directed.all():
        raise InputError(f"{source}: the input embedding of token {tokens[~directed][0]} must be finite and not zero")
    found: Floats = vectors / norms[:, None]
    return found


def geometry(vectors: Floats) -> dict[str, Any] | None:
    """Coherence of unit vectors `(anchors, width)`, D1's margin and D2's numbers; None for fewer than two.

    `margin` holds if every key points along its anchor, per unit of `|q| |key| / sqrt(d_k)`. `coherence_possible` is a
    lower bound for so many anchors in this dimension, `capacity` the number that fits at a coherence of 0.
    """
    number, dimension = vectors.shape
    if number < 2:
        return None
    coherence = float(np.clip((vectors @ vectors.T)[~np.eye(number, dtype=bool)].max(), -1, 1))
    return {
        "anchors": number,
        "dimension": dimension,
        "coherence": coherence,
        "margin": float(anchor_margin(coherence, 0.0)),
        "coherence_possible": float(coherence_possible(dimension, number)),
        "capacity": int(anchor_capacity(dimension, 0.0)),
        "random_coherence": float(random_anchor_coherence(dimension, number, FAILURE)),
        "random_failure": FAILURE,
    }
