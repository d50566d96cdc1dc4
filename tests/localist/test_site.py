"""The site: a page per statement from its value and `CLAIMS.md`, a complete reference, links that lead somewhere."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest
from docutils.nodes import list_item
from repository import ROOT
from sphinx.errors import ExtensionError
from sympy import latex

from proofs_check.mutants.statement_mutants import mutants_of
from theory.errors import InputError
from theory.statements.catalogue import CATALOGUE

DOCS = ROOT / "docs"
CLAIMS = (ROOT / "CLAIMS.md").read_text(encoding="utf-8")


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


statement_pages, api_pages, example_pages = map(loaded, ("statement_pages", "api_pages", "example_pages"))
check_links, mathml, site_links = map(loaded, ("check_links", "mathml", "site_links"))
tutorial_outputs = loaded("tutorial_outputs")


SEVEN = ["Claim", "Figures", "Assumptions and letters", "Sharpness", "Derivation and source", "Status and evidence"]
SEVEN += ["In code"]


@pytest.fixture(scope="module")
def pages():
    return statement_pages.pages(statement_pages.read_claims(CLAIMS), ROOT / "records" / "figures")


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_statement_has_a_page_with_claim_and_status(pages, statement):
    page = pages[f"statements/{statement.id}.md"]
    assert page.startswith(f"# {statement.id} ")
    for clause in statement.claim:
        assert f"**{clause.name}**" in page
        assert f"$${latex(clause.holds)}$$" in page
    assert all(f"- {each.sentence}" in page for each in statement.assumptions)
    assert all(f". {step.because}" in page for step in statement.derive())
    assert page.count("Sharp in *") == len(statement.witnesses)
    assert f"Source: {statement.source}." in page
    status = re.search(rf"^\| {statement.id} \| [^|]* \| ([a-z-]+) \|", CLAIMS, re.MULTILINE)[1]
    assert f"Status: **{status}**" in page
    # Seven parts, none of them empty.
    parts = dict(re.findall(r"^## ([^\n]+)\n+(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(parts) == SEVEN
    assert all(each.strip() for each in parts.values())
    assert ("```{figure} ../../records/figures/" in parts["Figures"]) != ("No figure draws this" in parts["Figures"])
    assert re.search(r"Stated in \[`(theory/statements/[\w/]+\.py)`\]\(\.\./\.\./\1\)", parts["In code"])
    assert f"| mutants | {len(mutants_of(statement))} |" in page
    assert f"[{statement.id}]({statement.id}.md) | {statement.title} |" in pages["statements/index.md"]


def test_a_page_has_the_evidence_the_functions_and_their_doctests(pages):
    page = pages["statements/A2.md"]
    assert "| kernel | 5 clauses |" in page
    assert "(../../proofs_check/kernel/coq/A2.v)" in page
    assert "{py:obj}`leak_max <theory.numbers.bounds.leak_max>`: Largest leak" in page
    assert ">>> leak_max(n=8, m=2, separation=log(3))\n1/2\n" in page
    assert r"- $\sigma\left(x\right)$: `sigma(x) = 1/(1 + e^-x)`." in page
    assert "Cited: there is no derivation here." in pages["statements/G2.md"]


def test_a_figure_is_on_the_pages_of_its_statements(tmp_path):
    (tmp_path / "planted.svg").write_text("<svg/>")
    about = '{"statements": ["A1", "A2"], "caption": "Drawn rows (A2). A1 (softmax-identity): The soft margin."}'
    for name in ("depth", "anchors"):
        (tmp_path / f"{name}.svg").write_text("<svg/>")
        (tmp_path / f"{name}.json").write_text('{"statements": ["F1"], "caption": "It shows: much. And more."}')
    (tmp_path / "planted.json").write_text(about)
    (tmp_path / "unwritten.json").write_text(about)
    made = statement_pages.pages(statement_pages.read_claims(CLAIMS), tmp_path)
    assert {name for name, text in made.items() if "planted.svg" in text} == {
        f"statements/{name}.md" for name in ("A1", "A2", "figures")
    }
    gallery = made["statements/figures.md"]
    assert gallery.index("## Depth") < gallery.index("## Anchors") < gallery.index("## Planted")
    assert "depth.svg\n:alt: It shows: much.\n" in gallery
    assert "\n\nDrawn rows (A2).\n```" in made["statements/A1.md"]
    assert not any("unwritten" in text for text in made.values())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("| A2 | The leak", "| A99 | The leak", "A2, A99"), ("| H5 |", "H5", "H5")],
    ids=["unknown statement", "line missing"],
)
def test_claims_of_other_statements_are_refused(old, new, named):
    assert old in CLAIMS
    with pytest.raises(InputError, match=f"must be those of the catalogue; {named} differ"):
        statement_pages.read_claims(CLAIMS.replace(old, new))


def test_every_formula_becomes_mathml():
    for statement in CATALOGUE:
        for each in (*(clause.holds for clause in statement.claim), *(letter.domain for letter in statement.variables)):
            assert mathml.mathml(latex(each)).startswith("<math")


def test_a_subscript_of_letters_is_a_word():
    assert re.search(r"<mi[^>]*>mean</mi>", mathml.mathml(r"\delta_{mean}"))


def test_a_formula_that_cannot_be_converted_is_named():
    with pytest.raises(ExtensionError, match=r"'.*planted' cannot be converted"):
        mathml.mathml(r"\planted")


def test_the_reference_has_every_public_name():
    assert api_pages.undocumented() == set()
    modules = {each.module for each in statement_pages.numeric_functions() if re.search(r"\b[A-H]\d\b", each.summary)}
    assert modules - set(api_pages.MODULES["numbers"][2]) == set()


def test_a_name_that_the_reference_lacks_is_found(monkeypatch):
    monkeypatch.setitem(api_pages.NAMES, "Run files", ("read_run", "planted"))
    assert api_pages.undocumented() == {"parse_run", "check_run", "design_run", "planted"}


def test_every_example_has_a_page_with_its_code():
    scripts = sorted((ROOT / "examples").glob("*.py"))
    made = example_pages.pages(scripts, ROOT)
    assert len(made) == len(scripts) + 1
    page = made["examples/own_bound.md"]
    assert page.startswith("# Own bound\n\nIs your own bound true?")
    assert "assert found.verdict is localist.Verdict.PROVED" in page
    assert "[`examples/own_bound.py`](../../examples/own_bound.py)" in page
    assert "- [Own bound](own_bound.md): Is your own bound true?" in made["examples/index.md"]


def test_the_cells_of_a_tutorial_keep_their_order():
    cells = [
        "# ---\n# jupyter: x\n# ---\n",
        "[markdown]\n# # Title\n#\n# Words.\n",
        "\nx = 1\n",
        "[markdown]\n# End.\n",
    ]
    assert example_pages.page("\n# %% ".join(cells), "x") == "# Title\n\nWords.\n\n```python\nx = 1\n```\n\nEnd.\n"


def test_outputs_follow_their_cells_and_are_escaped():
    cells = ["", "[markdown]\n# # T\n", "\nx = 1\n", "[markdown]\n# W.\n", "\nx\n"]
    assert example_pages.page("\n# %% ".join(cells), "x", ["one\n", "two\n"]) == (
        "# T\n\n```python\nx = 1\n```\n\none\n\nW.\n\n```python\nx\n```\n\ntwo\n"
    )

    def stream(text, name="stdout"):
        return {"output_type": "stream", "name": name, "text": text}

    def result(**data):
        return {"output_type": "execute_result", "data": {key.replace("_", "/"): value for key, value in data.items()}}

    given = [stream("a"), stream("warned", "stderr"), stream("```\n"), result(text_html="<b>h</b>", text_plain="p")]
    printed, table, plain, picture = tutorial_outputs.shown(
        [*given, result(text_plain="<p>"), result(image_png="AA\n==", text_plain="<Figure>", text_html="no")]
    )
    assert printed == "````````````{code-block} text\n:class: output\n\na```\n````````````\n"
    assert '{raw} html\n<div class="output" tabindex="0">\n<b>h</b>\n</div>' in table
    assert "{code-block} text\n:class: output\n\n<p>\n" in plain
    assert '<img alt="Picture made by the code above: &lt;Figure&gt;" src="data:image/png;base64,AA==">' in picture


def test_a_tutorial_that_fails_fails_the_build(tmp_path):
    path = tmp_path / "planted.py"
    path.write_text("# %%\nprint(1)\n\n# %%\nassert 1 + 1 == 3\n", encoding="utf-8")
    with pytest.raises(ExtensionError, match=r"the tutorial planted\.py fails: AssertionError"):
        tutorial_outputs.executed(path)


def test_docstrings_are_read_as_markdown():
    given = ["`x` in s_ and |p|:", "- one", "  more `y`", "So.", "", ">>> f(`a`)", "a_", "", "b*"]
    assert site_links.to_rst(given) == [
        *(r"``x`` in s\_ and \|p\|:", "", "- one", "  more ``y``", "", "So.", "", ">>> f(`a`)", "a_", "", r"b\*")
    ]


@pytest.mark.parametrize(
    ("file", "page"),
    [
        ("docs/rules.md", "rules"),
        ("docs/tutorials/your_model.py", "examples/your_model"),
        ("examples/own_bound.py", "examples/own_bound"),
        ("examples/RUN.toml", ""),
    ],
)
def test_files_named_by_a_page_lead_to_their_pages(file, page):
    assert site_links._page(file) == page


def test_the_arrows_of_a_graph_are_listed():
    graph = "graph BT\n  a[first] --> b[second: all]\n  a --> c\n  c[third] --> b\n"
    found = [item.astext() for item in site_links._arrows(graph).findall(list_item)]
    assert found == ["first imports second: all, third", "third imports second: all"]


def test_links_without_file_or_anchor_are_found(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.html").write_text('<p id="here"><a href="../a.html#gone"></a><img src="no.png">')
    good = '<a href="sub/b.html#here"></a><a href="#top"></a><i id="top"></i><a href="https://a.invalid/x"></a>'
    (tmp_path / "a.html").write_text(f'{good}<a href="sub/c.html"></a>')
    assert check_links.broken(tmp_path) == [
        "a.html: no file for sub/c.html",
        "sub/b.html: no anchor for ../a.html#gone",
        "sub/b.html: no file for no.png",
    ]


def test_kept_pages_link_to_kept_files():
    """They are read on a forge too, where the generated folders are not."""
    for path in DOCS.glob("*.md"):
        assert not re.search(r"\]\((statements|api|examples|_extra)/", path.read_text(encoding="utf-8")), path.name


def test_every_kept_page_is_in_the_navigation():
    listed = set(re.findall(r"^[\w-]+$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    # The statements' index has the page of all statements.
    assert {path.stem for path in DOCS.glob("*.md")} - listed == {"index", "theory"}


def built(root):
    """Sphinx over a copy of the documentation, as `make docs` calls it; the tree is left as it is."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "-b", "html"]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command += ["-d", str(root / "doctrees"), str(root / "docs"), str(root / "site")]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment)


@pytest.fixture
def copied(tmp_path):
    for path in ROOT.iterdir():
        if path.name not in ("docs", "build", ".git", ".venv"):
            (tmp_path / path.name).symlink_to(path)
    skipped = shutil.ignore_patterns("statements", "api", "examples", "_extra", "__pycache__")
    shutil.copytree(DOCS, tmp_path / "docs", ignore=skipped)
    return tmp_path


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_its_links_lead_on(copied):
    done = built(copied)
    assert (done.returncode, done.stderr) == (0, "")
    assert check_links.broken(copied / "site") == []
    assert "<math" in (copied / "site" / "statements" / "A2.html").read_text(encoding="utf-8")
    model = (copied / "site" / "examples" / "your_model.html").read_text(encoding="utf-8")
    for said in ("rows that violate a bound: 0", "✓ no violation of a bound</b>", 'src="data:image/png;base64,'):
        assert said in model
    index = (copied / "site" / "index.html").read_text(encoding="utf-8")
    for name in ("first_threshold", "your_model", "your_bound"):
        assert f'href="examples/{name}.html"' in index
    for target in ("statements/A2.html", "statements/index.html", "statements/figures.html", "explorer.html"):
        assert f'<a class="reference internal" href="{target}"><span' in index, target
    assert 'href="explore.html"' in (copied / "site" / "explorer.html").read_text(encoding="utf-8")
    for path in (copied / "site").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', text), path.name


@pytest.mark.slow
def test_planted_broken_links_fail_the_build(copied):
    with (copied / "docs" / "index.md").open("a", encoding="utf-8") as file:
        file.write("\n[a](nowhere.md) [b](statements/A99.md) [c](glossary.md#nowhere)\n")
    done = built(copied)
    assert done.returncode != 0
    for target in ("nowhere.md", "statements/A99.md", "glossary"):
        assert re.search(rf"index\.md.*WARNING.*{re.escape(target)}", done.stderr), done.stderr
