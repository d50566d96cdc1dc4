"""Continues a prompt with the dial moved at inference: one trained model, any locality, no retraining.

Keys and values are cached; layers at dial 1 keep those of the current window. Blocks follow absolute positions, or the
sentences or paragraphs of the text so far, so a generated token sees the same blocks as in a pass over the whole text.
Segments are found as tokens arrive (`growing_segments`); a pass over the whole text would begin them earlier.
Rules of a file steer attention while the text grows (`empirical/steering`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Cache, PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.block_cache import BlockCache
from empirical.attention.block_kinds import Blocks, WindowBlocks
from empirical.attention.schedule import LayerDial, layer_dials
from empirical.measuring.subject import BLOCK
from empirical.model import load_decoder
from empirical.training.corpus import END_OF_TEXT, load_tokenizer
from empirical.training.growing_segments import GrowingSegments, penalty_for
from empirical.training.held_out import load_held_out
from empirical.training.segments import GrowingBlocks
from theory.errors import DomainError

if TYPE_CHECKING:
    from empirical.steering.steered import SteeredPass

# Kinds of blocks that a growing text has.
FOLLOWED = ("windows", "sentences", "paragraphs", "segments")
# Held-out sequences whose segments set how readily a block of a growing text ends.
SAMPLE = 4


@dataclass(frozen=True)
class Continuation:
    """Continuation of a prompt: the dial of each layer, the text after the prompt, its nats per token.

    `firings` counts the rows in which a rule fired, once per rule, and `broken` those whose promise was not met.
    """

    dials: tuple[LayerDial, ...]
    text: str
    loss: float
    firings: int = 0
    broken: int = 0


def generate(
    source: Path | str,
    prompt: str = "",
    *,
    dials: Sequence[float] | None = None,
    plan: Sequence[LayerDial] | None = None,
    block: int | None = None,
    shape: str = "localist",
    tokens: int = 60,
    temperature: float = 1.0,
    seed: int = 0,
    rules: Path | None = None,
    log: Path | None = None,
) -> list[Continuation]:
    """Continue the prompt once for each of `dials`, or once with `plan`, or once with the model's own dials.

    `source` is a finished run, or the folder or hub name of a decoder. Blocks are the model's own, or windows of
    `block` tokens, 64 for a model without localist settings. `shape` is the schedule that spreads a dial over the
    layers; `plan` has a dial for each layer, or for each head of it. Every dial samples with the same `seed`;
    `temperature` 0 takes the likeliest token. An empty prompt starts a new text. `rules` is a rule file, and `log` a
    new file for its firings as JSON Lines. Raises InputError (folder, file), DomainError (a value).
    """
    if tokens < 1:
        raise DomainError(f"tokens {tokens} must be at least 1")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise DomainError(f"temperature {temperature} must be finite and at least 0")
    if not 0 <= seed < 2**32:
        raise DomainError(f"seed {seed} must lie in [0, 2^32)")
    model, tokenizer = load_decoder(source), load_tokenizer(str(source))
    blocks = _blocks(model, tokenizer, block, source)
    start = _encoded(tokenizer, prompt)
    config = model.config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None) or math.inf
    if start.shape[1] + tokens > positions:
        raise DomainError(
            f"a prompt of {start.shape[1]} tokens and {tokens} new ones exceed the model's {positions} positions. "
            "Shorten the prompt or give a smaller --tokens."
        )
    layers, settings = config.num_hidden_layers, getattr(model.config, "localist", None) or {}
    own = settings.get("dials") or [0.0] * layers
    if dials is not None and plan is not None:
        raise DomainError("dials and a plan of dials were given: give one of them")
    plans: list[Sequence[LayerDial]] = [own if plan is None else plan]
    if dials is not None:
        plans = [layer_dials(shape, layers, dial) for dial in dials]
    if torch.accelerator.is_available():
        model.to(torch.accelerator.current_accelerator())  # type: ignore[arg-type]
    if log is not None and rules is None:
        raise DomainError(f"log {log} is for the firings of rules: give rules too")
    found = []
    with ExitStack() as stack:
        write = None
        if log is not None:
            from empirical.steering.firing_log import firing_log

            write = stack.enter_context(firing_log(log))
        for each in plans:
            counts = Counts(write)
            with _moved(model, tokenizer, blocks, each, rules, counts) as cache:
                ids, loss = continued(model, start.to(model.device), tokens, temperature, seed, cache)
            text = tokenizer.decode(ids[0, start.shape[1] :].tolist(), skip_special_tokens=False)
            found.append(Continuation(tuple(each), text, loss, counts.firings, counts.broken))
    return found


class Counts:
    """Counts the firings of passes and passes them on."""

    def __init__(self, write: Callable[[SteeredPass], None] | None) -> None:
        self.firings = self.broken = 0
        self._write = write

    def __call__(self, done: SteeredPass) -> None:
        """Count one pass."""
        self.firings += sum(len(rows.rule) for rows in done.layers)
        self.broken += done.broken
        if self._write is not None:
            self._write(done)


@contextmanager
def _moved(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    blocks: Blocks,
    dials: Sequence[LayerDial],
    rules: Path | None,
    counts: Counts,
) -> Iterator[Cache | None]:
    """The model with these dials, steered by rules if there are some; yields the cache that it needs."""
    if rules is None:
        with Attachment(model, blocks, dials).attached():
            # Layers at dial 1 need their current window only.
            yield BlockCache(model) if 1 in dials and blocks.window is not None else None
        return
    from empirical.steering.rule_plan import ruled

    with ruled(model, rules, tokenizer, blocks=blocks, dials=dials, on_pass=counts):
        yield None


class Grower(Protocol):
    """Blocks of one growing text."""

    def extend(self, tokens: Sequence[int]) -> list[int]:
        """Block ids of the next tokens."""


@dataclass(frozen=True)
class TextBlocks:
    """Blocks that follow a single text as it grows token by token; `grower` begins a text's."""

    kind: str
    grower: Callable[[], Grower]
    needs_tokens = True
    window = None

    def of(self, tokens: Tensor | None, positions: Tensor) -> Tensor:
        """Block ids of the tokens so far; later tokens do not change them. Raises DomainError for several texts."""
        if tokens is None or len(tokens) != 1:
            raise DomainError(f"blocks of kind {self.kind!r} need the tokens of a single text")
        return torch.tensor([self.grower().extend(tokens[0].tolist())], device=tokens.device)


def _blocks(model: PreTrainedModel, tokenizer: Tokenizer, block: int | None, source: Path | str) -> Blocks:
    settings = getattr(model.config, "localist", None) or {}
    kind = settings.get("blocks", "windows")
    if block is not None or kind == "windows":
        return WindowBlocks(settings.get("block", BLOCK) if block is None else block)
    if kind not in FOLLOWED:
        known = ", ".join(FOLLOWED)
        raise DomainError(f"the blocks of {source} are of kind {kind!r}: only {known} continue past a prompt")
    if kind == "segments":
        embedding: Tensor = model.get_input_embeddings().weight  # type: ignore[assignment]
        penalty = penalty_for(load_held_out(Path(source))[0][:SAMPLE], embedding, settings["block"])
        return TextBlocks(kind, lambda: GrowingSegments(embedding, penalty))
    return TextBlocks(kind, lambda: GrowingBlocks(kind, tokenizer))


@torch.no_grad()
def continued(
    model: PreTrainedModel, start: Tensor, tokens: int, temperature: float, seed: int, cache: Cache | None = None
) -> tuple[Tensor, float]:
    """Ids `start` `(1, prompt)` extended by `tokens`, and the new tokens' mean surprise in nats at temperature 1.

    `cache` is an empty one, None for the model's own kind.
    """
    # On the CPU, so that a seed means the same draws everywhere.
    generator = torch.Generator().manual_seed(seed)
    ids, step = start, start
    surprise = 0.0
    for _ in range(tokens):
        output = model(step, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        logits = output.logits[:, -1].cpu().double()
        if temperature == 0:
            chosen = logits.argmax(-1, keepdim=True)
        else:
            # Relative to the largest: division by a tiny temperature then overflows to -inf, whose weight is 0.
            below = logits - logits.amax(-1, keepdim=True)
            chosen = torch.multinomial((below / temperature).softmax(-1), 1, generator=generator)
        surprise -= logits.log_softmax(-1).gather(1, chosen).item()
        step = chosen.to(ids.device)
        ids = torch.cat((ids, step), dim=1)
    return ids, surprise / tokens


def _encoded(tokenizer: Tokenizer, prompt: str) -> Tensor:
    ids = tokenizer.encode(prompt).ids
    if not ids:
        end = tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise DomainError(f"the prompt is empty, and this tokenizer has no {END_OF_TEXT} to start a text with")
        ids = [end]
    return torch.tensor([ids], dtype=torch.long)
