"""The choice of dials from curves, its correction by what is measured, and the schedules beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from empirical.attention.schedule import LayerDial, largest_dial
from empirical.calibration.curves import Curves, Item, items_of
from empirical.calibration.plans import ROUNDS, Outcome, least_cost_plan, schedule_plans
from empirical.calibration.unseen import unseen_windows
from theory.errors import DomainError

LEVELS = (0.0, 0.5, 0.9, 1.0)


def _curves(per_head: bool = False) -> Curves:
    """Two layers: the first is dear to move, the second cheap."""
    items = [item for layer in range(2) for item in items_of(layer, 2 if per_head else 1, per_head)]
    losses = np.array([[0, 0.1, 0.3, 0.5], [0, -0.01, 0.02, 0.05]])
    met = np.array([[10, 30, 60, 100], [20, 40, 90, 100]])
    share = len(items) // 2
    return Curves(tuple(items), LEVELS, losses.repeat(share, 0), met.repeat(share, 0), np.full(len(items), 100))


def _keeping(shares: dict[float, float]) -> tuple[list[Sequence[LayerDial]], object]:
    """Measures a plan by its mean dial: each window keeps the share of the largest key below it."""
    tried: list[Sequence[LayerDial]] = []

    def measure(plan: Sequence[LayerDial]) -> Outcome:
        tried.append(plan)
        mean = float(np.mean([np.mean(dial) for dial in plan]))
        share = max(value for key, value in shares.items() if key <= mean)
        return Outcome(0.0, (share, 1.0), share)

    return tried, measure


def test_the_cheapest_choice_stands_where_it_is_kept() -> None:
    tried, measure = _keeping({0.0: 0.6})
    plan, about = least_cost_plan(_curves(), 2, 0.5, measure)
    assert plan == [0.0, 0.9]
    assert about["rounds"] == 1
    assert about["from"] == "curves"
    assert tried[0] == plan
    assert about["predicted"] == about["no_choice_below"] == pytest.approx(0.02)


def test_more_is_asked_where_a_window_falls_short() -> None:
    _, measure = _keeping({0.0: 0.3, 0.6: 0.7})
    plan, about = least_cost_plan(_curves(), 2, 0.5, measure)
    assert plan == [0.9, 0.9]
    assert about["rounds"] == 2
    assert about["rows_asked"] == pytest.approx(0.7)


def test_all_dials_are_1_where_no_choice_is_kept() -> None:
    tried, measure = _keeping({0.0: 0.45})
    plan, about = least_cost_plan(_curves(), 2, 0.5, measure)
    assert plan == [1.0, 1.0]
    assert about["predicted"] is None
    assert about["from"] == "hard mask"
    # Besides the rounds, uniform dials.
    assert len(tried) <= ROUNDS + 2 * len(LEVELS)


def test_a_uniform_dial_that_costs_less_is_taken() -> None:
    def measure(plan: Sequence[LayerDial]) -> Outcome:
        alike = len({np.mean(dial) for dial in plan}) == 1
        share = 0.6 if np.mean([np.mean(dial) for dial in plan]) > 0.3 else 0.1
        return Outcome(0.01 if alike else 0.02, (share,), share)

    plan, about = least_cost_plan(_curves(), 2, 0.5, measure)
    assert plan == [0.5, 0.5]
    assert about["from"] == "uniform dial"
    assert about["predicted"] is None


def test_windows_without_rows_keep_every_promise() -> None:
    numbers = [(1.0, 3, 4), (3.0, 0, 0)]
    found = Outcome.of([{"loss": np.array(a), "met": np.array(b), "rows": np.array(c)} for a, b, c in numbers])
    assert found == Outcome(2.0, (0.75, 1.0), 0.75, 1)
    assert Outcome.of([{"loss": np.array(1.0), "met": np.array(0), "rows": np.array(0)}]).share == 1


def test_curves_without_rows_are_refused() -> None:
    curves = Curves((Item(0, 1),), LEVELS, np.zeros((1, 4)), np.zeros((1, 4), int), np.zeros(1, int))
    with pytest.raises(DomainError, match="no row of the windows that choose the dials"):
        least_cost_plan(curves, 1, 0.5, lambda plan: Outcome(0.0, (1.0,), 1.0))


def test_heads_get_dials_of_their_own() -> None:
    curves = _curves(per_head=True)
    assert curves.dials([0, 1, 2, 3], 3) == [(0.0, 0.5), (0.9, 1.0), 0.0]
    assert Item(0, 3, 1).dial(0.7) == (0.0, 0.7, 0.0)


def test_schedules_at_equal_mean_and_equal_fidelity() -> None:
    _, measure = _keeping({0.0: 0.1, 0.2: 0.6})
    found = {(name, equal): dials for name, equal, dials in schedule_plans(4, 0.3, 0.5, measure)}
    for name in ("uniform", "linear"):
        for equal, mean in (("mean dial", 0.3), ("promise", 0.2)):
            dials = found[name, equal]
            assert not isinstance(dials, str)
            assert np.mean(dials) == pytest.approx(mean, abs=0.02)
    # The largest mean dial of quintic on four layers is 0.28: no schedule has more.
    assert "must be at most" in found["quintic", "mean dial"]
    _, never = _keeping({0.0: 0.1})
    refused = {dials for _, equal, dials in schedule_plans(4, 0.0, 0.5, never) if equal == "promise"}
    assert refused == {"with largest dial 1 a window keeps only 0.1000 of its rows"}
    _, always = _keeping({0.0: 1.0})
    assert all(
        not isinstance(dials, str) and largest_dial(dials) == 0 for _, _, dials in schedule_plans(4, 0.0, 0.5, always)
    )


def test_what_is_said_of_unseen_windows() -> None:
    shares = [0.9] * 2 + [0.96] * 38
    found = unseen_windows(shares, 0.95, 0.95, 1000)
    assert (found["windows"], found["violations"], found["population"]) == (40, 2, 1000)
    # Clopper-Pearson for 2 of 40, from tables: 0.1492.
    assert found["share_at_most"] == pytest.approx(0.1492, abs=1e-4)
    assert 130 < found["of_this_text"] < 150
    assert found["new_window"] == {"rank": 2, "share": 0.9, "probability": 1 - 2 / 41}
    # All windows of the text are known.
    assert unseen_windows(shares, 0.95, 0.95, 40)["of_this_text"] == 2


def test_too_few_windows_say_nothing_of_one_new_window() -> None:
    found = unseen_windows([1.0] * 18, 0.95, 0.95, 100)
    assert found["new_window"] is None
    assert "must be at least 19" in found["no_new_window"]
