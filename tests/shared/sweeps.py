"""A sweep that runs in seconds, and the numbers in which two sweeps must agree."""

import json

TINY = """
seeds = [0, 1]
configurations = ["distributed", "quintic"]
measure_sequences = 2
[model]
layers = 2
heads = 2
width = 16
context = 32
vocabulary = 300
[locality]
block = 4
[base]
steps = 3
batch = 4
[training]
steps = 4
batch = 4
"""


def numbers(folder):
    """Numbers of a sweep that interruptions must not change."""
    tasks = json.loads((folder / "manifest.json").read_text())["tasks"]
    kept = [{name: task[name] for name in ("name", "loss", "violations", "weights_sha256")} for task in tasks]
    return kept, (folder / "summary.csv").read_bytes(), (folder / "rows.parquet").read_bytes()
