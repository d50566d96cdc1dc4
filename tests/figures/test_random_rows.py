"""Random attention rows and the curves of A2, A4 and A5. A row beyond a curve is marked."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from drawn_rows import rows_of
from pictures import drawn_in_red, texts

from figures.pictures import entropy, leak, random_rows
from figures.pictures.style import COLOURS
from theory.errors import DomainError
from theory.numbers import bounds


@pytest.fixture(scope="module")
def rows():
    return random_rows.make_rows()


def test_random_rows_agree_with_scipy():
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(200, 16)) * generator.uniform(0, 9, (200, 1))
    numbers = random_rows.row_numbers(scores, 4)
    weights = scipy.special.softmax(scores, axis=1)
    np.testing.assert_allclose(numbers["leak"], weights[:, 4:].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(numbers["entropy"], scipy.stats.entropy(weights, axis=1), atol=1e-11)
    np.testing.assert_array_equal(numbers["separation"], scores[:, :4].min(axis=1) - scores[:, 4:].max(axis=1))


def test_rows_at_equality_touch_the_curves(rows):
    part = rows[rows["family"] == "two-level"]
    n, m, d = (part[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    np.testing.assert_allclose(part["leak"], bounds.leak_max(n, m, d), rtol=random_rows.LEAK_ERROR)
    above = d >= 0
    error = random_rows.ENTROPY_ERROR
    np.testing.assert_allclose(part["entropy"][above], bounds.entropy_max(n, m, d)[above], atol=error, rtol=0)
    pair = rows[rows["family"] == "one pair"]
    n, m, d = (pair[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    assert (d <= 1e-15).all()
    np.testing.assert_allclose(pair["entropy"], bounds.entropy_max(n, m, d), atol=error, rtol=0)


def test_rows_of_least_entropy_touch_the_lower_curve(rows):
    part = rows[rows["family"] == "least entropy"]
    least = bounds.entropy_min(part["n"].to_numpy(dtype=float), part["range"].to_numpy(dtype=float))
    np.testing.assert_allclose(part["entropy"], least, atol=random_rows.ENTROPY_ERROR, rtol=0)
    assert part["range"].min() == 0 < part["range"].max()


def test_seed_fixes_the_random_rows(rows):
    assert random_rows.make_rows(0).equals(rows)
    other = random_rows.make_rows(1)
    assert not other.equals(rows)
    assert leak.faults(other) == entropy.faults(other) == []


@pytest.mark.parametrize(
    ("figure", "family", "column", "change", "fault"),
    [
        (leak, "two-level", "leak", lambda value: value * (1 + 1e-11), "rows above the leak bound: 1"),
        (entropy, "two-level", "entropy", lambda value: value + 1e-10, "rows above the entropy bound: 1"),
        (entropy, "one pair", "entropy", lambda value: value + 1e-10, "rows above the entropy bound: 1"),
        (entropy, "least entropy", "entropy", lambda value: value - 1e-10, "rows below the entropy bound: 1"),
        (leak, "Gaussian", "leak", lambda value: np.nan, "rows above the leak bound: 1"),
    ],
)
def test_row_beyond_the_curve_is_marked(rows, figure, family, column, change, fault):
    rows = rows.copy()
    # At the largest separation of the family both curves above are bounds.
    index = rows.loc[rows["family"] == family, "separation"].idxmax()
    rows.loc[index, column] = change(rows.loc[index, column])
    assert figure.faults(rows) == [fault]
    drawn = figure.draw(rows)
    # Leak and fidelity show the same rows.
    panels = 2 if figure is leak else 1
    assert len(drawn_in_red(drawn)) == panels
    assert "BEYOND THE BOUND: 1" in texts(drawn)


def test_negative_branch_is_below_log_n():
    """Below separation 0 the bound is log(n - 2 + e^h), not log n. A row between the two is a violation."""
    rows = random_rows.make_rows(per_family=20).iloc[:1].copy()
    rows[["separation", "range", "leak", "entropy"]] = [-6.0, 6.0, 0.5, np.log(16) - 0.02]
    assert entropy.faults(rows) == ["rows above the entropy bound: 1"]


def test_draw_refuses_rows_of_two_sizes(rows):
    with pytest.raises(DomainError, match="same n and m"):
        entropy.draw(rows.assign(n=np.arange(len(rows)) + 16))
    with pytest.raises(DomainError, match="must not be empty"):
        leak.draw(rows.iloc[:0])
    with pytest.raises(DomainError, match="per_family"):
        random_rows.make_rows(per_family=0)


def test_one_leak_curve_bounds_rows_of_all_sizes():
    generator = np.random.default_rng(2)
    n = generator.integers(2, 200, 50)
    m = generator.integers(1, n)
    d = generator.uniform(-9, 9, 50)
    shifted = d + np.log(m / (n - m))
    np.testing.assert_allclose(bounds.leak_max(n, m, d), scipy.special.expit(-shifted), rtol=1e-12)
    np.testing.assert_allclose((n - m) / m * np.exp(-d), np.exp(-shifted), rtol=1e-12)


def test_trained_rows_are_drawn_beside_random_ones_and_judged_with_their_own_error():
    rows = rows_of("leak")
    trained = rows["family"] == "trained"
    assert rows["run"][trained].value_counts().to_dict() == {"distributed": 500, "localist": 500}
    figure = leak.draw(rows)
    assert len(figure.axes) == 3
    assert "rows left of the axis: " in texts(figure)
    blue = [line for line in figure.axes[1].lines if line.get_color() == COLOURS["distributed"]]
    assert sum(len(line.get_xdata()) for line in blue) == 500
    worst = rows["leak"][trained].idxmax()
    bound = bounds.leak_max(rows["n"][worst], rows["m"][worst], rows["separation"][worst])
    rows.loc[worst, "leak"] = bound * (1 + 3 * rows["leak_error"][worst])
    assert leak.faults(rows) == ["rows above the leak bound: 1"]
    assert len(drawn_in_red(leak.draw(rows))) == 2
    rows.loc[worst, "leak"] = bound * (1 + 0.5 * rows["leak_error"][worst])
    assert leak.faults(rows) == []


def test_rows_that_an_axis_cuts_off_are_counted(rows):
    below = int((rows["leak"] < leak.LOWEST).sum())
    assert below > 0
    assert f"rows below the axis: {below}" in texts(leak.draw(rows))


def test_rows_under_the_limit_of_the_bound_are_hollow_and_counted(rows):
    figure = entropy.draw(rows)
    under = rows["entropy"] < np.log(4)
    random = under & ~rows["family"].isin(random_rows.AT_EQUALITY)
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]
    assert sum(len(line.get_xdata()) for line in hollow) == int(random.sum()) > 0
    assert f"{int(under.sum())} of {len(rows)} rows lie below" in texts(figure)


def test_trained_rows_fall_short_of_an_even_spread_by_less_than_a5_allows():
    rows = rows_of("entropy")
    trained = rows[rows["family"] == "trained"]
    figure = entropy.draw(rows)
    assert "Rows of trained models, " in texts(figure)
    assert (np.log(trained["n"]) - trained["entropy"] <= entropy.deficit_max(trained["range"]) + 1e-3).all()
    # The bound of any n is the limit of those of each n.
    exact = np.log(1e9) - bounds.entropy_min(1e9, np.array([0.0, 0.5, 3.0, 8.0]))
    np.testing.assert_allclose(entropy.deficit_max([0.0, 0.5, 3.0, 8.0]), exact, atol=1e-6)
    worst = trained.index[0]
    rows.loc[worst, "entropy"] = bounds.entropy_min(rows["n"][worst], rows["range"][worst]) - 0.01
    assert entropy.faults(rows) == ["rows below the entropy bound: 1"]
    (line,) = drawn_in_red(entropy.draw(rows))
    assert line.get_xdata().tolist() == [rows["range"][worst]]
    # Random rows keep their size; trained ones have many.
    with pytest.raises(DomainError, match="same n and m"):
        entropy.draw(rows.assign(family="tied"))
