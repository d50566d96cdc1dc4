"""A time limit holds whatever sympy and Arb are doing: the search runs in a process that is ended."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from multiprocessing import Pipe

import pytest
import sympy
from held_out import FALSE, TRUE
from sympy import Dummy, Float, Ge, Gt, Interval, Le, Max, Rational, Symbol, exp, log, oo, symbols

from proofs_check.inequalities.replay import replay_bytes
from proofs_check.inequalities.search import limited, search
from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.findings import Certified, Undecided
from proofs_check.inequalities.search.interval import certify
from proofs_check.inequalities.verdict import Verdict
from theory.errors import InputError

x, y = symbols("x y", real=True)
p = Symbol("p", positive=True)
REALS, FROM_0, UNIT = Interval(-oo, oo), Interval(0, oo), Interval(0, 1)
TANGENT = Ge(exp(x), 1 + x), {x: Interval(-10, 10)}

# Each kept sympy or Arb busy for minutes, whatever limit was asked for.
LONG = {
    "a narrow peak": (exp(-(10**6) * (x - Rational(5, 13)) ** 2) <= Rational(1, 2), {x: UNIT}, Verdict.REFUTED),
    "a float exponent": (p**0.1 <= 2, {p: Interval(Rational(1, 2), 2)}, Verdict.PROVED),
    "a large power": ((1 + x) ** 1000000 >= 1 + 1000000 * x, {x: FROM_0}, Verdict.PROVED),
    "two letters and a kink": (log(exp(x) + exp(y)) >= Max(x, y), {x: REALS, y: REALS}, Verdict.PROVED),
}
READY = (
    "import sys, time; from multiprocessing.connection import Connection; "
    "connection = Connection(int(sys.argv[2])); connection.send('ready'); connection.recv(); "
)
STUCK, DYING = READY + "time.sleep(600)", READY + "sys.exit(3)"


@pytest.fixture
def no_idle_worker():
    limited._end_all()
    yield
    limited._end_all()


@pytest.mark.parametrize("name", LONG)
def test_a_search_that_knows_no_end_is_ended(name):
    claim, domain, truth = LONG[name]
    found = certify(claim, domain, seconds=1)
    assert found.verdict in (Verdict.UNDECIDED, truth)
    if isinstance(found, Undecided):
        assert found.reason == "time limit of 1 s reached"
        assert found.seconds >= 1


def test_a_worker_that_hears_nothing_is_ended(monkeypatch, no_idle_worker):
    monkeypatch.setattr(limited, "_SERVE", STUCK)
    workers = []
    monkeypatch.setattr(limited, "_given_back", workers.append)
    found = certify(*TANGENT, seconds=0.1)
    assert isinstance(found, Undecided)
    assert found.reason == "time limit of 0.1 s reached"
    (worker,) = workers
    assert worker._process.returncode is not None
    assert not worker.is_alive()


def test_a_worker_that_dies_is_told_from_one_whose_time_is_over(monkeypatch, no_idle_worker):
    monkeypatch.setattr(limited, "_SERVE", DYING)
    found = certify(*TANGENT, seconds=60)
    assert found.verdict is Verdict.UNDECIDED
    assert found.reason.startswith("the worker process ended with status 3")
    assert limited._idle == []


@pytest.mark.parametrize(("serve", "law"), [("raise SystemExit", "did not start"), ("import no_such", "did not start")])
def test_a_worker_that_does_not_start(monkeypatch, no_idle_worker, serve, law):
    monkeypatch.setattr(limited, "_SERVE", serve)
    with pytest.raises(InputError, match=law):
        certify(*TANGENT, seconds=1)


def test_a_python_that_is_not_there(monkeypatch, no_idle_worker, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InputError, match="cannot be started"):
        certify(*TANGENT, seconds=1)


def test_one_worker_serves_many_requests_and_says_what_this_process_would(no_idle_worker):
    claim, domain = TANGENT
    first = certify(claim, domain, seconds=60)
    (worker,) = limited._idle
    second = certify(claim, domain, seconds=60)
    assert limited._idle == [worker]
    here = certify(claim, domain)
    assert first.certificate.to_bytes() == second.certificate.to_bytes() == here.certificate.to_bytes()
    assert replay_bytes(first.certificate.to_bytes()).holds
    assert certify(Gt(exp(x), 1 + x), domain, seconds=60).point == {"x": Fraction(0)}
    assert limited._idle == [worker]


def test_without_a_limit_no_process_is_started(monkeypatch):
    monkeypatch.setattr(limited, "_SERVE", "raise SystemExit")
    limited._end_all()
    for seconds in (None, float("inf")):
        assert certify(*TANGENT, seconds=seconds).verdict is Verdict.PROVED


def test_progress_comes_through_and_an_interruption_ends_the_worker(no_idle_worker):
    seen = []

    def stop(state):
        seen.append(state)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certify(Ge(x - 1 - log(x), 0), {x: Interval.open(0, oo)}, seconds=60, progress=stop)
    assert isinstance(seen[0], Progress)
    assert seen[0].done == 0
    assert limited._idle == []


def test_an_error_of_the_callers_own_passes_through():
    def broken(state):
        raise ValueError("mine")

    for seconds in (None, 60):
        with pytest.raises(ValueError, match="mine"):
            certify(Ge(x - 1 - log(x), 0), {x: Interval.open(0, oo)}, seconds=seconds, progress=broken)


def test_an_error_of_a_library_is_no_verdict(monkeypatch):
    def broken(question):
        raise RecursionError("too deep\nsecond line")

    monkeypatch.setattr(search.refuting, "scan", broken)
    found = certify(*TANGENT)
    assert found.verdict is Verdict.UNDECIDED
    assert found.reason == "the search ended in RecursionError: too deep"


SCRIPT = """
import multiprocessing
from sympy import Interval, exp, symbols
from proofs_check import certify
print("begun")
# A pool's worker is daemonic, and may have no children that multiprocessing starts.
multiprocessing.current_process()._config["daemon"] = True
x = symbols("x", real=True)
print(certify(exp(x) >= 1 + x, {x: Interval(-10, 10)}, seconds=60).verdict.value)
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_and_a_daemon_may_ask(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)})
    assert ran.stdout.split() == ["begun", "proved"]
    assert ran.stderr == ""


ODD = [
    Ge(Dummy("a", real=True) + Float(0.1), Float("1e-40", 50), evaluate=False),
    Le(Symbol("b") + 10**1000, Rational(1, 3), evaluate=False),
    Gt(Symbol("n", even=True) * sympy.pi, sympy.E, evaluate=False),
    Ge(sympy.Piecewise((x, x < 1), (x**2, True)), sympy.tanh(x), evaluate=False),
    Ge(sympy.Add(x, sympy.Mul(2, x, evaluate=False), x, evaluate=False), 0, evaluate=False),
]


@pytest.mark.parametrize("claim", [*(claim for claim, _ in (*TRUE.values(), *FALSE.values())), *ODD], ids=str)
def test_a_claim_is_the_same_on_the_other_side(claim):
    ours, theirs = Pipe()
    ours.send(claim)
    with sympy.evaluate(False):
        back = theirs.recv()
    assert back == claim
    assert sympy.srepr(back) == sympy.srepr(claim)


def test_an_unevaluated_claim_is_decided_as_the_caller_wrote_it(no_idle_worker):
    for claim, verdict in zip(ODD[:3], (Verdict.PROVED, Verdict.REFUTED, Verdict.PROVED), strict=True):
        domain = {letter: Interval(2, 2) for letter in claim.free_symbols}
        here, there = certify(claim, domain), certify(claim, domain, seconds=60)
        assert here.verdict is there.verdict is verdict
        if isinstance(here, Certified):
            assert there.certificate.to_bytes() == here.certificate.to_bytes()
