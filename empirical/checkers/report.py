"""What rules kept under an imperfect checker, beside the bounds of E3 and E4.

A row is a layer, head and query where a rule acts. A rule's rows of one query are all fired or all missed, so the share
of missed rows is that of missed queries. Queries are the cases of E4's binomial bound: the checker decides each once,
and decides independently, as its rows are not.

The mean fidelity is measured after all rules that fire in a row. So is the fidelity of missed rows, which other rules
may move; E3's identity holds with it exactly, whatever the misses depend on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from empirical.checkers.checker import Decision
from empirical.checkers.tally import Array, Ints, Tally
from empirical.rules.rule_file import Rule
from empirical.steering.newton import TOLERANCE
from theory.numbers.rule_bounds import expected_fidelity, mean_fidelity_min, measured_fidelity_min

SCHEMA = 1
# Largest rounding error of a mean of fidelities.
ROUNDING = 1e-9

# Entries of a rule, and what they say; null where there is no such row.
ENTRIES = {
    "name": "name of the rule; null for all rules with a promise together",
    "promise": "its promise, or the mean promise of the due rows; null for a rule with a strength",
    "due_queries": "queries at which it is due",
    "missed_queries": "those where the checker missed it",
    "false_queries": "queries at which it fired without being due",
    "due_rows": "rows of due queries",
    "broken_rows": "rows in which it was due and fired, and its promise was not kept",
    "missed": "missed share of the due rows",
    "mean": "measured mean fidelity of its target in the due rows, after all rules",
    "fired_mean": "the same where it fired",
    "missed_mean": "the same where it was missed",
    "plain_mean": "mean fidelity of the due rows without any rule in their layer",
    "identity": "E3: (1 - missed) fired_mean + missed missed_mean",
    "identity_holds": "whether that is the measured mean, up to rounding",
    "if_independent": "(1 - missed) fired_mean + missed plain_mean: E3 if misses are independent of the fidelity",
    "bound": "E3: (1 - missed) promise; this and the next three are null if a promise was broken",
    "nominal_bound": "E4: lower bound on the expected mean, from the probabilities of a miss",
    "confident_bound": "E4: the same from the misses measured in each version, at the confidence",
    "missed_at_most": "the binomial bound on each version's probability of a miss; null for the rules together",
    "false_rows": "rows of false firings",
    "false_before": "mean fidelity of its target there, without any rule in their layer",
    "false_after": "the same after all rules",
    "holds": "whether the mean reaches the bound; null if nothing promised is due, or if a promise was broken",
}


def report(rules: Sequence[Rule], tally: Tally, missed: Sequence[float], confidence: float | None) -> dict[str, Any]:
    """`ENTRIES` of each rule and of all rules with a promise together, and whether all that is due holds.

    `missed` are the versions' probabilities of a miss. `confidence` is that of the binomial bounds, None if misses are
    not drawn independently, which the bounds assume.
    """
    entries = [_entry([rule], tally.of([place]), missed, confidence) for place, rule in enumerate(rules)]
    due = [place for place, rule in enumerate(rules) if rule.fidelity is not None and entries[place]["due_rows"]]
    total = _entry([rules[place] for place in due], tally.of(due), missed, confidence)
    for entry, rule in zip(entries, rules, strict=True):
        entry |= {"name": rule.name, "promise": rule.fidelity}
    total["missed_at_most"] = None
    standing = [entry["holds"] for entry in (*(entries[place] for place in due), total)]
    holds = None if None in standing else all(standing)
    if False in (entry["identity_holds"] for entry in (*entries, total)):
        holds = False
    return {"schema": SCHEMA, "holds": holds, "rules": entries, "total": total, "entries": ENTRIES}


def _entry(rules: Sequence[Rule], tally: Tally, missed: Sequence[float], confidence: float | None) -> dict[str, Any]:
    """`ENTRIES` of these rules together, without a name. `tally` is theirs."""
    fired, lost, false = Decision
    rows, queries = tally.rows, tally.queries
    broken = int((rows - tally.kept)[..., fired].sum())
    entry = dict.fromkeys(ENTRIES) | {
        "due_queries": int(queries[..., [fired, lost]].sum()),
        "missed_queries": int(queries[..., lost].sum()),
        "false_queries": int(queries[..., false].sum()),
        "due_rows": int(tally.due_rows.sum()),
        "broken_rows": broken,
        "false_rows": int(rows[..., false].sum()),
        "false_before": _mean(tally.before[..., false], rows[..., false]),
        "false_after": _mean(tally.after[..., false], rows[..., false]),
    }
    mean = _mean(tally.due_after, tally.due_rows)
    if mean is None:
        return entry
    # From the decisions, not from the rows where they are found: the identity compares the two.
    lost_rows = queries[..., lost].sum(1) * tally.due_rows.sum(1) / queries[..., [fired, lost]].sum((1, 2))
    share = float(lost_rows.sum() / tally.due_rows.sum())
    fired_mean, lost_mean = (_mean(tally.after[..., each], rows[..., each]) for each in (fired, lost))
    plain_mean = _mean(tally.before[..., [fired, lost]], rows[..., [fired, lost]])
    identity = expected_fidelity(share, fired_mean or 0.0, lost_mean or 0.0)
    entry |= {
        "missed": share,
        "mean": mean,
        "fired_mean": fired_mean,
        "missed_mean": lost_mean,
        "plain_mean": plain_mean,
        "identity": identity,
        "identity_holds": bool(abs(identity - mean) <= ROUNDING),
        "if_independent": expected_fidelity(share, fired_mean or 0.0, plain_mean or 0.0),
    }
    promises = np.array([rule.fidelity for rule in rules], dtype=float)
    if np.isnan(promises).any():
        return entry
    entry["promise"] = float(np.average(promises, weights=tally.due_rows.sum(1)))
    if broken:
        return entry
    bound = float((tally.due_rows.sum(1) - lost_rows) @ promises / tally.due_rows.sum())
    entry |= {"bound": bound, "holds": mean >= bound - TOLERANCE - ROUNDING}
    return entry | _over_time(promises, tally, missed, confidence)


def _over_time(promises: Array, tally: Tally, missed: Sequence[float], confidence: float | None) -> dict[str, Any]:
    """E4's entries, for rules that are due somewhere. A version without a due query has no time."""
    lost, cases = tally.queries[..., Decision.MISSED], tally.queries[..., [Decision.FIRED, Decision.MISSED]].sum(-1)
    seen = cases > 0
    promise, probability = (np.broadcast_to(each, seen.shape)[seen] for each in (promises[:, None], np.array(missed)))
    times = tally.due_rows[seen]
    entry: dict[str, Any] = {"nominal_bound": mean_fidelity_min(promise, probability, times)}
    if confidence is not None:
        found = measured_fidelity_min(promise, lost[seen], cases[seen], confidence, times)
        bounds = iter(found.missed.tolist())
        at_most = [next(bounds) if each else None for each in seen.flat]
        entry |= {"confident_bound": found.at_least, "missed_at_most": at_most}
    return entry


def _mean(sums: Array, counts: Ints) -> float | None:
    """The mean of fidelities, None for no row. Sums of a row's weights may pass 1 by a rounding error."""
    return min(float(sums.sum() / counts.sum()), 1.0) if counts.any() else None
