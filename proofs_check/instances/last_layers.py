"""A decoder from its last attention layer on, and what truncating that layer moves in its logits (H3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact import quantities as exact
from proofs_check.instances.exact.arithmetic import ArbArithmetic, Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.exact.quantities import Entries, Quantities, Vector
from proofs_check.instances.truncated_layers import DEFINITIONS, LayerHead, TruncatedLayer, layer_move
from proofs_check.instances.weights.heads import entries_of
from theory import output_symbols as letters
from theory import symbols as row_letters

_WIDTH = 3


@dataclass(frozen=True)
class LastLayer(Instance):
    """The truncated layer, the residual after it, both layer norms' weights, the MLP of ReLUs and the unembedding."""

    layer: TruncatedLayer
    residual: Vector
    gains: Entries
    first: Entries
    second: Entries
    tokens: Entries
    stabiliser: Fraction
    allowed: Fraction
    range_allowed: Fraction


# The MLP's input, the residual after it, the output of the last layer norm, and the logits.
_Pass = tuple[Quantities, ...]


def _centred(entries: Quantities) -> Quantities:
    return exact.transposed(exact.centred(exact.transposed([entries])))[0]


def _layer_norm(model: LastLayer, entries: Quantities, gains: Vector) -> Quantities:
    from_mean = _centred(entries)
    over = exact.root(exact.dot(from_mean, from_mean) / len(entries) + exact.rational(model.stabiliser))
    return [gain * entry / over for gain, entry in zip(exact.vector(gains), from_mean, strict=True)]


def _run(model: LastLayer, residual: Quantities) -> _Pass:
    middle = _layer_norm(model, residual, model.gains[0])
    hidden = [exact.largest((exact.rational(0), x)) for x in exact.times([middle], exact.matrix(model.first))[0]]
    end = [x + y for x, y in zip(residual, exact.times([hidden], exact.matrix(model.second))[0], strict=True)]
    normed = _layer_norm(model, end, model.gains[1])
    return middle, end, normed, [exact.dot(normed, token) for token in exact.matrix(model.tokens)]


def _passes(model: LastLayer, by: Arithmetic) -> tuple[_Pass, _Pass]:
    """What follows the residual, and its moves when the heads drop the keys off the block."""
    if "passes" not in by.memo:
        before = exact.vector(model.residual)
        after = [x + e for x, e in zip(before, layer_move(model.layer, ArbArithmetic()), strict=True)]
        plain = _run(model, before)
        pairs = zip(_run(model, after), plain, strict=True)
        by.memo["passes"] = plain, tuple([x - y for x, y in zip(*pair, strict=True)] for pair in pairs)
    return by.memo["passes"]


def _of_moves(index: int, size: Callable[[Quantities], Any] = exact.norm) -> Definition:
    return lambda model, by: exact.given_as(by, size(_passes(model, by)[1][index]))


def _of_layer(letter: Symbol) -> Definition:
    return lambda model, by: DEFINITIONS[letter](model.layer, by)


def _mlp(model: LastLayer, by: Arithmetic) -> Any:
    return exact.root_as(by, _square(model.first)) * exact.root_as(by, _square(model.second))


def _square(weights: Entries) -> Any:
    return exact.spectral_square(exact.matrix(weights))


def _range(logits: Quantities) -> Any:
    return exact.largest(logits) + exact.largest(-z for z in logits)


def _farthest(model: LastLayer, by: Arithmetic) -> Any:
    pairs = combinations(model.tokens, 2)
    return exact.root_as(
        by, exact.rational(max(sum((x - y) ** 2 for x, y in zip(*pair, strict=True)) for pair in pairs))
    )


def _length(entries: Quantities) -> Any:
    return exact.norm(_centred(entries))


_DEFINITIONS: Mapping[Symbol, Definition] = {
    **{letter: _of_layer(letter) for letter in (row_letters.S_cut, row_letters.r_layer)},
    letters.p_r: exactly(lambda model: len(model.residual)),
    letters.eps_ln: exactly(lambda model: model.stabiliser),
    letters.gain_mid: exactly(lambda model: max(map(abs, model.gains[0]))),
    letters.gain_end: exactly(lambda model: max(map(abs, model.gains[1]))),
    letters.S_star: exactly(lambda model: model.allowed),
    letters.rho_star: exactly(lambda model: model.range_allowed),
    letters.mlp: _mlp,
    letters.c_mid: lambda model, by: exact.given_as(by, _length(exact.vector(model.residual))),
    letters.c_end: lambda model, by: exact.given_as(by, _length(_passes(model, by)[0][1])),
    letters.apart: _farthest,
    letters.move_mid: _of_moves(0),
    letters.move_res: _of_moves(1),
    letters.move_end: _of_moves(2),
    letters.rho_cut: _of_moves(3, _range),
}


@st.composite
def last_layers(draw: st.DrawFn) -> LastLayer:
    """Decoders of width three with one or two heads; in most the leak is small and the residual long.

    >>> from hypothesis import Phase, find, settings
    >>> drawn = find(last_layers(), lambda model: True, settings=settings(phases=[Phase.generate]))
    >>> drawn.layer.block in (1, 2)
    True
    """
    block, others, heads = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    gap, long = draw(st.sampled_from([(0, 1), (8, 4), (8, 16)]))

    def head() -> LayerHead:
        scores = [row[0] + gap * (i < block) for i, row in enumerate(draw(entries_of(block + others, 1)))]
        values = draw(entries_of(block + others, 1).filter(lambda values: len(set(values)) > 1))
        return LayerHead(tuple(scores), values, draw(entries_of(1, _WIDTH).filter(lambda rows: len(set(rows[0])) > 1)))

    layer = TruncatedLayer(tuple(head() for _ in range(heads)), block)
    hidden = draw(st.integers(1, 2))
    return LastLayer(
        layer,
        tuple(long * x for x in draw(entries_of(1, _WIDTH))[0]),
        # Two tokens apart along one axis, and no other axis passed on, attain a bound at a length without exact form.
        draw(entries_of(2, _WIDTH).filter(lambda gains: all(map(all, gains)))),
        draw(entries_of(_WIDTH, hidden)),
        draw(entries_of(hidden, _WIDTH)),
        draw(entries_of(draw(st.integers(2, 3)), _WIDTH).filter(lambda tokens: len(set(tokens)) == len(tokens))),
        Fraction(1, draw(st.sampled_from([4, 1000]))),
        Fraction(1, draw(st.sampled_from([2, 50]))),
        Fraction(draw(st.integers(1, 8)), draw(st.sampled_from([1, 20]))),
    )


KIND = InstanceKind(last_layers, _DEFINITIONS)
