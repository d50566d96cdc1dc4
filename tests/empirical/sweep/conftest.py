"""A sweep that runs in seconds, loaded from its file, and the same one run."""

import pytest
from sweeps import TINY

from empirical.sweep.plan import load_sweep
from empirical.sweep.sweep import sweep
from empirical.training.corpus import python_topics


@pytest.fixture(scope="session")
def tiny_sweep(tmp_path_factory):
    """Writes SWEEP.toml to a folder and loads it. Every sweep reads the same short text."""
    text = tmp_path_factory.mktemp("text") / "text.txt"
    text.write_text("\n\n".join(python_topics())[:40000])

    def load(folder, settings=TINY, corpus=True):
        path = folder / "SWEEP.toml"
        path.write_text(settings + f'[corpus]\ntext = ["{text}"]\n' * corpus)
        return load_sweep(path)

    return load


@pytest.fixture(scope="session")
def whole(tmp_path_factory, tiny_sweep):
    """The sweep run without an interruption. Tests that write into its folder leave the same numbers there."""
    folder = tmp_path_factory.mktemp("sweep")
    return sweep(tiny_sweep(folder), folder / "out", progress=False)
