"""The value of every letter on a batch of rows, from the theory's table of definitions, with its error bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sympy import Symbol

from proofs_check.batches import Batch, Part
from proofs_check.running_error import LIBRARY, UNIT, Tracked, log
from theory import symbols as letters


def on_batch(batch: Batch, wanted: Iterable[Symbol], found: dict[Symbol, Tracked]) -> dict[Symbol, Tracked]:
    """Values of the wanted letters, added to those already found. Raises `KeyError` for a letter rows do not have."""
    for letter in wanted:
        if letter not in found:
            found[letter] = LETTERS[letter](batch)
    return found


def _exact(batch: Batch, value: object) -> Tracked:
    return Tracked(value, 0.0, batch.xp)


def _top(batch: Batch, part: Part) -> Tracked:
    return _exact(batch, part.top)


def _margin(batch: Batch) -> Tracked:
    if batch.block == 1:
        return batch.gap
    return batch.inside.least() - _top(batch, batch.outside)


def _mean_margin(batch: Batch) -> Tracked:
    if batch.block == 1:
        return batch.gap
    return batch.gap - batch.plain_mean(batch.inside)


def _reach(batch: Batch) -> Tracked:
    if batch.outside.keys == 1:
        return batch.gap
    return batch.gap + batch.plain_mean(batch.outside)


def _range(batch: Batch) -> Tracked:
    xp = batch.xp
    top = xp.maximum(batch.inside.top, batch.outside.top)
    least = xp.minimum(batch.inside.least().value, batch.outside.least().value)
    return (_exact(batch, top) - _exact(batch, least)) / batch.tau


def _soft_margin(batch: Batch) -> Tracked:
    def log_mean(part: Part) -> Tracked:
        return part.log_total - log(batch.number(part.keys))

    return batch.gap / batch.tau + (log_mean(batch.inside) - log_mean(batch.outside))


def _largest_error(batch: Batch) -> Tracked:
    value = batch.xp.amax(abs(batch.scores - batch.columns["seen"]), 0)
    return Tracked(value, value * UNIT, batch.xp)


def _margin_seen(batch: Batch) -> Tracked:
    xp, seen = batch.xp, batch.columns["seen"]
    least, top = xp.amin(seen[: batch.block], 0), xp.amax(seen[batch.block :], 0)
    return _exact(batch, least) - _exact(batch, top)


def _spread(batch: Batch) -> Tracked:
    xp, values = batch.xp, batch.columns["values"]
    return _exact(batch, xp.amax(values, 0)) - _exact(batch, xp.amin(values, 0))


def _mean_value(batch: Batch, inside: bool) -> Tracked:
    part = batch.inside if inside else batch.outside
    values = batch.columns["values"]
    chosen = values[: batch.block] if inside else values[batch.block :]
    return batch.weighted_values(part, chosen) / part.total


def _output_shift(batch: Batch) -> Tracked:
    # Conditional means stay, so the outputs' difference is that of the masses times them, without their cancellation.
    plain, dialled = batch.mixture("plain"), batch.mixture("dialled")
    inside = (dialled.inside - plain.inside) * _mean_value(batch, True)
    return inside + (dialled.outside - plain.outside) * _mean_value(batch, False)


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
    xp, weights, scores = batch.xp, batch.columns["weights"], batch.scores
    total = _exact(batch, xp.sum(weights, 0))
    off = _exact(batch, xp.sum(weights[batch.block :], 0))
    linear = xp.einsum("ij,ij->j", weights, scores)
    size = xp.einsum("ij,ij->j", weights, abs(scores))
    # 0 log 0 = 0: the logarithm of 1 stands in.
    spread = xp.einsum("ij,ij->j", weights, xp.log(xp.clip(weights, 1.0, None)))
    scored = Tracked(linear, size * (batch.keys + 1) * UNIT, xp)
    spread_sum = Tracked(spread, spread * (LIBRARY + (batch.keys + 1) * UNIT), xp)
    entropy = log(total) - spread_sum / total
    return scored / total - batch.column("penalty") * (off / total) + batch.tau * entropy


def _objective_of_softmax(batch: Batch) -> Tracked:
    mix = batch.mixture("penalised")
    inside = mix.inside * batch.mean_score(batch.inside)
    outside = mix.outside * (batch.mean_score(batch.outside) - batch.column("penalty"))
    return inside + outside + batch.tau * batch.entropy("penalised")


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
    letters.d: lambda batch: _margin(batch) / batch.tau,
    letters.d_mean: lambda batch: _mean_margin(batch) / batch.tau,
    letters.r: _range,
    letters.u: _largest_error,
    letters.delta_seen: _margin_seen,
    letters.spread: _spread,
    letters.F: lambda batch: batch.mixture("plain").inside,
    letters.eps: lambda batch: batch.mixture("plain").outside,
    letters.Delta: _soft_margin,
    letters.H: lambda batch: batch.entropy("plain"),
    letters.H_B: lambda batch: batch.part_entropy(batch.inside),
    letters.H_C: lambda batch: batch.part_entropy(batch.outside),
    letters.sbar_B: lambda batch: batch.mean_score(batch.inside),
    letters.sbar_C: lambda batch: batch.mean_score(batch.outside),
    letters.vbar_B: lambda batch: _mean_value(batch, True),
    letters.vbar_C: lambda batch: _mean_value(batch, False),
    letters.F_lam: lambda batch: batch.mixture("dialled").inside,
    letters.eps_lam: lambda batch: batch.mixture("dialled").outside,
    letters.H_lam: lambda batch: batch.entropy("dialled"),
    letters.H_mask: lambda batch: batch.part_entropy(batch.inside),
    letters.TV: _total_variation,
    letters.KL: _divergence,
    letters.shift: _output_shift,
    letters.eps_pen: lambda batch: batch.mixture("penalised").outside,
    letters.J_any: _objective_of_any,
    letters.J_soft: _objective_of_softmax,
}
