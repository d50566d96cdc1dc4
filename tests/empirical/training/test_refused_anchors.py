"""`train --anchors` refuses choices without effect and anchors of no use."""

import pytest
from anchor_files import anchor_file
from tiny import Layer, one_thread, tiny  # noqa: F401

from empirical.config import run_config
from empirical.training.train import train
from theory.errors import DomainError, InputError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"anchor_fidelity": 0.5}, "anchor_fidelity has no effect without anchors: give that too"),
        ({"anchor_weight": 1.0}, "anchor_weight has no effect without anchors: give that too"),
        ({"anchors": "A", "anchor_fidelity": 1.0}, r"objective\.anchor_fidelity=1\.0: Input should be less than 1"),
        ({"anchors": "A", "anchor_weight": 0.0}, r"objective\.anchor_weight=0\.0: Input should be greater than 0"),
    ],
)
def test_choices_without_effect_are_refused(values, message):
    with pytest.raises(DomainError, match=message):
        run_config({"objective": values})


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        (None, "cannot read .*: No such file or directory"),
        ({"x": ["?the"]}, "no anchor is confirmed"),
        ({"x": ["unheardof", "never"]}, "none of its 2 confirmed anchors is a token of the tokenizer"),
        # A part of a character, which many tokens have as their text.
        ({"x": ["\ufffd"]}, "none of its 1 confirmed anchors is a token"),
        # Ends a text, and is a token without any other meaning.
        ({"x": ["\x00"]}, "no row of the training text sees an anchor of its own block"),
    ],
)
def test_anchors_of_no_use_are_refused(tmp_path, anchors, message):
    path = tmp_path / "A.json"
    if anchors is not None:
        anchor_file(path, anchors)
    with pytest.raises(InputError, match=rf"A\.json.*{message}|{message}") as refused:
        train(tiny(objective={"anchors": str(path)}), tmp_path / "run", progress=False)
    assert "A.json" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
