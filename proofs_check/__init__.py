"""Decides the statements of `theory` by independent methods."""
