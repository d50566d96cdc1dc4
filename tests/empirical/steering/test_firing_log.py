"""The log of firings: files of a size, lines that are whole, and no file that is overwritten."""

import errno
import json

import pytest
from ruled_folders import KEPT, events, save_decoder
from tiny import one_thread  # noqa: F401

from empirical.measuring.generate import generate, replay
from empirical.steering.firing_log import FiringLog, firing_log
from theory.errors import DomainError, InputError

PROMPT = "One of them is"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_decoder("gpt2", tmp_path_factory.mktemp("gpt2"))


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "RULES.toml"
    path.write_text(KEPT, encoding="utf-8")
    return path


def logged(folder, rules, log, **given):
    generate(folder, PROMPT, tokens=10, rules=rules, log=log, **given)
    return [log, *sorted(log.parent.glob(f"{log.name}.*"), key=lambda each: int(each.suffix[1:]))]


def test_a_log_is_continued_in_numbered_files(folder, rules, tmp_path):
    (whole,) = logged(folder, rules, tmp_path / "whole.jsonl")
    parts = logged(folder, rules, tmp_path / "log.jsonl", log_bytes=2000)
    assert len(parts) > 5
    assert [each.name for each in parts[1:]] == [f"log.jsonl.{number}" for number in range(1, len(parts))]
    assert b"".join(each.read_bytes() for each in parts) == whole.read_bytes()
    for each in parts:
        assert each.read_bytes().endswith(b"\n")
        assert len(each.read_bytes()) <= 2000
    assert replay(folder, parts[0]).differences == 0


def test_a_line_longer_than_a_file_has_one_of_its_own(folder, rules, tmp_path):
    parts = logged(folder, rules, tmp_path / "log.jsonl", log_bytes=1)
    found, _ = events(*parts)
    assert len(parts) == len(found) > 100
    assert replay(folder, parts[0]).differences == 0


def test_an_older_part_is_neither_overwritten_nor_continued(folder, rules, tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.steering.growth.Growth.grow", lambda *args: pytest.fail("a token was generated"))
    older = tmp_path / "log.jsonl.2"
    older.write_text("older", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot write .*log\.jsonl: .*log\.jsonl\.2 exists"):
        generate(folder, PROMPT, tokens=3, rules=rules, log=tmp_path / "log.jsonl")
    assert older.read_text(encoding="utf-8") == "older"
    assert not (tmp_path / "log.jsonl").exists()


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    with firing_log(tmp_path / "log.jsonl", 100) as log:
        (tmp_path / "log.jsonl.1").write_text("another's", encoding="utf-8")
        with pytest.raises(InputError, match=r"cannot write .*log\.jsonl\.1: File exists"):
            log.text([0.0] * 50)
    assert (tmp_path / "log.jsonl.1").read_text(encoding="utf-8") == "another's"


def test_a_rule_file_with_a_mistake_leaves_no_log(folder, rules, tmp_path):
    rules.write_text("[[rule", encoding="utf-8")
    with pytest.raises(InputError, match="not TOML"):
        generate(folder, PROMPT, tokens=3, rules=rules, log=tmp_path / "log.jsonl")
    assert not (tmp_path / "log.jsonl").exists()


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_must_be_positive(tmp_path, size):
    with pytest.raises(DomainError, match=rf"log_bytes {size} must be at least 1"):
        FiringLog(tmp_path / "log.jsonl", size)


def test_each_pass_is_in_the_file_before_the_next(folder, rules, tmp_path):
    seen = []

    def look(ids, logits):
        _, of = events(tmp_path / "log.jsonl")
        last = of("pass")[-1]
        assert len([each for each in of("firing") if each["position"] >= last["position"]]) == last["firings"]
        seen.append(len(of("pass")))
        return logits

    logged(folder, rules, tmp_path / "log.jsonl", logits_processor=look)
    assert seen == list(range(1, 11))


def test_a_full_disk_stops_in_one_line(folder, rules, tmp_path, monkeypatch):
    opened = FiringLog._opened

    class Full:
        name, written = "log.jsonl", 0

        def __init__(self, file):
            self.file = file

        def write(self, data):
            self.written += len(data)
            return self.file.write(data)

        def flush(self):
            if self.written > 5000:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.file.flush()

        def close(self):
            self.file.close()

    monkeypatch.setattr(FiringLog, "_opened", lambda self, path: Full(opened(self, path)))
    with pytest.raises(InputError, match=r"cannot write log\.jsonl: No space left on device"):
        logged(folder, rules, tmp_path / "log.jsonl")


def test_the_first_line_says_what_was_run(folder, rules, tmp_path):
    (log,) = logged(folder, rules, tmp_path / "log.jsonl", seed=3, temperature=0.5, block=7)
    lines, of = events(log)
    assert lines[0]["event"] == "log"
    assert {
        name: lines[0][name] for name in ("schema", "model", "block", "temperature", "seed", "processed", "texts")
    } == {
        "schema": 1,
        "model": str(folder),
        "block": 7,
        "temperature": 0.5,
        "seed": 3,
        "processed": False,
        "texts": 1,
    }
    assert [each["event"] for each in lines[1:4]] == ["text", "rules", "pass"]
    assert of("rules")[0]["text"] == KEPT
    assert len(of("pass")) == of("end")[0]["passes"] == 10
    assert json.dumps(lines[0]) == log.read_text(encoding="utf-8").splitlines()[0]
