"""Runs a sweep: trains a base model, then fine-tunes and measures every task, several at a time.

A sweep folder holds `sweep.json` (the configuration), `base/` (a run), `tasks/NAME/` (a run each, with its records in
`measured/`) and the summary (`sweep.summary`), rewritten at the end of every call. A second call keeps finished tasks
and resumes the others; on a CPU the numbers are those of an uninterrupted sweep. Tasks write a checkpoint after every
step unless `checkpoint_steps` says otherwise; a kill loses the steps since the last checkpoint, by default only the
current one. An interrupted measurement is repeated.

joblib's loky processes run the tasks on one machine, or a Dask cluster's workers do (`cluster`), which must all see
the sweep folder under the same path. Only one process at a time works in the folder of a sweep or a task.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from empirical.anchor_file import read_anchors
from empirical.config import SWEEP_NAME, RunConfig, anchored, load_config, run_config, save_config
from empirical.locks import alone_in
from empirical.measuring.measure import OWN_NAME, measure
from empirical.measuring.records import MANIFEST_NAME, read_records
from empirical.memory import enough_memory
from empirical.model import load_model, text_config
from empirical.seal import check_seal, reseal
from empirical.sweep.cluster import RunThere
from empirical.sweep.plan import SweepConfig, Task, base_run, check_same_sweep, plain, plan, task_run
from empirical.sweep.summary import ROWS_NAME, SUMMARY_NAME, Finished, Sweep, write_summary
from empirical.training.anchors import check_same_anchors
from empirical.training.checkpoints import CHECKPOINTS_NAME
from empirical.training.corpus import load_corpus
from empirical.training.train import CONFIG_NAME, RUN_FILES, check_same_text, is_finished, train
from theory.errors import InputError, LocalistError
from theory.files import write_text_atomically

BASE_NAME = "base"
TASKS_NAME = "tasks"

# Files and folders that a sweep writes after its base.
SWEEP_FILES = (TASKS_NAME, SUMMARY_NAME, ROWS_NAME, MANIFEST_NAME)

KILLED = "a process of the sweep was killed, possibly out of memory. Resume with fewer --jobs or a smaller batch."


def sweep(
    config: SweepConfig,
    out_dir: Path | str,
    *,
    n_jobs: int | None = None,
    run_there: RunThere | None = None,
    progress: bool = True,
) -> Sweep:
    """Run the unfinished part of the sweep in `out_dir` and summarise it.

    `n_jobs` tasks run at a time; None leaves the number to `joblib.parallel_config`, whose default is one. With
    `run_there`, from `cluster.on_cluster`, tasks run on a cluster's workers, by default one per worker. Raises
    InputError (folder, text, weights), DomainError (a value), and LocalistError if tasks failed, after finishing and
    summarising the others.
    """
    folder, config = Path(out_dir), anchored(config)
    with alone_in(folder, "sweeping"), _threads(config.threads):
        _check_own(folder, config)
        base = _base(config, folder, progress)
        layers = config.model.layers
        if config.model.pretrained is not None:
            shape = text_config(load_model(base))
            config.objective.check_width(shape.hidden_size)
            layers = shape.num_hidden_layers
        tasks = plan(config, layers)
        write_text_atomically(folder / SWEEP_NAME, json.dumps(plain(config), indent=2) + "\n")
        failures = _run_all(config, tasks, folder, base, n_jobs, run_there, progress)
        finished = [
            Finished(task, read_records(folder / TASKS_NAME / task.name / OWN_NAME))
            for task in tasks
            if task.name not in failures
        ]
        measured_base = None if config.model.pretrained else read_records(folder / BASE_NAME / OWN_NAME)
        done = write_summary(folder, config, layers, finished, failures, measured_base)
    if failures:
        name, message = next(iter(failures.items()))
        raise LocalistError(f"{len(failures)} of {len(tasks)} tasks failed, first {name}: {message}")
    return done


def run_task(config: dict[str, Any], folder: str, sequences: int | None, threads: int, starter: int) -> str | None:
    """Train and measure one task in this process, unless that is done; returns an error message, or None.

    `starter` is the process that requested the task: if it is another one, the task ends when its parent does.
    """
    path = Path(folder)
    watchers = [] if os.getpid() == starter else [EndWithParent()]
    try:
        # A worker of a killed sweep may still be finishing its last step.
        with alone_in(path, "training", wait=True), _threads(threads):
            run = run_config(config, folder, recorded=True)
            train(run, path, resume=(path / CONFIG_NAME).exists(), progress=False, watchers=watchers)
            _measure(path, sequences, progress=False)
    except LocalistError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return None


class EndWithParent(TrainerCallback):
    """Ends a worker after the step in which its parent died; nothing else tells it that the sweep was killed."""

    def __init__(self) -> None:
        self._parent = os.getppid()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Exit at once: a later call resumes from the checkpoints."""
        if os.getppid() != self._parent:
            os._exit(1)


def _check_own(folder: Path, config: SweepConfig) -> None:
    """Raise InputError or DomainError if the folder holds another sweep, or files of none."""
    begun = (folder / SWEEP_NAME).exists()
    for name in RUN_FILES if begun else (*RUN_FILES, *SWEEP_FILES):
        if (folder / name).exists():
            raise InputError(f"{folder} already holds {name}, which is not of this sweep: choose another folder")
    if begun:
        check_same_sweep(folder / SWEEP_NAME, config)
    if config.objective.anchors is not None:
        # Also refuses a bad file before the base is trained.
        anchors = read_anchors(Path(config.objective.anchors))
        for task in sorted((folder / TASKS_NAME).glob("*")):
            check_same_anchors(task, anchors)


def _base(config: SweepConfig, folder: Path, progress: bool) -> str:
    """Weights that the tasks start from; without pretrained ones, trains and measures a base model."""
    if config.model.pretrained is not None:
        return config.model.pretrained
    path = folder / BASE_NAME
    train(base_run(config), path, resume=(path / CONFIG_NAME).exists(), progress=progress)
    _measure(path, config.measure_sequences, progress)
    # Absolute, because workers may run in another folder.
    return os.path.abspath(path)


def _measure(path: Path, sequences: int | None, progress: bool) -> None:
    """Measure a finished run unless that is done, and drop its checkpoints."""
    if not _is_measured(path):
        with enough_memory("measuring", "Try fewer --jobs."):
            measure(path, sequences=sequences, progress=progress)
    shutil.rmtree(path / CHECKPOINTS_NAME, ignore_errors=True)


def _run_all(
    config: SweepConfig,
    tasks: list[Task],
    folder: Path,
    base: str,
    n_jobs: int | None,
    run_there: RunThere | None,
    progress: bool,
) -> dict[str, str]:
    """Run every unfinished task; returns the messages of those that failed, by name."""
    place = Path(os.path.abspath(folder)) / TASKS_NAME
    runs = {task.name: (task_run(config, task, base), place / task.name) for task in tasks}
    if config.model.pretrained is None:
        for run, path in runs.values():
            _move_base(run, path)
    open_tasks = [name for name, (run, path) in runs.items() if not _is_done(run, path)]
    if open_tasks and config.model.pretrained is None:
        # Finished tasks were measured on the base's text.
        check_same_text(folder / BASE_NAME, load_corpus(config.corpus))
    calls = {}
    for name in open_tasks:
        run, path = runs[name]
        values = run.model_dump(mode="json")
        calls[name] = (run_task, values, str(path), config.measure_sequences, config.threads, os.getpid())
    failures: dict[str, str] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bars:
        bar = bars.add_task("sweep", total=len(runs), completed=len(runs) - len(calls))
        answers = (
            run_there(calls, None if n_jobs == -1 else n_jobs)
            if run_there
            else _answers(calls, n_jobs, lambda name: _is_done(*runs[name]))
        )
        for name, message in answers:
            if message is not None:
                failures[name] = message
                bars.console.print(f"{name} failed: {message}", soft_wrap=True, highlight=False, markup=False)
            bars.update(bar, advance=1, description=f"sweep, last {name}")
    return {task.name: failures[task.name] for task in tasks if task.name in failures}


def _answers(
    calls: Mapping[str, tuple[Any, ...]], n_jobs: int | None, is_done: Callable[[str], bool]
) -> Iterator[tuple[str, str | None]]:
    """Yields the name and answer of each call as it ends; the answer is `KILLED` if the system killed its process.

    A kill ends the other processes too; tasks that had not started then get new ones.
    """
    begun: list[str] = []
    ended: set[str] = set()

    def begin(name: str) -> Any:
        begun.append(name)
        return delayed(_named)(name, *calls[name])

    while waiting := [name for name in calls if name not in begun]:
        # One task at a time per worker, so that a kill takes no waiting tasks with it.
        workers = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
        try:
            for name, message in workers(map(begin, waiting)):
                ended.add(name)
                yield name, message
        except BrokenProcessPool:
            for name in [name for name in begun if name not in ended]:
                ended.add(name)
                yield name, None if is_done(name) else KILLED


def _move_base(run: RunConfig, path: Path) -> None:
    """Update a task's path to its base if the sweep was moved or is called by another path."""
    if not (path / CONFIG_NAME).exists():
        return
    kept = load_config(path / CONFIG_NAME)
    model = kept.model.model_copy(update={"pretrained": run.model.pretrained})
    if kept != run and kept.model_copy(update={"model": model}) == run:
        if is_finished(path):
            check_seal(path)
        save_config(run, path / CONFIG_NAME)
        reseal(path, CONFIG_NAME)


def _named(name: str, function: Callable[..., str | None], *arguments: Any) -> tuple[str, str | None]:
    return name, function(*arguments)


def _is_done(run: RunConfig, path: Path) -> bool:
    if is_finished(path):
        check_seal(path)
    return is_finished(path) and load_config(path / CONFIG_NAME) == run and _is_measured(path)


def _is_measured(path: Path) -> bool:
    try:
        read_records(path / OWN_NAME)
    except InputError:
        return False
    return True


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
