"""Least-change strengths of the rules that act on a row, for many rows at once (theory.md E1).

A row is given by the log masses of its atoms: the sets of keys that lie in the same targets. A strength of `b` nats
multiplies the mass of each atom of its target by `e^b`. The strengths that meet every promise with the least change
minimise the convex `log sum_j a_j e^(sum_r b_r 1[j in T_r]) - sum_r b_r f_r` over `b >= 0`. With one rule the minimiser
has a closed form (B1); several are solved by `newton`.

The masses of the atoms are few numbers, and numpy's small operations cost less than torch's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from empirical.steering.newton import Array, Mask, log_sum, logit, parted, solve
from theory.errors import DomainError


class Status(IntEnum):
    """What became of a rule in a row: its promise is met, its target has no visible key, or it is not met.

    `IMPOSSIBLE`: weights on the row's rules show, by more than rounding, that no row meets all its promises.
    `UNSOLVED`: the solver found neither strengths nor such weights. A rule without a promise has `MET`.
    """

    MET = 0
    NO_KEY = 1
    IMPOSSIBLE = 2
    UNSOLVED = 3


# A member of an enumeration is slow to reach.
_MET, _NO_KEY, _IMPOSSIBLE, _UNSOLVED = (np.int8(each) for each in Status)


@dataclass(frozen=True)
class Strengths:
    """Strengths in nats and the `Status` of each rule in each row, both `(*rows, rules)`.

    Strengths are 0 for rules that do not act and in rows that are not solved; a rule without a visible key is left out,
    and the others of its row are solved without it. Entries of `status` at rules that do not act are meaningless.
    """

    values: Array
    status: NDArray[np.int8]


class Promises:
    """What is promised in each of many rows: all of E1's problem but the masses, which change from layer to layer.

    `members` `(rules, atoms)` says which atoms a rule's target holds, `active` `(*rows, rules)` which rules act in
    which row, and `promises` `(rules,)` what they promise. Raises DomainError for shapes that do not fit and for
    promises of active rules outside (0, 1).
    """

    def __init__(self, members: Mask, active: Mask, promises: Array) -> None:
        rules, atoms = members.shape
        if active.shape[-1:] != (rules,) or promises.shape != (rules,):
            shapes = ", ".join(str(each.shape) for each in (members, active, promises))
            raise DomainError(f"members, active rules and promises do not fit: {shapes}")
        self._shape, self._atoms = active.shape, atoms
        acts = active.reshape(-1, rules)
        counts = acts.sum(-1)
        self._parts = [
            _Part.of(rows, members, acts, promises)
            for rows in map(np.flatnonzero, (counts == 1, counts > 1))
            if len(rows)
        ]

    def least_change(self, log_masses: Array) -> Strengths:
        """The least strengths with which every active rule's target has the fidelity promised to it, in float64.

        Log masses `(*rows, atoms)` need not be normalised; -inf is an atom that the row does not see. Raises
        DomainError for a shape that does not fit.

        >>> even, all_act = np.array([[True, False]]), np.array([True])
        >>> np.exp(Promises(even, all_act, np.array([0.9])).least_change(np.log([0.5, 0.5])).values)
        array([9.])
        """
        if log_masses.shape != (*self._shape[:-1], self._atoms):
            raise DomainError(
                f"log masses do not fit: {log_masses.shape} beside rows {self._shape[:-1]} of {self._atoms} atoms"
            )
        masses = log_masses.reshape(-1, self._atoms)
        rules = self._shape[-1]
        values, status = np.zeros((len(masses), rules)), np.zeros((len(masses), rules), dtype=np.int8)
        # Masses of 0 have the logarithm -inf; rows with other such numbers end as unsolved.
        with np.errstate(all="ignore"):
            for part in self._parts:
                problem = _Rows(masses[part.rows], part.targets, part.active, part.goals)
                found = problem.closed() if part.goals.shape[1] == 1 else problem.solved()
                values[part.where], status[part.where] = found
        return Strengths(values.reshape(self._shape), status.reshape(self._shape))


@dataclass(frozen=True)
class _Part:
    """Some rows, with as many places for rules each; `where` says which rule has which place. The rest: see `_Rows`."""

    rows: NDArray[np.intp]
    where: tuple[NDArray[np.intp], NDArray[np.intp]]
    targets: Mask
    active: Mask
    goals: Array

    @classmethod
    def of(cls, rows: NDArray[np.intp], members: Mask, acts: Mask, promises: Array) -> _Part:
        # A row's rules take its first places, so that the work grows with the rules that act and not with all.
        places = np.argsort(~acts[rows], axis=-1, kind="stable")[:, : acts[rows].sum(-1).max()]
        where = rows[:, None], places
        taken, goals = acts[where], promises[places]
        wrong = taken & ~((goals > 0) & (goals < 1))
        if wrong.any():
            raise DomainError(f"promise {goals[wrong][0]} must lie in (0, 1)")
        return cls(rows, where, members[places], taken, np.where(taken, goals, 0.5))


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
        inside, outside = (each[:, None] for each in parted(self.masses, self.targets[:, 0]))
        live = self.active & (inside != -np.inf)
        sound = np.maximum(inside, outside) < np.inf
        values = np.where(live & sound, np.maximum(logit(self.goals) - (inside - outside), 0), 0.0)
        return values, self._status(live, sound, np.zeros_like(sound))

    def solved(self) -> tuple[Array, NDArray[np.int8]]:
        """Strengths and status of rows with several places."""
        total = log_sum(self.masses)[:, None]
        masses = self.masses - np.where(total > -np.inf, total, 0.0)
        live = self.active & (self.targets & (self.masses != -np.inf)[:, None]).any(-1)
        # A score that is not a number, or infinite, leaves the row unsolved.
        sound = total[:, 0] < np.inf
        values, solved, refuted = np.zeros_like(self.goals), np.zeros_like(sound), np.zeros_like(sound)
        rows = (live.any(-1) & sound).nonzero()[0]
        values[rows], solved[rows], refuted[rows] = solve(
            masses[rows], self.targets[rows], live[rows], self.goals[rows]
        )
        return values, self._status(live, solved[:, None], refuted[:, None])

    def _status(self, live: Mask, solved: Mask, refuted: Mask) -> NDArray[np.int8]:
        status = np.where(solved, _MET, np.where(refuted, _IMPOSSIBLE, _UNSOLVED))
        return np.where(live, status, np.where(self.active, _NO_KEY, _MET))
