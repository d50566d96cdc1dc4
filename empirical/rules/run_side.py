"""What a run's file promises by itself, as rules beside those of a rule file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from empirical.rules.formula import parse_formula, parse_target
from empirical.rules.rule_file import Rule
from empirical.rules.token_theory import Shape
from theory.design.run_file import Run
from theory.errors import InputError

# Intervals of keys of one rule of the run.
_MOST_INTERVALS = 50


def shape_of(run: Run) -> Shape:
    """The texts that a run's model sees."""
    least, most = run.locality.sizes
    return Shape(run.model.context, least, most)


def promises_of(run: Run) -> list[Rule]:
    """The run's fidelity, in its last localised layers, and the rules of its own. Raises InputError.

    The fidelity is promised to queries with enough keys of their own block, and a key outside it.
    """
    promised, layers = [], run.model.layers
    if run.targets.fidelity is not None:
        when = parse_formula(f"block > 0 and block_position >= {run.targets.own_keys - 1}")
        chosen = frozenset(range(layers - run.localised_layers, layers))
        promised.append(
            Rule("the run's fidelity", when, parse_target("own block", {}), run.targets.fidelity, layers=chosen)
        )
    for name, rule in run.rules.items():
        queries = rule.acts_on(run.model.context)
        keys = " or ".join(
            f"position >= {start} and position < {stop}" for start, stop in _intervals(rule.targets(), name)
        )
        when = parse_formula(f"position >= {queries.start} and position < {queries.stop}")
        promised.append(Rule(f"the run's rule {name}", when, parse_target(f"tokens({keys})", {}), rule.promise))
    return promised


def require_fits(rules: Sequence[Rule], run: Run, file: str) -> None:
    """Raises InputError for a layer or head that the run's model lacks."""
    for rule in rules:
        for word, numbers, count in (("layer", rule.layers, run.model.layers), ("head", rule.heads, run.model.heads)):
            if numbers is not None and max(numbers) >= count:
                raise InputError(
                    f"{file}: rule {rule.name!r}: {word} {max(numbers)} must be below the run's {word}s={count}"
                )


def _intervals(keys: Sequence[int], name: str) -> list[tuple[int, int]]:
    if isinstance(keys, range):
        return [(keys.start, keys.stop)]
    gaps = [i + 1 for i, (key, following) in enumerate(pairwise(keys)) if following > key + 1]
    found = [(keys[start], keys[stop - 1] + 1) for start, stop in pairwise([0, *gaps, len(keys)])]
    if len(found) > _MOST_INTERVALS:
        raise InputError(
            f"the run's rule {name!r} has {len(found)} intervals of keys: at most {_MOST_INTERVALS} are checked"
        )
    return found
