"""The explorer's numbers and verdicts against mpmath and a walk over every row, on settings that nothing else uses.

Nothing of `theory` computes here: rows come from the definition of blocks, bounds from that of a two-level row.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from explored import SCHEDULES, answers, number

from figures.explorer.page import model

SEED = 986_421
DIGITS = 60
SMALLEST = mpmath.mpf("2.3e-308")
# Relative error of a number, and the distance from a threshold, over its terms, within which none need be decided.
ALLOWED, UNDECIDED = 1e-9, 1e-11


def settings(count, seed):
    """Settings with extremes: small contexts of all kinds of blocks, large ones of windows."""
    draw = random.Random(seed)
    for _ in range(count):
        small = draw.random() < 0.7
        context = draw.choice([2, 3, draw.randint(4, 28)]) if small else draw.choice([10**6, draw.randint(30, 10**6)])
        block = draw.choice([1, context - 1, draw.randint(1, context - 1)])
        least = draw.choice([block, draw.randint(1, block)]) if small else block
        own = draw.randint(1, min(block, context - least, 5))
        tau = 10 ** draw.uniform(-3, 3)
        margin = draw.choice([draw.uniform(-50, 700), draw.uniform(-5, 20) * min(tau, 30.0), 0.0])
        spread = draw.choice([None, max(margin / tau, 0.0) * 1.01 + draw.choice([1e-3, draw.uniform(0, 30)])])
        share = draw.choice([10 ** -draw.uniform(0, 15), 1 - 10 ** -draw.uniform(0.3, 15), draw.uniform(0.5, 0.99)])
        top = math.log2(context)
        bits = draw.choice([draw.uniform(0, top), 10 ** -draw.uniform(0, 15), math.log2(block) + 0.01, 0.999999 * top])
        asked = draw.choice([(share, None), (None, bits), (share, bits)])
        layers = draw.randint(2, 24)
        yield {
            "context": str(context), "block": str(block), "block_least": "" if least == block else str(least),
            "own_keys": str(own), "layers": str(layers), "localised_layers": str(draw.randint(1, layers)),
            "schedule": draw.choice(SCHEDULES), "margin": repr(margin), "temperature": repr(tau),
            "dial": repr(draw.choice([0.0, 1 - 10 ** -draw.uniform(0, 12), 1 - 1e-12])),
            "penalty": repr(draw.choice([0.0, draw.uniform(0, 20), draw.uniform(0, 5) * tau])),
            "logit_range": "" if spread is None else repr(spread),
            "fidelity": "" if asked[0] is None else repr(asked[0]),
            "entropy_bits": "" if asked[1] is None else repr(asked[1]),
        }  # fmt: skip


@functools.lru_cache(maxsize=1)
def every_row(context, least, most, own):
    """Pairs of keys outside and inside the block, of queries with so many own keys, by tiling the context."""
    if least == most:
        query = np.arange(context)
        start, mine = query - query % most, query % most + 1
        return start[mine >= own], mine[mine >= own]
    starts, frontier = {0}, {0}
    while frontier:
        ends = {start + size for start in frontier for size in range(least, most + 1)}
        frontier = {end for end in ends if end < context} - starts
        starts |= frontier
    rows = [(s, m) for s in starts for m in range(own, most + 1) if s + m <= context]
    return np.array([k for k, _ in rows]), np.array([m for _, m in rows])


def twelve_largest(values):
    return np.argpartition(-values, 12)[:12] if len(values) > 12 else range(len(values))


def largest(bound, rows, float_bound):
    """Largest bound over the rows: float64 chooses a few that may have it, mpmath decides between them."""
    with np.errstate(all="ignore"):
        order = twelve_largest(np.nan_to_num(float_bound(*(part.astype(float) for part in rows))))
    return max(bound(int(rows[0][i]), int(rows[1][i])) for i in order)


def entropy_above(k, m, d):
    """Entropy of `m` keys at score `d` beside `k` at 0, from the masses; of equal scores if `d` is below 0."""
    odds = k * mpmath.exp(-max(d, 0)) / m
    return mpmath.log(m) + mpmath.log1p(odds) + max(d, 0) * odds / (1 + odds)


def entropy_below(n, span):
    """Least entropy of a row of two levels `span` apart: every number of upper keys, or those near the best share."""
    candidates = range(1, n)
    if n > 40:
        tilt = span / -mpmath.expm1(-span) if span else mpmath.mpf(1)
        best = int(n * ((tilt - 1) / mpmath.expm1(span) if span > 1e-20 else mpmath.mpf("0.5")))
        candidates = range(max(1, best - 2), max(2, min(n, best + 3)))
    return min(entropy_above(n - top, top, span) for top in candidates)


@dataclass(frozen=True)
class Oracle:
    """A setting's bounds over every row, in mpmath."""

    state: dict
    dial: float

    def __getattr__(self, name):
        return Fraction(float(self.state[name])) if self.state[name] else None

    @property
    def rows(self):
        least = self.state["block_least"] or self.state["block"]
        return every_row(*map(int, (self.state["context"], least, self.state["block"], self.state["own_keys"])))

    def separation(self, margin):
        rational = (margin + self.penalty) / self.temperature
        return exactly(rational) - mpmath.log(exactly(1 - Fraction(self.dial)))

    def bounds(self):
        k, m = self.rows
        d = self.separation(self.margin)
        odds = max(Fraction(int(a), int(b)) for a, b in {(k[i], m[i]) for i in twelve_largest(k / m)})
        rest = exactly(odds) * mpmath.exp(-d)
        found = {"separation": d, "leak_max": rest / (1 + rest), "fidelity_min": 1 / (1 + rest)}
        found |= {"entropy_max": self.entropy(d), "odds": odds}
        if self.logit_range is not None:
            seen = self.separation(self.logit_range * self.temperature)
            counted = (k + m)[k > 0]
            found["entropy_min"] = entropy_below(int(counted.min()), seen)
            found["longest"] = entropy_below(int(counted.max()), seen)
            found["odds_best"] = mpmath.exp(seen) / exactly(odds)
        return found

    def entropy(self, d):
        floating = float(max(d, 0))
        return largest(
            lambda k, m: entropy_above(k, m, d), self.rows,
            lambda k, m: np.log(m + k * np.exp(-floating)) + floating * k / (m * np.exp(min(floating, 700.0)) + k),
        )  # fmt: skip

    def thresholds(self, found, answer):
        """Which of the separations needed are not where the bound crosses its target."""
        if self.fidelity is not None:
            needed = mpmath.log(exactly(found["odds"] * self.fidelity / (1 - self.fidelity)))
            if abs(answer["fidelity_needs"] - needed) > ALLOWED * abs(needed) + 1e-13:
                yield "fidelity_needs"
        if self.entropy_bits is not None:
            needed, allowed = number(answer["entropy_needs"]), exactly(self.entropy_bits) * mpmath.log(2)
            # An endless separation and none stand for one beyond all others, and for one below 0.
            at = mpmath.mpf(min(max(needed, -1.0), 1e5))
            enough = needed == math.inf or self.entropy(at + ALLOWED * abs(at)) <= allowed * (1 + 1e-13)
            short = needed == -math.inf or self.entropy(at - ALLOWED * abs(at)) >= allowed * (1 - 1e-13)
            if not (enough and short):
                yield "entropy_needs"

    def verdicts(self, found):
        """The verdicts that the bounds allow: several within rounding of a threshold."""
        kept, missed = [], []
        if self.fidelity is not None:
            least = exactly(self.fidelity / (1 - self.fidelity))
            kept.append(sign(found["fidelity_min"] / found["leak_max"] / least - 1, UNDECIDED * self.terms))
            if self.logit_range is not None:
                missed.append(sign(1 - found["odds_best"] / least, UNDECIDED * self.terms))
        if self.entropy_bits is not None:
            allowed = exactly(self.entropy_bits) * mpmath.log(2)
            kept.append(sign(1 - found["entropy_max"] / allowed, UNDECIDED * self.terms))
            if self.logit_range is not None:
                missed.append(sign(found["longest"] / allowed - 1, 1e-10 * self.terms))
        if min(kept) == 0:
            return {"guaranteed", "possible", "too close"}
        if min(kept) == 1:
            return {"guaranteed"}
        if not missed or max(missed) == -1:
            return {"possible"}
        return {"impossible"} if max(missed) == 1 else {"possible", "impossible", "too close"}

    @property
    def terms(self):
        sizes = (abs(self.margin) + self.penalty) / self.temperature + (self.logit_range or 0)
        return float(sizes) + 1 / (1 - self.dial) * 1e-3 + 40


def exactly(rational):
    return mpmath.mpf(rational.numerator) / rational.denominator


def sign(lead, slack):
    return 0 if abs(lead) <= slack else 1 if lead > 0 else -1


def wrong(state, answer):
    """What of the page's answer differs from the oracle."""
    oracle = Oracle(state, answer["dial"])
    with mpmath.workdps(DIGITS + 20):
        found = oracle.bounds()
        # What the separation's terms lose to rounding moves an odds by as many roundings.
        slack = ALLOWED + 4e-16 * oracle.terms
        differ = []
        for name in ("separation", "leak_max", "fidelity_min", "entropy_max", "entropy_min"):
            if name not in found:
                continue
            error = abs(mpmath.mpf(number(answer[name])) - found[name])
            size = oracle.terms * 1e-6 if name == "separation" else abs(found[name])
            if error > slack * size and not (error < SMALLEST and abs(found[name]) < SMALLEST):
                differ.append(name)
        differ.extend(oracle.thresholds(found, answer))
        if answer["verdict"] not in oracle.verdicts(found):
            differ.append(f"verdict {answer['verdict']}")
    return differ


def differences(count, seed, folder, code=None):
    cases = list(settings(count, seed))
    for state, answer in zip(cases, answers(cases, folder, code), strict=True):
        assert "complaints" not in answer, (state, answer)
        if differ := wrong(state, answer):
            yield state, differ


def test_held_out_settings_have_mpmaths_numbers_and_verdicts(tmp_path):
    assert list(differences(60, SEED, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED + 1, SEED + 5))
def test_250_held_out_settings_have_mpmaths_numbers_and_verdicts(seed, tmp_path):
    assert list(differences(250, seed, tmp_path)) == []


def test_last_row_for_every_row_is_found(tmp_path):
    right = "let worst = { entropy: -1, row: null };\n  for (const row of rows.candidates)"
    assert model().count(right) == 1
    last = right.replace("rows.candidates)", "[rows.longest])")
    assert next(differences(60, SEED, tmp_path, model().replace(right, last)), None)
