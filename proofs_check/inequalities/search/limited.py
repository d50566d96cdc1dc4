"""A search with a hard time limit: it runs in a worker process that is killed, whatever sympy or Arb are doing.

One worker process serves all requests in turn, so that its start, about a second, is paid once. It is a plain
child of this process: it does not import the caller's script, and a pool's daemonic worker may start one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from typing import Any, cast

from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.findings import Finding, Undecided, time_limit
from proofs_check.inequalities.search.search import Request
from theory.errors import InputError, LocalistError

# The worker checks its limit itself between two boxes; it is killed this much later.
_GRACE = 0.25
_START, _END = 60.0, 5.0
_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from proofs_check.inequalities.search.worker import serve; serve(int(sys.argv[2]))"
)


class _Worker:
    """A worker process and the connection to it."""

    def __init__(self) -> None:
        self._parent = os.getpid()
        self._ended = False
        self._connection, theirs = Pipe()
        command = [sys.executable, "-c", _SERVE, json.dumps([str(path) for path in sys.path]), str(theirs.fileno())]
        none = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=none, stdout=none, stderr=none)
        except (OSError, ValueError) as error:
            # Windows passes no descriptors on.
            self._connection.close()
            raise InputError(f"seconds= needs a worker process, which cannot be started: {error}") from error
        finally:
            theirs.close()
        with self.ended_after(_START):
            started = self.answer()
        if started is None:
            self.end()
            raise InputError("seconds= needs a worker process, which did not start: leave it out for no time limit")

    @contextlib.contextmanager
    def ended_after(self, seconds: float) -> Iterator[None]:
        """Kills the process if the block takes longer, or raises."""
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BaseException:
            self._kill()
            raise
        finally:
            timer.cancel()
            timer.join()

    def _kill(self) -> None:
        self._ended = True
        self._process.kill()

    def ask(self, *message: Any) -> None:
        """Sends a message; one that has ended does not answer."""
        with contextlib.suppress(OSError):
            self._connection.send(message)

    def answer(self) -> Any:
        """The worker's next answer; None once it has ended."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            return None

    def is_alive(self) -> bool:
        """Whether it can serve this process: a fork inherits its parent's workers and must not use them."""
        return self._parent == os.getpid() and not self._ended and self._process.poll() is None

    def end(self) -> int:
        """Ends it; returns its exit status."""
        self._connection.close()
        if self._parent == os.getpid():
            if not self._ended:
                # Without the connection it ends by itself, with a status of its own.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END)
            self._kill()
        return self._process.wait()


_idle: list[_Worker] = []


def decide_within(request: Request, seconds: float, progress: Callable[[Progress], None] | None = None) -> Finding:
    """Decides the request in a worker process that is killed after `seconds`; its start is not counted."""
    worker = _taken()
    begun, boxes = time.monotonic(), 0
    try:
        with worker.ended_after(seconds + _GRACE):
            worker.ask(request, seconds)
            while isinstance(answer := worker.answer(), Progress):
                boxes = max(boxes, answer.done)
                if progress is not None:
                    progress(answer)
        spent = time.monotonic() - begun
        status = worker.end() if answer is None else 0
    finally:
        _given_back(worker)
    if answer is None:
        other = f"the worker process ended with status {status}, possibly out of memory"
        return Undecided(time_limit(seconds) if spent >= seconds else other, boxes, spent)
    if isinstance(answer, LocalistError):
        raise answer
    return cast(Finding, answer)


def _taken() -> _Worker:
    while _idle:
        with contextlib.suppress(IndexError):
            worker = _idle.pop()
            if worker.is_alive():
                return worker
            worker.end()
    return _Worker()


def _given_back(worker: _Worker) -> None:
    if worker.is_alive():
        _idle.append(worker)
    else:
        worker.end()


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()
