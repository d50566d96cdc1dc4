"""Screens millions of rows in float64, with a derived rounding-error bound on every number."""
