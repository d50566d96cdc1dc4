"""Rules together with a promised fidelity, against every query and every partition enumerated."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from theory.design.causal_rows import CausalRows
from theory.design.run_check import check_run
from theory.design.run_file import Rule, parse_run
from theory.design.run_rules import check_rules
from theory.errors import InputError
from theory.numbers.rule_bounds import forbidding_weights, promise_sup, promises_possible, shared_promise


def walked(context, least, most):
    """Every position at which a block can start."""
    starts = {0}
    for position in range(context):
        if position in starts:
            starts |= {position + size for size in range(least, most + 1)}
    return starts


def kept_everywhere(rules, rows, fidelity):
    """E2 at every query and every start of its block, decided key by key."""
    for query in range(rows.context):
        acting = [rule for rule in rules.values() if query in rule.acts_on(rows.context)]
        if not acting:
            continue
        targets = [[int(key in rule.targets()) for key in range(query + 1)] for rule in acting]
        promises = [rule.promise for rule in acting]
        blocks = [
            [int(key >= start) for key in range(query + 1)]
            for start in walked(rows.context, rows.least, rows.most)
            if fidelity is not None and start > 0 and rows.own_keys <= query + 1 - start <= rows.most
        ]
        if not promises_possible(targets, promises).possible:
            return False
        if not all(promises_possible([*targets, block], [*promises, fidelity]).possible for block in blocks):
            return False
    return True


@st.composite
def ruled(draw):
    context = draw(st.integers(3, 20))
    least = draw(st.integers(1, context - 1))
    rows = CausalRows(
        context, least, draw(st.one_of(st.just(least), st.integers(least, context - 1))), draw(st.integers(1, 3))
    )
    assume(rows.any)
    rules = {}
    for name in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, context - 2))
        keys = draw(st.one_of(
            st.just(f"{start}:{draw(st.integers(start + 1, min(context, start + 6)))}"),
            st.lists(st.integers(0, context - 1), min_size=1, max_size=3),
        ))  # fmt: skip
        promise = draw(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7, 0.9]))
        last = Rule(keys=keys, promise=promise).targets()[-1]
        first = draw(st.integers(last, context - 1))
        queries = draw(st.one_of(st.none(), st.just(f"{first}:{draw(st.integers(first + 1, context))}")))
        rules[str(name)] = Rule(keys=keys, promise=promise, queries=queries)
    return rules, rows, draw(st.sampled_from([None, 0.1, 0.5, 0.7, 0.9]))


@settings(max_examples=60)
@given(ruled())
@example(({"a": Rule(keys=[0], promise=0.6)}, CausalRows(64, 8, 8), 0.9))
@example(({"a": Rule(keys=[0], promise=0.1)}, CausalRows(64, 8, 8), 0.9))
@example(({"a": Rule(keys=[9], promise=0.6, queries="9:16")}, CausalRows(64, 8, 8), 0.9))
@example(({"a": Rule(keys=[9], promise=0.6, queries="9:17")}, CausalRows(64, 8, 8), 0.9))
def test_kinds_of_queries_agree_with_every_query(case):
    rules, rows, fidelity = case
    answer = check_rules(rules, rows, fidelity)
    assert answer.possible is kept_everywhere(rules, rows, fidelity)
    if not answer.possible:
        acting = [name for name, rule in rules.items() if answer.query in rule.acts_on(rows.context)]
        assert set(answer.certificate) == set(acting)


VALUES = {"model": {"layers": 2, "context": 64}, "locality": {"block": 8, "margin": 20.0}, "targets": {"fidelity": 0.9}}


@pytest.mark.parametrize(("rule", "kept"), [
    ({"keys": "0:4", "promise": 0.6}, False),
    ({"keys": "0:4", "promise": 0.1}, True),
    ({"keys": "0:4", "promise": 0.6, "queries": "3:8"}, True),
    ({"keys": "0:4", "promise": 0.6, "queries": "3:9"}, False),
], ids=str)  # fmt: skip
def test_rule_together_with_a_promised_fidelity(rule, kept):
    answer = check_run(parse_run(VALUES | {"rules": {"a": rule}}))
    assert answer.guaranteed is kept
    assert kept or "the rules promise more than any attention row of query" in answer.unmet[0]
    assert answer.rules.shared == 0.1


@pytest.mark.parametrize(("rule", "message"), [
    ({"keys": [9], "promise": 0.1, "queries": "8:64"}, "query 8 must see every key of the rule and does not see key 9"),
    ({"keys": [9], "promise": 0.1, "queries": "9:65"}, "queries must name at least one query below model.context=64"),
    ({"keys": [9], "promise": 0.1, "queries": "12:12"}, "queries must name at least one query below model.context=64"),
    ({"keys": [9], "promise": 0.1, "queries": "all"}, "queries='all'"),
])  # fmt: skip
def test_refuses_a_target_that_a_query_cannot_see(rule, message):
    with pytest.raises(InputError, match=message):
        parse_run(VALUES | {"rules": {"a": rule}})


@settings(max_examples=15)
@given(st.data())
def test_many_rules_are_decided_exactly(data):
    """With more than 24 rules floating point proposes the answer; ties are decided exactly."""
    rules, keys = 26, 27
    draws = st.lists(st.lists(st.integers(0, 1), min_size=keys, max_size=keys), min_size=rules, max_size=rules)
    held = [[*row[:-1], 1] if not any(row) else row for row in data.draw(draws)]
    promises = [data.draw(st.sampled_from([0.02, 0.05, 0.3, 0.9])) for _ in range(rules)]
    weights, exact = forbidding_weights(held, promises), promises_possible(held, promises)
    assert (weights is None) is exact.possible
    shared = float(promise_sup(held).value)
    assert shared - 1e-9 <= shared_promise(held) <= shared


def test_hundreds_of_rules_are_decided_quickly():
    rules = {str(key): {"keys": [key], "promise": 0.00016} for key in range(601)}
    run = VALUES | {"model": {"layers": 2, "context": 4096}, "rules": rules}
    assert check_run(parse_run(run)).guaranteed is True
    rules["0"]["promise"] = 0.1
    answer = check_run(parse_run(run))
    assert answer.guaranteed is False
    assert sum(answer.rules.certificate.values()) + answer.rules.own_block == pytest.approx(1)
