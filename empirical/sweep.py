"""Running a sweep: a base model, then every task fine-tuned from it and measured, several at a time.

A sweep folder holds `sweep.json` (the configuration), `base/` (a run), `tasks/NAME/` (a run each, with its
records in `measured/`) and, rewritten at the end of every call, the summary (`sweep_summary`). A second call
keeps what is finished and resumes what is not; on a CPU the numbers are those of an uninterrupted sweep.
Tasks write a checkpoint after every step unless `checkpoint_steps` says otherwise, so that a kill loses the
steps since the last checkpoint: the one in progress. A measurement that a kill cut short is made again.

Tasks go through joblib: its loky processes on one machine, or whatever backend `joblib.parallel_config` has
set around the call, such as Dask's, where every worker must see the sweep folder under the same path.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from empirical.checkpoints import CHECKPOINTS_NAME
from empirical.config import RunConfig, load_config, run_config, save_config
from empirical.corpus import load_corpus
from empirical.measure import OWN_NAME, measure
from empirical.memory import enough_memory
from empirical.model import load_model
from empirical.records import read_records
from empirical.seal import check_seal, reseal
from empirical.sweep_plan import SweepConfig, Task, base_run, check_same_sweep, plain, plan, task_run
from empirical.sweep_summary import Finished, Sweep, write_summary
from empirical.training import CONFIG_NAME, check_same_text, is_finished, train
from theory.errors import InputError, LocalistError
from theory.files import write_text_atomically

SWEEP_NAME = "sweep.json"
BASE_NAME = "base"
TASKS_NAME = "tasks"
LOCK_NAME = "lock"

KILLED = "a process of the sweep was killed, perhaps for want of memory. Go on with fewer --jobs or a smaller batch."


def sweep(config: SweepConfig, out_dir: Path | str, *, n_jobs: int | None = None, progress: bool = True) -> Sweep:
    """Run what is missing of the sweep in `out_dir`, and summarise it.

    `n_jobs` tasks run at a time; None leaves that to `joblib.parallel_config`, whose default is one. Raises
    InputError (folder, text, weights), DomainError (a value), and LocalistError where tasks failed: the others
    are finished and summarised first.
    """
    folder = Path(out_dir)
    _prepare(folder, config)
    with _locked(folder / LOCK_NAME, wait=False), _threads(config.threads):
        base = _base(config, folder, progress)
        layers = config.model.layers
        if config.model.pretrained is not None:
            shape = load_model(base).config
            config.objective.check_width(shape.n_embd)
            layers = shape.n_layer
        tasks = plan(config, layers)
        write_text_atomically(folder / SWEEP_NAME, json.dumps(plain(config), indent=2) + "\n")
        failures = _run_all(config, tasks, folder, base, n_jobs, progress)
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
    """Train and measure one task in this process, unless that is done; the message of what went wrong, or None.

    `starter` is the process that asked for it: where that is another one, the task ends when its parent does.
    """
    path = Path(folder)
    watchers = [] if os.getpid() == starter else [EndWithParent()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with _locked(path / LOCK_NAME, wait=True), _threads(threads):
            run = run_config(config, folder, recorded=True)
            train(run, path, resume=(path / CONFIG_NAME).exists(), progress=False, watchers=watchers)
            _measure(path, sequences, progress=False)
    except LocalistError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return None


class EndWithParent(TrainerCallback):
    """Ends a worker after the step in which its parent died, as nothing else tells it that the sweep was killed."""

    def __init__(self) -> None:
        self._parent = os.getppid()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Leave at once: what a later call needs is in the checkpoints."""
        if os.getppid() != self._parent:
            os._exit(1)


def _prepare(folder: Path, config: SweepConfig) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    if (folder / SWEEP_NAME).exists():
        check_same_sweep(folder / SWEEP_NAME, config)


def _base(config: SweepConfig, folder: Path, progress: bool) -> str:
    """What the tasks start from; trained and measured here where the sweep brings no weights of its own."""
    if config.model.pretrained is not None:
        return config.model.pretrained
    path = folder / BASE_NAME
    train(base_run(config), path, resume=(path / CONFIG_NAME).exists(), progress=progress)
    _measure(path, config.measure_sequences, progress)
    return str(path)


def _measure(path: Path, sequences: int | None, progress: bool) -> None:
    """Measure a finished run unless that is done, and drop its checkpoints."""
    if not _is_measured(path):
        with enough_memory("measuring", "Try fewer --jobs."):
            measure(path, sequences=sequences, progress=progress)
    shutil.rmtree(path / CHECKPOINTS_NAME, ignore_errors=True)


def _run_all(
    config: SweepConfig, tasks: list[Task], folder: Path, base: str, n_jobs: int | None, progress: bool
) -> dict[str, str]:
    """Run every task that is not finished; the message of each one that failed, by name."""
    runs = {task.name: (task_run(config, task, base), folder / TASKS_NAME / task.name) for task in tasks}
    if config.model.pretrained is None:
        for run, path in runs.values():
            _move_base(run, path)
    open_tasks = [name for name, (run, path) in runs.items() if not _is_done(run, path)]
    if open_tasks and config.model.pretrained is None:
        # What is finished was measured on the base's text.
        check_same_text(folder / BASE_NAME, load_corpus(config.corpus))
    calls = {}
    for name in open_tasks:
        run, path = runs[name]
        values = run.model_dump(mode="json")
        calls[name] = delayed(_named)(name, values, str(path), config.measure_sequences, config.threads, os.getpid())
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
        for name, message in _answers(calls, n_jobs, lambda name: _is_done(*runs[name])):
            if message is not None:
                failures[name] = message
                bars.console.print(f"{name} failed: {message}", soft_wrap=True, highlight=False, markup=False)
            bars.update(bar, advance=1, description=f"sweep, last {name}")
    return {task.name: failures[task.name] for task in tasks if task.name in failures}


def _answers(
    calls: dict[str, Any], n_jobs: int | None, is_done: Callable[[str], bool]
) -> Iterator[tuple[str, str | None]]:
    """What each call answers, as it ends. One whose process the system killed answers `KILLED`.

    That takes the other processes with it; tasks that had not begun then get new ones.
    """
    begun: list[str] = []
    ended: set[str] = set()

    def begin(name: str) -> Any:
        begun.append(name)
        return calls[name]

    while waiting := [name for name in calls if name not in begun]:
        # One task at a time to a worker: a kill then finds no task that waits behind another.
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
    """Where the sweep was moved, or is called by another path, its tasks' base went with it."""
    if not (path / CONFIG_NAME).exists():
        return
    kept = load_config(path / CONFIG_NAME)
    model = kept.model.model_copy(update={"pretrained": run.model.pretrained})
    if kept != run and kept.model_copy(update={"model": model}) == run:
        if is_finished(path):
            check_seal(path)
        save_config(run, path / CONFIG_NAME)
        reseal(path, CONFIG_NAME)


def _named(name: str, *arguments: Any) -> tuple[str, str | None]:
    return name, run_task(*arguments)


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


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[None]:
    """Hold this file's lock, which the system frees when its holder dies. Raises InputError where it is taken."""
    try:
        stream = path.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    with stream:
        _take(stream, path, wait)
        yield


def _take(stream: IO[str], path: Path, wait: bool) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on this system: two sweeps in one folder are then the user's to avoid
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        raise InputError(f"another sweep is running in {path.parent}") from error
    except OSError:  # a file system without locks
        return
