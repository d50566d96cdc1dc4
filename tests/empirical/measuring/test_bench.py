"""The bench times every variant, and its variants measure the same numbers."""

import json
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from tiny import one_thread  # noqa: F401

from empirical.measuring import bench_plan, bench_variants
from empirical.measuring.bench import _print_bench, _ratio, run_bench
from empirical.measuring.bench import bench as command
from empirical.measuring.bench_plan import PLAIN, TRIAL, fitting, predicted
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
    peaks = peak_memory(SMALL, 1024, torch.device("cpu"), ["plain", "fused", "eager"])
    if not peaks:
        pytest.skip("this system does not report a process's peak memory")
    assert set(peaks) == {"plain", "fused", "eager"}
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


@pytest.fixture
def pretended(monkeypatch):
    """A clock on which variants take the seconds that they are said to take; returns the table and the lengths run."""
    now, ran, seconds = [0.0], [], {}
    monkeypatch.setattr(bench_plan.time, "perf_counter", lambda: now[0])

    def made(shape, tokens, device):
        def run(name):
            ran.append((name, tokens))
            now[0] += seconds[name](tokens)

        return {name: partial(run, name) for name in seconds}

    for name in ("attention", "measuring"):
        monkeypatch.setattr(bench_variants, f"{name}_variants", made)
    return seconds, ran


def _pretend(**options):
    options = {"shape": SMALL, "rounds": 2, "training_length": 32, "dropouts": (), "memory": False, **options}
    return run_bench((512, 4096), progress=False, **options)


def test_estimate_says_how_long_the_bench_takes(pretended):
    seconds, ran = pretended
    seconds |= {"plain": lambda tokens: tokens / 1024, "fused": lambda tokens: tokens / 512}
    seconds["eager"] = lambda tokens: (tokens / 512) ** 2
    report = _pretend()
    # Two tasks; three turns of each variant at each length.
    passes = sum(each(tokens) for each in seconds.values() for tokens in (512, 4096))
    assert report["estimated_seconds"] == pytest.approx(2 * 3 * passes)
    assert report["skipped"] == []
    assert {tokens for _, tokens in ran[: 2 * 2 * 2 * 3]} == set(TRIAL)
    assert {each["variant"] for each in report["results"]} == set(seconds)
    assert all(each["seconds"] == seconds[each["variant"]](each["tokens"]) for each in report["results"])


def test_what_does_not_fit_is_skipped_and_listed(pretended, capsys):
    seconds, ran = pretended
    seconds |= {"plain": lambda tokens: tokens / 4096, "eager": lambda tokens: (tokens / 256) ** 2}
    report = _pretend(max_seconds=100)
    assert ("eager", 4096) not in ran
    assert [(each["task"], each["tokens"], each["variant"]) for each in report["skipped"]] == [
        ("attention", 4096, "eager"),
        ("measuring", 4096, "eager"),
    ]
    for each in report["skipped"]:
        assert each["estimated_seconds"] == pytest.approx(3 * 256)
    assert ("plain", 4096) in ran
    assert [each["tokens"] for each in report["results"] if each["variant"] == "eager"] == [512, 512]
    assert [each["tokens"] for each in report["eager_over_fused"]] == []
    json.dumps(report, allow_nan=False)
    _print_bench({**report, "eager_over_fused": []})
    assert "skipped: measuring 4096 tokens, eager: about 13 min" in capsys.readouterr().out
    with pytest.raises(
        DomainError, match="max_seconds 1 leaves no time after the trials: the shortest case takes about 1 s"
    ):
        _pretend(max_seconds=1)


def test_slower_than_estimated_leaves_out_more(pretended):
    """The time left is read from the clock, not from the estimate."""
    seconds, ran = pretended
    seconds["plain"] = lambda tokens: 30.0 if len(ran) > 8 and tokens == 512 else tokens / 4096
    report = _pretend(max_seconds=60)
    assert report["estimated_seconds"] == pytest.approx(2 * 3 * (512 + 4096) / 4096)
    assert [(each["task"], each["tokens"]) for each in report["skipped"]] == [
        ("measuring", 512),
        ("attention", 4096),
        ("measuring", 4096),
    ]


def test_plain_pass_is_never_left_out_alone():
    assert fitting({"fused": 1.0, PLAIN: 2.0, "eager": 9.0, "local": 0.5}, 4.0) == [PLAIN, "local", "fused"]
    assert fitting({"fused": 1.0, PLAIN: 2.0}, 1.5) == []


@pytest.mark.parametrize(("line", "square"), [(0.0, 2.0), (3.0, 0.0), (1.5, 0.25)])
def test_prediction_is_exact_for_linear_and_quadratic_times(line, square):
    times = {tokens: line * tokens + square * tokens**2 for tokens in TRIAL}
    assert predicted(times, 4096) == pytest.approx(line * 4096 + square * 4096**2)


def test_refuses_a_time_that_is_none():
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DomainError, match=f"^max_seconds {seconds} must be finite and above 0$"):
            _pretend(max_seconds=seconds)
