"""The kernel method: clauses are printed for Coq, records are checked, and planted errors are refused."""

import json
import shutil
from dataclasses import replace

import pytest
from repository import ROOT
from sympy import Function, Le, Symbol, exp

from proofs_check import kernel
from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel.build import Build, CoqError, assumed, closure, coq_version, refused
from proofs_check.kernel.claims import definitions, propositions, theorem_name
from proofs_check.kernel.kinds import COQ_KINDS
from proofs_check.kernel.printing import clause_to_coq
from proofs_check.mutants.mutations import changed, scaled_up
from proofs_check.mutants.statement_mutants import mutants_of
from theory.errors import InputError
from theory.lowering import UnknownNode
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.leak import LEAK_BOUND, SOFTMAX_IDENTITY
from theory.statements.penalty import PENALTY_DUALITY
from theory.symbols import d, eps

WITH_PROOFS = [statement for statement in CATALOGUE if kernel.has_proofs(statement)]
needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc, an optional program, is not installed")


EVIDENCE = ROOT / "evidence"
RECORDS = {
    statement.id: json.loads((EVIDENCE / f"{statement.id}.json").read_text(encoding="utf-8"))["kernel"]
    for statement in CATALOGUE
}


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "coq"
    shutil.copytree(kernel.FOLDER, folder)
    return folder


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("key", "clause", "expected"),
    [
        ("A2", "margin", "epsilon a <= Logistic (- d a - ln (m a / k a))"),
        ("A2", "exponential", "epsilon a <= k a * exp (- d a) / m a"),
        (
            "A3",
            "iff",
            "((Delta a >= ln (k a / m a) + Logit (1 - epsilon_target a)) <-> (epsilon a <= epsilon_target a))",
        ),
        ("A4", "one pair", "d a < 0 -> H a <= ln (k a + m a + exp (BinaryEntropy (Logistic (d a))) - 2)"),
        ("A5", "quadratic", "- H a + ln (k a + m a) <= (r a) ^ 2 / 8"),
        ("A6", "margin", "Rabs (delta a - delta_seen a) <= 2 * u a"),
        (
            "B1",
            "dial needed",
            "lambda a >= Rmax 0 (- F a * (1 - F_target a) / (F_target a * (1 - F a)) + 1) -> F_lambda a >= F_target a",
        ),
    ],
)
def test_a_clause_is_printed_as_a_proposition_of_coq(key, clause, expected):
    statement = find(key)
    assert clause_to_coq(statement, statement.clause(clause)) == f"forall a : row, possible a -> {expected}"


@pytest.mark.parametrize(
    "claim", [Le(eps, Function("mystery")(d)), Le(eps, Symbol("x")), Le(eps, exp(Symbol("d"))), Le(eps, d) | Le(d, eps)]
)
def test_what_has_no_meaning_in_coq_is_refused(claim):
    clause = replace(LEAK_BOUND.claim[0], holds=claim)
    with pytest.raises(UnknownNode, match="Coq has no"):
        clause_to_coq(LEAK_BOUND, clause)


def test_a_kind_without_definitions_is_refused():
    with pytest.raises(UnknownNode, match="a heap of sand"):
        clause_to_coq(replace(LEAK_BOUND, about="heap of sand"), LEAK_BOUND.claim[0])


def test_the_branches_of_lambert_w_print_differently():
    law = find("A5")
    text = clause_to_coq(law, law.clause("range needed"))
    assert text.endswith(
        "r a >= LambertW_0 (- (exp (H a - 1) / (k a + m a))) - LambertW_m1 (- (exp (H a - 1) / (k a + m a)))"
    )
    assert definitions(law) == ["Functions", "Lambert", "Lowest", "Row"]


def leaves_out_nothing(mutant):
    # Where Coq's definition leaves no room to break an assumption, there is no hypothesis to leave out.
    return any(f"{name!r} left out" in mutant.mutation for name in COQ_KINDS[mutant.statement.about].built_in)


def test_mutants_print_differently_from_their_statement():
    for statement in WITH_PROOFS:
        true = propositions(statement)
        for mutant in mutants_of(statement):
            (clause,) = mutant.statement.claim
            same = leaves_out_nothing(mutant)
            assert (clause_to_coq(mutant.statement, clause) == true.get(clause.name)) is same


@pytest.mark.parametrize("statement", WITH_PROOFS, ids=lambda s: s.id)
def test_the_record_is_about_todays_clauses_and_files(statement):
    found = kernel.recorded(statement, RECORDS[statement.id])
    assert (found.verdict, found.reason) == (Verdict.PROVED, "")
    assert found.record() == RECORDS[statement.id]


def test_every_statement_with_proofs_has_a_record():
    assert {key for key, record in RECORDS.items() if record} == {statement.id for statement in WITH_PROOFS}
    assert {"A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2", "B3", "B4"} <= {s.id for s in WITH_PROOFS}


def test_a_statement_without_record_is_undecided():
    found = kernel.recorded(find("G2"), None)
    assert found.verdict is Verdict.UNDECIDED
    assert "not been asked" in found.reason


@pytest.mark.parametrize("name", ["A2", "RowFacts", "Row", "Functions"])
def test_a_changed_file_makes_the_record_stale(copied, name):
    assert kernel.recorded(LEAK_BOUND, RECORDS["A2"], copied).verdict is Verdict.PROVED
    path = copied / f"{name}.v"
    path.write_text(path.read_text() + "\n")
    found = kernel.recorded(LEAK_BOUND, RECORDS["A2"], copied)
    assert found.verdict is Verdict.UNDECIDED
    assert f"{name}.v changed" in found.reason


def test_a_changed_clause_makes_the_record_stale():
    first, *others = LEAK_BOUND.claim
    other = replace(LEAK_BOUND, claim=(changed(first, scaled_up), *others))
    found = kernel.recorded(other, RECORDS["A2"])
    assert found.verdict is Verdict.UNDECIDED
    assert "clause margin changed" in found.reason


def test_a_record_without_its_file_of_proofs_does_not_count(copied):
    (copied / "A2.v").unlink()
    found = kernel.recorded(LEAK_BOUND, RECORDS["A2"], copied)
    assert found.verdict is Verdict.UNDECIDED
    assert "there is no file of proofs A2.v" in found.reason
    (copied / "A2.v").write_text("From Localist Require Import Gone.\n")
    assert "Gone.v" in kernel.recorded(LEAK_BOUND, RECORDS["A2"], copied).reason


# Planted in a copy of the proofs, and hashed anew, so that the text alone gives the forgery away.
@pytest.mark.parametrize(
    ("module", "old", "new", "told"),
    [
        ("A2", "Theorem soft_margin", "Theorem hard_margin", "A2.v has no theorem soft_margin"),
        ("A2", "Proof. exact epsilon_is_logistic. Qed.", "Admitted.", "A2.v says Admitted"),
        ("Row", "Definition ", "Axiom absurd : False. Definition ", "Row.v says Axiom"),
    ],
)
def test_missing_theorems_and_admitted_proofs_are_seen_without_coq(copied, module, old, new, told):
    path = copied / f"{module}.v"
    edit(path, old, new)
    record = RECORDS["A2"] | {"sha256": kernel.hashes(LEAK_BOUND, copied)}
    found = kernel.recorded(LEAK_BOUND, record, copied)
    assert found.verdict is Verdict.UNDECIDED
    assert told in found.reason


def test_a_record_with_open_clauses_is_undecided():
    record = RECORDS["A2"] | {"verdict": "undecided", "reason": "no", "open": {"margin": "no"}}
    record["proved"] = [name for name in RECORDS["A2"]["proved"] if name != "margin"]
    found = kernel.recorded(LEAK_BOUND, record)
    assert (found.verdict, found.open, found.reason) == (Verdict.UNDECIDED, {"margin": "no"}, "no")
    for lie in ({"verdict": "proved"}, {"reason": ""}):
        assert "with 1 clauses open" in kernel.recorded(LEAK_BOUND, record | lie).reason


def test_without_coq_a_check_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = kernel.check(LEAK_BOUND)
    assert found.verdict is Verdict.UNDECIDED
    assert "coqc is not installed" in found.reason
    assert found.coq is None
    assert kernel.recorded(LEAK_BOUND, RECORDS["A2"]).verdict is Verdict.PROVED


def test_a_missing_library_is_not_a_refused_proof(monkeypatch, tmp_path):
    coqc = tmp_path / "coqc"
    coqc.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --print-version ]; then echo 8.16.1 4.13.1; exit 0; fi\n'
        "echo 'Cannot find a physical path bound to logical path Coquelicot.' >&2; exit 1\n"
    )
    coqc.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = kernel.check(find("A5"))
    assert found.verdict is Verdict.UNDECIDED
    assert "a library of Coq's is missing" in found.reason
    # Without a version nothing is recorded.
    assert found.coq is None


CLASSIC = "Classical_Prop.classic : forall P : Prop, P \\/ ~ P"


@pytest.mark.parametrize(
    ("printed", "others"),
    [
        ("Closed under the global context\n", []),
        (f"Axioms:\n{CLASSIC}\n", []),
        ("Axioms:\nClassical_Prop.classic\n  : forall P : Prop,\n    P \\/ ~ P\n", []),
        (f"Axioms:\n{CLASSIC}\nmargin : 1 = 2\n", ["margin : 1 = 2"]),
        ("Axioms:\nClassical_Prop.classic : False\n", ["Classical_Prop.classic : False"]),
        ("Axioms:\nf is assumed to be guarded.\n", ["f is assumed to be guarded."]),
    ],
)
def test_only_the_classical_reals_may_be_assumed(printed, others):
    assert refused(assumed(printed)) == others


@pytest.mark.parametrize("printed", ["", "Axioms:\n", "Error: nothing\n", "Section Variables:\nx : R\n"])
def test_other_output_is_not_an_empty_list_of_assumptions(printed):
    with pytest.raises(CoqError):
        assumed(printed)


def test_files_come_after_those_they_require():
    ordered = closure(kernel.FOLDER, "A2")
    assert ordered[-1] == "A2"
    assert ordered.index("Functions") < ordered.index("Row") < ordered.index("RowFacts")


def test_files_that_require_each_other_are_refused(tmp_path):
    (tmp_path / "X.v").write_text("From Localist Require Import Y.\n")
    (tmp_path / "Y.v").write_text("From Localist Require Import X.\n")
    with pytest.raises(InputError, match="requires itself"):
        closure(tmp_path, "X")


def test_theorems_are_named_after_their_clauses():
    for statement in CATALOGUE:
        names = [theorem_name(clause.name) for clause in statement.claim]
        assert len(set(names)) == len(names)
        assert all(name.isidentifier() for name in names)


@pytest.mark.slow
@needs_coq
@pytest.mark.parametrize("statement", WITH_PROOFS, ids=lambda s: s.id)
def test_the_kernel_accepts_what_the_record_says(statement):
    found, kept = kernel.check(statement), kernel.recorded(statement, RECORDS[statement.id])
    assert (found.verdict, found.proved, found.axioms) == (kept.verdict, kept.proved, kept.axioms)
    assert found.coq == coq_version()


@pytest.mark.slow
@needs_coq
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # Planted in a copy of A2.v: a proof that is not there must not count as one.
        ("Proof. exact epsilon_is_logistic. Qed.", "Proof. Admitted.", "assumes A2.soft_margin"),
        (
            "Proof. exact epsilon_is_logistic. Qed.",
            "Axiom trust : forall P : Prop, P.\napply trust. Qed.",
            "assumes A2.trust",
        ),
        # A function of the file's own, under the name of the one that the claim means.
        (
            "Theorem soft_margin : forall a, possible a -> epsilon a = Logistic (- Delta a - ln (m a / k a)).\n"
            "Proof. exact epsilon_is_logistic. Qed.",
            "Definition Delta (a : row) := 0.\nDefinition epsilon (a : row) := Logistic (- Delta a - ln (m a / k a)).\n"
            "Theorem soft_margin : forall a, possible a -> epsilon a = Logistic (- Delta a - ln (m a / k a)).\n"
            "Proof. reflexivity. Qed.\nImport Row.",
            "has type",
        ),
        ("Theorem soft_margin", "Theorem hard_margin", "not found"),
    ],
)
def test_a_planted_error_is_refused(copied, old, new, told):
    edit(copied / "A2.v", old, new)
    found = kernel.check(LEAK_BOUND, copied)
    assert found.verdict is Verdict.UNDECIDED
    assert "soft margin" not in found.proved
    assert told in found.open["soft margin"]


@pytest.mark.slow
@needs_coq
def test_assumptions_that_nothing_meets_are_refused(copied):
    edit(copied / "Row.v", "block a <> [] /\\", "block a <> [] /\\ False /\\")
    found = kernel.check(SOFTMAX_IDENTITY, copied)
    assert found.verdict is Verdict.UNDECIDED
    assert found.proved == ()


@pytest.mark.slow
@needs_coq
@pytest.mark.parametrize(
    "statement",
    [LEAK_BOUND, PENALTY_DUALITY, *map(find, ("B5", "C2", "C3", "C5", "C7", "D1", "E1", "G2", "G4", "H3"))],
    ids=lambda s: s.id,
)
def test_no_mutant_is_proved_by_the_proof_of_the_true_statement(statement, tmp_path):
    mutants = [mutant for mutant in mutants_of(statement) if not leaves_out_nothing(mutant)]
    build = Build(kernel.FOLDER, tmp_path)
    assert mutants
    for mutant in mutants:
        found = kernel.check(mutant.statement, build=build)
        assert found.verdict is Verdict.UNDECIDED
        assert "has type" in found.open[mutant.statement.claim[0].name]
