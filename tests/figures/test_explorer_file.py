"""`localist explore`: the file that it writes, its formulas, and what the command says."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from figures.explorer.formulas import SHOWN
from figures.explorer.page import page as written
from localist.cli import app

MOST_BYTES = 500_000


def test_file_is_small_and_names_no_address():
    text = written()
    assert len(text.encode()) <= MOST_BYTES
    # An empty icon keeps browsers from asking for one.
    plain = text.replace('<link rel="icon" href="data:,">', "")
    assert re.findall(r"https?:|@import|url\(|src=|href=|fetch\(|XMLHttpRequest|<link", plain) == []
    assert text.count("</script") == 1
    assert not re.search(r"/\*(STYLE|SCRIPT)\*/|<!--[A-Z]", text)
    # Browsers no longer know this element.
    assert "mfenced" not in text


def test_every_formula_is_that_of_its_statement():
    text = written()
    assert text.count("<math display") >= sum(map(len, SHOWN.values()))
    for key in SHOWN:
        assert f"<h3>{key} · " in text
    for name in ("logistic<", "binaryentropy<", "binarydivergence<", "lowestentropy<", "capshare<"):
        assert f"<mi>{name}" not in text


def test_command_says_what_it_wrote_and_refuses_other_files(tmp_path):
    path = tmp_path / "E.html"
    result = CliRunner().invoke(app, ["explore", "--no-open", "--json", "--out", str(path)])
    assert result.exit_code == 0
    assert f'"bytes": {path.stat().st_size}' in result.output
    assert path.read_text(encoding="utf-8") == written()
    refused = CliRunner().invoke(app, ["explore", "--no-open", "--out", str(tmp_path / "E.pdf")])
    assert str(refused.exception).endswith("E.pdf must end in .html")
    assert not (tmp_path / "E.pdf").exists()


@pytest.mark.parametrize("there", [True, False])
def test_command_opens_the_file_and_tells_if_it_cannot(there, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or there)
    path = tmp_path / "E.html"
    result = CliRunner().invoke(app, ["explore", "--out", str(path)])
    assert opened == [path.resolve().as_uri()]
    assert result.exit_code == 0
    assert ("no browser was found" in result.stderr) != there
