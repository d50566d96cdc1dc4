"""`localist verify` with options that cannot be: one line, status 2, and nothing begun."""

from __future__ import annotations

import pytest

import localist
from proofs_check.kernel import build


@pytest.fixture
def line(monkeypatch, capsys):
    """Runs `localist verify` with these words; the one line with which it refuses."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["localist", "verify", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            localist.main()
        assert ended.value.code == 2
        (found,) = capsys.readouterr().err.splitlines()
        return found

    return run


@pytest.mark.parametrize("words", [(), ("--twins",), ("--full",)], ids=str)
def test_a_seed_below_0_is_refused(line, words):
    assert "--seed -1" in line("A2", *words, "--seed", -1)


@pytest.mark.parametrize("mode", [(), ("--twins",), ("--kernel",), ("--replay", "evidence/certificates")], ids=str)
def test_the_page_of_claims_needs_all_methods(line, tmp_path, mode):
    page = tmp_path / "CLAIMS.md"
    assert "needs --full" in line("A2", *mode, "--claims", page)
    assert not page.exists()


def test_one_thing_at_a_time(line):
    assert line("A2", "--full", "--twins") == "error: --twins and --full must be asked for one at a time"


@pytest.mark.parametrize("mode", ["--full", "--kernel"])
def test_evidence_that_cannot_be_written_is_refused_before_the_work(line, tmp_path, monkeypatch, mode):
    monkeypatch.setattr(build, "coq_version", lambda: "8.16.1")
    taken = tmp_path / "taken"
    taken.write_text("")
    assert f"cannot make the folder {taken}" in line("A6", mode, "--evidence", taken)
    assert "cannot make the folder /proc/nope" in line("A6", mode, "--evidence", "/proc/nope")
