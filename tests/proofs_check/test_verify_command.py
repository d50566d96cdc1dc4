"""`localist verify` refuses options without effect in one line; `--strict` and `--replay` fail with the reason."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from repository import ROOT

from localist import cli
from proofs_check.kernel import build

EVIDENCE = ROOT / "evidence"


@pytest.fixture
def line(monkeypatch, capsys):
    """Runs `localist verify` with these words; returns the one line of its error."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["localist", "verify", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        (found,) = capsys.readouterr().err.splitlines()
        return found

    return run


@pytest.mark.parametrize("words", [(), ("--mutants",), ("--full",)], ids=str)
def test_a_seed_below_0_is_refused(line, words):
    assert "--seed -1" in line("A2", *words, "--seed", -1)


@pytest.mark.parametrize("mode", [(), ("--strict",)], ids=str)
def test_the_page_of_claims_needs_all_methods(line, tmp_path, mode):
    page = tmp_path / "CLAIMS.md"
    assert "--claims needs --full" in line("A2", *mode, "--claims", page)
    assert not page.exists()


def test_two_modes_at_once_are_refused(line):
    assert line("A2", "--full", "--mutants") == "error: --mutants and --full must be asked for one at a time"


NO_EFFECT = [
    (("--samples", 1000), "--samples needs --full"),
    (("--samples", 1e6), "--samples needs --full"),
    (("--lemma-seconds", 20), "--lemma-seconds needs --full"),
    (("--evidence", "evidence"), "--evidence needs --full or --strict or --kernel"),
    (("--strict", "--samples", 7), "--samples has no effect with --strict: --samples needs --full"),
    (("--strict", "--lemma-seconds", 7), "--lemma-seconds has no effect with --strict: --lemma-seconds needs --full"),
    (("--strict", "--mutants"), "--strict has no effect with --mutants: --strict needs --full"),
    (("--strict", "--kernel"), "--strict has no effect with --kernel: --strict needs --full"),
    (("--mutants", "--rows", 60), "--rows has no effect with --mutants"),
    (("--mutants", "--samples", 7), "--samples has no effect with --mutants: --samples needs --full"),
    (("--mutants", "--evidence", "x"), "--evidence has no effect with --mutants"),
    (("--mutants", "--claims", "x"), "--claims has no effect with --mutants: --claims needs --full"),
    (("--kernel", "--rows", 60), "--rows has no effect with --kernel"),
    (("--kernel", "--seed", 0), "--seed has no effect with --kernel"),
    (("--kernel", "--lemma-seconds", 7), "--lemma-seconds has no effect with --kernel"),
    (("--kernel", "--claims", "x"), "--claims has no effect with --kernel: --claims needs --full"),
    (("--replay", "evidence", "--rows", 7), "an id has no effect with --replay"),
]


@pytest.mark.parametrize(("words", "expected"), NO_EFFECT, ids=str)
def test_an_option_without_effect_is_refused(line, words, expected):
    assert line("A2", *words).startswith(f"error: {expected}")


@pytest.mark.parametrize("words", [("--rows", 7), ("--seed", 1), ("--claims", "x"), ("--strict",)], ids=str)
def test_a_replay_takes_no_other_option(line, words):
    assert f"{words[0]} has no effect with --replay" in line("--replay", "evidence", *words)


def test_a_folder_that_cannot_be_made_is_refused(line, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("")
    assert f"cannot make the folder {taken}" in line("A6", "--full", "--evidence", taken)
    assert "cannot make the folder /proc/nope" in line("A6", "--full", "--evidence", "/proc/nope")


def test_the_kernel_needs_a_folder_of_evidence(line, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "coq_version", lambda: "8.16.1")
    taken = tmp_path / "taken"
    taken.write_text("")
    assert line("A6", "--kernel", "--evidence", taken) == f"error: {taken} must be a folder of evidence"


def test_a_file_that_is_not_evidence_is_not_overwritten(line, tmp_path):
    path = tmp_path / "A6.json"
    for text in ('{"rows": 3}', '{"format": 7}', "[]", "", "{", "[" * 100_000):
        path.write_text(text)
        assert "A6.json" in line("A6", "--full", "--evidence", tmp_path)
        assert path.read_text() == text


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_a_place_without_certificates_is_refused(line, tmp_path, place):
    (tmp_path / "empty").mkdir()
    assert "holds no certificates" in line("--replay", tmp_path / place)


@pytest.fixture
def ended(monkeypatch, capsys):
    """Runs `localist verify` with these words; returns the exit status and the output."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["localist", "verify", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().out

    return run


def test_strict_fails_below_certified(ended):
    code, shown = ended("A6", "E3", "--strict", "--rows", 20, "--jobs", 1)
    assert code == 0
    assert "below certified" not in shown
    code, shown = ended("G1", "A6", "--strict", "--rows", 20, "--jobs", 1)
    assert code == 1
    assert "below certified: G1 (sampled)" in shown
    assert ended("G1", "--rows", 20, "--jobs", 1)[0] == 0


def test_strict_reads_the_given_evidence(ended, tmp_path):
    code, shown = ended("A6", "--strict", "--evidence", tmp_path, "--rows", 20, "--jobs", 1)
    assert code == 1
    assert "below certified: A6 (missing)" in shown


def test_strict_prints_the_same_as_json(ended):
    code, shown = ended("G1", "--strict", "--json", "--rows", 20, "--jobs", 1)
    (found,) = json.loads(shown)
    assert (code, found["status"]) == (1, "sampled")


def test_a_replay_prints_claims_and_reasons_of_failure(ended, tmp_path):
    code, shown = ended("--replay", EVIDENCE / "A6.json")
    assert code == 0
    assert "A6-0: p + q >= 0 for p in [0, inf), q in [0, 1]" in shown
    assert "2 of 2 certificates hold" in shown
    forged = tmp_path / "A6.json"
    forged.write_text((EVIDENCE / "A6.json").read_text().replace('"relation":">="', '"relation":">"'))
    code, shown = ended("--replay", forged)
    assert code == 1
    assert "A6-0: FAILS: the hash does not match" in shown
    assert "0 of 2 certificates hold" in shown
    forged.write_text("[[")
    code, shown = ended("--replay", tmp_path)
    assert code == 1
    assert "FAILS: malformed" in shown


INSTALL = ROOT / ".ci" / "install-coq"


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ({}, "there is no apt-get"),
        ({"apt-get": "exit 0", "id": "echo 1000"}, "installing packages takes root"),
        ({"apt-get": "exit 100", "id": "echo 0"}, "apt-get could not install it"),
        ({"coqc": "echo /nowhere"}, "there is no apt-get"),
    ],
    ids=str,
)
def test_a_failed_installation_of_coq_prints_one_line(tmp_path, tools, told):
    for name, does in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    bash = shutil.which("bash")
    done = subprocess.run([bash, INSTALL], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"no Coq: {told}")


def test_an_installed_coq_is_not_installed_again(tmp_path):
    (tmp_path / "lib" / "user-contrib" / "Coquelicot").mkdir(parents=True)
    (tmp_path / "coqc").write_text(f"#!/bin/sh\necho {tmp_path}/lib\n")
    (tmp_path / "coqc").chmod(0o755)
    bash = shutil.which("bash")
    done = subprocess.run([bash, INSTALL], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
