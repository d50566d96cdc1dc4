"""Sequences of the simulations in tests."""

CONTEXT, BLOCK, SEQUENCES = 48, 6, 6
