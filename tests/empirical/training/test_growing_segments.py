"""Change points of a text that grows: found soon after they occur, and never moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from empirical.training.growing_segments import LEAST, GrowingSegments, penalty_for
from empirical.training.segments import change_points
from theory.errors import DomainError

TOPICS = 4


def _embedding() -> Tensor:
    """Embeddings of a topic's ten tokens share a direction."""
    embedding = torch.randn(10 * TOPICS, 16, generator=torch.Generator().manual_seed(0)) * 0.1
    for topic in range(TOPICS):
        embedding[10 * topic : 10 * topic + 10, topic] += 1
    return embedding


def _text(lengths: list[int], seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    topics = torch.repeat_interleave(torch.arange(len(lengths)) % TOPICS, torch.tensor(lengths))
    return (10 * topics + torch.randint(0, 10, (len(topics),), generator=generator)).tolist()


def test_planted_changes_are_found_soon() -> None:
    lengths = [9, 5, 11, 7, 300, 8]
    found = np.array(GrowingSegments(_embedding(), 1.0).extend(_text(lengths)))
    begins = np.flatnonzero(np.diff(found)) + 1
    assert len(begins) == len(lengths) - 1
    late = begins - np.cumsum(lengths)[:-1]
    assert ((late >= 1) & (late <= LEAST)).all()


def test_changes_are_missed_at_too_large_a_penalty_and_made_up_at_none() -> None:
    text = _text([9, 5, 11, 7])
    assert set(GrowingSegments(_embedding(), 100.0).extend(text)) == {0}
    assert max(GrowingSegments(_embedding(), 0.0).extend(text)) > 4


@given(st.lists(st.integers(0, 39), min_size=1, max_size=200), st.data())
def test_later_tokens_relabel_none(tokens: list[int], data: st.DataObject) -> None:
    whole = GrowingSegments(_embedding(), 0.7).extend(tokens)
    cut = data.draw(st.integers(0, len(tokens)))
    growing = GrowingSegments(_embedding(), 0.7)
    assert growing.extend(tokens[:cut]) + growing.extend(tokens[cut:]) == whole
    assert whole[0] == 0
    assert set(np.diff(whole)) <= {0, 1}


@given(st.lists(st.integers(0, 39), min_size=2 * LEAST, max_size=40))
def test_the_gain_is_that_of_the_costs(tokens: list[int]) -> None:
    """The gain against the definition: sums over all pairs of tokens."""
    unit = torch.nn.functional.normalize(_embedding().double(), dim=1)[tokens]

    def cost(part: Tensor) -> float:
        return len(part) - float((part @ part.T).sum()) / len(part)

    splits = range(LEAST, len(tokens) - LEAST + 1)
    expected = max(cost(unit) - cost(unit[:place]) - cost(unit[place:]) for place in splits)
    growing = GrowingSegments(_embedding(), np.inf)
    growing.extend(tokens)
    assert growing._largest_gain() == pytest.approx(expected, abs=1e-9)


def test_the_penalty_gives_blocks_of_the_size_asked_for() -> None:
    windows = torch.tensor([_text([8] * 16, seed) for seed in range(3)])
    penalty = penalty_for(windows, _embedding(), 8)
    ids = [GrowingSegments(_embedding(), penalty).extend(window) for window in windows.tolist()]
    assert np.mean([each[-1] + 1 for each in ids]) == pytest.approx(16, abs=1)
    # The whole text knows the same changes.
    whole = change_points(windows, _embedding(), 8)
    assert float((whole != torch.tensor(ids)).float().mean()) < 0.3
    with pytest.raises(DomainError, match="sequences of 3 tokens are too short"):
        penalty_for(torch.zeros(1, 3, dtype=torch.long), _embedding(), 1)
