"""Linting depends only on the linted files, not on other folders in the checkout."""

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
    """A checkout with the folder of `make demo` and folders named like the tests' helpers."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "tests" / "shared").glob("*.py"):
        (tmp_path / path.stem).mkdir()
    assert (tmp_path / "runs").is_dir()
    return tmp_path


def test_other_folders_do_not_change_linting(checkout):
    done = lint(checkout)
    assert done.returncode == 0, done.stdout


def test_lint_finds_unsorted_imports(checkout):
    (checkout / "tests" / "test_lint.py").write_text("import sys\nimport os\n\nprint(os, sys)\n")
    assert "I001" in lint(checkout).stdout


def test_without_the_src_setting_other_folders_change_linting(checkout):
    settings = checkout / "pyproject.toml"
    settings.write_text(settings.read_text().replace("src = []\n", ""))
    assert lint(checkout).returncode == 1
