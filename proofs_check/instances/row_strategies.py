"""Hypothesis strategies for attention rows: the shapes on which bounds on attention tend to break.

Every number drawn is a float or a ratio of integers and enters the decision exactly. Rows shrink towards few keys,
equal scores, temperature 1 and a dial of 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from hypothesis import strategies as st
from scipy.special import expit, ndtri, softmax

from proofs_check.instances.rows import AttentionRow

Level = float | bool
_PROBABILITY = st.floats(min_value=2.0**-40, max_value=1 - 2.0**-40)
_MOST_KEYS = 16


@dataclass(frozen=True)
class Family:
    """A family of scores: the part shared by all keys, the part of each key, and the scores they give.

    The parts of keys are drawn key by key, so that a row shrinks by losing keys. `scores(shared, own, block,
    temperature)` is finite, one float per key, block first.
    """

    shared: st.SearchStrategy[Any]
    own: st.SearchStrategy[Level]
    scores: Callable[[Any, Sequence[Level], int, float], list[float]]

    def of_size(self, keys: int, block: int) -> st.SearchStrategy[list[float]]:
        """Scores of exactly that many keys at temperature 1."""
        own = st.lists(self.own, min_size=keys, max_size=keys)
        return st.tuples(self.shared, own).map(lambda drawn: self.scores(drawn[0], drawn[1], block, 1.0))


def _heavy_tailed(shared: None, own: Sequence[Level], block: int, temperature: float) -> list[float]:
    # Twice a range of 2e4 nats is the most that the exact decision's largest precision can separate.
    most = min(1e4, 1e4 * temperature)
    return [max(-most, min(most, math.tan(math.pi * (p - 0.5)))) for p in own]


def _one_key(shared: tuple[int, float], own: Sequence[Level], block: int, temperature: float) -> list[float]:
    place, height = shared
    return [height if i == place % len(own) else 0.0 for i in range(len(own))]


def _block_level(gap: float, own: Sequence[Level], block: int, temperature: float) -> list[float]:
    return [gap if i < block else 0.0 for i in range(len(own))]


_GAP = st.floats(min_value=-40, max_value=40)
_NOTHING = st.just(0.0)
_SPIKE = st.tuples(st.integers(0, _MOST_KEYS - 1), st.floats(min_value=-60, max_value=60))

FAMILIES: dict[str, Family] = {
    "gaussian": Family(st.none(), _PROBABILITY, lambda _, own, *rest: [float(ndtri(p)) for p in own]),
    "two-level": Family(_GAP, st.booleans(), lambda gap, own, *rest: [gap if up else 0.0 for up in own]),
    "block-level": Family(_GAP, _NOTHING, _block_level),
    # At any temperature a separation at which thresholds of the leak lie and bind.
    "near-threshold": Family(
        st.floats(min_value=0.25, max_value=8),
        _NOTHING,
        lambda gap, own, block, temperature: _block_level(gap * temperature, own, block, temperature),
    ),
    "tied": Family(st.none(), st.sampled_from([0.0, 1.0, -2.5]), lambda _, own, *rest: [float(s) for s in own]),
    "heavy-tailed": Family(st.none(), _PROBABILITY, _heavy_tailed),
    "one-key": Family(_SPIKE, _NOTHING, _one_key),
}


# Rows on which a threshold binds tell a true threshold from one a percent off.
_OFTEN = (*FAMILIES, "near-threshold")


@cache
def temperatures() -> st.SearchStrategy[Fraction]:
    """Temperatures: usually near 1, sometimes extreme."""
    usual = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2), Fraction(7, 5)])
    extreme = st.sampled_from([Fraction(1, 100), Fraction(100), Fraction(1, 16), Fraction(10**6)])
    return st.one_of(usual, usual, extreme)


@cache
def dials() -> st.SearchStrategy[Fraction]:
    """Dials in [0, 1), dense near both ends."""
    inner = st.integers(0, 63).map(lambda i: Fraction(i, 64))
    return st.one_of(inner, st.integers(1, 40).map(lambda e: 1 - Fraction(1, 2**e)))


def _dial_near(bias: float, step: int) -> Fraction:
    """A dial in (0, 1) whose bias, in nats, is `step/8` of the given one, or a little less."""
    return Fraction(-math.expm1(-min(30.0, max(2.0**-30, bias * step / 8 * 0.999))))


@cache
def probabilities() -> st.SearchStrategy[Fraction]:
    """Targets in (0, 1), dense near both ends."""
    inner = st.integers(1, 63).map(lambda i: Fraction(i, 64))
    tiny = st.integers(7, 60).map(lambda e: Fraction(1, 2**e))
    return st.one_of(inner, tiny, tiny.map(lambda p: 1 - p))


def _target_near(share: float, step: int) -> Fraction:
    """A target in (0, 1) whose log-odds lie `step/500` off those of a share of the attention, where thresholds bind."""
    share = min(max(share, 2.0**-60), 1 - 2.0**-53)
    log_odds = math.log(share) - math.log1p(-share)
    near = float(expit(log_odds + step / 500 * (1 + abs(log_odds))))
    return Fraction(min(max(near, 2.0**-60), 1 - 2.0**-53))


def targets_near(share: float) -> st.SearchStrategy[Fraction]:
    """Targets in (0, 1) whose log-odds lie within 1 % of those of a share of the attention."""
    return _STEPS.map(lambda step: _target_near(share, step))


def leak_in_floats(
    scores: Sequence[float], block: int, temperature: Fraction, penalty: Fraction = Fraction(0)
) -> float:
    """Attention off the block in floats, used only to aim a target."""
    shifted = [s - float(penalty) * (i >= block) for i, s in enumerate(scores)]
    masses = softmax([s / float(temperature) for s in shifted])
    return float(masses[block:].sum())


def _mean_gap(scores: list[float], block: int, temperature: Fraction) -> float:
    """How much the mean score outside exceeds the block's, in nats, in floats; used only to aim a dial."""
    nats = [s / float(temperature) for s in scores]
    means = [float(softmax(part) @ part) for part in (nats[:block], nats[block:])]
    return means[1] - means[0]


_ERRORS = st.integers(-8, 8)
# Built once: hypothesis examines every new strategy, which takes longer than drawing from it.
_AIMED_ERRORS = st.one_of(st.none(), _ERRORS)
_PENALTIES = st.integers(0, 80).map(lambda i: Fraction(i, 8))
_STEPS = st.integers(-4, 4)
_EIGHTHS = st.sampled_from((4, 20, 15, 1, 8, 12))
_MORE = st.one_of(st.none(), st.integers(0, 16))
_below = cache(lambda count: st.integers(0, count - 1))
_one_of = cache(st.sampled_from)


@cache
def _keys(family: str, most_keys: int) -> st.SearchStrategy[list[tuple[Level, int, int, int]]]:
    """For each key: its own part, the error of its score, its value in quarters and its weight."""
    each = st.tuples(FAMILIES[family].own, _ERRORS, st.integers(-16, 16), st.integers(0, 16))
    return st.lists(each, min_size=2, max_size=most_keys)


def draw_target(draw: st.DrawFn, shares: Sequence[float], anywhere: bool = True) -> Fraction:
    """Any target in (0, 1), or one near a share of the attention, where thresholds bind."""
    which = draw(_below(len(shares) + anywhere)) - anywhere
    return draw(probabilities()) if which < 0 else _target_near(shares[which], draw(_STEPS))


def _against(keys: int, block: int, error: int) -> tuple[int, ...]:
    """Errors that move the margin most: opposite signs in the block and outside."""
    return tuple(error if i < block else -error for i in range(keys))


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
def attention_rows(draw: st.DrawFn, families: tuple[str, ...] = _OFTEN, most_keys: int = _MOST_KEYS) -> AttentionRow:
    """Attention rows with a target block, of causal lengths 2 to `most_keys`, and all that statements vary on them.

    >>> from hypothesis import find
    >>> row = find(attention_rows(families=("two-level",)), lambda row: max(row.scores) > 3)
    >>> sorted(row.scores), row.block, row.temperature
    ([Fraction(0, 1), Fraction(4, 1)], 1, Fraction(1, 1))
    """
    family = draw(_one_of(families))
    shape = FAMILIES[family]
    shared, temperature = draw(shape.shared), draw(temperatures())
    own, own_errors, values, weights = zip(*draw(_keys(family, most_keys)), strict=True)
    keys = len(own)
    block = 1 + draw(_below(keys - 1))
    drawn = shape.scores(shared, own, block, float(temperature))
    scores = tuple(Fraction(score) for score in drawn)
    aimed = draw(_AIMED_ERRORS)
    errors = own_errors if aimed is None else _against(keys, block, aimed)
    gap = _mean_gap(drawn, block, temperature)
    near_gap = gap > 0 and draw(_below(4)) > 0
    dial = _dial_near(gap, draw(_EIGHTHS)) if near_gap else draw(dials())
    more = draw(_MORE)
    penalty = draw(_PENALTIES)
    leak = leak_in_floats(drawn, block, temperature)
    penalised = leak_in_floats(drawn, block, temperature, penalty)
    return AttentionRow(
        scores=scores,
        block=block,
        temperature=temperature,
        dial=dial,
        other_dial=draw(dials()) if more is None else 1 - (1 - dial) * (1 - Fraction(more, 32)),
        penalty=penalty,
        leak_target=draw_target(draw, (leak, penalised), anywhere=family != "near-threshold"),
        fidelity_target=draw_target(draw, (1 - leak,)),
        values=tuple(Fraction(v, 4) for v in values),
        seen=tuple(s + Fraction(e, 16) for s, e in zip(scores, errors, strict=True)),
        weights=weights if any(weights) else (1, *weights[1:]),
        family=family,
    )
