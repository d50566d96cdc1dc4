"""Runs Coq: compiles the files of `proofs_check/kernel/coq/` in a separate folder, and reads what a theorem assumes.

Coq is optional. Debian 12 has it (8.16.1): `apt-get install --no-install-recommends coq libcoq-coquelicot`. Some
proofs need Coquelicot. With `libcoq-interval` the tests also compare the definitions with those of the other methods.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from theory.errors import InputError
from theory.files import read_text

# The library's name inside Coq.
LIBRARY = "Localist"
SECONDS_PER_FILE = 300.0
_REQUIRE = re.compile(rf"From\s+{LIBRARY}\s+Require\s+(?:Import\s+|Export\s+)?([^.]*)\.")
_CLOSED = "Closed under the global context"

# What a theorem may assume: the axioms of the standard library's classical reals, names and types as Coq prints them.
ALLOWED: Mapping[str, str] = {
    "ClassicalDedekindReals.sig_not_dec": "forall P : Prop, {~ ~ P} + {~ P}",
    "ClassicalDedekindReals.sig_forall_dec": (
        "forall P : nat -> Prop, (forall n : nat, {P n} + {~ P n}) -> {n : nat | ~ P n} + {forall n : nat, P n}"
    ),
    "FunctionalExtensionality.functional_extensionality_dep": (
        "forall (A : Type) (B : A -> Type) (f g : forall x : A, B x), (forall x : A, f x = g x) -> f = g"
    ),
    "Classical_Prop.classic": "forall P : Prop, P \\/ ~ P",
}

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


class CoqError(RuntimeError):
    """Coq refused a file: its message, on one line."""


class CoqMissing(CoqError):
    """Coq lacks a library that a file requires."""


def coq_version() -> str | None:
    """Version of the `coqc` on the path, None if there is none."""
    coqc = shutil.which("coqc")
    if coqc is None:
        return None
    told = subprocess.run([coqc, "--print-version"], capture_output=True, text=True, timeout=60, check=False)
    return told.stdout.split()[0] if told.returncode == 0 and told.stdout.split() else None


def closure(folder: Path, name: str) -> list[str]:
    """The file of that name and all files of the folder it requires, each after those it requires."""
    ordered: list[str] = []

    def visit(current: str, above: tuple[str, ...]) -> None:
        if current in above:
            raise InputError(f"{folder / current}.v requires itself, through {', '.join(above)}")
        if current in ordered:
            return
        for group in _REQUIRE.findall(read_text(folder / f"{current}.v")):
            for needed in group.split():
                visit(needed, (*above, current))
        ordered.append(current)

    visit(name, ())
    return ordered


class Build:
    """A folder to compile files in; each file of the source folder is compiled once."""

    def __init__(self, source: Path, target: Path) -> None:
        coqc = shutil.which("coqc")
        if coqc is None:
            raise InputError("coqc is not on the path (Debian: apt-get install --no-install-recommends coq)")
        self._coqc, self._source, self._target = coqc, source, target
        self._outcomes: dict[str, CoqError | None] = {}

    def require(self, name: str) -> None:
        """Compiles a file of the source folder and all it requires; raises `CoqError` if Coq refuses one."""
        for each in closure(self._source, name):
            if each not in self._outcomes:
                self._outcomes[each] = None
                try:
                    self.compile(each, read_text(self._source / f"{each}.v"))
                except CoqError as refusal:
                    self._outcomes[each] = refusal
            if (outcome := self._outcomes[each]) is not None:
                raise outcome

    def compile(self, name: str, text: str, seconds: float = SECONDS_PER_FILE) -> str:
        """Compiles a text under a module name and returns what Coq printed; raises `CoqError` if Coq refuses it."""
        path = self._target / f"{name}.v"
        path.write_text(text, encoding="utf-8")
        command = [self._coqc, "-q", "-Q", ".", LIBRARY, path.name]
        try:
            told = subprocess.run(
                command, cwd=self._target, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise CoqError(f"{name}.v: not compiled within {seconds:g} s") from None
        if "Cannot find a physical path" in " ".join(told.stderr.split()):
            raise CoqMissing(" ".join(told.stderr.split()))
        if told.returncode != 0:
            raise CoqError(" ".join(told.stderr.split()) or f"{name}.v: coqc exits {told.returncode}")
        return told.stdout


def assumed(printed: str) -> list[str]:
    """The entries that `Print Assumptions` lists, each `name : type` with single spaces; empty if it lists none.

    Raises `CoqError` if the text is not such a list.
    """
    text = printed.strip()
    if text == _CLOSED:
        return []
    first, *lines = text.splitlines() or [""]
    if first != "Axioms:" or not lines:
        raise CoqError(f"Print Assumptions printed {text[:200]!r}")
    entries: list[str] = []
    for line in lines:
        if line[:1].isspace() and entries:
            entries[-1] += " " + line
        else:
            entries.append(line)
    return [" ".join(entry.split()) for entry in entries]


def refused(assumptions: list[str]) -> list[str]:
    """The assumptions that are not allowed: another axiom, an admitted proof, a check that was switched off."""
    allowed = {f"{name} : {type_}" for name, type_ in ALLOWED.items()}
    return [entry for entry in assumptions if entry not in allowed]
