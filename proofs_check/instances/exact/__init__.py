"""Exact numbers, and what every kind of instance has."""
