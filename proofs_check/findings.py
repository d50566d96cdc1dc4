"""The file of evidence of one statement: what was found at a cost that is not spent again whenever a page is written.

Certificates are replayed and the kernel's record is compared with today's propositions and proofs before either counts.
The screen and the search for the tightest row are measurements: they are kept as they were recorded, and can only count
against a statement. What is cheap, the symbolic and the random method, is not kept but done again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from proofs_check.inequalities.verdict import Verdict
from theory.errors import InputError
from theory.files import read_json, read_text, write_text_atomically

FORMAT: Literal["localist evidence 3"] = "localist evidence 3"
_ANY_FORMAT = "localist evidence "

Count = Annotated[int, Field(ge=0)]
Measured = Annotated[FiniteFloat, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Effort(_Strict):
    """Rows screened in floats, seconds of interval search for each lemma, and the seed."""

    samples: Measured = 1e6
    seconds_per_lemma: Measured = 20.0
    seed: Count = 0


class Screened(_Strict):
    """What the screen found: rows thrown, suspicious ones, those decided exactly, those left, and its speed."""

    verdict: Verdict
    clean: bool
    rows: Count
    suspicious: Count
    decided: Count
    left: Count
    rows_per_second: Count
    softmax_ratio: Measured | None
    counterexample: str | None


class Tightest(_Strict):
    """The largest ratio of a clause's two sides that a search found, with its row and the verdict there."""

    clause: str
    tightness: FiniteFloat | None
    verdict: Verdict
    row: str | None


class LemmaFound(_Strict):
    """What the interval method found of one lemma; `certificate` if it proved it."""

    lemma: str
    because: str
    verdict: Verdict
    reason: str
    certificate: dict[str, Any] | None


class Evidence(_Strict):
    """The whole file."""

    id: str
    format: Literal["localist evidence 3"]
    statement_sha256: str
    effort: Effort
    screen: Screened | None
    adversarial: list[Tightest] | None
    interval: list[LemmaFound]
    kernel: dict[str, Any] | None = None


def path_of(key: str, folder: Path) -> Path:
    """Where the evidence of the statement with that id lies."""
    return folder / f"{key}.json"


def read(path: Path) -> Evidence | str:
    """The evidence in a file, or the reason for which it is stale.

    Raises `InputError` for a file that is no evidence of this toolkit, of whatever form.
    """
    document = read_json(path)
    form = document.get("format")
    if not isinstance(form, str) or not form.startswith(_ANY_FORMAT):
        raise InputError(f"{path} must be evidence of this toolkit: its format is {str(form)[:80]!r}")
    if form != FORMAT:
        return f"{path.name} is of the form {form[:80]!r}, today's is {FORMAT!r}"
    try:
        return Evidence.model_validate_json(read_text(path))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{path.name} is not in today's form: {'.'.join(map(str, first['loc']))}: {first['msg']}"


def write(evidence: Evidence, path: Path) -> None:
    """Write the file in one move, each certificate on a line of its own."""
    document = evidence.model_dump(mode="json")
    certificates = [lemma["certificate"] for lemma in document["interval"]]
    for lemma in document["interval"]:
        lemma["certificate"] = None
    head, *rest = json.dumps(document, indent=2).split('"certificate": null')
    for certificate, part in zip(certificates, rest, strict=True):
        head += f'"certificate": {json.dumps(certificate, sort_keys=True, separators=(",", ":"))}{part}'
    write_text_atomically(path, head + "\n")
