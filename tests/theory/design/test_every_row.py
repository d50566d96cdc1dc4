"""A run's promise against an adversary at every query: blocks enumerated key by key, bounds in mpmath."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from theory.design.causal_rows import CausalRows
from theory.design.grid import Axis, make_grid
from theory.design.needed import Standing
from theory.design.run_check import check_run
from theory.design.run_design import design_run
from theory.design.run_file import parse_run
from theory.errors import InputError


def block_starts(context, least, most):
    """Every position at which a block can start, found by enumeration."""
    starts = {0}
    for position in range(context):
        if position in starts:
            starts |= {position + size for size in range(least, most + 1)}
    return sorted(start for start in starts if start < context)


def every_row(context, least, most, own_keys=1):
    """Every pair (keys outside the block, keys in it) over all queries and partitions; 0 outside is included."""
    return [
        (start, query + 1 - start)
        for start in block_starts(context, least, most)
        for query in range(start, min(context, start + most))
        if query + 1 - start >= own_keys
    ]


def attained(k, m, d):
    """Least fidelity and largest entropy (nats) of rows of separation at least `d`; two-level rows attain them."""
    if k == 0:
        return mpmath.mpf(1), mpmath.log(m)
    outside = k * mpmath.exp(-d)
    fidelity = m / (m + outside)
    # Equal scores have margin 0.
    level = max(d, mpmath.mpf(0))
    outside = k * mpmath.exp(-level)
    return fidelity, mpmath.log(m + outside) + level * outside / (m + outside)


def separation(locality, dial):
    biased = (mpmath.mpf(locality["margin"]) + mpmath.mpf(locality.get("penalty", 0.0))) / mpmath.mpf(
        locality.get("temperature", 1.0)
    )
    return biased - mpmath.log(1 - mpmath.mpf(dial))


def rows_of(values):
    locality, targets = values["locality"], values["targets"]
    least, most = locality.get("block_least", locality.get("block")), locality.get("block_most", locality.get("block"))
    return every_row(values["model"]["context"], least, most, targets.get("own_keys", 1))


def nearly_worst(rows, d):
    """Candidates for the worst row, chosen in floating point: the largest `k/m`, and the largest entropies."""
    k, m = np.array(rows, float).T
    level = max(float(d), 0.0)
    outside = k * np.exp(-level)
    entropy = np.log(m + outside) + level * outside / (m + outside)
    near = (k / m >= (1 - 1e-9) * (k / m).max()) | (entropy >= entropy.max() - 1e-9)
    return [row for row, chosen in zip(rows, near, strict=True) if chosen]


def worst_slack(values, dial):
    """Slack of the worst row against its layer's targets, in nats or fidelity; negative if it misses one."""
    targets, slack = values["targets"], mpmath.inf
    with mpmath.workdps(60):
        d = separation(values["locality"], dial)
        for k, m in nearly_worst(rows_of(values), d):
            fidelity, entropy = attained(k, m, d)
            if "fidelity" in targets:
                slack = min(slack, fidelity - mpmath.mpf(targets["fidelity"]))
            if "entropy_bits" in targets:
                slack = min(slack, mpmath.mpf(targets["entropy_bits"]) * mpmath.log(2) - entropy)
    return slack


def best_slack(values, dial):
    """Least slack over the queries, each with its best row of the logit range; negative if one query must miss."""
    locality, targets, slack = values["locality"], values["targets"], mpmath.inf
    rows = [row for row in rows_of(values) if row[0]]
    with mpmath.workdps(30):
        tau = mpmath.mpf(locality.get("temperature", 1.0))
        d = separation({**locality, "margin": mpmath.mpf(locality["logit_range"]) * tau}, dial)
        k, m = max(rows, key=lambda row: row[0] / row[1])
        if "fidelity" in targets:
            slack = m / (m + k * mpmath.exp(-d)) - mpmath.mpf(targets["fidelity"])
        if "entropy_bits" in targets:
            least = max(least_entropy(keys, d) for keys in {k + m for k, m in rows})
            slack = min(slack, mpmath.mpf(targets["entropy_bits"]) * mpmath.log(2) - least)
    return slack


def least_entropy(keys, spread):
    """Least entropy of a row with this logit range, over every number of keys at the upper level."""
    best = mpmath.inf
    for top in range(1, keys):
        logit = spread + mpmath.log(mpmath.mpf(top) / (keys - top))
        p, q = 1 / (1 + mpmath.exp(-logit)), 1 / (1 + mpmath.exp(logit))
        best = min(best, p * mpmath.log(top / p) + q * mpmath.log((keys - top) / q))
    return best


@st.composite
def run_values(draw, longest=40):
    context = draw(st.integers(2, longest))
    windows = draw(st.booleans())
    least = draw(st.integers(1, context - 1))
    most = least if windows else draw(st.integers(least, context - 1))
    sizes = {"block": least} if windows else {"block_least": least, "block_most": most}
    own_keys = draw(st.integers(1, max(1, min(most, context - least))))
    assume(least + own_keys <= context)
    locality = {
        **sizes,
        "margin": draw(st.one_of(st.floats(-4, 12), st.sampled_from([0.0, -3.0, 3.0]))),
        "temperature": draw(st.sampled_from([1.0, 0.3, 2.5])),
        "penalty": draw(st.sampled_from([0.0, 0.0, 1.7])),
        "dial": draw(st.sampled_from([0.0, 0.5, 0.97, 0.3])),
        "schedule": draw(st.sampled_from(["localist", "linear", "quintic"])),
    }
    if draw(st.booleans()):
        least_range = max(locality["margin"], 0.0) / locality["temperature"]
        locality["logit_range"] = math.nextafter(least_range + draw(st.sampled_from([0.0, 0.3, 2.0])), math.inf)
    targets = {"own_keys": own_keys}
    # Near the largest row's entropy, where the binding row is not always the last.
    entropy = draw(
        st.one_of(st.none(), st.floats(0, 1).map(lambda x: math.log2(most) * x + math.log2(context) * (1 - x)))
    )
    if entropy is not None:
        targets["entropy_bits"] = entropy
    if entropy is None or draw(st.booleans()):
        targets["fidelity"] = draw(st.one_of(st.floats(0.01, 0.999), st.sampled_from([0.5, 0.9, 0.98])))
    layers = draw(st.integers(2, 4))
    targets["localised_layers"] = draw(st.integers(1, layers))
    return {"model": {"layers": layers, "context": context}, "locality": locality, "targets": targets}


def faults(values, answer):
    """Layers whose standing the adversary contradicts."""
    found = []
    for layer in answer.layers:
        slack = worst_slack(values, layer.dial)
        # Below zero by more than the rounding of its 60 digits: a bound that meets its target exactly keeps it.
        if layer.standing is Standing.GUARANTEED and slack < -1e-50:
            found.append(f"layer {layer.layer} is violated by {mpmath.nstr(slack, 5)}")
        if layer.standing is not Standing.GUARANTEED and slack > 1e-30:
            found.append(f"layer {layer.layer} keeps all targets and is not called guaranteed")
        if layer.standing is Standing.IMPOSSIBLE and best_slack(values, layer.dial) >= 0:
            found.append(f"layer {layer.layer} is called impossible and can keep its targets")
    return found


# The largest row of 32 equal scores has exactly 5 bits.
EXACTLY_KEPT = {
    "model": {"layers": 2, "context": 32},
    "locality": {"block": 1, "margin": 0.0, "dial": 0.0, "schedule": "localist"},
    "targets": {"own_keys": 1, "entropy_bits": 5.0, "localised_layers": 1},
}


@settings(max_examples=60)
@given(run_values())
@example(EXACTLY_KEPT)
def test_adversary_contradicts_no_standing(values):
    answer = check_run(parse_run(values))
    assert faults(values, answer) == []
    kept = sum(layer.standing is Standing.GUARANTEED for layer in answer.layers)
    assert answer.guaranteed is (kept >= values["targets"]["localised_layers"])


@pytest.mark.slow
@settings(max_examples=4000)
@given(run_values(longest=90))
def test_adversary_contradicts_no_standing_of_thousands_of_runs(values):
    assert faults(values, check_run(parse_run(values))) == []


def decided_at_the_last_row(values):
    """A planted error: the decision looks only at the last row."""
    run = parse_run(values)
    least, most = run.locality.sizes
    planted = parse_run({**values, "targets": {**values["targets"], "own_keys": most}})
    assert CausalRows(run.model.context, least, most, most).farthest.own == most
    return check_run(planted)


def test_adversary_finds_a_promise_decided_at_the_last_row_only():
    values = {
        "model": {"layers": 2, "context": 1024},
        "locality": {"block": 64, "margin": 5.0},
        "targets": {"fidelity": 0.9},
    }
    assert {layer.standing for layer in decided_at_the_last_row(values).layers} == {Standing.GUARANTEED}
    assert any("violated" in fault for fault in faults(values, decided_at_the_last_row(values)))
    assert faults(values, check_run(parse_run(values))) == []


EXAMPLES = [
    ({"block": 64, "margin": 4.91}, {"fidelity": 0.9}, 1024, False),
    ({"block": 64, "margin": 9.06}, {"fidelity": 0.9}, 1024, False),
    ({"block": 64, "margin": 9.07}, {"fidelity": 0.9}, 1024, True),
    ({"block": 64, "margin": 4.91}, {"fidelity": 0.9, "own_keys": 64}, 1024, True),
    ({"block": 1023, "margin": -3.0}, {"fidelity": 0.98}, 1024, False),
    ({"block": 64, "margin": 4.75}, {"entropy_bits": 7.0}, 1024, False),
    ({"block": 64, "margin": 7.0}, {"entropy_bits": 7.0}, 1024, True),
    ({"block_least": 1, "block_most": 64, "margin": 9.07}, {"fidelity": 0.9}, 1024, False),
    ({"block_least": 1, "block_most": 64, "margin": 9.13}, {"fidelity": 0.9}, 1024, True),
    # The first block alone has up to 7 bits, more than any row with a key outside a block of 28.
    ({"block": 100, "margin": 20.0}, {"entropy_bits": 6.6}, 128, False),
    ({"block": 100, "margin": 20.0}, {"entropy_bits": 6.7}, 128, True),
]


@pytest.mark.parametrize(("locality", "targets", "context", "kept"), EXAMPLES, ids=str)
def test_runs_once_guaranteed_wrongly_are_not_guaranteed(locality, targets, context, kept):
    values = {"model": {"layers": 2, "context": context}, "locality": locality, "targets": targets}
    answer = check_run(parse_run(values))
    assert answer.guaranteed is kept
    assert faults(values, answer) == []


def test_answer_names_the_binding_rows():
    """Query 960 sees one key of its own block. For the entropy the last whole block binds at large separations."""
    values = {"model": {"layers": 2, "context": 1024}, "locality": {"block": 64, "margin": 3.0}, "targets": {}}
    for margin, query, own in ((0.1, 1023, 64), (6.0, 960, 1), (20.0, 1023, 64)):
        values["locality"]["margin"] = margin
        binding = check_run(parse_run(values | {"targets": {"fidelity": 0.9}})).to_json()["binding"]
        assert binding["fidelity"] == {"query": 960, "keys": 961, "own_keys": 1}
        assert binding["entropy"] == {"query": query, "keys": query + 1, "own_keys": own}
        rows = {(k, m): attained(k, m, mpmath.mpf(margin))[1] for k, m in every_row(1024, 64, 64)}
        assert max(rows, key=rows.get) == (query + 1 - own, own)


@settings(max_examples=30)
@given(st.data())
def test_causal_rows_match_enumeration(data):
    context = data.draw(st.integers(2, 70))
    least = data.draw(st.integers(1, context - 1))
    most = data.draw(st.one_of(st.just(least), st.integers(least, context - 1)))
    own_keys = data.draw(st.integers(1, most))
    rows = CausalRows(context, least, most, own_keys)
    walked = every_row(context, least, most, own_keys)
    outside = [(k, m) for k, m in walked if k]
    assert rows.any is bool(outside)
    assume(outside)
    far = rows.farthest
    assert (far.others, far.own) in outside
    assert all(k * far.own <= far.others * m for k, m in outside)
    assert rows.nearest.keys == min(k + m for k, m in outside)
    assert rows.most_keys == max(k + m for k, m in outside)
    for d in (-1.0, 0.0, 0.4, 1.0, 1.5, 3.0, 6.0, 15.0):
        bound = max(attained(k, m, mpmath.mpf(d))[1] for k, m in walked)
        found = [attained(row.others, row.own, mpmath.mpf(d))[1] for row in rows.entropy_candidates()]
        assert max(found) == bound
        assert all((row.others, row.own) in walked for row in rows.entropy_candidates())
    reach = data.draw(st.sampled_from([0.0, 0.7, 1.0, 3.0, 20.0]))
    assert rows.share(lambda own: reach * own) == pytest.approx(
        sum(k <= reach * m for k, m in outside) / len(outside), abs=1e-12
    )
    starts = block_starts(context + most + 1, least, most)
    position = data.draw(st.integers(0, context))
    assert rows.start_until(position) == max(start for start in starts if start <= position)
    assert rows.start_from(position) == min(start for start in starts if start >= position)


@settings(max_examples=40)
@given(run_values())
def test_share_counts_the_rows_that_keep_the_targets(values):
    answer = check_run(parse_run(values))
    targets, rows = values["targets"], [row for row in rows_of(values) if row[0]]
    d = separation(values["locality"], answer.layers[answer.binding.layer].dial)
    surely = perhaps = 0
    for k, m in rows:
        fidelity, entropy = attained(k, m, d)
        slack = min(fidelity - targets.get("fidelity", 0), targets.get("entropy_bits", 99) * mpmath.log(2) - entropy)
        # A row exactly at the threshold may count as missing it.
        surely, perhaps = surely + (slack > 1e-9), perhaps + (slack > -1e-9)
    assert surely / len(rows) - 1e-12 <= answer.binding.share <= perhaps / len(rows) + 1e-12


@settings(max_examples=25)
@given(st.integers(10**3, 10**12), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 4), st.data())
def test_causal_rows_of_long_contexts_match_random_queries(context, least, spread, own_keys, data):
    least = min(least, context - own_keys)
    most = max(min(least + spread, context - 1), least)
    assume(own_keys <= most)
    rows = CausalRows(context, least, most, own_keys)
    assume(rows.any)
    far = rows.farthest
    for _ in range(30):
        blocks = data.draw(st.integers(1, max(1, context // least)))
        start = blocks * data.draw(st.integers(least, most))
        own = data.draw(st.integers(own_keys, most))
        if start + own > context:
            continue
        assert start * far.own <= far.others * own
        for d in (0.0, 0.5, 2.0, 5.0, 12.0, 20.0):
            bound = max(attained(row.others, row.own, mpmath.mpf(d))[1] for row in rows.entropy_candidates())
            assert attained(start, own, mpmath.mpf(d))[1] <= bound * (1 + mpmath.mpf(10) ** -12)


OPEN = ["margin", "penalty", "dial"]


@settings(max_examples=40)
@given(run_values(), st.sampled_from(OPEN))
def test_design_finds_the_smallest_setting_and_grid_agrees(values, name):
    solved = design_run(parse_run({**values, "locality": {**values["locality"], name: "solve"}}))
    found = solved.solved[0].value
    tried = [found, math.nextafter(found, -math.inf)] if found is not None else [values["locality"][name]]
    tried = [x for x in tried if name == "margin" or x >= 0]
    decisions = []
    for x in tried:
        at = {**values, "locality": {**values["locality"], name: x}}
        try:
            decisions.append(check_run(parse_run(at)).guaranteed)
        except InputError:
            assert "logit_range" in at["locality"]
            return
    assert decisions == ([True, False][: len(tried)] if found is not None else [False])
    axis = Axis(f"locality.{name}", np.array(tried))
    grid = next(iter(make_grid(values, [axis]).chunks()))
    assert grid["guaranteed"].tolist() == decisions
