"""The value of every letter on a batch of rows, from the theory's table of definitions, with its error bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from sympy import Symbol

from proofs_check.screening.batches import Batch, Mixture, OnDemand
from proofs_check.screening.tracked import LIBRARY, UNIT, Tracked, exp, log, pair
from theory import symbols as letters


def values_on(batch: Batch) -> Mapping[Symbol, Tracked]:
    """The letters' values, each computed on first access; `KeyError` for a letter that rows do not have."""
    return OnDemand(lambda letter: LETTERS[letter](batch))


def _mean_margin(batch: Batch) -> Tracked:
    # The very same number for a block of one key, so that the two compare as equal.
    return batch.margin if batch.block == 1 else batch.inside.plain_mean - batch.outside.highest


def _mean_separation(batch: Batch) -> Tracked:
    return batch.separation if batch.block == 1 else _mean_margin(batch) / batch.tau


def _range(batch: Batch) -> Tracked:
    top = Tracked(np.maximum(batch.inside.highest.value, batch.outside.highest.value))
    return (top - Tracked(np.minimum(batch.inside.least.value, batch.outside.least.value))) / batch.tau


def _largest_error(batch: Batch) -> Tracked:
    value = abs(batch.scores - batch.columns["seen"]).max(0)
    return Tracked(value, UNIT * value)


def _margin_seen(batch: Batch) -> Tracked:
    seen = batch.columns["seen"]
    return Tracked(seen[: batch.block].min(0)) - Tracked(seen[batch.block :].max(0))


def _spread(batch: Batch) -> Tracked:
    values = batch.columns["values"]
    return Tracked(values.max(0)) - Tracked(values.min(0))


def _output_shift(batch: Batch) -> Tracked:
    # The dial keeps conditional means, so outputs differ by the means times the masses' change: less cancellation.
    inside = (batch.dialled.inside - batch.plain.inside) * batch.inside.mean_value
    return inside + (batch.dialled.outside - batch.plain.outside) * batch.outside.mean_value


def _total_variation(batch: Batch) -> Tracked:
    # Within a part every mass changes by one factor, so the sum of changes over it is the change of its mass.
    inside, outside = batch.dialled.inside - batch.plain.inside, batch.dialled.outside - batch.plain.outside
    return 0.5 * (abs(inside) + abs(outside))


def _divergence(batch: Batch) -> Tracked:
    plain, dialled = batch.plain, batch.dialled
    inside = dialled.inside * (log(dialled.inside) - log(plain.inside))
    return inside + dialled.outside * (log(dialled.outside) - log(plain.outside))


def _objective_of_any(batch: Batch) -> Tracked:
    weights, keys = batch.columns["weights"], batch.keys
    # Sums of whole numbers are exact.
    total, off = Tracked(weights.sum(0)), Tracked(weights[batch.block :].sum(0))
    # No sum of products of weights and scores exceeds the total times the largest score.
    scored = Tracked((weights * batch.scores).sum(0), total.value * abs(batch.scores).max(0) * (keys + 1) * UNIT)
    # 0 log 0 = 0: the logarithm of 1 stands in.
    value = (weights * np.log(np.maximum(weights, 1.0))).sum(0)
    entropy = log(total) - Tracked(value, (LIBRARY + (keys + 1) * UNIT) * value) / total
    return scored / total - batch.column("penalty") * (off / total) + batch.tau * entropy


def _objective_of_softmax(batch: Batch) -> Tracked:
    mix = batch.penalised
    linear = mix.inside * batch.inside.mean_score
    linear = linear + mix.outside * (batch.outside.mean_score - batch.column("penalty"))
    return linear + batch.tau * mix.entropy


def _output(batch: Batch, mix: Mixture) -> Tracked:
    return mix.inside * batch.inside.mean_value + mix.outside * batch.outside.mean_value


def _null_mass(batch: Batch) -> Tracked:
    """Mass of a further key that weighs as much as the whole block."""
    return 1 / (2 + exp(-batch.log_odds))


def _output_beside_null(batch: Batch) -> Tracked:
    outside = _null_mass(batch) * exp(-batch.log_odds)
    return _null_mass(batch) * batch.inside.mean_value + outside * batch.outside.mean_value


def _pair_entropy(batch: Batch) -> Tracked:
    gap = batch.separation
    share = 1 / (1 + exp(-gap))
    scores = [(1 - share) * gap, -share * gap]
    weights = [exp(score) for score in scores]
    total = reduce(Tracked.__add__, weights, Tracked(batch.keys - 2))
    return log(total) - (scores[0] * weights[0] + scores[1] * weights[1]) / total


def _with_complement(name: str) -> Callable[[Batch], Tracked]:
    return lambda batch: pair(batch.column(name), 1 - batch.column(name))


LETTERS: Mapping[Symbol, Callable[[Batch], Tracked]] = {
    letters.m: lambda batch: Tracked(batch.block),
    letters.k: lambda batch: Tracked(batch.keys - batch.block),
    letters.tau: lambda batch: batch.tau,
    letters.lam: _with_complement("dial"),
    letters.lam_more: _with_complement("other_dial"),
    letters.pen: lambda batch: batch.column("penalty"),
    letters.eps_target: _with_complement("leak_target"),
    letters.F_target: _with_complement("fidelity_target"),
    letters.delta: lambda batch: batch.margin,
    letters.delta_mean: _mean_margin,
    letters.reach: lambda batch: batch.inside.highest - batch.outside.plain_mean,
    letters.d: lambda batch: batch.separation,
    letters.d_mean: _mean_separation,
    letters.r: _range,
    letters.u: _largest_error,
    letters.delta_seen: _margin_seen,
    letters.spread: _spread,
    letters.F: lambda batch: batch.plain.inside,
    letters.eps: lambda batch: batch.plain.outside,
    letters.Delta: lambda batch: batch.log_odds - log(Tracked(batch.block)) + log(Tracked(batch.keys - batch.block)),
    letters.H: lambda batch: batch.plain.entropy,
    letters.H_B: lambda batch: batch.inside.entropy,
    letters.H_C: lambda batch: batch.outside.entropy,
    letters.sbar_B: lambda batch: batch.inside.mean_score,
    letters.sbar_C: lambda batch: batch.outside.mean_score,
    letters.vbar_B: lambda batch: batch.inside.mean_value,
    letters.vbar_C: lambda batch: batch.outside.mean_value,
    letters.F_lam: lambda batch: batch.dialled.inside,
    letters.eps_lam: lambda batch: batch.dialled.outside,
    letters.H_lam: lambda batch: batch.dialled.entropy,
    letters.H_more: lambda batch: batch.otherwise_dialled.entropy,
    letters.eps_two: lambda batch: batch.two_level.outside,
    letters.H_two: lambda batch: batch.two_level.entropy,
    letters.H_pair: _pair_entropy,
    letters.H_mask: lambda batch: batch.inside.entropy,
    letters.o_plain: lambda batch: _output(batch, batch.plain),
    letters.o_B: lambda batch: batch.inside.mean_value,
    letters.o_lam: lambda batch: _output(batch, batch.dialled),
    letters.p_null: _null_mass,
    letters.o_null: _output_beside_null,
    letters.TV: _total_variation,
    letters.KL: _divergence,
    letters.shift: _output_shift,
    letters.eps_pen: lambda batch: batch.penalised.outside,
    letters.J_any: _objective_of_any,
    letters.J_soft: _objective_of_softmax,
}
