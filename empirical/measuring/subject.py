"""What is measured: a finished run on its held-out sequences, or a decoder on a text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.block_kinds import Blocks, GivenBlocks, TokenBlocks, WindowBlocks
from empirical.attention.schedule import LayerDial
from empirical.config import load_config
from empirical.measuring.passes import block_of
from empirical.model import load_decoder, load_model, positions, text_config
from empirical.seal import digests_of, read_files, read_seal
from empirical.training.corpus import load_tokenizer, read_text
from empirical.training.held_out import HELD_OUT_NAME, load_held_out
from empirical.training.segments import block_ids
from empirical.training.text_cuts import KINDS, TextCuts
from empirical.training.train import CONFIG_NAME, is_finished, training_summary
from theory.errors import DomainError, InputError

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
WEIGHTS = "model*.safetensors"
# Tokens of a sequence unless asked otherwise, where the model has room for them.
CONTEXT = 1024
BLOCK = 64
# Blocks that begin or end with tokens given by their ids.
_MARKED = {"starting-at": TokenBlocks.starting_at, "ending-at": TokenBlocks.ending_at}


@dataclass(frozen=True)
class Subject:
    """A model, the token sequences `windows` `(sequences, context)` that it is measured on, and their blocks.

    `blocks` are block ids of the sequences' tokens, None for fixed blocks of `block` tokens; `kind` names them. `dials`
    are the model's own. `about` holds what the manifest says of model and text.
    """

    name: str
    folder: Path | None
    model: PreTrainedModel
    windows: Tensor
    blocks: Tensor | None
    block: int
    dials: list[LayerDial]
    about: dict[str, Any]
    kind: str = "windows"

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def heads(self) -> int:
        """Number of query heads per layer."""
        return int(self.model.config.get_text_config().num_attention_heads)

    def sequence(self, number: int) -> tuple[Tensor, Blocks]:
        """One sequence `(1, context)` and its blocks."""
        part = slice(number, number + 1)
        if self.blocks is None:
            return self.windows[part], WindowBlocks(self.block)
        return self.windows[part], GivenBlocks(self.blocks[part].to(self.model.device))


def open_subject(
    model: Path | str,
    text: Path | str | None,
    *,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    sequences: int | None = None,
    precision: str = "float32",
) -> Subject:
    """A decoder on a text, as `open_decoder`, or without one a finished run. Raises InputError, DomainError."""
    if text is None:
        for name, value in (("block", block), ("blocks", blocks), ("context", context)):
            if value is not None:
                raise DomainError(f"{name} {value} is for a text: a run has its own. Give --text too")
        return open_run(model, sequences, precision)
    return open_decoder(
        model, text, block=block, blocks=blocks, context=context, sequences=sequences, precision=precision
    )


def record_folder(subject: Subject, out_dir: Path | str | None, name: str) -> Path:
    """`out_dir`, or else the folder `name` in the model's. Raises DomainError for a model of the hub."""
    if out_dir is not None:
        return Path(out_dir)
    if subject.folder is None:
        raise DomainError(f"{subject.name} is no folder here: say with --out where its records go")
    return subject.folder / name


def open_run(run_dir: Path | str, sequences: int | None, precision: str) -> Subject:
    """A finished run of `localist train`, with its first `sequences` held-out sequences (None: all).

    Raises InputError, DomainError.
    """
    folder = Path(run_dir)
    _check(sequences, precision)
    config = load_config(folder / CONFIG_NAME)
    if not is_finished(folder):
        raise InputError(f"the run in {folder} is not finished. Continue it with `localist train {folder} --resume`.")
    training = training_summary(folder)
    windows, blocks = load_held_out(folder)
    model = load_model(folder)
    _check_windows(folder, model, windows, blocks)
    digests, sealed = _digests(folder)
    settings = model.config.localist
    about = {
        "configuration": settings["schedule"] or config.locality.schedule,
        "seed": config.seed,
        # `config` is the configuration of the training, `model` what ran.
        "config": config.model_dump(mode="json"),
        "corpus": training.get("corpus"),
        "training": {name: training.get(name) for name in ("steps", "seconds", "parameters", "final_loss", "device")},
        "seal": sealed,
        "files": digests,
        "weights_sha256": _weights_digest(digests),
    }
    return Subject(
        folder.name,
        folder,
        _placed(model, precision),
        windows[:sequences],
        None if blocks is None else blocks[:sequences],
        settings["block"],
        settings["dials"],
        about,
        settings["blocks"],
    )


def open_decoder(
    source: Path | str,
    text: Path | str,
    *,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    sequences: int | None = None,
    precision: str = "float32",
) -> Subject:
    """Any transformers decoder, a folder or a hub name, on a text file in sequences of `context` tokens.

    `block` is the length of a block in tokens. By default it is that of the model's localist settings, else 64, and
    `context` is 1,024 or what the model has room for. `blocks` replaces them by blocks that follow the text
    (`text_blocks`). Raises InputError, DomainError.
    """
    if blocks is not None and block is not None:
        raise DomainError(f"block {block} is the length of windows, and blocks {blocks!r} follow the text: give one")
    _check(sequences, precision)
    content = read_text(Path(text))
    model = load_decoder(source)
    config = text_config(model)
    if not getattr(config, "num_attention_heads", None):
        raise DomainError(f"{type(model).__name__} has no attention heads: there are no rows to measure")
    settings = getattr(model.config, "localist", None) or {}
    room = positions(model)
    context = int(min(CONTEXT, room)) if context is None else context
    if not 2 <= context <= room:
        raise DomainError(f"context {context} must lie in [2, {room}], the positions of {source}")
    if block is None:
        block = block_of(model, None) if settings else BLOCK
    if blocks is None and not 1 <= block < context:
        raise DomainError(f"block {block} must lie in [1, {context}), below the context")
    tokenizer = load_tokenizer(str(source))
    windows = _windows(tokenizer, content, context, f"{text}")
    if int(windows.max()) >= config.vocab_size:
        raise InputError(f"{source}: token {int(windows.max())} must lie in [0, {config.vocab_size}), the vocabulary")
    ids = None if blocks is None else text_blocks(blocks, tokenizer, windows, config.vocab_size)[:sequences]
    folder = Path(source) if Path(source).is_dir() else None
    digests, sealed = ({}, "unsealed") if folder is None else _digests(folder)
    about = {
        "configuration": str(settings.get("schedule") or type(model).__name__),
        "text": {"name": Path(text).name, "sha256": hashlib.sha256(content.encode("utf-8")).hexdigest()},
        "seal": sealed,
        "files": digests,
        "weights_sha256": _weights_digest(digests) if digests else None,
    }
    layers = int(config.num_hidden_layers)
    return Subject(
        folder.name if folder else str(source),
        folder,
        _placed(model, precision),
        windows[:sequences],
        ids,
        block,
        settings.get("dials") or [0.0] * layers,
        about,
        blocks or "windows",
    )


def _check(sequences: int | None, precision: str) -> None:
    if precision not in PRECISIONS:
        raise DomainError(f"precision {precision!r} must be one of {', '.join(PRECISIONS)}")
    if sequences is not None and sequences < 1:
        raise DomainError(f"sequences {sequences} must be at least 1")


def _placed(model: PreTrainedModel, precision: str) -> PreTrainedModel:
    model.to(PRECISIONS[precision])  # type: ignore[arg-type]
    if precision == "float64" and any("experts" in name for name, _ in model.named_parameters()):
        # torch's grouped products of experts lack float64.
        model.set_experts_implementation("eager")
    device = torch.accelerator.current_accelerator()
    # MPS has no float64, in which rows are compared with their bounds.
    if torch.accelerator.is_available() and device is not None and device.type != "mps":
        model.to(device)  # type: ignore[arg-type]
    return model


def _digests(folder: Path) -> tuple[dict[str, str], str]:
    """The digests of the folder's files, and whether a seal vouches for them."""
    sealed = read_seal(folder)
    return (digests_of(read_files(folder)), "unsealed") if sealed is None else (sealed, "intact")


def _weights_digest(digests: dict[str, str]) -> str:
    weights = [digest for name, digest in digests.items() if fnmatch(name, WEIGHTS)]
    # Weights in several files: the digest of their digests.
    return weights[0] if len(weights) == 1 else hashlib.sha256("".join(weights).encode()).hexdigest()


def _check_windows(folder: Path, model: PreTrainedModel, windows: Tensor, blocks: Tensor | None) -> None:
    """Raise InputError or DomainError if the model's settings do not fit these windows."""
    vocabulary, path = text_config(model).vocab_size, folder / HELD_OUT_NAME
    kind, block = model.config.localist["blocks"], model.config.localist["block"]
    for token in (int(windows.min()), int(windows.max())):
        if not 0 <= token < vocabulary:
            raise InputError(f"{path}: token {token} must lie in [0, {vocabulary}), the vocabulary")
    if windows.shape[1] > positions(model):
        raise InputError(f"{path}: sequences of {windows.shape[1]} tokens exceed the model's {positions(model)}")
    if (blocks is None) != (kind == "windows"):
        held = "no" if blocks is None else "its own"
        raise InputError(f"{path} holds {held} block ids: the model has blocks {kind!r}")
    if blocks is None and block >= windows.shape[1]:
        raise DomainError(f"block {block} must be below the context {windows.shape[1]}: no row has keys off its block")


def text_blocks(blocks: str, tokenizer: Tokenizer, windows: Tensor, vocabulary: int) -> Tensor:
    """Block ids of consecutive sequences of a text: `sentences`, `paragraphs`, or blocks marked by token ids.

    `starting-at:ID,ID` begins a block with each of these tokens, as chat turns do, and `ending-at:ID,ID` ends one.
    Raises DomainError.

    >>> tokens = torch.tensor([[5, 9, 5, 5], [5, 9, 9, 5]])
    >>> text_blocks("ending-at:9", None, tokens, 10).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 2]]
    """
    if blocks in KINDS:
        starts = TextCuts(blocks, tokenizer).begins(windows.flatten().tolist())
        return block_ids(torch.tensor(starts).view_as(windows))
    name, _, listed = blocks.partition(":")
    if name not in _MARKED:
        offered = [*KINDS, *(f"{each}:ID,ID" for each in _MARKED)]
        raise DomainError(f"blocks {blocks!r} must be one of {', '.join(offered)}")
    words = listed.split(",")
    if not all(word.strip().isdecimal() and int(word) < vocabulary for word in words):
        raise DomainError(f"blocks {blocks!r} must name tokens from 0 to {vocabulary - 1}, separated by commas")
    positions = torch.arange(windows.shape[1])[None]
    return _MARKED[name]([int(word) for word in words]).of(windows, positions)


def _windows(tokenizer: Tokenizer, content: str, context: int, name: str) -> Tensor:
    """Consecutive sequences of the text's tokens; drops an incomplete last one."""
    tokens = tokenizer.encode(content).ids
    count = len(tokens) // context
    if not count:
        raise InputError(
            f"{name}: {len(tokens)} tokens are fewer than the context of {context}. "
            "Give a longer text or a smaller --context."
        )
    return torch.tensor(tokens[: count * context]).view(count, context)
