"""The enclosures of the search and of the replay, written apart, hold every value of every expression."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.inequalities.replay.ranges import Nowhere
from proofs_check.inequalities.replay.reading import Reading
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.pool import Pool
from proofs_check.inequalities.search.spans import NoValue

numbers = st.fractions(min_value=-4, max_value=4, max_denominator=16)


@st.composite
def expressions(draw, depth=4):
    """Nodes of every smooth kind over one letter, as a pool and the index of the last."""
    pool = Pool()
    known = [pool.node("x", "x")]
    for _ in range(draw(st.integers(1, depth * 2))):
        kind = draw(st.sampled_from(KINDS))
        pick = st.sampled_from(known)
        if kind == "q":
            known.append(pool.node("q", str(draw(numbers))))
        elif kind in ("+", "*", "max", "min", "kl"):
            known.append(pool.node(kind, draw(pick), draw(pick)))
        elif kind == "^":
            known.append(pool.node("^", draw(pick), draw(st.sampled_from([-2, -1, 2, 3]))))
        elif kind in ("root", "moment"):
            known.append(pool.node(kind, draw(st.integers(2, 3)), draw(pick)))
        elif kind == "product":
            base = draw(pick)
            rate = pool.node("*", pool.node("q", str(draw(numbers))), base)
            partner = draw(st.sampled_from([pool.node("log", base), pool.node("exp", rate)]))
            known.append(pool.node("*", pool.node("^", base, draw(st.integers(2, 3))), partner))
        else:
            known.append(pool.node(kind, draw(pick)))
    return pool, known[-1]


KINDS = ["q", "+", "+", "*", "*", "^", "root", "moment", "exp", "log", "logistic", "logit", "entropy", "kl"]
KINDS += ["cos", "sin", "acos", "asin", "abs", "max", "min", "product", "product"]


@settings(max_examples=300)
@given(
    expressions(), numbers, numbers, st.lists(st.integers(1, 63), min_size=3, max_size=3), st.booleans(), st.booleans()
)
def test_both_enclosures_hold_every_value(made, a, b, shares, low_open, high_open):
    pool, index = made
    low, high = min(a, b), max(a, b)
    if low == high:
        low_open = high_open = False
    nodes = [list(node) for node in pool.nodes]
    for wide in (False, True):
        side = Side(low, None if wide else high, low_open, wide or high_open)
        try:
            ours = Enclosure(pool, {"x": side}).span(index)
        except NoValue:
            ours = None
        try:
            theirs = Reading(nodes, {"x": (side.low, side.high, side.low_open, side.high_open)}, {}).range_of(index)
        except Nowhere:
            theirs = None
        for share in shares:
            at = low + (high - low) * Fraction(share, 64) + (share * share if wide else 0)
            try:
                value = Enclosure(pool, {"x": Side(at, at, False, False)}).span(index)
            except NoValue:
                continue  # rounding may reach a pole that the value does not
            if ours is not None:
                assert not value.high < ours.low
                assert not value.low > ours.high
                assert not (ours.low_open and value.high <= ours.low)
                assert not (ours.high_open and value.low >= ours.high)
            if theirs is not None:
                assert not value.high < theirs.least
                assert not value.low > theirs.most
                assert not (theirs.least_missed and value.high <= theirs.least)
                assert not (theirs.most_missed and value.low >= theirs.most)
