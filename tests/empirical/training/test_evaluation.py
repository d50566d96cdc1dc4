"""Evaluation during training: its numbers are those of measuring, and it leaves training as it is."""

import json

import pytest
import torch
from pretrained import stock, trained
from safetensors.torch import load_file
from tiny import one_thread, tiny  # noqa: F401
from transformers import TrainerCallback

from empirical.measuring.measure import measure
from empirical.training.corpus import CorpusConfig, load_corpus, train_tokenizer
from empirical.training.evaluation import SEQUENCES, evaluations
from empirical.training.train import train, training_summary
from empirical.training.trainer import DivergedError

TRAINING = {"steps": 12, "evaluate_every": 4}


@pytest.mark.parametrize("blocks", ["windows", "sentences"])
def test_numbers_are_those_of_measuring(tmp_path, blocks):
    """The last evaluation is after the last step, with the weights of the finished run."""
    config = tiny(locality={"blocks": blocks}, training=TRAINING)
    folder = train(config, tmp_path / "run", progress=False)
    found = training_summary(folder)["evaluations"]
    assert [each["step"] for each in found] == [4, 8, 12]
    records = measure(folder, sequences=SEQUENCES, progress=False)
    (measured,) = records.manifest["passes"]
    assert found[-1]["held_out_loss"] == pytest.approx(measured["loss"], rel=1e-5)
    means = records.rows.groupby("layer")[["entropy_mean", "fidelity_mean"]].mean()
    assert found[-1]["entropy"] == pytest.approx(means["entropy_mean"].tolist(), rel=1e-4)
    assert found[-1]["fidelity"] == pytest.approx(means["fidelity_mean"].tolist(), rel=1e-4)
    assert found[0]["held_out_loss"] > found[-1]["held_out_loss"] + 0.01, "the comparison must be able to fail"


@pytest.mark.slow
def test_training_goes_on_as_without_it(tmp_path):
    """Also with dropout, whose random numbers must stay the same."""
    weights = []
    for name, chosen in (("with", {"evaluate_every": 5}), ("without", {})):
        config = tiny(model={"dropout": 0.2}, training={"steps": 20, **chosen})
        folder = train(config, tmp_path / name, progress=False)
        weights.append(load_file(folder / "model.safetensors"))
        summary = training_summary(folder)
        assert ("evaluations" in summary) == (name == "with")
        # Every tenth step, evaluated or not.
        assert [each["step"] for each in summary["losses"]] == [10, 20]
    for name in weights[0]:
        assert torch.equal(weights[0][name], weights[1][name]), name


def test_another_decoder_is_evaluated_with_its_sinks(tmp_path):
    tokenizer = train_tokenizer(load_corpus(CorpusConfig()).training, 300)
    folder = trained(tmp_path / "run", stock(tmp_path / "stock", "gpt_oss", tokenizer), training={"evaluate_every": 3})
    (found,) = training_summary(folder)["evaluations"]
    records = measure(folder, sequences=SEQUENCES, progress=False)
    means = records.rows.groupby("layer")[["entropy_mean", "fidelity_mean"]].mean()
    assert found["entropy"] == pytest.approx(means["entropy_mean"].tolist(), rel=1e-4)
    assert found["fidelity"] == pytest.approx(means["fidelity_mean"].tolist(), rel=1e-4)


class Spoil(TrainerCallback):
    """Makes a weight NaN after the fourth step."""

    def on_optimizer_step(self, args, state, control, model=None, **kwargs):
        if state.global_step == 3:
            model.get_input_embeddings().weight.data[:] = torch.nan


def test_a_loss_that_is_no_number_is_one_line(tmp_path):
    with pytest.raises(DivergedError, match=r"^the held-out loss is nan at step 4\. Try a smaller --learning-rate\.$"):
        train(tiny(training=TRAINING), tmp_path / "run", progress=False, watchers=[Spoil()])


def test_layers_keep_their_order_in_a_sorted_checkpoint():
    entry = {"step": 3, "held_out_loss": 2.5, "epoch": 0.5}
    entry |= {f"localist/layer_{layer}/{name}": layer for layer in range(12) for name in ("entropy", "fidelity")}
    history = [{"step": 3, "loss": 1.0}, json.loads(json.dumps(entry, sort_keys=True))]
    (found,) = evaluations(history)
    assert found == {"step": 3, "held_out_loss": 2.5, "entropy": list(range(12)), "fidelity": list(range(12))}
