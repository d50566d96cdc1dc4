"""LoRA: adapters train in place of the weights, and the run holds the merged weights."""

import json
import sys
import tomllib

import pytest
import torch
from pretrained import stock, trained
from repository import ROOT
from safetensors.torch import load_file
from tiny import one_thread  # noqa: F401
from transformers import TrainerCallback

from empirical.config import run_config
from empirical.measuring.generate import generate
from empirical.measuring.measure import measure
from empirical.training.base import load_base
from empirical.training.corpus import CorpusConfig, load_corpus, load_tokenizer, train_tokenizer
from empirical.training.lora import Adapters
from empirical.training.train import RUN_FILES, train, training_summary
from localist import extras

LORA = {"lora_rank": 2, "learning_rate": 0.02, "steps": 6}
# The modules that give queries, keys and values in a layer.
ADAPTED = {
    "gpt2": ["transformer.h.0.attn.c_attn"],
    "llama": [f"model.layers.0.self_attn.{name}_proj" for name in ("k", "q", "v")],
    "gpt_neox": ["gpt_neox.layers.0.attention.query_key_value"],
    # Whose heads share a norm: adapters need no head's own weights.
    "olmo2": [f"model.layers.0.self_attn.{name}_proj" for name in ("k", "q", "v")],
}


@pytest.mark.parametrize("family", ADAPTED)
def test_adapters_train_and_are_merged(tmp_path, family):
    tokenizer = train_tokenizer(load_corpus(CorpusConfig()).training, 300)
    weights = stock(tmp_path / "stock", family, tokenizer)
    folder = trained(tmp_path / "run", weights, training=LORA)
    written = {each.name for each in folder.iterdir()}
    assert written | {"groups.json", "anchor_tokens.json", "checkpoints", "generation_config.json"} == set(RUN_FILES)
    adapters = json.loads((folder / "lora.json").read_text())
    assert (adapters["rank"], adapters["alpha"], adapters["dropout"]) == (2, 2, 0.0)
    assert [name for name in adapters["modules"] if ".0." in name] == ADAPTED[family]
    before, after = (load_file(path / "model.safetensors") for path in (weights, folder))
    assert before.keys() == after.keys()
    for name in before:
        change = (after[name] - before[name]).double()
        if name.removesuffix(".weight") in adapters["modules"]:
            singular = torch.linalg.svdvals(change)
            assert singular[1] > 1e-4
            assert singular[2] < 1e-5 * singular[0], "a product of rank 2"
        else:
            assert torch.equal(after[name], before[name]), name
    assert measure(folder, sequences=2, progress=False).violations == 0
    assert generate(folder, "The import statement", tokens=3)[0].dials == (0.0, 0.9)


def test_merged_weights_compute_what_the_adapters_did(tmp_path):
    weights = stock(tmp_path / "stock", "llama")
    config = run_config({"model": {"pretrained": str(weights), "context": 64}, "training": LORA})
    model = load_base(config, load_tokenizer(str(weights)))
    adapters = Adapters(model, 2, seed=0)
    for name, each in model.named_parameters():
        assert each.requires_grad == ("lora" in name)
        if "lora_B" in name:
            each.data.normal_()
    tokens = torch.arange(3, 40)[None]
    with torch.no_grad():
        apart = model(tokens).logits
        whole = adapters.merge()(tokens).logits
    torch.testing.assert_close(whole, apart, rtol=0, atol=1e-5)


class Cut(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 4:
            raise InterruptedError


@pytest.mark.slow
def test_resumed_adapters_continue(tmp_path):
    weights = stock(tmp_path / "stock", "llama")
    values = {
        "model": {"pretrained": str(weights), "context": 64},
        "locality": {"block": 8},
        "training": {**LORA, "batch": 4, "checkpoint_steps": 3},
    }
    whole = train(run_config(values), tmp_path / "whole", progress=False)
    with pytest.raises(InterruptedError):
        train(run_config(values), tmp_path / "cut", progress=False, watchers=[Cut()])
    cut = train(run_config(values), tmp_path / "cut", resume=True, progress=False)
    assert training_summary(cut)["steps"] == 6
    found, expected = (load_file(folder / "model.safetensors") for folder in (cut, whole))
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "M", "--lora-rank", "0"], "--lora-rank 0: must be greater than or equal to 1"),
        (["--lora-rank", "4"], "--lora-rank 4 trains adapters of pretrained weights: give a model too"),
        (
            ["--model", "M", "--lora-rank", "4", "--group-penalty", "2.5"],
            "--group-penalty 2.5 shrinks weights that --lora-rank 4 keeps as they are: leave one out",
        ),
        (["--accumulate", "0"], "--accumulate 0: must be greater than or equal to 1"),
        (["--evaluate-every", "0"], "--evaluate-every 0: must be greater than or equal to 1"),
    ],
)
def test_refuses_settings_without_meaning(tmp_path, line, options, message):
    assert line("train", tmp_path / "run", *options) == f"error: {message}"
    assert not (tmp_path / "run").exists()


def test_without_peft_the_extra_is_named(tmp_path, line, monkeypatch):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    listed = [f"{each}; extra == '{extra}'" for extra, needs in declared.items() for each in needs]
    monkeypatch.setattr(extras, "requires", lambda name: listed)
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.delitem(sys.modules, "empirical.training.lora")
    weights = stock(tmp_path / "stock", "llama")
    words = ("--model", weights, "--context", 64, "--block", 8, "--steps", 1)
    found = line("train", tmp_path / "run", *words, "--lora-rank", 2)
    assert found == "error: peft is not installed. Install it with pip install 'localist[lora]'"
    assert not (tmp_path / "run" / "run.json").exists()
