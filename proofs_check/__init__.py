"""Decides the statements of `theory`, and a user's own claims, by independent methods.

`certify` proves an inequality over a box or refutes it at a point; `attack` and `attack_row` look for a counterexample
over a box or over attention rows. Each result has a `Verdict`. `bound` marks a user's bound, which `localist verify`
and pytest put to every method. `strategies` draws instances for property tests.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs_check import strategies
    from proofs_check.inequalities.verdict import Verdict
    from proofs_check.kernel.certified import certify
    from proofs_check.marked import bound
    from proofs_check.methods.attacking import attack, attack_row

__all__ = ["Verdict", "attack", "attack_row", "bound", "certify", "strategies"]

_HOMES = {
    "Verdict": "inequalities.verdict",
    "attack": "methods.attacking",
    "attack_row": "methods.attacking",
    "bound": "marked",
    "certify": "kernel.certified",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: scipy, hypothesis and Arb take a second, which the command line need not spend.
    if name == "strategies":
        return importlib.import_module("proofs_check.strategies")
    if name in _HOMES:
        return getattr(importlib.import_module(f"proofs_check.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'proofs_check' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
