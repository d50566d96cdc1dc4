"""The evidence file of one statement: findings that cost too much to repeat whenever a page is written.

Certificates are replayed, and the kernel's record is compared with today's propositions and proofs, before either
counts. The screen and the search for the tightest row are measurements: they are kept as recorded, and can only count
against a statement. The symbolic and the random method are cheap: they are run again, not kept.
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
    """Rows screened in floats, seconds of interval search per lemma, and the seed."""

    samples: Measured = 1e6
    seconds_per_lemma: Measured = 20.0
    seed: Count = 0


class Screened(_Strict):
    """The result of the screen: rows tried, suspicious, decided exactly and left, and its speed."""

    verdict: Verdict
    clean: bool
    rows: Count
    suspicious: Count
    decided: Count
    left: Count
    rows_per_second: Count
    counterexample: str | None


class Tightest(_Strict):
    """The largest ratio of a clause's two sides that a search found, with its row and the verdict there."""

    clause: str
    tightness: FiniteFloat | None
    verdict: Verdict
    row: str | None


class LemmaFound(_Strict):
    """The interval method's result on one lemma, with the certificate if it proved it."""

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
    """The path of the evidence of the statement with that id."""
    return folder / f"{key}.json"


def read(path: Path) -> Evidence | str:
    """The evidence in a file, or the reason why it is stale.

    Raises `InputError` for a file that is not evidence of this toolkit in any format version.
    """
    document = read_json(path)
    form = document.get("format")
    if not isinstance(form, str) or not form.startswith(_ANY_FORMAT):
        raise InputError(f"{path} must be evidence of this toolkit: its format is {str(form)[:80]!r}")
    if form != FORMAT:
        return f"{path.name} has the format {form[:80]!r}, today's is {FORMAT!r}"
    try:
        return Evidence.model_validate_json(read_text(path))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{path.name} is not in today's format: {'.'.join(map(str, first['loc']))}: {first['msg']}"


def write(evidence: Evidence, path: Path) -> None:
    """Writes the file atomically, each certificate on a line of its own."""
    document = evidence.model_dump(mode="json")
    certificates = [lemma["certificate"] for lemma in document["interval"]]
    for lemma in document["interval"]:
        lemma["certificate"] = None
    head, *rest = json.dumps(document, indent=2).split('"certificate": null')
    for certificate, part in zip(certificates, rest, strict=True):
        head += f'"certificate": {json.dumps(certificate, sort_keys=True, separators=(",", ":"))}{part}'
    write_text_atomically(path, head + "\n")
