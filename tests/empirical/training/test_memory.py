"""A shape that exceeds memory is refused before the work, in one line that states what it needs."""

import sys

import pytest
import torch
from tiny import tiny

from empirical import memory
from empirical.config import ModelConfig
from empirical.locality import LocalityConfig
from empirical.measuring.bench_variants import BenchShape, bench_bytes
from empirical.memory import check_memory, check_training_memory, gpt2_weights, machine_memory, training_bytes
from empirical.model import build_model, parameter_count
from localist import cli
from theory.errors import LocalistError


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("train --width 1000000", "--width 1000000"),
        ("train --vocabulary 100000000000", "--vocabulary 100000000000"),
        ("train --context 1000000000000", "--context 1000000000000"),
        ("train --layers 1000000000000000000000000000000", "1000000000000000000000000000000 layers"),
        ("train --optimizer sgd --width 4000000", "--width 4000000"),
        ("bench --tokens 10000000", "10000000 tokens"),
        ("bench --tokens 256 --tokens 10000000", "10000000 tokens"),
        ("bench --training-tokens 1000000000000", "1000000000000 tokens"),
        ("bench --width 12000000", "--width 12000000"),
        ("bench --layers 1000000000000", "1000000000000 layers"),
    ],
)
def test_shape_of_terabytes_is_one_line(tmp_path, monkeypatch, capsys, words, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["localist", *words.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert shown.err.startswith("error: out of memory: ")
    assert named in shown.err
    assert any(f"{unit}iB, but there are only " in shown.err for unit in "TPEZY")
    assert not list(tmp_path.iterdir())


def test_refuses_only_what_exceeds_machine_memory(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 1000)
    check_memory(1000, "it", "Try less.")
    words = r"^out of memory: it needs at least 1001 bytes, but there are only 1000 bytes"
    with pytest.raises(LocalistError, match=words):
        check_memory(1001, "it", "Try less.")
    config = tiny()
    monkeypatch.setattr(memory, "machine_memory", lambda: training_bytes(config))
    check_training_memory(config)
    monkeypatch.setattr(memory, "machine_memory", lambda: training_bytes(config) - 1)
    with pytest.raises(LocalistError, match="training 3 layers of width 32, context 64 and vocabulary 400 needs"):
        check_training_memory(config)
    # Pretrained weights decide the shape, and they are not loaded yet.
    check_training_memory(config.model_copy(update={"model": ModelConfig(pretrained="some/weights")}))
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    check_training_memory(config)


def test_machine_memory_respects_cgroup_limit(tmp_path, monkeypatch):
    assert machine_memory() > 2**28
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_GROUP_LIMITS", (str(limit), str(tmp_path / "none")))
    whole = machine_memory()
    for text, found in (("max", whole), ("12345\n", 12345), ("9223372036854771712", whole)):
        limit.write_text(text)
        assert machine_memory() == found


@pytest.mark.parametrize(("layers", "width", "context", "vocabulary"), [(1, 8, 5, 300), (3, 12, 64, 257)])
def test_gpt2_weights_equals_the_parameter_count(layers, width, context, vocabulary):
    shape = ModelConfig(layers=layers, heads=2, width=width, context=context, vocabulary=vocabulary)
    model = build_model(shape, LocalityConfig(), vocabulary, 0)
    assert gpt2_weights(layers, width, context, vocabulary) == parameter_count(model)


def test_training_bytes_is_a_lower_bound():
    """Compares with the bytes of the tensors that one training step allocates."""
    config = tiny(training={"steps": 1})
    shape = config.model
    model = build_model(shape, config.locality, shape.vocabulary, 0)
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.zeros(1, shape.context, dtype=torch.long)
    found = model(ids, labels=ids)
    found.loss.backward()
    optimizer.step()
    tensors = [*model.parameters(), *(weight.grad for weight in model.parameters()), found.logits]
    tensors += [each for state in optimizer.state.values() for name, each in state.items() if name != "step"]
    used = sum(each.numel() * each.itemsize for each in tensors)
    assert used + memory.TOKEN_BYTES * shape.vocabulary == training_bytes(config)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bench_bytes_covers_the_stored_maps(dtype):
    shape = BenchShape(layers=2, heads=2, width=16, vocabulary=50, block=8, dtype=dtype)
    size = 4 if dtype == "float32" else 2
    maps = 2 * 2 * 256**2 * size
    assert maps < bench_bytes(shape, [8, 256], 9) < 1.2 * maps
    assert bench_bytes(shape, [8], 100_000) == 4 * (7 * gpt2_weights(2, 16, 100_000, 50) + 100_000 * 50)
