"""Promises are parsed strictly, and each refusal names the column."""

import pytest

from empirical.audit.promises import Promise, parse_promise
from theory.errors import DomainError


@pytest.mark.parametrize(
    ("text", "promise"),
    [
        ("fidelity>=0.9", Promise("fidelity", 0.9)),
        ("fidelity >= 0.9 in layers 8-11", Promise("fidelity", 0.9, frozenset({8, 9, 10, 11}))),
        ("entropy<=1.2 in heads 0,3", Promise("entropy", 1.2, None, frozenset({0, 3}))),
        (
            "fidelity>=0.5 in layers 0,2-3 in heads 1 in 95 % of rows",
            Promise("fidelity", 0.5, frozenset({0, 2, 3}), frozenset({1}), 95.0),
        ),
        ("fidelity>=1e-3 in 100% of rows", Promise("fidelity", 0.001)),
        ("fidelity>=1", Promise("fidelity", 1.0)),
        ("entropy<=0", Promise("entropy", 0.0)),
    ],
)
def test_promises_are_read_and_written(text, promise):
    assert parse_promise(text) == promise
    assert parse_promise(str(promise)) == promise


@pytest.mark.parametrize("percent", ["7", "28.5", "55", "95", "99.9", "14.2857"])
def test_a_share_is_written_as_it_reads_back(percent):
    read = parse_promise(f"fidelity>=0.9 in {percent} % of rows")
    assert parse_promise(str(read)) == read
    assert f"in {percent} %" in str(read)


@pytest.mark.parametrize(
    ("text", "column", "law"),
    [
        ("", 1, "its end must be a word"),
        ("leak<=0.1", 1, "must begin with fidelity>= or entropy<="),
        ("fidelity<=0.9", 9, "must be >="),
        ("entropy>=0.9", 8, "must be <="),
        ("fidelity>0.9", 9, "must be >="),
        ("fidelity>=x", 11, "must be a number"),
        ("fidelity>=-1", 11, "must be a number"),
        ("fidelity>=0", 11, "must be a fidelity in (0, 1]"),
        ("fidelity>=1.5", 11, "must be a fidelity in (0, 1]"),
        ("entropy<=1e999", 10, "must be finite"),
        ("fidelity>=0.9 on layers 3", 15, "on must be in"),
        ("fidelity>=0.9 in layer 3", 18, "must be layers, heads or N % of rows"),
        ("fidelity>=0.9 in layers 3-1", 25, "must have the smaller end of a range first"),
        ("fidelity>=0.9 in layers 1.5", 25, "must be a whole number"),
        ("fidelity>=0.9 in layers", 24, "its end must be a whole number"),
        ("fidelity>=0.9 in layers 1 in layers 2", 30, "must not name layers twice"),
        ("fidelity>=0.9 in 0 % of rows", 18, "must be a share in (0, 100] %"),
        ("fidelity>=0.9 in 101 % of rows", 18, "must be a share in (0, 100] %"),
        ("fidelity>=0.9 in 95 of rows", 21, "must be %"),
        ("fidelity>=0.9 in 95 % of texts", 26, "must be: % of rows"),
        ("fidelity>=0.9 in 95 % of rows in 90 % of rows", 31, "must not name a share of rows twice"),
        ("fidelity>=0.9; entropy<=1", 14, "must be in"),
        ("fidelity>=0.9 in layers 99999", 25, "must be a whole number up to 10000"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_column(text, column, law):
    with pytest.raises(DomainError) as refused:
        parse_promise(text)
    assert f"column {column}:" in str(refused.value)
    assert law in str(refused.value)


def test_a_promise_covers_the_heads_that_it_names():
    promise = parse_promise("fidelity>=0.9 in layers 1 in heads 0,2")
    assert [(layer, head) for layer in range(3) for head in range(3) if promise.covers(layer, head)] == [(1, 0), (1, 2)]
