"""Stacks of causal layers with windows and dials as exact data: how to draw one, and each letter's value.

A head's masses are powers of 2 of whole scores, which is the softmax at temperature 1/log 2, and what acts on each
position by itself rounds to whole numbers: every output is rational, and equal outputs are equal in every bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from theory import design_symbols as design
from theory import unseen_symbols as letters

_LARGEST_SCORE = 6
# Activations are whole numbers below this, so that scores stay small.
_RESIDUES = 7


@dataclass(frozen=True)
class Layer(Instance):
    """One head with its residual: what it multiplies query, key and value by, its dial, and where its windows start.

    Its windows start at the tokens `start`, `start + window`, and so on; the tokens before `start` are one as well.
    """

    query: int
    key: int
    value: int
    dial: Fraction
    start: int

    def outputs(self, inputs: Mapping[int, int], window: int) -> dict[int, Fraction]:
        """The head's output at every position, from the activations of the positions that there are."""
        return {position: self._attended(inputs, position, window) for position in inputs}

    def _attended(self, inputs: Mapping[int, int], position: int, window: int) -> Fraction:
        masses: dict[int, Fraction] = {}
        for other, activation in inputs.items():
            if other <= position:
                score = self.query * inputs[position] * self.key * activation + other - position
                mass = Fraction(2) ** max(-_LARGEST_SCORE, min(_LARGEST_SCORE, score))
                same = self._window(other, window) == self._window(position, window)
                masses[other] = mass if same else mass * (1 - self.dial)
        total = sum(masses.values(), Fraction(0))
        return sum((mass * self.value * inputs[other] for other, mass in masses.items()), Fraction(0)) / total

    def _window(self, position: int, window: int) -> int:
        return (position - self.start) // window


@dataclass(frozen=True)
class LayerStack(Instance):
    """Layers, the tokens they read, the tokens in their place, the length of a window, and a position."""

    layers: tuple[Layer, ...]
    tokens: tuple[int, ...]
    changed: tuple[int, ...]
    window: int
    position: int

    @property
    def own(self) -> range:
        """The positions in the first layer's window of the position."""
        first = self.position - (self.position - self.layers[0].start) % self.window
        return range(max(0, first), min(first + self.window, len(self.tokens)))

    def output(self, tokens: Sequence[int], seen: Sequence[int]) -> Fraction:
        """Output of the last layer at the position, where the layers see the tokens at these positions."""
        inputs = {position: tokens[position] for position in seen}
        for layer in self.layers[:-1]:
            outputs = layer.outputs(inputs, self.window)
            # By itself at every position: the residual, rounded.
            inputs = {position: round(4 * outputs[position] + inputs[position]) % _RESIDUES for position in seen}
        return self.layers[-1].outputs(inputs, self.window)[self.position]


def _everywhere(stack: LayerStack) -> range:
    return range(len(stack.tokens))


_DEFINITIONS: Mapping[Symbol, Definition] = {
    design.layers: exactly(lambda stack: len(stack.layers)),
    letters.dial_least: exactly(lambda stack: min(layer.dial for layer in stack.layers)),
    letters.hard_layers: exactly(lambda stack: sum(layer.dial == 1 for layer in stack.layers)),
    letters.output: exactly(lambda stack: stack.output(stack.tokens, _everywhere(stack))),
    letters.output_changed: exactly(lambda stack: stack.output(stack.changed, _everywhere(stack))),
    letters.output_alone: exactly(lambda stack: stack.output(stack.tokens, stack.own)),
}


@st.composite
def layer_stacks(draw: st.DrawFn) -> LayerStack:
    """Stacks of two to four layers on two to nine tokens, most with dial 1 in every layer or in all but one."""
    token = st.integers(0, _RESIDUES - 1)
    tokens = draw(st.lists(token, min_size=2, max_size=9))
    window = draw(st.integers(1, len(tokens)))
    position = draw(st.integers(0, len(tokens) - 1))
    small = st.integers(-2, 2)
    hard = Fraction(1)
    soft = st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(999, 1000), Fraction(99_999, 100_000)])
    count = draw(st.integers(2, 4))
    few = draw(st.sampled_from([0, 0, 0, 1, count]))
    dials = [draw(soft) if i < few else hard for i in range(count)]
    start = draw(st.integers(0, window - 1))
    heads = [
        Layer(draw(small), draw(small), draw(st.integers(1, 3)), dial, start) for dial in draw(st.permutations(dials))
    ]
    stack = LayerStack(tuple(heads), tuple(tokens), tuple(tokens), window, position)
    changed = [kept if i in stack.own else draw(token) for i, kept in enumerate(tokens)]
    return replace(stack, changed=tuple(changed))


@st.composite
def _astray(draw: st.DrawFn) -> LayerStack:
    """Stacks of which one layer has its windows shifted, or whose position's own window changes."""
    stack = draw(layer_stacks())
    if stack.window > 1 and draw(st.booleans()):
        place, shift = draw(st.integers(0, len(stack.layers) - 1)), draw(st.integers(1, stack.window - 1))
        shifted = (replace(layer, start=layer.start + shift * (i == place)) for i, layer in enumerate(stack.layers))
        return replace(stack, layers=tuple(shifted))
    changed = list(stack.changed)
    changed[stack.position] = (changed[stack.position] + 1) % _RESIDUES
    return replace(stack, changed=tuple(changed))


KIND = InstanceKind(
    layer_stacks,
    _DEFINITIONS,
    {
        "same windows": lambda stack: len({layer.start % stack.window for layer in stack.layers}) == 1,
        "changed outside": lambda stack: all(stack.tokens[i] == stack.changed[i] for i in stack.own),
    },
    _astray,
)
