"""Sweeps: several configurations fine-tuned from one base model, measured and compared."""
