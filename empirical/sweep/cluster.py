"""Runs a sweep's tasks on a Dask cluster: always on a worker, never in this process, even with a single worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from theory.errors import InputError, LocalistError, first_line

PATIENCE_SECONDS = 10

# Interval between checks for lost workers while tasks run.
LOOK_SECONDS = 5

KILLED = (
    "the workers that ran it were killed, possibly out of memory. "
    "Resume with a smaller batch, or start workers with more memory."
)

ADVICE = "Finished tasks are kept: start workers and run the sweep again."

# Runs named calls, at most this many at a time (None: one per worker), and yields name and answer as each ends.
RunThere = Callable[[Mapping[str, tuple[Any, ...]], int | None], Iterator[tuple[str, str | None]]]


@contextmanager
def on_cluster(address: str) -> Iterator[RunThere]:
    """Yields a function that runs a sweep's tasks on the cluster with the scheduler at `address` (`tcp://host:8786`).

    Every worker must see the sweep's folder and texts under the same paths, have this project installed, and run one
    task at a time: tasks in threads of one process would share a random number generator. Raises InputError.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "a cluster needs the distributed library. Install it with pip install 'localist[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=PATIENCE_SECONDS, set_as_default=True)
    # OSError if nothing answers, ValueError and TypeError for an invalid address.
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
                "number generator. Start workers with --nthreads 1."
            )

        def run_there(calls: Mapping[str, tuple[Any, ...]], at_most: int | None) -> Iterator[tuple[str, str | None]]:
            return _answers(client, address, calls, at_most)

        yield run_there


def _answers(
    client: Any, address: str, calls: Mapping[str, tuple[Any, ...]], at_most: int | None
) -> Iterator[tuple[str, str | None]]:
    """Yields the name and answer of each call as it ends. If a worker dies, Dask retries its task a few times."""
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
            # One task per worker, so that a dying worker takes no waiting tasks with it.
            while waiting and len(running) < min(workers, at_most or workers):
                name = waiting.pop(0)
                # A unique key: Dask would return an earlier result for a key it knows.
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
        # If this ends early, pending tasks are not started.
        with suppress(OSError, CancelledError):
            client.cancel(list(running), force=True)
