"""Settings of a run: a wrong one is refused with its value and rule, and all survive saving."""

import inspect

import pytest

from empirical.config import RunConfig, anchored, load_config, run_config, save_config
from empirical.settings import checked
from empirical.sweep.plan import plain, sweep_config
from empirical.training.command import train as command
from theory.errors import DomainError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "modle is not an option"),
        ({"corpus": {"builtin": "novels"}}, "corpus.builtin='novels'"),
        ({"corpus": {"text": ["a"], "dataset": "b"}}, "text and dataset exclude each other"),
        ({"corpus": {"held_out": 0.6}}, "corpus.held_out=0.6: .*less than or equal to 0.5"),
        ({"corpus": {"packages": ["numpy"]}}, "packages has no effect without builtin 'packages'"),
        ({"corpus": {"builtin": "topics", "dataset": "b"}}, "builtin and dataset exclude each other"),
        ({"corpus": {"builtin": "docstrings", "text": ["a"]}}, "builtin and text exclude each other"),
        ({"corpus": {"subset": "small"}}, "subset chooses a part of a dataset: give dataset too"),
        ({"corpus": {"split": "train[:5]", "text": ["a"]}}, "split chooses a part of a dataset"),
        ({"corpus": {"column": "text"}}, "column chooses a part of a dataset"),
        ({"objective": {"floor_weight": 1.0}}, "floor_weight has no effect without fidelity_floor: give that too"),
        ({"objective": {"feature_blocks": 4}}, "feature_blocks has no effect without group_penalty above 0: give that"),
        ({"objective": {"feature_blocks": 4, "group_penalty": 0.0}}, "feature_blocks has no effect without group_pen"),
        ({"objective": {"norms_every": 4}}, "norms_every has no effect without group_penalty above 0: give that"),
        ({"locality": {"largest_dial": 0.9}}, "largest_dial 0.9 has no effect with schedule 'distributed', whose"),
        ({"locality": {"schedule": "distributed", "largest_dial": 0.0}}, "largest_dial 0 has no effect with schedule"),
        *(
            ({"locality": {"block": 16, "blocks": kind}}, f"block 16 has no effect on blocks '{kind}': leave it out")
            for kind in ("sentences", "paragraphs")
        ),
        ({"locality": {"block": 16, "blocks": "file", "block_file": "a"}}, "block 16 has no effect on blocks 'file'"),
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
def test_wrong_setting_names_value_and_rule(values, message):
    with pytest.raises(DomainError, match=message) as caught:
        run_config(values)
    assert "\n" not in str(caught.value)


def test_configuration_survives_saving(tmp_path):
    for choices in ({"corpus": {"text": ["a.txt"]}}, {"model": {"pretrained": "gpt2"}, "corpus": {"dataset": "b"}}):
        config = run_config({"seed": 4, "locality": {"schedule": "cubic"}, **choices})
        save_config(config, tmp_path / "run.json")
        assert load_config(tmp_path / "run.json") == config


def test_recorded_shape_with_pretrained_weights_is_kept(tmp_path):
    """The tasks of a sweep start from weights whose shape the sweep chose."""
    chosen = run_config({"model": {"layers": 2, "vocabulary": 300}})
    config = chosen.model_copy(update={"model": chosen.model.model_copy(update={"pretrained": "base"})})
    save_config(config, tmp_path / "run.json")
    again = load_config(tmp_path / "run.json")
    assert again == config
    assert (again.model.layers, again.model.vocabulary) == (2, 300)


@pytest.mark.parametrize(
    "values",
    [
        {"locality": {"schedule": "linear", "largest_dial": 0.5}},
        {"objective": {"group_penalty": 0.1, "feature_blocks": 4}},
        {"objective": {"fidelity_floor": 0.1, "floor_weight": 4.0}},
        {"locality": {"blocks": "windows", "block": 4}},
        {"locality": {"blocks": "segments", "block": 4}, "model": {"pretrained": "gpt2"}},
        {"locality": {"blocks": "sentences"}},
    ],
)
def test_accepts_settings_that_have_an_effect(values):
    config = run_config(values)
    # A record lists every setting, also those without effect.
    assert run_config(config.model_dump(mode="json"), recorded=True) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature_blocks": 4}, r"^--feature-blocks has no effect without group_penalty above 0: give that too$"),
        ({"largest_dial": 0.5}, r"^--largest-dial 0\.5 has no effect with schedule 'distributed', whose dials are 0:"),
        (
            {"largest_dial": 0.5, "schedule": "distributed"},
            r"^--largest-dial 0\.5 has no effect with --schedule 'distributed'",
        ),
        ({"block": 8, "blocks": "sentences"}, r"^--block 8 has no effect on --blocks 'sentences': leave it out$"),
        ({"largest_dial": 1.5, "schedule": "cubic"}, r"^--largest-dial 1\.5: Input should be less than or equal to 1$"),
        ({"layers": 3, "model": "gpt2"}, r"^--layers is decided by the weights of gpt2: leave it out$"),
        ({"dataset": "a", "package": ["b"]}, r"^--package and --dataset exclude each other$"),
        ({"builtin": "topics", "package": ["b"]}, r"^--package has no effect without --builtin 'packages'$"),
        ({"width": 30}, r"^--width 30 must be a multiple of heads 4$"),
        ({"block": 300}, r"^--block 300 must be below the context 256: no row"),
        ({"group_penalty": 1.0, "feature_blocks": 7}, r"^--feature-blocks 7 must divide the width 128$"),
        ({"seed": -1}, r"^--seed -1: Input should be greater than or equal to 0$"),
        ({"schedule": "steep"}, r"^--schedule 'steep': must be one of distributed,"),
        ({"resume": True, "model": "gpt2"}, r"^--resume keeps the run's own configuration: drop --model$"),
        ({"resume": True, "package": ["b"]}, r"drop --package$"),
        ({"resume": True, "seed": 3}, r"drop --seed$"),
    ],
)
def test_error_names_the_option_as_typed_and_leaves_no_files(tmp_path, options, message):
    with pytest.raises(DomainError, match=message) as caught:
        command(run=tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_error_names_a_file_setting_by_its_place(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[locality]\nlargest_dial = 2.0\n")
    with pytest.raises(DomainError, match=rf"^{path}: locality\.largest_dial=2\.0: Input should be less"):
        command(run=tmp_path / "run", config=path, block=8)
    path.write_text("[objective]\nfeature_blocks = 4\n")
    with pytest.raises(DomainError, match=rf"^{path}: objective: feature_blocks has no effect without group_penalty"):
        command(run=tmp_path / "run", config=path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objective": {"feature_blocks": 4}}, "feature_blocks has no effect without group_penalty above 0"),
        ({"locality": {"block": 4, "blocks": "paragraphs"}}, "block 4 has no effect on blocks 'paragraphs'"),
        ({"locality": {"largest_dial": 0.4}}, "locality.largest_dial is what a sweep varies"),
        ({"configurations": ["distributed"], "largest_dial": 0.5}, "largest_dial has no effect on 'distributed' alone"),
        ({"configurations": ["distributed"], "mean_dial": 0.0}, "mean_dial has no effect on 'distributed' alone"),
        (
            {"model": {"pretrained": "gpt2"}, "base": {"steps": 3}},
            "base is not trained if the tasks start from gpt2",
        ),
        ({"mean_dial": 0.95}, r"mean_dial 0\.95 must be at most largest_dial 0\.9"),
        ({"mean_dial": 0.4, "largest_dial": 0.3, "model": {"pretrained": "gpt2"}}, "must be at most largest_dial 0.3"),
        ({"mean_dial": 0.5}, "of 4 layers. Give a smaller mean_dial, or leave it out"),
    ],
)
def test_sweep_refuses_settings_without_effect(values, message):
    with pytest.raises(DomainError, match=message) as caught:
        sweep_config(values, "S.toml")
    assert str(caught.value).startswith("S.toml: ")
    assert "\n" not in str(caught.value)


def test_mean_dial_may_equal_the_largest_dial():
    config = sweep_config({"configurations": ["distributed", "localist"], "mean_dial": 0.9})
    assert sweep_config(plain(config), recorded=True) == config


def test_braces_in_a_value_name_no_setting():
    with pytest.raises(DomainError, match=r"^here: locality\.schedule='\{block\}': must be one of"):
        checked(RunConfig, {"locality": {"schedule": "{block}"}}, "here", typed={"locality.block": "--block"})


def test_paths_become_absolute_and_hub_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    config = run_config(
        {
            "model": {"pretrained": "weights"},
            "corpus": {"text": ["a.txt", "../b.txt", "/c.txt"]},
            "locality": {"blocks": "file", "block_file": "marks.json"},
        }
    )
    whole = anchored(config)
    assert whole.model.pretrained == str(tmp_path / "weights")
    assert whole.corpus.text == (str(tmp_path / "a.txt"), str(tmp_path.parent / "b.txt"), "/c.txt")
    assert whole.locality.block_file == str(tmp_path / "marks.json")
    monkeypatch.chdir("/")
    assert anchored(whole) == whole
    hub = run_config({"model": {"pretrained": "gpt2"}, "corpus": {"dataset": "weights"}})
    assert anchored(hub) == hub
    monkeypatch.chdir(tmp_path)
    assert anchored(hub).corpus.dataset == str(tmp_path / "weights")
    assert anchored(hub).model.pretrained == "gpt2"
    plan = sweep_config({"corpus": {"text": ["a.txt"]}})
    assert anchored(plan).corpus.text == (str(tmp_path / "a.txt"),)


def test_command_has_an_option_for_every_described_setting():
    described = {
        name
        for part in (RunConfig, *(field.annotation for field in RunConfig.model_fields.values()))
        for name, field in getattr(part, "model_fields", {}).items()
        if field.description
    }
    options = set(inspect.signature(command).parameters)
    own = {"run", "more_text", "config", "resume", "as_json"}
    assert options - own == {{"pretrained": "model", "packages": "package"}.get(name, name) for name in described}
    assert len(described) >= 30


def test_command_refuses_an_unknown_setting(tmp_path):
    with pytest.raises(DomainError, match="layer is not an option of train"):
        command(tmp_path / "run", layer=2)
    assert not (tmp_path / "run").exists()
