"""Which kinds of instance have a definition in Coq, in which file of `coq/`, with which letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from sympy import Symbol

from theory import design_symbols as design
from theory import symbols as letters
from theory import weight_symbols as weights


@dataclass(frozen=True)
class CoqKind:
    """Where an instance kind is defined: the module, the type, and the letters that have a definition there."""

    module: str
    type: str
    letters: frozenset[Symbol]


def _letters(module: ModuleType) -> frozenset[Symbol]:
    return frozenset(value for value in vars(module).values() if isinstance(value, Symbol))


COQ_KINDS: Mapping[str, CoqKind] = {
    "row": CoqKind("Row", "row", _letters(letters)),
    "checker": CoqKind(
        "Checker",
        "checker",
        frozenset(
            {
                design.missed,
                design.mean_fidelity,
                design.mean_fired,
                design.mean_missed,
                design.mean_plain,
                design.promise,
            }
        ),
    ),
    "pointer channel": CoqKind(
        "Channel", "channel", frozenset({design.blocks, design.information, design.error, design.error_allowed})
    ),
    "schedule": CoqKind(
        "Schedule",
        "schedule",
        frozenset(
            {
                letters.eps,
                design.layers,
                design.layer,
                design.steepness,
                design.steeper,
                design.dial_max,
                design.dial_needed,
                design.dial_here,
                design.dial_steeper,
                design.depth,
                design.gain,
                design.cost,
                design.cost_steeper,
                design.cost_even,
                design.cost_even_steeper,
                *design.budgets,
            }
        ),
    ),
    "weight block": CoqKind("Weights", "weights", frozenset({weights.w, weights.g, weights.lam_g, weights.move})),
    "descent": CoqKind(
        "Descent",
        "descent",
        frozenset(
            {
                weights.w_0,
                weights.w_1,
                weights.eta,
                weights.lam_g,
                weights.G,
                weights.mu,
                weights.b_0,
                weights.N,
                weights.N_mu,
            }
        ),
    ),
    "surviving block": CoqKind(
        "Surviving",
        "head",
        frozenset(
            {
                letters.m,
                letters.k,
                letters.tau,
                letters.delta,
                letters.eps,
                letters.H,
                weights.d_k,
                weights.s_in,
                weights.reach_off,
                weights.pull,
            }
        ),
    ),
    "row beside another": CoqKind(
        "Beside",
        "row",
        _letters(letters)
        | {
            design.norm,
            design.surprise_variance,
            design.H_any,
            design.TV_any,
            design.moved_row,
            design.moved_scores,
        },
    ),
}
