"""A measurement that is killed is continued: at most one sequence is measured again, and the records are the same."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from families import tiny_decoder
from measured import DIALS, WINDOWS, measured
from tiny import one_thread  # noqa: F401

from empirical.journal import Journal
from empirical.measuring import work
from empirical.measuring.kept_windows import JOURNAL_NAME, KeptWindows
from empirical.measuring.records import Records
from empirical.training.corpus import python_topics
from theory.errors import DomainError, InputError


@pytest.fixture(scope="module")
def whole(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Records]:
    """The records of measurements that were not interrupted."""
    root = tmp_path_factory.mktemp("whole")
    found = {
        ("llama", mode): measured(folders, root / mode, mode, rows_file=root / f"{mode}.parquet")
        for mode in ("rows", "dial")
    }
    found["gpt_oss", "dial"] = measured(folders, root / "gpt_oss", "dial", family="gpt_oss")
    return found


def _die_after(bytes_left: int, *call: Any, **options: Any) -> None:
    """Kill this process in the middle of a journal's entry, after so many bytes of it."""
    write = Journal._write

    def dying(self: Journal, data: bytes) -> None:
        nonlocal bytes_left
        if len(data) >= bytes_left:
            write(self, data[:bytes_left])
            os.kill(os.getpid(), signal.SIGKILL)
        bytes_left -= len(data)
        write(self, data)

    Journal._write = dying  # type: ignore[method-assign]
    measured(*call, **options)


def killed(bytes_left: int, *call: Any, **options: Any) -> None:
    """Run a measurement in a process that is killed with SIGKILL."""
    # Forked, because importing all this takes longer than the test.
    child = multiprocessing.get_context("fork").Process(target=_die_after, args=(bytes_left, *call), kwargs=options)
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL


def _noting(windows: Any, seen: list[int]) -> Any:
    """`windows` that notes the number of each sequence."""

    def begun(*arguments: Any, **options: Any) -> Any:
        measure = windows(*arguments, **options)

        def noted(number: int, sink: Any) -> Any:
            seen.append(number)
            return measure(number, sink)

        return noted

    return begun


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the sequences that are measured and not replayed."""
    seen: list[int] = []
    for name in ("own_windows", "moved_windows"):
        monkeypatch.setattr(work, name, _noting(getattr(work, name), seen))
    return seen


def sizes(folders: Path, tmp_path: Path, mode: str, family: str) -> list[int]:
    """Sizes of the journal after each entry, and whether the entry ends a sequence: positive if it does."""
    found: list[int] = []
    append = Journal.append

    def noted(self: Journal, about: Any, arrays: Any) -> None:
        append(self, about, arrays)
        found.append(self._end if "loss" in about else -self._end)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Journal, "append", noted)
        measured(folders, tmp_path / "sizes", mode, family=family)
    return found


@pytest.mark.parametrize(
    ("family", "mode"),
    [
        ("llama", "rows"),
        pytest.param("llama", "dial", marks=pytest.mark.slow),
        pytest.param("gpt_oss", "dial", marks=pytest.mark.slow),
    ],
)
def test_a_killed_measurement_loses_at_most_one_sequence(
    family: str,
    mode: str,
    folders: Path,
    whole: Any,
    tmp_path: Path,
    forwards: list[int],
) -> None:
    ends = sizes(folders, tmp_path, mode, family)
    total = WINDOWS * (len(DIALS) if mode == "dial" else 1)
    assert len([end for end in ends if end > 0]) == total
    # In the header, in the first entry, right after a layer, inside a loss, right after a sequence, in the last entry.
    third = [end for end in ends if end > 0][2]
    places = [10, abs(ends[0]) - 3, abs(ends[1]), third - 1, third, max(ends) - 1]
    for place in places:
        out = tmp_path / f"{place}"
        killed(place, folders, out, mode, family=family)
        assert (out / JOURNAL_NAME).stat().st_size == place
        finished = len([end for end in ends if 0 < end <= place])
        forwards.clear()
        records = measured(folders, out, mode, family=family)
        assert len(forwards) == total - finished, "every finished sequence is taken from the journal"
        assert records.digest == whole[family, mode].digest
        assert records.manifest == whole[family, mode].manifest
        assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "rows.csv"]


@pytest.mark.parametrize("mode", ["rows", "dial"])
def test_a_resumed_row_file_is_the_same(
    mode: str, folders: Path, whole: Any, tmp_path: Path, forwards: list[int]
) -> None:
    ends = sizes(folders, tmp_path, mode, "llama")
    out, path = tmp_path / "out", tmp_path / "rows.parquet"
    killed([end for end in ends if end > 0][2] + 500, folders, out, mode, rows_file=path)
    (left,) = tmp_path.glob("rows.parquet.*.partial")
    forwards.clear()
    records = measured(folders, out, mode, rows_file=path)
    assert 0 < len(forwards) < WINDOWS * (2 if mode == "dial" else 1)
    assert not left.exists(), "the file of the killed process is removed"
    expected = Path(whole["llama", mode].folder).parent / f"{mode}.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(expected))
    assert records.digest == whole["llama", mode].digest


def test_a_measurement_killed_twice_is_continued(
    folders: Path, whole: Any, tmp_path: Path, forwards: list[int]
) -> None:
    ends = [end for end in sizes(folders, tmp_path, "rows", "llama") if end > 0]
    out = tmp_path / "out"
    killed(ends[0] + 9, folders, out, "rows")
    # The second process writes no header.
    killed(ends[2] - ends[0] + 9, folders, out, "rows")
    forwards.clear()
    assert measured(folders, out, "rows").digest == whole["llama", "rows"].digest
    assert forwards == [3, 4]


def test_a_killed_process_leaves_no_reserved_space(folders: Path, tmp_path: Path) -> None:
    killed(3000, folders, tmp_path, "rows")
    assert len(list(tmp_path.glob("*.partial"))) == 2
    measured(folders, tmp_path, "rows")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "rows.csv"]


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if "journal" in line]


def test_what_is_taken_from_the_journal_is_said(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = [end for end in sizes(folders, tmp_path, "rows", "llama") if end > 0]
    killed(ends[1], folders, tmp_path / "out", "rows")
    capsys.readouterr()
    measured(folders, tmp_path / "out", "rows", progress=True)
    assert _lines(capsys) == [f"measure: 2 of 5 sequences are taken from the journal in {tmp_path / 'out'}"]
    measured(folders, tmp_path / "out", "rows", progress=True)
    assert _lines(capsys) == []


def _other_weights(folders: Path, tmp_path: Path) -> dict[str, Any]:
    shutil.copytree(folders / "llama", tmp_path / "llama")
    model = tiny_decoder("llama", vocabulary=300)
    with torch.no_grad():
        model.get_parameter("model.layers.1.self_attn.q_proj.weight")[0, 0] += 1
    model.save_pretrained(tmp_path / "llama")
    return {"family": tmp_path / "llama"}


def _other_text(folders: Path, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "text.txt").write_text(python_topics()[1][:3000])
    return {"text": tmp_path / "text.txt"}


CHANGES = {
    "weights": _other_weights,
    "text": _other_text,
    "block": lambda folders, tmp_path: {"block": 7},
    "context": lambda folders, tmp_path: {"context": 40},
    "sequences": lambda folders, tmp_path: {"sequences": 4},
    "precision": lambda folders, tmp_path: {"precision": "float64"},
    "dials": lambda folders, tmp_path: {"dials": [0.0, 0.8]},
    "shape": lambda folders, tmp_path: {"shape": "linear"},
    "kind": lambda folders, tmp_path: {"mode": "rows"},
}


SOME = [each if place % 5 == 0 else pytest.param(each, marks=pytest.mark.slow) for place, each in enumerate(CHANGES)]


@pytest.mark.parametrize("change", SOME)
def test_a_journal_of_another_measurement_is_replaced(
    change: str,
    folders: Path,
    tmp_path: Path,
    forwards: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    killed([end for end in sizes(folders, tmp_path, "dial", "llama") if end > 0][3], folders, out, "dial")
    options = CHANGES[change](folders, tmp_path)
    mode = options.pop("mode", "dial")
    capsys.readouterr()
    forwards.clear()
    records = measured(folders, out, mode, progress=True, **options)
    windows = options.get("sequences", WINDOWS)
    assert len(forwards) == windows * (2 if mode == "dial" else 1)
    assert _lines(capsys) == [f"measure: the journal in {out} is of another measurement and is replaced"]
    fresh = measured(folders, tmp_path / "fresh", mode, **options)
    assert records.digest == fresh.digest


def test_another_version_of_the_numbers_starts_anew(
    folders: Path, tmp_path: Path, forwards: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed([end for end in sizes(folders, tmp_path, "rows", "llama") if end > 0][3], folders, tmp_path / "out", "rows")
    monkeypatch.setattr(work, "FIELDS", {"Rows": ["entropy"]})
    forwards.clear()
    measured(folders, tmp_path / "out", "rows")
    assert len(forwards) == WINDOWS


def test_another_device_of_the_same_kind_continues(
    folders: Path, tmp_path: Path, forwards: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed([end for end in sizes(folders, tmp_path, "rows", "llama") if end > 0][3], folders, tmp_path / "out", "rows")
    stated = work.Work.stated
    monkeypatch.setattr(work.Work, "stated", lambda self: stated(self) | {"device": "cpu:1"})
    forwards.clear()
    measured(folders, tmp_path / "out", "rows")
    assert forwards == [4]


def test_an_interrupted_measurement_keeps_its_journal(
    folders: Path, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forwards: list[int]
) -> None:
    require = Journal.require

    def interrupted(self: Journal, needed: float) -> None:
        if len(forwards) == 2:
            raise KeyboardInterrupt
        require(self, needed)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "require", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measured(folders, tmp_path, "rows")
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL_NAME]
    assert measured(folders, tmp_path, "rows").digest == whole["llama", "rows"].digest
    assert forwards == [0, 1, 2, 3, 4]


def test_a_full_disk_ends_in_one_line_and_is_continued(
    folders: Path, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forwards: list[int]
) -> None:
    def full(self: Journal, data: bytes) -> None:
        if len(forwards) == 3:
            raise OSError(28, "No space left on device")
        write(self, data)

    write = Journal._write
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_write", full)
        with pytest.raises(InputError, match=r"^cannot write .*: No space left on device. Measure fewer .*sequences.$"):
            measured(folders, tmp_path, "rows")
    forwards.clear()
    assert measured(folders, tmp_path, "rows").digest == whole["llama", "rows"].digest
    assert forwards == [2, 3, 4]


def test_too_small_a_disk_is_told_after_the_first_sequence(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = max(sizes(folders, tmp_path, "dial", "llama"))
    needed: list[float] = []
    monkeypatch.setattr(Journal, "require", lambda self, more: needed.append(more))
    measured(folders, tmp_path / "asked", "dial")
    assert len(needed) == 2 * WINDOWS
    # The first sequence has fewer numbers that repeat.
    assert 0.8 * size < needed[0] < size
    assert needed[-1] == 0


def test_weights_that_diverged_leave_no_journal(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("empirical.measuring.passes.LARGEST_LOSS", 0.1)
    with pytest.raises(DomainError, match="these weights diverged"):
        measured(folders, tmp_path / "out", "rows")
    assert not (tmp_path / "out").exists()


def test_a_replayed_sequence_that_was_changed_is_found(folders: Path, whole: Any, tmp_path: Path) -> None:
    """The comparison of digests would see a wrong number in the journal."""
    ends = [end for end in sizes(folders, tmp_path, "rows", "llama") if end > 0]
    killed(ends[1], folders, tmp_path / "out", "rows")
    replayed = KeptWindows.keeping

    def off(self: KeptWindows, which: int, inner: Any) -> Any:
        kept = replayed(self, which, inner)

        def measure(number: int, sink: Any) -> Any:
            def moved(batch: Any) -> None:
                if number == 0:
                    batch.rows.entropy.setflags(write=True)
                    batch.rows.entropy[0, 0] += 1e-9
                sink(batch)

            return kept(number, moved)

        return measure

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(KeptWindows, "keeping", off)
        assert measured(folders, tmp_path / "out", "rows").digest != whole["llama", "rows"].digest
