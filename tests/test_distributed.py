"""Training under torchrun: every process counts, and all of them stop after the same step."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import one_thread, tiny  # noqa: F401
from transformers import TrainerControl, TrainerState

from empirical import callbacks
from empirical.callbacks import Limits, StopOnSignal, agreed
from empirical.training import LocalistTrainer, train, training_summary

ROOT = Path(__file__).resolve().parent.parent

# Two processes meet by gloo. Each has rows of its own number and leak, and a flag of its own.
TWO = """
import json, sys, types
import torch
import torch.distributed as dist
from empirical.callbacks import agreed
from empirical.trainer import LocalistTrainer
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
rank = dist.get_rank()
trainer = LocalistTrainer.__new__(LocalistTrainer)
trainer.accelerator = accelerator
trainer.leaks = torch.tensor([[3.0, 10.0], [27.0, 50.0]][rank])
logs = {"loss": 1.0}
trainer.add_leak(logs)
cpu = types.SimpleNamespace(device="cpu")
flags = agreed(cpu, rank == 1, rank == 0, False)
if rank == 0:
    print(json.dumps({"leak": logs["leak"], "flags": flags, "left": trainer.leaks is None}))
dist.destroy_process_group()
"""


def test_two_processes_report_the_leak_of_all_rows_and_stop_together(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # What torchrun tells its processes.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [
        subprocess.Popen(
            [sys.executable, str(script)], cwd=ROOT, env=environment | {"RANK": rank, "LOCAL_RANK": rank}, **pipes
        )
        for rank in "01"
    ]
    said = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], said[0][1][-2000:]
    found = json.loads(said[0][0])
    # Thirty of sixty rows' mass, and not the mean 0.42 of 0.3 and 0.54.
    assert found == {"leak": 0.5, "flags": [True, True, False], "left": True}


class Ranks:
    """An accelerator that adds what another process holds."""

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


def test_the_leak_is_the_mean_over_all_rows_of_all_processes():
    logs, trainer = logged([3.0, 10.0], [27.0, 50.0], {"loss": 1.0})
    assert logs == {"loss": 1.0, "leak": 0.5}
    assert trainer.accelerator.asked == ["sum"]
    assert trainer.leaks is None
    # A process whose own windows have no such row counts as none.
    assert logged([0.0, 0.0], [1.0, 4.0], {"loss": 1.0})[0]["leak"] == 0.25
    assert "leak" not in logged([0.0, 0.0], [0.0, 0.0], {"loss": 1.0})[0]
    assert "leak" not in logged(None, [1.0, 4.0], {"loss": 1.0})[0]
    # At the end of training other numbers are logged: no process reduces then.
    logs, trainer = logged([3.0, 10.0], [1.0, 4.0], {"train_runtime": 1.0})
    assert logs == {"train_runtime": 1.0}
    assert trainer.accelerator.asked == []


def test_the_leak_logged_is_that_of_every_row_of_every_step(tmp_path, monkeypatch):
    """Batches of unequal numbers of rows: blocks that follow the text, and a smaller last batch of an epoch."""
    from empirical import trainer as module

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
    assert abs(means - exact) > 1e-4 * exact, "the batches must differ for this to test it"


def test_alone_a_process_agrees_with_itself():
    assert agreed(None, True, False) == [True, False]


def step_end(callback):
    control = TrainerControl()
    callback.on_step_end(None, TrainerState(), control)
    return control.should_training_stop, control.should_save, control.should_log


def test_what_another_process_decides_is_done_here(monkeypatch):
    """Another one whose time is up, or that a signal has reached."""
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
