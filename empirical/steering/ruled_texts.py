"""Texts that grow under the rules of one file, one after another, with one log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from empirical.attention.block_kinds import Blocks
from empirical.attention.schedule import LayerDial
from empirical.steering.firing_log import firing_log
from empirical.steering.growth import Growth
from empirical.steering.replay import model_digest
from empirical.steering.rule_plan import planned_for
from empirical.steering.rule_versions import FilePlan, RuleChange
from empirical.steering.steered import BrokenPromise, SteeredPass, steered


@dataclass
class Fired:
    """How often rules fired in a text, how many promises were broken, and the line of the one that ended it."""

    firings: int = 0
    broken: int = 0
    stopped: str | None = None

    def count(self, done: SteeredPass) -> None:
        """Count one pass."""
        self.firings += sum(len(rows.rule) for rows in done.layers)
        self.broken += done.broken


Grow = Callable[[Growth, int, Sequence[LayerDial]], Fired]


@contextmanager
def ruled_texts(
    model: PreTrainedModel,
    tokenizer: Any,
    blocks: Blocks,
    rules: Path,
    *,
    watch: bool = False,
    stop: bool = False,
    on_change: Callable[[RuleChange], None] | None = None,
    log: Path | None = None,
    log_bytes: int | None = None,
    about: Mapping[str, Any],
) -> Iterator[Grow]:
    """A function that grows a text by so many tokens, with these dials.

    The file is read once for all texts, unless it is watched. With `stop` a text ends at the pass that broke a
    promise, and the token that would follow is not chosen. `about` is for the log's first line. Raises InputError for
    a rule file with a mistake and a log that cannot be written.
    """

    def told(change: RuleChange) -> None:
        if written is not None:
            written.change(change)
        if on_change is not None:
            on_change(change)

    def grow(growth: Growth, tokens: int, dials: Sequence[LayerDial]) -> Fired:
        found = Fired()

        def on_pass(done: SteeredPass) -> None:
            found.count(done)
            if written is not None:
                written(done)

        if written is not None:
            written.text(dials)
        plan.begin()
        with steered(model, plan, blocks=blocks, dials=dials, on_pass=on_pass, on_broken="raise" if stop else "mark"):
            try:
                growth.grow(model, tokens)
            except BrokenPromise as error:
                found.stopped = str(error)
        if written is not None:
            # The pass that broke a promise has no token after it.
            last = None if found.stopped else growth.new[-1]
            written.end(growth.passes, last, found.stopped)
        return found

    plan = FilePlan(rules, planned_for(model, tokenizer), watch, told)
    with ExitStack() as stack:
        written = None
        if log is not None:
            digest = model_digest(model, tokenizer)
            written = stack.enter_context(firing_log(log, log_bytes, **about, model_sha256=digest))
        yield grow
