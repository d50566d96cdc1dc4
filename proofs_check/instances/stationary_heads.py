"""Heads at stationary points of the penalised objective (C3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from flint import fmpq
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.heads import (
    HEAD_DEFINITIONS,
    Entries,
    Head,
    Pass,
    Sequence,
    entries_of,
    features_of,
    matrix,
    opposed,
    run_head,
    weight_slope,
)
from proofs_check.instances.quantities import (
    Matrix,
    Quantity,
    dot,
    exactly,
    given_as,
    rational,
    root_as,
    spectral_square,
    total,
)
from proofs_check.instances.rows import Arithmetic
from proofs_check.instances.structure import built_in
from theory import symbols as row_letters
from theory import weight_symbols as letters


@dataclass(frozen=True)
class StationaryHead:
    """A head of width 1 with one live feature, at weights that the choice of penalties makes stationary.

    The loss is a function of `<pull, O>`. Its slope here is `sign`, pointing downhill; nowhere is it steeper, and here
    it is `slack` above its lower bound. So `lambda_Q = |dL/dW_Q|` and `lambda_K = |dL/dW_K|` make the point stationary.
    """

    head: Head
    slack: Fraction
    penalty: Fraction

    def __str__(self) -> str:
        return f"{self.head}, loss {float(self.slack):.6g} above its bound, penalty {self.penalty}"

    @property
    def levels(self) -> int:
        """0: exact forms are roots of rationals, without exponentials."""
        return 0

    @property
    def norms(self) -> tuple[Quantity, Quantity]:
        """`|W_Q|` and `|W_K|`."""
        return abs(rational(self.head.query[0][0])), abs(rational(self.head.key[0][0]))


def _balancing(point: StationaryHead, by: Arithmetic, slope: Callable[[Pass], Matrix]) -> Any:
    return root_as(by, weight_slope(point.head, by, slope))


def _drop(point: StationaryHead, by: Arithmetic) -> Any:
    """`J_0 - L_inf`: the loss above its bound, plus the penalty."""
    size_Q, size_K = point.norms
    penalty_Q = given_as(by, size_Q) * _balancing(point, by, lambda each: each.query_slope)
    penalty_K = given_as(by, size_K) * _balancing(point, by, lambda each: each.key_slope)
    return by.number(point.slack) + penalty_Q + penalty_K


def _linear_rise(point: StationaryHead, by: Arithmetic) -> Any:
    """`J(W) - J(0)` for the linear loss `<pull, O>`, signed against the penalty, with all penalties equal."""
    head = point.head
    moved = fmpq(0)
    for sequence in head.batch:
        here = run_head(head, sequence)
        still = run_head(replace(head, query=_zeros(head.query), key=_zeros(head.key)), sequence)
        for pull, a, b in zip(matrix(sequence.pull), here.outputs, still.outputs, strict=True):
            moved += dot(pull, [x - y for x, y in zip(a, b, strict=True)])
    return given_as(by, rational(point.penalty) * total(point.norms) - abs(moved))


def _zeros(entries: Entries) -> Entries:
    return tuple((Fraction(0),) * len(row) for row in entries)


def _of_head(letter: Symbol) -> Any:
    return lambda point, by: HEAD_DEFINITIONS[letter](point.head, by)


STATIONARY_DEFINITIONS: Mapping[Symbol, Any] = {
    **{x: _of_head(x) for x in (row_letters.tau, letters.d_k, letters.Lam, letters.v_norm, letters.x_g)},
    letters.x_all: lambda point, by: root_as(by, spectral_square(features_of(point.head, whole=True))),
    letters.lam_Q: lambda point, by: _balancing(point, by, lambda each: each.query_slope),
    letters.lam_K: lambda point, by: _balancing(point, by, lambda each: each.key_slope),
    letters.w_Q: lambda point, by: given_as(by, point.norms[0]),
    letters.w_K: lambda point, by: given_as(by, point.norms[1]),
    letters.lam_g: exactly(lambda point: point.penalty),
    letters.J_0: _drop,
    letters.L_0: exactly(lambda point: point.slack),
    letters.L_inf: exactly(lambda point: 0),
    letters.J_here: _linear_rise,
    letters.J_origin: exactly(lambda point: 0),
}


STATIONARY_STRUCTURE: Mapping[str, Any] = {
    "no bias": lambda point: not any((*point.head.query_bias, *point.head.key_bias)),
    "no normalisation": built_in,
    "one live block": lambda point: (
        not any(
            entry
            for weight in (point.head.query, point.head.key)
            for row in weight[point.head.split :]
            for entry in row
        )
    ),
    # The penalties are chosen to make the point stationary, and the loss to be nowhere steeper.
    "stationary": built_in,
    "slope bounded": built_in,
}


@st.composite
def astray_stationary_heads(draw: st.DrawFn) -> StationaryHead:
    """Heads with a bias, or with a second live block."""
    point = draw(stationary_heads())
    size = st.integers(-8, 8).filter(bool).map(lambda i: Fraction(i, 4))
    if draw(st.booleans()) or len(point.head.query) == 1:
        return replace(point, head=replace(point.head, query_bias=(draw(size),), key_bias=(draw(size),)))
    return replace(point, head=replace(point.head, query=(*point.head.query[:-1], (draw(size),))))


@st.composite
def stationary_heads(draw: st.DrawFn) -> StationaryHead:
    """Stationary points with one live feature; a third of them nearly attain the threshold."""
    temperature = draw(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2)]))
    penalty = draw(st.sampled_from([Fraction(1, 100), Fraction(1), Fraction(10)]))
    if draw(st.sampled_from(["any", "any", "nearly attaining"])) == "nearly attaining":
        size = Fraction(1, draw(st.sampled_from([8, 16, 64])))
        head = Head((Sequence(*(opposed(Fraction(1)),) * 3),), ((size,),), ((size,),), 1, temperature)
        return StationaryHead(head, Fraction(1, 2**40), penalty)
    tokens, features = draw(st.integers(2, 4)), draw(st.integers(1, 2))
    sequence = Sequence(draw(entries_of(tokens, features)), draw(entries_of(tokens, 1)), draw(entries_of(tokens, 1)))
    dead = ((Fraction(0),),) * (features - 1)
    weights = st.integers(-8, 8).map(lambda i: Fraction(i, 8))
    size_Q = draw(weights)
    size_K = draw(st.one_of(st.just(size_Q), weights))
    head = Head((sequence,), ((size_Q,), *dead), ((size_K,), *dead), 1, temperature, draw(st.booleans()))
    return StationaryHead(head, draw(st.integers(1, 40).map(lambda i: Fraction(1, 2**i))), penalty)
