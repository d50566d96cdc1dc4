"""Checkers that miss firings or fire falsely, simulated: what rules keep under them, beside E3 and E4."""
