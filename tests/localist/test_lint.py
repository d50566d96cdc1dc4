"""Linting depends on the files that are linted alone, and on no folder that a command has made beside them."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from repository import ROOT

RUFF = Path(sysconfig.get_path("scripts")) / "ruff"


def lint(folder):
    command = [str(RUFF), "check", "--no-cache", "--select", "I", "tests"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path):
    """A checkout after `make demo`, and after somebody who names folders as the tests name their helpers."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "tests").glob("*.py"):
        (tmp_path / path.stem).mkdir()
    assert (tmp_path / "runs").is_dir()
    return tmp_path


def test_folders_beside_the_tests_change_nothing(checkout):
    done = lint(checkout)
    assert done.returncode == 0, done.stdout


def test_imports_out_of_order_are_found(checkout):
    (checkout / "tests" / "test_lint.py").write_text("import sys\nimport os\n\nprint(os, sys)\n")
    assert "I001" in lint(checkout).stdout


def test_the_setting_is_what_keeps_them_apart(checkout):
    settings = checkout / "pyproject.toml"
    settings.write_text(settings.read_text().replace("src = []\n", ""))
    assert lint(checkout).returncode == 1
