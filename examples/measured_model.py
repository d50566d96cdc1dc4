"""Train a very small localist GPT-2 and compare every attention row with its bounds."""

import tempfile
from pathlib import Path

import localist
from empirical.config import run_config
from empirical.training.train import train

config = run_config(
    {
        "model": {"layers": 2, "heads": 2, "width": 32, "context": 64, "vocabulary": 400},
        "locality": {"schedule": "linear", "largest_dial": 0.9, "block": 8},
        "training": {"steps": 40, "batch": 8, "learning_rate": 3e-3},
    }
)
with tempfile.TemporaryDirectory() as folder:
    run = train(config, Path(folder) / "run")
    records = localist.measure(run, sequences=8)

columns = ["layer", "head", "dial", "rows", "entropy_mean", "fidelity_mean", "violations"]
print(records.rows[columns].to_string(index=False))
print("rows that violate a bound:", int(records.rows["violations"].sum()))
