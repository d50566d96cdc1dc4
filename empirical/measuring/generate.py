"""Continues a prompt with the dial moved at inference: one trained model, any locality, no retraining.

Keys and values are cached; layers at dial 1 keep those of the current window. Blocks follow absolute positions, or the
sentences or paragraphs of the text so far, so a generated token sees the same blocks as in a pass over the whole text.
Segments are found as tokens arrive (`growing_segments`); a pass over the whole text would begin them earlier.
Rules of a file steer attention while the text grows (`empirical/steering`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

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
from empirical.steering.growth import Growth, Processor, Sampler
from empirical.training.corpus import END_OF_TEXT, load_tokenizer
from empirical.training.growing_segments import GrowingSegments, penalty_for
from empirical.training.held_out import load_held_out
from empirical.training.segments import GrowingBlocks
from theory.errors import DomainError, InputError

if TYPE_CHECKING:
    from empirical.steering.replay import Choice, Replay
    from empirical.steering.rule_versions import RuleChange

# Kinds of blocks that a growing text has.
FOLLOWED = ("windows", "sentences", "paragraphs", "segments")
# Held-out sequences whose segments set how readily a block of a growing text ends.
SAMPLE = 4


@dataclass(frozen=True)
class Continuation:
    """Continuation of a prompt: the dial of each layer, the text after the prompt, its nats per token.

    `firings` counts the rows in which a rule fired, once per rule, and `broken` those whose promise was not met.
    `stopped` says which promise ended the text early; without a token, `loss` is None.
    """

    dials: tuple[LayerDial, ...]
    text: str
    loss: float | None
    firings: int = 0
    broken: int = 0
    stopped: str | None = None


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
    rules: Path | str | None = None,
    log: Path | str | None = None,
    log_bytes: int | None = None,
    watch_rules: bool = False,
    on_change: Callable[[RuleChange], None] | None = None,
    on_broken: Literal["mark", "stop"] = "mark",
    logits_processor: Processor | None = None,
) -> list[Continuation]:
    """Continue the prompt once for each of `dials`, or once with `plan`, or once with the model's own dials.

    `source` is a finished run, or the folder or hub name of a decoder. Blocks are the model's own, or windows of
    `block` tokens, 64 for a model without localist settings. `shape` is the schedule that spreads a dial over the
    layers; `plan` has a dial for each layer, or for each head of it. Every dial samples with the same `seed`;
    `temperature` 0 takes the likeliest token. An empty prompt starts a new text.

    `rules` is a rule file. With `watch_rules` a changed one takes effect before the next token, and `on_change`
    receives each version (`FilePlan`). `log` is a new file for firings as JSON Lines, continued in others from
    `log_bytes` on. With `on_broken` "stop" the text ends at the pass that broke a promise, and no other dial is tried.
    `logits_processor` gets ids and logits as in transformers and returns the logits to choose by. Raises InputError
    (folder, file), DomainError (a value).
    """
    stops = None if on_broken == "mark" else on_broken
    _refuse_without("rules", rules, log=log, watch_rules=watch_rules, on_change=on_change, on_broken=stops)
    _refuse_without("log", log, log_bytes=log_bytes)
    if on_broken not in ("mark", "stop"):
        raise DomainError(f"on_broken {on_broken!r} must be 'mark' or 'stop'")
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
    start, found = start.to(model.device), []

    def continuation(each: Sequence[LayerDial], ids: Tensor, loss: float | None, *fired: Any) -> Continuation:
        text = tokenizer.decode(ids[0, start.shape[1] :].tolist(), skip_special_tokens=False)
        return Continuation(tuple(each), text, loss, *fired)

    if rules is None:
        for each in plans:
            with Attachment(model, blocks, each).attached():
                # Layers at dial 1 need their current window only.
                cache = BlockCache(model) if 1 in each and blocks.window is not None else None
                ids, loss = continued(model, start, tokens, temperature, seed, logits_processor, cache)
            found.append(continuation(each, ids, loss))
        return found
    from empirical.steering.ruled_texts import ruled_texts

    about = {
        "model": str(source),
        "block": block,
        "temperature": temperature,
        "seed": seed,
        "processed": logits_processor is not None,
        "texts": len(plans),
    }
    with ruled_texts(
        model,
        tokenizer,
        blocks,
        Path(rules),
        watch=watch_rules,
        stop=on_broken == "stop",
        on_change=on_change,
        log=None if log is None else Path(log),
        log_bytes=log_bytes,
        about=about,
    ) as grow:
        for each in plans:
            growth = Growth(start, Sampler(temperature, seed, logits_processor))
            fired = grow(growth, tokens, each)
            found.append(continuation(each, growth.ids, growth.loss, fired.firings, fired.broken, fired.stopped))
            if fired.stopped:
                break
    return found


def replay(source: Path | str, log: Path | str) -> Replay:
    """Run the texts of a firing log again and compare every decision with it (`replayed`).

    Each token is taken from the log and compared with the one that its seed chooses, unless a logits processor chose.
    Raises InputError for a log that is not of `generate`, was damaged or is of another model, and DomainError.
    """
    from empirical.steering.log_lines import LogLine
    from empirical.steering.read_log import read_log
    from empirical.steering.replay import model_digest, replayed

    entries = read_log(Path(log))
    about = next(entries)
    if not isinstance(about, LogLine) or about.seed is None or about.temperature is None:
        raise InputError(f"{log}: only a log of `localist generate` is replayed: seed and temperature are missing")
    model, tokenizer = load_decoder(source), load_tokenizer(str(source))
    if about.model_sha256 != model_digest(model, tokenizer):
        raise InputError(f"{log} was written with another model than {source}: weights, settings or tokenizer differ")
    blocks = _blocks(model, tokenizer, about.block, source)
    if torch.accelerator.is_available():
        model.to(torch.accelerator.current_accelerator())  # type: ignore[arg-type]
    seeded = about.temperature, about.seed

    def choosing() -> Choice:
        sampler = Sampler(*seeded)
        return lambda ids, logits: int(sampler.chosen(ids, logits))

    return replayed(entries, model, tokenizer, blocks, None if about.processed else choosing)


def _refuse_without(name: str, value: object, **options: object) -> None:
    """Raise DomainError for an option that has no effect without another."""
    for option, given in options.items():
        if value is None and given is not None and given is not False:
            shown = "" if given is True else f" {given}"
            raise DomainError(f"{option}{shown} has no effect without {name}: give {name} too")


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


def continued(
    model: PreTrainedModel,
    start: Tensor,
    tokens: int,
    temperature: float,
    seed: int,
    processor: Processor | None = None,
    cache: Cache | None = None,
) -> tuple[Tensor, float | None]:
    """Ids `start` `(1, prompt)` extended by `tokens`, and the new tokens' mean surprise in nats at temperature 1.

    `cache` is an empty one, None for the model's own kind.
    """
    growth = Growth(start, Sampler(temperature, seed, processor))
    growth.grow(model, tokens, cache)
    return growth.ids, growth.loss


def _encoded(tokenizer: Tokenizer, prompt: str) -> Tensor:
    ids = tokenizer.encode(prompt).ids
    if not ids:
        end = tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise DomainError(f"the prompt is empty, and this tokenizer has no {END_OF_TEXT} to start a text with")
        ids = [end]
    return torch.tensor([ids], dtype=torch.long)
