"""Heads at stationary points of the penalised objective (C3), and below uniform attention's loss (C7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from flint import fmpq
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind, built_in
from proofs_check.instances.exact.quantities import (
    Matrix,
    Quantity,
    dot,
    given_as,
    matrix,
    rational,
    root_as,
    spectral_square,
    total,
)
from proofs_check.instances.weights.heads import (
    HEAD_DEFINITIONS,
    Head,
    Sequence,
    entries_of,
    features_of,
    opposed,
    run_head,
)
from theory import symbols as row_letters
from theory import weight_symbols as letters


@dataclass(frozen=True)
class StationaryHead(Instance):
    """A head of width 1 with one live feature, at weights that the choice of penalties makes stationary.

    The loss is a function of `<pull, O>`. Its slope here is `sign`, pointing downhill; nowhere is it steeper, and here
    it is `slack` above its lower bound. So `lambda_Q = |dL/dW_Q|` and `lambda_K = |dL/dW_K|` make the point stationary.
    """

    head: Head
    slack: Fraction
    penalty: Fraction

    @property
    def norms(self) -> tuple[Quantity, Quantity]:
        """`|W_Q|` and `|W_K|`."""
        return abs(rational(self.head.query[0][0])), abs(rational(self.head.key[0][0]))


def _of_head(letter: Symbol) -> Definition:
    return lambda point, by: HEAD_DEFINITIONS[letter](point.head, by)


_PENALTY_Q, _PENALTY_K = _of_head(letters.grad_Q), _of_head(letters.grad_K)


def _drop(point: StationaryHead, by: Arithmetic) -> Any:
    """`J_0 - L_inf`: the loss above its bound, plus the penalty."""
    size_Q, size_K = (given_as(by, size) for size in point.norms)
    return by.number(point.slack) + size_Q * _PENALTY_Q(point, by) + size_K * _PENALTY_K(point, by)


def _moves(point: StationaryHead) -> Iterator[tuple[Sequence, Matrix, Matrix]]:
    """Each sequence with the outputs here and those at `W_Q = W_K = 0`."""
    zeros = ((Fraction(0),) * point.head.width,) * len(point.head.query)
    still = replace(point.head, query=zeros, key=zeros)
    for sequence in point.head.batch:
        yield sequence, run_head(point.head, sequence).outputs, run_head(still, sequence).outputs


def _linear_rise(point: StationaryHead, by: Arithmetic) -> Any:
    """`J(W) - J(0)` for the linear loss `<pull, O>`, signed against the penalty, with all penalties equal."""
    moved = fmpq(0)
    for sequence, here, still in _moves(point):
        for pull, a, b in zip(matrix(sequence.pull), here, still, strict=True):
            moved += dot(pull, [x - y for x, y in zip(a, b, strict=True)])
    return given_as(by, rational(point.penalty) * total(point.norms) - abs(moved))


def _linear_least(point: StationaryHead, by: Arithmetic) -> Any:
    """What that loss cannot fall below, whichever its sign: every row at the key that moves it most, less `J(0)`."""
    least = fmpq(0)
    for sequence, _, still in _moves(point):
        values = matrix(sequence.values)
        for i, (pull, mean) in enumerate(zip(matrix(sequence.pull), still, strict=True)):
            seen = values[: i + 1] if point.head.causal else values
            least -= max(abs(dot(pull, value) - dot(pull, mean)) for value in seen)
    return given_as(by, least)


def _off_target(point: StationaryHead, by: Arithmetic) -> Any:
    others = [row[point.head.split :] for row in features_of(point.head, whole=True)]
    return root_as(by, spectral_square(others)) if others[0] else by.number(0)


_DEFINITIONS: Mapping[Symbol, Definition] = {
    **{x: _of_head(x) for x in (row_letters.tau, letters.d_k, letters.Lam, letters.v_norm, letters.x_g)},
    letters.x_all: lambda point, by: root_as(by, spectral_square(features_of(point.head, whole=True))),
    letters.lam_Q: _PENALTY_Q,
    letters.lam_K: _PENALTY_K,
    letters.w_Q: lambda point, by: given_as(by, point.norms[0]),
    letters.w_K: lambda point, by: given_as(by, point.norms[1]),
    letters.lam_g: exactly(lambda point: point.penalty),
    letters.J_0: _drop,
    letters.L_0: exactly(lambda point: point.slack),
    letters.L_inf: exactly(lambda point: 0),
    letters.J_here: _linear_rise,
    letters.J_origin: exactly(lambda point: 0),
    letters.L_least: _linear_least,
    letters.x_off: _off_target,
}


@st.composite
def _astray(draw: st.DrawFn) -> StationaryHead:
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
    penalty = draw(st.sampled_from([Fraction(1, 1000), Fraction(1, 100), Fraction(1), Fraction(10)]))
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


def _one_live_block(point: StationaryHead) -> bool:
    head = point.head
    return not any(entry for weight in (head.query, head.key) for row in weight[head.split :] for entry in row)


KIND = InstanceKind(
    stationary_heads,
    _DEFINITIONS,
    {
        "no bias": lambda point: not any((*point.head.query_bias, *point.head.key_bias)),
        "no normalisation": built_in,
        "one live block": _one_live_block,
        # The penalties are chosen to make the point stationary, and the loss to be nowhere steeper.
        "stationary": built_in,
        "slope bounded": built_in,
    },
    _astray,
)
