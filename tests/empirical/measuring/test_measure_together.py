"""Measuring under torchrun: two processes write the records of one, and end in a line when one of them dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from accelerate.state import AcceleratorState
from measured import WINDOWS, measured
from repository import ROOT
from tiny import one_thread  # noqa: F401

from empirical.journal import Journal
from empirical.measuring.kept_windows import JOURNAL_NAME
from empirical.processes import together
from theory.errors import LocalistError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def _one_of_two(rank: int, port: int, answers: Any, dying: int | None, call: Any, options: Any) -> None:
    """One of two torchrun processes, connected by gloo; `dying` is killed at its second finished sequence."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"}
    # Forget the state inherited from the parent process.
    AcceleratorState._reset_state(reset_partial_state=True)
    require, finished = Journal.require, []

    def noted(self: Journal, needed: float) -> None:
        finished.append(needed)
        if rank == dying and len(finished) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        require(self, needed)

    Journal.require = noted  # type: ignore[method-assign]
    try:
        answers.put((rank, measured(*call, **options).digest, len(finished)))
    except LocalistError as error:
        answers.put((rank, str(error), len(finished)))


def _run_two(*call: Any, dying: int | None = None, **options: Any) -> list[tuple[int, str, int]]:
    """Rank, digest or error, and number of measured sequences of each process that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # Forked, because importing all this takes longer than the test.
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [
        context.Process(target=_one_of_two, args=(rank, port, answers, dying, call, options)) for rank in range(2)
    ]
    for child in children:
        child.start()
    try:
        return sorted(answers.get(timeout=120) for child in children[: 2 if dying is None else 1])
    finally:
        for child in children:
            child.join(20)
            child.kill()


@pytest.mark.parametrize("mode", ["rows", "dial"])
def test_two_processes_write_the_records_of_one(mode: str, folders: Path, tmp_path: Path) -> None:
    one = measured(folders, tmp_path / "one", mode, rows_file=tmp_path / "one.parquet")
    found = _run_two(folders, tmp_path / "two", mode, rows_file=tmp_path / "two.parquet")
    total = WINDOWS * (2 if mode == "dial" else 1)
    assert found == [(0, one.digest, (total + 1) // 2), (1, one.digest, total // 2)]
    for name in ("rows.csv", "manifest.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "two.parquet"), pd.read_parquet(tmp_path / "one.parquet"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["one", "two", "one.parquet", "two.parquet", *["manifest.json", "rows.csv"] * 2]
    )


@pytest.mark.parametrize("dying", [0, 1])
def test_a_dying_process_ends_all_and_one_process_continues(
    dying: int,
    folders: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    ((rank, error, measured_there),) = _run_two(folders, out, "rows", dying=dying)
    assert rank == 1 - dying
    assert error == (
        f"process {rank}: another process of torchrun has ended. What was finished is kept: the same command continues"
    )
    journals = [JOURNAL_NAME, "unfinished.1.journal"]
    assert [path.name for path in sorted(out.glob("*.journal"), reverse=True)] == journals
    seen: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Journal, "require", lambda self, needed: seen.append(needed))
        records = measured(folders, out, "rows")
    assert len(seen) == WINDOWS - measured_there - 2
    assert records.digest == measured(folders, tmp_path / "whole", "rows").digest
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "rows.csv"]


def test_two_processes_continue_what_one_began(folders: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "out", []

    def interrupted(self: Journal, needed: float) -> None:
        seen.append(needed)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Journal, "require", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measured(folders, out, "rows")
    digest = measured(folders, tmp_path / "whole", "rows").digest
    # Sequences 3 and 4 are left, one for each process.
    assert _run_two(folders, out, "rows") == [(0, digest, 1), (1, digest, 1)]


def test_sigterm_of_torchrun_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class One:
        process_index, num_processes = 0, 1

        def destroy_process_group(self) -> None:
            pass

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("empirical.processes.PartialState", lambda **options: One())
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LocalistError, match="process 0: ended by SIGTERM, as torchrun does when"), together():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_torchrun_writes_the_records_of_one_process(folders: Path, tmp_path: Path) -> None:
    options = ["--text", str(folders / "text.txt"), "--context", "48", "--block", "8", "--sequences", "5", "--json"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "localist"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    shown = []
    for words, name in ((launch, "two"), ([sys.executable, "-m", "localist"], "one")):
        line = [*words, "measure", str(folders / "llama"), *options, "--out", str(tmp_path / name)]
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        shown.append(json.loads(done.stdout))
    assert shown[0] == shown[1] | {"records": str(tmp_path / "two")}, "one process prints"
    assert (tmp_path / "two" / "rows.csv").read_bytes() == (tmp_path / "one" / "rows.csv").read_bytes()
