"""Mutations of the statements on stacks of layers and on windows not yet seen (H4, H5)."""

from __future__ import annotations

from sympy import Ge, Rational, true

from proofs_check.mutants.mutations import Given, Mutation
from theory.design_symbols import layers
from theory.unseen_symbols import dial_least, hard_layers

_NEARLY_HARD = Given(Ge(dial_least, Rational(999, 1000)))
_ALL_BUT_ONE = Given(Ge(hard_layers, layers - 1))

MUTATIONS: tuple[Mutation, ...] = (
    ("H4", "isolation", "dial 0.999", _NEARLY_HARD),
    ("H4", "isolation", "dial 1 in all layers but one", _ALL_BUT_ONE),
    ("H4", "isolation", "any dials", Given(true)),
    ("H4", "window alone", "dial 0.999", _NEARLY_HARD),
    ("H4", "window alone", "dial 1 in all layers but one", _ALL_BUT_ONE),
)
