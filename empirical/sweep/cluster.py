"""A sweep's tasks on a Dask cluster: each on one of its workers, never here, also where there is one worker only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from theory.errors import InputError, LocalistError, first_line

PATIENCE_SECONDS = 10

# How often to look for workers that are gone while tasks run.
LOOK_SECONDS = 5

KILLED = (
    "the workers that ran it were killed, possibly out of memory. "
    "Go on with a smaller batch, or start workers that may use more memory."
)

ADVICE = "Finished tasks are kept: start workers, and run the sweep again."

# Runs calls by name, at most so many at a time (None: one a worker), and yields name and answer as they end.
RunThere = Callable[[Mapping[str, tuple[Any, ...]], int | None], Iterator[tuple[str, str | None]]]


@contextmanager
def on_cluster(address: str) -> Iterator[RunThere]:
    """What runs a sweep's tasks on the cluster whose scheduler is at `address`, such as `tcp://host:8786`.

    Every worker must see the sweep's folder and texts under the same paths, have this project installed, and run one
    task at a time: tasks in threads of one process would draw from the same random numbers. Raises InputError.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "a cluster needs the distributed library. Install it with pip install 'localist[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=PATIENCE_SECONDS, set_as_default=True)
    # OSError where nobody answers, ValueError and TypeError for what is no address.
    except Exception as error:
        raise InputError(f"no Dask scheduler answers at {address}: {first_line(error)}") from error
    with client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise InputError(f"the cluster at {address} has no workers. Start some with `dask worker {address}`.")
        busiest = max(each["nthreads"] for each in workers.values())
        if busiest > 1:
            raise InputError(
                f"a worker of the cluster at {address} runs {busiest} tasks at a time, which share their random "
                "numbers. Start workers with --nthreads 1."
            )

        def run_there(calls: Mapping[str, tuple[Any, ...]], at_most: int | None) -> Iterator[tuple[str, str | None]]:
            return _answers(client, address, calls, at_most)

        yield run_there


def _answers(
    client: Any, address: str, calls: Mapping[str, tuple[Any, ...]], at_most: int | None
) -> Iterator[tuple[str, str | None]]:
    """What each call answers, as it ends. Dask gives a task whose worker dies to another one, a few times over."""
    from distributed import CancelledError, KilledWorker, wait

    waiting = list(calls)
    running: dict[Any, str] = {}
    deserted_since = None
    try:
        while waiting or running:
            workers = len(client.ncores())
            if workers:
                deserted_since = None
            else:
                deserted_since = deserted_since or time.monotonic()
                if time.monotonic() - deserted_since > PATIENCE_SECONDS:
                    raise LocalistError(f"no workers are left on the cluster at {address}. {ADVICE}")
            # One task a worker: a worker's end is then no fault of tasks that wait behind.
            while waiting and len(running) < min(workers, at_most or workers):
                name = waiting.pop(0)
                # No task is another one's result, whatever it was called before.
                key = f"{name}-{uuid4().hex}"
                running[client.submit(*calls[name], key=key, pure=False)] = name
            if not running:
                time.sleep(1)
                continue
            try:
                ended = wait(list(running), timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                continue
            for future in ended:
                name = running.pop(future)
                try:
                    yield name, future.result()
                except KilledWorker:
                    yield name, KILLED
    except (OSError, CancelledError) as error:
        raise LocalistError(f"the cluster at {address} was lost: {first_line(error)}. {ADVICE}") from error
    finally:
        # Where this ends early, tasks that have not begun are not begun.
        with suppress(OSError, CancelledError):
            client.cancel(list(running), force=True)
