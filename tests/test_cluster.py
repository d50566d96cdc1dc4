"""A sweep on a Dask cluster: the numbers of one process, and one line for a cluster that cannot be used."""

import socket
import sys

import pytest
from test_failures import sweep_file, text  # noqa: F401
from tiny import one_thread  # noqa: F401

from empirical.cluster import on_cluster
from empirical.sweep import sweep
from empirical.sweep_command import sweep as command
from empirical.sweep_plan import load_sweep
from theory.errors import InputError


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'localist\[cluster\]'"), on_cluster("tcp://127.0.0.1:1"):
        pass


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
class TestCluster:
    def test_the_numbers_are_those_of_one_process(self, tmp_path, text):  # noqa: F811
        distributed = pytest.importorskip("distributed")
        path = sweep_file(tmp_path, text)
        alone = sweep(load_sweep(path), tmp_path / "alone", progress=False)
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            command(path, tmp_path / "together", cluster=cluster.scheduler_address)
        for name in ("summary.csv", "rows.parquet"):
            assert (tmp_path / "together" / name).read_bytes() == (alone.folder / name).read_bytes()

    def test_workers_with_threads_are_refused(self):
        distributed = pytest.importorskip("distributed")
        options = {"processes": False, "dashboard_address": None}
        for workers, message in ((1, "--nthreads 1"), (0, "has no workers")):
            with (
                distributed.LocalCluster(n_workers=workers, threads_per_worker=2, **options) as cluster,
                pytest.raises(InputError, match=message),
                on_cluster(cluster.scheduler_address),
            ):
                pass

    def test_an_address_where_nobody_answers(self, monkeypatch):
        pytest.importorskip("distributed")
        monkeypatch.setattr("empirical.cluster.PATIENCE_SECONDS", 1)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for address in (f"tcp://127.0.0.1:{port}", "nowhere at all"):
            with pytest.raises(InputError, match="no Dask scheduler answers at"), on_cluster(address):
                pass
