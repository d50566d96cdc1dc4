"""G: known results hold on our rows, are attained where sharp, and compare with ours as the theory states."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy, norm
from sympy import Eq, Rational

from proofs_check.deciding.deciding import Letters, decide
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.known import KNOWN_DEFINITIONS
from proofs_check.instances.rows import AttentionRow
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.errors import DomainError
from theory.numbers import bounds
from theory.numbers.bounds import entropy_min_zhai
from theory.statement import Kind
from theory.statements.known import (
    ENTROPY_CONTINUITY,
    ENTROPY_MIN_ZHAI,
    SOFTMAX_LIPSCHITZ,
    SURPRISE_VARIANCE,
    ZHAI_ENTROPY,
)
from theory.symbols import H


@pytest.mark.parametrize(
    "statement", [ZHAI_ENTROPY, ENTROPY_CONTINUITY, SOFTMAX_LIPSCHITZ, SURPRISE_VARIANCE], ids=lambda s: s.id
)
def test_cited_results_are_sampled_clean(statement):
    assert statement.kind is Kind.KNOWN
    assert any(year in statement.source for year in ("2007", "2015", "2023", "2025"))
    assert sample(statement, 80).clean


def test_lipschitz_constant_is_derived():
    assert check_derivation(SOFTMAX_LIPSCHITZ).verdict is Verdict.PROVED


@pytest.mark.slow
@given(st.integers(2, 8), st.integers(1, 40))
def test_one_large_score_attains_zhai(keys, height):
    row = AttentionRow(scores=(Fraction(height, 8), *[Fraction(0)] * (keys - 1)), block=1)
    letters = Letters(row, KNOWN_DEFINITIONS)
    assert decide(Eq(H, ENTROPY_MIN_ZHAI), letters) is Verdict.PROVED
    ((score, _),) = ZHAI_ENTROPY.witnesses[0].block
    assert decide(Eq(score, Rational(row.scores[0])), letters) is Verdict.PROVED


def test_audenaert_is_attained_and_sharp():
    share, keys = np.array([0.3]), 6
    other = np.r_[1 - share, np.repeat(share / (keys - 1), keys - 1)]
    bound = float(share[0] * np.log(keys - 1) + entropy(np.r_[share, 1 - share]))
    assert np.isclose(entropy(other) - 0.0, bound, rtol=1e-14)


def test_a5_and_zhai_are_incomparable():
    one_logit = np.r_[6.0, np.zeros(999)]
    normal = norm.ppf((np.arange(1000) + 0.5) / 1000)
    ours, theirs = [], []
    for scores in (one_logit, normal):
        spread = float(np.linalg.norm(scores - scores.mean()))
        row = np.exp(scores - scores.max())
        actual = entropy(row / row.sum())
        ours.append(float(bounds.entropy_min(1000, np.ptp(scores))))
        theirs.append(float(entropy_min_zhai(1000, spread)))
        assert max(ours[-1], theirs[-1]) <= actual * (1 + 1e-12)
    assert round(theirs[0], 2) == 5.52
    assert round(ours[0], 2) == 3.69
    assert theirs[0] > ours[0]
    # For a Gaussian row the norm gives almost no bound.
    assert ours[1] > 2.5
    assert theirs[1] < 1e-8


@given(st.integers(2, 10**12), st.floats(0, 1e4))
def test_entropy_min_zhai_matches_mpmath(keys, norm):
    with mpmath.workdps(60):
        gap = mpmath.mpf(norm) * mpmath.sqrt(mpmath.mpf(keys) / (keys - 1))
        rest = (keys - 1) * mpmath.exp(-gap)
        oracle = mpmath.log1p(rest) + gap * rest / (1 + rest)
        error = abs(mpmath.mpf(float(entropy_min_zhai(keys, norm))) - oracle)
    # Rounding the gap changes the answer by up to the gap times 2^-53.
    assert error <= (1e-12 + 4 * norm * 2**-53) * oracle + 1e-307


def test_errors_name_the_value_and_the_rule():
    with pytest.raises(DomainError, match="norm=-1 must be at least 0"):
        entropy_min_zhai(4, -1)
    with pytest.raises(DomainError, match="n=1 must be at least 2"):
        entropy_min_zhai(1, 1)
