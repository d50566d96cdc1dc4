"""What users check and design: one row, a run file, a grid of run files."""
