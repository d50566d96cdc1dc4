"""A sweep's tasks on a Dask cluster, through joblib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from theory.errors import InputError, first_line

PATIENCE_SECONDS = 10


@contextmanager
def on_cluster(address: str) -> Iterator[None]:
    """Within it, joblib sends its tasks to the cluster whose scheduler is at `address`, such as `tcp://host:8786`.

    Every worker must see the sweep's folder under the same path, have this project installed, and run one task
    at a time: tasks in threads of one process would draw from the same random numbers. Raises InputError.
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
        with parallel_config(backend="dask"):
            yield
