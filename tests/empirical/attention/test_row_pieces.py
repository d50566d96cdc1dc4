"""Rows are the same however they are cut into pieces."""

import pytest
import torch

from empirical.attention import row_pieces
from empirical.attention.blocks import fixed_windows
from empirical.attention.row_pass import pass_rows

TOKENS, HEADS = 90, 6


def states(key_heads, form=torch.float64):
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, heads, TOKENS, 8) for heads in (HEADS, key_heads, key_heads)]
    return [torch.randn(shape, generator=generator, dtype=form) for shape in shapes]


def rows(key_heads, ids, form=torch.float64):
    found = pass_rows(*states(key_heads, form), ids, 0.35, bias=0.7, ranges=True)
    return {name: values for name, values in vars(found).items() if name != "arithmetic"}


@pytest.mark.parametrize("key_heads", [1, 2, 3, 6])
@pytest.mark.parametrize("scores", [1, 500, 2_000, 9_000, 30_000])
@pytest.mark.parametrize("queries", [7, 16])
def test_pieces_of_any_size_give_the_same_rows(key_heads, scores, queries, monkeypatch):
    ids = fixed_windows(TOKENS, 8)
    whole = rows(key_heads, ids)
    monkeypatch.setattr(row_pieces, "QUERIES", queries)
    monkeypatch.setattr(row_pieces, "CPU_SCORES", scores)
    for name, values in rows(key_heads, ids).items():
        torch.testing.assert_close(values, whole[name], rtol=1e-12, atol=1e-12)


def test_pieces_share_masks_only_where_blocks_look_alike(monkeypatch):
    monkeypatch.setattr(row_pieces, "QUERIES", 10)
    ids = torch.tensor([[0] * 5 + [1] * 15 + [0] * 3 + [2] * 17 + [3] * 10 + [4] * 10 + [1] * 30])
    expected = rows(2, ids)
    monkeypatch.setattr(row_pieces, "QUERIES", TOKENS)
    for name, values in rows(2, ids).items():
        torch.testing.assert_close(expected[name], values, rtol=1e-12, atol=1e-12)


def test_wide_scores_stay_finite():
    query, key, value = (400 * each for each in states(2, torch.float32))
    found = pass_rows(query, key, value, fixed_windows(TOKENS, 8), 1.0)
    assert all(torch.isfinite(each).all() for each in (found.output, found.log_sum, found.mean_score, found.leak))
    assert (found.entropy > -1e-2 * found.log_sum.abs()).all()
