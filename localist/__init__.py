"""Thresholds, theorems and measurements for localist language models.

Bounds of one attention row, in nats: `leak_max`, `fidelity_min`, `entropy_max`, `entropy_max_at_least`, `entropy_min`,
`margin_needed`, `penalty_needed`, `dial_needed`, `dialled_leak`, `penalised_margin`. Run files: `read_run`,
`parse_run`, `check_run`, `design_run`. Statements: `CATALOGUE`. Claims of your own: `certify`, `attack`, `attack_row`,
`Verdict`, `bound` for pytest and `localist verify`, and `strategies` for property tests. Models: `watch`, `dial`,
`measure` and `calibrate` a transformers decoder, `read_dials` of a calibration, `BlockCache` keeps only the current
block of layers at dial 1, `LocalistCallback` logs rows in training, `ruled` steers by the rules of a file; `load_model`
loads a trained run.

Each name is loaded when it is first used: `import localist` loads neither numpy nor torch.

>>> import localist
>>> from sympy import log
>>> localist.leak_max(n=8, m=2, separation=log(3))
1/2
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from empirical.attention.attach import dial
    from empirical.attention.block_cache import BlockCache
    from empirical.calibration.calibrate import calibrate
    from empirical.measuring.dial_file import read_dials
    from empirical.measuring.measure import measure
    from empirical.measuring.row_callback import LocalistCallback
    from empirical.measuring.watch import watch
    from empirical.model import load_model
    from empirical.steering.rule_plan import ruled
    from proofs_check import Verdict, attack, attack_row, bound, certify, strategies
    from theory.design.run_check import check_run
    from theory.design.run_design import design_run
    from theory.design.run_file import parse_run, read_run
    from theory.numbers.bounds import (
        dial_needed,
        dialled_leak,
        entropy_max,
        entropy_max_at_least,
        entropy_min,
        fidelity_min,
        leak_max,
        margin_needed,
        penalised_margin,
        penalty_needed,
    )
    from theory.statements.catalogue import CATALOGUE

__all__ = [
    "CATALOGUE",
    "BlockCache",
    "LocalistCallback",
    "Verdict",
    "attack",
    "attack_row",
    "bound",
    "calibrate",
    "certify",
    "check_run",
    "design_run",
    "dial",
    "dial_needed",
    "dialled_leak",
    "entropy_max",
    "entropy_max_at_least",
    "entropy_min",
    "fidelity_min",
    "leak_max",
    "load_model",
    "margin_needed",
    "measure",
    "parse_run",
    "penalised_margin",
    "penalty_needed",
    "read_dials",
    "read_run",
    "ruled",
    "strategies",
    "watch",
]

_HOMES = {
    "BlockCache": "empirical.attention.block_cache",
    "CATALOGUE": "theory.statements.catalogue",
    "LocalistCallback": "empirical.measuring.row_callback",
    "calibrate": "empirical.calibration.calibrate",
    "check_run": "theory.design.run_check",
    "dial": "empirical.attention.attach",
    "design_run": "theory.design.run_design",
    "load_model": "empirical.model",
    "measure": "empirical.measuring.measure",
    "read_dials": "empirical.measuring.dial_file",
    "parse_run": "theory.design.run_file",
    "read_run": "theory.design.run_file",
    "ruled": "empirical.steering.rule_plan",
    "watch": "empirical.measuring.watch",
}
_HOMES |= dict.fromkeys(("Verdict", "attack", "attack_row", "bound", "certify", "strategies"), "proofs_check")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'localist' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES.get(name, "theory.numbers.bounds")), name)
    except ModuleNotFoundError as error:
        from localist.extras import advice

        if line := advice(error.name or ""):
            raise ModuleNotFoundError(f"localist.{name}: {line}", name=error.name) from error
        raise


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
