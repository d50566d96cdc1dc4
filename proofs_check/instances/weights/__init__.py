"""Instances of the statements about weights and their training."""
