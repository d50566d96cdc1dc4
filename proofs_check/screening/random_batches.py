"""Draws batches of random rows, in the shapes on which bounds on attention tend to break; the same seed repeats them.

Scores are `jitter * noise + height * pattern`: noise is Gaussian or heavy-tailed, the pattern raises nothing, the
block, one key, or a random half. The noise of one draw serves several batches with fresh jitters, heights, block
sizes and temperatures: the rows differ, their directions repeat, and drawing costs about as much as evaluating.
Temperatures keep the logit range below 600 nats, since masses below the smallest float are for the exact methods.
Rows exactly on a pattern attain equalities, which no float can decide: a fixed number comes first, whatever the
number of samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

from proofs_check.screening.batches import Batch, Columns
from proofs_check.screening.key_sums import TILE, Scratch

FAMILIES = ("gaussian", "heavy-tailed", "block-level", "one-key", "two-level", "tied")
_EQUALITY_FAMILIES = ("block-level", "two-level", "tied", "one-key")
_EQUALITY_ROWS = 1
_EQUALITY_KEYS = (2, 3, 8)
# Causal lengths, cycled through; most rows are of the lengths attention has.
_KEYS = (64, 128, 64, 256, 64, 128, 16, 64, 512, 128, 5, 64, 128, 256, 3, 64)
# Rows of few keys mostly lie near equalities and teach little: a batch is full only at 64 keys and above.
_ELEMENTS_PER_ROW_AND_KEY = 64 * 64
# Longer rows get larger batches, so that there are enough rows for work on whole columns to pay.
_KEYS_AT_MOST = 128
_WINDOWS = 12
_ERA = 128
_TEMPERATURES = (1.0, 0.5, 2.0, 1.4)
_RARE_TEMPERATURES = (0.01, 100.0, 0.0625, 5.0)
_RAREST_TEMPERATURE = 1e6
_LARGEST_RANGE = 600.0
# Noise is at least 2^-14 nats: more even rows are too near equality for floats to tell the side.
_EVENEST = 2.0**14
_LARGEST_NOISE = {"normal": 6.0, "heavy": 300.0}


# Drawn for every key beside its score, and the window of the uniforms that each uses.
_UNIFORM = {"values": 0, "seen": 3, "weights": 6}
# The mixtures of the row near whose masses the targets are drawn.
_ATTAINED = {"leak_target": ("plain", "penalised"), "fidelity_target": ("plain", "dialled")}


class Draws(Protocol):
    """A seeded source of float64 arrays."""

    @property
    def xp(self) -> Any:
        """The library of the arrays."""

    def normal(self, *shape: int) -> Any:
        """Standard normals."""

    def uniform(self, *shape: int) -> Any:
        """Uniforms in [0, 1)."""


class NumpyDraws:
    """numpy's generator."""

    def __init__(self, *seed: int) -> None:
        import numpy as np

        self.xp = np
        self._generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))

    def normal(self, *shape: int) -> Any:
        return self._generator.standard_normal(shape)

    def uniform(self, *shape: int) -> Any:
        return self._generator.random(shape)


class TorchDraws:
    """torch's generator on one device."""

    def __init__(self, device: str, *seed: int) -> None:
        import torch

        self.xp = torch
        self._device = device
        mixed = 0
        for part in seed:
            mixed = (mixed * 1_000_003 + part + 1) % 2**63
        self._generator = torch.Generator(device).manual_seed(mixed)

    def normal(self, *shape: int) -> Any:
        return self.xp.randn(*shape, generator=self._generator, dtype=self.xp.float64, device=self._device)

    def uniform(self, *shape: int) -> Any:
        return self.xp.rand(*shape, generator=self._generator, dtype=self.xp.float64, device=self._device)


def _before(batch: Batch, name: str) -> None:
    for mixture in _ATTAINED.get(name, ()):
        batch.mixture(mixture)


class BatchSource:
    """Batches of about `elements` scores; the same seed and device give the same rows.

    Without `equalities` the rows that lie exactly on a pattern are left out: they cost most of a short run.
    """

    def __init__(self, seed: int, device: str | None = None, elements: int = 2**18, equalities: bool = True) -> None:
        self._seed, self._device, self._elements, self._equalities = seed, device, elements, equalities
        self.xp = self._draws(0).xp
        # A GPU has no such cache to stay in and is best given all rows at once.
        self.scratch = Scratch(self.xp, elements * max(_KEYS) if device == "cuda" else TILE)
        self._pools: dict[tuple[int, str], tuple[int, Any]] = {}

    def _draws(self, *purpose: int) -> Draws:
        if self._device is None:
            return NumpyDraws(self._seed % 2**32, *purpose)
        return TorchDraws(self._device, self._seed, *purpose)

    def batches(self, samples: int) -> Iterator[Batch]:
        """Batches of `samples` rows in total, those on which equalities hold first."""
        left, index = samples, 0
        for keys in _EQUALITY_KEYS:
            for family in _EQUALITY_FAMILIES:
                rows = min(_EQUALITY_ROWS, left) if self._equalities else 0
                if rows:
                    yield self._batch(index, keys, rows, family, on_pattern=True)
                left, index = left - rows, index + 1
        while left > 0:
            keys = _KEYS[index % len(_KEYS)]
            most = max(1, self._elements // min(keys, _KEYS_AT_MOST))
            rows = min(left, most, max(1, keys * self._elements // _ELEMENTS_PER_ROW_AND_KEY))
            # 5 families and 16 lengths are coprime: every pair comes up.
            yield self._batch(index, keys, rows, FAMILIES[index % 5], on_pattern=False)
            left, index = left - rows, index + 1

    def _batch(self, index: int, keys: int, rows: int, family: str, on_pattern: bool) -> Batch:
        draws = self._draws(1, index)
        xp = self.xp
        first, second = (float(x) for x in draws.uniform(2))
        block = self._block(keys, first, second)
        height = 80 * draws.uniform(rows) - 40 if index % 2 else 8 * draws.uniform(rows) - 4
        if on_pattern:
            jitter = 0 * height
        elif family == "gaussian":
            jitter = 10 ** (2.5 * draws.uniform(rows) - 1)
        else:
            jitter = 10 ** (4 * draws.uniform(rows) - 3.5)
        kind = "heavy" if family == "heavy-tailed" else "normal"
        noise = self._pool(index, keys, rows, kind, 0)
        least = (2 * _LARGEST_NOISE[kind] * jitter + abs(height) + 2.5) / _LARGEST_RANGE
        scores = self.scratch.like("scores", noise) if not on_pattern else xp.empty_like(noise)
        pattern = self._pool(index, keys, rows, "normal", 7) if family in ("two-level", "tied") else None
        for which in self.scratch.tiles(scores):
            tile = scores[:, which]
            xp.multiply(noise[:, which], jitter[which], out=tile)
            if pattern is not None:
                tile += self._levels(pattern[:, which], height[which], family)
        if family == "block-level":
            scores[:block] += height
        elif family == "one-key":
            scores[int(second * keys)] += height
        columns = Columns(lambda name: self._column(index, batch, name), lambda name: _before(batch, name))
        columns["least_temperature"], columns["jitter"] = least, jitter
        evenest = jitter + _RAREST_TEMPERATURE if on_pattern else _EVENEST * jitter
        columns["most_temperature"] = xp.maximum(least, evenest)
        batch = Batch(scores, block, columns, family, xp, scratch=self.scratch)
        return batch

    def _levels(self, pattern: Any, height: Any, family: str) -> Any:
        """Two levels `height` apart, or three that are -1, 0 and 1: few different scores, and many of each."""
        xp, levels = self.xp, self.scratch.like("depths", pattern)
        if family == "two-level":
            return xp.copysign(height / 2, pattern, out=levels)
        xp.floor(pattern, out=levels)
        return xp.clip(levels, -1.0, 1.0, out=levels)

    @staticmethod
    def _block(keys: int, first: float, second: float) -> int:
        choices = (1, 2, keys // 8, keys // 2, keys - 1, 1 + int(second * (keys - 1)))
        return min(keys - 1, max(1, choices[int(first * len(choices))]))

    def _pool(self, index: int, keys: int, rows: int, kind: str, lag: int) -> Any:
        """A window of the pool of that kind; windows of one pool overlap, and the pool is redrawn from time to time."""
        era, key = index // _ERA, (keys, kind)
        held_era, held = self._pools.get(key, (-1, None))
        if held_era != era or held.shape[1] < rows:
            held = self._drawn(self._draws(2, era, keys, sum(kind.encode())), (keys + _WINDOWS, rows), kind)
            self._pools[key] = (era, held)
        start = (index + lag) % _WINDOWS
        return held[start : start + keys, :rows]

    def _drawn(self, draws: Draws, shape: tuple[int, int], kind: str) -> Any:
        if kind == "uniform":
            return draws.uniform(*shape)
        pool = draws.normal(*shape)
        if kind == "heavy":
            pool /= abs(draws.normal(*shape))
        return self.xp.clip(pool, -_LARGEST_NOISE[kind], _LARGEST_NOISE[kind], out=pool)

    def _column(self, index: int, batch: Batch, name: str) -> Any:
        draws = self._draws(3, index, sum(name.encode()))
        xp, rows, keys = self.xp, batch.rows, batch.keys
        if name == "temperature":
            ends = batch.columns["least_temperature"], batch.columns["most_temperature"]
            return self._temperatures(draws, rows, *ends)
        if name == "dial":
            # A dial of 0 changes nothing: all are equalities, for the exact methods.
            if keys == min(_EQUALITY_KEYS) and not batch.columns["jitter"].any():
                return xp.zeros_like(batch.columns["jitter"])
            inner = (xp.floor(63 * draws.uniform(rows)) + 1) / 64
            far = 1 - 2.0 ** -xp.floor(1 + 40 * draws.uniform(rows))
            return xp.where(draws.uniform(rows) < 0.5, inner, far)
        if name == "other_dial":
            dial, step = batch.columns["dial"], (xp.floor(63 * draws.uniform(rows)) + 1) / 128
            return xp.where(draws.uniform(rows) < 0.75, dial + (1 - dial) * step, step)
        if name == "penalty":
            # At most 60 nats: with the range, which is below 600, the masses stay above the smallest float.
            return xp.minimum(10 * draws.uniform(rows), 60 * batch.columns["temperature"])
        if name in ("leak_target", "fidelity_target"):
            return self._target(draws, batch, name)
        if name in _UNIFORM:
            return self._of_uniforms(name, self._pool(index, keys, rows, "uniform", _UNIFORM[name]), batch)
        raise KeyError(name)

    def _of_uniforms(self, name: str, uniforms: Any, batch: Batch) -> Any:
        xp, column = self.xp, self.scratch.like(f"column {name}", uniforms)
        if name == "values":
            xp.multiply(uniforms, 8.0, out=column)
            column -= 4
        elif name == "seen":
            xp.subtract(uniforms, 0.5, out=column)
            column += batch.scores
        else:
            xp.multiply(uniforms, 17.0, out=column)
            xp.floor(column, out=column)
            column[0] += 1
        return column

    def _temperatures(self, draws: Draws, rows: int, least: Any, most: Any) -> Any:
        xp, which = self.xp, draws.uniform(rows)
        result = 0 * which + _TEMPERATURES[0]
        for i, temperature in enumerate(_TEMPERATURES[1:], 1):
            result = xp.where(which > i / len(_TEMPERATURES), temperature, result)
        rare = draws.uniform(rows)
        for i, temperature in enumerate(_RARE_TEMPERATURES):
            result = xp.where(rare < 2.0 ** -(5 + i), temperature, result)
        return xp.clip(xp.where(rare < 2.0**-13, _RAREST_TEMPERATURE, result), least, most)

    def _target(self, draws: Draws, batch: Batch, name: str) -> Any:
        """Targets in (0, 1): near both ends, and near what the row, or its changed form, attains."""
        xp, rows = self.xp, batch.rows
        least = 2.0**-60
        anywhere = xp.exp(math.log(least) * draws.uniform(rows))
        anywhere = xp.where(draws.uniform(rows) < 0.5, anywhere, 1 - anywhere)
        near = []
        for mixture in _ATTAINED[name]:
            mix = batch.mixture(mixture)
            mass = mix.outside if name == "leak_target" else mix.inside
            nudge = (draws.uniform(rows) - 0.5) * 10 ** (-6 * draws.uniform(rows))
            near.append(mass.value * (1 + nudge))
        which = draws.uniform(rows)
        target = xp.where(which < 1 / 3, near[0], xp.where(which < 2 / 3, near[1], anywhere))
        return xp.clip(target, least, 1 - 2.0**-53)
