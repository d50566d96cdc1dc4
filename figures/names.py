"""Names of the figures, which the command line lists without loading matplotlib."""

NAMES = ("thresholds", "leak", "entropy", "dial", "layers", "schedules")
# Drawn from random rows that a seed chooses, and from theory alone; the others need records.
RANDOM = ("leak", "entropy")
MADE = ("thresholds", *RANDOM)
