"""A sweep on a Dask cluster gives the numbers of one process; an unusable cluster is one line of error."""

import os
import socket
import sys
import threading
import time

import pytest
from failing import sweep_file
from tiny import one_thread  # noqa: F401

from empirical.sweep.cluster import KILLED, on_cluster
from empirical.sweep.command import sweep as command
from empirical.sweep.plan import load_sweep
from empirical.sweep.sweep import sweep
from theory.errors import InputError, LocalistError

ALONE = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}


def test_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'localist\[cluster\]'"), on_cluster("tcp://127.0.0.1:1"):
        pass


_running, _gate = [], threading.Lock()


def at_once(name):
    """The largest number of calls that run at the same time, on workers that are threads of one process."""
    with _gate:
        _running.append(name)
        seen = len(_running)
    threading.Event().wait(0.3)
    with _gate:
        seen = max(seen, len(_running))
        _running.remove(name)
    return seen


@pytest.fixture(scope="module")
def one_worker():
    """A cluster of one worker process, which is restarted when it dies."""
    distributed = pytest.importorskip("distributed")
    import dask

    # On this cluster one death is enough to give up a task.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        cluster = distributed.LocalCluster(**ALONE)
    with cluster:
        yield cluster


@pytest.mark.filterwarnings("default")
def test_worker_runs_the_tasks_not_this_process(one_worker):
    with on_cluster(one_worker.scheduler_address) as run_there:
        found = dict(run_there(dict.fromkeys("ab", (os.getpid,)), None))
    assert set(found) == {"a", "b"}
    assert found["a"] == found["b"] != os.getpid()


@pytest.mark.filterwarnings("default")
def test_task_of_a_killed_worker_fails_and_the_others_continue(one_worker):
    with on_cluster(one_worker.scheduler_address) as run_there:
        found = list(run_there({"a": (len, "a"), "b": (os._exit, 9), "c": (len, "ccc")}, None))
    assert found == [("a", 1), ("b", KILLED), ("c", 3)]
    assert "\n" not in KILLED


@pytest.mark.filterwarnings("default")
def test_runs_at_most_n_jobs_tasks_and_one_per_worker():
    distributed = pytest.importorskip("distributed")
    options = {"threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        on_cluster(cluster.scheduler_address) as run_there,
    ):
        assert max(seen for _, seen in run_there({name: (at_once, name) for name in "abcd"}, 1)) == 1


@pytest.mark.filterwarnings("default")
def test_cluster_without_workers_left_is_one_line(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("empirical.sweep.cluster.PATIENCE_SECONDS", 1)
    monkeypatch.setattr("empirical.sweep.cluster.LOOK_SECONDS", 0.2)
    with distributed.LocalCluster(**ALONE | {"processes": False}) as cluster:
        address = cluster.scheduler_address
        with on_cluster(address) as run_there:
            answers = run_there({"a": (len, "a"), "b": (len, "b")}, None)
            assert next(answers) == ("a", 1)
            cluster.scale(0)
            # A task given to a departing worker may fail as killed instead.
            while cluster.scheduler.workers:
                time.sleep(0.05)
            with pytest.raises(
                LocalistError, match=rf"no workers are left on the cluster at {address}. Finished"
            ) as caught:
                list(answers)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
class TestCluster:
    def test_numbers_equal_those_of_one_process(self, tmp_path, text):
        distributed = pytest.importorskip("distributed")
        path = sweep_file(tmp_path, text)
        alone = sweep(load_sweep(path), tmp_path / "alone", progress=False)
        for workers in (1, 2):
            folder = tmp_path / str(workers)
            with distributed.LocalCluster(**ALONE | {"n_workers": workers}) as cluster:
                command(path, folder, cluster=cluster.scheduler_address)
            for name in ("summary.csv", "rows.parquet"):
                assert (folder / name).read_bytes() == (alone.folder / name).read_bytes()

    def test_refuses_workers_with_several_threads(self):
        distributed = pytest.importorskip("distributed")
        options = {"processes": False, "dashboard_address": None}
        for workers, message in ((1, "--nthreads 1"), (0, "has no workers")):
            with (
                distributed.LocalCluster(n_workers=workers, threads_per_worker=2, **options) as cluster,
                pytest.raises(InputError, match=message),
                on_cluster(cluster.scheduler_address),
            ):
                pass

    def test_unreachable_scheduler_is_one_line(self, monkeypatch):
        pytest.importorskip("distributed")
        monkeypatch.setattr("empirical.sweep.cluster.PATIENCE_SECONDS", 1)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for address in (f"tcp://127.0.0.1:{port}", "nowhere at all"):
            with pytest.raises(InputError, match="no Dask scheduler answers at"), on_cluster(address):
                pass
