"""`check_run`: each part of its answer against the statement it comes from."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from runs import run_values

from theory.design.needed import Standing
from theory.design.promise import Promise
from theory.design.run_check import check_run
from theory.design.run_file import parse_run
from theory.design.run_groups import learning_rates
from theory.numbers import bounds


def checked(**changes):
    return check_run(parse_run(run_values(**changes)))


def test_layers_follow_the_schedule_and_the_bounds():
    """Query 224 of 256 keys in windows of 32 has one key of its own block and 224 others; query 255 has 32 and 224."""
    answer = checked()
    dials = [0.97 * (layer / 5) ** 3 for layer in range(6)]
    assert [layer.dial for layer in answer.layers] == pytest.approx(dials)
    for layer, dial in zip(answer.layers, dials, strict=True):
        d = 6.5 - math.log1p(-dial)
        assert layer.leak_max == pytest.approx(bounds.leak_max(225, 1, d), rel=1e-12)
        entropy = max(bounds.entropy_max(225, 1, d), bounds.entropy_max(256, 32, d))
        assert layer.entropy_max_nats == pytest.approx(entropy, rel=1e-12)
        assert layer.entropy_min_nats == pytest.approx(bounds.entropy_min(33, 9.0 - math.log1p(-dial)), rel=1e-12)
        kept = bounds.fidelity_min(225, 1, d) >= 0.8
        assert layer.standing is (Standing.GUARANTEED if kept else Standing.POSSIBLE)
    assert answer.schedule["localised_layers"] == sum(
        dial >= layer.dial_needed for layer, dial in zip(answer.layers, dials, strict=True)
    )


def test_guaranteed_possible_and_impossible():
    """A3 in both directions: 224 keys against 1 need a soft margin of log(224 * 4) = 6.80 nats for fidelity 0.8."""
    needed = math.log(224 * 4)
    at_zero = {"locality__dial": 0.0, "optimizer": None, "rules": None}
    for margin, logit_range, standing in [
        (needed + 1e-9, 9.0, Standing.GUARANTEED),
        (needed - 1e-9, 9.0, Standing.POSSIBLE),
        (0.0, needed + 1e-9, Standing.POSSIBLE),
        (0.0, needed - 1e-9, Standing.IMPOSSIBLE),
    ]:
        answer = checked(locality__margin=margin, locality__logit_range=logit_range, **at_zero)
        assert {layer.standing for layer in answer.layers} == {standing}


def test_entropy_target_below_the_least_entropy_is_impossible():
    answer = checked(
        targets__fidelity=None,
        targets__entropy_bits=5.5,
        locality__margin=0.0,
        locality__logit_range=1.0,
        locality__dial=0.0,
    )
    assert {layer.standing for layer in answer.layers} == {Standing.IMPOSSIBLE}


def first_step_emptied(size, penalty, rate=1e-3, norm=1.5):
    """C5 from its formula: the first N at which the sum of eta (lam - sqrt(p) c_t) reaches the norm."""
    reached, t, ratio = 0.0, 0, 0.9**2 / 0.999
    while reached < norm:
        t += 1
        c = 0.1 / (1 - 0.9**t) * math.sqrt((1 - 0.999**t) / 0.001 * (1 - ratio**t) / (1 - ratio))
        reached += rate * (penalty - math.sqrt(size) * c)
    return t


def test_adam_weight_blocks_follow_c5():
    answer = checked(optimizer__penalty=240.0)
    assert [group.size for group in answer.groups] == [256, 1024]
    for group in answer.groups:
        assert group.extinction_step == first_step_emptied(group.size, 240.0)
        assert group.standing is Standing.GUARANTEED


def test_penalty_below_adams_limit_promises_nothing():
    answer = checked(optimizer__penalty=100.0)
    assert answer.groups[0].standing is Standing.POSSIBLE
    assert answer.groups[0].extinction_step is None
    assert any("not guaranteed to be zero" in reason for reason in answer.unmet)


def descent(**changes):
    values = run_values()
    values["optimizer"] = {
        "kind": "proximal-sgd", "learning_rate": 0.5, "steps": 10, "penalty": 2.0, "block_norm": 4.0,
        "group_sizes": [64], "gradient_bound": 1.0, **changes,
    }  # fmt: skip
    return check_run(parse_run(values)).groups[0]


def test_sgd_weight_blocks_follow_c1_and_c4():
    assert descent().extinction_step == 8
    assert descent().standing is Standing.GUARANTEED
    assert descent(steps=8).standing is Standing.GUARANTEED
    assert descent(steps=7).standing is Standing.POSSIBLE
    assert descent(penalty=0.5).extinction_step is None
    assert descent(penalty=0.5, gradient_least=0.75).standing is Standing.IMPOSSIBLE
    assert descent(penalty=0.5, gradient_least=0.5).standing is Standing.POSSIBLE
    # Gradients that alternate in sign leave a buffer of 1/(1 + momentum) of their size.
    assert descent(penalty=0.5, gradient_least=0.75, momentum=0.5).standing is Standing.POSSIBLE
    assert descent(penalty=0.5, gradient_least=0.76, momentum=0.5).standing is Standing.IMPOSSIBLE


def test_momentum_starts_from_an_empty_buffer():
    slow = descent(momentum=0.5, penalty=4.0, learning_rate_schedule="linear", steps=10)
    gained, buffer = Fraction(0), Fraction(0)
    for step in range(slow.extinction_step):
        assert gained < 4
        buffer = buffer / 2 + 1
        gained += Fraction(1, 2) * (1 - Fraction(step, 10)) * (4 - buffer)
    assert gained >= 4
    assert slow.standing is Standing.GUARANTEED


def test_linear_learning_rate_falls_until_the_last_step():
    optimizer = parse_run(run_values(optimizer__learning_rate_schedule="linear")).optimizer
    assert learning_rates(optimizer, 4).tolist() == [1e-3, 0.75e-3, 0.5e-3, 0.25e-3]


@pytest.mark.parametrize(("block", "warned"), [(128, False), (129, True), (127, False), (200, True)])
def test_warns_of_a_block_over_half_the_context(block, warned):
    answer = checked(locality__block=block, optimizer=None, rules=None)
    assert any("more than half" in warning for warning in answer.warnings) is warned


def test_warning_is_about_the_largest_block():
    answer = checked(
        locality__block=None, locality__block_least=32, locality__block_most=129, optimizer=None, rules=None
    )
    assert any("more than half" in warning for warning in answer.warnings)


ANCHORS = {"number": 8, "coherence": 0.0, "distance": 0.1, "scale": 5.0}


def anchored(**changes):
    anchors = ANCHORS | {key: changes.pop(key) for key in list(changes) if key in ANCHORS}
    return checked(locality__margin=None, locality__anchors=anchors, rules=None, optimizer=None, **changes)


def test_anchors_give_the_margin():
    phi = 2 * math.asin(0.05)
    assert anchored().margin == pytest.approx(5 * (math.cos(phi) - math.cos(math.pi / 2 - phi)))


FAULTY = [
    ({}, None),
    ({"number": 7}, "7 anchors are fewer than the 8 blocks"),
    ({"number": 9, "model__head_width": 4, "coherence": -0.1}, "cannot all have coherence at most -0.1"),
    ({"number": 10**9, "coherence": 0.001}, "at most 0.001: the least is 0.12499"),
    ({"number": 10**9, "coherence": 0.125}, None),
    ({"number": 129, "coherence": 0.0}, "129 anchors in 64 dimensions"),
    ({"number": 128, "coherence": 0.0}, None),
    ({"number": 8, "coherence": -1 / 7}, None),
    ({"number": 8, "coherence": -1 / 7 - 1e-9}, "D2"),
    ({"number": 12, "model__context": 100, "locality__block": None, "locality__block_least": 8,
      "locality__block_most": 30}, "12 anchors are fewer than the 13 blocks"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "fault"), FAULTY, ids=str)
def test_impossible_anchors_are_unmet(changes, fault):
    reasons = [reason for reason in anchored(targets=None, **changes).unmet if "anchors" in reason]
    assert len(reasons) == (fault is not None)
    assert fault is None or fault in reasons[0]


@pytest.mark.parametrize(("schedule", "layers"), [("localist", 6), ("linear", 2), ("quintic", 1), ("linear", 6)])
def test_scale_needed_is_that_of_the_binding_layer(schedule, layers):
    changes = {"locality__schedule": schedule, "targets__localised_layers": layers, "locality__logit_range": None}
    needed = anchored(**changes).anchors["scale_needed"]
    assert anchored(scale=needed, **changes).guaranteed is True
    assert anchored(scale=math.nextafter(needed, 0), **changes).guaranteed is False


def test_far_keys_have_a_largest_scale():
    """A negative margin shrinks with the scale, and a penalty makes up for it."""
    changes = {"coherence": 0.9, "distance": 1.0, "locality__penalty": 12.0, "locality__logit_range": None}
    most = anchored(**changes).anchors["scale_most"]
    assert anchored(scale=most, **changes).guaranteed is True
    assert anchored(scale=math.nextafter(most, math.inf), **changes).guaranteed is False


def test_rules_that_promise_too_much_come_with_a_certificate():
    rules = {"subject": {"keys": "0:32", "promise": 0.5}, "verb": {"keys": [40, 41], "promise": 0.6}}
    answer = checked(rules=rules, targets=None)
    weights, promises = answer.rules.certificate, answer.rules.promises
    assert answer.rules.possible is False
    assert sum(weights[name] * promises[name] for name in weights) > max(weights.values())
    assert checked().rules.certificate is None


def test_rules_over_very_many_keys_are_decided_by_their_kinds():
    keys = {"a": "0:100000000000", "b": [5, 99999999999], "c": "100000000000:200000000000"}
    rules = {name: {"keys": held, "promise": 0.5} for name, held in keys.items()}
    far = checked(model__context=10**12, rules=rules, optimizer=None, targets=None)
    assert far.rules.possible is True
    rules["c"]["promise"] = 0.6
    assert checked(model__context=10**12, rules=rules, optimizer=None, targets=None).rules.possible is False


def test_sparse_attention_needs_a_penalty_for_the_fewest_own_keys():
    """B5 at the row with one own key: sqrt(4) (1/1 - separation), where dial and penalty add to the separation."""
    bare = {"rules": None, "optimizer": None, "targets": None, "locality__dial": 0.0}
    assert checked(locality__margin=1.0, locality__sparse={"penalty": 0.0}, **bare).sparse["penalty_needed"] == 0
    changes = {"locality__margin": -1.0, "locality__schedule": "localist", "locality__penalty": 0.25} | bare
    for dial, tau in ((0.0, 1.0), (0.5, 2.0)):
        changes |= {"locality__dial": dial, "locality__temperature": tau}
        needed = 2 * (tau + 1 - 0.25 + tau * math.log1p(-dial))
        for penalty, standing in ((needed + 1e-9, "guaranteed"), (needed - 1e-9, "possible")):
            answer = checked(locality__sparse={"penalty": penalty, "group": 4}, **changes)
            assert answer.sparse == {"penalty_needed": pytest.approx(needed), "standing": standing}
            assert answer.guaranteed is (standing == "guaranteed")
    # A group as large as all keys before the last block.
    all_keys = checked(locality__sparse={"penalty": 9.0, "group": 10**9}, **changes)
    assert all_keys.sparse["penalty_needed"] == pytest.approx(needed / 2 * math.sqrt(224))


def test_sparse_attention_is_impossible_below_the_range():
    """The best row of range r needs sqrt(m_g) tau (1/m - r); the dial and the penalty lower that."""
    bare = {"rules": None, "optimizer": None, "targets": None, "locality__margin": 0.0, "locality__logit_range": 0.25}
    for dial, penalty in ((0.0, 0.0), (0.3, 0.1)):
        least = 3 * (1 - 0.25 - penalty + math.log1p(-dial))
        for given, standing in ((least - 1e-9, "impossible"), (least + 1e-9, "possible")):
            answer = checked(
                locality__sparse={"penalty": given, "group": 9}, locality__dial=dial, locality__penalty=penalty,
                locality__schedule="localist", **bare,
            )  # fmt: skip
            assert answer.sparse["standing"] == standing
            assert {layer.standing.value for layer in answer.layers} == {standing}


def test_sparse_attention_has_no_softmax_bounds():
    """An emptied complement gives fidelity 1; otherwise no fidelity is promised, unlike for softmax."""
    bare = {"rules": None, "optimizer": None, "locality__dial": 0.0, "locality__logit_range": None}
    empty = checked(locality__margin=1.0, locality__sparse={"penalty": 0.0}, **bare)
    assert {layer.fidelity_min for layer in empty.layers} == {1.0}
    assert empty.guaranteed is True
    full = checked(locality__margin=0.9, locality__sparse={"penalty": 0.0}, targets__fidelity=0.01, **bare)
    assert {layer.leak_max for layer in full.layers} == {1.0}
    assert full.guaranteed is False


def test_warnings_appear_only_where_they_apply():
    with_adam = " ".join(checked(locality__dial=0.9999).warnings)
    assert "strict local minimum" in with_adam
    assert "dimensionless" in with_adam
    assert "coarse in float32" in with_adam
    assert checked(optimizer=None, locality__dial=0.5).warnings == ()


@pytest.mark.parametrize(
    "locality",
    [{"margin": -6.75}, {"anchors": {"number": 3, "coherence": 0.9, "distance": 1.5, "scale": 6.0}}],
    ids=["margin", "anchors"],
)
def test_negative_margin_promises_no_entropy_below_log_n(locality):
    """A run's margin is a lower bound, so it allows a row with equal scores."""
    values = {"model": {"layers": 2, "context": 16}, "locality": {"block": 8, **locality}}
    for bits, kept in ((3.95, False), (4.0, True)):
        answer = check_run(parse_run({**values, "targets": {"entropy_bits": bits}}))
        assert answer.guaranteed is kept
        assert [layer.entropy_max_nats for layer in answer.layers] == pytest.approx([math.log(16)] * 2, rel=1e-12)


def test_separation_that_overflows_has_the_entropy_of_the_largest_block():
    locality = {"block_least": 8, "block_most": 9, "margin": 1e308, "temperature": 0.5}
    answer = check_run(parse_run({"model": {"layers": 2, "context": 16}, "locality": locality}))
    assert [layer.separation for layer in answer.layers] == [math.inf] * 2
    assert [layer.entropy_max_nats for layer in answer.layers] == pytest.approx([math.log(9)] * 2)


def test_without_a_target_there_is_no_decision():
    answer = checked(targets=None, optimizer=None, rules=None)
    assert answer.guaranteed is None
    assert np.isfinite(answer.layers[0].leak_max)


def test_decisions_do_not_grow_with_layers(monkeypatch):
    """Exact decisions are slow and monotone in the dial, so a bisection decides any number of layers."""
    calls = []
    kept = Promise.kept
    monkeypatch.setattr(Promise, "kept", lambda self, setting: calls.append(setting) or kept(self, setting))
    counts = []
    for layers in (10, 10_000):
        calls.clear()
        answer = checked(model__layers=layers, locality__schedule="linear", optimizer=None)
        assert len(answer.layers) == layers
        counts.append(len(calls))
    assert counts[1] <= counts[0] + 10
    first = next(layer.layer for layer in answer.layers if layer.standing is Standing.GUARANTEED)
    assert answer.layers[first].dial >= answer.layers[0].dial_needed > answer.layers[first - 1].dial


def test_entropy_that_rounds_to_zero_is_no_row_kept():
    values = {
        "model": {"layers": 2, "context": 8},
        "locality": {"block": 1, "margin": 800.0},
        "targets": {"entropy_bits": 0.0},
    }
    assert check_run(parse_run(values)).binding.share == 0.0


def test_larger_margin_keeps_at_least_as_many_rows():
    values = {
        "model": {"layers": 2, "context": 300},
        "locality": {"block_least": 7, "block_most": 40, "margin": 0.0},
        "targets": {"entropy_bits": 6.0},
    }
    shares = []
    for margin in np.linspace(0, 9, 10):
        values["locality"]["margin"] = float(margin)
        shares.append(check_run(parse_run(values)).binding.share)
    assert all(low <= high for low, high in pairwise(shares))
    assert shares[0] < shares[-1] == 1.0
