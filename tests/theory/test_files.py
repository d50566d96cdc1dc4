"""Files are written completely or not at all, and a file error is one clear line."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from theory.errors import InputError
from theory.files import (
    check_writable,
    read_json,
    read_text,
    read_toml,
    sha256_of,
    write_bytes_atomically,
    write_text_atomically,
)

READERS = {"json": read_json, "toml": read_toml, "text": read_text, "sha256": sha256_of}


def test_written_text_is_read_back(tmp_path):
    path = tmp_path / "deep" / "folder" / "a.json"
    write_text_atomically(path, '{"a": "\u00e9"}\n')
    assert path.read_bytes() == b'{"a": "\xc3\xa9"}\n'
    assert read_json(path) == {"a": "\u00e9"}
    write_bytes_atomically(path, b"a = 1\n")
    assert read_toml(path) == {"a": 1}
    assert sha256_of(path) == hashlib.sha256(b"a = 1\n").hexdigest()
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


def test_line_ends_are_kept(tmp_path):
    write_text_atomically(tmp_path / "a", "one\ntwo\r\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\r\n"


@pytest.mark.parametrize("broken", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_write_keeps_the_old_file_only(tmp_path, monkeypatch, broken):
    path = tmp_path / "a"
    write_text_atomically(path, "old")

    def fails(*args):
        raise broken

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises((InputError, KeyboardInterrupt)) as caught:
        write_text_atomically(path, "new")
    assert caught.type is KeyboardInterrupt or str(caught.value) == f"cannot write {path}: No space left on device"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a", "old")]


def test_unwritable_path_is_known_before_writing(tmp_path):
    (tmp_path / "file").write_text("kept")
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new" / "folder" / "x")
    check_writable(Path(os.devnull))
    for path in (tmp_path, tmp_path / "file" / "x"):
        with pytest.raises(InputError, match="cannot write "):
            check_writable(path)
    assert (tmp_path / "file").read_text() == "kept"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_symbolic_link_is_kept(tmp_path):
    path = tmp_path / "real" / "a"
    write_text_atomically(path, "old")
    (tmp_path / "link").symlink_to(path)
    write_text_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert path.read_text() == "new"


def test_file_in_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("kept")
    for does in (check_writable, lambda path: write_text_atomically(path, "")):
        with pytest.raises(InputError, match=r"^cannot write .*file/x: Not a directory$"):
            does(tmp_path / "file" / "x")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["loop/x", "loop/deep/x"])
def test_loop_of_links_is_one_line(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    for does in (check_writable, lambda path: write_text_atomically(path, "")):
        with pytest.raises(InputError, match=r"^cannot write .*: (Too many levels of symbolic links|Not a directory)$"):
            does(tmp_path / name)
    with pytest.raises(InputError, match=r"^cannot read .*: Too many levels of symbolic links$"):
        read_text(tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == ["loop"]


def test_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text_atomically(pipe, "text")
        assert os.read(reader, 99) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["file/b", ".", "/", "nul\0"])
def test_folder_in_place_of_a_file_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(InputError, match=r"^cannot write "):
        write_text_atomically(Path(name), "")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", [".", "none", "none/none", "nul\0"], ids=["folder", "missing", "no-folder", "nul"])
def test_unreadable_file_is_one_line(tmp_path, reader, name):
    with pytest.raises(InputError, match=r"^cannot read ") as caught:
        reader(tmp_path / name)
    assert "\n" not in str(caught.value)


DEEP = 100_000


@pytest.mark.parametrize(
    ("reader", "content", "message"),
    [
        (read_json, b"{", "is not JSON: "),
        (read_json, b"[]", "must hold one JSON object, found list"),
        (read_json, b"\xff{}", "is not UTF-8 text"),
        (read_json, b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
        (read_json, b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested too deeply"),
        (read_json, b'{"a": ' + b"1" * 10_000 + b"}", "is not JSON: "),
        (read_toml, b"a", "is not TOML: "),
        (read_toml, b"\xff", "is not UTF-8 text"),
        (read_toml, b"a = " + b"[" * DEEP + b"]" * DEEP, "nested too deeply"),
        (read_toml, b"a = " + b"1" * 10_000, "is not TOML: "),
    ],
)
def test_malformed_file_is_one_line(tmp_path, reader, content, message):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        reader(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(path))


def test_numbers_round_trip(tmp_path):
    write_text_atomically(tmp_path / "a.json", json.dumps({"a": 0.1, "b": 10**30}))
    assert read_json(tmp_path / "a.json") == {"a": 0.1, "b": 10**30}
