"""Where rules fire in a text and which keys they are about, for whole texts and token by token.

Predicates of the text are decided once per different token text and looked up afterwards; the rest is arithmetic on
whole arrays. A whole text and its pieces take the same path, so decode steps give what the whole text gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.logic.boolalg import Boolean

from empirical.rules.formula import Formula
from empirical.rules.predicates import Number, OfText, Predicate, SeenBefore, holds_for
from empirical.rules.rule_file import Rule
from theory.errors import DomainError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Evaluator = Callable[[Mapping[Predicate, Bools]], Bools]


@dataclass(frozen=True)
class TokenText:
    """Consecutive tokens of one text: their texts, the ids of their blocks, their positions if these are to be checked.

    Block ids never fall; rules count the blocks from 0, whatever the first id is. Positions count the text's tokens
    from 0. Raises DomainError.
    """

    tokens: Sequence[str]
    blocks: Ints
    positions: Ints | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tokens, str) or not all(isinstance(token, str) for token in self.tokens):
            raise DomainError("tokens must be a sequence of texts, one per token")
        for name, value in (("blocks", self.blocks), ("positions", self.positions)):
            if value is None:
                continue
            array = np.asarray(value)
            if array.shape != (len(self.tokens),) or not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
                raise DomainError(f"{name} of shape {array.shape} must be one integer for each of {len(self)} tokens")
            if (array < 0).any():
                raise DomainError(f"{name} must be at least 0, found {array.min()}")
            if (np.diff(array) < 0).any():
                raise DomainError(f"{name} must never fall")
            object.__setattr__(self, name, array.astype(np.int64))

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Fired:
    """What a reader says of the tokens that it was given; each array is `(rules, tokens)`.

    `fires`: the rule's condition holds at the token, and the token sees a key of the rule's target. `targets`: the
    token, as a key, is in the rule's target; True for all keys where the target is the query's own block.
    """

    fires: Bools
    targets: Bools


class Rules:
    """Rules that can be asked about texts, at least one. Raises DomainError.

    `own_block` `(rules,)` is True where a target is the query's own block: the keys of rule `r` for query `q` are
    `targets[r] & (~own_block[r] | (blocks == blocks[q]))`, up to `q`.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        if not rules:
            raise DomainError("rules must hold at least one rule")
        self.rules = tuple(rules)
        self.own_block: Bools = np.array([rule.target.formula is None for rule in rules], dtype=bool)
        chosen = [rule.target.formula for rule in rules]
        formulas = [rule.when for rule in rules] + [each for each in chosen if each is not None]
        self.predicates = list(dict.fromkeys(each for formula in formulas for each in formula.predicates.values()))
        self._of_text = [each for each in self.predicates if isinstance(each, OfText)]
        self.evaluators: tuple[list[Evaluator], list[Evaluator]] = (
            [_evaluator(rule.when) for rule in rules],
            [_everywhere if each is None else _evaluator(each) for each in chosen],
        )
        # Grows by one entry per different token text.
        self._index: dict[str, int] = {}
        self._known: Bools = np.zeros((len(self._of_text), 0), dtype=bool)

    def start(self) -> Reader:
        """A reader of a new text."""
        return Reader(self)

    def fires(self, text: TokenText) -> Bools:
        """Where each rule fires in a whole text, `(rules, tokens)`."""
        return self.start().append(text).fires

    def targets(self, text: TokenText) -> Bools:
        """Which tokens of a whole text are in each rule's target, as keys, `(rules, tokens)`; see `own_block`."""
        return self.start().append(text).targets

    def rows(self, text: TokenText) -> Bools:
        """The keys of each rule's target that each query of a whole text sees, `(rules, queries, keys)`."""
        own = text.blocks[:, None] == text.blocks[None, :]
        keys = self.targets(text)[:, None, :] & (~self.own_block[:, None, None] | own)
        visible: Bools = keys & np.tri(len(text), dtype=bool)
        return visible

    def indices(self, tokens: Sequence[str]) -> Ints:
        """The entry of each token's text in the table of decided predicates."""
        fresh = [token for token in dict.fromkeys(tokens) if token not in self._index]
        if fresh:
            self._index |= {token: len(self._index) + i for i, token in enumerate(fresh)}
            decided = [[holds_for(each, token) for token in fresh] for each in self._of_text]
            shape = (len(self._of_text), len(fresh))
            self._known = np.hstack([self._known, np.array(decided, dtype=bool).reshape(shape)])
        return np.fromiter((self._index[token] for token in tokens), dtype=np.int64, count=len(tokens))

    def of_text(self, indices: Ints) -> dict[Predicate, Bools]:
        """The predicates of the text at these entries."""
        return dict(zip(self._of_text, self._known[:, indices], strict=True))


class Reader:
    """Reads one text piece by piece, and remembers what later tokens depend on."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._seen: Bools = np.zeros(0, dtype=bool)
        self._visible: Bools = rules.own_block.copy()
        # The last token's position, block id, the block's number and its first position.
        self._last: tuple[int, int, int, int] | None = None

    def append(self, text: TokenText) -> Fired:
        """What the rules say of the next tokens. Raises DomainError if they do not follow those before."""
        count = len(self.rules.rules)
        if not len(text):
            return Fired(np.zeros((count, 0), dtype=bool), np.zeros((count, 0), dtype=bool))
        values = self._values(text)
        conditions, targets = (np.stack([each(values) for each in of]) for of in self.rules.evaluators)
        visible = np.logical_or.accumulate(targets, axis=1) | self._visible[:, None]
        self._visible = visible[:, -1]
        return Fired(conditions & visible, targets)

    def _values(self, text: TokenText) -> dict[Predicate, Bools]:
        places = self._places(text)
        indices = self.rules.indices(text.tokens)
        values = self.rules.of_text(indices) | {SeenBefore(): self._repeated(indices)}
        for each in self.rules.predicates:
            if isinstance(each, Number):
                at = places[each.place]
                values[each] = at < each.value if each.below else at == each.value
        return values

    def _repeated(self, indices: Ints) -> Bools:
        self._seen = np.pad(self._seen, (0, max(0, int(indices.max()) + 1 - len(self._seen))))
        first = np.zeros(len(indices), dtype=bool)
        first[np.unique(indices, return_index=True)[1]] = True
        repeated = ~first | self._seen[indices]
        self._seen[indices] = True
        return repeated

    def _places(self, text: TokenText) -> dict[str, Ints]:
        before = self._last
        follows = 0 if before is None else before[0] + 1
        positions = np.arange(follows, follows + len(text))
        if text.positions is not None and not np.array_equal(text.positions, positions):
            raise DomainError(f"positions must be {positions[0]} to {positions[-1]}: they count the text's tokens")
        if before is not None and text.blocks[0] < before[1]:
            raise DomainError(f"block {text.blocks[0]} follows block {before[1]}: blocks must never fall")
        changes = np.diff(text.blocks, prepend=text.blocks[0] if before is None else before[1]) > 0
        numbers = np.cumsum(changes) + (0 if before is None else before[2])
        # Positions rise, so the latest start is the largest.
        starts = np.where(changes, positions, -1)
        starts[0] = max(starts[0], 0 if before is None else before[3])
        starts = np.maximum.accumulate(starts)
        self._last = int(positions[-1]), int(text.blocks[-1]), int(numbers[-1]), int(starts[-1])
        return {"position": positions, "block_position": positions - starts, "block": numbers}


def _evaluator(formula: Formula) -> Evaluator:
    """A formula as a function of its predicates' values at some tokens."""

    def built(logic: Boolean) -> Evaluator:
        if isinstance(logic, sympy.Symbol):
            return itemgetter(formula.predicates[logic])
        if logic == sympy.true:
            return _everywhere
        # sympy sorts `args` at each access, so they are read only here.
        parts = [built(part) for part in logic.args]
        if logic.func is sympy.Not:
            return lambda values: ~parts[0](values)
        join = np.logical_and if logic.func is sympy.And else np.logical_or
        return lambda values: join.reduce([part(values) for part in parts])

    return built(formula.logic)


def _everywhere(values: Mapping[Predicate, Bools]) -> Bools:
    return np.ones_like(values[SeenBefore()])
