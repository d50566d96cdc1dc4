"""Mutants tried on every method, which the method must refute."""
