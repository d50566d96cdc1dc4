"""H4: equal in every bit also in floats, and each way in which a token can leak in is seen to change the output."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import softmax

from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.layer_stacks import Layer, LayerStack
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.statements.local_layers import ISOLATION

TOKENS, WIDTH, WINDOW, LAYERS = 24, 8, 6, 3
OWN = slice(12, 18)


def test_statement_is_derived_and_sampled_clean():
    assert check_derivation(ISOLATION).verdict is Verdict.PROVED
    assert sample(ISOLATION, 60).clean


def network(inputs, dials, shifts=(0,) * LAYERS):
    """Outputs of causal layers with residuals and a nonlinearity, each with its dial and its windows' shift."""
    rng = np.random.default_rng(1)
    positions = np.arange(len(inputs))
    causal = np.where(positions[:, None] >= positions, 0.0, -np.inf)
    for dial, shift in zip(dials, shifts, strict=True):
        query, key, value, mix = rng.normal(size=(4, WIDTH, WIDTH)) / np.sqrt(WIDTH)
        window = (positions - shift) // WINDOW
        with np.errstate(divide="ignore"):
            off = np.where(window[:, None] == window, 0.0, np.log1p(-dial))
        rows = softmax((inputs @ query) @ (inputs @ key).T / np.sqrt(WIDTH) + causal + off, axis=1)
        inputs = np.tanh((inputs + rows @ (inputs @ value)) @ mix)
    return inputs


def moved(dials, shifts=(0,) * LAYERS):
    """Largest change of the outputs in one window after all tokens outside it have changed."""
    rng = np.random.default_rng(0)
    inputs, others = rng.normal(size=(2, TOKENS, WIDTH))
    others[OWN] = inputs[OWN]
    return np.abs(network(inputs, dials, shifts)[OWN] - network(others, dials, shifts)[OWN]).max()


def test_hard_windows_isolate_bit_for_bit():
    assert moved((1, 1, 1)) == 0


@pytest.mark.parametrize("layer", range(LAYERS))
def test_one_soft_layer_leaks(layer):
    assert moved([0.999 if i == layer else 1 for i in range(LAYERS)]) > 1e-6


def test_shifted_windows_leak():
    assert moved((1, 1, 1), (0, 3, 0)) > 1e-3


HARD = Layer(1, 1, 1, Fraction(1), 0)
STACK = LayerStack((HARD, HARD), (1, 2, 3, 4), (5, 1, 3, 4), 2, 3)


@pytest.mark.parametrize(
    ("layers", "leaks"),
    [
        ((HARD, HARD), False),
        ((HARD, replace(HARD, dial=Fraction(999, 1000))), True),
        ((replace(HARD, dial=Fraction(0)), HARD), True),
        ((replace(HARD, start=1), HARD), True),
    ],
)
def test_exact_stacks_leak_only_where_a_layer_is_soft_or_shifted(layers, leaks):
    stack = replace(STACK, layers=layers)
    everywhere = range(len(stack.tokens))
    assert (stack.output(stack.tokens, everywhere) != stack.output(stack.changed, everywhere)) is leaks
