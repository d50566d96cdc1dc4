"""Falsehoods planted on every road, each of which the road must refute."""
