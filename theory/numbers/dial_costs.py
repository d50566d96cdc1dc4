"""Numeric functions of F4: the least costly dials under a budget, for a number of layers, and on measured curves.

An item is a layer or a head. Its cost is F3's: its weight times the fidelity that its dial adds, its leak held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import fsum, log10

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.errors import DomainError
from theory.numbers.checked import Array, broadcast, open_unit, positive, real, require, shown, single_count
from theory.numbers.schedule_bounds import dial_gain

# Digits of the dials beyond those that the smallest leak and cancellation take.
_DIGITS = 60
# Partial choices that one pass of the search on a grid keeps: few to find a good choice, then many to prove it best.
_WIDTHS = (500, 20_000)
# Rounding of a sum of losses, relative to the sum of their sizes.
_ROUNDING = 1e-14

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class GridChoice:
    """One level per item, their total loss, and a number that no choice's total is below.

    `lower_bound` is `total` where no choice is better, up to the rounding of the sums in float64.
    """

    levels: tuple[int, ...]
    total: float
    lower_bound: float


def least_cost_dials(costs: ArrayLike, leaks: ArrayLike, budget: float) -> Array:
    """Dials of sum `budget` whose weighted cost is least (F4); `costs` are the weights and `leaks` lie in [0, 1).

    The minimiser is `clip((1 - sqrt(c eps (1-eps)/nu))/eps, 0, 1)` with one `nu` for all items. Items without leak cost
    nothing: they share what they can take of the budget. Errors are below 1e-12 relative, or 1e-30.

    >>> least_cost_dials([1, 4], [0.5, 0.5], 1.0).round(6).tolist()
    [1.0, 0.0]
    >>> least_cost_dials(1, [0.5, 0.5, 0.5], 1.5).tolist()
    [0.5, 0.5, 0.5]
    """
    weights, shares = broadcast(cost=np.atleast_1d(positive("cost", costs)), leak=real("leak", leaks))
    require((shares >= 0) & (shares < 1), "leak", shares, "lie in [0, 1)")
    if shares.ndim != 1:
        raise DomainError(f"costs and leaks of shape {shares.shape} must be one number for each item")
    total = real("budget", budget)
    if total.ndim or not 0 <= total <= len(shares):
        law = f"be one number in [0, {len(shares)}], the largest sum of so many dials"
        raise DomainError(f"budget={shown(total.flat[0]) if total.size else budget} must {law}")
    leaking = shares > 0
    free = int(len(shares) - leaking.sum())
    dials = np.full(len(shares), min(1.0, float(total) / free) if free else 0.0)
    items = [(Decimal(c), Decimal(e)) for c, e in zip(weights[leaking].tolist(), shares[leaking].tolist(), strict=True)]
    if items:
        dials[leaking] = _least_cost(items, max(Decimal(0), Decimal(float(total)) - free))
    return dials


def _least_cost(items: Sequence[tuple[Decimal, Decimal]], budget: Decimal) -> list[float]:
    """The dials of least cost of items that leak, in so many digits that nothing cancels."""
    with localcontext() as context:
        context.prec = _DIGITS + 20 - 2 * int(log10(min(leak for _, leak in items)))
        context.Emax, context.Emin = 10**6, -(10**6)
        # The marginal cost c eps (1-eps)/(1 - lam eps)^2 of the dials 0 and 1: where an item's dial starts and stops.
        starts = [c * eps * (1 - eps) for c, eps in items]
        stops = [c * eps / (1 - eps) for c, eps in items]

        def dial(start: Decimal, stop: Decimal, leak: Decimal, nu: Decimal) -> Decimal:
            return Decimal(0) if nu <= start else Decimal(1) if nu >= stop else (1 - (start / nu).sqrt()) / leak

        def spent(nu: Decimal) -> Decimal:
            triples = zip(starts, stops, items, strict=True)
            return sum((dial(start, stop, leak, nu) for start, stop, (_, leak) in triples), Decimal(0))

        # What is spent rises with nu, and between two neighbouring marginals the same items take part.
        marginals = sorted({*starts, *stops})
        below, above = 0, len(marginals) - 1
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if spent(marginals[middle]) <= budget else (below, middle)
        low, high = marginals[below], marginals[above]
        dials = [Decimal(int(stop <= low)) for stop in stops]
        inner = [i for i, (start, stop) in enumerate(zip(starts, stops, strict=True)) if start <= low and stop >= high]
        if inner:
            # Solved for 1/sqrt(nu): the sum of (1 - sqrt(start/nu))/eps over the inner items is what is left.
            left = budget - sum(dials)
            roots = {i: starts[i].sqrt() for i in inner}
            inverses = sum((1 / items[i][1] for i in inner), Decimal(0))
            root = (inverses - left) / sum((roots[i] / items[i][1] for i in inner), Decimal(0))
            for i in inner:
                dials[i] = min(max((1 - roots[i] * root) / items[i][1], Decimal(0)), Decimal(1))
        return [float(value) for value in dials]


def cheapest_layers(costs: ArrayLike, leaks: ArrayLike, fidelity: float, number: int) -> Array:
    """Dials that bring `number` of the layers to `fidelity` at least cost (F4): 0 in the others.

    A layer's own dial is B1's, 0 where it has the fidelity already; of equal costs the first layer is taken.

    >>> cheapest_layers([1, 1, 9], [0.5, 0.2, 0.5], 0.9, 2).round(6).tolist()
    [0.888889, 0.555556, 0.0]
    """
    weights, shares = broadcast(cost=np.atleast_1d(positive("cost", costs)), leak=open_unit("leak", leaks))
    goal, asked = open_unit("fidelity", fidelity), single_count("number of layers", number, at_least=0)
    if shares.ndim != 1 or goal.ndim:
        raise DomainError(
            f"costs and leaks of shape {shares.shape} must be one number for each layer, with one fidelity"
        )
    if asked > len(shares):
        raise DomainError(f"number of layers={asked} must be at most {len(shares)}, the layers that there are")
    # B1's dial from the leak: of leak + fidelity - 1, the subtraction that is exact comes first.
    excess = np.where(shares >= 0.5, (shares - 1) + goal, shares - (1 - goal))
    own = np.maximum(excess, 0.0) / goal / shares
    # By logarithms: a tiny weight times a gain may underflow to that of a layer that gains nothing.
    with np.errstate(divide="ignore"):
        sizes = np.log(weights) + np.log(dial_gain(shares, own))
    cheapest = np.argsort(sizes, kind="stable")[:asked]
    dials = np.zeros(len(shares))
    dials[cheapest] = own[cheapest]
    return dials


def least_cost_on_grid(curves: ArrayLike, met: ArrayLike, needed: int) -> GridChoice:
    """One level per item, of least total loss, whose contributions sum to `needed` or more (F4 on measured curves).

    `curves` holds the loss of every item (row) at every level (column), `met` what the item contributes there, a
    nonnegative integer such as its rows that meet a fidelity. Raises `DomainError` if no choice reaches `needed`.

    Lagrange's multiplier gives a lower bound on every choice's total, and by how much more each level costs than it. A
    search over partial choices leaves out only those that cannot beat the best one found, or more than it can keep,
    which then count in `lower_bound`.

    >>> least_cost_on_grid([[0.0, 0.5, 0.9], [0.0, 0.1, 0.8]], [[0, 6, 10], [0, 5, 10]], 11)
    GridChoice(levels=(1, 1), total=0.6, lower_bound=0.6)
    """
    losses, gains = _grid(curves, met)
    most, wanted = int(gains.max(axis=1).sum()), single_count("needed", needed, at_least=0)
    if wanted > most:
        raise DomainError(f"needed={wanted} must be at most {most}, the sum of the largest contributions")
    problem = _Grid(losses, gains.max(axis=1, keepdims=True) - gains, most - wanted)
    levels, unseen = problem.start(), 0.0
    for width in _WIDTHS:
        levels, unseen = problem.search(levels, width)
        if unseen >= problem.gap(levels):
            break
    total = problem.total(levels)
    bound = total if unseen >= problem.gap(levels) else problem.floor + unseen - problem.noise
    return GridChoice(tuple(levels.tolist()), total, min(total, bound))


def least_cost_at_mean(levels: ArrayLike, curves: ArrayLike, mean: float) -> Array:
    """Dials of this mean whose summed loss is least, one per item (F4 on measured curves).

    `curves` holds the loss of every item (row) at every level (column); `levels` rise from 0 to 1 and the loss is taken
    to be linear between two of them. Of the choices of hundredths up to 0.99 with the nearest sum, the best is taken,
    and its dials are then scaled to the mean; a sum nearest to 0 is shared equally. Raises `DomainError` for a mean
    outside [0, 0.99].

    >>> least_cost_at_mean([0, 0.5, 1], [[0.0, 0.1, 0.4], [0.0, 0.3, 0.8]], 0.25).tolist()
    [0.5, 0.0]
    """
    losses, steps = real("curves", curves), real("levels", levels)
    if losses.ndim != 2 or steps.ndim != 1 or losses.shape[1] != len(steps) or not len(losses) or len(steps) < 2:
        raise DomainError(f"curves of shape {losses.shape} must be items x levels, for {steps.size} levels")
    if steps[0] != 0 or steps[-1] != 1 or np.any(np.diff(steps) <= 0):
        raise DomainError(f"levels {', '.join(map(shown, steps))} must rise from dial 0 to dial 1")
    if not 0 <= mean <= 0.99:
        raise DomainError(f"mean dial={mean:g} must lie in [0, 0.99]")
    at = np.arange(100)
    fine = np.array([np.interp(at / 100, steps, item) for item in losses])
    units = round(100 * mean * len(fine))
    best = np.where(np.arange(units + 1) == 0, 0.0, np.inf)
    picks = []
    for item in fine:
        # Row j: this item takes j hundredths of the sum.
        sums = np.full((100, units + 1), np.inf)
        for j in at[: units + 1]:
            sums[j, j:] = best[: units + 1 - j] + item[j]
        picks.append(sums.argmin(axis=0))
        best = sums.min(axis=0)
    dials, left = np.zeros(len(fine)), units
    for index in range(len(fine) - 1, -1, -1):
        dials[index] = picks[index][left] / 100
        left -= int(picks[index][left])
    return dials * (mean * len(fine) / dials.sum()) if units else np.full(len(fine), float(mean))


class _Grid:
    """Least sum of `losses`, one level per item, whose integers `short` sum to `allowed` or less.

    At a price for each unit short, every level costs some `excess` over its item's cheapest. A choice's total is
    `floor`, plus its levels' excesses, plus the price of the units allowed that it leaves.
    """

    def __init__(self, losses: Array, short: Integers, allowed: int) -> None:
        self.losses, self.short, self.allowed = losses, short, allowed
        self.items = np.arange(len(losses))
        self.price = self._least_price()
        relaxed = losses + self.price * short
        self.excess = relaxed - relaxed.min(axis=1, keepdims=True)
        self.floor = fsum(relaxed.min(axis=1)) - self.price * allowed
        self.noise = _ROUNDING * (float(np.abs(losses).max(axis=1).sum()) + self.price * allowed)

    def start(self) -> Integers:
        """The cheapest levels at the price, which are not short of more than allowed."""
        return self._cheapest(self.price)

    def total(self, levels: Integers) -> float:
        """Sum of the losses at these levels."""
        return fsum(self.losses[self.items, levels])

    def gap(self, levels: Integers) -> float:
        """By how much these levels' total exceeds the floor."""
        left = self.allowed - int(self.short[self.items, levels].sum())
        return fsum(self.excess[self.items, levels]) + self.price * left

    def _cheapest(self, price: float) -> Integers:
        relaxed = self.losses + price * self.short
        # Of equally cheap levels, the one that is least short.
        tied = relaxed == relaxed.min(axis=1, keepdims=True)
        levels: Integers = np.where(tied, self.short, self.short.max() + 1).argmin(axis=1)
        return levels

    def _least_price(self) -> float:
        """The least price, to a rounding, at which the cheapest levels are short of no more than allowed."""

        def enough(price: float) -> bool:
            return int(self.short[self.items, self._cheapest(price)].sum()) <= self.allowed

        # Above the widest range of losses, a unit short costs more than any level saves.
        low, high = 0.0, 2 * float(np.ptp(self.losses, axis=1).max()) + 1e-300
        if enough(low):
            return low
        while low < (middle := (low + high) / 2) < high:
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def search(self, levels: Integers, width: int) -> tuple[Integers, float]:
        """The best levels found, and the least gap that a choice left out unseen can have, infinite if there is none.

        Goes through the items with the partial choices that can still beat `levels`, keeps of these only those that no
        other beats in both loss and units short, and no more than `width` of them.
        """
        gap, unseen = self.gap(levels) + self.noise, np.inf
        useful = self.excess <= gap
        least = np.where(useful, self.short, self.short.max() + 1).min(axis=1)[::-1].cumsum()[::-1]
        most = np.where(useful, self.short, 0).max(axis=1)[::-1].cumsum()[::-1]
        least, most = np.append(least[1:], 0), np.append(most[1:], 0)
        loss, excess, short = np.zeros(1), np.zeros(1), np.zeros(1, dtype=np.int64)
        chosen: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        for item in self.items:
            options = np.flatnonzero(useful[item])
            parents = np.repeat(np.arange(len(loss)), len(options))
            picks = np.tile(options, len(loss))
            loss = loss[parents] + self.losses[item, picks]
            excess = excess[parents] + self.excess[item, picks]
            short = short[parents] + self.short[item, picks]
            bound = excess + self.price * np.maximum(0, self.allowed - short - most[item])
            order = np.lexsort((loss, short))
            before = np.append(np.inf, np.minimum.accumulate(loss[order])[:-1])
            order = order[loss[order] < before]
            order = order[(short[order] + least[item] <= self.allowed) & (bound[order] <= gap)]
            if len(order) > width:
                # Of equal bounds a mixture, or all that are kept would be short of about as much.
                order = np.random.default_rng(0).permutation(order)
                order = order[np.argsort(bound[order], kind="stable")]
                unseen = min(unseen, float(bound[order[width]]))
                order = order[:width]
            loss, excess, short = loss[order], excess[order], short[order]
            chosen.append((parents[order].astype(np.int32), picks[order].astype(np.int32)))
        if not len(loss):
            return levels, unseen
        found, at = levels.copy(), int(loss.argmin())
        for item, (earlier, taken) in zip(self.items[::-1], chosen[::-1], strict=True):
            found[item], at = taken[at], int(earlier[at])
        return (found if self.total(found) < self.total(levels) else levels), unseen


def _grid(curves: ArrayLike, met: ArrayLike) -> tuple[Array, Integers]:
    losses, contributions = real("curves", curves), real("met", met)
    if losses.ndim != 2 or 0 in losses.shape or contributions.shape != losses.shape:
        shapes = f"curves of shape {losses.shape} and met of shape {contributions.shape}"
        raise DomainError(f"{shapes} must both be items x levels, at least one of each")
    law = "be an integer from 0 to 2^53 over the number of items"
    whole = (contributions == np.floor(contributions)) & (contributions >= 0)
    require(whole & (contributions * len(losses) <= 2.0**53), "met", contributions, law)
    return losses, contributions.astype(np.int64)
