"""Rows against their bounds: true rows obey, corrupted rows violate, and rounding may leave a row undecided."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr
from tiny import Layer, one_thread  # noqa: F401

from empirical.attention import rounding
from empirical.attention.attention import localist_attention
from empirical.attention.attention_call import AttentionCall
from empirical.attention.blocks import fixed_windows
from empirical.attention.rounding import Arithmetic, RowErrors
from empirical.measuring.checks import check_rows
from empirical.measuring.records import BOUNDS
from empirical.measuring.rows import Rows, measure_rows


def rows_of(query, key, dial=0.0, tokens=40, **kwargs):
    calls = []
    localist_attention(Layer(dial), query, key, torch.zeros_like(key), None, row_sink=calls.append, **kwargs)
    return measure_rows(calls[0])


def random_rows(seed, size, dial=0.0, tokens=40):
    generator = torch.Generator().manual_seed(seed)
    query, key = (size * torch.randn(1, 2, tokens, 8, generator=generator) for _ in range(2))
    return rows_of(query, key, dial)


@given(seed=st.integers(0, 10**6), size=st.floats(0.0, 12.0), dial=st.sampled_from([0.0, 0.5, 0.99, 1.0]))
@settings(max_examples=60, deadline=None)
def test_true_rows_violate_no_bound(seed, size, dial):
    for name, check in check_rows(random_rows(seed, size, dial)).items():
        assert not check.violated.any(), name


def test_rows_at_equality_do_not_violate():
    """Two-level rows attain A2 and A4, so rounding puts measured values on both sides of a bound."""
    tokens, block = 40, 8
    query = torch.zeros(1, 1, tokens, tokens // block)
    key = torch.zeros_like(query)
    for position in range(tokens):
        key[0, 0, position, position // block] = 1.0
        query[0, 0, position, position // block] = 1.7
    checks = check_rows(rows_of(query, key))
    assert abs(checks["leak_margin"].slack).max() < 1e-6
    assert (checks["leak_margin"].slack < 0).any() or (checks["entropy_margin"].slack < 0).any()
    for name, check in checks.items():
        assert not check.violated.any(), name


@pytest.mark.parametrize("explicit", [False, True])
def test_a_sink_leaves_a_useful_bound_beside_a2(explicit):
    """The sink's score is 2 nats above the block's and all others are 6 below: the text's first token, or a logit."""
    tokens, block = 1024, 64
    key = torch.zeros(1, 1, tokens, tokens // block)
    key[0, 0, torch.arange(tokens), torch.arange(tokens) // block] = 1.0
    query = 6 * key
    call = AttentionCall(0, query, key, key, *[fixed_windows(tokens, block)] * 2, scale=1.0, bias=0.0)
    if explicit:
        call.sinks = torch.tensor([8.0])
    else:
        call.key = key.clone()
        call.key[0, 0, 0] = 8 / 6
    rows = measure_rows(call)
    checks = check_rows(rows)
    assert not any(check.violated.any() for check in checks.values())
    last = rows.leak[0, -1]
    assert checks["leak_margin"].bound[0, -1] > 0.99
    # Attained: every key off the block but the sink has the same score.
    assert 0.1 < checks["leak_sink"].bound[0, -1] < 0.14
    assert checks["leak_sink"].slack[0, -1] == pytest.approx(0, abs=1e-5)
    assert last > 0.1
    # A margin of the sink that is too large is found.
    wrong = dataclasses.replace(rows, sink_margin=rows.sink_margin + 0.1)
    assert check_rows(wrong)["leak_sink"].violated[0, -1]


@given(seed=st.integers(0, 10**6), size=st.floats(0.0, 12.0), dial=st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=20, deadline=None)
def test_the_sinks_bound_is_never_above_a2(seed, size, dial):
    checks = check_rows(random_rows(seed, size, dial))
    assert (checks["leak_sink"].bound <= checks["leak_margin"].bound * (1 + 1e-12)).all()


@pytest.mark.parametrize("column", ["leak", "entropy"])
def test_nan_violates_the_bounds_of_its_column(column):
    rows = random_rows(0, 1.0)
    values = getattr(rows, column).copy()
    values[..., 0] = np.nan
    for name, check in check_rows(dataclasses.replace(rows, **{column: values})).items():
        if name.startswith(column):
            assert check.violated[..., 0].all(), name
            assert not check.violated[..., 1:].any(), name


# Wrong measurements, and the check that must find each.
CORRUPTIONS = {
    "leak_margin": lambda rows: {"leak": rows.leak * 1.02},
    "leak_mean_margin": lambda rows: {"mean_margin": rows.mean_margin + 0.05},
    "leak_sink": lambda rows: {"others_margin": rows.others_margin + 0.1},
    "entropy_fidelity": lambda rows: {"entropy": rows.entropy * 1.02},
    "entropy_margin": lambda rows: {"margin": rows.margin + 0.1},
    "entropy_mean_margin": lambda rows: {"mean_margin": rows.mean_margin + 0.1},
    "entropy_range": lambda rows: {"logit_range": rows.logit_range * 0.1, "entropy": rows.entropy * 0.9},
}


@pytest.mark.parametrize("name", list(BOUNDS))
def test_corrupted_measurement_is_a_violation(name):
    tokens, block = 40, 8
    query, key = torch.zeros(1, 1, tokens, 5), torch.zeros(1, 1, tokens, 5)
    for position in range(tokens):
        key[0, 0, position, position // block] = 1.0
        query[0, 0, position, position // block] = 1.7
    rows = rows_of(query, key)
    corrupt = dataclasses.replace(rows, **CORRUPTIONS[name](rows))
    assert check_rows(corrupt)[name].violated.any()


def test_nan_is_a_violation():
    rows = random_rows(0, 1.0)
    corrupt = dataclasses.replace(rows, entropy=rows.entropy * np.nan)
    assert check_rows(corrupt)["entropy_fidelity"].violated.all()


def test_large_scores_are_undecided_until_a_wider_format():
    generator = torch.Generator().manual_seed(3)
    query, key = (400 * torch.randn(1, 2, 40, 8, generator=generator) for _ in range(2))
    coarse, fine = rows_of(query, key), rows_of(query.double(), key.double())
    assert coarse.undecided.any()
    assert not fine.undecided.any()
    for rows in (coarse, fine):
        # A leak that underflowed to 0 has no relative error.
        assert (rows.leak == 0).any()
        for name, check in check_rows(rows).items():
            assert not check.violated.any(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_subnormal_leak_violates_no_bound(dtype, monkeypatch):
    """With two keys the leak equals its bound; a subnormal number has lost digits."""

    def at(gap):
        key = torch.zeros(1, 1, 9, 4, dtype=dtype)
        key[..., 8, 0] = gap
        query = torch.zeros_like(key)
        query[..., 0] = 1.0
        rows = rows_of(query, key, tokens=9, block_ids=torch.tensor([[0] * 8 + [1]]), scaling=1.0)
        return any(check.violated.any() for check in check_rows(rows).values())

    gaps = np.arange(95.0, 107.0, 0.25) if dtype == torch.float32 else np.arange(705.0, 750.0)
    assert not any(at(gap) for gap in gaps)
    monkeypatch.setattr(Rows, "leak_floor", 0.0)
    violated = [gap for gap in gaps if at(gap)]
    assert len(violated) > 3


def test_without_error_bound_rounding_counts_as_violation(monkeypatch):
    """The derived error is needed: without it, rows at equality count as violations."""
    tokens = 40
    query = torch.zeros(1, 1, tokens, 5)
    key = torch.zeros_like(query)
    for position in range(tokens):
        key[0, 0, position, position // 8] = 1.0
        query[0, 0, position, position // 8] = 1.7
    monkeypatch.setattr(rounding, "unit_roundoff", lambda dtype: 0.0)
    checks = check_rows(rows_of(query, key))
    assert any(check.violated.any() for check in checks.values())


N, M = 100.0, 10.0
OBEYING = {
    "keys": N,
    "block_keys": M,
    "entropy": 2.0,
    "fidelity": 0.5,
    "leak": 1e-3,
    "size": 1.0,
    "margin": 2.0,
    "mean_margin": 2.5,
    "logit_range": 4.0,
    "block_spread": 1.0,
    "others_margin": 3.0,
    "sink_margin": 2.0,
    "sink_share": 0.0,
}
# All different, so that no two can be confused.
ERRORS = {"score": 3e-5, "mean_score": 7e-5, "mass": 4e-4, "entropy": 6e-4}


def one_row(errors=ERRORS, dtype=torch.float64, **numbers):
    """A row with these numbers and these errors, independent of any scores."""
    values = {name: np.array([[value]]) for name, value in (OBEYING | numbers).items()}
    rows = Rows(**values, width=8, arithmetic=Arithmetic(dtype))
    # `cached_property` stores its values there.
    vars(rows)["errors"] = RowErrors(**{name: np.array([[value]]) for name, value in errors.items()})
    return rows


def leak_at(separation):
    return (N - M) * math.exp(-separation) / (M + (N - M) * math.exp(-separation))


def leak_beside(sink, others, spread, error=0.0):
    """A8 at these margins, with the whole block counted or its largest score alone."""
    off = (math.exp(error - sink) + (N - M - 1) * math.exp(error - others)) if sink < math.inf else 0.0
    odds = (off or (N - M) * math.exp(error - others)) / max(M, math.exp(spread))
    return odds / (1 + odds)


def entropy_above(separation):
    if separation >= 0:
        return math.log(M + (N - M) * math.exp(-separation)) + separation * leak_at(separation)
    share = 1 / (1 + math.exp(-separation))
    return math.log(N - 2 + math.exp(-share * math.log(share) - (1 - share) * math.log(1 - share)))


def entropy_below(spread):
    j = np.arange(1, N)
    total = j * math.exp(spread) + N - j
    return float((np.log(total) - spread * j * math.exp(spread) / total).min())


def mixture(leak):
    return entr(leak) + entr(1 - leak) + (1 - leak) * math.log(M) + leak * math.log(N - M)


SCORE, MEAN, MASS, ENTROPY = (ERRORS[name] for name in ("score", "mean_score", "mass", "entropy"))

# The bound, a row's numbers, and the largest value of one of them that a row obeying the bound can round to.
# A difference of two scores has twice a score's error.
THRESHOLDS = [
    ("leak_margin", {"margin": 2.0}, "leak", leak_at(2.0 - 2 * SCORE) * math.exp(MASS)),
    ("leak_margin", {"margin": -1.0}, "leak", leak_at(-1.0 - 2 * SCORE) * math.exp(MASS)),
    ("leak_mean_margin", {"mean_margin": 2.5}, "leak", leak_at(2.5 - 2 * MEAN) * math.exp(MASS)),
    ("leak_sink", {}, "leak", leak_beside(2.0, 3.0, 1.0, 2 * SCORE) * math.exp(MASS)),
    ("leak_sink", {"sink_margin": -4.0}, "leak", leak_beside(-4.0, 3.0, 1.0, 2 * SCORE) * math.exp(MASS)),
    ("leak_sink", {"block_spread": 3.0}, "leak", leak_beside(2.0, 3.0, 3.0, 2 * SCORE) * math.exp(MASS)),
    ("leak_sink", {"sink_margin": math.inf}, "leak", leak_beside(math.inf, 3.0, 1.0, 2 * SCORE) * math.exp(MASS)),
    # Decreases with the size of the separation, and is log n if the separation may be 0.
    ("entropy_margin", {"margin": 2.0}, "entropy", entropy_above(2.0 - 2 * SCORE) + ENTROPY),
    ("entropy_margin", {"margin": -2.0}, "entropy", entropy_above(-2.0 + 2 * SCORE) + ENTROPY),
    ("entropy_margin", {"margin": -1e-5}, "entropy", math.log(N) + ENTROPY),
    ("entropy_margin", {"margin": 1e-5}, "entropy", math.log(N) + ENTROPY),
    ("entropy_mean_margin", {"mean_margin": 2.5}, "entropy", entropy_above(2.5 - 2 * MEAN) + ENTROPY),
    ("entropy_mean_margin", {"mean_margin": 0.0}, "entropy", math.log(N) + ENTROPY),
    (
        "entropy_mean_margin",
        {"mean_margin": -1.0, "margin": -3.0},
        "entropy",
        entropy_above(-3.0 + 2 * SCORE) + ENTROPY,
    ),
    # Concave in the leak with its peak at (n - m)/n = 0.9: the worst leak is the nearest to that.
    ("entropy_fidelity", {"leak": 0.3}, "entropy", mixture(0.3 * math.exp(MASS)) + ENTROPY),
    ("entropy_fidelity", {"leak": 0.95}, "entropy", mixture(0.95 * math.exp(-MASS)) + ENTROPY),
    ("entropy_fidelity", {"leak": 0.9001}, "entropy", math.log(N) + ENTROPY),
    ("entropy_range", {"logit_range": 4.0}, "entropy", entropy_below(4.0 + 2 * SCORE) - ENTROPY),
    ("entropy_range", {"logit_range": 0.5}, "entropy", entropy_below(0.5 + 2 * SCORE) - ENTROPY),
]


@pytest.mark.parametrize(("name", "numbers", "which", "threshold"), THRESHOLDS)
def test_violation_starts_at_the_derived_error(name, numbers, which, threshold):
    """The threshold is the row's error plus a relative 1e-11 of a leak, or 1e-11 nats of an entropy."""
    beyond = -1.0 if name == "entropy_range" else 1.0
    size = threshold if which == "leak" else 1.0
    for share, violated in ((0.9, False), (1.1, True), (-1.0, False), (1e9, True)):
        value = threshold + share * beyond * 1e-11 * size
        check = check_rows(one_row(**numbers | {which: value}))[name]
        assert check.violated.tolist() == [[violated]], share
    undecided = one_row(ERRORS | {"mass": math.inf}, **numbers | {which: value})
    assert check_rows(undecided)[name].violated.tolist() == [[False]]
    assert undecided.undecided.all()


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_subnormal_weights_are_allowed_for_once(share):
    """Each of the n weights is off by at most the smallest normal number."""
    floor = N * torch.finfo(torch.float32).tiny
    separation = 86.0
    allowed = leak_at(separation - 2 * SCORE)
    assert 0.01 < allowed / floor < 10
    rows = one_row(dtype=torch.float32, margin=separation, leak=(allowed + share * floor) * math.exp(MASS))
    assert check_rows(rows)["leak_margin"].violated.item() == (share > 1)


def test_bounds_and_slacks_use_the_measured_numbers():
    """Error bounds affect only the violations."""
    checks = check_rows(one_row(entropy=1.5, leak=0.2, margin=2.0, mean_margin=2.5, logit_range=4.0))
    expected = {
        "leak_margin": (leak_at(2.0), leak_at(2.0) - 0.2),
        "leak_mean_margin": (leak_at(2.5), leak_at(2.5) - 0.2),
        "leak_sink": (leak_beside(2.0, 3.0, 1.0), leak_beside(2.0, 3.0, 1.0) - 0.2),
        "entropy_fidelity": (mixture(0.2), mixture(0.2) - 1.5),
        "entropy_margin": (entropy_above(2.0), entropy_above(2.0) - 1.5),
        "entropy_mean_margin": (entropy_above(2.5), entropy_above(2.5) - 1.5),
        "entropy_range": (entropy_below(4.0), 1.5 - entropy_below(4.0)),
    }
    assert set(checks) == set(expected) == set(BOUNDS)
    for name, (bound, slack) in expected.items():
        assert checks[name].bound.item() == pytest.approx(bound, rel=1e-12), name
        assert checks[name].slack.item() == pytest.approx(slack, rel=1e-11), name
