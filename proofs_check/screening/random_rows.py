"""Batches of random rows, in the shapes on which bounds on attention tend to break.

Logits are `jitter * noise + height * pattern`, within 14 nats of 0: noise is Gaussian or heavy-tailed, the pattern
raises nothing, the block, one key or some keys. On such rows, with at least 3 keys and 2 outside the block, floats can
tell the sides of a bound apart. Rows that lie exactly on a pattern attain equalities, which floats cannot decide: one
of every pattern comes first, of 2, 3 and 8 keys. Logits further apart than 28 nats, and rows nearer to a pattern, are
for the exact methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import expit

from proofs_check.screening.batches import Batch, OnDemand

FAMILIES = ("gaussian", "heavy-tailed", "block-level", "one-key", "two-level", "tied")
# Most rows are of the lengths attention has; 13 lengths and 6 families are coprime, so that every pair comes up.
_KEYS = (64, 128, 16, 64, 256, 5, 64, 32, 128, 3, 64, 512, 8)
_ON_PATTERN = [(keys, family) for keys in (2, 3, 8) for family in FAMILIES[2:]]
_TEMPERATURES = (1.0, 0.5, 2.0, 1.4, 0.0625, 5.0, 0.01, 100.0)
_LARGEST_LOGIT = 14.0
_LARGEST_BATCH = 2**18
# The rows of a short screen are of many shapes; those of few keys teach little.
_BATCHES, _ROWS, _ROWS_PER_KEY = 64, (32, 4096), 64

Generator = np.random.Generator


def random_batches(samples: int, seed: int, on_pattern: bool = True) -> Iterator[Batch]:
    """Batches of `samples` rows in total, first those exactly on a pattern unless `on_pattern` is False.

    The same seed and number of samples repeat them.
    """
    done = 0
    if on_pattern:
        for keys, family in _ON_PATTERN[:samples]:
            yield _batch(seed, done, keys, 1, family, on_pattern=True)
            done += 1
    most = min(max(samples // _BATCHES, _ROWS[0]), _ROWS[1])
    index = done
    while done < samples:
        keys = _KEYS[index % len(_KEYS)]
        rows = min(samples - done, most, keys * _ROWS_PER_KEY, _LARGEST_BATCH // keys)
        yield _batch(seed, index, keys, rows, FAMILIES[index % len(FAMILIES)], on_pattern=False)
        done, index = done + rows, index + 1


def _batch(seed: int, index: int, keys: int, rows: int, family: str, on_pattern: bool) -> Batch:
    rng = np.random.default_rng([seed, index])
    block = int(rng.choice([1, 2, keys // 8, keys // 2, keys - 1, int(rng.integers(1, keys))]))
    block = min(max(block, 1), keys - 1 if on_pattern else keys - 2)
    jitter = 0.0 if on_pattern else 10 ** rng.uniform(-1.5, 0.5, rows)
    noise = rng.standard_normal((keys, rows))
    if family == "heavy-tailed":
        noise /= abs(rng.standard_normal((keys, rows)))
    height = rng.choice((3.0, 12.0)) * rng.uniform(-1, 1, rows)
    logits = noise * jitter
    if family == "heavy-tailed":
        # Clipped, many keys would tie at the largest logit.
        logits /= 1 + abs(logits) / _LARGEST_LOGIT
    logits += height * _pattern(rng, keys, rows, block, family)
    temperature = rng.choice(_TEMPERATURES, rows)
    scores = np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT, out=logits) * temperature

    def draw(name: str) -> Any:
        column = np.random.default_rng([seed, index, 1 + _NAMES.index(name)])
        # A dial of 0 changes nothing, which is another equality.
        return np.zeros(rows) if on_pattern and keys < 4 and name == "dial" else _COLUMNS[name](column, batch)

    columns: OnDemand[str, Any] = OnDemand(draw)
    columns["temperature"] = temperature
    batch = Batch(scores, block, columns, family)
    return batch


def _pattern(rng: Generator, keys: int, rows: int, block: int, family: str) -> Any:
    """What the height multiplies: 0 or 1, and for ties -1, 0 or 1."""
    pattern = np.zeros((keys, 1))
    if family == "block-level":
        pattern[:block] = 1.0
    elif family == "one-key":
        pattern[rng.integers(keys)] = 1.0
    elif family == "two-level":
        return (rng.random((keys, rows)) < 0.5).astype(float)
    elif family == "tied":
        return np.floor(3 * rng.random((keys, rows))) - 1
    return pattern


def _dial(rng: Generator, batch: Batch) -> Any:
    inner = rng.integers(1, 64, batch.rows) / 64
    return np.where(rng.random(batch.rows) < 0.5, inner, 1 - 2.0 ** -rng.integers(1, 13, batch.rows))


def _other_dial(rng: Generator, batch: Batch) -> Any:
    # An odd number of 256ths below 1/2 differs from every dial: equal dials would be another equality.
    dial, step = batch.columns["dial"], (2 * rng.integers(1, 64, batch.rows) + 1) / 256
    return np.where(rng.random(batch.rows) < 0.75, dial + (1 - dial) * step, step)


def _near(rng: Generator, batch: Batch, attained: Any) -> Any:
    """Log-odds near those of the row, near those of its changed form, and anywhere."""
    anywhere = rng.uniform(-2, 2, batch.rows) * _LARGEST_LOGIT
    which = rng.integers(3, size=batch.rows)
    nudge = rng.uniform(-0.5, 0.5, batch.rows) * 10 ** rng.uniform(-6, 0, batch.rows)
    return np.choose(which, (batch.log_odds.value, attained, anywhere)) + nudge


_COLUMNS: dict[str, Callable[[Generator, Batch], Any]] = {
    "dial": _dial,
    "other_dial": _other_dial,
    "penalty": lambda rng, batch: rng.uniform(0, 10, batch.rows) * batch.columns["temperature"],
    "leak_target": lambda rng, batch: expit(-_near(rng, batch, batch.penalised.log_odds.value)),
    "fidelity_target": lambda rng, batch: expit(_near(rng, batch, batch.dialled.log_odds.value)),
    "values": lambda rng, batch: rng.uniform(-4, 4, batch.scores.shape),
    "seen": lambda rng, batch: batch.scores + rng.uniform(-0.5, 0.5, batch.scores.shape) * batch.columns["temperature"],
    "weights": lambda rng, batch: rng.integers(0, 17, batch.scores.shape) + 1.0 * (np.arange(batch.keys)[:, None] == 0),
}
_NAMES = tuple(_COLUMNS)
