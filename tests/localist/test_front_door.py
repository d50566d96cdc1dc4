"""The command line: help, version, exit statuses, output streams that fail, errors in JSON."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from repository import ROOT
from runs import RUN
from tiny import one_thread, tiny  # noqa: F401

from empirical.training.train import train
from localist import cli
from localist.cli import BAD_INPUT, CLOSED, DEFECT, INTERRUPTED


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the program with these arguments; returns its status, output and errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["localist", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(tiny(training={"steps": 2}), tmp_path_factory.mktemp("finished") / "run", progress=False)


def test_without_arguments_prints_help_only(run):
    status, out, err = run()
    assert (status, err) == (BAD_INPUT, "")
    assert "Usage: localist" in out
    assert "measure" in out


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_exit_status(run, flag):
    status, out, err = run(flag)
    assert (status, err) == (0, "")
    for code in (0, 1, BAD_INPUT, DEFECT, INTERRUPTED, CLOSED):
        assert f" {code}: " in out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_short_help(run, name):
    status, out, err = run(name, "-h")
    assert (status, err) == (0, "")
    assert f"Usage: localist {name}" in out


def test_a_group_without_a_command_prints_its_help(run):
    status, out, err = run("rules")
    assert (status, err) == (BAD_INPUT, "")
    assert "Usage: localist rules" in out
    assert "check" in out


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(run, flag):
    declared = (ROOT / "pyproject.toml").read_text()
    status, out, err = run(flag)
    assert (status, err) == (0, "")
    assert f'version = "{out.split()[1]}"' in declared


ROW = ["--keys", "10", "--block", "3", "--margin", "1"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["check", "--keys", "x"], "--keys x: must be a whole number"),
        (["check", "--keys=1.5"], "--keys 1.5: must be a whole number"),
        (["check", "--margin", "x"], "--margin x: must be a number"),
        (["check", *ROW, "--block", "0"], "--block=0 must satisfy 1 <= block < --keys=10"),
        (["check", *ROW, "--margin", "nan"], "--margin=nan must be finite"),
        (["check", *ROW, "--target-fidelity=2"], "--target-fidelity=2 must lie in (0, 1)"),
        (["bench", "--width", "30"], "--width 30 must be a multiple of heads 12"),
    ],
)
def test_bad_value_is_one_line_that_names_the_option(run, words, line):
    assert run(*words) == (BAD_INPUT, "", f"error: {line}\n")
    status, out, err = run(*words, "--json")
    assert (status, out) == (BAD_INPUT, "")
    assert json.loads(err) == {"error": line, "status": BAD_INPUT}


@pytest.mark.parametrize(
    "words",
    [
        ["nosuch"],
        ["check", "--nosuch"],
        ["check", "a.toml", "b.toml"],
        ["check", "-x"],
        ["rules", "nosuch"],
        ["rules", "check", "a.toml", "--nosuch"],
    ],
)
def test_unknown_arguments_are_one_line(run, words):
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (BAD_INPUT, "", 1)
    assert words[-1] in err


@pytest.mark.parametrize(
    ("words", "option", "law"),
    [
        (["--schedule", "cubic", "--largest-dial", "2"], "--largest-dial", "must be less than or equal to 1"),
        (["--floor-weight", "2"], "--floor-weight", "give that too"),
        (["--width", "30"], "--width", "must be a multiple of heads 4"),
        (["--schedule", "steep"], "--schedule", "must be one of distributed"),
    ],
)
def test_run_settings_are_named_as_options(run, tmp_path, words, option, law):
    status, out, err = run("train", tmp_path / "run", *words)
    assert (status, out, err.count("\n")) == (BAD_INPUT, "", 1)
    assert option in err
    assert law in err
    assert f".{option[2:].replace('-', '_')}" not in err


def test_file_settings_keep_their_dotted_names(run, tmp_path):
    settings = tmp_path / "c.toml"
    settings.write_text("[locality]\nschedule = 'cubic'\nlargest_dial = 2\n")
    status, _, err = run("train", tmp_path / "run", "--config", settings, "--seed", "5")
    assert status == BAD_INPUT
    assert "locality.largest_dial=2: must be less than or equal to 1" in err


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (RuntimeError("never\nmore"), DEFECT, "error: a defect of localist: RuntimeError: never"),
        (ZeroDivisionError(), DEFECT, "error: a defect of localist: ZeroDivisionError: ZeroDivisionError"),
        (MemoryError("Unable to allocate 9 TiB"), BAD_INPUT, "error: out of memory: Unable to allocate 9 TiB"),
        (OSError(28, "No space left on device", "a/b"), BAD_INPUT, "error: a/b: No space left on device"),
        (KeyboardInterrupt(), INTERRUPTED, "error: interrupted; unfinished work is not kept"),
        (typer.Exit(INTERRUPTED), INTERRUPTED, "error: interrupted; unfinished work is not kept"),
        (EOFError(), INTERRUPTED, "error: interrupted; unfinished work is not kept"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_exception_has_its_exit_status(run, monkeypatch, raised, status, line):
    def breaks(*args):
        raise raised

    monkeypatch.setattr("theory.statements.listing.print_list", breaks)
    ended, out, err = run("theorems")
    assert (ended, out, err.splitlines()[-1]) == (status, "", line)
    assert ("Traceback" in err) == (status == DEFECT)


KEPT, LOST = "interrupted; what was finished is kept", "interrupted; unfinished work is not kept"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["measure", "run"], KEPT),
        (["measure", "run", "--truncate", "0.1"], LOST),
        (["calibrate", "run"], KEPT),
        (["train", "run"], KEPT),
        (["sweep", "SWEEP.toml", "runs"], KEPT),
        (["figures", "--all"], KEPT),
        (["figures", "--check"], LOST),
        (["generate", "run"], LOST),
        (["generate", "run", "--log=firings.jsonl"], KEPT),
        (["verify", "A4"], LOST),
        (["verify", "--full"], KEPT),
        *((words, LOST) for words in (["audit", "run"], ["rules", "simulate", "R.toml", "run"], ["bench"])),
        *((words, LOST) for words in (["anchors", "--text", "F"], ["explore"], ["report", "run"], ["--json", "audit"])),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_interruption_promises_no_more_than_is_kept(run, monkeypatch, words, line):
    def interrupted(**given):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    status, _, err = run(*words)
    said = json.loads(err)["error"] if "--json" in words else err.removeprefix("error: ").strip()
    assert (status, said) == (INTERRUPTED, line)


def test_torch_out_of_cpu_memory_is_reported_as_such(run, monkeypatch):
    monkeypatch.setattr("theory.statements.listing.print_list", lambda *args: torch.empty(2**60))
    status, _, err = run("theorems")
    assert status == BAD_INPUT
    assert err.startswith("error: out of memory: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("name", ["theorems", "theorem", "check", "design", "verify", "measure", "dial", "generate"])
def test_output_works_in_every_encoding(monkeypatch, finished, tmp_path, encoding, name):
    (tmp_path / "RUN.toml").write_text(RUN)
    (tmp_path / "OPEN.toml").write_text(RUN.replace("margin = 6.5", 'margin = "solve"'))
    words = {
        "theorems": ["theorems"],
        "theorem": ["theorems", "A4"],
        "check": ["check", tmp_path / "RUN.toml"],
        "design": ["design", tmp_path / "OPEN.toml"],
        "verify": ["verify", "A1", "--rows", "2", "--jobs", "1"],
        "measure": ["measure", finished, "--sequences", "1", "--out", tmp_path / "measured"],
        "dial": ["measure", finished, "--sequences", "1", "--out", tmp_path / "dial", "--dial", "0,1"],
        "generate": ["generate", finished, "--prompt", "Zwölf Δ≤ 漢字", "--tokens", "3"],
    }[name]
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["localist", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in ((0, 1) if name in ("check", "design") else (0,))
    text = written.getvalue().decode(encoding)
    assert text.strip()
    if name == "measure":
        assert "<= A4" in text
    if name == "generate":
        assert "\\u6f22\\u5b57" in text


def outside(words, after=""):
    """Runs the program in a shell; `after` redirects its output."""
    line = f"'{sys.executable}' -m localist {words} {after}"
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("words", ["theorems A4", "theorems --graph"])
def test_closed_output_has_its_own_status(words):
    done = outside(words, "| true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (CLOSED, "")


def test_broken_pipe_to_another_process_is_not_a_closed_output(run, monkeypatch):
    def breaks(*args):
        raise BrokenPipeError(32, "Broken pipe")

    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("theory.statements.listing.print_list", breaks)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "argv", ["localist", "theorems"])
        assert cli._run()[0] == DEFECT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("words", ["theorems A4", "theorems --graph"])
def test_full_output_device_is_one_line(words):
    done = outside(words, "> /dev/full")
    assert done.returncode == BAD_INPUT
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def test_missing_standard_output_is_one_line():
    done = outside("theorems", ">&-")
    assert (done.returncode, done.stderr) == (BAD_INPUT, "error: standard output is closed\n")
