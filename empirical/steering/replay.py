"""Runs the passes of a firing log again, token by token, and compares every decision with the log."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.block_kinds import Blocks
from empirical.attention.text import Text
from empirical.rules.rule_file import parse_rules
from empirical.steering.firings import Firings
from empirical.steering.log_lines import EndLine, RulesLine, TextLine
from empirical.steering.read_log import CutOff, Entry, LoggedPass
from empirical.steering.rule_plan import RulePlan, planned_for
from empirical.steering.steered import SteeredPass, steered
from theory.errors import InputError

# Relative difference of numbers that count as the same.
NEAR = 1e-9
# Differences that are kept as text.
_SHOWN = 20
Choice = Callable[[Tensor, Tensor], int]


@dataclass
class Replay:
    """What was run again, and where it differs from the log; `shown` are the first differences, one line each.

    `cut_off` says that the log lacks its end: `passes` are those it holds whole.
    """

    texts: int = 0
    passes: int = 0
    firings: int = 0
    differences: int = 0
    shown: list[str] = field(default_factory=list)
    cut_off: bool = False

    def differ(self, line: str) -> None:
        """Count a difference."""
        self.differences += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(line)


def replayed(
    entries: Iterator[Entry],
    model: PreTrainedModel,
    tokenizer: Any,
    blocks: Blocks,
    choosing: Callable[[], Choice] | None,
) -> Replay:
    """Run what follows the first line of a log again, with a cache, and compare.

    `choosing` begins a text and gives what chooses a token from ids and logits; None: tokens are taken from the log
    without asking what would have been chosen. Numbers are the same within `NEAR`. Raises InputError, DomainError.
    """
    found = Replay()
    for entry in entries:
        if isinstance(entry, TextLine):
            found.texts += 1
            _text(entry, entries, model, tokenizer, blocks, None if choosing is None else choosing(), found)
        elif isinstance(entry, CutOff):
            found.cut_off = True
    return found


class _Logged:
    """The version of the rules that the log says was in force."""

    version: str | None = None
    plan: RulePlan

    def firings(self, text: Text) -> Firings | None:
        return self.plan.firings(text)


@torch.no_grad()
def _text(
    begun: TextLine,
    entries: Iterator[Entry],
    model: PreTrainedModel,
    tokenizer: Any,
    blocks: Blocks,
    choose: Choice | None,
    found: Replay,
) -> None:
    """One text, up to its end."""
    plan, seen, planned = _Logged(), list[SteeredPass](), planned_for(model, tokenizer)
    ids = torch.zeros(1, 0, dtype=torch.long, device=model.device)
    config = model.config.get_text_config()
    room = getattr(config, "max_position_embeddings", None) or math.inf
    cache, chosen = None, None
    with steered(model, plan, blocks=blocks, dials=list(begun.dials), on_pass=seen.append):
        for entry in entries:
            if isinstance(entry, RulesLine):
                plan.version, plan.plan = (
                    entry.sha256,
                    planned(parse_rules(entry.text, "the log's rules", entry.anchors)),
                )
            elif isinstance(entry, LoggedPass):
                (tokens,) = entry.line.tokens
                if max(tokens) >= config.vocab_size or ids.shape[1] + len(tokens) > room:
                    raise InputError(
                        f"a pass of the log at position {ids.shape[1]} exceeds the model's vocabulary or room"
                    )
                if chosen is not None and [chosen] != list(tokens):
                    found.differ(f"position {ids.shape[1]}: token {tokens[0]} in the log, {chosen} in the replay")
                step = torch.tensor([tokens], device=ids.device)
                output = model(step, past_key_values=cache, use_cache=True)
                cache, ids = output.past_key_values, torch.cat((ids, step), 1)
                found.passes += 1
                _compare(entry, seen.pop(), found)
                chosen = None if choose is None else choose(ids, output.logits[:, -1])
            elif isinstance(entry, EndLine):
                if entry.last is not None and chosen is not None and chosen != entry.last:
                    found.differ(f"position {ids.shape[1]}: token {entry.last} in the log, {chosen} in the replay")
                return
            elif isinstance(entry, CutOff):
                found.cut_off = True
                return


def _compare(logged: LoggedPass, done: SteeredPass, found: Replay) -> None:
    """One pass."""
    again = {
        (each.text, each.position, each.layer, each.head, each.rule): {**vars(each), "status": each.status.name.lower()}
        for each in done
    }
    found.firings += len(again)
    for name, here in (("firings", len(again)), ("broken", done.broken)):
        if (there := getattr(logged.line, name)) != here:
            found.differ(f"pass at position {logged.line.position}: {name} {there} in the log, {here} in the replay")
    for line in logged.firings:
        row = (line.text, line.position, line.layer, line.head, line.rule)
        other = again.pop(row, None)
        if other is None:
            found.differ(f"{_named(row)} is in the log and not in the replay")
            continue
        for name in ("promise", "before", "after", "strength", "status"):
            if not _same(there := getattr(line, name), other[name]):
                found.differ(f"{_named(row)}: {name} {there} in the log, {other[name]} in the replay")
    for row in again:
        found.differ(f"{_named(row)} is in the replay and not in the log")


def _named(row: tuple[int, int, int, int, str]) -> str:
    _, position, layer, head, rule = row
    return f"rule {rule!r} at position {position}, layer {layer}, head {head}"


def _same(there: Any, here: Any) -> bool:
    if isinstance(there, float) and isinstance(here, float):
        return math.isclose(there, here, rel_tol=NEAR, abs_tol=1e-12) or (math.isnan(there) and math.isnan(here))
    return bool(there == here)


def model_digest(model: PreTrainedModel, tokenizer: Any) -> str:
    """SHA-256 over weights, configuration and tokenizer, where the model was loaded from left aside."""
    digest = hashlib.sha256()
    settings = {name: value for name, value in model.config.to_dict().items() if not name.startswith("_")}
    settings.pop("transformers_version", None)
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    digest.update(tokenizer.to_str().encode())
    for name, weights in model.state_dict().items():
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
