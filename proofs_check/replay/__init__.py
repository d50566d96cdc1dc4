"""Goes through certificates again: `python -m proofs_check.replay DIR`. Shares no code with the search that wrote them.

A certificate holds if its bytes are canonical and hash to what they say; if every form it uses equals, by algebra, the
claim's difference or the derivative it stands for; if its boxes tile the domain; and if the argument of every box
holds when worked out anew in Arb.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs_check.replay.algebra import Unreadable
from proofs_check.replay.audit import Audit
from proofs_check.replay.boxes import Broken, spelt
from proofs_check.replay.ranges import Nowhere

FORMAT = "localist interval certificate 1"


@dataclass(frozen=True)
class Replayed:
    """Whether a certificate holds, why not, what it is about, and how many leaves were checked."""

    holds: bool
    reason: str
    statement: str = ""
    leaves: int = 0


def replay(path: Path) -> Replayed:
    """Check one certificate file; whatever is wrong with it makes it fail, never an error."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        return Replayed(False, f"cannot be read: {error}")
    return replay_bytes(raw)


def replay_bytes(raw: bytes) -> Replayed:
    """Check the bytes of a certificate."""
    try:
        payload = _opened(raw)
        audit = Audit(payload)
        leaves = audit.run()
        return Replayed(True, "", payload["statement"]["sha256"], leaves)
    except (Broken, Unreadable, Nowhere) as error:
        return Replayed(False, str(error))
    except Exception as error:
        # Fail closed: a certificate this program cannot follow proves nothing.
        return Replayed(False, f"malformed: {type(error).__name__}: {error}")


def _opened(raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Broken("a key appears twice")
        return found

    def refused(text: str) -> Any:
        raise Broken(f"{text} is not an exact number")

    document = json.loads(raw, object_pairs_hook=unique, parse_float=refused, parse_constant=refused)
    if set(document) != {"payload", "sha256"} or spelt(document) + "\n" != raw.decode("ascii"):
        raise Broken("the bytes are not in canonical form")
    payload = document["payload"]
    if hashlib.sha256(spelt(payload).encode()).hexdigest() != document["sha256"]:
        raise Broken("the hash does not match")
    if payload["format"] != FORMAT:
        raise Broken(f"format {payload['format']!r} must be {FORMAT!r}")
    return dict(payload)
