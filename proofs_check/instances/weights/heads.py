"""Random attention heads with rational entries, and the gradients of their weights (C2).

Gradients are computed by hand, backwards from the output; the tests compare them with automatic differentiation.
Spectral norms come from 2 x 2 Gram matrices, which is why every matrix here has at most two columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, fmpq
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind, built_in
from proofs_check.instances.exact.quantities import (
    Entries,
    Matrix,
    Quantity,
    Vector,
    centred,
    dot,
    frobenius_square,
    given_as,
    largest,
    matrix,
    rational,
    root,
    root_as,
    spectral_square,
    times,
    total,
    transposed,
    vector,
)
from theory import symbols as row_letters
from theory import weight_symbols as letters


@dataclass(frozen=True)
class Sequence(Instance):
    """One sequence of a batch: inputs, values and the loss's gradient in the output, one row per token."""

    inputs: Entries
    values: Entries
    pull: Entries


@dataclass(frozen=True)
class Head(Instance):
    """A head whose first `split` features form a block, and the batch it sees."""

    batch: tuple[Sequence, ...]
    query: Entries
    key: Entries
    split: int
    temperature: Fraction = Fraction(1)
    causal: bool = False
    vector: Vector = ()
    query_bias: Vector = ()
    key_bias: Vector = ()

    @property
    def width(self) -> int:
        """`d_k`."""
        return len(self.query[0])


@dataclass(frozen=True)
class Pass:
    """One sequence, forwards and backwards; the slopes lack the factor `1/sqrt(d_k)`, which may be irrational."""

    queries: Matrix
    keys: Matrix
    attention: Matrix
    outputs: Matrix
    query_slope: Matrix
    key_slope: Matrix


def _softmax(logits: list[Quantity]) -> list[Quantity]:
    if all(logit == logits[0] for logit in logits):
        return [fmpq(1, len(logits))] * len(logits)
    weights = [arb(logit - logits[0]).exp() for logit in logits]
    return [weight / total(weights) for weight in weights]


def _raised(rows: Matrix, bias: Vector) -> Matrix:
    return [[x + b for x, b in zip(row, vector(bias), strict=True)] for row in rows] if bias else rows


def run_head(head: Head, sequence: Sequence) -> Pass:
    """The forward and backward pass of one sequence."""
    inputs, values, pull = matrix(sequence.inputs), matrix(sequence.values), matrix(sequence.pull)
    queries = _raised(times(inputs, matrix(head.query)), head.query_bias)
    keys = _raised(times(inputs, matrix(head.key)), head.key_bias)
    tau, width = rational(head.temperature), root(fmpq(head.width))
    attention, slopes = [], []
    for i, query in enumerate(queries):
        visible = i + 1 if head.causal else len(keys)
        row = _softmax([dot(query, key) / (tau * width) for key in keys[:visible]])
        upstream = [dot(pull[i], value) for value in values[:visible]]
        # If all upstream gradients are equal the row's slope is 0, which balls around 0 would not show.
        mean = upstream[0] if all(g == upstream[0] for g in upstream) else dot(row, upstream)
        hidden = [fmpq(0)] * (len(keys) - visible)
        attention.append(row + hidden)
        slopes.append([a * (g - mean) / tau for a, g in zip(row, upstream, strict=True)] + hidden)
    return Pass(
        queries, keys, attention, times(attention, values), times(slopes, keys), times(transposed(slopes), queries)
    )


def _passes(head: Head, by: Arithmetic) -> list[Pass]:
    if "passes" not in by.memo:
        by.memo["passes"] = [run_head(head, sequence) for sequence in head.batch]
    return by.memo["passes"]


def features_of(head: Head, whole: bool = False, mean_off: bool = False) -> Matrix:
    """Inputs of the first block, or of all features if `whole`, with sequences stacked."""
    stacked = []
    for sequence in head.batch:
        part = [row if whole else row[: head.split] for row in matrix(sequence.inputs)]
        stacked += centred(part) if mean_off else part
    return stacked


def weight_slope(head: Head, by: Arithmetic, slope: Callable[[Pass], Matrix]) -> Quantity:
    """Square of the norm of the loss's gradient in the first block of a weight."""
    stacked = [row for each in _passes(head, by) for row in slope(each)]
    return frobenius_square(times(transposed(features_of(head)), stacked)) / head.width


def _spectral(head: Head, by: Arithmetic, part: Callable[[Pass, Sequence], Matrix], mean_off: bool = False) -> Any:
    found = (part(each, sequence) for each, sequence in zip(_passes(head, by), head.batch, strict=True))
    return root_as(by, largest(spectral_square(centred(m) if mean_off else m) for m in found))


def _stretch(head: Head, by: Arithmetic) -> Any:
    """`|(diag(a) - a a^T) y| / |y|` for the last token's row."""
    row = _passes(head, by)[0].attention[-1]
    given = vector(head.vector[: len(row)])
    mean = dot(row, given)
    image = [a * (y - mean) for a, y in zip(row, given, strict=True)]
    return root_as(by, dot(image, image) / dot(given, given))


def _peak(head: Head, by: Arithmetic) -> Any:
    return given_as(by, largest(a * (1 - a) for a in _passes(head, by)[0].attention[-1]))


HEAD_DEFINITIONS: Mapping[Symbol, Definition] = {
    row_letters.tau: exactly(lambda head: head.temperature),
    letters.d_k: exactly(lambda head: head.width),
    letters.Lam: lambda head, by: root_as(by, total(frobenius_square(matrix(each.pull)) for each in head.batch)),
    letters.v_norm: lambda head, by: _spectral(head, by, lambda _, s: matrix(s.values)),
    letters.k_norm: lambda head, by: _spectral(head, by, lambda each, _: each.keys),
    letters.q_norm: lambda head, by: _spectral(head, by, lambda each, _: each.queries),
    letters.v_centred: lambda head, by: _spectral(head, by, lambda _, s: matrix(s.values), mean_off=True),
    letters.k_centred: lambda head, by: _spectral(head, by, lambda each, _: each.keys, mean_off=True),
    letters.x_g: lambda head, by: root_as(by, spectral_square(features_of(head))),
    letters.x_centred: lambda head, by: root_as(by, spectral_square(features_of(head, mean_off=True))),
    letters.grad_Q: lambda head, by: root_as(by, weight_slope(head, by, lambda each: each.query_slope)),
    letters.grad_K: lambda head, by: root_as(by, weight_slope(head, by, lambda each: each.key_slope)),
    letters.stretch: _stretch,
    letters.peak: _peak,
}


def entries_of(height: int, width: int) -> st.SearchStrategy[Entries]:
    """Matrices of quarters between -3 and 3."""
    row = st.lists(st.integers(-12, 12).map(lambda i: Fraction(i, 4)), min_size=width, max_size=width).map(tuple)
    return st.lists(row, min_size=height, max_size=height).map(tuple)


def opposed(size: Fraction) -> Entries:
    """Two tokens with one feature each, of opposite sign."""
    return ((size,), (-size,))


@st.composite
def heads(draw: st.DrawFn) -> Head:
    """Heads of width 1 or 2 on one or two short sequences; a third of them attain the bound, on two tokens.

    >>> from hypothesis import find
    >>> find(heads(), lambda head: head.temperature == 1).split
    1
    """
    temperature = draw(st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(3)]))
    if draw(st.sampled_from(["any", "any", "attaining"])) == "attaining":
        return draw(_attaining(temperature))
    width, features, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    split = draw(st.integers(1, min(2, features)))
    batch = []
    for _ in range(draw(st.integers(1, 2))):
        tokens = draw(st.integers(2, 4))
        # Tokens that agree in this block only have a gradient of 0 that only algebra shows.
        varied = entries_of(tokens, features).filter(lambda entries: len({row[:split] for row in entries}) > 1)
        batch.append(Sequence(draw(varied), draw(entries_of(tokens, outputs)), draw(entries_of(tokens, outputs))))
    # Opposed entries attain the bound of a row of two, at masses that have no exact form here.
    integers = st.lists(st.integers(-8, 8).map(Fraction), min_size=4, max_size=4)
    bias = st.one_of(st.just(()), st.lists(st.integers(-4, 4).map(Fraction), min_size=width, max_size=width).map(tuple))
    return Head(
        batch=tuple(batch),
        query=draw(entries_of(features, width)),
        key=draw(entries_of(features, width)),
        split=split,
        temperature=temperature,
        causal=draw(st.booleans()),
        vector=tuple(draw(integers.filter(lambda y: y[0] + y[1] != 0))),
        query_bias=draw(bias),
        key_bias=draw(bias),
    )


@st.composite
def _attaining(draw: st.DrawFn, temperature: Fraction) -> Head:
    """Heads on two tokens that attain the bound."""
    sizes = draw(st.lists(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(3)]), min_size=4, max_size=4))
    inputs, values, pull = (opposed(size) for size in sizes[:3])
    width, probe = draw(st.integers(1, 2)), (Fraction(1), Fraction(-1))
    still, live = ((Fraction(0),) * width,), ((sizes[3],) * width,)
    if draw(st.sampled_from([False, False, True])):
        # The block is the same in all tokens; a second feature makes the keys.
        inputs = tuple((Fraction(1), *row) for row in inputs)
        sequence = Sequence(inputs, values, ((sizes[2],),) * 2)
        return Head((sequence,), still * 2, still + live, 1, temperature, vector=probe)
    query, key = (still, live) if draw(st.booleans()) else (live, still)
    return Head((Sequence(inputs, values, pull),), query, key, 1, temperature, vector=probe)


KIND = InstanceKind(heads, HEAD_DEFINITIONS, {"no normalisation": built_in})
