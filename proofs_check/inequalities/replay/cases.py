"""Checks a certificate by cases: two letters in either order, or a letter on either side of a number.

Each case has a proof of its own, over letters in which it is a box. Shares no code with the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.replay.audit import Audit
from proofs_check.inequalities.replay.boxes import Broken

Given = list[tuple[str, Mapping[str, Any]]]


def checked_cases(payload: Mapping[str, Any]) -> tuple[str, int]:
    """The claim in words and the number of leaves checked; `Broken` unless all cases are proved and miss no point."""
    if set(payload) != {"format", "statement", "cases", "boxes", "versions"}:
        raise Broken("a certificate by cases has missing or unknown entries")
    claims: set[str] = set()
    waiting: list[tuple[Mapping[str, Any], Given]] = [(payload["cases"], [])]
    leaves = 0
    while waiting:
        case, given = waiting.pop()
        if set(case) == {"proof"}:
            proof = case["proof"]
            if proof["statement"]["sha256"] != payload["statement"]["sha256"] or proof["format"] != payload["format"]:
                raise Broken("a case is not one of the claim stated")
            audit = Audit(proof, given)
            leaves += audit.run()
            claims.add(audit.claim)
            continue
        name, cut, new = case["letter"], case["at"], case["new"]
        first, second = case["parts"]
        if "letter " + cut.removeprefix("letter ") == cut:
            other = cut.removeprefix("letter ")
            if other == name:
                raise Broken("a letter is compared with itself")
            ways = [(name, {"kind": "above", "other": other}), (other, {"kind": "above", "other": name})]
        else:
            ways = [(name, {"kind": "line", "shift": Fraction(cut), "sign": sign}) for sign in (1, -1)]
        for part, (letter, change) in zip((first, second), ways, strict=True):
            waiting.append((part, [*given, (letter, {**change, "new": new})]))
    (claim,) = claims
    return claim, leaves
