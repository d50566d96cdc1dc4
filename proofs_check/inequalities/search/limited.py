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
from typing import Any

from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.findings import Finding, Undecided, finding_from_json, time_limit
from proofs_check.inequalities.search.request import Request
from theory.errors import DomainError, InputError

# The worker checks its limit itself between two boxes; it is killed this much later.
_GRACE = 0.25
_START = 60.0
_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from proofs_check.inequalities.search.worker import serve; serve()"
)


class _Worker:
    """A worker process and the two pipes to it."""

    def __init__(self) -> None:
        self._parent = os.getpid()
        self._ended = False
        command = [sys.executable, "-c", _SERVE, json.dumps([str(path) for path in sys.path])]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise InputError(f"seconds= needs a worker process, which cannot be started: {error}") from error
        with self.ended_after(_START):
            started = self._next()
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

    def answers(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields the worker's answers to a message; they end only when the worker is ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return
        while (answer := self._next()) is not None:
            yield answer

    def _next(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def is_alive(self) -> bool:
        """Whether it can serve this process: a fork inherits its parent's workers and must not use them."""
        return self._parent == os.getpid() and not self._ended and self._process.poll() is None

    def end(self) -> int:
        """Ends it; returns its exit status."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        if self._parent == os.getpid():
            self._kill()
        return self._process.wait()


_idle: list[_Worker] = []


def decide_within(request: Request, seconds: float, progress: Callable[[Progress], None] | None = None) -> Finding:
    """Decides the request in a worker process that is killed after `seconds`; its start is not counted."""
    message = {"request": request.to_json(), "seconds": seconds}
    worker = _taken()
    begun, boxes, last = time.monotonic(), 0, None
    try:
        with worker.ended_after(seconds + _GRACE):
            for answer in worker.answers(message):
                if "progress" not in answer:
                    last = answer
                    break
                state = Progress(**answer["progress"])
                boxes = max(boxes, state.done)
                if progress is not None:
                    progress(state)
        spent = time.monotonic() - begun
        status = worker.end() if last is None else 0
    finally:
        _given_back(worker)
    if last is None:
        other = f"the worker process ended with status {status}, possibly out of memory"
        return Undecided(time_limit(seconds) if spent >= seconds else other, boxes, spent)
    if "refused" in last:
        raise DomainError(last["refused"])
    return finding_from_json(last["finding"])


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
