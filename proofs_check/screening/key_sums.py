"""Sums over the keys of a block or of the rest, for many rows, in tiles that stay in the cache.

Scores have shape (keys, rows). Depths are `x = (s - top)/tau <= 0` and weights `w = e^x`, `top` the largest score of a
row's keys. Each sum is an array with one entry per row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

# Scores of one tile: its depths and weights fit in a cache of a few MiB.
TILE = 2**17

_FROM_WEIGHTS = frozenset({"total", "depth", "square", "value", "others"})


def now(xp: Any) -> float:
    """The time in seconds, once the device has finished its work."""
    if xp.__name__ == "torch" and xp.cuda.is_available():
        xp.cuda.synchronize()
    return time.perf_counter()


class Scratch:
    """Buffers kept between batches: fresh pages cost as much as the arithmetic."""

    def __init__(self, xp: Any, tile: int = TILE) -> None:
        self._xp, self._tile = xp, tile
        self._held: dict[str, Any] = {}

    def like(self, name: str, array: Any) -> Any:
        """An uninitialised buffer of the array's shape; all buffers of one name share memory."""
        entries = array.shape[0] * array.shape[1]
        held = self._held.get(name)
        if held is None or held.shape[0] < entries:
            held = self._held[name] = self._xp.empty_like(array).reshape(-1)
        return held[:entries].reshape(array.shape)

    def tiles(self, scores: Any) -> Iterator[slice]:
        """Slices of the rows of an array of shape (keys, rows), each with about as many scores as a tile."""
        keys, rows = scores.shape
        width = max(1, self._tile // keys)
        return (slice(first, min(rows, first + width)) for first in range(0, rows, width))


def key_sums(scores: Any, temperature: Any, values: Any, wanted: frozenset[str], scratch: Scratch, xp: Any) -> Any:
    """The largest score of every row, "top", and the wanted ones of these sums, by name.

    "least" is the least score, "fall" the sum of `s - top`, "total" of `w`, "depth" of `-x w`, "square" of `x^2 w`,
    "value" of `w v` for the values `v`; "others" is the sum of `w` without the keys at the top, and "ties" the
    number of those keys.
    """
    like = scores[0]
    names = {"top", *wanted} | ({"ties"} if "others" in wanted else set())
    found = {name: xp.empty_like(like) for name in names}
    for which in scratch.tiles(scores):
        tile = scores[:, which]
        into = {name: array[which] for name, array in found.items()}
        _tile_sums(tile, temperature[which], None if values is None else values[:, which], into, scratch, xp)
    return found


def _tile_sums(scores: Any, temperature: Any, values: Any, into: dict[str, Any], scratch: Scratch, xp: Any) -> None:
    xp.amax(scores, 0, out=into["top"])
    if "least" in into:
        xp.amin(scores, 0, out=into["least"])
    if "fall" not in into and not _FROM_WEIGHTS & into.keys():
        return
    depths = scratch.like("depths", scores)
    xp.subtract(scores, into["top"], out=depths)
    if "fall" in into:
        xp.sum(depths, 0, out=into["fall"])
    if not _FROM_WEIGHTS & into.keys():
        return
    weights = depths
    xp.divide(depths, temperature, out=depths)
    if {"depth", "square", "others"} & into.keys():
        weights = scratch.like("weights", scores)
    xp.exp(depths, out=weights)
    if "total" in into:
        xp.sum(weights, 0, out=into["total"])
    if "value" in into:
        into["value"][...] = xp.einsum("ij,ij->j", weights, values)
    if "depth" in into:
        into["depth"][...] = xp.einsum("ij,ij->j", depths, weights)
        xp.negative(into["depth"], out=into["depth"])
    if "square" in into:
        into["square"][...] = xp.einsum("ij,ij->j", depths * depths, weights)
    if "others" in into:
        at_top = depths == 0
        into["ties"][...] = xp.sum(at_top, 0, dtype=xp.float64)
        into["others"][...] = xp.sum(xp.where(at_top, 0.0, weights), 0)


def softmax_alone(scores: Any, temperature: Any, scratch: Scratch, xp: Any) -> None:
    """The softmax of every row in the same layout and tiles: the reference for the time of a screen."""
    for which in scratch.tiles(scores):
        tile = scores[:, which]
        masses = scratch.like("softmax", tile)
        xp.divide(tile, temperature[which], out=masses)
        xp.subtract(masses, xp.amax(masses, 0), out=masses)
        xp.exp(masses, out=masses)
        xp.divide(masses, xp.sum(masses, 0), out=masses)


def seen_sums(scores: Any, seen: Any, block: int, scratch: Scratch, xp: Any) -> dict[str, Any]:
    """Of other scores `s'`: the "least" in the block, the "top" outside, and the "largest" `|s - s'|`."""
    found = {name: xp.empty_like(scores[0]) for name in ("least", "top", "largest")}
    for which in scratch.tiles(scores):
        tile = seen[:, which]
        xp.amin(tile[:block], 0, out=found["least"][which])
        xp.amax(tile[block:], 0, out=found["top"][which])
        apart = scratch.like("depths", tile)
        xp.subtract(scores[:, which], tile, out=apart)
        xp.abs(apart, out=apart)
        xp.amax(apart, 0, out=found["largest"][which])
    return found


def weight_sums(scores: Any, weights: Any, block: int, scratch: Scratch, xp: Any) -> dict[str, Any]:
    """Sums of weights `p`, 0 or at least 1: "inside" the block, "outside", "scored" of `p s`, "logs" of `p log p`."""
    found = {name: xp.empty_like(scores[0]) for name in ("inside", "outside", "scored", "logs")}
    for which in scratch.tiles(scores):
        tile = weights[:, which]
        xp.sum(tile[:block], 0, out=found["inside"][which])
        xp.sum(tile[block:], 0, out=found["outside"][which])
        found["scored"][which] = xp.einsum("ij,ij->j", tile, scores[:, which])
        logs = scratch.like("depths", tile)
        # 0 log 0 = 0: the logarithm of 1 stands in.
        xp.clip(tile, 1.0, None, out=logs)
        xp.log(logs, out=logs)
        found["logs"][which] = xp.einsum("ij,ij->j", tile, logs)
    return found
