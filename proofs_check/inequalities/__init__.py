"""Proves or refutes an inequality over a box of real numbers; knows nothing of attention."""
