"""Trains a localist GPT-2, or another decoder from its weights, with the Hugging Face Trainer: resumable, any device.

A run folder holds `run.json` (the configuration), `corpus.json` (the text's description), `tokenizer.json`,
`held_out.safetensors` (the held-out sequences), `checkpoints/`, and at the end `config.json`,
`model.safetensors` and `training.json` (loss by step, seconds, corpus, device, versions). A resumed run reads its
own folder and the text, which must not have changed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from empirical.config import SWEEP_NAME, RunConfig, anchored, load_config, save_config
from empirical.environment import environment
from empirical.locks import alone_in
from empirical.memory import check_training_memory, enough_memory
from empirical.model import build_model, parameter_count, quiet, save_model
from empirical.seal import SEAL_NAME, check_seal, finish_run
from empirical.training.anchors import ANCHORS_NAME, check_same_anchors, run_anchors
from empirical.training.base import check_base, load_base
from empirical.training.callbacks import Limits, Progress, StopOnSignal, is_main, stored_attributes
from empirical.training.checkpoints import CHECKPOINTS_NAME, newest_checkpoint
from empirical.training.corpus import Corpus, load_corpus, load_tokenizer, token_windows, train_tokenizer
from empirical.training.evaluation import Evaluation, evaluations
from empirical.training.held_out import HELD_OUT_NAME, save_held_out
from empirical.training.proximal import GroupProximal
from empirical.training.segments import window_blocks
from empirical.training.trainer import DivergedError, LocalistTrainer, Windows
from theory.errors import DomainError, InputError, first_line
from theory.files import read_json, write_text_atomically

CONFIG_NAME = "run.json"
TOKENIZER_NAME = "tokenizer.json"
TRAINING_NAME = "training.json"
GROUPS_NAME = "groups.json"
ADAPTERS_NAME = "lora.json"
CORPUS_NAME = "corpus.json"

# Files and folders of a run.
RUN_FILES = (
    CONFIG_NAME,
    CORPUS_NAME,
    TOKENIZER_NAME,
    HELD_OUT_NAME,
    CHECKPOINTS_NAME,
    "config.json",
    "generation_config.json",
    "model.safetensors",
    GROUPS_NAME,
    ADAPTERS_NAME,
    ANCHORS_NAME,
    SEAL_NAME,
    TRAINING_NAME,
)

# transformers needs a number of steps; a run that ends by time never reaches this one.
UNBOUNDED_STEPS = 10**9

ADAM_BETAS = (0.9, 0.999)


def train(
    config: RunConfig,
    out_dir: Path | str,
    *,
    resume: bool = False,
    progress: bool = True,
    watchers: Sequence[TrainerCallback] = (),
) -> Path:
    """Train as `config` says into `out_dir` and return that folder.

    With `resume`, continues from the newest complete checkpoint, or from the start if there is none; a finished
    run is left unchanged. `watchers` are further callbacks of the Trainer. Ctrl-C and SIGTERM end after the current
    step, with a checkpoint, as KeyboardInterrupt. Raises InputError (text, folder, weights), DomainError (a value),
    DivergedError, LocalistError (memory).
    """
    folder, config = Path(out_dir), anchored(config)
    if resume:
        _check_same_run(folder, config)
        # A finished run is only read.
        if is_finished(folder):
            check_seal(folder)
            return folder
    check_training_memory(config)
    with alone_in(folder, "training") if is_main() else nullcontext():
        if not resume and is_main():
            # Main process only: under torchrun it may already have written this run's files when another one checks.
            check_free(folder)
        # Another process may have finished it meanwhile.
        if not (resume and is_finished(folder)):
            _train(folder, config, resume, progress, watchers)
    return folder


def _train(folder: Path, config: RunConfig, resume: bool, progress: bool, watchers: Sequence[TrainerCallback]) -> None:
    corpus = load_corpus(config.corpus)
    check_same_text(folder, corpus)
    tokenizer = _tokenizer(config, corpus)
    windows = token_windows(tokenizer, corpus.training, config.model.context, corpus.name)
    held_out = token_windows(tokenizer, corpus.held_out, config.model.context, f"held-out part of {corpus.name}")
    anchors = run_anchors(config, tokenizer)
    model = _model(config, tokenizer)
    embedding: Any = model.get_input_embeddings().weight
    blocks = window_blocks(config.locality, tokenizer, corpus.training_pieces, windows, embedding)
    held_out_blocks = window_blocks(config.locality, tokenizer, corpus.held_out_pieces, held_out, embedding)
    about_anchors = None
    if anchors is not None:
        check_same_anchors(folder, anchors.file)
        about_anchors = anchors.describe(windows, blocks)
    if config.model.pretrained is not None:
        check_base(model, config.objective, windows, blocks, anchors)
    arguments = _arguments(config, folder)

    start = newest_checkpoint(folder) if resume else None
    limits = Limits(config.training.max_seconds, config.training.checkpoint_seconds)
    stop = StopOnSignal()
    callbacks: list[TrainerCallback] = [limits, stop, *watchers]
    objective = config.objective
    groups = adapters = evaluation = None
    if objective.group_penalty:
        groups = GroupProximal(
            objective.group_penalty,
            objective.feature_blocks,
            config.training.optimizer,
            ADAM_BETAS,
            objective.norms_every,
        )
        groups.find(model)
        callbacks.append(groups)
    if config.training.lora_rank is not None:
        # Needs peft, an extra.
        from empirical.training.lora import Adapters

        adapters = Adapters(model, config.training.lora_rank, config.seed)
    if config.training.evaluate_every is not None or anchors is not None:
        evaluation = Evaluation(Windows(held_out, held_out_blocks), config.training.evaluate_every, anchors)
        callbacks.append(evaluation)
    model.train()
    if start:
        limits.elapsed = float(stored_attributes(start, Limits)["elapsed"])
        if groups:
            groups.restore(stored_attributes(start, GroupProximal))
    if is_main():
        # From here on the folder holds a run; anything refused earlier has left nothing in it.
        save_config(config, folder / CONFIG_NAME)
        write_text_atomically(folder / CORPUS_NAME, json.dumps(corpus.describe(), indent=2) + "\n")
        write_text_atomically(folder / TOKENIZER_NAME, tokenizer.to_str())
        save_held_out(folder, held_out, held_out_blocks)
        if about_anchors is not None:
            write_text_atomically(folder / ANCHORS_NAME, json.dumps(about_anchors, indent=2) + "\n")
    with ExitStack() as stack:
        stack.enter_context(enough_memory(f"{config.training.batch} sequences per step", "Try a smaller --batch."))
        stack.enter_context(quiet())
        stack.enter_context(stop)
        if progress and is_main():
            callbacks.append(stack.enter_context(Progress(folder.name, config.training.steps, limits)))
        trainer = LocalistTrainer(
            model=model, args=arguments, train_dataset=Windows(windows, blocks), callbacks=callbacks
        )
        trainer.objective, trainer.anchors = objective, anchors
        if evaluation:
            evaluation.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    if stop.stopped:
        raise KeyboardInterrupt
    if is_main():
        _check_weights(model, trainer.state.global_step)
        if adapters:
            model = adapters.merge()
            write_text_atomically(folder / ADAPTERS_NAME, json.dumps(adapters.describe(), indent=2) + "\n")
        save_model(model, folder)
        if groups:
            _write_groups(folder, groups)
        # Last, because it marks the run as finished.
        _write_summary(folder, config, corpus, trainer, model, limits)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # No process looks for the finished run before it is written.
        torch.distributed.barrier()
    if stop.received:
        # The signal came after the last step; its weights are saved first.
        raise KeyboardInterrupt


def is_finished(folder: Path) -> bool:
    """Whether the run in this folder has ended by its own limits."""
    return (folder / TRAINING_NAME).is_file()


def training_summary(folder: Path) -> dict[str, Any]:
    """Content of a finished run's `training.json`. Raises InputError."""
    return read_json(folder / TRAINING_NAME)


def _check_same_run(folder: Path, config: RunConfig) -> None:
    existing = folder / CONFIG_NAME
    if anchored(load_config(existing)) != config:
        raise DomainError(f"{existing} differs from the configuration given: a resumed run keeps its own")


def check_free(folder: Path) -> None:
    """Raise InputError if a new run in this folder would overwrite or mix with existing files."""
    if (folder / CONFIG_NAME).exists():
        raise InputError(f"{folder} already holds a run. Continue it with --resume, or choose another folder.")
    for name in (*RUN_FILES, SWEEP_NAME, "tasks"):
        if (folder / name).exists():
            raise InputError(f"{folder} already holds {name}, which belongs to no run here: choose another folder")


def check_same_text(folder: Path, corpus: Corpus) -> None:
    """Raise InputError if the run in this folder was started on another text."""
    path = folder / CORPUS_NAME
    if path.exists() and read_json(path).get("sha256") != corpus.sha256:
        raise InputError(
            f"{folder} was started on another text: {corpus.name} has changed since. Restore it, or start a new run."
        )


def _check_weights(model: PreTrainedModel, step: int) -> None:
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise DivergedError(f"{name} is not finite after step {step}. Try a smaller --learning-rate.")


def _tokenizer(config: RunConfig, corpus: Corpus) -> Tokenizer:
    if config.model.pretrained is not None:
        with quiet():
            return load_tokenizer(config.model.pretrained)
    return train_tokenizer(corpus.training, config.model.vocabulary)


def _model(config: RunConfig, tokenizer: Tokenizer) -> PreTrainedModel:
    if config.model.pretrained is None:
        return build_model(config.model, config.locality, tokenizer.get_vocab_size(), config.seed)
    return load_base(config, tokenizer)


def _arguments(config: RunConfig, folder: Path) -> TrainingArguments:
    training = config.training
    accelerated = torch.accelerator.is_available()
    halves = training.precision == "bfloat16"
    try:
        return TrainingArguments(
            output_dir=str(folder / CHECKPOINTS_NAME),
            max_steps=training.steps if training.steps is not None else UNBOUNDED_STEPS,
            per_device_train_batch_size=training.batch,
            gradient_accumulation_steps=training.accumulate,
            learning_rate=training.learning_rate,
            # Without a number of steps the rate has no end to decay to.
            lr_scheduler_type="linear" if training.steps is not None else "constant_with_warmup",
            warmup_steps=training.warmup_steps,
            weight_decay=training.weight_decay,
            adam_beta1=ADAM_BETAS[0],
            adam_beta2=ADAM_BETAS[1],
            optim="adamw_torch" if training.optimizer == "adamw" else "sgd",
            seed=config.seed,
            data_seed=config.seed,
            logging_steps=10,
            logging_nan_inf_filter=False,
            save_strategy="steps" if training.checkpoint_steps else "no",
            save_steps=training.checkpoint_steps or UNBOUNDED_STEPS,
            save_total_limit=2,
            remove_unused_columns=False,
            dataloader_pin_memory=accelerated,
            # Of a mixture of experts a batch may leave some unused.
            ddp_find_unused_parameters=config.model.pretrained is not None,
            use_cpu=not accelerated,
            disable_tqdm=True,
            report_to=[],
            bf16=halves,
        )
    except ValueError as error:
        if not halves:
            raise
        raise DomainError(f"precision bfloat16 is not available on this device: {first_line(error)}") from error


def _write_summary(
    folder: Path, config: RunConfig, corpus: Corpus, trainer: Trainer, model: PreTrainedModel, limits: Limits
) -> None:
    losses = [
        {name: entry[name] for name in ("step", "loss", "learning_rate", "leak", "anchor_fidelity") if name in entry}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    evaluated = evaluations(trainer.state.log_history)
    summary = {
        "steps": trainer.state.global_step,
        "seconds": round(limits.elapsed, 3),
        "parameters": parameter_count(model),
        "final_loss": losses[-1]["loss"] if losses and math.isfinite(losses[-1]["loss"]) else None,
        "losses": losses,
        **({"evaluations": evaluated} if evaluated or config.training.evaluate_every else {}),
        "corpus": corpus.describe(),
        "device": str(trainer.args.device),
        "seed": config.seed,
        "versions": environment(),
    }
    finish_run(folder, TRAINING_NAME, json.dumps(summary, indent=2) + "\n")


def _write_groups(folder: Path, groups: GroupProximal) -> None:
    report = groups.report()
    # One line per group keeps the norms of many steps readable.
    lines = ",\n".join("  " + json.dumps(each) for each in report.pop("groups"))
    head = json.dumps(report).removesuffix("}")
    write_text_atomically(folder / GROUPS_NAME, f'{head},\n "groups": [\n{lines}\n ]}}\n')
