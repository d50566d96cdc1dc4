"""Least-change strengths of the rules that act on a row, for many rows at once (theory.md E1).

A row is given by the log masses of its atoms: the sets of keys that lie in the same targets. A strength of `b` nats
multiplies the mass of each atom of its target by `e^b`. The strengths that meet every promise with the least change
minimise the convex `log sum_j a_j e^(sum_r b_r 1[j in T_r]) - sum_r b_r f_r` over `b >= 0`.

With one rule the minimiser has a closed form (B1). With several, each step is a projected Newton step whose length
halves until the objective falls. Where no length does, one sweep minimises over each strength in turn, in closed form;
a sweep also begins, because it crosses hundreds of nats at once. A row counts as solved by its residual, never by the
number of steps. Weights that prove the promises impossible (E2) are sought among the strengths and their last change: where the
promises cannot be met, strengths grow along such weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Bool, Float, Float64, Int8
from torch import Tensor

from theory.errors import DomainError

# Largest distance of a kept promise below its fidelity, and of a strength from complementary slackness.
TOLERANCE = 1e-9

_RESIDUAL = 1e-12
_MOST_STEPS = 100
# Nats that one Newton step may add to a strength, and how often its length halves.
_LONGEST_STEP = 8.0
_HALVINGS = 10
_RIDGE = 1e-3


class Status(IntEnum):
    """What became of a rule in a row: its promise is met, its target has no visible key, or it is not met.

    `IMPOSSIBLE` is proved by weights on the row's rules; `UNSOLVED` means that the solver found neither strengths nor
    such weights. A rule without a promise has `MET`.
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
    masses, acts = log_masses.reshape(-1, atoms).double(), active.reshape(-1, rules)
    values = torch.zeros(acts.shape, dtype=torch.float64, device=masses.device)
    status = torch.zeros(acts.shape, dtype=torch.int8, device=masses.device)
    most = int(acts.sum(-1).max()) if acts.numel() else 0
    if most:
        # A row's rules take its first places, so that the work grows with the rules that act and not with all.
        places = acts.int().topk(most).indices
        goals = promises.double()[places]
        goals, taken = promises.double()[places], acts.gather(1, places)
        wrong = taken & ~((goals > 0) & (goals < 1))
        if bool(wrong.any()):
            raise DomainError(f"promise {float(goals[wrong][0])} must lie in (0, 1)")
        rows = _Rows(masses, members[places], taken, goals.where(taken, 0.5))
        found = rows.closed() if most == 1 else rows.solved()
        values.scatter_(1, places, found.values)
        status.scatter_(1, places, found.status)
    return Strengths(values.view(active.shape), status.view(active.shape))


@dataclass(frozen=True)
class _Rows:
    """Rows with as many places for rules each: log masses, targets, which places are taken, and promises."""

    masses: Float64[Tensor, "rows atoms"]
    targets: Bool[Tensor, "rows places atoms"]
    active: Bool[Tensor, "rows places"]
    goals: Float64[Tensor, "rows places"]

    def closed(self) -> Strengths:
        """Strengths of rows with one place."""
        inside, outside = (each.unsqueeze(1) for each in _parted(self.masses, self.targets[:, 0]))
        live = self.active & (inside != -math.inf)
        sound = torch.maximum(inside, outside) < math.inf
        values = torch.where(live & sound, (self.goals.logit() - (inside - outside)).clamp(min=0), 0.0)
        return Strengths(values, self._status(live, sound, torch.zeros_like(sound)))

    def solved(self) -> Strengths:
        """Strengths of rows with several places."""
        total = self.masses.logsumexp(-1, keepdim=True)
        masses = self.masses - total.where(total > -math.inf, 0.0)
        live = self.active & (self.targets & (self.masses != -math.inf).unsqueeze(1)).any(-1)
        # A score that is not a number, or infinite, leaves the row unsolved.
        sound = total.squeeze(1) < math.inf
        values, solved, refuted = torch.zeros_like(self.goals), torch.zeros_like(sound), torch.zeros_like(sound)
        left = (live.any(-1) & sound).nonzero().squeeze(1)
        problem = _Problem(
            masses[left], self.targets[left].double() * live[left, :, None], live[left], self.goals[left]
        )
        former = torch.zeros_like(self.goals[left])
        strengths = problem.swept(former)
        for step in range(_MOST_STEPS):
            state = problem.state(strengths)
            impossible = problem.impossible(strengths) | problem.impossible((strengths - former).clamp(min=0))
            last = step == _MOST_STEPS - 1
            done = state.residual <= (TOLERANCE if last else _RESIDUAL)
            refuted[left[impossible & ~done]] = True
            values[left[done]], solved[left[done]] = strengths[done], True
            stay = ~(done | impossible)
            if last or not bool(stay.any()):
                break
            left, problem, former = left[stay], problem.at(stay), strengths[stay]
            strengths = problem.stepped(former, state.at(stay))
        return Strengths(values, self._status(live, solved.unsqueeze(1), refuted.unsqueeze(1)))

    def _status(self, live: Tensor, solved: Tensor, refuted: Tensor) -> Tensor:
        status = torch.where(solved, Status.MET, torch.where(refuted, Status.IMPOSSIBLE, Status.UNSOLVED))
        return torch.where(live, status, torch.where(self.active, Status.NO_KEY, Status.MET)).to(torch.int8)


@dataclass(frozen=True)
class _State:
    """What strengths make of rows: masses, fidelities, gradient of the objective, distance from its minimum."""

    masses: Float64[Tensor, "rows atoms"]
    fidelities: Float64[Tensor, "rows places"]
    gradient: Float64[Tensor, "rows places"]
    residual: Float64[Tensor, " rows"]

    def at(self, rows: Tensor) -> _State:
        return _State(self.masses[rows], self.fidelities[rows], self.gradient[rows], self.residual[rows])


@dataclass(frozen=True)
class _Problem:
    """Rows that are not solved yet, with normalised masses; targets of places that are not live are empty."""

    masses: Float64[Tensor, "rows atoms"]
    targets: Float64[Tensor, "rows places atoms"]
    live: Bool[Tensor, "rows places"]
    goals: Float64[Tensor, "rows places"]

    def at(self, rows: Tensor) -> _Problem:
        return _Problem(self.masses[rows], self.targets[rows], self.live[rows], self.goals[rows])

    def boost(self, strengths: Tensor) -> Tensor:
        """Nats added to each atom."""
        return (strengths.unsqueeze(1) @ self.targets).squeeze(1)

    def state(self, strengths: Tensor) -> _State:
        masses = (self.masses + self.boost(strengths)).softmax(-1)
        fidelities = (self.targets @ masses.unsqueeze(-1)).squeeze(-1)
        gradient = torch.where(self.live, fidelities - self.goals, 0.0)
        residual = (strengths - (strengths - gradient).clamp(min=0)).abs().amax(-1)
        return _State(masses, fidelities, gradient, residual)

    def impossible(self, weights: Tensor) -> Tensor:
        """Whether these weights on the rules prove that no row meets the promises (E2)."""
        asked = (weights * self.goals).sum(-1)
        given = self.boost(weights).masked_fill(self.masses == -math.inf, -math.inf).amax(-1)
        # Rounding errors of both sums are far smaller.
        return asked * (1 - 1e-12) > given

    def swept(self, strengths: Tensor) -> Tensor:
        """Minimise over each strength in turn, the others held fixed."""
        strengths = strengths.clone()
        for place in range(strengths.shape[1]):
            strengths[:, place] = 0
            inside, outside = _parted(self.masses + self.boost(strengths), self.targets[:, place] > 0)
            needed = (self.goals[:, place].logit() - (inside - outside)).clamp(min=0)
            strengths[:, place] = torch.where(self.live[:, place], needed, 0.0)
        return strengths

    def stepped(self, strengths: Tensor, state: _State) -> Tensor:
        """One Newton step of each row, or a sweep where no length of it lowers the objective."""
        step = self._newton(strengths, state)
        steps = (_LONGEST_STEP / step.abs().amax(-1)).clamp(max=1)[:, None] * step
        sizes = 0.5 ** torch.arange(_HALVINGS, dtype=torch.float64, device=step.device)
        tried = (strengths[:, None] + sizes[:, None] * steps[:, None]).clamp(min=0)
        fall = ((tried - strengths[:, None]) * state.gradient[:, None]).sum(-1)
        # Rounding error of the objective, whose two terms nearly cancel.
        noise = 1e-14 * (1 + (strengths * self.goals).sum(-1, keepdim=True))
        fine = self._objective(tried) <= self._objective(strengths[:, None]) + 1e-4 * fall + noise
        first = fine.to(torch.uint8).argmax(-1)
        moved = tried[torch.arange(len(tried), device=step.device), first]
        stuck = ~fine.any(-1)
        if bool(stuck.any()):
            moved[stuck] = self.at(stuck).swept(strengths[stuck])
        return moved

    def _newton(self, strengths: Tensor, state: _State) -> Tensor:
        near = state.residual.clamp(max=1e-3).unsqueeze(1)
        # Strengths about to reach 0 take a gradient step: a Newton step that is then clipped need not lead downhill.
        free = ((strengths > near) | (state.gradient < 0)) & self.live
        weighted = self.targets * state.masses.unsqueeze(1)
        covariance = weighted @ self.targets.mT - state.fidelities.unsqueeze(2) * state.fidelities.unsqueeze(1)
        covariance = torch.where(free.unsqueeze(2) & free.unsqueeze(1), covariance, 0.0)
        # Targets that together cover every key leave a flat direction, along which the ridge still moves.
        ridge = torch.where(free, _RIDGE * state.residual.unsqueeze(1), 1.0)
        newton = torch.linalg.solve_ex(covariance + torch.diag_embed(ridge), -state.gradient.unsqueeze(-1)).result
        step = torch.where(free, newton.squeeze(-1), -state.gradient)
        downhill = step.isfinite().all(-1) & ((step * state.gradient).sum(-1) < 0)
        return torch.where(downhill.unsqueeze(1), step, -state.gradient)

    def _objective(self, strengths: Float64[Tensor, "rows tries places"]) -> Float64[Tensor, "rows tries"]:
        tilted = self.masses.unsqueeze(1) + strengths @ self.targets
        return tilted.logsumexp(-1) - (strengths * self.goals.unsqueeze(1)).sum(-1)


def _parted(masses: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Log mass on and off a target `(rows, atoms)`, both `(rows,)`."""
    inside = masses.masked_fill(~target, -math.inf).logsumexp(-1)
    return inside, masses.masked_fill(target, -math.inf).logsumexp(-1)
