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
from proofs_check.kernel.build import ALLOWED, Build, CoqError, CoqMissing, assumed, coq_version
from proofs_check.kernel.kinds import FOLDER
from proofs_check.kernel.printing import expression_to_coq
from theory.lowering import UnknownNode

SECONDS = 60.0
SECONDS_PER_TACTIC = 10.0
# A fraction with more operations is not brought over one denominator, which could take very long.
_WRITTEN_OUT = 200
# What the Interval library computes with: Coq's machine integers, and what its library takes for granted about them.
_OPERATIONS = (
    "add addc addcarryc addmuldiv compare div diveucl diveucl_21 eqb head0 int land leb lor lsl lsr ltb lxor mod mul "
    "mulc sub subc subcarryc tail0"
)
_LAWS = (
    "add_spec addc_def_spec addcarryc_def_spec addmuldiv_def_spec compare_def_spec div_spec diveucl_21_spec "
    "diveucl_def_spec eqb_correct eqb_refl head0_spec land_spec leb_spec lor_spec lsl_spec lsr_spec ltb_spec lxor_spec "
    "mod_spec mul_spec mulc_spec of_to_Z sub_spec subc_def_spec subcarryc_def_spec tail0_spec"
)
MACHINE_INTEGERS = {
    *(f"PrimInt63.{name}" for name in _OPERATIONS.split()),
    *(f"Uint63.{name}" for name in _LAWS.split()),
}
_NO_COQ = "coqc is not installed: Debian's packages coq and libcoq-interval have it"
_TACTICS = r"""
Ltac start := intros; repeat match goal with H : _ /\ _ |- _ => destruct H end;
  unfold Rpower, cosh, sinh, tanh in *.
Ltac cases := unfold Rmax, Rmin, Rabs in *; repeat match goal with
  | |- context [Rle_dec ?a ?b] => destruct (Rle_dec a b)
  | |- context [Rcase_abs ?a] => destruct (Rcase_abs a) end.
Ltac compared := repeat match goal with H : _ < _ |- _ => apply Rlt_le in H end;
  try apply Rminus_le; try apply Rminus_lt.
Ltac algebra := first [lra | nra].
Ltac facts := unfold Rdiv in *; repeat match goal with
  | |- context [/ ?t] => let P := fresh in let Q := fresh in assert (P : 0 < t) by algebra;
      assert (Q : t * / t = 1) by (apply Rinv_r; lra);
      pose proof (Rinv_0_lt_compat t P); generalize dependent (/ t); intros
  | |- context [exp ?t] => pose proof (exp_ineq1_le t); pose proof (exp_pos t); generalize dependent (exp t); intros
  | |- context [ln ?t] => let P := fresh in let Q := fresh in assert (P : 0 < t) by algebra;
      pose proof (exp_ineq1_le (ln t)) as Q; rewrite (exp_ln t P) in Q; generalize dependent (ln t); intros
  | |- context [sqrt ?t] => let P := fresh in assert (P : 0 <= t) by algebra;
      pose proof (sqrt_pos t); pose proof (sqrt_sqrt t P); generalize dependent (sqrt t); intros end.
Ltac over n d := let N := fresh in let D := fresh in let I := fresh in
  assert (D : 0 < d) by algebra; pose proof (Rinv_0_lt_compat d D) as I;
  match goal with
  | |- ?a <= ?b => assert (N : 0 <= n) by algebra; apply Rminus_le; pose proof (Rmult_le_pos n (/ d) N (Rlt_le _ _ I))
  | |- ?a < ?b => assert (N : 0 < n) by algebra; apply Rminus_lt; pose proof (Rmult_lt_0_compat n (/ d) N I)
  end;
  match goal with |- ?a - ?b <= 0 => replace (a - b) with (- (n * / d))
  | |- ?a - ?b < 0 => replace (a - b) with (- (n * / d)) end; [lra | field; repeat split; apply Rgt_not_eq; algebra].
"""


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
    `seconds`, or a minute, and each tactic 10 s.

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
    left = SECONDS if seconds is None else float(seconds) - (time.perf_counter() - begun)
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
        for name, (library, proof) in tactics.items():
            left = min(deadline - time.perf_counter(), SECONDS_PER_TACTIC)
            if left <= 0:
                failed.append("the time is up")
                break
            text = (
                f"From Coq Require Import Reals Lra Psatz.\n{library}\nOpen Scope R_scope.\n{_TACTICS}"
                f"Theorem certified : {proposition}.\nProof. {proof}. Qed.\nPrint Assumptions certified.\n"
            )
            try:
                printed = Build(FOLDER, Path(place)).compile("Certified", text, left)
                axioms = tuple(sorted(entry.split(" : ")[0] for entry in assumed(printed)))
            except CoqMissing:
                failed.append(f"{name} (its library is missing)")
            except CoqError:
                failed.append(name)
            else:
                if others := [axiom for axiom in axioms if axiom not in {*ALLOWED, *MACHINE_INTEGERS}]:
                    return replace(unchecked, reason=f"{name} rests on the axiom {others[0]!r}, which is not allowed")
                return replace(unchecked, tactic=name, axioms=axioms)
    return replace(unchecked, reason=f"no tactic proved it in time: {', '.join(failed)}")


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
    top, bottom = sympy.fraction(sympy.together(bigger - smaller))
    bases = [a - b for a, b in combinations(names, 2)]
    bases += [base for base, _ in sympy.factor_list(top)[1]] if top.count_ops() < _WRITTEN_OUT else []
    written = [f"({expression_to_coq(base, names)})" for base in dict.fromkeys(bases)]
    algebra = "".join(f"pose proof (pow2_ge_0 {base}); " for base in written) + "algebra"
    tactics = {"nra": ("", f"start; cases; {algebra}"), "facts, nra": ("", f"start; cases; facts; {algebra}")}
    if bottom.free_symbols and top.count_ops() < _WRITTEN_OUT:
        over = " ".join(f"({expression_to_coq(sympy.expand(each), names)})" for each in (top, bottom))
        squares = algebra.removesuffix("algebra")
        tactics["over one denominator, nra"] = ("", f"start; {squares}over {over}")
    if names:
        required, settings = "From Interval Require Import Tactic.", "i_prec 60, i_depth 20"
        cuts = ", ".join(f"i_bisect {name}" for name in names.values())
        tactics["interval"] = (required, f"start; compared; interval with ({cuts}, {settings})")
        first = next(iter(names.values()))
        tactics["interval, Taylor"] = (
            required,
            f"start; compared; interval with ({cuts}, i_taylor {first}, {settings})",
        )
    return tactics
