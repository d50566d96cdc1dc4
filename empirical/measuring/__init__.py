"""Measures a trained model against its bounds, and times the cost of measuring."""
