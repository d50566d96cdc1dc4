"""Gradient accumulation and torchrun: the numbers of one process with one larger batch."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys

import pytest
import torch
from accelerate.state import AcceleratorState
from pretrained import stock, trained
from repository import ROOT
from safetensors.torch import load_file
from tiny import one_thread, tiny  # noqa: F401

from empirical.training import trainer as module
from empirical.training.corpus import CorpusConfig, load_corpus, load_tokenizer, token_windows
from empirical.training.train import train, training_summary

# Passes of eight sequences; blocks that follow the text, so that their rows differ in number. Without momentum and
# division, which enlarge rounding, weights agree as closely as gradients.
STEPS = {"steps": 10, "optimizer": "sgd", "learning_rate": 0.05, "warmup_steps": 0}
OBJECTIVE = {"off_block_penalty": 2.0, "fidelity_floor": 0.5}
CLOSE = 1e-6


def run(folder, batch, accumulate=1, **changes):
    training = {**STEPS, "batch": batch, "accumulate": accumulate, **changes.pop("training", {})}
    locality = {"blocks": "sentences", **changes.pop("locality", {})}
    return train(tiny(training=training, locality=locality, objective=OBJECTIVE, **changes), folder, progress=False)


def distance(one, other):
    """The largest difference between the weights of two runs."""
    found, expected = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert found.keys() == expected.keys()
    return max(float((found[name] - expected[name]).abs().max()) for name in found)


def losses(folder):
    return [(each["step"], each["loss"], each["leak"]) for each in training_summary(folder)["losses"]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole") / "run", 8)


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)])
def test_accumulated_batches_are_one_larger_batch(tmp_path, whole, batch):
    parts = run(tmp_path / "run", batch, 8 // batch)
    assert distance(parts, whole) < CLOSE
    for found, expected in zip(losses(parts), losses(whole), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_mean_of_the_batches_means_would_be_noticed(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(module, "_rows", lambda batch: len(batch["input_ids"]))
    assert distance(run(tmp_path / "run", 1, 8), whole) > 10 * CLOSE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("batch", "left"), [(12, 4), (16, 12)])
def test_an_epoch_may_end_within_a_step(tmp_path, batch, left, monkeypatch):
    """The last step of an epoch has fewer passes and sequences; with 4 left the second process of torchrun has none."""
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"Sentence {index} follows another. Then one more. " * 40 for index in range(24)))
    changes = {"corpus": {"text": [str(text)]}, "training": {"steps": 25}}
    whole = run(tmp_path / "whole", batch, **changes)
    parts = run(tmp_path / "parts", batch // 4, 4, **changes)
    both = run_by_two(tmp_path / "both", batch // 2, **changes)
    corpus, tokenizer = load_corpus(CorpusConfig(text=(str(text),))), load_tokenizer(str(whole))
    sequences = len(token_windows(tokenizer, corpus.training, 64, "text"))
    assert sequences % batch == left
    assert distance(parts, whole) < CLOSE
    assert distance(both, whole) < CLOSE
    assert losses(both)[-1] == pytest.approx(losses(whole)[-1], rel=1e-5)
    if left == 4:
        # Sequences that accelerate repeats would be noticed.
        monkeypatch.setattr(module, "_first", lambda batch, count: batch)
        assert distance(run_by_two(tmp_path / "repeated", batch // 2, **changes), whole) > 10 * CLOSE


@pytest.mark.slow
def test_another_decoder_accumulates_too(tmp_path):
    weights = stock(tmp_path / "stock", "llama")
    folders = [
        trained(
            tmp_path / f"run{batch}",
            weights,
            objective=OBJECTIVE,
            training={**STEPS, "batch": batch, "accumulate": 4 // batch},
        )
        for batch in (4, 2, 1)
    ]
    for folder in folders[1:]:
        assert distance(folder, folders[0]) < CLOSE


def one_of_two(rank, port, folder, batch, accumulate, changes):
    """One of two processes as torchrun starts them."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    # Forget the state inherited from the parent process.
    AcceleratorState._reset_state(reset_partial_state=True)
    run(folder, batch, accumulate, **changes)
    assert torch.distributed.get_world_size() == 2
    torch.distributed.destroy_process_group()


def run_by_two(folder, batch, accumulate=1, **changes):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # Forked, because importing all this takes longer than the test.
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=one_of_two, args=(rank, port, folder, batch, accumulate, changes)) for rank in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
        child.kill()
    assert [child.exitcode for child in children] == [0, 0]
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("batch", "accumulate"), [(4, 1), (2, 2)])
def test_two_processes_have_the_numbers_of_one(tmp_path, whole, batch, accumulate):
    both = run_by_two(tmp_path / "run", batch, accumulate, training={"evaluate_every": 5})
    assert distance(both, whole) < CLOSE
    for found, expected in zip(losses(both), losses(whole), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    assert [each["step"] for each in training_summary(both)["evaluations"]] == [5, 10]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_processes_shrink_the_same_groups(tmp_path):
    """With AdamW, whose first steps turn rounding of small gradients into whole steps: the loss agrees."""
    objective = {"group_penalty": 5.0, "feature_blocks": 4}
    config = {"training": {"optimizer": "adamw", "learning_rate": 3e-3, "steps": 10}}
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(globals(), "OBJECTIVE", objective)
        one = run(tmp_path / "one", 8, **config)
        two = run_by_two(tmp_path / "two", 4, **config)
    found, expected = (training_summary(folder)["losses"][-1]["loss"] for folder in (two, one))
    assert found == pytest.approx(expected, rel=1e-4)
    groups = [json.loads((folder / "groups.json").read_text())["groups"] for folder in (one, two)]
    for each, other in zip(*groups, strict=True):
        assert each["extinct_step"] == other["extinct_step"]
        assert each["largest_step"] == pytest.approx(other["largest_step"], rel=1e-3)


@pytest.mark.slow
def test_documented_command_trains_with_torchrun(tmp_path):
    weights = stock(tmp_path / "stock", "llama")
    options = ["--model", weights, "--context", 64, "--block", 8, "--schedule", "linear", "--steps", 4]
    options += ["--optimizer", "sgd", "--evaluate-every", 2]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", 2]
    for start, name, batch in (([], "one", 8), (launch, "two", 4)):
        words = [*start, "-m", "localist", "train", tmp_path / name, "--batch", batch, *options]
        command = [sys.executable, *map(str, words)]
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert distance(tmp_path / "two", tmp_path / "one") < CLOSE
