"""Recorded evidence, edited copies of it, and the standing that follows; shared by the tests of evidence."""

from __future__ import annotations

import json
from functools import cache

from repository import ROOT

from proofs_check.deciding.vacuity import check_vacuity
from proofs_check.evidence import ROWS, standing
from proofs_check.findings import Effort
from proofs_check.verification import verify
from theory.statements.catalogue import find

EVIDENCE = ROOT / "evidence"
EFFORT = Effort(samples=2000, seconds_per_lemma=20, seed=0)
HASH = "0" * 64
AXIOM = "A2.bad"


@cache
def recomputed(key):
    return verify(find(key), ROWS, 0), check_vacuity(find(key), 0)


def recorded(key):
    return json.loads((EVIDENCE / f"{key}.json").read_text())


def stands(key, document, folder):
    """The standing of a statement whose file of evidence is this document."""
    (folder / f"{key}.json").write_text(json.dumps(document))
    return standing(find(key), folder)


def edited(document, place, value):
    """A copy with one entry replaced or added; removed if the value is `...`."""
    copied = json.loads(json.dumps(document))
    target = copied
    for key in place[:-1]:
        target = target[key]
    if value is ...:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return copied
