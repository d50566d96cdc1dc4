"""The value of every letter on a batch of rows, from the theory's table of definitions, with its error bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce

from sympy import Symbol

from proofs_check.screening.batches import Batch, Part
from proofs_check.screening.error_rules import LIBRARY, UNIT
from proofs_check.screening.key_sums import weight_sums
from proofs_check.screening.linear_forms import shared
from proofs_check.screening.running_error import Tracked
from proofs_check.screening.tracked_functions import exp, log
from theory import symbols as letters


def on_batch(batch: Batch, wanted: Iterable[Symbol], found: dict[Symbol, Tracked]) -> dict[Symbol, Tracked]:
    """Values of the wanted letters, added to those already found. Raises `KeyError` for a letter rows do not have."""
    for letter in wanted:
        if letter not in found:
            found[letter] = LETTERS[letter](batch)
    return found


def _margin(batch: Batch) -> Tracked:
    return batch.gap if batch.block == 1 else batch.inside.least - batch.outside.highest


def _mean_margin(batch: Batch) -> Tracked:
    return batch.gap if batch.block == 1 else batch.inside.plain_mean - batch.outside.highest


def _reach(batch: Batch) -> Tracked:
    return batch.gap if batch.outside.keys == 1 else batch.inside.highest - batch.outside.plain_mean


def _over_temperature(margin: Callable[[Batch], Tracked]) -> Callable[[Batch], Tracked]:
    def value(batch: Batch) -> Tracked:
        above = margin(batch)
        # Where the margin is the gap, reuse the row's own separation, so that differences cancel.
        return shared(batch.separation if above is batch.gap else above / batch.tau)

    return value


def _range(batch: Batch) -> Tracked:
    xp, inside, outside = batch.xp, batch.inside, batch.outside
    top = shared(batch.exactly(xp.maximum(inside.highest.value, outside.highest.value)))
    least = shared(batch.exactly(xp.minimum(inside.least.value, outside.least.value)))
    return (top - least) / batch.tau


def _soft_margin(batch: Batch) -> Tracked:
    def log_mean(part: Part) -> Tracked:
        return part.log_total - log(batch.number(part.keys))

    return shared(batch.separation + (log_mean(batch.inside) - log_mean(batch.outside)))


def _largest_error(batch: Batch) -> Tracked:
    return Tracked(batch.seen["largest"], 0.0, batch.xp, relative=UNIT, loose=not batch.careful)


def _margin_seen(batch: Batch) -> Tracked:
    return batch.exactly(batch.seen["least"]) - batch.exactly(batch.seen["top"])


def _spread(batch: Batch) -> Tracked:
    least, largest = batch.value_ends
    return batch.exactly(largest) - batch.exactly(least)


def _output_shift(batch: Batch) -> Tracked:
    # The dial keeps conditional means, so outputs differ by the means times the masses' change: less cancellation.
    plain, dialled = batch.mixture("plain"), batch.mixture("dialled")
    inside = (dialled.inside - plain.inside) * batch.inside.mean_value
    return inside + (dialled.outside - plain.outside) * batch.outside.mean_value


def _total_variation(batch: Batch) -> Tracked:
    # Within a part every mass changes by one factor, so the sum of changes over it is the change of its mass.
    plain, dialled = batch.mixture("plain"), batch.mixture("dialled")
    return batch.number(0.5) * (abs(dialled.inside - plain.inside) + abs(dialled.outside - plain.outside))


def _divergence(batch: Batch) -> Tracked:
    plain, dialled = batch.mixture("plain"), batch.mixture("dialled")
    less = dialled.log_total - plain.log_total
    inside = dialled.raised_inside - plain.raised_inside - less
    outside = dialled.raised_outside - plain.raised_outside - less
    return dialled.inside * inside + dialled.outside * outside


def _objective_of_any(batch: Batch) -> Tracked:
    xp, loose, keys = batch.xp, not batch.careful, batch.keys
    sums = weight_sums(batch.scores, batch.columns["weights"], batch.block, batch.room, xp)
    off = batch.exactly(sums["outside"])
    total = batch.exactly(sums["inside"] + sums["outside"])
    # Weights are not negative: no sum of their products with scores exceeds the total times the largest.
    ends = (x.value for part in (batch.inside, batch.outside) for x in (part.highest, part.least))
    size = total.value * reduce(xp.maximum, map(abs, ends))
    scored = Tracked(sums["scored"], size * (keys + 1) * UNIT, xp, loose=loose)
    logs = Tracked(sums["logs"], 0.0, xp, relative=LIBRARY + (keys + 1) * UNIT, loose=loose)
    entropy = log(total) - logs / total
    return scored / total - batch.column("penalty") * (off / total) + batch.tau * entropy


def _objective_of_softmax(batch: Batch) -> Tracked:
    mix = batch.mixture("penalised")
    inside = mix.inside * batch.inside.mean_score
    outside = mix.outside * (batch.outside.mean_score - batch.column("penalty"))
    return inside + outside + batch.tau * mix.entropy


def _output(mixture: str) -> Callable[[Batch], Tracked]:
    def value(batch: Batch) -> Tracked:
        mix = batch.mixture(mixture)
        return mix.inside * batch.inside.mean_value + mix.outside * batch.outside.mean_value

    return value


def _output_beside_null(batch: Batch) -> Tracked:
    inside, outside, _ = batch.mixture("plain").beside_null
    return inside * batch.inside.mean_value + outside * batch.outside.mean_value


def _pair_entropy(batch: Batch) -> Tracked:
    gap = _over_temperature(_margin)(batch)
    share = 1 / (1 + exp(-gap))
    pair = [(1 - share) * gap, -share * gap]
    others = float(batch.keys - 2)
    total = others + exp(pair[0]) + exp(pair[1])
    return log(total) - (pair[0] * exp(pair[0]) + pair[1] * exp(pair[1])) / total


def _with_complement(name: str) -> Callable[[Batch], Tracked]:
    def value(batch: Batch) -> Tracked:
        target = batch.column(name)
        target.one_minus = 1 - target
        return target

    return value


LETTERS: Mapping[Symbol, Callable[[Batch], Tracked]] = {
    letters.m: lambda batch: batch.number(batch.block),
    letters.k: lambda batch: batch.number(batch.keys - batch.block),
    letters.tau: lambda batch: batch.tau,
    letters.lam: _with_complement("dial"),
    letters.pen: lambda batch: batch.column("penalty"),
    letters.eps_target: _with_complement("leak_target"),
    letters.F_target: _with_complement("fidelity_target"),
    letters.delta: _margin,
    letters.delta_mean: _mean_margin,
    letters.reach: _reach,
    letters.d: _over_temperature(_margin),
    letters.d_mean: _over_temperature(_mean_margin),
    letters.r: _range,
    letters.u: _largest_error,
    letters.delta_seen: _margin_seen,
    letters.spread: _spread,
    letters.F: lambda batch: batch.mixture("plain").inside,
    letters.eps: lambda batch: batch.mixture("plain").outside,
    letters.Delta: _soft_margin,
    letters.H: lambda batch: batch.mixture("plain").entropy,
    letters.H_B: lambda batch: batch.inside.entropy,
    letters.H_C: lambda batch: batch.outside.entropy,
    letters.sbar_B: lambda batch: batch.inside.mean_score,
    letters.sbar_C: lambda batch: batch.outside.mean_score,
    letters.vbar_B: lambda batch: batch.inside.mean_value,
    letters.vbar_C: lambda batch: batch.outside.mean_value,
    letters.F_lam: lambda batch: batch.mixture("dialled").inside,
    letters.eps_lam: lambda batch: batch.mixture("dialled").outside,
    letters.H_lam: lambda batch: batch.mixture("dialled").entropy,
    letters.lam_more: _with_complement("other_dial"),
    letters.H_more: lambda batch: batch.mixture("other dial").entropy,
    letters.eps_two: lambda batch: batch.two_level.outside,
    letters.H_two: lambda batch: batch.two_level.entropy,
    letters.H_pair: _pair_entropy,
    letters.o_plain: _output("plain"),
    letters.o_B: lambda batch: batch.inside.mean_value,
    letters.o_lam: _output("dialled"),
    letters.p_null: lambda batch: batch.mixture("plain").beside_null[2],
    letters.o_null: _output_beside_null,
    letters.H_mask: lambda batch: batch.inside.entropy,
    letters.TV: _total_variation,
    letters.KL: _divergence,
    letters.shift: _output_shift,
    letters.eps_pen: lambda batch: batch.mixture("penalised").outside,
    letters.J_any: _objective_of_any,
    letters.J_soft: _objective_of_softmax,
}
