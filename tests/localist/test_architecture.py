"""Rules of the code base: allowed imports, documented public names, no execution of untrusted data."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from itertools import chain

from repository import ROOT

from theory.statements.catalogue import CATALOGUE

PACKAGES = ("theory", "proofs_check", "empirical", "figures", "localist")
MAY_IMPORT = {
    "theory": {"theory"},
    "proofs_check": {"theory", "proofs_check"},
    "empirical": {"theory", "empirical"},
    "figures": {"theory", "proofs_check", "empirical", "figures"},
    "localist": set(PACKAGES),
}
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def breaches(found):
    """What each module has that it must not have; modules without a breach are left out."""
    each = ((str(path.relative_to(ROOT)), set(found(path))) for path in MODULES)
    return {name: wrong for name, wrong in each if wrong}


def test_planted_breach_is_named():
    assert breaches(lambda path: path.stem * (path.stem == "cli")) == {"localist/cli.py": {*"cli"}}


def test_packages_import_only_packages_below():
    def above(path):
        return set(imports(parsed(path))) & set(PACKAGES) - MAY_IMPORT[path.relative_to(ROOT).parts[0]]

    assert len(MODULES) > 100
    assert breaches(above) == {}


def test_theory_imports_no_torch_and_nothing_imports_pickle():
    def barred(path):
        names = {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
        if path.relative_to(ROOT).parts[0] == "theory":
            names |= {"torch", "matplotlib", "transformers"}
        return names & set(imports(parsed(path)))

    assert breaches(barred) == {}


def test_public_names_have_docstrings():
    def bare(path):
        tree = parsed(path)
        public = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        ]
        return [getattr(node, "name", "the module") for node in (tree, *public) if not ast.get_docstring(node)]

    assert breaches(bare) == {}


def test_imported_libraries_are_declared():
    """A library installed only as a dependency of another may be missing after that one's next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {re.split(r"[^\w-]", each)[0].replace("-", "_").lower() for each in wanted}
    ours = set(PACKAGES)
    named = {"flint": "python_flint", "mpl_toolkits": "matplotlib", "re2": "google_re2", "z3": "z3_solver"}

    def undeclared(path):
        used = {named.get(name, name) for name in imports(parsed(path))}
        return used - declared - ours - sys.stdlib_module_names

    assert breaches(undeclared) == {}


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


BY_NAME = {dotted(path): path for path in MODULES}


def imported_modules(path):
    """The project's modules that a module imports when it runs, wherever in it."""
    tree = parsed(path)
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    idle = {id(each) for block in typing for each in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in idle:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in BY_NAME else node.module


def folder_imports(modules):
    """The other folders that each folder's modules import."""
    found = {}
    for name, path in modules.items():
        for other in set(imported_modules(path)) & set(BY_NAME) - {name}:
            if BY_NAME[other].parent != path.parent and path.name != "__init__.py":
                found.setdefault(path.parent, set()).add(BY_NAME[other].parent)
    return found


def test_no_two_folders_import_each_other():
    found = folder_imports(BY_NAME)
    assert [(a, b) for a, others in found.items() for b in others if a in found.get(b, ())] == []


def test_planted_folder_circle_is_found():
    planted = folder_imports({"theory.numbers.planted": ROOT / "theory" / "design" / "grid.py"})
    assert ROOT / "theory" / "numbers" in planted[ROOT / "theory" / "design"]


def test_no_import_circle():
    below = {name: set(imported_modules(path)) & set(BY_NAME) - {name} for name, path in BY_NAME.items()}
    while below:
        free = {name for name, others in below.items() if not others & set(below)}
        assert free, f"import circle among {sorted(below)}"
        below = {name: others for name, others in below.items() if name not in free}


def test_folders_have_at_most_25_modules():
    counts = {}
    for path in MODULES:
        counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 25} == {}


def test_inequalities_import_nothing_about_attention():
    allowed = {"theory.booleans", "theory.errors", "theory.files", "theory.functions", "theory.lowering"}
    allowed |= {"theory.display", "theory.mathml"}
    for path in sorted((ROOT / "proofs_check" / "inequalities").rglob("*.py")):
        used = {name for name in imported_modules(path) if name.split(".")[0] in PACKAGES}
        ours = {name for name in used if name.startswith("proofs_check.inequalities")}
        assert used - ours <= allowed, path


def test_imports_finds_a_forbidden_import():
    assert "empirical" in set(imports(ast.parse("from empirical.model import build_model")))


def test_statement_ids_are_unique_and_uses_exist():
    ids = [statement.id for statement in CATALOGUE]
    assert len({*ids, *(statement.name for statement in CATALOGUE)}) == 2 * len(ids)
    for statement in CATALOGUE:
        assert set(statement.uses) <= set(ids)
        # A cited result names its year.
        assert statement.source.startswith("own") or re.search(r"\b(1[89]|20)\d\d\b", statement.source)


def test_no_statement_uses_itself():
    uses = {statement.id: set(statement.uses) for statement in CATALOGUE}

    def below(key, seen=()):
        assert key not in seen, f"{key} rests on itself through {seen}"
        for lower in uses[key]:
            below(lower, (*seen, key))

    for key in uses:
        below(key)


def test_test_files_have_names_of_their_own():
    """pytest imports them by their names alone."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []
