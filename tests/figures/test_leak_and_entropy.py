"""Random attention rows under the curves of A2 and A4. A row above a curve is marked."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from pictures import drawn_in_red, texts

from figures import leak_and_entropy
from theory.errors import DomainError
from theory.numbers import bounds


@pytest.fixture(scope="module")
def random_rows():
    return leak_and_entropy.make_rows()


def test_random_rows_agree_with_scipy():
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(200, 16)) * generator.uniform(0, 9, (200, 1))
    numbers = leak_and_entropy.row_numbers(scores, 4)
    weights = scipy.special.softmax(scores, axis=1)
    np.testing.assert_allclose(numbers["leak"], weights[:, 4:].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(numbers["entropy"], scipy.stats.entropy(weights, axis=1), atol=1e-11)
    np.testing.assert_array_equal(numbers["separation"], scores[:, :4].min(axis=1) - scores[:, 4:].max(axis=1))


def test_rows_at_equality_touch_the_curves(random_rows):
    part = random_rows[random_rows["family"] == "two-level"]
    n, m, d = (part[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    np.testing.assert_allclose(part["leak"], bounds.leak_max(n, m, d), rtol=leak_and_entropy.LEAK_ERROR)
    above = d >= 0
    error = leak_and_entropy.ENTROPY_ERROR
    np.testing.assert_allclose(part["entropy"][above], bounds.entropy_max(n, m, d)[above], atol=error, rtol=0)
    pair = random_rows[random_rows["family"] == "one pair"]
    n, m, d = (pair[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    assert (d <= 1e-15).all()
    np.testing.assert_allclose(pair["entropy"], bounds.entropy_max(n, m, d), atol=error, rtol=0)


def test_seed_fixes_the_random_rows(random_rows):
    assert leak_and_entropy.make_rows(0).equals(random_rows)
    assert not leak_and_entropy.make_rows(1).equals(random_rows)
    assert leak_and_entropy.faults(leak_and_entropy.make_rows(1)) == []


@pytest.mark.parametrize(
    ("family", "column", "change"),
    [
        ("two-level", "leak", lambda value: value * (1 + 1e-11)),
        ("two-level", "entropy", lambda value: value + 1e-10),
        ("one pair", "entropy", lambda value: value + 1e-10),
        ("Gaussian", "leak", lambda value: np.nan),
    ],
)
def test_row_above_the_curve_is_marked(random_rows, family, column, change):
    rows = random_rows.copy()
    # At the largest separation of the family both curves are bounds.
    index = rows.loc[rows["family"] == family, "separation"].idxmax()
    rows.loc[index, column] = change(rows.loc[index, column])
    assert leak_and_entropy.faults(rows) == [f"rows above the {column} bound: 1"]
    figure = leak_and_entropy.draw(rows)
    assert len(drawn_in_red(figure)) == 1
    assert "ABOVE THE BOUND: 1" in texts(figure)


def test_negative_branch_is_below_log_n():
    """Below separation 0 the bound is log(n - 2 + e^h), not log n. A row between the two is a violation."""
    rows = leak_and_entropy.make_rows(per_family=20).iloc[:1].copy()
    rows[["separation", "leak", "entropy"]] = [-6.0, 0.5, np.log(16) - 0.02]
    assert leak_and_entropy.faults(rows) == ["rows above the entropy bound: 1"]


def test_draw_refuses_rows_of_two_sizes(random_rows):
    with pytest.raises(DomainError, match="same n and m"):
        leak_and_entropy.draw(random_rows.assign(n=np.arange(len(random_rows)) + 16))
    with pytest.raises(DomainError, match="per_family"):
        leak_and_entropy.make_rows(per_family=0)
