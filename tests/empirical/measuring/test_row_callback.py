"""`localist.LocalistCallback`: rows of training steps in the logs of the transformers Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import tiny_decoder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import one_thread  # noqa: F401
from transformers import Trainer, TrainingArguments

import localist
from theory.errors import DomainError

TOKENS = torch.randint(3, 90, (16, 40), generator=torch.Generator().manual_seed(1))


class _Texts(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return len(TOKENS)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": TOKENS[index], "labels": TOKENS[index]}


def _trainer(folder: Path, **options: Any) -> Trainer:
    arguments = TrainingArguments(
        str(folder),
        per_device_train_batch_size=4,
        max_steps=4,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        **{"logging_steps": 100} | options,
    )
    return Trainer(tiny_decoder("llama"), arguments, train_dataset=_Texts())


def test_rows_of_sampled_steps_reach_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "events"))
    trainer = _trainer(tmp_path, report_to="tensorboard", learning_rate=1e-3)
    trainer.add_callback(localist.LocalistCallback(trainer, block=8, every=2))
    trainer.train()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    for layer in range(2):
        fidelity = events.Scalars(f"train/localist/layer_{layer}/fidelity")
        leak = events.Scalars(f"train/localist/layer_{layer}/leak")
        assert [each.step for each in fidelity] == [1, 3]
        for one, other in zip(fidelity, leak, strict=True):
            assert one.value + other.value == pytest.approx(1, abs=1e-5)
    assert trainer.model.config._attn_implementation == "eager"


def test_logged_numbers_are_those_of_the_steps_batch(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, report_to=[], learning_rate=0.0, data_seed=0)
    trainer.add_callback(localist.LocalistCallback(trainer, block=8, every=3))
    trainer.train()
    logged = [each for each in trainer.state.log_history if "localist/layer_0/entropy" in each]
    assert [each["step"] for each in logged] == [1, 4]
    # The learning rate is 0, so the model is the one that was trained.
    batches = list(trainer.get_train_dataloader())
    found = []
    for batch in batches:
        with torch.no_grad(), localist.watch(trainer.model, block=8) as rows:
            trainer.model(input_ids=batch["input_ids"])
        found.append(rows.frame().groupby("layer")["entropy"].mean()[0])
    assert min(abs(logged[0]["localist/layer_0/entropy"] - each) for each in found) < 1e-5
    assert np.ptp(found) > 1e-3, "the comparison must be able to fail"


def test_the_loss_is_logged_at_sampled_steps_too(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, report_to=[], logging_steps=1)
    trainer.add_callback(localist.LocalistCallback(trainer, block=8, every=2))
    trainer.train()
    assert [each["step"] for each in trainer.state.log_history if "loss" in each] == [1, 2, 3, 4]


def test_gradients_do_not_depend_on_the_callback(tmp_path: Path) -> None:
    weights = []
    for watched in (False, True):
        trainer = _trainer(tmp_path, report_to=[], learning_rate=0.1, optim="sgd")
        if watched:
            trainer.add_callback(localist.LocalistCallback(trainer, block=8, every=1))
        trainer.train()
        weights.append(trainer.model.model.layers[0].self_attn.q_proj.weight.detach().clone())
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)


def test_an_interval_below_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="every 0 must be at least 1"):
        localist.LocalistCallback(_trainer(tmp_path, report_to=[]), block=8, every=0)
