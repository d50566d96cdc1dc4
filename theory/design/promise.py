"""What a layer promises: its targets at every row that occurs (A7), decided exactly.

In softmax attention A2 and A4 decide; in group-sparse attention (B5) they do not apply, and the promise is that no mass
is left outside the block. Then the fidelity is 1 and the entropy is at most that of a uniform block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import ArrayLike, NDArray

from theory.design.causal_rows import CausalRows, Row
from theory.design.guarantee import (
    LARGEST_DIAL,
    LARGEST_FLOAT,
    Design,
    Targets,
    ball,
    certain,
    fidelity_missed,
    guaranteed,
    smallest_float,
)
from theory.design.needed import separation_needed
from theory.numbers import bounds
from theory.numbers.checked import Array

Mask = NDArray[np.bool_]
# Relative error of the float bounds, within which nothing is called impossible.
_CERTAIN = 1e-11


@dataclass(frozen=True)
class Setting:
    """Settings shared by all rows of a layer; the margin is a lower bound."""

    margin: float | Fraction
    temperature: float = 1.0
    penalty: float = 0.0
    dial: float = 0.0

    def at(self, row: Row) -> Design:
        """One row of the layer."""
        return Design(row.keys, row.own, self.margin, self.temperature, self.penalty, self.dial, at_least=True)

    def at_range(self, logit_range: float) -> Setting:
        """The setting with the largest margin that this range of the scores, over the temperature, allows."""
        return replace(self, margin=Fraction(logit_range) * Fraction(self.temperature))


@dataclass(frozen=True)
class Sparse:
    """Group-sparse attention: a penalty on each group of `group` keys (B5)."""

    penalty: float
    group: int


@dataclass(frozen=True)
class Promise:
    """Targets that every row must keep; with `sparse`, also that every row's complement is empty.

    A row without a key outside its block has fidelity 1; its entropy, at most `log m`, counts too.
    """

    rows: CausalRows
    targets: Targets
    sparse: Sparse | None = None

    @property
    def any(self) -> bool:
        """Whether there is a target or a sparse penalty."""
        return self.targets.any or self.sparse is not None

    def kept(self, setting: Setting) -> bool:
        """Whether every row keeps the promise; True only if that is certain. Monotone in the separation."""
        if self.sparse is not None:
            block = Row(self.rows.most, self.rows.most)
            return self.emptied(setting) and guaranteed(setting.at(block), Targets(None, self.targets.entropy_bits))
        fidelity, entropy = Targets(self.targets.fidelity), Targets(None, self.targets.entropy_bits)
        return guaranteed(setting.at(self.rows.farthest), fidelity) and (
            not entropy.any or all(guaranteed(setting.at(row), entropy) for row in self.rows.entropy_candidates())
        )

    def smallest_dial(self, setting: Setting) -> float | None:
        """Smallest dial in [0, 1) that keeps the promise; None if nothing is asked for, or no dial is enough."""

        def kept(dial: float) -> bool:
            return self.kept(replace(setting, dial=dial))

        return smallest_float(kept, 0.0, LARGEST_DIAL) if self.any and kept(LARGEST_DIAL) else None

    def smallest_margin(self, setting: Setting) -> float | None:
        """Smallest margin that keeps the promise; None if no float is enough."""

        def kept(margin: float) -> bool:
            return self.kept(replace(setting, margin=margin))

        return smallest_float(kept, -LARGEST_FLOAT, LARGEST_FLOAT) if kept(LARGEST_FLOAT) else None

    def emptied(self, setting: Setting) -> bool:
        """Whether the sparse penalty certainly empties the complement of every row (B5)."""
        return self._sparse(setting, enough=True)

    def never_emptied(self, setting: Setting) -> bool:
        """Whether, with every row at exactly this margin, some row's complement certainly keeps mass."""
        return self._sparse(setting, enough=False)

    def _sparse(self, setting: Setting, enough: bool) -> bool:
        """Compares the penalty with `sqrt(group) tau (1/m - separation)`, which is largest at the fewest own keys."""
        if self.sparse is None:
            return False
        design, penalty = setting.at(self.rows.farthest), Fraction(self.sparse.penalty)
        size, tau = self.largest_group, Fraction(setting.temperature)
        lacking = tau * (Fraction(1, design.block) - design.rational_part)
        if setting.dial == 0:
            return (lacking <= 0 or penalty**2 >= size * lacking**2) is enough

        # The dial's logarithm is transcendental, so equality with the penalty cannot occur.
        def over() -> Any:
            return arb(size).sqrt() * (ball(lacking) + ball(tau) * ball(design.open_dial()).log()) - ball(penalty)

        no, yes = (lambda: over() > 0), (lambda: over() < 0)
        return certain(yes, no) if enough else certain(no, yes)

    @property
    def largest_group(self) -> int:
        """Keys in the largest penalised group of the row that binds."""
        return min(1 if self.sparse is None else self.sparse.group, self.rows.farthest.others)

    def sparse_penalty_needed(self, setting: Setting) -> float:
        """The group penalty that empties every row's complement (B5), in float64."""
        lacking = 1 / self.rows.own_keys - setting.at(self.rows.farthest).nats()
        return max(0.0, self.largest_group**0.5 * setting.temperature * lacking)

    def separation_needed(self) -> float:
        """Smallest separation, in nats, that keeps the softmax targets; `inf` if none does, `-inf` if all do."""
        needed = separation_needed(self.rows.farthest.keys, self.rows.farthest.own, Targets(self.targets.fidelity))
        entropy = Targets(None, self.targets.entropy_bits)
        for row in self.rows.entropy_candidates() if entropy.any else ():
            needed = max(needed, separation_needed(row.keys, row.own, entropy))
        return needed

    def missed(self, setting: Setting, dials: Array, logit_range: float) -> Mask:
        """Mask of the dials at which some row certainly breaks the promise, for any scores of this range (A1, A5, B5).

        In sparse attention it ignores the targets: a row whose complement keeps some mass may still meet them.
        """
        if self.sparse is not None and self.targets.any:
            return np.zeros(len(dials), np.bool_)
        best = setting.at_range(logit_range)

        def reached(dial: float) -> bool:
            dialled = replace(best, dial=dial)
            if self.sparse is not None:
                return not self.never_emptied(dialled)
            return not fidelity_missed(dialled.at(self.rows.farthest), self.targets)

        first = smallest_float(reached, 0.0, LARGEST_DIAL) if reached(LARGEST_DIAL) else math.inf
        missed: Mask = dials < first
        if self.targets.entropy_bits is not None:
            seen = range_seen(logit_range, dials, setting.penalty, setting.temperature)
            least = bounds.entropy_min(self.rows.most_keys, seen)
            missed = missed | (least * (1 - _CERTAIN) > self.targets.entropy_bits * math.log(2))
        return missed

    def row_bounds(self, separations: Array, seen: Array | None, emptied: Mask) -> dict[str, Array | None]:
        """Bounds that hold for every row, each from the row that binds it; entropies in nats.

        `seen` is the range of the softmax's inputs. In sparse attention the softmax bounds do not apply, and an
        `emptied` complement leaves the block's own entropy.
        """
        rows = self.rows
        if self.sparse is not None:
            whole = np.array(1.0)
            highest = np.where(emptied, math.log(rows.most), math.log(rows.most_keys))
            return {
                "leak_max": np.where(emptied, 0, whole),
                "fidelity_min": np.where(emptied, whole, 0),
                "entropy_max_nats": highest,
                "entropy_min_nats": None,
            }
        far, near = rows.farthest, rows.nearest
        return {
            "leak_max": bounds.leak_max(far.keys, far.own, separations),
            "fidelity_min": bounds.fidelity_min(far.keys, far.own, separations),
            "entropy_max_nats": np.max([entropy_most(row, separations) for row in rows.entropy_candidates()], axis=0),
            "entropy_min_nats": None if seen is None else bounds.entropy_min(near.keys, seen),
        }

    def entropy_row(self, separation: float) -> Row:
        """The row with the largest entropy bound at this separation."""
        return max(self.rows.entropy_candidates(), key=lambda row: float(entropy_most(row, separation)))

    def share(self, setting: Setting) -> float:
        """Share of the rows with a key outside their block that keep the promise, in float64."""
        if self.kept(setting):
            return 1.0
        d = setting.at(self.rows.farthest).nats()

        def reach(own: Array) -> Array:
            return np.minimum(self._reach_of_mass(own, d, setting), self._reach_of_entropy(own, d))

        return self.rows.share(reach)

    def _reach_of_mass(self, own: Array, d: float, setting: Setting) -> Array:
        """Most keys outside the block with which a row keeps the fidelity, or has its complement emptied."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            if self.sparse is not None:
                lacking = np.maximum(setting.temperature * (1 / own - d), 0.0)
                group = (self.sparse.penalty / lacking) ** 2
                group[lacking == 0] = np.inf
                return np.where(group >= self.sparse.group, np.inf, group)
            if self.targets.fidelity is None:
                return np.full(len(own), np.inf)
            # Slightly less, because the quotient and the exponential may have rounded up.
            reach: Array = own * ((1 - self.targets.fidelity) / self.targets.fidelity * (1 - _CERTAIN)) * np.exp(d)
            return reach

    def _reach_of_entropy(self, own: Array, d: float) -> Array:
        """Most keys outside the block with which the entropy bound, which rises with them, keeps its target."""
        bits = self.targets.entropy_bits
        low, high = np.zeros(len(own)), np.full(len(own), float(self.rows.context))
        if bits is None:
            return high
        allowed = bits * math.log(2) * (1 - _CERTAIN)
        if self.sparse is not None:
            return np.where(np.log(own) <= allowed, high, 0.0)
        while np.any(high - low > 1):
            middle = np.floor((low + high) / 2)
            kept = bounds.entropy_max_at_least(own + np.maximum(middle, 1), own, d) < allowed
            low, high = np.where(kept, middle, low), np.where(kept, high, middle)
        return low


def range_seen(logit_range: ArrayLike, dials: Array, penalty: ArrayLike, temperature: ArrayLike) -> Array:
    """Range of the softmax's inputs: dial and penalty widen the scores' range by at most their biases."""
    with np.errstate(over="ignore"):
        seen = np.asarray(logit_range) - np.log1p(-dials) + np.asarray(penalty) / temperature
    return np.minimum(seen, LARGEST_FLOAT)


def entropy_most(row: Row, separation: ArrayLike) -> Array:
    """A4's bound for a separation of at least this, in nats; `log m` without a key outside the block."""
    if not row.others:
        return np.full(np.shape(separation), math.log(row.own))
    return bounds.entropy_max_at_least(row.keys, row.own, separation)
