"""What rule sets can promise: against linear programs of scipy, and against every row of random texts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruled_texts import FORMULAS, TARGETS, rule_file, texts
from scipy.optimize import linprog

from empirical.rules import meeting
from empirical.rules.check import check, in_words
from empirical.rules.firing import Rules
from empirical.rules.promises import judge, least_reduction
from empirical.rules.rule_file import parse_rules
from empirical.rules.token_theory import Shape
from theory.errors import InputError

EPS = 1e-9


def slack(held, promises):
    """The most by which a row exceeds all promises, by scipy; `held` is rules x keys."""
    rules, keys = np.shape(held)
    found = linprog(
        [0.0] * keys + [-1.0],
        A_ub=np.hstack([-np.asarray(held, float), np.ones((rules, 1))]),
        b_ub=-np.asarray(promises, float),
        A_eq=[[1.0] * keys + [0.0]],
        b_eq=[1.0],
        bounds=[(0, None)] * keys + [(None, None)],
    )
    assert found.status == 0
    return -found.fun


def matrix(kinds, names):
    return [[name in kind for kind in sorted(kinds, key=sorted)] for name in names]


PROMISES = st.dictionaries(
    st.integers(0, 5), st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20), min_size=1
)


@st.composite
def systems(draw):
    promises = draw(PROMISES)
    some = st.frozensets(st.sampled_from(sorted(promises)), min_size=1)
    return {frozenset({name}) for name in promises} | set(draw(st.lists(some, max_size=4))), promises


@given(systems())
def test_verdict_agrees_with_linprog(system):
    kinds, promises = system
    verdict = judge(kinds, promises)
    room = slack(matrix(kinds, promises), [float(x) for x in promises.values()])
    assert verdict.possible == (room > EPS)
    assert slack(matrix(kinds, promises), [0.0] * len(promises)) == pytest.approx(float(verdict.shared))
    # The certificate, exactly.
    assert all(y > 0 for y in verdict.weights.values())
    assert max(sum(y for name, y in verdict.weights.items() if name in kind) for kind in kinds) == 1
    assert sum(y * promises[name] for name, y in verdict.weights.items()) == verdict.asked


@given(st.lists(systems(), min_size=1, max_size=3), st.booleans())
def test_least_reduction_agrees_with_linprog(drawn, keep):
    promises = {name: value for _, each in reversed(drawn) for name, value in each.items()}
    sets = [(kinds, sorted(each)) for kinds, each in drawn]
    kept = [min(promises)] if keep else []
    change = least_reduction(sets, promises, kept)
    # Variables: a reduction for each promise, a row for each set.
    names = sorted(promises)
    width = len(names) + sum(len(kinds) for kinds, _ in sets)
    rows, right, equal, place = [], [], [], len(names)
    for kinds, acting in sets:
        one = np.zeros(width)
        one[place : place + len(kinds)] = 1
        equal.append(one)
        for name in acting:
            line = np.zeros(width)
            line[names.index(name)] = -1
            line[place : place + len(kinds)] = [-(name in kind) for kind in sorted(kinds, key=sorted)]
            rows.append(line)
            right.append(-float(promises[name]))
        place += len(kinds)
    limits = [(0, 0 if name in kept else float(promises[name])) for name in names] + [(0, None)] * (width - len(names))
    cost = [1.0] * len(names) + [0.0] * (width - len(names))
    found = linprog(cost, A_ub=rows, b_ub=right, A_eq=equal, b_eq=[1.0] * len(sets), bounds=limits)
    # A single promise below 1 can always be kept.
    assert found.status == 0
    assert float(sum(change.values())) == pytest.approx(found.fun, abs=1e-7)
    assert not set(change) & set(kept)
    after = {name: promises[name] - change.get(name, 0) for name in names}
    for kinds, acting in sets:
        assert slack(matrix(kinds, acting), [float(after[name]) for name in acting]) >= -EPS


def test_too_large_a_program_is_not_solved():
    promises = {i: Fraction(1, 2) for i in range(80)}
    assert least_reduction([([frozenset({i}) for i in promises], list(promises))], promises) is None


def broken_rows(rules, text):
    """Rows of a text in which some promises of the rules that fire cannot be kept together, by scipy."""
    asked = Rules(rules)
    fires, rows = asked.fires(text), asked.rows(text)
    for q in range(len(text)):
        firing = [r for r in np.flatnonzero(fires[:, q]) if rules[r].fidelity is not None]
        if firing and slack(rows[firing, q, : q + 1], [rules[r].fidelity for r in firing]) <= EPS:
            yield q


def read(drawn):
    kept = []
    for when, target, fidelity in drawn:
        try:
            parse_rules(rule_file([(when[0], target[0], fidelity)]))
            kept.append((when[0], target[0], fidelity))
        except InputError:
            continue
    return parse_rules(rule_file(kept)) if kept else []


RULES = st.lists(st.tuples(FORMULAS, TARGETS, st.sampled_from([0.3, 0.45, 0.5, 0.6, 0.9])), min_size=2, max_size=4)


@settings(max_examples=12)
@given(RULES, st.lists(texts(size=14), min_size=1, max_size=6))
def test_possible_rules_can_be_kept_in_every_row(drawn, several):
    rules = read(drawn)
    if not rules:
        return
    answer = check(rules)
    assert answer.complete
    for text, _ in several:
        fires = Rules(rules).fires(text)
        for q in range(len(text)):
            acting = set(np.flatnonzero(fires[:, q]))
            assert not acting or any(acting <= set(each.rules) for each in answer.sets)
        if answer.possible:
            assert not list(broken_rows(rules, text))


def kinds_of(rules, worth):
    """The sets and their kinds, where a question about many rules must give this many answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meeting, "_WORTH", worth)
        asked = meeting.Meeting(rules, Shape())
        return {acting: asked.kinds(acting) for acting in asked.maximal_sets()[0]}


@pytest.mark.slow
@settings(max_examples=15)
@given(st.lists(st.tuples(FORMULAS, TARGETS, st.just(0.1)), min_size=3, max_size=7))
def test_kinds_asked_for_many_rules_at_once_are_those_asked_singly(drawn):
    rules = read(drawn)
    if rules:
        assert kinds_of(rules, 1) == kinds_of(rules, 10**9)


def test_a_refutation_without_a_row_would_be_seen(monkeypatch):
    rules = parse_rules(rule_file([("block > 2", "first token", 0.1), ("block > 1", "tokens(position < 3)", 0.1)]))
    singly = kinds_of(rules, 10**9)
    assert singly == {(0, 1): {frozenset({0, 1})}} == kinds_of(rules, 1)
    monkeypatch.setattr(meeting.Meeting, "_refuted", lambda self, acting, laws, *others: set(laws))
    assert kinds_of(rules, 1) == {(0, 1): {frozenset({0}), frozenset({1})}}


OVERLAP = [('text == "a"', "block 0", 0.7), ('matches("^a$")', "tokens(seen_before)", 0.6)]


def test_planted_overlap_is_found(monkeypatch):
    """A check that takes all targets to overlap promises what some row breaks."""
    rules = parse_rules(rule_file(OVERLAP))
    assert check(rules).possible is False
    monkeypatch.setattr(meeting.Meeting, "kinds", lambda self, acting: {frozenset(acting)})
    assert check(rules).possible is True
    from empirical.rules.firing import TokenText

    text = TokenText(["b", "c", "c", "a"], np.array([0, 1, 1, 1]))
    assert list(broken_rows(rules, text)) == [3]


def verdict_of(*rules):
    answer = check(parse_rules(rule_file(rules)))
    names = [rule.name for rule in answer.rules]
    return answer, [in_words(each.verdict, names) for each in answer.conflicts]


def test_conflict_in_words_and_smallest_change():
    answer, said = verdict_of(*OVERLAP)
    assert said == ["rules r0 and r1 ask for 1.3 of a row that has 1"]
    assert sum(answer.change.values()) == Fraction(3, 10)


def test_promises_that_fill_a_row_are_a_conflict():
    """Only infinite strengths reach them."""
    answer, said = verdict_of(("block == 3", "block 0", 0.7), ("block == 3", "block 1", 0.3))
    assert answer.possible is False
    assert said == [
        "rules r0 and r1 ask for 1 of a row that has 1: no finite strengths reach that, as long as another key is seen"
    ]
    assert answer.change == {}


@pytest.mark.parametrize(
    "rules",
    [
        # One condition excludes the other.
        [("block == 1", "block 0", 0.9), ("block == 2", "block 1", 0.9)],
        [('text == "a"', "block 0", 0.9), ('text == "b"', "own block", 0.9)],
        # One target holds the other.
        [("block > 3", "block 0", 0.9), ("block > 3", "tokens(block < 2)", 0.9)],
        [("block > 3", "first token", 0.9), ("block > 3", "block 0", 0.9)],
        # The query itself is in both.
        [('text == "a"', "own block", 0.9), ('text == "a"', 'tokens(text == "a")', 0.9)],
        # The key at position 7 is in both.
        [
            ("position > 20", "tokens(position < 8)", 0.9),
            ("position > 20", "tokens(position >= 7 and position < 9)", 0.9),
        ],
    ],
)
def test_rules_that_do_not_compete(rules):
    assert verdict_of(*rules)[0].possible is True


@pytest.mark.parametrize(
    "rules",
    [
        # Where the third rule fires, its target lies in both others, but it need not fire.
        [("block > 3", "tokens(block == 1)", 0.6), ("block > 3", "tokens(class(word))", 0.6),
         ("block > 3 and seen_before", "tokens(block == 1 and class(word))", 0.1)],
        # The two targets are one where the third rule fires.
        [('text == "a"', "block 0", 0.7), ('text == "a"', "own block", 0.6), ("block == 0", "first token", 0.1)],
        # No position is certain to be seen.
        [("seen_before", "tokens(position < 8)", 0.9), ("seen_before", "tokens(position > 0 and position < 3)", 0.9),
         ("seen_before", "tokens(position > 1)", 0.9)],
    ],
)  # fmt: skip
def test_subsets_of_a_set_are_judged_too(rules):
    assert verdict_of(*rules)[0].possible is False


def test_layers_and_heads_that_differ_do_not_meet():
    source = rule_file([("block > 3", "block 0", 0.9), ("block > 3", "block 1", 0.9)])
    first, second = parse_rules(source)
    from dataclasses import replace

    assert check([replace(first, layers=frozenset({1})), replace(second, layers=frozenset({2}))]).possible is True
    assert check([replace(first, heads=frozenset({1})), replace(second, heads=frozenset({1, 2}))]).possible is False


def test_beyond_the_limits_nothing_is_promised(monkeypatch):
    rules = parse_rules(rule_file([(f"block == {i}", "own block", 0.9) for i in range(6)]))
    assert check(rules).possible is True
    monkeypatch.setattr(meeting, "MOST_SETS", 3)
    answer = check(rules)
    assert (len(answer.sets), answer.complete, answer.possible) == (3, False, None)
    monkeypatch.setattr(meeting, "MOST_RULES", 5)
    assert (check(rules).sets, check(rules).possible) == ((), None)
    few = parse_rules(rule_file([(f"block == {i}", "own block", 0.1) for i in range(6)]))
    # One key of each target is enough.
    assert (check(few).complete, check(few).possible) == (False, True)


def test_question_that_z3_gives_up_is_no_promise(monkeypatch):
    rules = parse_rules(rule_file([("block == 1", "own block", 0.9), ("block == 2", "own block", 0.9)]))
    monkeypatch.setattr(meeting, "possible", lambda *given: None)
    answer = check(rules)
    assert (answer.complete, answer.possible) == (False, None)
