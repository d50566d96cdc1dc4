"""The settings of a run reach the Trainer, and a resumed run continues from its checkpoint's state."""

import json

import pytest
import torch
from tiny import one_thread, tiny  # noqa: F401
from transformers import TrainerCallback

from empirical.training.callbacks import Limits, stored_attributes
from empirical.training.checkpoints import newest_checkpoint, seal
from empirical.training.train import ADAM_BETAS, LocalistTrainer, _arguments, train, training_summary


class Cut(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 2:
            raise InterruptedError


@pytest.mark.parametrize(
    ("limits", "steps"), [({"steps": 4}, 4), ({"steps": None, "max_seconds": 500.0}, 2), ({"max_seconds": 500.0}, 2)]
)
def test_time_limit_counts_time_before_a_kill(tmp_path, limits, steps):
    config = tiny(training={"checkpoint_steps": 1, **limits})
    with pytest.raises(InterruptedError):
        train(config, tmp_path / "run", progress=False, watchers=[Cut()])
    checkpoint = newest_checkpoint(tmp_path / "run")
    assert checkpoint.name == "checkpoint-1"
    path = checkpoint / "trainer_state.json"
    state = json.loads(path.read_text())
    assert 0 < stored_attributes(checkpoint, Limits)["elapsed"] < 500
    state["stateful_callbacks"]["Limits"]["attributes"]["elapsed"] = 600.0
    path.write_text(json.dumps(state))
    seal(checkpoint)
    train(config, tmp_path / "run", resume=True, progress=False)
    summary = training_summary(tmp_path / "run")
    assert 600 < summary["seconds"] < 1000
    assert summary["steps"] == steps


def test_settings_reach_the_trainer(tmp_path):
    config = tiny(
        seed=7,
        training={
            "steps": 11,
            "batch": 3,
            "learning_rate": 0.25,
            "warmup_steps": 5,
            "weight_decay": 0.125,
            "optimizer": "sgd",
            "checkpoint_steps": 6,
        },
    )
    found = _arguments(config, tmp_path)
    assert found.output_dir == str(tmp_path / "checkpoints")
    assert (found.max_steps, found.per_device_train_batch_size, found.learning_rate) == (11, 3, 0.25)
    assert (found.warmup_steps, found.weight_decay) == (5, 0.125)
    assert (found.adam_beta1, found.adam_beta2) == ADAM_BETAS
    assert (found.seed, found.data_seed) == (7, 7)
    assert (found.optim, found.lr_scheduler_type) == ("sgd", "linear")
    assert (found.save_strategy, found.save_steps, found.save_total_limit) == ("steps", 6, 2)
    assert not found.bf16
    assert not found.remove_unused_columns
    other = _arguments(tiny(training={"steps": None, "max_seconds": 5.0}), tmp_path)
    assert (other.optim, other.lr_scheduler_type, other.save_strategy) == ("adamw_torch", "constant_with_warmup", "no")
    assert other.max_steps > 10**6
    assert _arguments(tiny(training={"precision": "bfloat16"}), tmp_path).bf16


def test_penalty_adds_mean_leak_to_training_loss_only(tmp_path, monkeypatch):
    """The loss is the model's plus the objective's; the logged mass is that of the objective."""
    seen = []
    ordinary = LocalistTrainer.compute_loss

    def watching(self, model, inputs, *args, **kwargs):
        loss = ordinary(self, model, inputs, *args, **kwargs)
        with torch.no_grad():
            # Trainer passes a token count, by which the model's loss is divided.
            own, mean = float(model(**inputs, **kwargs).loss), float(model(**inputs).loss)
            model.eval()
            plain = float(ordinary(self, model, inputs))
            model.train()
        seen.append((float(loss.detach()), own, mean, plain))
        return loss

    monkeypatch.setattr(LocalistTrainer, "compute_loss", watching)
    config = tiny(objective={"off_block_penalty": 2.0}, training={"steps": 1})
    folder = train(config, tmp_path / "run", progress=False)
    ((whole, own, mean, in_evaluation),) = seen
    (entry,) = training_summary(folder)["losses"]
    assert entry["leak"] > 0.05
    assert whole == pytest.approx(own + 2.0 * entry["leak"], rel=1e-5)
    assert in_evaluation == pytest.approx(mean, rel=1e-6)
    assert own == pytest.approx(mean, rel=1 / 32)
    assert entry["loss"] == pytest.approx(whole, rel=1e-3)
