"""H3 on a toy model of width 8 against brute force: no row above its bound, and planted errors are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import one_thread  # noqa: F401
from toy_tail import WIDTH, divergences, length, run, toy_rows, toy_tail
from transformers.activations import ACT2FN

from empirical.influence import distances
from empirical.influence.bounds import (
    Amplification,
    check_influence,
    divergence_max,
    margins_needed,
    range_allowed,
)
from empirical.influence.distances import diameter, farthest_apart
from empirical.influence.divergence import divergence
from empirical.influence.tail import SLOPES, Affine, Tail
from theory.errors import DomainError


def broken(tail: Tail, wrong: Amplification) -> int:
    """Rows of the model whose logits or distribution move by more than this amplification allows."""
    rows = toy_rows(tail, 4000)
    ranges = wrong.range_max(rows.truncation, rows.lengths)
    assert np.isfinite(ranges).sum() > 1000
    # Far above the rounding of this test's own sums.
    return int(((rows.ranges > ranges + 1e-9) | (rows.divergence > divergence_max(ranges) + 1e-9)).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("gain", "mlp"), [(1.0, 1.0), (40.0, 0.1), (1.0, 0.0)])
def test_no_random_row_is_above_its_bound(seed: int, gain: float, mlp: float) -> None:
    tail = toy_tail(seed, gain, mlp)
    assert broken(tail, Amplification.of(tail)) == 0


def test_planted_amplification_without_the_mlp_is_broken() -> None:
    tail = toy_tail(mlp=2.0)
    assert broken(tail, replace(Amplification.of(tail), mlp_norm=0.0)) > 0


def test_planted_amplification_without_the_last_gain_is_broken() -> None:
    tail = toy_tail(gain=40.0, mlp=0.1)
    without = replace(tail, last_norm=Affine(torch.ones(WIDTH, dtype=torch.float64), tail.last_norm.offset))
    assert broken(tail, Amplification.of(without)) > 0


def test_folding_the_gains_gives_no_more_than_their_product() -> None:
    tail = toy_tail()
    norms = [float(torch.linalg.matrix_norm(each.weight, ord=2)) for each in (tail.first, tail.second)]
    folded = Amplification.of(tail)
    assert folded.mlp_norm <= 1.129 * norms[0] * norms[1] * float(tail.norm.weight.abs().max()) * (1 + 1e-9)
    pairs = torch.cdist(tail.unembedding.weight.T, tail.unembedding.weight.T).max()
    assert folded.distance <= float(pairs * tail.last_norm.weight.abs().max()) * (1 + 1e-9)
    assert folded.all_pairs


def test_truncation_allowed_is_the_largest_that_keeps_the_range() -> None:
    amplification, lengths = Amplification.of(toy_tail()), (np.array([3.0, 10.0, 500.0]), np.array([2.0, 40.0, 900.0]))
    allowed = amplification.truncation_allowed(0.3, lengths)
    assert (amplification.range_max(allowed, lengths) <= 0.3).all()
    assert (amplification.range_max(allowed * (1 + 1e-9), lengths) > 0.3).all()
    assert (allowed > 0).all()


@pytest.mark.parametrize("influence", [1e-9, 0.01, 1.0, 50.0])
def test_range_allowed_is_the_largest_that_keeps_the_divergence(influence: float) -> None:
    found = range_allowed(influence)
    assert divergence_max(np.array(found)) <= influence < divergence_max(np.array(found * (1 + 1e-9)))


def test_margin_needed_is_where_the_leak_is() -> None:
    leak, keys, block = (
        np.array([1e-12, 0.2, 1.0, 0.0]),
        np.array([10.0, 90.0, 5.0, 5.0]),
        np.array([1.0, 30.0, 2.0, 2.0]),
    )
    needed = margins_needed(leak, keys, block)
    assert -40 < needed[2] < -30
    assert needed[3] == np.inf
    odds = np.exp(needed[:2]) * block[:2] / (keys - block)[:2]
    np.testing.assert_allclose(1 / (1 + odds), leak[:2], rtol=1e-9)
    assert (1 / (1 + odds) <= leak[:2]).all()


@pytest.mark.parametrize("influence", [0.0, -1.0, np.inf, np.nan])
def test_influence_must_be_positive(influence: float) -> None:
    with pytest.raises(DomainError, match=r"influence .* must be a positive number of nats"):
        check_influence(influence)


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_are_above_those_of_the_functions(name: str) -> None:
    step = 1e-5
    x = torch.linspace(-15, 15, int(30 / step) + 1, dtype=torch.float64, requires_grad=True)
    values = ACT2FN[name](x)
    values.sum().backward()
    assert ACT2FN[name](torch.zeros(1)).item() == 0
    # Between two points the slope moves by at most half a step of its own slope, which is below 1. Those of relu and
    # tanh are known.
    between = 0.0 if name in ("relu", "tanh") else step / 2
    assert x.grad.abs().max() + between <= SLOPES[name]
    assert x.grad.abs().max() > SLOPES[name] - 1e-3


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_farthest_apart_against_all_pairs(shift: float) -> None:
    made = torch.Generator().manual_seed(2)
    values = torch.randn(2, 12, 5, generator=made, dtype=torch.float64) + shift
    ids = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 0, 0, 3, 3])
    found = farthest_apart(values, ids)
    for head in range(2):
        for query in range(12):
            keys = range(query + 1)
            pairs = [(i, j) for i in keys for j in keys if ids[i] == ids[query] and ids[j] != ids[query]]
            true = max(((values[head, i] - values[head, j]).norm().item() for i, j in pairs), default=0.0)
            assert true <= found[head, query] <= true * (1 + 1e-7)


def test_diameter_of_many_points_is_at_most_twice_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.randn(40, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 7
    true = float(torch.cdist(points, points).max())
    found, exact = diameter(points)
    assert exact
    assert true <= found * (1 + 1e-12) <= true * (1 + 1e-9)
    monkeypatch.setattr(distances, "_PAIRS", 39)
    loose, exact = diameter(points)
    assert not exact
    assert true <= loose <= 2 * true


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e-2, 0.9, 3.0, 900.0])
def test_divergence_keeps_its_digits(size: float) -> None:
    made = torch.Generator().manual_seed(4)
    logits = torch.randn(20, 50, generator=made, dtype=torch.float64)
    moves = size * (2 * torch.rand(20, 50, generator=made, dtype=torch.float64) - 1)
    found = np.asarray(divergence(logits, moves))
    p, m = (np.asarray(each, dtype=np.longdouble) for each in (logits.softmax(-1), moves))
    p = p / p.sum(-1, keepdims=True)
    m = m - (p * m).sum(-1, keepdims=True)
    # For small moves the second and third moments; the next is below 1e-12 of them.
    moments = (p * m**2).sum(-1) / 2 + (p * m**3).sum(-1) / 6
    exact = moments if size < 1e-3 else np.log((p * np.exp(m)).sum(-1))
    np.testing.assert_allclose(found, exact.astype(float), rtol=1e-9, atol=8 * 114 * 2.0**-52 * 2 * size)
    assert (found > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_an_adversary_does_not_break_the_bound(seed: int) -> None:
    """Weights, residual and move are climbed together to make the logits' range large beside its bound."""
    tail, made = toy_tail(seed), torch.Generator().manual_seed(seed)
    parts = ("norm", "first", "second", "last_norm", "unembedding")
    free = {name: getattr(tail, name).weight.clone().requires_grad_() for name in parts}
    residual = (5 * torch.randn(16, WIDTH, generator=made, dtype=torch.float64)).requires_grad_()
    move = (0.1 * torch.randn(16, WIDTH, generator=made, dtype=torch.float64)).requires_grad_()
    climber = torch.optim.Adam([*free.values(), residual, move], lr=0.02)
    best = 0.0
    for _ in range(1500):
        now = replace(tail, **{name: Affine(free[name], getattr(tail, name).offset) for name in parts})
        cut, whole = run(now, residual), run(now, residual + move)
        moves = whole[1] - cut[1]
        spans = moves.amax(-1) - moves.amin(-1)
        size = move.norm(dim=-1)
        with torch.no_grad():
            fixed = replace(tail, **{name: Affine(free[name].detach(), getattr(tail, name).offset) for name in parts})
            bound = Amplification.of(fixed).range_max(
                size.detach().numpy(), (length(residual.detach()), length(cut[0].detach()))
            )
            share = spans.detach().numpy() / bound
            assert (share <= 1 + 1e-9).all()
            assert (divergences(whole[1].detach(), cut[1].detach()) <= divergence_max(bound) + 1e-9).all()
            best = max(best, share.max())
        # The bound's own growth with the weights, differentiable: without it only large weights would be found.
        norms = [torch.linalg.matrix_norm(free[name], ord=2) for name in ("first", "second")]
        scale = free["unembedding"].norm(dim=0).max() * free["last_norm"].abs().max()
        growth = 1 + norms[0] * norms[1] * free["norm"].abs().max() / residual.norm(dim=-1)
        loss = -(spans.log() - (size * scale * growth / cut[0].norm(dim=-1)).log()).mean()
        climber.zero_grad()
        loss.backward()
        climber.step()
    # Near the bound, so that one a little too small would be broken.
    assert best > 0.5
