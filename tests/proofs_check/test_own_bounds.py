"""`localist verify FILE.py::NAME` and `@localist.bound`: a user's bounds, put to every method."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from repository import ROOT
from sympy import And, Eq, Equivalent, Ge, Implies, Le, Ne, Or, Symbol, gamma, log
from sympy import true as always

import localist
from localist import cli
from proofs_check import own_bounds
from proofs_check.findings import Effort
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.sampling import SamplingResult
from proofs_check.own_bounds import decide, statement_of
from proofs_check.statuses import Status
from theory.errors import DomainError, InputError
from theory.statement import Clause
from theory.statements.leak import LEAK_BOUND
from theory.symbols import F, H, d, eps, k, m

QUICKLY = Effort(samples=200, seconds_per_lemma=5.0)
EXAMPLE = ROOT / "examples" / "my_bounds.py"
MINE = replace(LEAK_BOUND, id="MINE", claim=LEAK_BOUND.claim[:1])


def decided(value, name="mine", proofs=Path("nowhere"), rows=10):
    return decide(statement_of(value, name), proofs, QUICKLY, rows)


@pytest.fixture
def verify(monkeypatch, capsys):
    """Runs `localist verify` with these words: exit status, output, errors."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["localist", "verify", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def written(tmp_path):
    """Writes a file of bounds, with what they usually import."""

    def write(text):
        path = tmp_path / "bounds.py"
        path.write_text(f"from sympy import *\nimport localist\nfrom theory.symbols import H, k, m\n{text}\n")
        return path

    return write


def test_a_true_claim_is_sampled_and_its_mutants_show_that_the_check_can_fail():
    found = decided(Le(H, log(m + k)))
    assert found.status is Status.SAMPLED
    assert found.coq == {"claim": "forall a : row, possible a -> H a <= ln (k a + m a)"}
    assert [(each.mutation, each.false, each.verdict) for each in found.mutants] == [
        ("with a relation turned into its opposite", True, Verdict.REFUTED),
        ("with its bound 1 % larger", False, Verdict.UNDECIDED),
        ("with its bound 1 % smaller", False, Verdict.REFUTED),
    ]


@pytest.mark.parametrize(
    "claim",
    [
        Le(H, log(m)),
        And(Le(eps, 1), Le(H, log(m))),
        *(
            pytest.param(claim, marks=pytest.mark.slow)
            for claim in (
                Eq(H, log(m)),
                Clause("too small", Le(eps, k / (k + 2 * m)), given=Ge(d, 0)),
                (Clause("true", Le(H, log(m + k))), Clause("false", Le(F, eps))),
            )
        ),
    ],
    ids=str,
)
def test_a_false_claim_is_refuted(claim):
    assert decided(claim).status is Status.REFUTED


@pytest.mark.slow
def test_an_assumption_that_no_row_meets_is_vacuous():
    assert decided(Clause("empty", Le(H, 1), given=Le(eps, -1))).status is Status.VACUOUS


def test_a_statement_with_a_derivation_has_its_steps_and_inequalities_decided():
    found = decided(MINE)
    assert found.status is Status.CERTIFIED
    assert dict(found.findings)["symbolic"].endswith("steps")


def test_a_false_step_refutes():
    from theory.derivation import Equal

    wrong = replace(MINE, derive=lambda: (Equal("wrong", k + m, k - m),))
    assert decided(wrong).status is Status.REFUTED


def test_a_check_that_cannot_fail_establishes_nothing(monkeypatch):
    monkeypatch.setattr(own_bounds, "sample", lambda *_, **__: SamplingResult())
    found = decided(Le(H, log(m + k)))
    assert found.status is Status.UNDECIDED
    assert "the check could not have failed" in found.reasons[-1]


@pytest.mark.parametrize(
    ("claim", "opposite"),
    [
        (Le(H, 1), H > 1),
        (Eq(H, m), Ne(H, m)),
        (Implies(Ge(d, 0), Le(H, 1)), H > 1),
        (And(Le(H, 1), Le(F, m)), And(H <= 1, m < F)),
        (Equivalent(Le(H, 1), Le(F, m)), Equivalent(H > 1, m >= F)),
    ],
    ids=str,
)
def test_the_opposite_is_false_where_the_claim_is_true(claim, opposite):
    found, given = own_bounds._opposite(claim, always)
    assert found == opposite or (isinstance(claim, And | Equivalent) and found != claim)
    assert given == (Ge(d, 0) if isinstance(claim, Implies) else always)


@pytest.mark.parametrize(
    ("value", "law"),
    [
        (3, "must be a Statement, a Clause or a sympy claim"),
        (always, "must be built of relations"),
        (Le(Symbol("zz"), 1), "letter zz must be a letter of theory.symbols"),
        (Or(Le(H, 1), Ge(H, 2), Le(F, 1)), "must be built from relations by And, Implies, Equivalent"),
        (replace(MINE, id="A2"), "id 'A2' must not be that of the catalogue"),
        (replace(MINE, id="Row"), "id 'Row' must not be that of the catalogue"),
        (replace(MINE, id="../up"), "must be letters, digits and underscores"),
        (replace(MINE, about="rowdy"), "about='rowdy' must be one of row"),
        (replace(MINE, claim=()), "must have a clause"),
        (replace(MINE, claim=MINE.claim * 2), "each clause a name of its own"),
        (replace(MINE, claim=(Clause("strange", Le(Symbol("zz"), 1)),)), "letter zz of MINE must be a letter of a row"),
        (replace(MINE, derive=lambda: 1 / 0), "the derivation of mine raised ZeroDivisionError"),
    ],
    ids=str,
)
def test_another_value_is_refused(value, law):
    with pytest.raises((DomainError, InputError), match=law):
        statement_of(value, "mine")


def test_a_function_that_has_no_value_is_refused(verify, written):
    status, _, error = verify(f"{written('MINE = Le(gamma(H), 1)')}::MINE", "--samples", 100)
    assert status == 2
    assert "gamma" in error
    assert gamma.__name__ in error


@pytest.mark.parametrize(
    ("options", "law"),
    [
        ({"at_least": "proved"}, "at_least='proved' must be one of kernel-checked, certified, derived, sampled"),
        ({"rows": 0}, "rows=0 must be at least 1"),
        ({"samples": float("nan")}, "samples=nan must be at least 1"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
    ],
    ids=str,
)
def test_an_option_of_a_mark_is_refused(options, law):
    with pytest.raises(DomainError, match=law):
        localist.bound(**options)


def test_a_marked_function_takes_no_fixtures():
    with pytest.raises(DomainError, match=r"<lambda>\(tmp_path\) must take no arguments"):
        localist.bound(lambda tmp_path: None)


def test_the_command_decides_what_a_file_marks(verify, written):
    path = written(
        "@localist.bound\ndef good():\n    return Le(H, log(m + k))\nBAD = Le(H, log(m))\n"
        "@localist.bound\ndef bad():\n    return BAD"
    )
    status, out, _ = verify(path, "--json", "--samples", 500, "--jobs", 1)
    assert (status, [(each["id"], each["status"]) for each in json.loads(out)]) == (
        1,
        [("good", "sampled"), ("bad", "refuted")],
    )
    status, out, _ = verify(f"{path}::good", "--samples", 500)
    assert status == 0
    assert "good: sampled" in out


def test_the_command_says_why_a_claim_is_refuted(verify, written):
    status, out, _ = verify(f"{written('BAD = Le(H, log(m))')}::BAD", "--samples", 500)
    assert status == 1
    assert "fails at block scores" in " ".join(out.split())


@pytest.mark.parametrize(
    ("text", "words", "law"),
    [
        ("", ["::NO"], "has no 'NO'; its bounds: none"),
        ("", [""], "defines no bound"),
        ("1 / 0", [""], "raised ZeroDivisionError: division by zero"),
        ("def broken(", [""], "raised SyntaxError"),
        ("GOOD = Le(H, log(m + k))", ["::GOOD", "A2"], "must be asked for one at a time"),
        ("GOOD = Le(H, log(m + k))", ["::GOOD", "--full"], "--full and FILE.py must be asked for one at a time"),
        ("GOOD = Le(H, log(m + k))", ["::GOOD", "--strict"], "--strict has no effect with FILE.py"),
        ("GOOD = Le(H, log(m + k))", ["::GOOD", "--claims", "PAGE"], "--claims has no effect with FILE.py"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(verify, written, text, words, law):
    first, *others = words
    status, _, error = verify(f"{written(text)}{first}", *others)
    assert (status, len(error.splitlines())) == (2, 1)
    assert law in error


def test_a_missing_file_is_refused(verify):
    assert verify("nowhere.py::MINE")[::2] == (2, "error: there is no file nowhere.py\n")


needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc, an optional program, is not installed")


@pytest.mark.slow
def test_the_examples_have_the_status_that_they_ask_for():
    for key in own_bounds.names_in(str(EXAMPLE)):
        name = key.partition("::")[2]
        bound = vars(own_bounds._module(str(EXAMPLE)))[name]
        # Without proofs: Coq's check of them is the next test.
        found = decided(bound, name)
        assert found.status.at_least(bound.at_least)


@pytest.mark.slow
@needs_coq
@pytest.mark.parametrize(
    "admitted",
    [pytest.param(False, id="as it is"), pytest.param(True, id="with an admitted step")],
)
def test_the_kernel_checks_a_proof_beside_the_file(tmp_path, admitted):
    text = (EXAMPLE.parent / "UNIFORM_LEAK.v").read_text()
    proof = text[text.index("Proof.") :]
    (tmp_path / "UNIFORM_LEAK.v").write_text(text.replace(proof, "Proof. Admitted.") if admitted else text)
    key = f"{EXAMPLE}::leak_at_most_uniform"
    bound = vars(own_bounds._module(str(EXAMPLE)))[key.partition("::")[2]]
    found = decided(bound, "leak_at_most_uniform", tmp_path)
    assert found.status is (Status.CERTIFIED if admitted else Status.KERNEL_CHECKED)
    assert ("UNIFORM_LEAK assumes" in " ".join(found.reasons)) is admitted
