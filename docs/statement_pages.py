"""The site's pages of the statements, one each, their index and the figures; `docs/site_pages.py` writes them.

A page's formulas, assumptions and derivation are those of `docs/theory.md`; its status is that of `CLAIMS.md`, which a
test compares with the evidence.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sympy import And, Function, latex, symbols

from figures.caption import first_sentence
from figures.names import NAMES
from proofs_check.mutants.statement_mutants import mutants_of
from proofs_check.statuses import Status
from theory import functions
from theory.errors import InputError
from theory.statement import Kind, Statement
from theory.statements import markdown
from theory.statements.catalogue import CATALOGUE

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "statements"
COQ = "proofs_check/kernel/coq"
GROUPS = {
    "A": "One attention row",
    "B": "Dial and penalty",
    "C": "When weights become zero",
    "D": "Anchors",
    "E": "Rules",
    "F": "Schedules",
    "G": "Results of others",
    "H": "Layers, and text not yet seen",
}
_KINDS = {
    Kind.IDENTITY: "an equality, or a condition that is necessary and sufficient",
    Kind.SHARP: "a bound that is attained: no smaller one is true",
    Kind.ONE_SIDED: "a bound that need not be attained",
    Kind.KNOWN: "a result of others, restated here",
}
_METHODS = ("kernel", "symbolic", "certified", "screened rows", "tightest clause")
_MEANINGS = {
    "kernel": "clauses whose proof Coq's kernel accepted, as recorded",
    "symbolic": "steps of the derivation that sympy decided",
    "certified": "inequalities among the steps that intervals proved over their whole domain",
    "screened rows": "random rows tried on every clause, as recorded",
    "tightest clause": "largest ratio of a clause's two sides that a search found, as recorded; 1 is equality",
}


@dataclass(frozen=True)
class Claim:
    """A statement's line in `CLAIMS.md`: its status, and what each method found."""

    status: Status
    found: Mapping[str, str]


@dataclass(frozen=True)
class NumericFunction:
    """A public function or class of `theory.numbers`, its summary, and its doctest."""

    module: str
    name: str
    summary: str
    example: str


def pages(claims: Mapping[str, Claim], figures: Path) -> dict[str, str]:
    """The text of every page by its path below `docs/`; `figures` is a folder of figures with their captions."""
    shown = pictures(figures)
    texts = {f"statements/{each.id}.md": page(each, claims[each.id], shown) for each in CATALOGUE}
    return {
        "statements/index.md": "\n".join(_index(claims)),
        "statements/claims.md": "```{include} ../../CLAIMS.md\n```\n",
        "statements/figures.md": _gallery(shown),
        **texts,
    }


def read_claims(text: str) -> dict[str, Claim]:
    """The lines of the page of claims by statement. Raises InputError unless they are those of the catalogue."""
    lines = re.findall(r"^\| ([A-Z]\d+) \|.*\| ([a-z-]+) \|" + r" ?(.*?) \|" * len(_METHODS) + "$", text, re.MULTILINE)
    claims = {key: Claim(Status(status), dict(zip(_METHODS, found, strict=True))) for key, status, *found in lines}
    known = {each.id for each in CATALOGUE}
    if unknown := sorted(claims.keys() ^ known):
        raise InputError(f"the statements of CLAIMS.md must be those of the catalogue; {', '.join(unknown)} differ")
    return claims


def page(statement: Statement, claim: Claim, shown: Sequence[Picture]) -> str:
    """The page of one statement, with those of the figures that show it."""
    evidence, code = _evidence(statement, claim), _code(statement, _functions(statement.id))
    lines = [*_head(statement, claim), *_claim(statement), *_figures(statement, shown)]
    return "\n".join([*lines, *_body(statement), *evidence, *code])


def _head(statement: Statement, claim: Claim) -> Iterator[str]:
    yield f"# {statement.id} {statement.name.replace('-', ' ')}\n"
    yield f"{statement.title}.\n"
    yield f"Status: **{claim.status.value}** ([evidence](#status-and-evidence))."
    yield f"Kind: **{statement.kind.value}**, {_KINDS[statement.kind]}.\n"


def _claim(statement: Statement) -> Iterator[str]:
    yield "## Claim\n"
    yield "Each clause has a name. The letters are explained [below](#assumptions-and-letters).\n"
    yield from markdown.claim(statement)
    yield ""


def _figures(statement: Statement, shown: Sequence[Picture]) -> Iterator[str]:
    """The figures that draw the statement, or else those of the statements next to it."""
    yield "## Figures\n"
    if own := [each.text for each in shown if statement.id in each.statements]:
        yield from own
        return
    yield "No figure draws this statement itself; [the figures](figures.md) draw others."
    near = {*statement.uses, *(each.id for each in CATALOGUE if statement.id in each.uses)}
    links = [
        f"[{each.name}](figures.md#{each.name}) ({_links([name for name in each.statements if name in near])})"
        for each in shown
        if near & set(each.statements)
    ]
    yield f"Those of statements that it uses or that use it: {', '.join(links)}.\n" if links else ""


def _body(statement: Statement) -> Iterator[str]:
    yield "## Assumptions and letters\n"
    yield from markdown.assumptions(statement)
    if named := list(_named(statement)):
        yield "\nFunctions in the claim:\n"
        yield from named
    yield "\n## Sharpness\n"
    yield f"{statement.kind.value.capitalize()}: {_KINDS[statement.kind]}.\n"
    yield from markdown.sharpness(statement)
    yield "\n## Derivation and source\n"
    steps = list(markdown.derivation(statement))
    if steps:
        yield "Symbolic algebra decides each step; how the steps combine is argued in words.\n"
    yield from steps or ["Cited: there is no derivation here."]
    yield f"\nSource: {statement.source}.\n"
    if statement.uses:
        yield f"Uses {_links(statement.uses)}.\n"
    if users := [each.id for each in CATALOGUE if statement.id in each.uses]:
        yield f"Used by {_links(users)}.\n"


def _named(statement: Statement) -> Iterator[str]:
    """The project's own functions that the claim names, with their definitions."""
    used = {type(each) for clause in statement.claim for each in And(clause.holds, clause.given).atoms(Function)}
    for kind in sorted(used, key=lambda kind: kind.__name__):
        if kind.__module__ == functions.__name__:
            letters = symbols("x y")[: next(iter(kind.nargs))]
            meaning = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
            yield f"- ${latex(kind(*letters))}$: {meaning}"


def _evidence(statement: Statement, claim: Claim) -> Iterator[str]:
    yield "## Status and evidence\n"
    yield f"**{claim.status.value}**: {claim.status.meaning}\n"
    yield from ("| method | found | meaning |", "|---|---|---|")
    yield from (f"| {name} | {found} | {_MEANINGS[name]} |" for name, found in claim.found.items() if found)
    yield f"| mutants | {len(mutants_of(statement))} | variants made false; every complete method must refute them |\n"
    if (ROOT / COQ / f"{statement.id}.v").exists():
        yield f"Coq's proof: [`{statement.id}.v`](../../{COQ}/{statement.id}.v).\n"
    yield "[The page of claims](claims.md) has every statement's status. Decide this one again:\n"
    yield f"```sh\nlocalist verify {statement.id}             # symbolic and random"
    yield f"localist verify {statement.id} --strict    # with the evidence on file; replays its certificates"
    yield f"localist verify --mutants {statement.id}   # which methods refute its mutants\n```\n"


def _code(statement: Statement, numeric: Sequence[NumericFunction]) -> Iterator[str]:
    yield "## In code\n"
    home = Path(inspect.getfile(statement.derive)).relative_to(ROOT).as_posix()
    yield f"Stated in [`{home}`](../../{home}). As a value, with the claim as LaTeX:\n"
    yield f'```python\nfrom theory.statements.catalogue import find\n\nfind("{statement.id}").to_latex()\n```\n'
    for each in numeric:
        yield f"{{py:obj}}`{each.name} <{each.module}.{each.name}>`: {each.summary}\n"
        if each.example:
            yield f"```pycon\n{each.example}\n```\n"
    if not numeric:
        yield "No function of `theory.numbers` evaluates it.\n"


def _index(claims: Mapping[str, Claim]) -> Iterator[str]:
    yield "# Statements\n"
    yield "A statement is a theorem as a value: its formulas, derivation, numeric functions and pages follow from it.\n"
    counts = {status: sum(claim.status is status for claim in claims.values()) for status in Status}
    yield f"Of {len(claims)} statements,\n"
    yield from (f"- **{count} {status.value}**: {status.meaning}" for status, count in counts.items() if count)
    yield "\n[The page of claims](claims.md) lists what each method found; [the statements on one page](../theory.md)"
    yield "are for printing. The [glossary](../glossary.md) defines the words.\n"
    for letter, title in GROUPS.items():
        yield f"## {letter}: {title}\n"
        yield from ("| | statement | kind | status |", "|---|---|---|---|")
        inside = [each for each in CATALOGUE if each.id[0] == letter]
        for each in inside:
            link = f"[{each.id}]({each.id}.md)"
            yield f"| {link} | {each.title} | {each.kind.value} | {claims[each.id].status.value} |"
        yield "\n```{toctree}\n:hidden:\n\n" + "\n".join(each.id for each in inside) + "\n```\n"
    yield "```{toctree}\n:hidden:\n\nclaims\n../theory\n```\n"


def _links(ids: Sequence[str]) -> str:
    return ", ".join(f"[{each}]({each}.md)" for each in ids)


@dataclass(frozen=True)
class Picture:
    """A committed figure: its name, the statements that it shows, and its directive with the caption."""

    name: str
    statements: tuple[str, ...]
    text: str


def pictures(folder: Path) -> list[Picture]:
    """The figures of a folder in the order in which they are read, from the descriptions beside the pictures."""
    # One that no command draws comes last.
    paths = sorted(folder.glob("*.json"), key=lambda path: ([*NAMES, path.stem].index(path.stem), path.stem))
    return [_picture(path) for path in paths if path.with_suffix(".svg").exists()]


def _picture(path: Path) -> Picture:
    about = json.loads(path.read_text(encoding="utf-8"))
    ids = tuple(about["statements"])
    # The caption ends with the titles of the statements, which have pages of their own.
    caption = re.split(rf" (?=(?:{'|'.join(ids)}) \()", about["caption"])[0] if ids else about["caption"]
    place = Path(os.path.relpath(path.with_suffix(".svg"), PAGES)).as_posix()
    return Picture(path.stem, ids, f"```{{figure}} {place}\n:alt: {first_sentence(caption)}\n\n{caption}\n```\n")


def _gallery(shown: Sequence[Picture]) -> str:
    lines = [
        "# Figures\n",
        "Each is drawn from the theory and from recorded rows by `localist figures`, which says more",
    ]
    lines.append("under [its commands](../commands.md). Captions say what is proved and what is measured.\n")
    for each in shown:
        lines += [f"## {each.name.capitalize()}\n", each.text]
        lines += [f"Statements: {_links(each.statements)}.\n"] if each.statements else []
    return "\n".join(lines)


def _functions(key: str) -> list[NumericFunction]:
    """The functions whose summary names the statement, such as `(A2)`."""
    return [each for each in numeric_functions() if re.search(rf"\b{key}\b", each.summary)]


@cache
def numeric_functions() -> tuple[NumericFunction, ...]:
    """Every public function and class of `theory.numbers`, read without importing them."""
    paths = sorted((ROOT / "theory" / "numbers").glob("*.py"))
    return tuple(each for path in paths for each in _defined(path))


def _defined(path: Path) -> Iterator[NumericFunction]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            text = inspect.cleandoc(ast.get_docstring(node) or "")
            summary, _, rest = text.partition("\n")
            yield NumericFunction(f"theory.numbers.{path.stem}", node.name, summary, _example(rest))


def _example(text: str) -> str:
    """The doctest in the rest of a docstring: from the first prompt to the end of its paragraph."""
    parts = [part for part in text.split("\n\n") if part.strip().startswith(">>>")]
    return "\n\n".join(parts).strip()
