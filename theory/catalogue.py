"""Every statement, in the order of the theory's ids."""

from __future__ import annotations

from theory.dial import DIAL_COST, ENTROPY_ALONG_DIAL, ODDS_LAW
from theory.entropy import ENTROPY_BOUND
from theory.errors import DomainError
from theory.leak import LEAK_BOUND, MARGIN_THRESHOLD_STATEMENT, ROBUSTNESS, SOFTMAX_IDENTITY
from theory.penalty import PENALTY_DUALITY
from theory.range_deficit import RANGE_DEFICIT_LAW
from theory.statement import Statement

CATALOGUE: tuple[Statement, ...] = (
    SOFTMAX_IDENTITY,
    LEAK_BOUND,
    MARGIN_THRESHOLD_STATEMENT,
    ENTROPY_BOUND,
    RANGE_DEFICIT_LAW,
    ROBUSTNESS,
    ODDS_LAW,
    ENTROPY_ALONG_DIAL,
    DIAL_COST,
    PENALTY_DUALITY,
)


def find(key: str) -> Statement:
    """The statement with that id or name, whatever the case; `DomainError` names the known ones otherwise."""
    for statement in CATALOGUE:
        if key.lower() in (statement.id.lower(), statement.name):
            return statement
    known = ", ".join(statement.id for statement in CATALOGUE)
    raise DomainError(f"statement {key!r} must be one of {known}, or a statement's name")
