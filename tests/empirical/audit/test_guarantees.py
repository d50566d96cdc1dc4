"""What the weights guarantee bounds every row, and a promise is guaranteed only where the worst row keeps it."""

import math

import numpy as np
import pytest
import torch

from empirical.audit.guarantees import HeadGuarantee, rows_that_occur
from empirical.audit.promises import parse_promise
from empirical.audit.weight_range import HeadRange

ROWS = rows_that_occur("windows", 8, 64)


def worst_row(deficit, dial, sink=None, rows=ROWS):
    """Least fidelity and largest entropy over the windows' rows with every off-block key `deficit` above the block."""
    least, most = 1.0, 0.0
    for query in range(rows.context):
        own = query % rows.most + 1
        scores = torch.zeros(query + 1, dtype=torch.float64)
        scores[: query + 1 - own] = deficit
        scores[query + 1 - own :] -= math.log1p(-dial)
        if sink is not None:
            scores = torch.cat((scores, torch.tensor([sink], dtype=torch.float64)))
        mass = scores.softmax(0)
        inside = mass[query + 1 - own : query + 1].sum().item()
        least = min(least, inside if query + 1 > own or sink is not None else 1.0)
        most = max(most, -(mass * mass.log()).nan_to_num().sum().item())
    return least, most


@pytest.mark.parametrize(("score", "dial"), [(0.1, 0.0), (0.5, 0.9), (2.0, 0.999), (1.0, 0.5)])
def test_the_worst_two_level_row_attains_the_fidelity(score, dial):
    head = HeadGuarantee(ROWS, HeadRange(score), dial)
    least, _ = worst_row(2 * score, dial)
    assert head.fidelity_min <= least
    assert head.fidelity_min == pytest.approx(least, rel=1e-9)
    below, above = (parse_promise(f"fidelity>={least * factor:.17g}") for factor in (1 - 1e-9, 1 + 1e-9))
    assert (head.keeps(below), head.keeps(above)) == (True, False)


def test_a_sink_counts_as_a_key_off_the_block():
    least, _ = worst_row(1.0, 0.9, sink=0.5 + 0.5)
    head = HeadGuarantee(ROWS, HeadRange(0.5, 0.5), 0.9)
    assert head.fidelity_min == pytest.approx(least, rel=1e-9)
    assert head.keeps(parse_promise("entropy<=4")) is None
    assert head.why(parse_promise("entropy<=4")) == "how far a sink raises the entropy is not decided"


def test_the_dial_needed_is_the_smallest_that_guarantees():
    promise = parse_promise("fidelity>=0.9")
    head = HeadGuarantee(ROWS, HeadRange(1.5), 0.0)
    dial = head.dial_needed(promise)
    assert head.keeps(promise) is False
    assert HeadGuarantee(ROWS, HeadRange(1.5), dial).keeps(promise)
    assert not HeadGuarantee(ROWS, HeadRange(1.5), np.nextafter(dial, 0)).keeps(promise)
    assert head.bias_needed(promise) == pytest.approx(-math.log1p(-dial), rel=1e-6)
    assert worst_row(3.0, dial)[0] == pytest.approx(0.9, rel=1e-9)


def test_no_float_dial_is_enough_for_hundreds_of_nats():
    head = HeadGuarantee(ROWS, HeadRange(150.0), 0.5)
    promise = parse_promise("fidelity>=0.9")
    assert head.keeps(promise) is False
    assert head.dial_needed(promise) is None
    assert head.bias_needed(promise) == pytest.approx(300 + math.log(56 * 9), rel=1e-9)


def test_dial_one_guarantees_whatever_the_weights():
    head = HeadGuarantee(ROWS, HeadRange(None, reason="unknown"), 1.0)
    assert head.fidelity_min == 1.0
    assert head.keeps(parse_promise("fidelity>=1"))
    assert head.keeps(parse_promise(f"entropy<={math.log(8) * (1 + 1e-9)}"))
    assert head.keeps(parse_promise(f"entropy<={math.log(8) * (1 - 1e-9)}")) is False


def test_below_dial_one_a_fidelity_of_one_is_never_guaranteed():
    head = HeadGuarantee(ROWS, HeadRange(0.0), 0.9)
    assert head.keeps(parse_promise("fidelity>=1")) is False
    assert head.dial_needed(parse_promise("fidelity>=1")) is None


def test_an_undecided_range_decides_nothing():
    head = HeadGuarantee(ROWS, HeadRange(None, reason="the path is unknown"), 0.9)
    promise = parse_promise("fidelity>=0.001")
    assert (head.keeps(promise), head.fidelity_min) == (None, None)
    assert head.why(promise) == "the path is unknown"


@pytest.mark.parametrize("range_", [HeadRange(None, reason="unknown"), HeadRange(0.5, 0.5)])
def test_no_row_has_more_entropy_than_equal_scores(range_):
    head = HeadGuarantee(ROWS, range_, 0.9)
    assert head.entropy_max == pytest.approx(math.log(65), rel=1e-9)
    assert head.keeps(parse_promise(f"entropy<={math.log(65) * (1 + 1e-9)}")) is True
    assert head.keeps(parse_promise(f"entropy<={math.log(65) * (1 - 1e-9)}")) is None


@pytest.mark.parametrize("dial", [0.5, 0.999, 0.99999])
def test_the_entropy_bound_holds_of_the_worst_row(dial):
    head = HeadGuarantee(ROWS, HeadRange(0.5), dial)
    _, most = worst_row(1.0, dial)
    assert most <= head.entropy_max
    assert head.keeps(parse_promise(f"entropy<={head.entropy_max * 1.001}"))
    assert head.keeps(parse_promise(f"entropy<={most * 0.999}")) is False
    least = head.dial_needed(parse_promise("entropy<=2.5"))
    assert HeadGuarantee(ROWS, HeadRange(0.5), least).keeps(parse_promise("entropy<=2.5"))


def test_every_length_of_a_block_that_follows_the_text_occurs():
    head = HeadGuarantee(rows_that_occur("sentences", 8, 64), HeadRange(0.5), 0.9)
    assert head.fidelity_min == pytest.approx(1 / (1 + 63 * math.e * 0.1), rel=1e-9)
