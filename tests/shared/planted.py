"""Labelled blocks with planted anchor tokens, as texts and as matrices."""

import json

import numpy as np
from scipy.sparse import csr_array

from empirical.anchors.labelled import LabelledBlocks

LABELS = ("city", "fruit", "sea")


def planted_text(folder, blocks=240, words=60, share=0.8, seed=0):
    """A text of paragraphs and its labels; the word `plantedX` is in a share of the blocks of label X, and no others.

    Returns the two files. The other words are drawn alike in every block.
    """
    rng = np.random.default_rng(seed)
    common = [f"{chr(97 + one)}{chr(97 + two)}" for one in range(8) for two in range(words // 8)]
    labels = rng.permutation([LABELS[index % len(LABELS)] for index in range(blocks)]).tolist()
    paragraphs = []
    for label in labels:
        drawn = rng.choice(common, size=6).tolist()
        if rng.random() < share:
            drawn.insert(int(rng.integers(len(drawn))), f"planted{label}")
        paragraphs.append(" ".join(drawn))
    text, labels_file = folder / "planted.txt", folder / "labels.json"
    text.write_text("\n\n".join(paragraphs))
    labels_file.write_text(json.dumps({"labels": labels}))
    return text, labels_file


def random_blocks(rng, blocks=80, tokens=40, labels=4):
    """Presence that has nothing to do with the labels; tokens are in between a tenth and a half of the blocks."""
    rates = rng.uniform(0.1, 0.5, size=tokens)
    presence = csr_array((rng.random((blocks, tokens)) < rates).astype(np.int64))
    drawn = rng.permutation(np.arange(blocks) % labels)
    return LabelledBlocks(presence, drawn, tuple(f"label {index}" for index in range(labels)), blocks, presence)
