"""Training under torchrun: logs cover the rows of all processes, and all processes stop after the same step."""

import multiprocessing
import os
import socket
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from tiny import one_thread, tiny  # noqa: F401
from transformers import TrainerControl, TrainerState

from empirical.training import callbacks
from empirical.training.callbacks import Limits, StopOnSignal, agreed
from empirical.training.train import LocalistTrainer, train, training_summary

LEAKS = [[3.0, 10.0], [27.0, 50.0]]


def one_of_two(rank, port, answers):
    """One of two torchrun processes, connected by gloo, with its own number of rows and leak."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    # Forget the state inherited from the parent process.
    AcceleratorState._reset_state(reset_partial_state=True)
    trainer = LocalistTrainer.__new__(LocalistTrainer)
    trainer.accelerator = Accelerator(cpu=True)
    trainer.leaks = torch.tensor(LEAKS[rank])
    logs = {"loss": 1.0}
    trainer.add_leak(logs)
    flags = agreed(SimpleNamespace(device="cpu"), rank == 1, rank == 0, False)
    answers.put((rank, torch.distributed.get_world_size(), logs["leak"], flags, trainer.leaks))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_processes_log_the_leak_of_all_rows_and_stop_together():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # Forked, because importing all this takes longer than the test.
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=one_of_two, args=(rank, port, answers)) for rank in range(2)]
    for child in children:
        child.start()
    try:
        found = sorted(answers.get(timeout=120) for _ in children)
    finally:
        for child in children:
            child.join(20)
            child.kill()
    # Mean over all rows, not the mean 0.42 of 0.3 and 0.54; a flag of one process holds for both.
    assert found == [(rank, 2, 0.5, [True, True, False], None) for rank in range(2)]


class Ranks:
    """An accelerator whose reduction adds the values of another process."""

    def __init__(self, other):
        self.other, self.asked = other, []

    def reduce(self, tensor, reduction):
        self.asked.append(reduction)
        return tensor + torch.tensor(self.other)


def logged(leaks, other, logs):
    trainer = LocalistTrainer.__new__(LocalistTrainer)
    trainer.accelerator = Ranks(other)
    trainer.leaks = None if leaks is None else torch.tensor(leaks)
    trainer.add_leak(logs)
    return logs, trainer


def test_logged_leak_is_the_mean_over_rows_of_all_processes():
    logs, trainer = logged([3.0, 10.0], [27.0, 50.0], {"loss": 1.0})
    assert logs == {"loss": 1.0, "leak": 0.5}
    assert trainer.accelerator.asked == ["sum"]
    assert trainer.leaks is None
    # A process without such rows contributes nothing.
    assert logged([0.0, 0.0], [1.0, 4.0], {"loss": 1.0})[0]["leak"] == 0.25
    assert "leak" not in logged([0.0, 0.0], [0.0, 0.0], {"loss": 1.0})[0]
    assert "leak" not in logged(None, [1.0, 4.0], {"loss": 1.0})[0]
    # The log at the end of training has no loss, so no process reduces.
    logs, trainer = logged([3.0, 10.0], [1.0, 4.0], {"train_runtime": 1.0})
    assert logs == {"train_runtime": 1.0}
    assert trainer.accelerator.asked == []


def test_logged_leak_covers_every_row_of_every_step(tmp_path, monkeypatch):
    """Batches differ in their numbers of rows: blocks follow the text, and an epoch's last batch is smaller."""
    from empirical.training import trainer as module

    seen = []

    class Watched(module.AttentionObjective):
        def __call__(self, call):
            super().__call__(call)
            ids = call.ids
            n = torch.arange(1, ids.shape[1] + 1)
            counted = [(ids[:, : place + 1] == ids[:, place : place + 1]).sum(1) for place in range(ids.shape[1])]
            kept = (torch.stack(counted, 1) < n).expand(call.query.shape[0], -1)
            own = call.ids[:, :, None] == call.ids[:, None, :]
            scores = (call.query @ call.key.transpose(2, 3)).double() * call.scale
            scores = scores + call.bias * own[:, None]
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
            weights = scores.masked_fill(~causal, -torch.inf).softmax(-1)
            leak = (weights * ~own[:, None]).sum(-1)
            seen.append((call.layer, leak.sum().item(), int(kept.sum()) * call.query.shape[1]))

    monkeypatch.setattr(module, "AttentionObjective", Watched)
    config = tiny(
        locality={"blocks": "sentences"}, objective={"off_block_penalty": 0.5}, training={"steps": 6, "batch": 3}
    )
    folder = train(config, tmp_path / "run", progress=False)
    (entry,) = training_summary(folder)["losses"]
    assert len({rows for _, _, rows in seen}) > 1
    assert len(seen) == 6 * 3
    exact = sum(leak for _, leak, _ in seen) / sum(rows for _, _, rows in seen)
    means = sum(leak / rows for _, leak, rows in seen) / len(seen)
    assert entry["leak"] == pytest.approx(exact, rel=1e-5)
    assert abs(means - exact) > 1e-4 * exact, "the test needs batches that differ"


def test_agreed_returns_the_flags_of_a_single_process():
    assert agreed(None, True, False) == [True, False]


def step_end(callback):
    control = TrainerControl()
    callback.on_step_end(None, TrainerState(), control)
    return control.should_training_stop, control.should_save, control.should_log


def test_stops_when_another_process_stops(monkeypatch):
    """The other process has reached its time limit or received a signal."""
    asked = []

    def others(*answers):
        def agree(args, *flags):
            asked.append(flags)
            return list(answers)

        monkeypatch.setattr(callbacks, "agreed", agree)

    others(True, False)
    assert step_end(Limits(max_seconds=1e9)) == (True, False, True)
    others(False, True)
    assert step_end(Limits()) == (False, True, True)
    others(False, False)
    assert step_end(Limits(max_seconds=0.0, checkpoint_seconds=0.0)) == (False, False, False)
    assert asked == [(False, False), (False, False), (True, True)]
    stop = StopOnSignal()
    others(True)
    assert step_end(stop) == (True, True, False)
    assert stop.stopped
    others(False)
    stop.received = True
    assert step_end(stop) == (False, False, False)
    assert not stop.stopped
