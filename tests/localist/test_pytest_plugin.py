"""Functions marked with `@localist.bound` are tests of a user's own file."""

from __future__ import annotations

import subprocess
import sys

import pytest

FILE = """
from sympy import Le, Symbol, log
import localist
from theory.symbols import H, k, m

@localist.bound(samples=500)
def entropy_at_most_log_n():
    return Le(H, log(m + k))

@localist.bound(samples=500)
def entropy_at_most_log_m():
    return Le(H, log(m))

@localist.bound(samples=500, at_least="certified")
def asks_for_a_proof():
    return Le(H, log(m + k))

@localist.bound
def of_a_strange_letter():
    return Le(Symbol("zz"), 1)

def test_of_another_kind():
    assert True
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("users")
    (folder / "test_mine.py").write_text(FILE)
    words = ["-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-rA", "--rootdir", str(folder)]
    run = [sys.executable, "-m", "pytest", *words, "test_mine.py"]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def test_a_bound_passes_exactly_if_it_has_the_status_it_asks_for(told):
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    passed = {line.rpartition("::")[2] for line in lines if line.startswith("PASSED")}
    failed = {line.partition("::")[2].partition(" - ")[0] for line in lines if line.startswith("FAILED")}
    assert passed == {"entropy_at_most_log_n", "test_of_another_kind"}
    assert failed == {"entropy_at_most_log_m", "asks_for_a_proof", "of_a_strange_letter"}


@pytest.mark.parametrize(
    "line",
    [
        "entropy_at_most_log_m is refuted; asked for: sampled",
        "fails at block scores",
        "asks_for_a_proof is sampled; asked for: certified",
        "letter zz must be a letter of theory.symbols that is measured on a row",
    ],
)
def test_a_failure_says_what_was_found_without_a_traceback(told, line):
    assert line in told.stdout
    assert "Traceback" not in told.stdout
