"""Certificates written by hand, valid or forged, with a correct hash and their own claim."""

from __future__ import annotations

import hashlib
import json

from sympy import (
    Ge,
    Gt,
    Integer,
    Interval,
    Rational,
    srepr,
    symbols,
)

from proofs_check.inequalities.replay import replay_bytes
from proofs_check.inequalities.search.certificates import FORMAT, statement_hash
from proofs_check.inequalities.search.claims import question_of
from proofs_check.inequalities.search.domains import sides_of

x, y, z, t = symbols("x y z t", real=True)
ZERO, HALF = Integer(0), Rational(1, 2)
UNIT, BOTH = Interval(0, 1), Interval(-1, 1)
ROW = {x: UNIT}
# The replay's reason for refusing a wrong sign.
SIGN = "does not have the sign claimed"


def spelt(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def leaf(method="direct", piece=0, faces=(), **details):
    return {"leaf": {"method": method, "piece": piece, "faces": list(faces), "details": details}, "precision": 64}


def above(expr, strict=False):
    return (Gt if strict else Ge)(expr, ZERO, evaluate=False)


def made(claim, domain, tree, forms=None, choices=None, changes=(), edit=None, aliases=()):
    """The replay's reason for refusing a certificate with these entries; empty if it accepts.

    `forms` maps slopes to expressions; the difference itself is a form of the value unless another is given.
    """
    sides = sides_of(claim, domain)
    question = question_of(claim, sides, tuple(changes))
    pool = question.pool
    written = {(): None, **(forms or {})}
    nodes = {slope: [question.difference if expr is None else pool.from_sympy(expr)] for slope, expr in written.items()}
    pairs = [[pool.from_sympy(a), pool.from_sympy(b)] for a, b in aliases]
    if tree.get("leaf", {}).get("details", {}).get("form") == 0:
        tree["leaf"]["details"]["form"] = nodes[()][0]
    chosen = {str(pool.from_sympy(kink)): side for kink, side in (choices or {}).items()}
    payload = {
        "format": FORMAT,
        "statement": {
            "srepr": srepr(claim),
            "sha256": statement_hash(claim, sides),
            "relation": question.relation,
            "lhs": question.lhs,
            "rhs": question.rhs,
            "domain": {symbol.name: side.to_json() for symbol, side in sides.items()},
        },
        "substitution": {change.letter: change.to_json() for change in changes},
        "nodes": [list(node) for node in pool.nodes],
        "difference": question.difference,
        "aliases": pairs,
        "pieces": [{"choices": chosen, "forms": [{"slope": list(s), "nodes": n} for s, n in nodes.items()]}],
        "tree": tree,
        "boxes": 1,
        "versions": {},
    }
    payload = json.loads(spelt(payload))
    if edit is not None:
        edit(payload)
        said = payload["statement"]
        said["sha256"] = hashlib.sha256(spelt([said["srepr"], said["domain"]]).encode()).hexdigest()
    digest = hashlib.sha256(spelt(payload).encode()).hexdigest()
    return replay_bytes((spelt({"payload": payload, "sha256": digest}) + "\n").encode()).reason
