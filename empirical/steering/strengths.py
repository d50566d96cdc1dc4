"""Least-change strengths of the rules that act on a row, for many rows at once (theory.md E1).

A row is given by the log masses of its atoms: the sets of keys that lie in the same targets. A strength of `b` nats
multiplies the mass of each atom of its target by `e^b`. The strengths that meet every promise with the least change
minimise the convex `log sum_j a_j e^(sum_r b_r 1[j in T_r]) - sum_r b_r f_r` over `b >= 0`.

With one rule the minimiser has a closed form (B1); so it has where targets share no visible key. Otherwise each step
is a projected Newton step whose length halves until the objective falls. Where no length does, one sweep minimises over
each strength in turn, in closed form; a sweep also begins, because it crosses hundreds of nats at once. A row counts as
solved by its residual, never by the number of steps. Weights that prove the promises impossible (E2) are sought among
the strengths and their last change: where the promises cannot be met, strengths grow along such weights.

The masses of the atoms are few numbers, and numpy's small operations cost less than torch's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int8
from numpy.typing import NDArray
from torch import Tensor

from theory.errors import DomainError

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


class Status(IntEnum):
    """What became of a rule in a row: its promise is met, its target has no visible key, or it is not met.

    `IMPOSSIBLE`: weights on the row's rules show, by more than rounding, that no row meets all its promises.
    `UNSOLVED`: the solver found neither strengths nor such weights. A rule without a promise has `MET`.
    """

    MET = 0
    NO_KEY = 1
    IMPOSSIBLE = 2
    UNSOLVED = 3


@dataclass(frozen=True)
class Strengths:
    """Strengths in nats and the `Status` of each rule in each row.

    Strengths are 0 for rules that do not act and in rows that are not solved; a rule without a visible key is left out,
    and the others of its row are solved without it. Entries of `status` at rules that do not act are meaningless.
    """

    values: Float64[Tensor, "*rows rules"]
    status: Int8[Tensor, "*rows rules"]


@torch.no_grad()
def least_change(
    log_masses: Float[Tensor, "*rows atoms"],
    members: Bool[Tensor, "rules atoms"],
    active: Bool[Tensor, "*rows rules"],
    promises: Float[Tensor, " rules"],
) -> Strengths:
    """The least strengths with which every active rule's target has the fidelity promised to it, in float64.

    Log masses need not be normalised; -inf is an atom that the row does not see. `members` says which atoms a rule's
    target holds. Raises DomainError for shapes that do not fit and for promises of active rules outside (0, 1).

    >>> row, members = torch.tensor([0.5, 0.5]).log(), torch.tensor([[True, False]])
    >>> least_change(row, members, torch.tensor([True]), torch.tensor([0.9])).values.exp()
    tensor([9.0000], dtype=torch.float64)
    """
    rules, atoms = members.shape
    if log_masses.shape != (*active.shape[:-1], atoms) or active.shape[-1:] != (rules,) or promises.shape != (rules,):
        shapes = ", ".join(str(tuple(each.shape)) for each in (log_masses, members, active, promises))
        raise DomainError(f"log masses, members, active rules and promises do not fit: {shapes}")
    acts = active.reshape(-1, rules).cpu().numpy()
    values, status = np.zeros(acts.shape), np.full(acts.shape, Status.MET, dtype=np.int8)
    counts = acts.sum(-1)
    for chosen in (counts == 1, counts > 1):
        rows = chosen.nonzero()[0]
        if not len(rows):
            continue
        # A row's rules take its first places, so that the work grows with the rules that act and not with all.
        places = np.argsort(~acts[rows], axis=-1, kind="stable")[:, : counts[rows].max()]
        where = rows[:, None], places
        goals, taken = promises.double().cpu().numpy()[places], acts[where]
        wrong = taken & ~((goals > 0) & (goals < 1))
        if wrong.any():
            raise DomainError(f"promise {goals[wrong][0]} must lie in (0, 1)")
        masses = log_masses.reshape(-1, atoms).double().cpu().numpy()[rows]
        problem = _Rows(masses, members.cpu().numpy()[places], taken, np.where(taken, goals, 0.5))
        # Masses of 0 have the logarithm -inf; rows with other such numbers end as unsolved.
        with np.errstate(all="ignore"):
            values[where], status[where] = problem.closed() if places.shape[1] == 1 else problem.solved()
    return Strengths(*(torch.from_numpy(each).to(active.device).view(active.shape) for each in (values, status)))


@dataclass(frozen=True)
class _Rows:
    """Rows with as many places for rules each: log masses `(rows, atoms)` and targets `(rows, places, atoms)`.

    `active` and `goals` `(rows, places)` say which places are taken, and their promises.
    """

    masses: Array
    targets: Mask
    active: Mask
    goals: Array

    def closed(self) -> tuple[Array, NDArray[np.int8]]:
        """Strengths and status of rows with one place."""
        inside, outside = (each[:, None] for each in _parted(self.masses, self.targets[:, 0]))
        live = self.active & (inside != -np.inf)
        sound = np.maximum(inside, outside) < np.inf
        values = np.where(live & sound, np.maximum(_logit(self.goals) - (inside - outside), 0), 0.0)
        return values, self._status(live, sound, np.zeros_like(sound))

    def solved(self) -> tuple[Array, NDArray[np.int8]]:
        """Strengths and status of rows with several places."""
        total = _log_sum(self.masses)[:, None]
        masses = self.masses - np.where(total > -np.inf, total, 0.0)
        live = self.active & (self.targets & (self.masses != -np.inf)[:, None]).any(-1)
        # A score that is not a number, or infinite, leaves the row unsolved.
        sound = total[:, 0] < np.inf
        values, solved, refuted = np.zeros_like(self.goals), np.zeros_like(sound), np.zeros_like(sound)
        left = (live.any(-1) & sound).nonzero()[0]
        problem = _Problem(masses[left], self.targets[left] * live[left, :, None] * 1.0, live[left], self.goals[left])
        former = np.zeros_like(self.goals[left])
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
        return values, self._status(live, solved[:, None], refuted[:, None])

    def _status(self, live: Mask, solved: Mask, refuted: Mask) -> NDArray[np.int8]:
        status = np.where(solved, Status.MET, np.where(refuted, Status.IMPOSSIBLE, Status.UNSOLVED))
        return np.where(live, status, np.where(self.active, Status.NO_KEY, Status.MET)).astype(np.int8)


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
    """Rows that are not solved yet, as in `_Rows`, with normalised masses; targets of places not live are empty."""

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
        held = _log_sum(np.where(self.targets > 0, self.masses[:, None], -np.inf))
        rest = _log_sum(np.where(self.targets.any(1), -np.inf, self.masses))
        ratios = np.where(self.live, np.log(self.goals) - held, -np.inf)
        order = np.argsort(-ratios, axis=-1)
        first, kept, goals = (np.take_along_axis(each, order, 1) for each in (ratios, held, self.goals * self.live))
        left = np.logaddexp.accumulate(np.concatenate((rest[:, None], kept[:, ::-1]), 1), axis=1)[:, ::-1]
        levels = np.log1p(-np.concatenate((np.zeros_like(rest)[:, None], goals.cumsum(1)), 1)) - left
        count = (first > levels[:, :-1]).cumprod(1).sum(1, keepdims=True)
        needed = np.maximum(ratios - np.take_along_axis(levels, count, 1), 0)
        return np.where(self.live, needed, 0.0)

    def swept(self, strengths: Array) -> Array:
        """Minimise over each strength in turn, the others held fixed."""
        strengths = strengths.copy()
        for place in range(strengths.shape[1]):
            strengths[:, place] = 0
            inside, outside = _parted(self.masses + self.boost(strengths), self.targets[:, place] > 0)
            needed = np.maximum(_logit(self.goals[:, place]) - (inside - outside), 0)
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


def _parted(masses: Array, target: Mask) -> tuple[Array, Array]:
    """Log mass on and off a target `(rows, atoms)`, both `(rows,)`."""
    return _log_sum(np.where(target, masses, -np.inf)), _log_sum(np.where(target, -np.inf, masses))


def _log_sum(masses: Array) -> Array:
    top = masses.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total: Array = np.log(np.exp(masses - top).sum(-1)) + top[..., 0]
    return total


def _logit(promises: Array) -> Array:
    odds: Array = np.log(promises) - np.log1p(-promises)
    return odds
