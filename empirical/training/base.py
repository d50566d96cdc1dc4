"""Pretrained weights that a run starts from: loaded, and refused where training would ignore a part of them."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import WindowBlocks
from empirical.config import ObjectiveConfig, RunConfig
from empirical.model import dropouts, load_model, positions, text_config
from empirical.training.anchors import RunAnchors
from empirical.training.objective import AttentionObjective
from theory.errors import DomainError, InputError


def load_base(config: RunConfig, tokenizer: Tokenizer) -> PreTrainedModel:
    """The pretrained model of this run. Raises InputError, DomainError if it does not fit the run or the tokenizer."""
    name = str(config.model.pretrained)
    model = load_model(name, config.locality, config.model.dropout)
    shape = text_config(model)
    config.objective.check_width(shape.hidden_size)
    if config.model.context > positions(model):
        raise DomainError(f"context {config.model.context} must be at most the {positions(model)} positions of {name}")
    # Numbers of tokens may have gaps.
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    if tokens > shape.vocab_size:
        raise InputError(f"{name}: the tokenizer has {tokens} tokens, the weights {shape.vocab_size}")
    if config.model.dropout and not dropouts(model.config):
        raise DomainError(f"dropout {config.model.dropout:g} has no effect: {type(model).__name__} has none")
    return model


def check_base(
    model: PreTrainedModel,
    objective: ObjectiveConfig,
    windows: Int[Tensor, "sequences context"],
    blocks: Int[Tensor, "sequences context"] | None,
    anchors: RunAnchors | None = None,
) -> None:
    """Run one sequence through the model as training will, without a step.

    Raises DomainError if the model is not causal, does not dispatch its attention or hands no keywords on to it, and if
    the objective has no gradients in it.
    """
    model.eval()  # type: ignore[no-untyped-call]
    with torch.no_grad(), Attachment(model, WindowBlocks(1)).attached():
        model(windows[:1, :2], use_cache=False)
    rows = AttentionObjective(objective, None if anchors is None else anchors.keys(windows[:1]))
    layers: list[int] = []

    def note(call: AttentionCall) -> None:
        layers.append(call.layer)
        if objective.watches_rows:
            rows(call)

    keywords: dict[str, Any] = {"row_sink": note} | ({} if blocks is None else {"block_ids": blocks[:1]})
    takes_any = any(each.kind is each.VAR_KEYWORD for each in inspect.signature(model.forward).parameters.values())
    if takes_any:
        try:
            with torch.set_grad_enabled(objective.watches_rows):
                model(windows[:1], use_cache=False, **keywords)
        except DomainError as error:
            raise DomainError(f"{type(model).__name__} cannot be trained with these settings: {error}") from error
    if layers != list(range(text_config(model).num_hidden_layers)):
        raise DomainError(
            f"{type(model).__name__} does not hand keyword arguments on to its attention: it cannot train"
        )
