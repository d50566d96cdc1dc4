"""The documentation matches the code: generated pages are current and links resolve."""

import importlib.util
import re
import subprocess
import sys

import pytest
from repository import ROOT

DOCS = ROOT / "docs"


def generated():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_generated_pages_are_current():
    for name, text in generated().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, f"{name} is out of date: run python docs/generate.py"


def test_theorems_command_prints_the_page():
    command = [sys.executable, "-m", "localist", "theorems", "--markdown"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, encoding="utf-8").stdout
    assert printed == (DOCS / "theory.md").read_text(encoding="utf-8")


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
NAMED = re.compile(
    r"`((?:theory|proofs_check|empirical|figures|localist|tests|docs|examples)/[\w./]*)`|\]\(([^)#:]+)\)"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_by_a_page_exist(page):
    named = [path or linked for path, linked in NAMED.findall(page.read_text(encoding="utf-8"))]
    missing = [name for name in named if not ((ROOT / name).exists() or (page.parent / name).exists())]
    assert missing == []


def test_architecture_page_names_every_folder():
    rooms = {
        f"{path.parent.relative_to(ROOT)}/"
        for package in ("theory", "proofs_check", "empirical", "figures", "localist")
        for path in (ROOT / package).rglob("__init__.py")
    }
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    within = {"proofs_check/inequalities/replay/", "proofs_check/inequalities/search/"}
    assert {room for room in rooms if f"`{room}`" not in page} == within
