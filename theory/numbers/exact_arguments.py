"""The arguments of exact numeric functions: what errors call them, and the laws that they must obey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sympy import Expr, Rational, Symbol, SympifyError, nan, symbols, sympify

from theory import design_symbols as design
from theory import weight_symbols as weights
from theory.errors import DomainError
from theory.numbers.checked import abbreviated
from theory.output_symbols import rho
from theory.symbols import D_cut, F, F_target, content, delta, eps, eps_target, k, lam, m, r, slope, tau

Values = dict[Symbol, Expr]


class Law(NamedTuple):
    """A law in words, and a three-valued test of it."""

    words: str
    holds: Callable[[Expr], bool | None]


REAL = Law("be real", lambda x: x.is_real)
SIZE = Law("be at least 0", lambda x: x.is_nonnegative)
POSITIVE = Law("be positive", lambda x: x.is_positive)
INTEGER = Law("be an integer", lambda x: x.is_integer)
NUMBER = Law("be a number", lambda x: x.is_number)
FROM_1 = Law("be at least 1", lambda x: (x - 1).is_nonnegative)
FROM_2 = Law("be at least 2", lambda x: (x - 2).is_nonnegative)
UNIT = Law("lie in [0, 1]", lambda x: x.is_nonnegative and (1 - x).is_nonnegative)
OPEN_UNIT = Law("lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive)
BELOW_1 = Law("lie in [0, 1)", lambda x: x.is_nonnegative and (1 - x).is_positive)
COSINE = Law("lie in [-1, 1]", lambda x: (1 - x * x).is_nonnegative)
CHORD = Law("lie in [0, 2]", lambda x: x.is_nonnegative and (2 - x).is_nonnegative)

# The visible keys, which the statements split into the `m` of the block and the `k` others.
n = Symbol("n", integer=True, positive=True)
# The loss at the start less its lower bound, and the sum of the norms of all blocks there (C3).
loss_drop, start_norms = symbols("loss_drop start_norms", nonnegative=True)
# Uniform attention's loss less that here, and the sum of the target blocks' norms (C7).
loss_gain, weight_norms = Symbol("loss_gain", nonnegative=True), Symbol("norms", positive=True)
# What errors call the argument that replaces a letter, and the laws that it must obey.
ARGUMENTS: dict[Symbol, tuple[str, *tuple[Law, ...]]] = {
    n: ("n", INTEGER, FROM_2),
    m: ("m", INTEGER, FROM_1),
    r: ("logit range", SIZE, NUMBER),
    eps: ("leak", UNIT),
    eps_target: ("leak", OPEN_UNIT),
    F: ("fidelity", OPEN_UNIT),
    F_target: ("target fidelity", OPEN_UNIT),
    lam: ("dial", UNIT),
    tau: ("temperature", POSITIVE),
    delta: ("margin", REAL),
    D_cut: ("distance", SIZE),
    rho: ("logit range", SIZE),
    slope: ("slope", POSITIVE),
    content: ("content range", SIZE),
    weights.p: ("group size", INTEGER, FROM_1),
    weights.Lam: ("loss gradient", SIZE),
    weights.v_norm: ("values", SIZE),
    weights.k_norm: ("keys", SIZE),
    weights.x_g: ("inputs", SIZE),
    weights.x_all: ("inputs", SIZE),
    weights.d_k: ("width", INTEGER, FROM_1),
    loss_drop: ("loss drop", SIZE),
    start_norms: ("sum of norms", SIZE),
    loss_gain: ("loss gain", SIZE),
    weight_norms: ("norms", POSITIVE),
    weights.lam_g: ("penalty", POSITIVE),
    weights.s_in: ("block score", REAL),
    weights.reach_off: ("off-target norm", SIZE),
    weights.pull: ("pull", SIZE),
    weights.beta_1: ("beta1", BELOW_1),
    weights.beta_2: ("beta2", OPEN_UNIT),
    design.alpha: ("scale", POSITIVE),
    design.coherence: ("coherence", COSINE),
    design.distance: ("distance", CHORD),
    design.dimension: ("dimension", INTEGER, FROM_1),
    design.anchors: ("anchors", INTEGER, FROM_2),
    design.failure: ("failure", OPEN_UNIT),
    design.blocks: ("blocks", INTEGER, FROM_2),
    design.error: ("error", UNIT),
    design.promise: ("target fidelity", OPEN_UNIT),
    design.missed: ("miss", UNIT),
    design.mean_fired: ("fired", UNIT),
    design.mean_missed: ("missed", UNIT),
    design.dial_here: ("dial", UNIT),
    design.norm: ("norm", SIZE),
}


def given(letters: Sequence[Symbol], *values: Any) -> Values:
    """The value of each letter, checked; beside `n` and `m` also that of `k`."""
    found = {letter: checked(value, *ARGUMENTS[letter]) for letter, value in zip(letters, values, strict=True)}
    if n in found and m in found:
        if (found[n] - found[m]).is_positive is False:
            raise DomainError(f"block size m={found[m]} must satisfy 1 <= m < n={found[n]}")
        found[k] = found[n] - found[m]
    return found


def checked(value: Any, label: str, *laws: Law) -> Expr:
    """A finite expression that breaks no law.

    Laws are three-valued: only a violation is refused, not a letter whose assumptions leave the law open.
    """
    expr = expression(label, value)
    if expr.is_infinite:
        raise DomainError(f"{label}={expr} must be finite")
    for law in laws:
        if law.holds(expr) is False:
            raise DomainError(f"{label}={abbreviated(expr)} must {law.words}")
    return expr


def expression(label: str, value: Any) -> Expr:
    """One number, possibly infinite, or letter; a float becomes the dyadic rational that it equals."""
    try:
        # Strict: sympy would evaluate a string as code.
        expr = sympify(value, strict=True)
    except SympifyError:
        expr = None
    if not isinstance(expr, Expr):
        raise DomainError(f"{label}={abbreviated(value)} must be a single number, as another argument is exact")
    if expr is nan:
        raise DomainError(f"{label}=nan must be a number")
    if isinstance(value, float) and expr.is_finite:
        return Rational(value)
    return expr
