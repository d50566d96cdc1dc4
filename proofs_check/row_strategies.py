"""Hypothesis strategies for attention rows: the shapes on which bounds on attention tend to break.

Every number drawn is a float or a ratio of integers and enters the decision exactly. Rows shrink: towards few keys,
equal scores, temperature 1 and a dial of 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from hypothesis import strategies as st
from scipy.special import expit, ndtri, softmax

from proofs_check.rows import AttentionRow

Scores = st.SearchStrategy[list[float]]

_PROBABILITY = st.floats(min_value=2.0**-40, max_value=1 - 2.0**-40)
_MOST_KEYS = 16


def _gaussian(keys: int) -> Scores:
    return st.lists(_PROBABILITY.map(lambda p: float(ndtri(p))), min_size=keys, max_size=keys)


def _two_level(keys: int) -> Scores:
    gap = st.floats(min_value=-40, max_value=40)
    upper = st.lists(st.booleans(), min_size=keys, max_size=keys)
    return st.tuples(gap, upper).map(lambda drawn: [drawn[0] if up else 0.0 for up in drawn[1]])


def _block_level(keys: int) -> Scores:
    """Marks the scores to be set two-level along the block once its size is drawn."""
    return st.floats(min_value=-40, max_value=40).map(lambda gap: [gap, *[math.nan] * (keys - 1)])


def _near_threshold(keys: int) -> Scores:
    """Likewise, with a separation at which thresholds of the leak lie, whatever the temperature: there they bind."""
    gap = st.floats(min_value=0.25, max_value=8)
    return gap.map(lambda gap: [gap, *[math.nan] * (keys - 1)])


def _tied(keys: int) -> Scores:
    few = st.sampled_from([0.0, 1.0, -2.5])
    return st.lists(few, min_size=keys, max_size=keys)


def _heavy_tailed(keys: int) -> Scores:
    return st.lists(_PROBABILITY.map(lambda p: math.tan(math.pi * (p - 0.5))), min_size=keys, max_size=keys).map(
        lambda scores: [max(-1e4, min(1e4, s)) for s in scores]
    )


def _one_key(keys: int) -> Scores:
    place, height = st.integers(0, keys - 1), st.floats(min_value=-60, max_value=60)
    return st.tuples(place, height).map(lambda drawn: [drawn[1] if i == drawn[0] else 0.0 for i in range(keys)])


FAMILIES: dict[str, Callable[[int], Scores]] = {
    "gaussian": _gaussian,
    "two-level": _two_level,
    "block-level": _block_level,
    "near-threshold": _near_threshold,
    "tied": _tied,
    "heavy-tailed": _heavy_tailed,
    "one-key": _one_key,
}


def temperatures() -> st.SearchStrategy[Fraction]:
    """Temperatures: usually near 1, sometimes extreme."""
    usual = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2), Fraction(7, 5)])
    extreme = st.sampled_from([Fraction(1, 100), Fraction(100), Fraction(1, 16), Fraction(10**6)])
    return st.one_of(usual, usual, extreme)


def dials() -> st.SearchStrategy[Fraction]:
    """Dials in [0, 1), dense near both ends."""
    inner = st.integers(0, 63).map(lambda i: Fraction(i, 64))
    return st.one_of(inner, st.integers(1, 40).map(lambda e: 1 - Fraction(1, 2**e)))


def probabilities() -> st.SearchStrategy[Fraction]:
    """Targets in (0, 1), dense near both ends."""
    inner = st.integers(1, 63).map(lambda i: Fraction(i, 64))
    tiny = st.integers(7, 60).map(lambda e: Fraction(1, 2**e))
    return st.one_of(inner, tiny, tiny.map(lambda p: 1 - p))


def targets_near(share: float) -> st.SearchStrategy[Fraction]:
    """Targets in (0, 1) whose log-odds lie within 1 % of those of a share of the attention, where thresholds bind."""
    share = min(max(share, 2.0**-60), 1 - 2.0**-53)
    log_odds = math.log(share) - math.log1p(-share)

    def moved(step: int) -> Fraction:
        near = float(expit(log_odds + step / 500 * (1 + abs(log_odds))))
        return Fraction(min(max(near, 2.0**-60), 1 - 2.0**-53))

    return st.integers(-4, 4).map(moved)


def _leak(scores: list[float], block: int, temperature: Fraction, penalty: Fraction = Fraction(0)) -> float:
    """Attention off the block, in floats: only to aim a target."""
    shifted = [s - float(penalty) * (i >= block) for i, s in enumerate(scores)]
    masses = softmax([s / float(temperature) for s in shifted])
    return float(masses[block:].sum())


_ERRORS = st.integers(-8, 8)


def _against(keys: int, block: int) -> Callable[[int], list[int]]:
    """Errors that move the margin most: one way in the block, the other way outside."""
    return lambda error: [error if i < block else -error for i in range(keys)]


@st.composite
def blocks(draw: st.DrawFn, most_tokens: int = 64) -> tuple[int, ...]:
    """Ways to cut a context of up to `most_tokens` tokens into blocks: their lengths, in order, each at least 1.

    >>> from hypothesis import find
    >>> find(blocks(), lambda lengths: sum(lengths) > 10)
    (11,)
    """
    tokens = draw(st.integers(1, most_tokens))
    cuts = sorted(draw(st.sets(st.integers(1, tokens - 1)))) if tokens > 1 else []
    return tuple(end - start for start, end in zip([0, *cuts], [*cuts, tokens], strict=True))


@st.composite
def attention_rows(
    draw: st.DrawFn, families: tuple[str, ...] = tuple(FAMILIES), most_keys: int = _MOST_KEYS
) -> AttentionRow:
    """Attention rows with a target block, of causal lengths 2 to `most_keys`, and all that statements vary on them.

    >>> from hypothesis import find
    >>> row = find(attention_rows(families=("two-level",)), lambda row: max(row.scores) > 3)
    >>> sorted(row.scores), row.block, row.temperature
    ([Fraction(0, 1), Fraction(4, 1)], 1, Fraction(1, 1))
    """
    family = draw(st.sampled_from(families))
    keys = draw(st.integers(2, most_keys))
    block = draw(st.integers(1, keys - 1))
    drawn = draw(FAMILIES[family](keys))
    temperature = draw(temperatures())
    if family in ("block-level", "near-threshold"):
        upper = drawn[0] if family == "block-level" else drawn[0] * float(temperature)
        drawn = [upper if i < block else 0.0 for i in range(keys)]
    scores = tuple(Fraction(score) for score in drawn)
    errors = draw(st.one_of(st.lists(_ERRORS, min_size=keys, max_size=keys), _ERRORS.map(_against(keys, block))))
    values = draw(st.lists(st.integers(-16, 16), min_size=keys, max_size=keys))
    weights = draw(st.lists(st.integers(0, 16), min_size=keys, max_size=keys).filter(any))
    penalty = draw(st.integers(0, 80).map(lambda i: Fraction(i, 8)))
    leak = _leak(drawn, block, temperature)
    penalised = _leak(drawn, block, temperature, penalty)
    anywhere = st.nothing() if family == "near-threshold" else probabilities()
    return AttentionRow(
        scores=scores,
        block=block,
        temperature=temperature,
        dial=draw(dials()),
        penalty=penalty,
        leak_target=draw(st.one_of(anywhere, targets_near(leak), targets_near(penalised))),
        fidelity_target=draw(st.one_of(probabilities(), targets_near(1 - leak))),
        values=tuple(Fraction(v, 4) for v in values),
        seen=tuple(s + Fraction(e, 16) for s, e in zip(scores, errors, strict=True)),
        weights=tuple(weights),
        family=family,
    )
