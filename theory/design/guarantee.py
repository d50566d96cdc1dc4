"""Decides in exact arithmetic whether a design guarantees its targets, and finds the smallest setting that does.

The inputs are floats, hence rationals, and both questions compare a rational with exponentials and logarithms of
rationals, so Arb at a growing precision decides them; the few possible equalities are compared exactly. A threshold is
then the smallest float for which the decision is yes, found by bisection over the floats themselves.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq

_PRECISIONS = (128, 512, 2048, 8192)
LARGEST_FLOAT = float.fromhex("0x1.fffffffffffffp+1023")
LARGEST_DIAL = float.fromhex("0x1.fffffffffffffp-1")


@dataclass(frozen=True)
class Design:
    """An attention row's setting: sizes, margin, temperature, penalty and dial.

    With `at_least` the margin is a lower bound on the row's margin; without it, the row has exactly this margin. A
    row without a key outside its block has `keys = block`.
    """

    keys: int
    block: int
    margin: float | Fraction
    temperature: float = 1.0
    penalty: float = 0.0
    dial: float = 0.0
    at_least: bool = False

    @property
    def rational_part(self) -> Fraction:
        """`(margin + penalty)/temperature`, the separation without the dial's logarithm."""
        return (Fraction(self.margin) + Fraction(self.penalty)) / Fraction(self.temperature)

    def open_dial(self) -> Fraction:
        """`1 - dial`, exactly."""
        return 1 - Fraction(self.dial)

    def separation(self) -> arb:
        """The separation as a ball at the current precision."""
        return ball(self.rational_part) - ball(self.open_dial()).log()

    def nats(self) -> float:
        """The separation in float64; infinite if it overflows."""
        try:
            return float(self.rational_part) - math.log1p(-self.dial)
        except OverflowError:
            return math.inf if self.rational_part > 0 else -math.inf

    def separation_sign(self) -> int:
        """Sign of the separation; it is 0 only where margin, penalty and dial cancel as rationals."""
        if self.rational_part == 0:
            return 0 if self.dial == 0 else 1
        if self.dial == 0:
            return 1 if self.rational_part > 0 else -1
        # -log(1 - dial) is transcendental for a dial that is not 0, so the two never cancel exactly.
        return 1 if certain(lambda: self.separation() > 0, lambda: self.separation() < 0) else -1


@dataclass(frozen=True)
class Targets:
    """What a user asks of the row: least fidelity, largest entropy in bits; either may be None."""

    fidelity: float | None = None
    entropy_bits: float | None = None

    @property
    def any(self) -> bool:
        """Whether any target is given."""
        return self.fidelity is not None or self.entropy_bits is not None


@dataclass(frozen=True)
class Threshold:
    """The smallest setting that guarantees every target, or the reason why there is none."""

    value: float | None
    reason: str = ""


def guaranteed(design: Design, targets: Targets) -> bool:
    """Whether A2 and A4 guarantee every target; True only where that is certain."""
    return fidelity_guaranteed(design, targets) and entropy_guaranteed(design, targets)


def fidelity_guaranteed(design: Design, targets: Targets) -> bool:
    """Whether the leak bound (A2) keeps the fidelity target: `(k/m) e^-d <= (1 - P)/P`, in odds."""
    if targets.fidelity is None:
        return True
    fidelity = Fraction(targets.fidelity)
    allowed = (1 - fidelity) / fidelity
    factor = Fraction(design.keys - design.block, design.block) * design.open_dial()
    if design.rational_part == 0:
        return factor <= allowed
    exponent = -design.rational_part

    def odds() -> Any:
        return ball(factor) * ball(exponent).exp()

    return certain(lambda: odds() <= ball(allowed), lambda: odds() > ball(allowed))


def fidelity_missed(design: Design, targets: Targets) -> bool:
    """Whether a row of exactly this soft margin misses the fidelity target; True only where that is certain (A1)."""
    if targets.fidelity is None:
        return False
    fidelity = Fraction(targets.fidelity)
    factor = Fraction(design.keys - design.block, design.block) * design.open_dial() * fidelity / (1 - fidelity)
    exponent = -design.rational_part
    return certain(lambda: ball(factor) * ball(exponent).exp() > 1, lambda: ball(factor) * ball(exponent).exp() <= 1)


def entropy_guaranteed(design: Design, targets: Targets) -> bool:
    """Whether the entropy bound at this separation (A4) keeps the entropy target."""
    if targets.entropy_bits is None:
        return True
    bits = Fraction(targets.entropy_bits)
    sign = design.separation_sign()
    # A lower bound below 0 allows the row of equal scores, and so does a block without a complement.
    uniform = sign == 0 or (sign < 0 and design.at_least) or design.keys == design.block
    if uniform and bits.denominator == 1:
        return design.keys <= 1 << min(bits.numerator, 10_000)

    def allowed() -> Any:
        return ball(bits) * arb(2).log()

    def bound() -> Any:
        return arb(design.keys).log() if uniform else _entropy_max(design, sign)

    return certain(lambda: bound() <= allowed(), lambda: bound() > allowed())


def _entropy_max(design: Design, sign: int) -> Any:
    """Largest entropy at exactly this separation; below 0, that of a row with one pair of keys at this gap."""
    d = design.separation()
    if sign < 0:
        pair = d.exp() / (1 + d.exp())
        entropy = (1 + d.exp()).log() - d * pair
        return (design.keys - 2 + entropy.exp()).log()
    outside = (design.keys - design.block) * (-d).exp()
    return (design.block + outside).log() + d * outside / (design.block + outside)


def anchors_promise(coherence: float, distance: float, scale: float, margin: float) -> bool:
    """Whether anchors promise this margin (D1)."""
    mu, eta, alpha, promise = Fraction(coherence), Fraction(distance), Fraction(scale), Fraction(margin)
    cosine = 1 - eta**2 / 2
    # cos(theta - phi) = mu cos(phi) + sin(theta) sin(phi), or 1 where the keys stray as far as the next anchor.
    strayed = cosine <= mu
    spare = alpha * (cosine - 1 if strayed else cosine * (1 - mu)) - promise
    square = Fraction(0) if strayed else (1 - mu**2) * eta**2 * (1 - eta**2 / 4) * alpha**2
    return spare >= 0 and spare**2 >= square


def margin_of_anchors(coherence: float, distance: float, scale: float) -> float:
    """Largest float that is at most the margin that anchors promise (D1); `scale` is at most 2^1022."""
    return 0.0 - smallest_float(
        lambda x: anchors_promise(coherence, distance, scale, -x), -LARGEST_FLOAT, LARGEST_FLOAT
    )


def margin_threshold(design: Design, targets: Targets) -> Threshold:
    """Smallest margin that guarantees the targets with penalty and dial 0."""
    bare = replace(design, penalty=0.0, dial=0.0)
    if targets.fidelity is None and entropy_guaranteed(replace(bare, margin=0.0), targets):
        return Threshold(None, "every margin guarantees the targets, so none is the smallest")
    lowest = 0.0 if targets.fidelity is None else -LARGEST_FLOAT
    return _smallest(lambda x: replace(bare, margin=x), targets, lowest, LARGEST_FLOAT, "margin")


def penalty_threshold(design: Design, targets: Targets) -> Threshold:
    """Smallest penalty, at least 0, that guarantees the targets with this margin and dial 0."""
    bare = replace(design, dial=0.0)
    return _smallest(lambda x: replace(bare, penalty=x), targets, 0.0, LARGEST_FLOAT, "penalty")


def dial_threshold(design: Design, targets: Targets) -> Threshold:
    """Smallest dial in [0, 1) that guarantees the targets with this margin and penalty 0."""
    return dial_beside_penalty(replace(design, penalty=0.0), targets)


def dial_beside_penalty(design: Design, targets: Targets) -> Threshold:
    """Smallest dial in [0, 1) that guarantees the targets with this margin and this penalty."""
    return _smallest(lambda x: replace(design, dial=x), targets, 0.0, LARGEST_DIAL, "dial")


def _smallest(
    setting: Callable[[float], Design], targets: Targets, lowest: float, largest: float, name: str
) -> Threshold:
    if not targets.any:
        return Threshold(None, "no target is given")
    floor = _floor_reason(setting(lowest), targets)
    if floor:
        return Threshold(None, floor)
    if not guaranteed(setting(largest), targets):
        if name == "dial":
            return Threshold(None, "no dial below 1 that float64 can hold is enough; a penalty can do more")
        return Threshold(None, f"no {name} that float64 can hold is enough")
    start = smallest_float(lambda x: fidelity_guaranteed(setting(x), targets), lowest, largest)
    if guaranteed(setting(start), targets):
        return Threshold(start)
    # Below 0 one row's entropy bound rises with its separation; from 0 on it falls, and there the search is monotone.
    upward = smallest_float(lambda x: setting(x).separation_sign() >= 0, start, largest)
    return Threshold(smallest_float(lambda x: guaranteed(setting(x), targets), upward, largest))


def _floor_reason(design: Design, targets: Targets) -> str:
    if targets.entropy_bits is None:
        return ""
    bits = Fraction(targets.entropy_bits)
    at_floor = bits.denominator == 1 and design.block == 1 << min(bits.numerator, 10_000)

    def spare() -> Any:
        return ball(bits) * arb(2).log() - arb(design.block).log()

    above = certain(lambda: spare() > 0, lambda: spare() < 0)
    if at_floor:
        return "the entropy target is the floor log m itself, which is reached only in the limit"
    return "" if above else "the entropy target lies below the floor log m, the entropy of a uniform block"


def certain(yes: Callable[[], bool], no: Callable[[], bool]) -> bool:
    """True once `yes` is certain, False once `no` is, and False if no precision decides."""
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            if yes():
                return True
            if no():
                return False
    return False


def smallest_float(holds: Callable[[float], bool], lowest: float, largest: float) -> float:
    """Smallest float in the range for which a monotone condition holds; it must hold at `largest`."""
    if holds(lowest):
        return lowest
    low, high = _rank(lowest), _rank(largest)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(_float_of_rank(middle)):
            high = middle
        else:
            low = middle
    return _float_of_rank(high)


def _rank(x: float) -> int:
    """Position of a float among all floats, so that neighbours differ by 1."""
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def _float_of_rank(rank: int) -> float:
    (size,) = struct.unpack("<d", struct.pack("<q", abs(rank)))
    return size if rank >= 0 else -size


def ball(value: Fraction) -> arb:
    """A rational as a ball at the current precision."""
    return arb(fmpq(value.numerator, value.denominator))
