"""Every tutorial runs, prints what it states, asserts it, and becomes a notebook whose cells show themselves."""

import json
import os
import runpy
import subprocess
import sys

import jupytext
import pytest
from repository import ROOT

FOLDER = ROOT / "docs" / "tutorials"
SAYS = {
    "first_threshold": "guaranteed: True; the binding query sees 961 keys, 1 of its own block",
    "your_bound": "entropy at most log n: undecided",
    "your_model": "rows that violate a bound: 0",
}
# A wrong statement, or a model that learned nothing.
WRONG = {
    "first_threshold": ('== "log(1485)"', '== "log(1484)"'),
    "your_bound": ("survived.verdict is Verdict.UNDECIDED", "survived.verdict is Verdict.PROVED"),
    "your_model": ("for _ in range(120)", "for _ in range(1)"),
}
# What a notebook must show, whatever the machine.
SHOWN = {
    "first_threshold": ("✓ guaranteed", "✗ not guaranteed", "A2 leak-bound"),
    "your_bound": ("✓ proved", "✗ refuted", "? undecided", "A4 entropy-above"),
    "your_model": ("✓ no violation of a bound",),
}
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=280).execute()
nbformat.write(notebook, sys.argv[1])
"""


def test_every_tutorial_is_tested():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SAYS) == set(WRONG) == set(SHOWN)


@pytest.mark.parametrize("name", SAYS)
def test_a_tutorial_prints_what_it_states(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # In this process, which has imported torch already.
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out.splitlines()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_statement_in_a_tutorial_fails(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right, wrong = WRONG[name]
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert text.count(right) == 1
    copy = tmp_path / f"{name}.py"
    copy.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(AssertionError):
        runpy.run_path(str(copy), run_name="__main__")


@pytest.mark.parametrize("name", SAYS)
def test_a_tutorial_is_a_page_with_a_title_and_an_end(name):
    cells = jupytext.read(FOLDER / f"{name}.py").cells
    pages = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert pages[0].startswith("# ")
    assert pages[-1].startswith("## Where to go next\n")
    assert cells[-1].source == pages[-1]
    assert sum(cell.cell_type == "code" for cell in cells) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_the_notebook_of_a_tutorial_executes_and_shows_answers(name, tmp_path):
    pytest.importorskip("nbclient")
    path = tmp_path / f"{name}.ipynb"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1"}
    source = str(FOLDER / f"{name}.py")
    for command in (
        ["-m", "jupytext", "--quiet", "--to", "ipynb", source, "-o", str(path)],
        ["-c", EXECUTE, str(path)],
    ):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    pages = "".join("".join(output.get("data", {}).get("text/html", ())) for output in outputs)
    assert [said for said in SHOWN[name] if said not in pages] == []
