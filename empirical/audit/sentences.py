"""The fixed sentences of a report, each with the method that it belongs to, so that none says more than its method.

A report cites methods by their key and prints these sentences beside the numbers. `METHODS` says what a number means
and what it assumes, `VERDICTS` what became of a promise, and `STATUSES` how well each cited statement is established.
"""

from __future__ import annotations

METHODS: dict[str, str] = {
    "weights": (
        "What the weights guarantee holds for every text of at most {context} tokens in such blocks: A2, A4 and A7 "
        "from a bound on each head's scores. The bound is of the weights as they are, with margins for rounding in "
        "{dtype}. It assumes that rounding inside a norm moves its output by a share of at most (width + 64) eps."
    ),
    "mask": "At dial 1 the mask gives keys off the block the weight 0 exactly: the fidelity is 1 for every text.",
    "isolation": (
        "Every layer has dial 1 and blocks are windows: logits at a position do not depend on tokens outside its block "
        "(H4)."
    ),
    "measured": (
        "Measured on {windows} windows, which the manifest lists, in {rows} rows with a key off their block. Says "
        "nothing of other texts."
    ),
    "bounds": (
        "Bounds at what was measured in each row: A2 and A8 at its margins, A4 at its fidelity, A5 at its range. A "
        "violation would contradict a statement or show a defect. Rounding errors are allowed for."
    ),
    "draw": (
        "The text's violating windows, at most: exact hypergeometric bound at the confidence. Assumes nothing but that "
        "the measured windows were drawn at random from the text's {population}."
    ),
    "whole": "All windows of the text were measured: their count is exact and needs no confidence.",
    "share": (
        "The share of violating windows of a source, at most: exact binomial bound of Clopper and Pearson at the "
        "confidence. Assumes that the windows are independent draws from that source. Windows of one text are not "
        "known to be."
    ),
    "new": (
        "One new window: conformal level. Assumes that it is exchangeable with the measured ones. Consecutive windows "
        "of one text are not known to be."
    ),
    "rules": (
        "Measured while the rules steered the same windows. Strengths are solved in each row where rules fire, so a "
        "promise met here says nothing of other texts. `rules check` says what every row can meet."
    ),
}

VERDICTS: dict[str, str] = {
    "guaranteed": "guaranteed by the weights, and kept in every measured row that it asks for",
    "kept": "kept as measured, NOT GUARANTEED: nothing follows for other texts",
    "broken": "broken as measured",
    "undecided": "NOT DECIDED: rounding leaves open whether some measured rows keep it",
}

# What the weights say of a promise.
WEIGHTS: dict[str, str] = {
    "guaranteed": "guaranteed for every text",
    "not guaranteed": "NOT GUARANTEED by the weights",
    "not decided": "NOT DECIDED from the weights",
}

LIMITS: tuple[str, ...] = (
    "A report says what was decided about one model and one text. It is no statement about the model's answers.",
    "Rows without a key off their block have fidelity 1 and are not counted.",
    "The content hash detects damage and edits; it is not a cryptographic signature. Only `--verify`, which measures "
    "again, shows that the numbers are those of the model.",
)

# The statements that a report cites, and their status in this version. `localist verify --strict` decides them again;
# an audit does not.
STATUSES: dict[str, str] = {
    "A1": "kernel-checked",
    "A2": "kernel-checked",
    "A3": "kernel-checked",
    "A4": "kernel-checked",
    "A5": "kernel-checked",
    "A7": "kernel-checked",
    "A8": "kernel-checked",
    "B1": "kernel-checked",
    "B2": "kernel-checked",
    "E1": "kernel-checked",
    "E2": "kernel-checked",
    "H4": "kernel-checked",
    "H5": "certified",
}
