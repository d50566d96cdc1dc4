"""Executes the tutorials as notebooks, so that the site shows what each cell prints, tabulates and draws."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parent.parent
# Seconds for one cell.
LIMIT = 280
# Longer than any run of backticks in an output.
_FENCE = "`" * 12


def executed(script: Path) -> list[str]:
    """The outputs of each code cell as Markdown, in the order of the cells; empty texts for cells without any.

    Raises ExtensionError if a cell fails.
    """
    notebook = jupytext.read(script)
    # One thread: the numbers do not depend on the number of cores, and idle threads do not spin.
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=LIMIT, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        try:
            client.execute(env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        except CellExecutionError as error:
            raise ExtensionError(f"the tutorial {script.name} fails: {error.ename}: {error.evalue}") from error
    return ["\n".join(shown(cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"]


def shown(outputs: list[Mapping[str, Any]]) -> Iterator[str]:
    """Outputs of a cell as Markdown: pictures, else HTML, else text. What goes to stderr is left out."""
    printed = ""
    for each in outputs:
        if each["output_type"] == "stream":
            printed += each["text"] if each["name"] == "stdout" else ""
            continue
        if printed:
            yield _text(printed)
            printed = ""
        data = each.get("data", {})
        if "image/svg+xml" in data or "image/png" in data:
            yield _html(_picture(data))
        elif "text/html" in data:
            yield _html(data["text/html"])
        elif "text/plain" in data:
            yield _text(data["text/plain"])
    if printed:
        yield _text(printed)


def _picture(data: Mapping[str, str]) -> str:
    alt = escape(f"Picture made by the code above: {data.get('text/plain', '')}")
    if svg := data.get("image/svg+xml"):
        return f'<div role="img" aria-label="{alt}">{svg[svg.index("<svg") :]}</div>'
    return f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"].replace(chr(10), "")}">'


def _text(text: str) -> str:
    return f"{_FENCE}{{code-block}} text\n:class: output\n\n{text.rstrip()}\n{_FENCE}\n"


def _html(markup: str) -> str:
    return f'{_FENCE}{{raw}} html\n<div class="output" tabindex="0">\n{markup}\n</div>\n{_FENCE}\n'
