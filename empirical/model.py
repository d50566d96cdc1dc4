"""Decoders with localist attention: built, loaded and saved as ordinary transformers folders.

The model is a class of transformers itself, such as `GPT2LMHeadModel`; only the attention function differs. Its
settings are plain JSON in `config.json` under `localist`, so loading a saved folder restores them. A stock program that
reads the same folder gets the plain model with the same weights.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from pydantic import Field
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from empirical.attention.attach import set_attention
from empirical.attention.attention import NAME
from empirical.attention.schedule import check_dials
from empirical.config import ModelConfig
from empirical.hub import hub_is_reachable, unreachable
from empirical.locality import BlockKind, LocalityConfig
from empirical.seal import check_seal
from empirical.settings import Settings, checked
from theory.errors import DomainError, InputError, first_line
from theory.files import read_json

# Settings of dropout in any configuration, those of classification heads aside; a run sets them all to the same value.
_DROPOUT = re.compile(r"(?!summary|classifier)\w*(pdrop|dropout)")


class AttentionSettings(Settings):
    """The settings in `config.json` under `localist`; strict types, since attention uses the values as they are."""

    dials: tuple[float | tuple[float, ...], ...]
    block: int = Field(ge=1)
    temperature: float = Field(gt=0)
    schedule: str | None = None
    blocks: BlockKind = "windows"


def build_model(shape: ModelConfig, locality: LocalityConfig, vocabulary: int, seed: int) -> GPT2LMHeadModel:
    """GPT-2 of this shape with random weights fixed by `seed`, in training mode."""
    settings: dict[str, Any] = {
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), shape.dropout),
        "localist": _settings(locality, shape.layers),
        "attn_implementation": NAME,
    }
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        bos_token_id=0,
        eos_token_id=0,
        **settings,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT2LMHeadModel(config)


def load_model(
    source: Path | str, locality: LocalityConfig | None = None, dropout: float | None = None
) -> PreTrainedModel:
    """Load a folder or a hub name with localist attention, safetensors only, without code of its own.

    `locality` replaces the folder's settings, and `dropout` the dropout used in training. A stock folder has no
    settings and is loaded as distributed. Raises InputError, and DomainError for a model that does not dispatch its
    attention.
    """
    model = _loaded(source, dropout)
    set_attention(model, NAME)
    layers = text_config(model).num_hidden_layers
    settings = getattr(model.config, "localist", None)
    if locality is not None or settings is None:
        settings = _settings(locality or LocalityConfig(), layers)
    # Attention reads the configuration of its own module, which in a composite model is the text's.
    model.config.localist = text_config(model).localist = _checked_settings(settings, layers, source)
    return model


def load_decoder(source: Path | str) -> PreTrainedModel:
    """Load a transformers decoder from a folder or a hub name, safetensors only, without code of its own.

    A folder with localist settings is loaded as by `load_model`. Raises InputError.
    """
    folder = Path(source)
    if (folder / "config.json").is_file() and read_json(folder / "config.json").get("localist"):
        return load_model(source)
    return _loaded(source)


def text_config(model: PreTrainedModel) -> PretrainedConfig:
    """The configuration of the model's layers."""
    return model.config.get_text_config()


def positions(model: PreTrainedModel) -> float:
    """The most tokens that the model takes; infinite if it states no limit."""
    return getattr(text_config(model), "max_position_embeddings", None) or math.inf


def dropouts(config: PretrainedConfig) -> list[str]:
    """Names of the dropouts of the model's layers."""
    values = config.get_text_config().to_dict()
    return [name for name, value in values.items() if _DROPOUT.fullmatch(name) and isinstance(value, int | float)]


def _loaded(source: Path | str, dropout: float | None = None) -> PreTrainedModel:
    """The model in evaluation mode, with every weight read from the files. Raises InputError."""
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder} holds no config.json: it is not a model folder")
        if not any(folder.glob("model*.safetensors")):
            raise InputError(f"{folder} holds no .safetensors weights (pickled weights are not read)")
        check_seal(folder)
    local = folder.is_dir() or not hub_is_reachable()
    try:
        with quiet():
            config = AutoConfig.from_pretrained(str(source), trust_remote_code=False, local_files_only=local)
            for name in [] if dropout is None else dropouts(config):
                setattr(config.get_text_config(), name, dropout)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                str(source),
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=local,
                output_loading_info=True,
                dtype=torch.float32,
            )
    # transformers, huggingface_hub and safetensors each have their own error types for a bad folder or name.
    except Exception as error:
        why = first_line(error)
        if local and isinstance(error, OSError) and not folder.is_dir():
            why = unreachable()
        raise InputError(f"cannot load decoder weights from {source}: {why}") from error
    model: PreTrainedModel = loaded[0]
    report: dict[str, Any] = loaded[1]
    lacking = sorted(set(report["missing_keys"])) + sorted(map(str, report.get("mismatched_keys") or []))
    if lacking:
        raise InputError(f"{source} is not a complete decoder: {len(lacking)} weights are missing, first {lacking[0]}")
    model.eval()  # type: ignore[no-untyped-call]
    return model


def parameter_count(model: PreTrainedModel) -> int:
    """Number of weights, tied ones counted once."""
    return int(sum(parameter.numel() for parameter in model.parameters()))


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`. Raises InputError if the folder cannot be written."""
    try:
        with quiet():
            model.save_pretrained(str(folder), safe_serialization=True)
    # OSError from the file system, SafetensorError if the disk is full.
    except Exception as error:
        raise InputError(f"cannot write the model to {folder}: {first_line(error)}") from error


def _settings(locality: LocalityConfig, layers: int) -> dict[str, Any]:
    return {
        "schedule": locality.schedule,
        "dials": locality.dials(layers),
        "block": locality.block,
        "blocks": locality.blocks,
        "temperature": locality.temperature,
    }


def _checked_settings(settings: Any, layers: int, source: Path | str) -> dict[str, Any]:
    try:
        found = checked(AttentionSettings, settings, "localist")
        check_dials(found.dials, layers)
    except DomainError as error:
        raise InputError(f"{source}: the settings in config.json cannot be used: {error}") from error
    return found.model_dump(mode="json")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars and log messages of transformers and huggingface_hub; errors are reported in one line."""
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    hub_level = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
