"""Rows by the million in float64, every number with a derived bound on its rounding error."""
