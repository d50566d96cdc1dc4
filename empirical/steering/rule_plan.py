"""The rules of a file as a plan: which of them fire in a pass, from the texts and blocks of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.block_kinds import Blocks
from empirical.attention.schedule import LayerDial
from empirical.attention.text import Text
from empirical.rules.firing import Reader, Rules, TokenText
from empirical.rules.rule_file import Rule, read_rules
from empirical.steering.firings import Firings, Plan, SteeringRule
from empirical.steering.rule_versions import FilePlan, RuleChange, check_places
from empirical.steering.steered import SteeredPass, SteeringLog, steered
from theory.errors import DomainError

Bools = NDArray[np.bool_]


class RulePlan:
    """Asks rules about the tokens of each pass; `text_of` gives the text of a token.

    Texts that go on where the last pass ended, as in generation with a cache, are read on; others are read anew.
    """

    def __init__(self, rules: Sequence[Rule], text_of: Callable[[int], str]) -> None:
        self._rules = Rules(rules)
        self._named = [SteeringRule(each.name, each.fidelity, each.strength, each.layers, each.heads) for each in rules]
        self._text_of = text_of
        self._read: list[_Read] = []

    def firings(self, text: Text) -> Firings | None:
        """The rules that fire at the queries of this pass; None if none does. Raises DomainError without tokens."""
        if text.tokens is None:
            raise DomainError("rules read the tokens of a text: call the model with input_ids")
        total = text.tokens.shape[1]
        shape = (len(self._named), text.batch, total)
        fires, targets = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        blocks = text.blocks.expand(text.batch, -1).cpu().numpy()
        real = np.ones((text.batch, total), dtype=bool) if text.real is None else text.real.cpu().numpy()
        self._read = [*self._read[: text.batch], *(_Read(self._rules) for _ in range(text.batch - len(self._read)))]
        for index, tokens in enumerate(text.tokens.cpu().numpy()):
            there = real[index]
            read = self._read[index].on(tokens[there], blocks[index, there], self._text_of)
            self._read[index] = read
            fires[:, index, there], targets[:, index, there] = read.fires, read.targets
        return self._firings(fires[..., total - text.queries :], targets, blocks, real, text.tokens.device)

    def _firings(
        self, fires: Bools, targets: Bools, blocks: NDArray[np.int64], real: Bools, device: torch.device
    ) -> Firings | None:
        """The firings at these queries; a rule about the query's own block counts as one rule for each block."""
        own = blocks[:, blocks.shape[1] - fires.shape[2] :]
        found: list[tuple[SteeringRule, Bools, Bools]] = []
        for rule, at, keys, of_own in zip(self._named, fires, targets, self._rules.own_block, strict=True):
            if not of_own:
                found.append((rule, at, keys))
                continue
            found += [(rule, at & (own == block), real & (blocks == block)) for block in np.unique(own[at])]
        found = [each for each in found if each[1].any()]
        if not found:
            return None
        named, at_queries, at_keys = zip(*found, strict=True)
        return Firings(list(named), *(torch.from_numpy(np.stack(each)).to(device) for each in (at_queries, at_keys)))


@dataclass(frozen=True)
class _Read:
    """What the rules said of a text's tokens so far; `fires` and `targets` are `(rules, tokens)`."""

    rules: Rules
    tokens: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    blocks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    fires: Bools = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    targets: Bools = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    reader: Reader | None = None

    def on(self, tokens: NDArray[np.int64], blocks: NDArray[np.int64], text_of: Callable[[int], str]) -> _Read:
        """The same for these tokens, of which those read before are not read again."""
        done = len(self.tokens)
        goes_on = np.array_equal(self.tokens, tokens[:done]) and np.array_equal(self.blocks, blocks[:done])
        if self.reader is None or not goes_on:
            count = len(self.rules.rules)
            none = np.zeros((count, 0), dtype=bool)
            return _Read(self.rules, tokens[:0], blocks[:0], none, none, self.rules.start()).on(tokens, blocks, text_of)
        if len(tokens) == done:
            return self
        fresh = TokenText([text_of(int(each)) for each in tokens[done:]], blocks[done:])
        said = self.reader.append(fresh)
        fires, targets = np.hstack((self.fires, said.fires)), np.hstack((self.targets, said.targets))
        return _Read(self.rules, tokens, blocks, fires, targets, self.reader)


def plan_of(rules: Path | str | Sequence[Rule], tokenizer: Any) -> RulePlan:
    """The plan of a rule file, or of rules that were read. Raises InputError for a file with a mistake."""
    return RulePlan(read_rules(Path(rules)) if isinstance(rules, Path | str) else list(rules), _texts(tokenizer))


def _texts(tokenizer: Any) -> Callable[[int], str]:
    """The text of a token, decoded once."""
    return cache(lambda token: str(tokenizer.decode([token], skip_special_tokens=False)))


def planned_for(model: PreTrainedModel, tokenizer: Any) -> Callable[[Sequence[Rule]], RulePlan]:
    """A function that makes the plan of rules, and raises DomainError for places that the model lacks."""
    texts = _texts(tokenizer)

    def planned(rules: Sequence[Rule]) -> RulePlan:
        check_places(rules, model)
        return RulePlan(rules, texts)

    return planned


@contextmanager
def ruled(
    model: PreTrainedModel,
    rules: Path | str | Sequence[Rule],
    tokenizer: Any,
    block: int | None = None,
    *,
    blocks: Blocks | Tensor | None = None,
    dials: float | Sequence[LayerDial] | None = None,
    on_pass: Callable[[SteeredPass], None] | None = None,
    on_broken: Literal["mark", "raise"] = "mark",
    watch: bool = False,
    on_change: Callable[[RuleChange], None] | None = None,
) -> Iterator[SteeringLog]:
    """Steer a decoder by the rules of a file inside a `with` statement; yields the log of what they did.

    `tokenizer` is that of tokenizers or transformers; rules see the text of each token alone. The strengths of E1 meet
    the promises of a row exactly where that is possible; where it is not, the log says so and the row stays as it is.
    With `watch` the file is looked at before each pass, and a changed one takes effect if a start would accept it;
    `on_change` receives each version of the file, those refused with the reason. `block`, `blocks`, `dials`, `on_pass`
    and `on_broken` are as in `steered`. Raises InputError for a file with a mistake, BrokenPromise, and DomainError as
    `steered`.
    """
    planned = planned_for(model, tokenizer)
    plan: Plan
    if isinstance(rules, Path | str):
        plan = FilePlan(Path(rules), planned, watch, on_change)
        plan.begin()
    elif watch or on_change is not None:
        raise DomainError("watch and on_change are about a rule file: give its path")
    else:
        plan = planned(rules)
    with steered(model, plan, block, blocks=blocks, dials=dials, on_pass=on_pass, on_broken=on_broken) as log:
        yield log
