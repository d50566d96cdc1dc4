"""The replay follows what the search proves, shares no code with it, and notices every change to a certificate."""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import random
import subprocess
import sys

import pytest
from repository import ROOT
from sympy import Abs, Ge, Gt, Interval, Le, Lt, Max, Rational, Sum, Symbol, exp, factorial, log, oo, sqrt, symbols

from proofs_check.inequalities.replay import replay, replay_all, replay_bytes
from proofs_check.inequalities.search.certificates import speaks_of
from proofs_check.inequalities.search.interval import certify

x, y = symbols("x y", real=True)
p, q = symbols("p q", positive=True)
s = Symbol("s")
n, m = symbols("n m", integer=True)
ABOVE_0, UNIT, REALS = Interval.open(0, oo), Interval(0, 1), Interval(-oo, oo)

CLAIMS = {
    "direct": (Ge(x * y, 0), {x: UNIT, y: UNIT}),
    "taylor": (Ge(x - 1 - log(x), 0), {x: ABOVE_0}),
    "taylor at a letter": (Ge(p * log(p / q) - p + q, 0), {p: ABOVE_0, q: ABOVE_0}),
    "faces": (Gt(x + 1 - exp(-x), 0), {x: ABOVE_0}),
    "split": (Ge(x**4 - x + Rational(1, 2), 0), {x: Interval(-2, 2)}),
    "kink": (Ge(Abs(x - Rational(1, 3)) + x, Rational(1, 3)), {x: Interval(-oo, oo)}),
    "substitution": (Lt(p * log(1 + 1 / p), 1), {p: ABOVE_0}),
    "a root": (Ge(p + 2 / p, 2 * sqrt(2)), {p: ABOVE_0}),
    "logarithms": (Ge(p**p, exp(p - 1)), {p: ABOVE_0}),
    "squares": (Le(sqrt(p**2 + q**2), p + q), {p: ABOVE_0, q: ABOVE_0}),
    "either branch": (Le(Abs(x * y), (x**2 + y**2) / 2), {x: REALS, y: REALS}),
    "integers": (Ge(2**n, 2 * n), {n: Interval(1, oo)}),
    "a sum": (Ge(Sum(x**m / factorial(m), (m, 0, 2)), 0), {x: REALS}),
}


def certificate(name):
    claim, domain = CLAIMS[name]
    return certify(claim, domain).certificate


@pytest.mark.parametrize("name", CLAIMS)
def test_what_the_search_proves_is_followed(name):
    found = replay_bytes(certificate(name).to_bytes())
    assert found.holds, found.reason
    assert found.leaves >= 1


def test_every_flip_of_every_byte_is_noticed():
    raw = certificate("taylor").to_bytes()
    generator = random.Random(0)
    for place in range(len(raw)):
        for flip in (1, 0x20, 0x80, generator.randrange(1, 256)):
            changed = bytearray(raw)
            changed[place] ^= flip
            assert not replay_bytes(bytes(changed)).holds, place


def test_bytes_added_or_lost_are_noticed():
    raw = certificate("direct").to_bytes()
    for place in range(0, len(raw), 7):
        assert not replay_bytes(raw[:place] + raw[place + 1 :]).holds
        assert not replay_bytes(raw[:place] + b" " + raw[place:]).holds
    assert not replay_bytes(raw + b"\n").holds
    assert not replay_bytes(b"").holds


def rehashed(payload):
    def spelt(document):
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    digest = hashlib.sha256(spelt(payload).encode()).hexdigest()
    return (spelt({"payload": payload, "sha256": digest}) + "\n").encode()


def test_the_rehash_used_here_is_the_right_one():
    found = certificate("split")
    assert rehashed(copy.deepcopy(dict(found.payload))) == found.to_bytes()


def leaves(cell):
    return [leaf for part in cell.get("parts", []) for leaf in leaves(part)] or [cell]


def constant(payload, old, new):
    for node in payload["nodes"]:
        if node == ["q", old]:
            node[1] = new
            return
    raise AssertionError(old)


def as_direct(payload):
    for cell in leaves(payload["tree"]):
        cell["leaf"] = {**cell["leaf"], "method": "direct", "faces": [], "details": {}}


# Each makes a different claim, or a different argument for it, and hashes what it says.
FORGERIES = {
    "a smaller constant": ("split", lambda c: constant(c, "1/2", "2/5")),
    "the other direction": ("direct", lambda c: c["statement"].update(relation="<=")),
    "strict": ("taylor", lambda c: c["statement"].update(relation=">")),
    "a wider domain": ("direct", lambda c: c["statement"]["domain"]["x"].update(low="-1")),
    "a closed end": ("taylor", lambda c: c["statement"]["domain"]["x"].update(low_open=False)),
    "an empty domain": ("direct", lambda c: c["statement"]["domain"]["x"].update(low="2")),
    "another statement": ("taylor", lambda c: c["statement"].update(srepr="StrictGreaterThan(1, 0)")),
    "another hash": ("taylor", lambda c: c["statement"].update(sha256="0" * 64)),
    "a leaf is all there is": ("split", lambda c: c.update(tree=leaves(c["tree"])[0])),
    "a part left out": ("split", lambda c: c["tree"]["parts"].pop()),
    "a part twice": ("split", lambda c: c["tree"]["parts"].append(c["tree"]["parts"][0])),
    "a cut outside": ("split", lambda c: c["tree"]["cut"].__setitem__(1, "-5")),
    "a method that does not do": ("taylor", as_direct),
    "another place": ("taylor", lambda c: leaves(c["tree"])[0]["leaf"]["details"].update(at="2")),
    "an order too high": ("taylor", lambda c: leaves(c["tree"])[0]["leaf"]["details"].update(order=3)),
    "an order too low": ("taylor", lambda c: leaves(c["tree"])[0]["leaf"]["details"].update(order=1)),
    "an order of 0": ("taylor", lambda c: leaves(c["tree"])[0]["leaf"]["details"].update(order=0)),
    "a place that is no letter": (
        "taylor at a letter",
        lambda c: leaves(c["tree"])[0]["leaf"]["details"].update(at="letter z"),
    ),
    "no forms": ("taylor", lambda c: c["pieces"][0].update(forms=[])),
    "forms of another slope": ("taylor", lambda c: [f.update(slope=[["x", 1]]) for f in c["pieces"][0]["forms"]]),
    "a face the other way": ("faces", lambda c: c["tree"]["leaf"].update(faces=[["x", "high"]])),
    "another branch of a kink": (
        "kink",
        lambda c: [
            piece.update(choices={i: not side for i, side in piece["choices"].items()}) for piece in c["pieces"]
        ],
    ),
    "no choice at a kink": ("kink", lambda c: [piece.update(choices={}) for piece in c["pieces"]]),
    "a piece that is not there": ("direct", lambda c: leaves(c["tree"])[0]["leaf"].update(piece=7)),
    "a false alias": ("direct", lambda c: c.update(aliases=[[c["difference"], 0]])),
    "another difference": ("direct", lambda c: c.update(difference=c["statement"]["lhs"])),
    "a node that rests on itself": ("direct", lambda c: c["nodes"].__setitem__(-1, ["exp", len(c["nodes"]) - 1])),
    "a node of no kind": ("direct", lambda c: c["nodes"].__setitem__(-1, ["eval", 0])),
    "a change that is not made": ("substitution", lambda c: c["substitution"]["p"].update(kind="lambert")),
    "a change that starts elsewhere": ("substitution", lambda c: c["substitution"]["p"].update(shift="1")),
    "a change the other way": ("substitution", lambda c: c["substitution"]["p"].update(sign=-1)),
    "another format": ("direct", lambda c: c.update(format="localist interval certificate 2")),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_with_the_right_hash_fails(name):
    claim, forge = FORGERIES[name]
    payload = copy.deepcopy(dict(certificate(claim).payload))
    before = json.dumps(payload)
    forge(payload)
    assert json.dumps(payload) != before
    assert not replay_bytes(rehashed(payload)).holds


def test_a_forged_form_proves_nothing():
    payload = copy.deepcopy(dict(certify(Ge(x, Rational(-1)), {x: UNIT}).certificate.payload))
    payload["nodes"].append(["q", "5"])
    payload["statement"]["domain"]["x"]["low"] = "-3"
    for form in payload["pieces"][0]["forms"]:
        form["nodes"] = [len(payload["nodes"]) - 1]
    statement = payload["statement"]
    text = json.dumps([statement["srepr"], statement["domain"]], sort_keys=True, separators=(",", ":"))
    statement["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    found = replay_bytes(rehashed(payload))
    assert not found.holds
    assert "no form" in found.reason


def test_nodes_swapped_under_the_right_name_are_noticed():
    claim, domain = CLAIMS["split"]
    own = certificate("split").document
    assert speaks_of(own, claim, domain)
    payload = copy.deepcopy(dict(own["payload"]))
    constant(payload, "1/2", "3/5")
    found = replay_bytes(rehashed(payload))
    assert "the claim stated is not the one replayed, which is 3/5 + x^4 - x >= 0 for x in [-2, 2]" in found.reason
    assert not speaks_of(own, claim, {x: Interval(-1, oo)})
    assert not speaks_of(own, claim, {x: Interval(3, 2)})
    assert not speaks_of(own, claim.reversed, domain)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_certificate_that_states_0_above_1_is_refused(name):
    """Whatever it proves: every claim stated was accepted once."""
    payload = copy.deepcopy(dict(certificate(name).payload))
    statement = payload["statement"]
    statement["srepr"] = "StrictGreaterThan(Integer(0), Integer(1))"
    text = json.dumps([statement["srepr"], statement["domain"]], sort_keys=True, separators=(",", ":"))
    statement["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    assert "the claim stated is not the one replayed" in replay_bytes(rehashed(payload)).reason


NO_CERTIFICATE = [
    "{}",
    "{",
    "[]",
    "",
    "7",
    '{"payload": ' + "[" * 100_000,
    '{"payload": {"format": "another"}}',
    "\x00",
]
NO_CERTIFICATE += [
    '{"format": 7}',
    '{"format": "localist evidence 3"}',
    '{"format": "localist evidence 3", "interval": 7}',
]
NO_CERTIFICATE += ['{"format": "localist evidence 3", "interval": [{}]}', '{"payload": 1, "payload": 2}']


@pytest.mark.parametrize("text", NO_CERTIFICATE)
def test_what_is_no_certificate_fails(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    assert not replay(path).holds
    ((name, found),) = replay_all(path)
    assert name == str(path)
    assert not found.holds
    assert found.reason


def test_what_is_not_there_fails(tmp_path):
    assert "cannot be read" in replay(tmp_path / "none.json").reason
    ((_, found),) = replay_all(tmp_path / "none.json")
    assert not found.holds
    assert replay_all(tmp_path) == []


def test_evidence_is_replayed_lemma_by_lemma(tmp_path):
    good, other = certificate("direct").document, certificate("kink").document
    spoilt = copy.deepcopy(other)
    spoilt["payload"]["boxes"] += 1
    lemmas = [
        {"lemma": "A1-0", "verdict": "proved", "certificate": good},
        {"lemma": "A1-1", "verdict": "proved", "certificate": spoilt},
        {"lemma": "A1-2", "verdict": "proved", "certificate": None},
        {"lemma": "A1-3", "verdict": "undecided", "certificate": None},
        {"lemma": "A1-4", "verdict": "undecided", "certificate": good},
        {"lemma": "A1-5", "verdict": "proved", "certificate": {"payload": 1.5}},
    ]
    document = {"format": "localist evidence 3", "screen": {"softmax_ratio": 1.5}, "interval": lemmas}
    (tmp_path / "A1.json").write_text(json.dumps(document, indent=2))
    (tmp_path / "lone.json").write_bytes(certificate("kink").to_bytes())
    found = {name.rpartition("/")[2]: result for name, result in replay_all(tmp_path)}
    assert {name: result.reason for name, result in found.items()} == {
        "A1.json, A1-0": "",
        "A1.json, A1-1": "the hash does not match",
        "A1.json, A1-2": "the lemma is said to be proved and has no certificate",
        "A1.json, A1-4": "the lemma is said to be undecided and has a certificate",
        "A1.json, A1-5": "1.5 is not an exact number",
        "lone.json": "",
    }
    assert found["A1.json, A1-0"].claim == "x*y >= 0 for x in [0, 1], y in [0, 1]"


ROOTS = {
    "content under a root": (sqrt((x - Rational(1, 3)) ** 2 + Rational(1, 10**20)), Rational(1, 10**10), UNIT),
    "the same on the whole line": (sqrt((x - Rational(1, 3)) ** 2 + Rational(1, 10**20)), Rational(1, 10**10), REALS),
    "a square under a root": (sqrt(s**2), s, UNIT),
    "a square under a root, both signs": (sqrt(s**2), s, Interval(-1, 1)),
    "a square under a root, everywhere": (sqrt(s**2), s, REALS),
}


@pytest.mark.parametrize("name", ROOTS)
def test_the_replay_takes_powers_out_of_a_root_as_the_search_does(name):
    lhs, rhs, side = ROOTS[name]
    (letter,) = lhs.free_symbols
    found = certify(Ge(lhs, rhs), {letter: side})
    assert found.verdict.value == "proved", found


def imported(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_the_replay_shares_no_code_with_the_search():
    files = list((ROOT / "proofs_check" / "inequalities" / "replay").glob("*.py"))
    own = {"proofs_check.inequalities.replay", *(f"proofs_check.inequalities.replay.{path.stem}" for path in files)}
    assert len(files) > 5
    for path in files:
        others = set(imported(path)) - own
        assert others <= {"flint", *sys.stdlib_module_names, "collections.abc"}
    for name in ("spans", "enclosure", "pool", "boxes", "claims", "pieces", "corners", "branching", "certificates"):
        assert not set(imported(ROOT / "proofs_check" / "inequalities" / "search" / f"{name}.py")) & own


def test_the_program_counts_what_holds(tmp_path):
    for name in ("direct", "kink"):
        certificate(name).write(tmp_path / f"{name}.json")
    run = [sys.executable, "-m", "proofs_check.inequalities.replay", str(tmp_path)]
    good = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert good.returncode == 0
    assert "2 of 2 certificates hold" in good.stdout
    raw = bytearray((tmp_path / "kink.json").read_bytes())
    raw[40] ^= 1
    (tmp_path / "kink.json").write_bytes(raw)
    bad = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "FAILS" in bad.stdout
    empty = subprocess.run([*run[:-1], str(tmp_path / "none")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert empty.returncode == 1


def test_a_larger_of_two_letters_is_undecided_along_the_diagonal_only():
    assert certify(Ge(Max(x, y) + 1, x), {x: UNIT, y: UNIT}).verdict.value == "proved"
