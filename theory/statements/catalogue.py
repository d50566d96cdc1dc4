"""Every statement, in the order of the theory's ids."""

from __future__ import annotations

from theory.errors import DomainError
from theory.statement import INSTANCES, Statement
from theory.statements.about import ABOUT
from theory.statements.anchors import ANCHOR_CAPACITY, ANCHOR_MARGIN, REDUNDANCY
from theory.statements.context import WHOLE_CONTEXT
from theory.statements.dial import DIAL_COST, DIAL_GATE, ENTROPY_ALONG_DIAL, ODDS_LAW
from theory.statements.distance_decay import DISTANCE_DECAY
from theory.statements.entropy import ENTROPY_BOUND
from theory.statements.known import (
    ENTROPY_CONTINUITY,
    POINTER_INFORMATION,
    SOFTMAX_LIPSCHITZ,
    SURPRISE_VARIANCE,
    ZHAI_ENTROPY,
)
from theory.statements.last_layers import LAST_LAYERS
from theory.statements.leak import LEAK_BOUND, MARGIN_THRESHOLD_STATEMENT, ROBUSTNESS, SOFTMAX_IDENTITY
from theory.statements.least_cost import LEAST_COST
from theory.statements.local_layers import ISOLATION, TRUNCATION
from theory.statements.next_token import NEXT_TOKEN
from theory.statements.penalty import PENALTY_DUALITY
from theory.statements.quantile_leak import QUANTILE_LEAK
from theory.statements.range_deficit import RANGE_DEFICIT_LAW
from theory.statements.rules import IMPERFECT_CHECKER, ODDS_COMPOSITION, RELOADED_CHECKER, RULE_SET_PROMISE
from theory.statements.schedules import LOCALISED_DEPTH, SCHEDULE_BUDGET, SCHEDULE_COST
from theory.statements.sparse_attention import SPARSE_ATTENTION
from theory.statements.unseen import UNSEEN_WINDOWS
from theory.statements.weights.extinction import EXTINCTION_BY_ADAM, EXTINCTION_BY_DESCENT
from theory.statements.weights.gradient_bound import GRADIENT_BOUND
from theory.statements.weights.group_lasso import SELF_CONSISTENT_THRESHOLD, STATIONARITY
from theory.statements.weights.selection import SELECTION
from theory.statements.weights_to_attention import WEIGHTS_TO_ATTENTION

CATALOGUE: tuple[Statement, ...] = (
    SOFTMAX_IDENTITY,
    LEAK_BOUND,
    MARGIN_THRESHOLD_STATEMENT,
    ENTROPY_BOUND,
    RANGE_DEFICIT_LAW,
    ROBUSTNESS,
    WHOLE_CONTEXT,
    QUANTILE_LEAK,
    DISTANCE_DECAY,
    ODDS_LAW,
    ENTROPY_ALONG_DIAL,
    DIAL_COST,
    PENALTY_DUALITY,
    SPARSE_ATTENTION,
    DIAL_GATE,
    STATIONARITY,
    GRADIENT_BOUND,
    SELF_CONSISTENT_THRESHOLD,
    EXTINCTION_BY_DESCENT,
    EXTINCTION_BY_ADAM,
    WEIGHTS_TO_ATTENTION,
    SELECTION,
    ANCHOR_MARGIN,
    ANCHOR_CAPACITY,
    POINTER_INFORMATION,
    REDUNDANCY,
    ODDS_COMPOSITION,
    RULE_SET_PROMISE,
    IMPERFECT_CHECKER,
    RELOADED_CHECKER,
    SCHEDULE_BUDGET,
    LOCALISED_DEPTH,
    SCHEDULE_COST,
    LEAST_COST,
    ZHAI_ENTROPY,
    ENTROPY_CONTINUITY,
    SOFTMAX_LIPSCHITZ,
    SURPRISE_VARIANCE,
    TRUNCATION,
    NEXT_TOKEN,
    LAST_LAYERS,
    ISOLATION,
    UNSEEN_WINDOWS,
)
# What a statement shows as its assumptions.
INSTANCES.update(ABOUT)


def find(key: str) -> Statement:
    """The statement with that id or name, ignoring case; if there is none, a `DomainError` names the known ones."""
    for statement in CATALOGUE:
        if key.lower() in (statement.id.lower(), statement.name):
            return statement
    known = ", ".join(statement.id for statement in CATALOGUE)
    raise DomainError(f"statement {key!r} must be one of {known}, or a statement's name")
