"""Runs a decoder under an imperfect checker of its rules, and reports what they keep beside E3 and E4.

A first pass over each sequence steers nothing and says what the model does without rules. A second pass steers by the
firings that the checker decided. Versions of the checker share the sequences: each is at work on an equal part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical.checkers.checker import Bools, CheckedText, Checker, Decided
from empirical.checkers.report import report
from empirical.checkers.tally import Array, Ints, Tally, added_up, decided_rows
from empirical.measuring.passes import Loss, loss_of, tracked
from empirical.measuring.subject import Subject, open_subject
from empirical.memory import enough_memory
from empirical.rules.rule_file import read_rules
from empirical.steering.steered import SteeredPass, steered
from empirical.training.corpus import load_tokenizer
from theory.errors import DomainError
from theory.numbers.checked import as_written
from theory.numbers.rule_bounds import measured_fidelity_min

ADVICE = "Simulate shorter sequences with --context."


# Which due firings are missed: drawn independently of all else, or those with the least fidelity without rules.
KINDS = ("independent", "hardest")
CONFIDENCE = 0.95


def simulate(
    rules: Path,
    model: Path | str,
    *,
    missed: Sequence[float],
    false_firings: float = 0.0,
    kind: str = "independent",
    seed: int = 0,
    confidence: float | None = None,
    text: Path | None = None,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    sequences: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Steer `model` by the rules of a file under a checker that errs; returns what was measured, as `report`.

    `missed` has one probability for each version of the checker; the versions are at work one after the other, on
    equal parts of the sequences. `false_firings` is the probability with which a rule fires at a query where it is not
    due and sees a key of its target. Misses of the kind `hardest` are the share `missed` of a version's due queries,
    rounded down, whose fidelity without rules is least, on average over layers and heads. `model`, `text`, `block`,
    `blocks`, `context` and `sequences` are as in `measure`. Raises InputError, DomainError.
    """
    _check(missed, false_firings, kind, seed)
    if kind == "hardest" and confidence is not None:
        raise DomainError(f"confidence {confidence:g} is for a bound that needs independent misses: leave it out")
    if kind == "independent":
        confidence = CONFIDENCE if confidence is None else confidence
    read = read_rules(rules)
    if confidence is not None:
        # Refuses one too near 1 before the passes.
        measured_fidelity_min(0.0, [0] * len(read) * len(missed), 1, confidence)
    subject = open_subject(model, text, block=block, blocks=blocks, context=context, sequences=sequences)
    count, context = subject.windows.shape
    if len(missed) > count:
        raise DomainError(f"missed names {len(missed)} versions, which must be at most the {count} sequences")
    tokenizer = load_tokenizer(str(model))
    checked = _Checked(subject, Checker(read, lambda token: tokenizer.decode([token], skip_special_tokens=False)))
    versions = np.arange(count) * len(missed) // count
    found, tally, losses = _Fidelities(), Tally(len(read), len(missed)), [0.0, 0.0]
    with enough_memory("simulating", ADVICE):
        for number in tracked(range(count), "without rules", progress):
            said = checked.read(number)
            loss, passes = checked.run(number, said, said.due, np.zeros_like(said.due))
            losses[0] += loss.total / loss.count / count
            found.add(number, said.due, passes)
        if not found.rules:
            raise DomainError(f"no rule of {rules} is due at any query of this text: there is nothing to measure")
        hardest = found.hardest(versions, missed) if kind == "hardest" else None
        for number in tracked(range(count), "with rules", progress):
            said, version = checked.read(number), int(versions[number])
            misses, false = said.drawn(missed[version], false_firings, (seed, number))
            if hardest is not None:
                misses = np.zeros_like(misses)
                misses[hardest(number)] = True
            loss, passes = checked.run(number, said, misses, false)
            losses[1] += loss.total / loss.count / count
            tally.add(version, said.due, misses, false, passes)
    about = {
        "model": subject.name,
        "text": None if text is None else text.name,
        "sequences": count,
        "context": context,
        "blocks": subject.kind if subject.blocks is not None else f"windows of {subject.block}",
        "rule_file": rules.name,
        "missed": [float(share) for share in missed],
        "sequences_of_versions": np.bincount(versions).tolist(),
        "miss_kind": kind,
        "false_firings": false_firings,
        "seed": seed,
        "confidence": confidence,
        "loss_without_rules": losses[0],
        "loss": losses[1],
    }
    return about | report(read, tally, missed, confidence)


@dataclass(frozen=True)
class _Checked:
    """A model and its sequences, and a checker that reads them."""

    subject: Subject
    checker: Checker

    def read(self, number: int) -> CheckedText:
        return self.checker.read(*self.subject.sequence(number))

    @torch.no_grad()
    def run(self, number: int, said: CheckedText, missed: Bools, false: Bools) -> tuple[Loss, list[SteeredPass]]:
        """Loss and rows of one sequence with these decisions. Raises DomainError if they are not numbers."""
        subject, (window, blocks) = self.subject, self.subject.sequence(number)
        model, tokens = subject.model, window.to(subject.model.device)
        plan = Decided(said.firings(missed, false, model.device), window)
        with steered(model, plan, blocks=blocks, dials=subject.dials) as log:
            loss = loss_of(model(tokens, use_cache=False).logits, tokens)
        rows = (each.after for done in log.passes for each in done.layers)
        if not isfinite(loss.total) or not all(bool(each.isfinite().all()) for each in rows):
            raise DomainError(f"the loss or a row of sequence {number} is not a number: these weights diverged")
        return loss, log.passes


class _Fidelities:
    """The fidelity of each rule's target at each due query, without rules: the mean over layers and heads."""

    def __init__(self) -> None:
        self.rules: list[Ints] = []
        self._numbers: list[Ints] = []
        self._queries: list[Ints] = []
        self._means: list[Array] = []

    def add(self, number: int, due: Bools, passes: Sequence[SteeredPass]) -> None:
        """Keep those of one sequence."""
        total, count = np.zeros(due.shape), np.zeros(due.shape)
        for rows in decided_rows(passes):
            total += added_up(due.shape, (rows.rule, rows.query), rows.before)
            count += added_up(due.shape, (rows.rule, rows.query))
        rules, queries = due.nonzero()
        if len(rules):
            self.rules.append(rules)
            self._numbers.append(np.full(len(rules), number))
            self._queries.append(queries)
            self._means.append(total[due] / count[due])

    def hardest(self, versions: Ints, missed: Sequence[float]) -> Callable[[int], tuple[Ints, Ints]]:
        """A function of a sequence's number: rules and queries of its hardest due firings."""
        rules, numbers, queries = map(np.concatenate, (self.rules, self._numbers, self._queries))
        means = np.concatenate(self._means)
        groups = rules * len(missed) + versions[numbers]
        order = np.lexsort((queries, numbers, means, groups))
        sizes = np.bincount(groups, minlength=(rules.max() + 1) * len(missed))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        most = [floor(as_written(missed[group % len(missed)]) * int(size)) for group, size in enumerate(sizes)]
        chosen = ranks < np.array(most)[groups]

        def of(number: int) -> tuple[Ints, Ints]:
            here = chosen & (numbers == number)
            return rules[here], queries[here]

        return of


def _check(missed: Sequence[float], false: float, kind: str, seed: int) -> None:
    if not missed:
        raise DomainError("missed must name a share for each version of the checker")
    for share in missed:
        if not 0 <= share <= 1:
            raise DomainError(f"missed {share:g} must lie in [0, 1]")
    if not 0 <= false <= 1:
        raise DomainError(f"false_firings={false:g} must lie in [0, 1]")
    if kind not in KINDS:
        raise DomainError(f"miss_kind={kind} must be one of {', '.join(KINDS)}")
    if not 0 <= seed < 2**32:
        raise DomainError(f"seed {seed} must lie in [0, 2^32)")
