"""Figures drawn from `theory` and from recorded rows; nothing here trains."""
