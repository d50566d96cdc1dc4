"""The interval method: certifies an inequality of exponentials and logarithms over a whole box of reals, or refutes it.

Branch and bound with exact rational ends and Arb's outward rounding; where the two sides meet, exact local arguments.
A proof comes with a certificate that `proofs_check.inequalities.replay` has accepted, which shares no code with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sympy
from sympy import Set, Symbol

from proofs_check.inequalities.arguments import seconds_of, whole_number
from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.claims import check_claim
from proofs_check.inequalities.search.domains import sides_of
from proofs_check.inequalities.search.findings import Certified, Finding, Refuted, Undecided, Vacuous
from proofs_check.inequalities.search.limited import decide_within
from proofs_check.inequalities.search.pool import finite
from proofs_check.inequalities.search.search import Request, decide

__all__ = ["BOXES", "PRECISION", "Certified", "Finding", "Refuted", "Undecided", "Vacuous", "certify"]

BOXES = 20_000
PRECISION = 64


def certify(
    claim: Any,
    domain: Mapping[Symbol, Set],
    *,
    boxes: int = BOXES,
    precision: int = PRECISION,
    seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Finding:
    """Decides an inequality over a box, as `proofs_check.kernel.certified.certify` says of the same arguments."""
    if claim in (sympy.true, sympy.false, True, False):
        return Undecided(f"sympy evaluated the claim to {claim}: build it with evaluate=False", 0, 0.0, claim=claim)
    boxes, precision = whole_number("boxes", boxes, 0), whole_number("precision", precision, 2)
    seconds = None if seconds is None else seconds_of("seconds", seconds)
    sides = sides_of(claim, domain)
    if sides is None:
        return Vacuous(claim=claim)
    written = claim.func(*map(finite, claim.args), evaluate=False) if claim.has(sympy.Sum) else claim
    check_claim(written)
    request = Request(written, sides, boxes, precision)
    # A timer cannot count further: such a limit, of years, is ignored.
    if seconds is None or seconds > threading.TIMEOUT_MAX / 2:
        return replace(decide(request, None, progress), claim=claim)
    return replace(decide_within(request, seconds, progress), claim=claim)
