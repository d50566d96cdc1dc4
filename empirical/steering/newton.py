"""Least-change strengths of several rules that act on the same rows, by projected Newton steps (theory.md E1).

The minimiser has a closed form where targets share no visible key. Otherwise each step is a projected Newton step whose
length halves until the objective falls. Where no length does, one sweep minimises over each strength in turn, in closed
form; a sweep also begins, because it crosses hundreds of nats at once. A row counts as solved by its residual, never by
the number of steps. Weights that prove the promises impossible (E2) are sought among the strengths and their last
change: where the promises cannot be met, strengths grow along such weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Largest distance of a kept promise below its fidelity, and of a strength from complementary slackness.
TOLERANCE = 1e-9

_RESIDUAL = 1e-10
_MOST_STEPS = 100
# Nats that the first Newton step may add to a strength, by which factor each may be longer than the one before, and how
# often its length halves.
_LONGEST_STEP = 8.0
_LONGER = 1.2
_HALVINGS = 10
_RIDGE = 1e-3
# Steps between two searches for a proof that promises are impossible.
_PROOFS = 4


def solve(masses: Array, targets: Mask, live: Mask, goals: Array) -> tuple[Array, Mask, Mask]:
    """Strengths `(rows, places)`, which rows are solved, and in which weights prove the promises impossible.

    `masses` `(rows, atoms)` are normalised log masses, `targets` `(rows, places, atoms)`; `live` and `goals` `(rows,
    places)` say which places count, and their promises. Strengths of rows that are not solved are 0.
    """
    values, solved, refuted = np.zeros_like(goals), np.zeros(len(goals), dtype=bool), np.zeros(len(goals), dtype=bool)
    left, problem = np.arange(len(goals)), _Problem(masses, (targets & live[..., None]).astype(np.float64), live, goals)
    former = np.zeros_like(goals)
    strengths = problem.begun()
    state = problem.state(strengths)
    for step in range(_MOST_STEPS):
        last = step == _MOST_STEPS - 1
        done = state.residual <= (TOLERANCE if last else _RESIDUAL)
        values[left[done]], solved[left[done]] = strengths[done], True
        stay = ~done
        if last or step % _PROOFS == _PROOFS - 1:
            impossible = problem.impossible(strengths) | problem.impossible(np.maximum(strengths - former, 0))
            refuted[left[impossible & stay]] = True
            stay &= ~impossible
        if last or not stay.any():
            break
        if not stay.all():
            left, problem, state, strengths = left[stay], problem.at(stay), state.at(stay), strengths[stay]
        former = strengths
        strengths, state = problem.stepped(strengths, state, _LONGEST_STEP * _LONGER**step)
    return values, solved, refuted


@dataclass(frozen=True)
class _State:
    """What strengths make of rows: masses `(rows, atoms)`, fidelities and gradient of the objective `(rows, places)`.

    `residual` `(rows,)` is the distance from the minimum: of promises and of complementary slackness. `objective`
    `(rows,)` is that of E1, and `noise` its rounding error: its two terms nearly cancel.
    """

    masses: Array
    fidelities: Array
    gradient: Array
    residual: Array
    objective: Array
    noise: Array

    def at(self, rows: Mask) -> _State:
        return _State(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True)
class _Problem:
    """Rows that are not solved yet, as in `solve`; targets of places not live are empty."""

    masses: Array
    targets: Array
    live: Mask
    goals: Array

    def at(self, rows: Mask) -> _Problem:
        return _Problem(self.masses[rows], self.targets[rows], self.live[rows], self.goals[rows])

    def boost(self, strengths: Array) -> Array:
        """Nats added to each atom."""
        return (strengths[:, None] @ self.targets)[:, 0]

    def state(self, strengths: Array) -> _State:
        tilted = self.masses + self.boost(strengths)
        top = tilted.max(-1, keepdims=True)
        masses = np.exp(tilted - top)
        total = masses.sum(-1, keepdims=True)
        masses /= total
        fidelities = (self.targets @ masses[..., None])[..., 0]
        gradient = np.where(self.live, fidelities - self.goals, 0.0)
        residual = np.abs(strengths - np.maximum(strengths - gradient, 0)).max(-1)
        kept = (strengths * self.goals).sum(-1)
        objective = top[:, 0] + np.log(total[:, 0]) - kept
        return _State(masses, fidelities, gradient, residual, objective, 1e-14 * (1 + kept))

    def impossible(self, weights: Array) -> Mask:
        """Whether these weights on the rules prove that no row meets the promises (E2)."""
        asked = (weights * self.goals).sum(-1)
        given = np.where(self.masses == -np.inf, -np.inf, self.boost(weights)).max(-1)
        # Rounding errors of both sums are far smaller.
        found: Mask = asked * (1 - 1e-12) > given
        return found

    def begun(self) -> Array:
        """Strengths to begin with: a sweep, or the minimiser itself in rows whose targets share no visible key."""
        strengths = self._filled()
        alone = ((self.targets.sum(1) <= 1) | (self.masses == -np.inf)).all(-1) & np.isfinite(strengths).all(-1)
        if not alone.all():
            others = ~alone
            strengths[others] = self.at(others).swept(np.zeros_like(strengths[others]))
        return strengths

    def _filled(self) -> Array:
        """Strengths that meet the promises if no atom lies in two targets.

        The promises furthest above their targets' masses are met exactly, and what they leave is shared by the other
        atoms in proportion; a promise that its share meets needs no strength.
        """
        inside: Mask = self.targets > 0
        held = log_sum(np.broadcast_to(self.masses[:, None], inside.shape), inside)
        rest = log_sum(self.masses, ~np.logical_or.reduce(inside, 1))
        ratios = np.where(self.live, np.log(self.goals) - held, -np.inf)
        rows, order = np.arange(len(ratios))[:, None], np.argsort(-ratios, axis=-1)
        # What atoms off the first targets of this order hold, for none of them, one, two, ...
        left = np.logaddexp.accumulate(np.concatenate((rest[:, None], held[rows, order[:, ::-1]]), 1), axis=1)[:, ::-1]
        goals = np.zeros_like(left)
        np.cumsum((self.goals * self.live)[rows, order], axis=1, out=goals[:, 1:])
        levels = np.log1p(-goals) - left
        count = np.logical_and.accumulate(ratios[rows, order] > levels[:, :-1], axis=1).sum(1, keepdims=True)
        needed = np.maximum(ratios - levels[rows, count], 0)
        return np.where(self.live, needed, 0.0)

    def swept(self, strengths: Array) -> Array:
        """Minimise over each strength in turn, the others held fixed."""
        strengths = strengths.copy()
        for place in range(strengths.shape[1]):
            strengths[:, place] = 0
            inside, outside = parted(self.masses + self.boost(strengths), self.targets[:, place] > 0)
            needed = np.maximum(logit(self.goals[:, place]) - (inside - outside), 0)
            strengths[:, place] = np.where(self.live[:, place], needed, 0.0)
        return strengths

    def stepped(self, strengths: Array, state: _State, longest: float) -> tuple[Array, _State]:
        """One Newton step of each row, or a sweep where no length of it lowers the objective, and the new state."""
        step = self._newton(strengths, state)
        step = np.minimum(longest / np.abs(step).max(-1, keepdims=True), 1) * step
        moved = np.maximum(strengths + step, 0)
        after = self.state(moved)
        long = ~_lower(state, strengths, moved, after.objective)
        if long.any():
            moved[long] = self.at(long)._shortened(strengths[long], state.at(long), step[long])
            after = self.state(moved)
        return moved, after

    def _shortened(self, strengths: Array, state: _State, step: Array) -> Array:
        """A shorter step that lowers the objective, or a sweep."""
        moved, left = self.swept(strengths), np.ones(len(strengths), dtype=bool)
        # Past the first strength that reaches 0 the others would move on without it, no longer downhill.
        edge = np.where((step < 0) & (strengths > 0), strengths / -step, 1).min(-1, keepdims=True).clip(max=1)
        for halving in range(_HALVINGS):
            tried = np.maximum(strengths + 0.5**halving * edge * step, 0)
            fine = left & _lower(state, strengths, tried, self.state(tried).objective)
            moved[fine] = tried[fine]
            left &= ~fine
            if not left.any():
                break
        return moved

    def _newton(self, strengths: Array, state: _State) -> Array:
        near = np.minimum(state.residual, 1e-3)[:, None]
        # Strengths about to reach 0 take a gradient step: a Newton step that is then clipped need not lead downhill.
        free = ((strengths > near) | (state.gradient < 0)) & self.live
        weighted = self.targets * state.masses[:, None]
        covariance = weighted @ self.targets.swapaxes(1, 2) - state.fidelities[:, :, None] * state.fidelities[:, None]
        covariance = np.where(free[:, :, None] & free[:, None], covariance, 0.0)
        # Targets that together cover every key leave a flat direction, along which the ridge still moves.
        places = np.arange(free.shape[1])
        covariance[:, places, places] += np.where(free, _RIDGE * state.residual[:, None], 1.0)
        try:
            newton = np.linalg.solve(covariance, -state.gradient[..., None])[..., 0]
        except np.linalg.LinAlgError:
            return -state.gradient
        step = np.where(free, newton, -state.gradient)
        downhill = np.isfinite(step).all(-1) & ((step * state.gradient).sum(-1) < 0)
        return np.where(downhill[:, None], step, -state.gradient)


def _lower(state: _State, strengths: Array, moved: Array, objective: Array) -> Mask:
    """Whether a move lowers the objective by enough, up to rounding."""
    fall = ((moved - strengths) * state.gradient).sum(-1)
    found: Mask = objective <= state.objective + 1e-4 * fall + state.noise
    return found


def parted(masses: Array, target: Mask) -> tuple[Array, Array]:
    """Log mass on and off a target `(rows, atoms)`, both `(rows,)`."""
    return log_sum(masses, target), log_sum(masses, ~target)


def log_sum(masses: Array, chosen: Mask | bool = True) -> Array:
    """Logarithm of the sum of the chosen masses given by their logarithms, over the last axis; -inf of none."""
    total: Array = np.logaddexp.reduce(masses, axis=-1, where=chosen, initial=-np.inf)
    return total


def logit(promises: Array) -> Array:
    """Log odds."""
    odds: Array = np.log(promises) - np.log1p(-promises)
    return odds
