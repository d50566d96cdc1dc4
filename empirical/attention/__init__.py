"""Localist attention inside fused attention, and the numbers of every attention row."""
