"""A sweep with anchors: its tasks train towards them, and a changed file is refused."""

import json

import pytest
from anchor_files import anchor_file
from tiny import one_thread  # noqa: F401

from empirical.sweep.plan import sweep_config
from empirical.sweep.sweep import sweep
from theory.errors import InputError


def test_tasks_of_a_sweep_keep_one_file_of_anchors(tmp_path):
    path = anchor_file(tmp_path / "A.json", {"article": ["the"]})
    values = {
        "configurations": ["distributed"],
        "seeds": [0],
        "measure_sequences": 1,
        "model": {"layers": 1, "heads": 2, "width": 16, "context": 32, "vocabulary": 400},
        "locality": {"block": 8},
        "objective": {"anchors": str(path)},
        "base": {"steps": 1},
        "training": {"steps": 1},
    }
    folder = tmp_path / "sweep"
    sweep(sweep_config(values), folder, progress=False)
    about = json.loads((folder / "tasks" / "distributed-0-0" / "anchor_tokens.json").read_text())
    assert about["file"] == str(path)
    assert not (folder / "base" / "anchor_tokens.json").exists()
    sweep(sweep_config(values), folder, progress=False)
    anchor_file(path, {"other": ["of"]})
    more = sweep_config(values | {"seeds": [0, 1]})
    with pytest.raises(InputError, match=r"distributed-0-0 was started with other anchors: .* has changed since"):
        sweep(more, folder, progress=False)
    assert not (folder / "tasks" / "distributed-0-1").exists()
    path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*A\.json"):
        sweep(more, tmp_path / "other", progress=False)
    assert not (tmp_path / "other" / "base").exists()
