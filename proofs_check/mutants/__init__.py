"""Mutants planted on every method, each of which the method must refute."""
