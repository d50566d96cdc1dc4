"""What the rules of a file do on a text: each rule's firings, what became of its promise, and the check of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from empirical.audit.exceptions import Exceptions
from empirical.calibration.unseen import unseen_windows
from empirical.measuring.passes import tracked
from empirical.measuring.subject import Subject
from empirical.rules.check import change_in_words, check_rules, in_words
from empirical.rules.rule_file import Rule, read_rules
from empirical.steering.rule_plan import ruled
from empirical.steering.steered import SteeredPass
from empirical.steering.strengths import Status
from theory.errors import DomainError

_STATUSES = [status.name.lower() for status in Status]


@dataclass
class _Counted:
    """One rule's firings by status, in each window, and the least fidelity of its target with the rules."""

    windows: list[np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=list)
    least: float = np.inf

    @property
    def total(self) -> list[int]:
        return [int(each) for each in np.sum(self.windows, axis=0)]

    @property
    def shares(self) -> list[float]:
        """Share of each window's firings that meet the promise; 1 where it does not fire."""
        return [float(each[0] / each.sum()) if each.sum() else 1.0 for each in self.windows]


def audit_rules(
    path: Path,
    subject: Subject,
    windows: Sequence[int],
    tokenizer: Tokenizer,
    confidence: float,
    exceptions: Exceptions,
    text_of: Callable[[int], str],
    progress: bool,
) -> dict[str, Any]:
    """The part of the report about a rule file. Raises InputError (file), DomainError (layers that are not there)."""
    rules = read_rules(path)
    counted = {rule.name: _Counted() for rule in rules}
    for number in tracked(list(windows), "audit, rules", progress):
        tokens, blocks = subject.sequence(number)
        passes: list[SteeredPass] = []
        for each in counted.values():
            each.windows.append(np.zeros(len(_STATUSES), np.int64))
        with (
            torch.no_grad(),
            ruled(subject.model, rules, tokenizer, blocks=blocks, dials=subject.dials, on_pass=passes.append),
        ):
            subject.model(tokens.to(subject.model.device), use_cache=False)
        for done in passes:
            exceptions.add(_taken(done, number, tokens[0].tolist(), counted, text_of))
    answer = check_rules(path)
    names = [rule.name for rule in answer.rules]
    return {
        "check": {
            "possible": answer.possible,
            "conflicts": [in_words(each.verdict, names) for each in answer.conflicts if each.verdict is not None],
            "change": change_in_words(answer) if answer.conflicts else None,
            "assumes": list(answer.assumes),
        },
        "rules": [_described(rule, counted[rule.name], subject, len(windows), confidence) for rule in rules],
    }


def check_rules_named(path: Path, subject: Subject) -> None:
    """Raise DomainError for rules that name layers or heads which the model lacks, InputError for a bad file."""
    for rule in read_rules(path):
        for name, chosen, count in (("layer", rule.layers, subject.layers), ("head", rule.heads, subject.heads)):
            if chosen and max(chosen) >= count:
                raise DomainError(f"rule {rule.name!r} names {name} {max(chosen)} of {count}")


def _taken(
    done: SteeredPass, number: int, tokens: list[int], counted: dict[str, _Counted], text_of: Callable[[int], str]
) -> Iterator[dict[str, Any]]:
    """Count the firings of one window; yields those that do not meet their promise."""
    for rows in done.layers:
        columns = (rows.rule, rows.status, rows.query, rows.head, rows.after)
        rule, status, query, head, after = (each.cpu().numpy() for each in columns)
        for index in np.unique(rule):
            of_rule, what = rule == index, done.rules[index]
            each = counted[what.name]
            each.windows[-1] += np.bincount(status[of_rule], minlength=len(_STATUSES))
            if what.promise is not None:
                each.least = min(each.least, float(after[of_rule].min()))
        for place in (status != Status.MET).nonzero()[0].tolist():
            what = done.rules[rule[place]]
            yield {
                "kind": "rule",
                "what": what.name,
                "status": _STATUSES[status[place]],
                "sequence": number,
                "position": int(query[place]),
                "token": text_of(tokens[query[place]]),
                "layer": rows.layer,
                "head": int(head[place]),
                "value": float(after[place]),
                "by": float((what.promise or 0.0) - after[place]),
            }


def _described(rule: Rule, counted: _Counted, subject: Subject, windows: int, confidence: float) -> dict[str, Any]:
    total = counted.total
    met, firings = total[Status.MET], sum(total)
    found: dict[str, Any] = {"name": rule.name, "promise": rule.fidelity, "strength": rule.strength}
    for name, chosen, count in (("layers", rule.layers, subject.layers), ("heads", rule.heads, subject.heads)):
        found[name] = list(range(count)) if chosen is None else sorted(chosen)
    found |= {"firings": firings, **dict(zip(_STATUSES, total, strict=True))}
    found["fidelity_least"] = counted.least if np.isfinite(counted.least) else None
    found["verdict"] = "not fired" if not firings else "strength" if rule.fidelity is None else "kept"
    if met < firings:
        found["verdict"] = "broken"
    if rule.fidelity is not None:
        found["unseen"] = unseen_windows(counted.shares, 1.0, confidence, len(subject.windows))
    return found
