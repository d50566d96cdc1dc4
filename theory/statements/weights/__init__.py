"""Statements about the weights of a head and their training (C1-C5, C7)."""
