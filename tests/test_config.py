"""Choices of a run: each wrong one is named with its law, and all survive their file."""

import pytest

from empirical.config import load_config, run_config, save_config
from theory.errors import DomainError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "modle is not an option"),
        ({"corpus": {"builtin": "novels"}}, "corpus.builtin='novels'"),
        ({"corpus": {"text": ["a"], "dataset": "b"}}, "text and dataset exclude each other"),
        ({"corpus": {"held_out": 0.6}}, "corpus.held_out=0.6: .*less than or equal to 0.5"),
        ({"corpus": {"packages": ["numpy"]}}, "packages go with builtin 'packages'"),
        ({"corpus": {"builtin": "topics", "dataset": "b"}}, "builtin and dataset exclude each other"),
        ({"corpus": {"builtin": "docstrings", "text": ["a"]}}, "builtin and text exclude each other"),
        ({"corpus": {"subset": "small"}}, "subset chooses a part of a dataset: give dataset too"),
        ({"corpus": {"split": "train[:5]", "text": ["a"]}}, "split chooses a part of a dataset"),
        ({"corpus": {"column": "text"}}, "column chooses a part of a dataset"),
        ({"objective": {"floor_weight": 1.0}}, "floor_weight weights a fidelity_floor: give that too"),
        ({"model": {"depth": 3}}, "model.depth is not an option"),
        ({"model": {"layers": 0}}, "model.layers=0: .*greater than or equal to 1"),
        ({"model": {"width": 30, "heads": 4}}, "width 30 must be a multiple of heads 4"),
        ({"locality": {"schedule": "steep"}}, "locality.schedule='steep': must be one of distributed"),
        ({"locality": {"largest_dial": 1.2}}, "locality.largest_dial=1.2: .*less than or equal to 1"),
        ({"locality": {"temperature": 0}}, "locality.temperature=0: .*greater than 0"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate=nan: .*finite"),
        ({"training": {"steps": None}}, "training: give steps or max_seconds"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_a_wrong_choice_names_value_and_law(values, message):
    with pytest.raises(DomainError, match=message) as caught:
        run_config(values)
    assert "\n" not in str(caught.value)


def test_configuration_survives_its_file(tmp_path):
    for choices in ({"corpus": {"text": ["a.txt"]}}, {"model": {"pretrained": "gpt2"}, "corpus": {"dataset": "b"}}):
        config = run_config({"seed": 4, "locality": {"schedule": "cubic"}, **choices})
        save_config(config, tmp_path / "run.json")
        assert load_config(tmp_path / "run.json") == config


def test_a_shape_that_was_recorded_beside_pretrained_weights_is_kept(tmp_path):
    """A sweep's task starts from weights whose shape its sweep had chosen."""
    chosen = run_config({"model": {"layers": 2, "vocabulary": 300}})
    config = chosen.model_copy(update={"model": chosen.model.model_copy(update={"pretrained": "base"})})
    save_config(config, tmp_path / "run.json")
    again = load_config(tmp_path / "run.json")
    assert again == config
    assert (again.model.layers, again.model.vocabulary) == (2, 300)
