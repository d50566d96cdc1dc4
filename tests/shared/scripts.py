"""Runs JavaScript: through node, or else through Chromium without a window."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# No network, no sandbox that root lacks, no first-run pages.
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
# JSON has no infinite numbers; the answers carry them as text.
_TAIL = """
const plain = (x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x);
const deep = (x) => (x && typeof x === 'object'
  ? Array.isArray(x) ? x.map(deep) : Object.fromEntries(Object.entries(x).map(([key, part]) => [key, deep(part)]))
  : plain(x));
const answers = JSON.stringify(calls.map(([name, args]) => deep(functions[name](...args))));
"""


def called(code, calls, folder: Path, run=None):
    """The answers of `calls`, pairs of a function's name and its arguments, to the script `code`.

    `run` is the engine: `in_node`, else `in_chromium`, unless given. An infinite number is the text that JavaScript
    prints. Skips the test where there is no JavaScript.
    """
    if not (NODE or CHROMIUM):
        pytest.skip("neither node nor chromium is installed")
    names = ", ".join(dict.fromkeys(name for name, _ in calls))
    script = f"{code}\nconst functions = {{ {names} }};\nconst calls = {json.dumps(calls)};\n{_TAIL}"
    run = run or (in_node if NODE else in_chromium)
    return json.loads(run(script, folder))


def in_node(script, folder):
    """What the script leaves in `answers`, computed by node."""
    path = folder / "script.js"
    path.write_text(f"{script}\nprocess.stdout.write(answers);\n", encoding="utf-8")
    return subprocess.run([NODE, str(path)], capture_output=True, text=True, check=True, timeout=120).stdout


def in_chromium(script, folder):
    """What the script leaves in `answers`, computed by the browser's own engine."""
    path = folder / "script.html"
    page = f"<pre id=out></pre><script>{script}\nout.textContent = answers;</script>"
    path.write_text(f"<!doctype html><meta charset=utf-8>{page}", encoding="utf-8")
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()]
    environment = {**os.environ, "HOME": str(folder)}
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    shown = run.stdout.split('<pre id="out">')[1].split("</pre>")[0]
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
