"""What an imperfect checker decides about one text: which due firings it misses, and where it fires falsely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.block_kinds import Blocks
from empirical.attention.text import Text
from empirical.rules.firing import Rules, TokenText
from empirical.rules.rule_file import Rule
from empirical.steering.firings import Firings, SteeringRule
from theory.errors import DomainError

Bools = NDArray[np.bool_]


class Decision(IntEnum):
    """What a checker makes of a rule at a query."""

    FIRED = 0
    MISSED = 1
    FALSE = 2


@dataclass(frozen=True)
class CheckedRule(SteeringRule):
    """A rule at the queries with one decision about it; `index` is its place among the rules.

    A missed rule has the strength 0, which moves nothing, so that the fidelity of its target is measured.
    """

    index: int = 0
    decision: Decision = Decision.FIRED


class Checker:
    """Asks rules about whole texts; `text_of` gives the text of a token."""

    def __init__(self, rules: Sequence[Rule], text_of: Callable[[int], str]) -> None:
        self.rules = tuple(rules)
        self._asked = Rules(rules)
        self._text_of = cache(text_of)

    def read(self, tokens: Tensor, blocks: Blocks) -> CheckedText:
        """What a checker can be right or wrong about in one text `(1, tokens)`."""
        ids = blocks.of(tokens, torch.arange(tokens.shape[1])[None])[0].cpu().numpy()
        text = TokenText([self._text_of(token) for token in tokens[0].tolist()], ids)
        said, own = self._asked.start().append(text), self._asked.own_block
        visible = np.logical_or.accumulate(said.targets, axis=1) | own[:, None]
        return CheckedText(self.rules, own, text.blocks, said.targets, said.fires, visible & ~said.fires)


@dataclass(frozen=True)
class CheckedText:
    """One text under some rules; the other arrays are `(rules, tokens)`.

    `due` says at which queries a rule fires under a perfect checker, and `idle` at which others it sees a key of its
    target. `own_block` `(rules,)` and `targets` are those of `Rules`, and `blocks` `(tokens,)` are block ids.
    """

    rules: Sequence[Rule]
    own_block: Bools
    blocks: NDArray[np.int64]
    targets: Bools
    due: Bools
    idle: Bools

    def drawn(self, missed: float, false: float, seed: Sequence[int]) -> tuple[Bools, Bools]:
        """Misses and false firings, each drawn independently with this probability for each rule and query."""
        chances = np.random.default_rng(seed).random((2, *self.due.shape))
        return self.due & (chances[0] < missed), self.idle & (chances[1] < false)

    def firings(self, missed: Bools, false: Bools, device: torch.device | str = "cpu") -> Firings | None:
        """The firings with these misses and false firings; None if no rule is due and none fires.

        A rule about the query's own block counts as one rule for each block.
        """
        decided = {Decision.FIRED: self.due & ~missed, Decision.MISSED: missed, Decision.FALSE: false}
        found: list[tuple[CheckedRule, Bools, Bools]] = []
        for index, (rule, own) in enumerate(zip(self.rules, self.own_block, strict=True)):
            for decision, at in ((each, where[index]) for each, where in decided.items()):
                checked = _checked(rule, index, decision)
                if own:
                    parts = ((self.blocks == block) for block in np.unique(self.blocks[at]))
                    found += [(checked, at & part, part) for part in parts]
                elif at.any():
                    found.append((checked, at, self.targets[index]))
        if not found:
            return None
        named, fires, targets = zip(*found, strict=True)
        return Firings(
            list(named), *(torch.from_numpy(np.stack(each))[:, None].to(device) for each in (fires, targets))
        )


@dataclass(frozen=True)
class Decided:
    """A plan whose firings are decided before the pass over a text."""

    decided: Firings | None
    tokens: Tensor

    def firings(self, text: Text) -> Firings | None:
        """The firings. Raises DomainError for another text."""
        if text.tokens is None or not torch.equal(text.tokens.cpu(), self.tokens.cpu()):
            raise DomainError("the firings were decided for another text")
        return self.decided


def _checked(rule: Rule, index: int, decision: Decision) -> CheckedRule:
    promise, strength = (None, 0.0) if decision is Decision.MISSED else (rule.fidelity, rule.strength)
    return CheckedRule(rule.name, promise, strength, rule.layers, rule.heads, index, decision)
