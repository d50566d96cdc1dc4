"""A short text, a random decoder beside a text and rules, and a command line that must fail."""

import sys

import pytest
from audits import RULES, TEXT
from pretrained import stock

from localist import cli


@pytest.fixture
def line(monkeypatch, capsys):
    """Runs the program with these arguments, which it must refuse; returns its one line of error."""

    def run(*words, status=2):
        monkeypatch.setattr(sys, "argv", ["localist", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == status
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        (found,) = [each for each in errors.splitlines() if each.startswith("error: ")]
        return found

    return run


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Sentence {index} follows another. " * 60 for index in range(20)))
    return path


@pytest.fixture
def decoder(tmp_path):
    """The folder of a tiny Llama, beside `text.txt` and `RULES.toml`."""
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "RULES.toml").write_text(RULES)
    return stock(tmp_path / "llama", "llama")
