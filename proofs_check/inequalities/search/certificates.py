"""Certificates: JSON files that hold a whole proof by boxes, for another program to replay.

The bytes are canonical and end in a hash of the rest, so no byte can change unnoticed. A certificate is written whole
or not at all.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flint
import sympy
from sympy import Set, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.branching import Cell, Search
from proofs_check.inequalities.search.corners import Leaf
from proofs_check.inequalities.search.domains import sides_of
from proofs_check.inequalities.search.pieces import VALUE, Piece, Slope
from proofs_check.inequalities.search.substitution import CASES
from theory.errors import DomainError
from theory.files import write_bytes_atomically

FORMAT = "localist interval certificate 1"


@dataclass(frozen=True)
class Certificate:
    """The payload of a certificate; `statement` is the hash that ties it to one claim over one domain."""

    payload: Mapping[str, Any]

    @property
    def statement(self) -> str:
        """sha256 of the claim and its domain."""
        return str(self.payload["statement"]["sha256"])

    @property
    def document(self) -> dict[str, Any]:
        """What the file holds: the payload and its hash."""
        return {"payload": self.payload, "sha256": hashlib.sha256(_canonical(self.payload).encode()).hexdigest()}

    @property
    def boxes(self) -> int:
        """The number of boxes the search examined."""
        return int(self.payload["boxes"])

    def to_bytes(self) -> bytes:
        """The file: canonical JSON, the hash of the payload last."""
        return (_canonical(self.document) + "\n").encode()

    def write(self, path: Path) -> Path:
        """Writes the file atomically: an interruption leaves all of it or nothing."""
        write_bytes_atomically(path, self.to_bytes())
        return path


def statement_hash(claim: Any, sides: Mapping[Symbol, Side]) -> str:
    """sha256 of the claim, as sympy spells it, and of its domain."""
    domain = {symbol.name: side.to_json() for symbol, side in sides.items()}
    return hashlib.sha256(_canonical([sympy.srepr(claim), domain]).encode()).hexdigest()


def certificate_of(search: Search) -> Certificate:
    """The certificate of a search that settled every box."""
    if search.left or search.point is not None:
        raise ValueError("only a search that settled every box has a certificate")
    question, pool = search.question, search.question.pool
    slopes: list[set[Slope]] = [set() for _ in search.pieces]
    _collect(search.root, slopes)
    kept = [
        {slope: piece.nodes(slope) for slope in sorted(slopes[i])} if slopes[i] else {}
        for i, piece in enumerate(search.pieces)
    ]
    roots = [question.lhs, question.rhs, question.difference, *_named(search.root)]
    roots += [] if question.factor is None else [question.factor]
    roots += [index for forms in kept for indices in forms.values() for index in indices]
    used = set(pool.below(*roots))
    aliases = {node: others for node, others in pool.aliases.items() if node in used}
    roots += [other for others in aliases.values() for other in others]
    number = {old: new for new, old in enumerate(pool.below(*roots))}
    nodes = [pool.renamed(old, number) for old in sorted(number)]
    payload = {
        "format": FORMAT,
        "statement": {
            "srepr": sympy.srepr(question.claim),
            "sha256": statement_hash(question.claim, question.domain),
            "relation": question.relation,
            "lhs": number[question.lhs],
            "rhs": number[question.rhs],
            "domain": {name: side.to_json() for name, side in question.sides.items()},
        },
        "substitution": {each.letter: each.to_json() for each in question.changes if each.kind not in CASES},
        "nodes": nodes,
        "difference": number[question.difference],
        "aliases": [[number[node], number[other]] for node, others in sorted(aliases.items()) for other in others],
        "pieces": [_piece(piece, forms, number) for piece, forms in zip(search.pieces, kept, strict=True)],
        "tree": _tree(search.root, number),
        "boxes": search.boxes,
        "versions": {"python": platform.python_version(), "flint": flint.__version__, "sympy": sympy.__version__},
    }
    if question.by != "nothing" or question.factor is not None:
        factor = None if question.factor is None else number[question.factor]
        payload["through"] = {"by": question.by, "factor": factor}
    return Certificate(json.loads(_canonical(payload)))


def certificate_by_cases(cases: Any, boxes: int) -> Certificate:
    """The certificate of a tree of cases, each of which has a certificate of its own."""
    (proof, *_) = _proofs(cases)
    named = {"format": FORMAT, "statement": proof["statement"], "cases": cases, "boxes": boxes}
    return Certificate(json.loads(_canonical({**named, "versions": proof["versions"]})))


def _proofs(case: Any) -> list[Any]:
    return [case["proof"]] if "proof" in case else [each for part in case["parts"] for each in _proofs(part)]


def _named(cell: Cell) -> list[int]:
    """The nodes at which leaves below a cell expand."""
    at = "" if cell.leaf is None else str(cell.leaf.details.get("at"))
    own = [int(at.removeprefix("node "))] if at.startswith("node ") else []
    return own + [index for part in cell.parts or () for index in _named(part)]


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _collect(cell: Cell, slopes: list[set[Slope]]) -> None:
    """Collects the derivatives that the leaves below a cell use, by piece."""
    for part in cell.parts or ():
        _collect(part, slopes)
    leaf = cell.leaf
    if leaf is None or leaf.piece < 0:
        return
    used = slopes[leaf.piece]
    used.add(VALUE)
    used.update(((name, 1),) for name, _ in leaf.faces)
    if leaf.method == "taylor":
        used.update(((leaf.details["letter"], order),) for order in range(1, leaf.details["order"] + 1))


def _piece(piece: Piece, forms: Mapping[Slope, list[int]], number: Mapping[int, int]) -> dict[str, Any]:
    return {
        "choices": {str(number[index]): side for index, side in piece.choices.items()},
        "forms": [
            {"slope": [list(step) for step in slope], "nodes": [number[index] for index in indices]}
            for slope, indices in forms.items()
        ],
    }


def _tree(cell: Cell, number: Mapping[int, int]) -> dict[str, Any]:
    if cell.parts is not None and cell.either is not None:
        return {"either": number[cell.either], "parts": [_tree(part, number) for part in cell.parts]}
    if cell.parts is not None and cell.cut is not None:
        name, at, after = cell.cut
        return {"cut": [name, str(at), after], "parts": [_tree(part, number) for part in cell.parts]}
    assert cell.leaf is not None
    return {"leaf": _leaf(cell.leaf, number), "precision": cell.precision}


def _leaf(leaf: Leaf, number: Mapping[int, int]) -> dict[str, Any]:
    details = dict(leaf.details)
    if str(details.get("at")).startswith("node "):
        details["at"] = f"node {number[int(details['at'].removeprefix('node '))]}"
    if "form" in details:
        details["form"] = number[details["form"]]
    return {
        "method": leaf.method,
        "piece": leaf.piece,
        "faces": [list(face) for face in leaf.faces],
        "details": details,
    }


def speaks_of(certificate: Any, claim: Any, domain: Mapping[Symbol, Set]) -> bool:
    """Whether a certificate states that claim over that domain.

    The replay decides whether its nodes make that claim, and whether it holds.
    """
    try:
        sides = sides_of(claim, domain)
        return sides is not None and certificate["payload"]["statement"]["sha256"] == statement_hash(claim, sides)
    except (DomainError, KeyError, TypeError):
        return False
