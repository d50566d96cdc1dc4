"""The bench times every variant, and its variants measure the same numbers."""

import json
import time
from dataclasses import replace

import pytest
import torch
from tiny import one_thread  # noqa: F401

from empirical.measuring.bench import _ratio, run_bench
from empirical.measuring.bench import bench as command
from empirical.measuring.bench_variants import (
    BenchShape,
    attention_variants,
    gate_variants,
    measuring_variants,
    peak_memory,
    timed,
    training_variants,
)
from theory.errors import DomainError, InputError

SMALL = BenchShape(layers=2, heads=2, width=32, vocabulary=50, block=8)


@pytest.mark.parametrize("key_heads", [None, 1])
def test_report_has_every_variant(key_heads):
    shape = replace(SMALL, key_heads=key_heads)
    report = run_bench((32,), shape=shape, rounds=2, training_length=32, dropouts=(0.0,), memory=False, progress=False)
    variants = [(each["task"], each["variant"]) for each in report["results"]]
    assert variants == [
        *(("attention", name) for name in ("plain", "fused", "fused, all", "eager")),
        *(("measuring", name) for name in ("plain", "fused", "fused, all", "local", "eager")),
        ("training", "plain"),
        ("training", "localist"),
    ]
    for each in report["results"]:
        assert each["seconds"] > 0
        assert each["variant"] != "plain" or each["ratio"] == 1
    assert [each["task"] for each in report["eager_over_fused"]] == ["attention", "measuring"]
    json.dumps(report, allow_nan=False)


def test_times_one_layer_alone():
    report = run_bench(
        shape=SMALL, rounds=1, training_length=128, dropouts=(), memory=False, gate_lengths=(128,), progress=False
    )
    tasks = [(each["task"], each["tokens"], each["variant"]) for each in report["results"]]
    variants = ("plain", "dial", "penalty", "both")
    assert tasks == [(f"gate, blocks of {block}", 128, name) for block in (64, 8) for name in variants]


def test_bench_runs_in_half_formats():
    shape = replace(SMALL, dtype="bfloat16")
    report = run_bench((32,), shape=shape, rounds=1, training_length=32, dropouts=(0.0,), memory=False, progress=False)
    assert report["shape"]["dtype"] == "bfloat16"
    assert len(report["results"]) == 11


def test_slower_variant_has_a_larger_ratio():
    wall, _ = timed({"plain": lambda: time.sleep(0.002), "slow": lambda: time.sleep(0.02)}, rounds=3)
    assert len(wall["slow"]) == 3
    assert _ratio(wall["slow"], wall["plain"]) > 2


@pytest.mark.slow
def test_peak_memory_is_measured_in_a_separate_process():
    peaks = peak_memory(SMALL, 1024, torch.device("cpu"))
    if not peaks:
        pytest.skip("this system does not report a process's peak memory")
    # Two layers' maps of 2 heads take 16 MiB.
    assert peaks["eager"] > 16
    assert peaks["eager"] - peaks["fused"] > 8


def test_variants_run_separately():
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    ran = []
    for variants in (
        measuring_variants(SMALL, 32, cpu),
        attention_variants(SMALL, 32, cpu),
        gate_variants(SMALL, 32, cpu),
        training_variants(SMALL, 32, 0.1, cpu),
    ):
        for name, variant in variants.items():
            variant()
            ran.append(name)
    assert ran.count("plain") == 4
    assert len(ran) == 15


def test_command_writes_its_result(tmp_path, capsys):
    path = tmp_path / "bench.json"
    command(tokens=[32], layers=1, heads=2, width=32, block=8, rounds=1, training_tokens=32, memory=False, out=path)
    shown = capsys.readouterr().out
    assert "compared with plain GPT-2" in shown
    assert "eager over fused, measuring 32 tokens: time " in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert json.loads(path.read_text())["shape"]["layers"] == 1


def test_unwritable_result_is_refused_before_the_work(tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("timed before the path was checked")

    monkeypatch.setattr("empirical.measuring.bench.run_bench", never)
    for out in (tmp_path, tmp_path / "file" / "x.json"):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="cannot write"):
            command(out=out)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_refuses_wrong_shapes_and_counts():
    with pytest.raises(DomainError, match="length 8 must exceed the block of 8"):
        run_bench((8,), shape=SMALL, training_length=32)
    with pytest.raises(DomainError, match="rounds 0"):
        run_bench((32,), shape=SMALL, training_length=32, rounds=0)
    with pytest.raises(DomainError, match=r"width 30 must be a multiple of heads 4$"):
        command(width=30, heads=4)
    with pytest.raises(DomainError, match=r"key_heads 5 must be a divisor of heads 12$"):
        command(key_heads=5)
    for name in ("layers", "heads", "width", "block"):
        with pytest.raises(DomainError, match=f"^{name} 0 must be at least 1$"):
            command(**{name: 0})
