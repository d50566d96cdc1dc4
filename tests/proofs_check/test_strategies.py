"""The public strategies draw instances in their domain, which shrink to readable ones."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from random import Random

import pytest
from hypothesis import Phase, find, given, settings

import proofs_check
from proofs_check import strategies
from proofs_check.instances.kinds import KINDS


def lawful_row(row):
    assert 1 <= row.block < len(row.scores)
    assert row.temperature > 0
    assert 0 <= row.dial < 1
    assert row.penalty >= 0
    assert 0 < row.leak_target < 1
    assert 0 < row.fidelity_target < 1
    assert len(row.values) == len(row.seen) == len(row.weights) == len(row.scores)
    assert any(row.weights)


def lawful_partition(lengths):
    assert lengths
    assert min(lengths) >= 1
    assert sum(lengths) <= 64


def lawful_weights(block):
    assert len(block.weights) == len(block.gradient) >= 1
    assert block.penalty > 0
    assert block.rate > 0


def lawful_head(head):
    assert 1 <= head.split <= len(head.query) == len(head.key)
    assert head.temperature > 0
    for sequence in head.batch:
        assert len(sequence.inputs) == len(sequence.values) == len(sequence.pull)
        assert all(len(token) == len(head.query) for token in sequence.inputs)


def lawful_rules(rules):
    assert min(rules.weights) > 0
    assert all(any(target) and len(target) == len(rules.weights) for target in rules.targets)
    assert len(rules.gains) == len(rules.promises) == len(rules.targets)
    assert min(rules.gains) >= 1
    assert all(0 < promise < 1 for promise in rules.promises)


def lawful_schedule(schedule):
    assert schedule.layers == len(schedule.leaks) == len(schedule.weights) >= 2
    assert 0 <= schedule.layer < schedule.layers
    assert 0 <= schedule.exponent < schedule.steeper
    assert 0 < schedule.needed <= 1
    assert 0 < schedule.largest <= 1
    assert all(0 < leak < 1 for leak in schedule.leaks)


def lawful_choice(row):
    assert 1 <= row.counted <= len(row.block)
    assert 0 <= row.singled < len(row.outside)
    assert row.temperature > 0


def lawful_layer(layer):
    for head in layer.heads:
        assert 1 <= layer.block < len(head.scores) == len(head.values)
        assert {len(value) for value in head.values} == {len(head.projection)}
    assert len({len(row) for head in layer.heads for row in head.projection}) == 1


LAWS = {
    strategies.attention_rows: lawful_row,
    strategies.blocks: lawful_partition,
    strategies.weight_blocks: lawful_weights,
    strategies.heads: lawful_head,
    strategies.rows_with_chosen_keys: lawful_choice,
    strategies.rule_sets: lawful_rules,
    strategies.schedules: lawful_schedule,
    strategies.truncated_layers: lawful_layer,
}


@pytest.mark.parametrize("strategy", LAWS, ids=lambda s: s.__name__)
def test_drawn_instances_lie_in_their_domain(strategy):
    @settings(max_examples=80)
    @given(strategy())
    def drawn(instance):
        LAWS[strategy](instance)
        assert str(instance)

    drawn()


SHRUNK = {
    "attention_rows": (
        lambda row: row.penalty > 1,
        lambda row: (row.scores, row.temperature, row.dial, row.penalty),
        ((0, 0), 1, 0, Fraction(9, 8)),
    ),
    "blocks": (lambda lengths: sum(lengths) > 10, tuple, (11,)),
    "weight_blocks": (
        lambda block: any(block.weights),
        lambda block: (len(block.weights), block.penalty, block.rate),
        (1, 1, 1),
    ),
    "rule_sets": (
        lambda rules: len(rules.weights) > 2,
        lambda rules: (rules.weights, len(rules.targets), rules.gains, rules.temperature),
        ((1, 1, 1), 1, (1,), 1),
    ),
    "schedules": (
        lambda schedule: schedule.layers > 2,
        lambda schedule: (schedule.layers, schedule.exponent, schedule.steeper, set(schedule.weights)),
        (3, 0, 1, {1}),
    ),
    "heads": (
        lambda head: len(head.batch) == 2,
        lambda head: (len(head.query), head.split, head.temperature, head.causal),
        (1, 1, 1, False),
    ),
}


SLOW = pytest.param("heads", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [SLOW if name == "heads" else name for name in SHRUNK])
def test_instances_shrink_to_small_and_readable_ones(name):
    condition, seen, expected = SHRUNK[name]
    limits = settings(max_examples=2000, database=None, phases=(Phase.generate, Phase.shrink))
    found = find(getattr(strategies, name)(), condition, settings=limits, random=Random(0))
    assert seen(found) == expected
    assert len(str(found)) < 400


def test_the_strategy_of_every_kind_is_public():
    public = {getattr(strategies, name) for name in strategies.__all__}
    assert {kind.strategy for kind in KINDS.values()} <= public


def test_dials_are_exact():
    assert isinstance(find(strategies.dials(), lambda dial: dial > 0), Fraction)


def test_the_package_exports_its_functions_and_loads_nothing_heavy():
    assert proofs_check.attack is proofs_check.methods.attacking.attack
    assert proofs_check.certify is proofs_check.kernel.certified.certify
    assert set(proofs_check.__all__) <= set(dir(proofs_check))
    with pytest.raises(AttributeError, match="no attribute 'prove'"):
        proofs_check.prove  # noqa: B018
    code = "import proofs_check, sys; print({'scipy', 'hypothesis', 'flint', 'sympy', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@given(strategies.attention_rows())
def test_no_range_is_beyond_the_exact_decision(row):
    # 65,536 bits part numbers e^-45,000 apart, and clauses take the square of a mass.
    assert max(row.scores) - min(row.scores) <= 22_000 * row.temperature
