"""Names of the figures, which the command line lists without loading matplotlib."""

NAMES = (
    "thresholds",
    "depth",
    "phases",
    "selection",
    "rowdial",
    "leak",
    "entropy",
    "anchors",
    "dial",
    "layers",
    "heads",
    "measured",
    "maps",
    "paths",
    "schedules",
    "frontier",
    "rules",
    "unseen",
    "cost",
)
# Drawn from random rows that a seed chooses, and from theory alone; the others need records.
RANDOM = ("leak", "entropy")
MADE = ("thresholds", "depth", "phases", "selection", "anchors", *RANDOM)
# Of these, drawn with recorded rows too if there are any.
JOINED = RANDOM
