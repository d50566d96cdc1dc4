"""Steers a transformers decoder by rules inside a `with` statement, in whole passes and in generation with a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import Blocks, WindowBlocks, chosen_blocks
from empirical.attention.schedule import LayerDial
from empirical.attention.text import Text
from empirical.steering.firings import Firings, Plan, SteeringRule
from empirical.steering.steered_call import SteeredRows, steer
from empirical.steering.strengths import Status
from theory.display import MOST_ROWS, Badge, Card, Displayed, Table, Tone
from theory.errors import DomainError, LocalistError


@dataclass(frozen=True)
class Firing:
    """What a rule did in one row: the row, the fidelity of its target before and after, and its strength in nats.

    `text` numbers the texts of the pass, and `position` is that of the query in its text. `status` says whether a
    promise is met, as measured.
    """

    text: int
    position: int
    layer: int
    head: int
    rule: str
    promise: float | None
    before: float
    after: float
    strength: float
    status: Status


class BrokenPromise(LocalistError):
    """A promise that a row does not keep; `firing` is the first of the pass that ended, which the log holds whole."""

    def __init__(self, firing: Firing) -> None:
        named = f"rule {firing.rule!r} broke its promise at position {firing.position}, layer {firing.layer}, head "
        text = f" of text {firing.text}" if firing.text else ""
        why = firing.status.name.lower()
        super().__init__(f"{named}{firing.head}{text}: fidelity {firing.after:.6g} of {firing.promise} ({why})")
        self.firing = firing


@dataclass(frozen=True, repr=False)
class SteeredPass(Displayed):
    """What the rules did in one forward pass, layer by layer; no layers if no rule fired.

    `tokens` and `positions` `(batch or 1, queries)` are those of the pass, and `start` tokens stood before them.
    `version` is the hash of the rule file in force, None if the plan has no file.
    """

    rules: Sequence[SteeringRule]
    positions: Tensor
    layers: list[SteeredRows]
    tokens: Tensor | None = None
    start: int = 0
    version: str | None = None

    def __iter__(self) -> Iterator[Firing]:
        """Every firing of every layer."""
        for rows in self.layers:
            texts = rows.text if len(self.positions) > 1 else torch.zeros_like(rows.text)
            places = self.positions[texts, rows.query].tolist()
            columns = (rows.text, rows.head, rows.rule, rows.before, rows.after, rows.strength, rows.status)
            for place, (text, head, rule, before, after, strength, status) in zip(
                places, zip(*(each.tolist() for each in columns), strict=True), strict=True
            ):
                what = self.rules[rule]
                yield Firing(
                    text, place, rows.layer, head, what.name, what.promise, before, after, strength, Status(status)
                )

    @property
    def broken(self) -> int:
        """Number of firings whose promise is not met."""
        return sum(int((~rows.met).sum()) for rows in self.layers)

    @property
    def first_broken(self) -> Firing | None:
        """The first firing whose promise is not met."""
        return next((each for each in self if each.status != Status.MET), None) if self.broken else None

    @property
    def firings(self) -> int:
        """Number of firings."""
        return sum(len(rows.rule) for rows in self.layers)

    def card(self) -> Card:
        """What a notebook shows."""
        return _firings_card("one pass", self, self.firings, self.broken)


class SteeringLog(Displayed):
    """The passes in which a rule fired, each added when it has come to its end; memory grows with the firings."""

    def __init__(self) -> None:
        self.passes: list[SteeredPass] = []

    def __iter__(self) -> Iterator[Firing]:
        """Every firing so far."""
        for each in self.passes:
            yield from each

    def card(self) -> Card:
        """What a notebook shows: the first firings, and how many promises were not met."""
        count, broken = (sum(each) for each in ([a.firings for a in self.passes], [a.broken for a in self.passes]))
        return _firings_card(f"{len(self.passes)} passes", self, count, broken)


def _firings_card(title: str, firings: Iterable[Firing], count: int, broken: int) -> Card:
    badge = Badge("no rule fired", Tone.OPEN)
    if count:
        badge = Badge(f"{broken} firings break a promise", Tone.NO) if broken else Badge("no promise broken", Tone.YES)
    rows = [
        [
            *(each.text, each.position, each.layer, each.head, each.rule),
            *("" if each.promise is None else f"{each.promise:g}", each.before, each.after, each.strength),
            Badge(each.status.name.lower().replace("_", " "), Tone.YES if each.status == Status.MET else Tone.NO),
        ]
        for each in islice(firings, MOST_ROWS)
    ]
    headings = ("text", "position", "layer", "head", "rule", "promise", "before", "after", "strength, nats", "status")
    return Card(f"{count} firings in {title}", badge, (), (Table(headings, rows, of=count),) if rows else ())


@dataclass
class _Steering:
    """Asks the plan once per pass, and steers each layer by its answer."""

    plan: Plan
    log: SteeringLog
    layers: int
    on_pass: Callable[[SteeredPass], None] | None
    stops: bool
    _text: Text | None = None
    _firings: Firings | None = None
    _found: list[SteeredRows] = field(default_factory=list)

    def begin(self) -> None:
        """Forget a pass that was broken off."""
        self._text, self._firings, self._found = None, None, []

    def __call__(self, call: AttentionCall, text: Text) -> Tensor:
        """The steered output of one layer."""
        if self._text is None:
            self._text, self._firings = text, self.plan.firings(text)
            self._check()
        if self._firings is None:
            return call.output
        output, rows = steer(call, self._firings)
        if rows is not None:
            self._found.append(rows)
        return output

    def end(self) -> None:
        """Log a pass that has come to its end. Raises BrokenPromise."""
        text, firings, found = self._text, self._firings, self._found
        self.begin()
        if text is None:
            return
        start = text.positions.shape[1] - text.queries
        # Copies: a view would keep the whole text of every pass.
        done = SteeredPass(
            () if firings is None else firings.rules,
            text.positions[:, start:].clone(),
            found,
            None if text.tokens is None else text.tokens[:, start:].clone(),
            start,
            getattr(self.plan, "version", None),
        )
        if found:
            self.log.passes.append(done)
        if self.on_pass is not None:
            self.on_pass(done)
        broken = done.first_broken if self.stops else None
        if broken is not None:
            raise BrokenPromise(broken)

    def _check(self) -> None:
        for rule in () if self._firings is None else self._firings.rules:
            if rule.layers and max(rule.layers) >= self.layers:
                raise DomainError(f"rule {rule.name!r} names layer {max(rule.layers)} of {self.layers}")


@dataclass(frozen=True)
class _WithTokens:
    """Blocks of a text whose tokens are kept, because a plan reads them."""

    blocks: Blocks
    needs_tokens = True

    @property
    def window(self) -> int | None:
        return self.blocks.window

    def of(self, tokens: Tensor | None, positions: Tensor) -> Tensor:
        return self.blocks.of(tokens, positions)


@contextmanager
def steered(
    model: PreTrainedModel,
    plan: Plan,
    block: int | None = None,
    *,
    blocks: Blocks | Tensor | None = None,
    dials: float | Sequence[LayerDial] | None = None,
    on_pass: Callable[[SteeredPass], None] | None = None,
    on_broken: Literal["mark", "raise"] = "mark",
) -> Iterator[SteeringLog]:
    """Steer a decoder by the rules of `plan` inside a `with` statement; yields the `SteeringLog`.

    In every row where rules fire they get the least strengths that meet their promises; where this is impossible the
    log says so, and rules with a promise leave the row as it is. Rows without a firing rule are those of the attached
    model bit for bit. `block`, `blocks` and `dials` are as in `watch`; without blocks a text is one block, and dials
    must be 0. `on_pass` receives each pass at its end, also one in which no rule fired. With `on_broken` "raise" a pass
    that breaks a promise is logged and then raises BrokenPromise, so that no token follows from it. The model gets its
    own attention back on exit. Raises DomainError as `watch`, for rules that name layers or heads which the model
    lacks, and under gradients or dropout.
    """
    if block is None and blocks is None:
        settings = getattr(model.config, "localist", None)
        if dials is not None or settings:
            raise DomainError("dials move attention towards blocks: say what a block is, by block or blocks")
        chosen: Blocks = WindowBlocks(2**31 - 1)
    else:
        chosen = chosen_blocks(block, blocks)
    if on_broken not in ("mark", "raise"):
        raise DomainError(f"on_broken {on_broken!r} must be 'mark' or 'raise'")
    log = SteeringLog()
    layers = int(model.config.get_text_config().num_hidden_layers)
    steering = _Steering(plan, log, layers, on_pass, on_broken == "raise")
    attachment = Attachment(
        model, _WithTokens(chosen), dials, on_begin=steering.begin, on_end=steering.end, steer=steering
    )
    with attachment.attached():
        yield log
