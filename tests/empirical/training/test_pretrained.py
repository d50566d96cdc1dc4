"""Runs from pretrained weights: the settings that the weights decide, and unusable model folders."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tiny import one_thread  # noqa: F401
from transformers import GPT2Config, GPT2LMHeadModel, TrainerCallback

from empirical.config import run_config
from empirical.measuring.measure import measure
from empirical.model import load_model
from empirical.training.command import train as command
from empirical.training.corpus import CorpusConfig, load_corpus, train_tokenizer
from empirical.training.train import is_finished, train
from theory.errors import DomainError, InputError


def test_trains_pretrained_weights_from_a_folder(tmp_path):
    stock = tmp_path / "stock"
    GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=64, n_embd=32, n_layer=3, n_head=2)).save_pretrained(stock)
    tokenizer = train_tokenizer(load_corpus(CorpusConfig()).training, 300)
    tokenizer.save(str(stock / "tokenizer.json"))
    config = run_config(
        {
            "model": {"pretrained": str(stock), "context": 64},
            "locality": {"schedule": "quintic", "block": 8},
            "training": {"steps": 2, "learning_rate": 1e-9},
        }
    )
    folder = train(config, tmp_path / "run", progress=False)
    trained, start = load_file(folder / "model.safetensors"), load_file(stock / "model.safetensors")
    for name in start:
        torch.testing.assert_close(trained[name], start[name], rtol=0, atol=1e-6)
    assert load_model(folder).config.localist["schedule"] == "quintic"
    assert measure(folder, sequences=2, progress=False).violations == 0


def stock_weights(folder, **options):
    """Stock GPT-2 weights with a tokenizer; transformers' default dropout is 0.1."""
    shape = {"vocab_size": 300, "n_positions": 64, "n_embd": 32, "n_layer": 1, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**shape | options)).save_pretrained(folder)
    train_tokenizer(["a b c"], 290).save(str(folder / "tokenizer.json"))
    return folder


class Dropouts(TrainerCallback):
    """Records the model's dropouts during training."""

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        self.found = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}


PRETRAINED = {"locality": {"block": 8}, "training": {"steps": 1, "batch": 2}}


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_pretrained_weights_train_with_the_dropout_of_the_run(tmp_path, dropout):
    stock, noted = stock_weights(tmp_path / "stock"), Dropouts()
    config = run_config({"model": {"pretrained": str(stock), "context": 64, "dropout": dropout}, **PRETRAINED})
    folder = train(config, tmp_path / "run", progress=False, watchers=[noted])
    assert noted.found == {dropout}
    kept = load_model(folder).config
    assert {kept.resid_pdrop, kept.embd_pdrop, kept.attn_pdrop} == {dropout}
    assert load_model(stock).config.resid_pdrop == 0.1


def test_run_of_pretrained_weights_records_no_shape(tmp_path):
    stock = stock_weights(tmp_path / "stock")
    config = run_config({"model": {"pretrained": str(stock), "context": 64}, **PRETRAINED})
    folder = train(config, tmp_path / "run", progress=False)
    kept = json.loads((folder / "run.json").read_text())["model"]
    assert kept == {"pretrained": str(stock), "context": 64, "dropout": 0.0}
    assert train(config, folder, resume=True, progress=False) == folder


@pytest.mark.parametrize("option", ["layers", "heads", "width", "vocabulary"])
def test_refuses_a_shape_with_pretrained_weights(tmp_path, option):
    with pytest.raises(DomainError, match=f"{option} is decided by the weights of gpt2: leave it out$"):
        command(run=tmp_path / "run", model="gpt2", **{option: 512})
    settings = tmp_path / "run.toml"
    settings.write_text(f'[model]\npretrained = "gpt2"\n{option} = 512\n')
    with pytest.raises(DomainError, match=f"{option} is decided by the weights of gpt2: leave it out$"):
        command(run=tmp_path / "run", config=settings)


def test_feature_blocks_must_divide_the_width_of_loaded_weights(tmp_path):
    stock = stock_weights(tmp_path / "stock", n_embd=30)
    values = {"model": {"pretrained": str(stock), "context": 64}, **PRETRAINED}
    # 3 divides 30 but not the default width of 128; 8 divides 128 but not 30.
    for blocks, fits in ((3, True), (8, False)):
        config = run_config({**values, "objective": {"group_penalty": 1.0, "feature_blocks": blocks}})
        if fits:
            assert is_finished(train(config, tmp_path / "fits", progress=False))
            continue
        with pytest.raises(DomainError, match="feature_blocks 8 must divide the width 30"):
            train(config, tmp_path / "run", progress=False)
        assert not (tmp_path / "run" / "run.json").exists()


def broken_model(folder, damage):
    GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=64, n_embd=32, n_layer=1, n_head=2)).save_pretrained(folder)
    damage(folder)
    return folder


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "pickled weights are not read"),
        (lambda f: (f / "model.safetensors").write_bytes(b"junk"), "cannot load"),
        (lambda f: (f / "config.json").write_text("{"), "cannot load"),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps(json.loads((f / "config.json").read_text()) | {"n_layer": 2})
            ),
            "weights are missing",
        ),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps(json.loads((f / "config.json").read_text()) | {"localist": {"dials": [2]}})
            ),
            "cannot be used",
        ),
    ],
)
def test_unusable_model_folder_is_one_line(tmp_path, damage, message):
    with pytest.raises(InputError, match=message) as caught:
        load_model(broken_model(tmp_path / "model", damage))
    assert "\n" not in str(caught.value)


USABLE = {"dials": [0.5], "block": 8, "temperature": 1.0}


def with_settings(settings):
    """A function that puts these localist settings into a model folder's config."""

    def damage(folder):
        kept = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(kept | {"localist": settings}))

    return damage


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": "8"}, "block='8'"),
        ({"block": 0}, "block=0"),
        ({"block": 8.5}, "block=8.5"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": "1"}, "temperature='1'"),
        ({"temperature": 0}, "temperature=0"),
        ({"blocks": "foo"}, "blocks='foo'"),
        ({"dials": ["0.5"]}, r"dials.0='0.5'"),
        ({"dials": [True]}, "dials.0=True"),
        ({"dials": [float("nan")]}, "dials.0=nan"),
        ({"dials": [0.5, 0.5]}, "2 dials were given for 1 layers"),
        ({"dial": 1}, "dial is not an option"),
        (None, "valid dictionary"),
    ],
)
def test_refuses_model_settings_of_wrong_type_or_value(tmp_path, change, message):
    settings = [] if change is None else USABLE | change
    with pytest.raises(InputError, match=f"config.json cannot be used: .*{message}") as caught:
        load_model(broken_model(tmp_path / "model", with_settings(settings)))
    assert "\n" not in str(caught.value)


def test_valid_model_settings_are_kept(tmp_path):
    found = load_model(broken_model(tmp_path / "model", with_settings(USABLE | {"temperature": 2}))).config.localist
    assert found == USABLE | {"temperature": 2.0, "schedule": None, "blocks": "windows"}


def test_refuses_a_context_above_the_weights_positions(tmp_path):
    config = run_config({"model": {"pretrained": str(stock_weights(tmp_path / "model")), "context": 128}})
    with pytest.raises(DomainError, match="context 128 must be at most the 64 positions"):
        train(config, tmp_path / "run", progress=False)
