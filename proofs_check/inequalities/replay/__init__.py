"""Replays certificates: `python -m proofs_check.inequalities.replay FILE-OR-FOLDER`.

It shares no code with the search that wrote them.

A certificate holds if its bytes are canonical and match their hash; if its nodes make the claim that it states; if
every form it uses equals, by algebra, the claim's difference or the derivative it stands for; if its boxes tile the
domain; and if the argument of every box holds when recomputed in Arb.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs_check.inequalities.replay.audit import Audit
from proofs_check.inequalities.replay.boxes import Broken, spelt
from proofs_check.inequalities.replay.cases import checked_cases
from proofs_check.inequalities.replay.quotients import Unreadable
from proofs_check.inequalities.replay.ranges import Nowhere

FORMAT = "localist interval certificate 1"
# The `format` of an evidence file, without its version number.
EVIDENCE = "localist evidence "


@dataclass(frozen=True)
class Replayed:
    """Whether a certificate holds: if so, the claim in words, its hash and the leaves checked; if not, the reason."""

    holds: bool
    reason: str
    claim: str = ""
    statement: str = ""
    leaves: int = 0


def replay(path: Path) -> Replayed:
    """Checks a file that holds one certificate; every defect is a failure, never an exception."""
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        return Replayed(False, f"cannot be read: {error}")
    return replay_bytes(raw)


def replay_document(document: Any) -> Replayed:
    """Checks a certificate that was read from JSON."""
    try:
        raw = (spelt(document) + "\n").encode("ascii")
    except Exception as error:
        return Replayed(False, f"malformed: {type(error).__name__}: {error}")
    return replay_bytes(raw)


def replay_bytes(raw: bytes) -> Replayed:
    """Checks the bytes of a certificate."""
    try:
        payload = _opened(raw)
        claim, leaves = _checked(payload) if "cases" not in payload else checked_cases(payload)
        return Replayed(True, "", claim, payload["statement"]["sha256"], leaves)
    except (Broken, Unreadable, Nowhere) as error:
        return Replayed(False, str(error))
    except Exception as error:
        # Fail closed: a certificate this program cannot follow proves nothing.
        return Replayed(False, f"malformed: {type(error).__name__}: {error}")


def replay_all(place: Path) -> list[tuple[str, Replayed]]:
    """The result for every certificate in a file or a folder, by name; an evidence file holds several.

    A file that is neither a certificate nor evidence fails, and so does a proved lemma without a certificate.
    """
    try:
        paths = sorted(place.rglob("*.json")) if place.is_dir() else [place]
    except OSError as error:
        return [(str(place), Replayed(False, f"cannot be read: {error}"))]
    return [found for path in paths for found in _in_file(path)]


def _in_file(path: Path) -> Iterator[tuple[str, Replayed]]:
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=_unique)
        if "payload" in document:
            yield str(path), replay(path)
            return
        if not document["format"].startswith(EVIDENCE):
            raise Broken("the file is neither a certificate nor evidence")
        lemmas = [(each["lemma"], each["verdict"], each["certificate"]) for each in document["interval"]]
    except Exception as error:
        reason = str(error) if isinstance(error, Broken | OSError) else f"malformed: {type(error).__name__}: {error}"
        yield str(path), Replayed(False, reason)
        return
    for name, verdict, certificate in lemmas:
        where = f"{path}, {name}"
        if (verdict == "proved") != (certificate is not None):
            has = "no" if certificate is None else "a"
            yield where, Replayed(False, f"the lemma is said to be {verdict} and has {has} certificate")
        elif certificate is not None:
            yield where, replay_document(certificate)


def _checked(payload: dict[str, Any]) -> tuple[str, int]:
    audit = Audit(payload)
    return audit.claim, audit.run()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Broken("a key appears twice")
    return found


def _opened(raw: bytes) -> dict[str, Any]:
    def refused(text: str) -> Any:
        raise Broken(f"{text} is not an exact number")

    document = json.loads(raw, object_pairs_hook=_unique, parse_float=refused, parse_constant=refused)
    if set(document) != {"payload", "sha256"} or spelt(document) + "\n" != raw.decode("ascii"):
        raise Broken("the bytes are not in canonical form")
    payload = document["payload"]
    if hashlib.sha256(spelt(payload).encode()).hexdigest() != document["sha256"]:
        raise Broken("the hash does not match")
    if payload["format"] != FORMAT:
        raise Broken(f"format {payload['format']!r} must be {FORMAT!r}")
    return dict(payload)
