"""`certify` with a second opinion: a proved inequality is printed for Coq, and its kernel checks a proof by tactics.

The proposition and the whole file are generated, so only the axioms can hide anything: they are compared with a list.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import sympy
from sympy import Set, Symbol

from proofs_check.inequalities.points import exactly
from proofs_check.inequalities.search import interval
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.domains import filled
from proofs_check.inequalities.search.findings import Certified, Finding, KernelCheck
from proofs_check.inequalities.search.pool import finite
from proofs_check.kernel.build import (
    ALLOWED,
    LIBRARY,
    MACHINE_INTEGERS,
    Build,
    CoqError,
    CoqMissing,
    assumed,
    coq_version,
)
from proofs_check.kernel.kinds import FOLDER
from proofs_check.kernel.printing import expression_to_coq
from theory.files import read_text
from theory.lowering import UnknownNode

SECONDS = 60.0
SECONDS_PER_TACTIC = 10.0
# A difference with more operations is not factored, which could take very long.
_WRITTEN_OUT = 200
_INTERVAL = "From Interval Require Import Tactic.\n"
_LISTED = f"From {LIBRARY} Require Certified.\nPrint Assumptions {LIBRARY}.Certified.certified.\n"
_NO_COQ = "coqc is not installed: Debian's packages coq and libcoq-interval have it"


def certify(
    claim: Any,
    domain: Mapping[Symbol, Set],
    *,
    boxes: int = interval.BOXES,
    precision: int = interval.PRECISION,
    seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    kernel: bool = False,
) -> Finding:
    """Decides `Le`, `Lt`, `Ge` or `Gt` over a box: one `Interval` per letter, open, half open or infinite.

    Sums between numbers are written out, and the certificate states them so. `boxes` bounds the boxes examined, over
    all ways tried. `seconds` bounds the whole search, even inside sympy or Arb: it runs in a worker process that is
    killed at the limit and whose first start takes about a second more. Without `seconds` the search runs in this
    process and may take very long. An error inside sympy is UNDECIDED.

    With `kernel`, a proved claim is printed as a proposition of Coq, and `found.kernel` says which tactic proved it and
    from which axioms, or why it was not checked: PROVED then rests on the certificate alone. Coq gets what is left of
    `seconds`, at most a minute, and each tactic 10 s.

    Raises `DomainError` for a claim or a domain without interval rules, for a letter whose sympy assumptions do not
    hold on all of its interval, and for an invalid budget; `InputError` if no worker process can be started.

    >>> from sympy import Interval, exp, symbols
    >>> x = symbols("x", real=True)
    >>> certify(exp(x) >= 1 + x, {x: Interval(-10, 10)}).verdict
    <Verdict.PROVED: 'proved'>
    >>> certify(exp(x) > 1 + x, {x: Interval(-10, 10)}).point
    {'x': Fraction(0, 1)}
    """
    begun = time.perf_counter()
    found = interval.certify(claim, domain, boxes=boxes, precision=precision, seconds=seconds, progress=progress)
    if not kernel or not isinstance(found, Certified):
        return found
    left = SECONDS if seconds is None else min(SECONDS, seconds - (time.perf_counter() - begun))
    return replace(found, kernel=ask(claim, domain, left))


def ask(claim: Any, domain: Mapping[Symbol, Set], seconds: float = SECONDS) -> KernelCheck:
    """Tries to have Coq's kernel check the claim within the time; if it does not, the result says why."""
    deadline, version = time.perf_counter() + seconds, coq_version()
    try:
        proposition, tactics = inequality_to_coq(claim, domain), _tactics(claim, domain)
    except UnknownNode as error:
        return KernelCheck(coq=version, reason=str(error))
    unchecked = KernelCheck(proposition, coq=version)
    if version is None:
        return replace(unchecked, reason=_NO_COQ)
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="localist-certified-") as place:
        build = Build(FOLDER, Path(place))
        for name, (library, proof) in tactics.items():
            left = max(deadline - time.perf_counter(), 0.0)
            try:
                build.compile("Certified", _theorem(library, proposition, proof), min(left, SECONDS_PER_TACTIC))
            except CoqMissing:
                failed.append(f"{name} (its library is missing)")
                continue
            except CoqError as error:
                failed.append(f"{name} (out of time)" if "not compiled within" in str(error) else name)
                continue
            try:
                # Coq lists the axioms of a proof by the Interval library in about 5 s.
                entries = assumed(build.compile("Listed", _LISTED, max(deadline - time.perf_counter(), 0.0)))
            except CoqError as error:
                return replace(unchecked, reason=f"what {name} rests on could not be listed: {error}")
            axioms = tuple(sorted(entry.split(" : ")[0] for entry in entries))
            if others := [axiom for axiom in axioms if axiom not in {*ALLOWED, *MACHINE_INTEGERS}]:
                return replace(unchecked, reason=f"{name} rests on the axiom {others[0]!r}, which is not allowed")
            return replace(unchecked, tactic=name, axioms=axioms)
    return replace(unchecked, reason=f"no tactic proved it: {', '.join(failed)}")


def _theorem(library: str, proposition: str, proof: str) -> str:
    return f"{library}{read_text(FOLDER / 'Tactics.v')}\nTheorem certified : {proposition}.\nProof. {proof}. Qed.\n"


def inequality_to_coq(claim: Any, domain: Mapping[Symbol, Set]) -> str:
    """The claim over its box as a proposition of Coq, an integer letter as a real one.

    Raises `UnknownNode` for a node that Coq's library of real numbers does not define, and as `certify` does.
    """
    names, sides = _names(domain), filled(claim, domain)
    smaller, bigger = (expression_to_coq(side, names) for side in _sides(claim))
    sign = "<" if claim.rel_op in ("<", ">") else "<="
    ranges = [text for letter, side in sides.items() if (text := _range(names[letter], side))]
    bound = f"forall {' '.join(names.values())} : R, " if names else ""
    return bound + " -> ".join([*ranges, f"{smaller} {sign} {bigger}"])


def _sides(claim: Any) -> list[Any]:
    return [exactly(finite(side)) for side in (claim.lts, claim.gts)]


def _names(domain: Mapping[Symbol, Set]) -> dict[Symbol, str]:
    # No name of Coq's library that a proposition uses has this form, except R.
    plain = re.compile(r"(?!R$)[a-zA-Z]\d*")
    return {x: x.name if plain.fullmatch(x.name) else f"v_{i}" for i, x in enumerate(domain, 1)}


def _range(name: str, side: Side) -> str:
    low, high = (
        None if end is None else expression_to_coq(sympy.Rational(end.numerator, end.denominator), {})
        for end in (side.low, side.high)
    )
    below = "" if low is None else f"{low} {'<' if side.low_open else '<='} "
    above = "" if high is None else f" {'<' if side.high_open else '<='} {high}"
    return f"{below}{name}{above}" if below or above else ""


def _tactics(claim: Any, domain: Mapping[Symbol, Set]) -> dict[str, tuple[str, str]]:
    """The tactics in the order in which they are tried: the library each requires, and the proof."""
    names, (smaller, bigger) = _names(domain), _sides(claim)
    known = [f"pose proof (pow2_ge_0 ({base})); " for base in _bases(bigger - smaller, names)]
    algebra = "".join([*known, "algebra"])
    tactics = {"nra": ("", f"start; cases; {algebra}"), "facts, nra": ("", f"start; cases; facts; {algebra}")}
    if names:
        cuts = ", ".join(f"i_bisect {name}" for name in names.values())
        begin, settings = f"start; compared; interval with ({cuts}", "i_prec 60, i_depth 20)"
        tactics["interval"] = (_INTERVAL, f"{begin}, {settings}")
        tactics["interval, Taylor"] = (_INTERVAL, f"{begin}, i_taylor {next(iter(names.values()))}, {settings}")
    return tactics


def _bases(difference: Any, names: Mapping[Symbol, str]) -> list[str]:
    """What to square for nra, which tries few squares itself: differences of letters, and factors of the difference."""
    found = [a - b for a, b in combinations(names, 2)]
    try:
        if difference.count_ops() < _WRITTEN_OUT:
            found += [base for base, _ in sympy.factor_list(sympy.fraction(sympy.together(difference))[0])[1]]
        return [expression_to_coq(base, names) for base in dict.fromkeys(found)]
    except (sympy.PolynomialError, UnknownNode):
        return []
