"""The adversarial method: searches for rows that bring a clause near to equality, and decides the nearest exactly.

The search evolves many rows at once: it moves, ties and copies scores, so that it lands on the level patterns at which
bounds on attention are attained, and ends with a Nelder-Mead polish. It starts from random rows and the statement's own
witnesses. For a bound that is not sharp it reports the best ratio found, which is not proved to be the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sympy.core.relational import Equality

from proofs_check.deciding.counterexample import Counterexample
from proofs_check.deciding.deciding import Letters, decide_clause
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.rows import AttentionRow
from proofs_check.methods.closeness import closeness
from proofs_check.methods.witness_rows import witness_scores
from proofs_check.screening.batches import Batch
from proofs_check.screening.letters import values_on
from proofs_check.screening.screen import split
from theory.errors import DomainError
from theory.statement import Clause, Statement

Population = dict[str, Any]

# Block and complement sizes searched; equality at n = 2 is often trivial, so there are at least 3 keys.
SHAPES = ((1, 2), (2, 3), (3, 5), (1, 7), (4, 1), (32, 96))
_CHILDREN = 768
_PARENTS = 24
# Score of a row outside the assumption, times how far outside.
_WORST = -1e6
_DECIDED = 6
# The search stops after this many generations if no row has met the assumption.
_PATIENCE = 20
# At this ratio the search stops: only rounding is left.
_NEAR_ENOUGH = 1 - 1e-12


@dataclass(frozen=True)
class Tightness:
    """How near to equality the search brought a clause, at which row, and the exact verdict there.

    `ratio` is `1 - (rhs - lhs)/max(|lhs|, |rhs|)` for `lhs <= rhs`: `lhs/rhs` where both are positive, 1 at equality
    and above 1 where the clause is false; for masses near 1 the smaller of that and the same ratio of complements. It
    is a lower bound: the float ratio less its own error bound. An equality has no ratio above 1; a refuted one is shown
    with the row found furthest from it.
    """

    statement: str
    clause: str
    ratio: float
    row: AttentionRow | None
    verdict: Verdict
    counterexample: Counterexample | None = None


def tightness(
    statement: Statement,
    clause: Clause,
    seed: int = 0,
    generations: int = 60,
    shapes: Sequence[tuple[int, int]] = SHAPES,
    pinned: Mapping[str, Fraction] = MappingProxyType({}),
) -> Tightness:
    """Searches for the row at which a clause about rows is nearest to equality; the same seed repeats the search.

    `shapes` are the block and complement sizes searched, `pinned` the columns (temperature, dial, ...) kept at one
    value. A row at which the clause is certainly false gives REFUTED with the counterexample; PROVED means only that
    the clause holds at the row reported. Raises `DomainError` for a statement that is not about rows.
    """
    if statement.about != "row":
        raise DomainError(f"statement {statement.id} is about a {statement.about}: the search moves rows only")
    best: list[tuple[float, AttentionRow]] = []
    apart: list[tuple[float, AttentionRow]] = []
    for index, (block, rest) in enumerate(shapes):
        search = _Search(statement, clause, block, rest, np.random.default_rng([seed, index]), pinned)
        # Equality in one shape says nothing about the others: their first rows may still show the clause false.
        met = max((ratio for ratio, _ in best), default=0) >= _NEAR_ENOUGH
        with np.errstate(all="ignore"):
            best += search.run(0 if met else generations)
            apart += search.furthest() if isinstance(search.claim, Equality) else []
    best.sort(key=lambda found: -found[0])
    for ratio, row in sorted(apart, key=lambda found: found[0])[:_DECIDED]:
        if decide_clause(clause, Letters(row, KINDS["row"].definitions)) is Verdict.REFUTED:
            return Tightness(statement.id, clause.name, ratio, row, Verdict.REFUTED, Counterexample(clause, row))
    kept: tuple[float, AttentionRow] | None = None
    verdict = Verdict.VACUOUS
    for ratio, row in best[:_DECIDED]:
        decided = decide_clause(clause, Letters(row, KINDS["row"].definitions))
        if decided is Verdict.REFUTED:
            return Tightness(statement.id, clause.name, ratio, row, decided, Counterexample(clause, row))
        if kept is None and decided is not Verdict.VACUOUS:
            kept, verdict = (ratio, row), decided
    if kept is None:
        return Tightness(statement.id, clause.name, float("nan"), None, verdict)
    return Tightness(statement.id, clause.name, kept[0], kept[1], verdict)


class _Search:
    def __init__(
        self,
        statement: Statement,
        clause: Clause,
        block: int,
        rest: int,
        rng: np.random.Generator,
        pinned: Mapping[str, Fraction],
    ) -> None:
        self.pinned = pinned
        self.statement, self.clause, self.block, self.keys, self.rng = statement, clause, block, block + rest, rng
        self.given, self.claim = split(clause)

    def run(self, generations: int) -> list[tuple[float, AttentionRow]]:
        """The nearest rows found, each with its ratio; with 0 generations, the nearest of the starting rows."""
        population = self.start()
        scores = self.score(population)
        for generation in range(generations):
            unmet = generation >= _PATIENCE and scores.max() <= _WORST / 2
            if unmet or scores.max() >= _NEAR_ENOUGH:
                break
            parents = np.argsort(-scores)[:_PARENTS]
            kept = {name: column[..., parents] for name, column in population.items()}
            children = self.children(kept)
            population = {name: np.concatenate([kept[name], children[name]], axis=-1) for name in kept}
            scores = np.concatenate([scores[parents], self.score(children)])
        ones = [{name: column[..., [i]] for name, column in population.items()} for i in np.argsort(-scores)[:3]]
        found = [self.polish(one) if generations else (float(self.score(one)[0]), one) for one in ones]
        return [(ratio, self.row(one)) for ratio, one in found if ratio > _WORST / 2]

    def row(self, one: Population) -> AttentionRow:
        """The only row of a population, with exact values in the pinned columns."""
        exactly: dict[str, Any] = dict(self.pinned)
        return replace(self.batch(one).row(0), **exactly)

    def furthest(self) -> list[tuple[float, AttentionRow]]:
        """The starting row within the assumption on which the sides of an equality differ most; empty if none."""
        population = self.start()
        scores = self.score(population)
        i = int(np.argmin(np.where(scores > _WORST / 2, scores, np.inf)))
        one = {name: column[..., [i]] for name, column in population.items()}
        return [(float(scores[i]), self.row(one))] if scores[i] > _WORST / 2 else []

    def batch(self, population: Population) -> Batch:
        """The population as a batch, temperatures raised where the logit range would exceed 600 nats."""
        scores = np.ascontiguousarray(population["scores"])
        span = scores.max(0) - scores.min(0)
        temperature = np.maximum(population["temperature"], span / 600)
        return Batch(scores, self.block, population | {"temperature": temperature}, "searched")

    def score(self, population: Population) -> Any:
        """How near to false the claim is; far below every ratio where the assumption fails."""
        batch = self.batch(population)
        values = values_on(batch)
        _, given = closeness(self.given, values, assumed=True)
        ratio, _ = closeness(self.claim, values)
        ratio = np.where(np.isfinite(ratio), ratio, _WORST)
        ratio = np.where(given <= 1, ratio, _WORST * np.fmin(np.fmax(given, 1), 1e3))
        return np.broadcast_to(ratio, (batch.rows,))

    def start(self) -> Population:
        """Random rows, two-level rows, and the statement's witnesses for this clause."""
        rng, keys, rows = self.rng, self.keys, _CHILDREN
        scores = rng.standard_normal((keys, rows)) * 10 ** rng.uniform(-1.5, 1, rows)
        levels = rng.uniform(size=(keys, rows)) < rng.uniform(size=rows)
        levels[: self.block, : rows // 4] = True
        levels[self.block :, : rows // 4] = False
        two_level = levels * rng.uniform(-12, 12, rows)
        scores[:, ::2] = two_level[:, ::2]
        temperature = 10 ** rng.uniform(-1, 1, rows)
        witnesses = witness_scores(self.statement, self.clause.name, self.block, keys - self.block, temperature[:32])
        scores[:, : witnesses.shape[1]] = witnesses
        values = rng.uniform(-4, 4, (keys, rows))
        population = {
            "scores": scores,
            "temperature": temperature,
            "dial": rng.uniform(0, 1, rows) * (1 - 2.0**-20),
            "other_dial": rng.uniform(0, 1, rows) * (1 - 2.0**-20),
            "penalty": rng.uniform(0, 10, rows),
            "leak_target": rng.uniform(1e-6, 1 - 1e-6, rows),
            "fidelity_target": rng.uniform(1e-6, 1 - 1e-6, rows),
            "values": values,
            "seen": scores + rng.uniform(-0.5, 0.5, (keys, rows)),
            "weights": np.floor(rng.uniform(1, 17, (keys, rows))),
        }
        return self.pin(population)

    def pin(self, population: Population) -> Population:
        """The population with the pinned columns set to their values."""
        rows = population["scores"].shape[1]
        return population | {name: np.full(rows, float(value)) for name, value in self.pinned.items()}

    def children(self, parents: Population) -> Population:
        """Changed copies of the parents, with steps of every size down to the last digits."""
        rng, keys, rows = self.rng, self.keys, _CHILDREN
        chosen = rng.integers(parents["scores"].shape[1], size=rows)
        child = {name: column[..., chosen].copy() for name, column in parents.items()}
        step = 10 ** rng.uniform(-9, 0.5, rows)
        touched = rng.uniform(size=(keys, rows)) < rng.choice([0.0, 1 / keys, 0.5, 1.0], rows)
        scores = child["scores"] + touched * rng.standard_normal((keys, rows)) * step
        self.tie(scores)
        child["scores"] = np.clip(scores, -40, 40)
        for name, low, high in (("temperature", 1e-2, 1e2), ("penalty", 0.0, 40.0)):
            moved = child[name] * np.exp(step * rng.standard_normal(rows) * (rng.uniform(size=rows) < 0.3))
            child[name] = np.clip(moved, low, high)
        for name in ("dial", "other_dial", "leak_target", "fidelity_target"):
            moved = _logistic(_logit(child[name]) + step * rng.standard_normal(rows) * (rng.uniform(size=rows) < 0.5))
            child[name] = np.clip(moved, 2.0**-60, 1 - 2.0**-40)
        self.meet_targets(child, step)
        moved = rng.uniform(size=(keys, rows)) < 0.2
        child["values"] = np.clip(child["values"] + moved * rng.standard_normal((keys, rows)) * step, -4, 4)
        nearer = rng.choice([0.0, 0.5, 1.0, 2.0], rows)
        child["seen"] = child["scores"] + (child["seen"] - parents["scores"][..., chosen]) * nearer
        child["weights"] = np.clip(child["weights"] + np.round(moved * rng.standard_normal((keys, rows)) * 4), 1, 4096)
        return self.pin(child)

    def tie(self, scores: Any) -> None:
        """In some rows, gives several keys of the block, the complement or the row the score of one of them."""
        rng, keys, rows = self.rng, self.keys, scores.shape[1]
        low = rng.choice([0, self.block, 0], rows)
        high = np.where(low == 0, rng.choice([self.block, keys], rows), keys)
        model = (low + rng.uniform(size=rows) * (high - low)).astype(int)
        place = np.arange(keys)[:, None]
        tied = (place >= low) & (place < high) & (rng.uniform(size=(keys, rows)) < rng.choice([0.3, 1.0], rows))
        tied &= rng.uniform(size=rows) < 0.3
        np.copyto(scores, scores[model, np.arange(rows)], where=tied)

    def meet_targets(self, child: Population, step: Any) -> None:
        """In some rows, sets the targets next to what the row attains."""
        batch, rng = self.batch(child), self.rng
        attained = {
            "leak_target": (batch.plain.outside, batch.penalised.outside),
            "fidelity_target": (batch.plain.inside, batch.dialled.inside),
        }
        for name, masses in attained.items():
            for mass in masses:
                nudged = mass.value * (1 + step * 1e-3 * rng.standard_normal(batch.rows))
                met = rng.uniform(size=batch.rows) < 0.15
                child[name] = np.where(met, np.clip(nudged, 2.0**-60, 1 - 2.0**-40), child[name])

    def polish(self, one: Population) -> tuple[float, Population]:
        """Nelder-Mead on the scores and the targets' log-odds of one row."""
        begun = float(self.score(one)[0])
        if self.keys > 16 or begun >= _NEAR_ENOUGH:
            return begun, one

        def moved(x: Any) -> Population:
            targets = _logistic(_logit(np.array([one["leak_target"][0], one["fidelity_target"][0]])) + x[-2:])
            changed = dict(one, scores=x[: self.keys, None])
            changed["leak_target"] = np.clip(targets[:1], 2.0**-60, 1 - 2.0**-40)
            changed["fidelity_target"] = np.clip(targets[1:], 2.0**-60, 1 - 2.0**-40)
            changed["seen"] = changed["scores"] + one["seen"] - one["scores"]
            return self.pin(changed)

        start = np.concatenate([one["scores"][:, 0], [0.0, 0.0]])
        best = minimize(lambda x: -float(self.score(moved(x))[0]), start, method="Nelder-Mead", options={"maxfev": 60})
        return (float(-best.fun), moved(best.x)) if -best.fun > begun else (begun, one)


def _logit(p: Any) -> Any:
    return np.log(p) - np.log1p(-p)


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))
