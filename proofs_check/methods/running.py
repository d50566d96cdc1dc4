"""Runs a function on every item, in this process or several, with a progress bar on stderr.

Ctrl-C ends the run and keeps what is finished; workers write files atomically, so ending them is safe.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from theory.errors import LocalistError

Report = Callable[[str], None]
Found = TypeVar("Found")

_POLL = 0.1
_channel: Any = None


@dataclass
class Run(Generic[Found]):
    """The finished results, in the order of the `asked` items, and whether Ctrl-C ended the run early."""

    asked: int
    found: list[Found] = field(default_factory=list)
    interrupted: bool = False


def each(work: Callable[[str, Report], Found], items: Sequence[str], title: str, jobs: int | None = None) -> Run[Found]:
    """The results of `work(item, report)` in the order of the items; `work` calls `report` with the current part.

    `jobs` processes, all cores if None; with more than one, `work` must be importable or a `functools.partial` of an
    importable function. An error in `work` ends the run and is raised.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(items))
    bar = _Bar(title, len(items))
    with bar.progress:
        return _here(work, items, bar) if jobs <= 1 else _elsewhere(work, items, jobs, bar)


class _Bar:
    """The progress bar, with the items under way and the part of each."""

    def __init__(self, title: str, total: int) -> None:
        now = TextColumn("{task.fields[now]}", markup=False)
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), now)
        console = Console(stderr=True)
        # Where nothing can be redrawn, a bar only leaves an empty line.
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self.progress.add_task(title, total=total, now="")
        self._parts: dict[str, str] = {}

    def show(self, item: str, part: str | None) -> None:
        """Shows the part that an item has reached; None says that it is finished."""
        self._parts.pop(item, None)
        if part is not None:
            self._parts[item] = part
        now = ", ".join(f"{item} {part}".strip() for item, part in self._parts.items())
        self.progress.update(self._task, advance=int(part is None), now=now)


def _here(work: Callable[[str, Report], Found], items: Sequence[str], bar: _Bar) -> Run[Found]:
    run: Run[Found] = Run(len(items))
    try:
        for item in items:
            bar.show(item, "")
            run.found.append(work(item, partial(bar.show, item)))
            bar.show(item, None)
    except KeyboardInterrupt:
        run.interrupted = True
    return run


def _elsewhere(work: Callable[[str, Report], Found], items: Sequence[str], jobs: int, bar: _Bar) -> Run[Found]:
    # Not forked: numpy's and torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    channel = context.SimpleQueue()
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, context, _begin, (channel,))
    pending: list[Future[Found]] = []
    try:
        with _shielded():
            # The first submission starts all processes.
            pending += [pool.submit(_work, work, item) for item in items]
        _follow(channel, pending, bar)
        return Run(len(items), [future.result() for future in pending])
    except KeyboardInterrupt:
        return Run(len(items), [future.result() for future in pending if _succeeded(future)], interrupted=True)
    except BrokenProcessPool as error:
        raise LocalistError(f"a worker process died, possibly out of memory: try --jobs 1 ({error})") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
            child.join()


@contextmanager
def _shielded() -> Iterator[None]:
    """Ctrl-C waits until the end of the block; processes that start inside never receive it, not even while they load.

    The terminal sends it to every process, and the main process ends the others.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _succeeded(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _follow(channel: Any, pending: Sequence[Future[Any]], bar: _Bar) -> None:
    """Shows the workers' reports until all are done or one has failed."""
    while not all(future.done() for future in pending):
        for future in pending:
            if future.done():
                future.result()
        while not channel.empty():
            bar.show(*channel.get())
        time.sleep(_POLL)


def _begin(channel: Any) -> None:
    # Where signals cannot be blocked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    global _channel
    _channel = channel


def _work(work: Callable[[str, Report], Found], item: str) -> Found:
    _channel.put((item, ""))
    found = work(item, lambda part: _channel.put((item, part)))
    _channel.put((item, None))
    return found
