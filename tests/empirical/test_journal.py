"""The journal: what it gives back, torn and foreign files, and disks that are full."""

import shutil
from collections import namedtuple

import numpy as np
import pytest

from empirical.journal import Journal, fingerprint_of, is_journal_of, read_entries
from theory.errors import InputError

PRINT = fingerprint_of({"text": "a"})

ARRAYS = {
    "exact in float32": np.tile([[0.5, -0.0, np.nan], [np.inf, -np.inf, 3.0]], (1, 400)),
    "float64": np.tile([0.1, 1e300, 5e-324, 1.0], 400),
    "whole, large": np.tile([2**40, 1], 1000),
    "whole, small": np.arange(2000),
    "repeated": np.broadcast_to(np.array([1.5, 2.5]), (3, 2)),
    "one number": np.broadcast_to(np.float64(0.1), (2, 2)),
    "whole": np.arange(6).reshape(2, 3),
    "large": np.array([2**40]),
    "yes": np.array([True, False]),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "empty": np.zeros((2, 0)),
    "scalar": np.array(0.1),
}


@pytest.fixture
def opened():
    """Opens journals, and closes them at the end."""
    journals = []

    def begin(*arguments):
        journals.append(Journal(*arguments))
        return journals[-1]

    yield begin
    for journal in journals:
        journal.close()


def filled(path, count=3):
    journal = Journal(path, PRINT)
    for number in range(count):
        journal.append({"number": number}, {"values": np.full(5, number + 0.1)})
    journal.close()
    return path.read_bytes()


def numbers(entries):
    return [entry.about["number"] for entry in entries]


def test_arrays_come_back_bit_by_bit(opened, tmp_path):
    journal = opened(tmp_path / "j", PRINT)
    journal.append({"loss": 0.1}, ARRAYS)
    for found in (journal.entries, read_entries(tmp_path / "j", PRINT)):
        (entry,) = found
        assert entry.about == {"loss": 0.1}
        arrays = entry.arrays()
        assert list(arrays) == list(ARRAYS)
        for name, values in ARRAYS.items():
            assert arrays[name].dtype == values.dtype, name
            assert arrays[name].shape == values.shape, name
            assert arrays[name].tobytes() == values.tobytes(), name


def test_repeated_and_exact_numbers_take_less_space(opened, tmp_path):
    journal = opened(tmp_path / "j", PRINT)
    random = np.random.default_rng(0).random(10_000)
    sizes = []
    for values in (random, random.astype(np.float32).astype(float), np.broadcast_to(random[:10], (1000, 10))):
        before = journal.appended
        journal.append({}, {"values": values})
        sizes.append(journal.appended - before)
    assert [round(size / 10_000) for size in sizes] == [8, 4, 0]


@pytest.mark.parametrize("end", [1, 7, 8, 30, 60, -1])
def test_an_unfinished_entry_is_dropped_and_overwritten(opened, tmp_path, end):
    path = tmp_path / "j"
    whole, two = filled(path), len(filled(tmp_path / "two", 2))
    path.write_bytes(whole[:end] if end < 0 else whole[: two + end])
    assert numbers(read_entries(path, PRINT)) == [0, 1]
    journal = opened(path, PRINT)
    assert numbers(journal.entries) == [0, 1]
    assert not journal.replaced
    assert path.stat().st_size == two
    journal.append({"number": 2}, {"values": np.full(5, 2.1)})
    journal.close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", [0, 3, 8, 20, 45, 100])
def test_a_changed_entry_ends_the_journal(tmp_path, place):
    path = tmp_path / "j"
    content = bytearray(filled(path))
    content[len(filled(tmp_path / "one", 1)) + place] ^= 1
    path.write_bytes(content)
    assert numbers(read_entries(path, PRINT)) == [0]


@pytest.mark.parametrize("size", [0, 1, 30])
def test_an_unfinished_header_is_completed(opened, tmp_path, size):
    path = tmp_path / "j"
    path.write_bytes(filled(path, 0)[:size])
    journal = opened(path, PRINT)
    assert not journal.replaced
    assert not journal.entries
    assert is_journal_of(path, PRINT)


@pytest.mark.parametrize(
    "content", [b"something else\n", b"something else", b"localist journal 0 " + b"0" * 64 + b"\n"]
)
def test_another_file_is_replaced(opened, tmp_path, content):
    path = tmp_path / "j"
    path.write_bytes(content)
    assert read_entries(path, PRINT) == []
    assert opened(path, PRINT).replaced
    assert is_journal_of(path, PRINT)


def test_a_journal_with_another_fingerprint_is_replaced(opened, tmp_path):
    path = tmp_path / "j"
    filled(path)
    other = fingerprint_of({"text": "b"})
    assert read_entries(path, other) == []
    journal = opened(path, other)
    assert journal.replaced
    assert not journal.entries
    assert read_entries(path, PRINT) == []


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(opened, tmp_path):
    path = tmp_path / "j"
    filled(path)
    journal = opened(path, PRINT, "Do less.")

    class Full:
        def __init__(self, stream):
            self.stream = stream

        def write(self, data):
            if len(data) < 50:
                raise OSError(28, "No space left on device")
            return self.stream.write(data[:50])

        def __getattr__(self, name):
            return getattr(self.stream, name)

    journal._stream = Full(journal._stream)
    with pytest.raises(InputError, match=rf"^cannot write {path}: No space left on device. Do less.$"):
        journal.append({"number": 3}, {})
    assert numbers(read_entries(path, PRINT)) == [0, 1, 2]
    assert numbers(journal.entries) == [0, 1, 2]


def test_too_little_room_is_told_beforehand(opened, tmp_path, monkeypatch):
    journal = opened(tmp_path / "j", PRINT, "Do less.")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("usage", "free")(1000))
    journal.require(1000)
    with pytest.raises(InputError, match=r"entries take about 1.954 KiB, the disk has 1000 bytes. Do less.$"):
        journal.require(2001)


def test_an_unwritable_journal_is_one_line(opened, tmp_path):
    with pytest.raises(InputError, match=r"^cannot write .*: Is a directory$"):
        opened(tmp_path, PRINT)


def test_a_journal_that_cannot_begin_leaves_no_file(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "_write", full)
    with pytest.raises(InputError, match=r"^cannot write .*j: No space left on device$"):
        Journal(tmp_path / "j", PRINT)
    assert not (tmp_path / "j").exists()


def test_a_journal_changed_while_in_use_is_one_line(tmp_path):
    filled(tmp_path / "j")
    entry = read_entries(tmp_path / "j", PRINT)[2]
    (tmp_path / "j").write_bytes(b"")
    with pytest.raises(InputError, match="it was changed while in use"):
        entry.arrays()


def test_only_numbers_are_kept(opened, tmp_path):
    with pytest.raises(TypeError, match="keeps numbers"):
        opened(tmp_path / "j", PRINT).append({}, {"a": np.array([object()])})
