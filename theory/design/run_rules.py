"""Decides whether a run's rules can all be kept, at every query and together with the fidelity there (E2, A7).

Keys and queries come in kinds: between two neighbouring ends of the rules' ranges every key has the same targets and
every query the same active rules, so a context of any length has few kinds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from theory.design.cards import rules_card
from theory.design.causal_rows import CausalRows
from theory.display import Card, Displayed
from theory.numbers.rule_bounds import forbidding_weights, shared_promise

if TYPE_CHECKING:
    from theory.design.run_file import Rule


@dataclass(frozen=True, repr=False)
class RulesCheck(Displayed):
    """Whether the rules can be kept; if not, a query at which they cannot, with weights that prove it.

    `shared` is the largest equal promise of all rules at once, even if the fidelity's block holds none of their keys.
    `own_block` is the fidelity's weight, which completes those of the `certificate`.
    """

    shared: float
    promises: dict[str, float]
    query: int | None = None
    certificate: dict[str, float] | None = None
    own_block: float | None = None

    @property
    def possible(self) -> bool:
        """Whether, at every query, some row keeps all rules."""
        return self.certificate is None

    def card(self) -> Card:
        """What a notebook shows."""
        return rules_card(self)

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints."""
        return {
            "shared_sup": self.shared,
            "promises": self.promises,
            "possible": self.possible,
            "query": self.query,
            "certificate": self.certificate,
            "own_block_weight": self.own_block,
        }


@dataclass(frozen=True)
class _Span:
    """Positions `start <= i < stop` whose keys are in the same targets and on which the same rules act, as bits."""

    start: int
    stop: int
    held: int
    active: int


def check_rules(rules: dict[str, Rule], rows: CausalRows, fidelity: float | None) -> RulesCheck:
    """Decides all queries at once if that suffices, else one query of each kind."""
    names, promises = list(rules), [rule.promise for rule in rules.values()]
    spans = _spans(
        [r.targets() for r in rules.values()], [r.acts_on(rows.context) for r in rules.values()], rows.context
    )
    kinds = {span.held for span in spans} - {0}
    everywhere = (1 << len(names)) - 1
    spare = 1 - Fraction(0 if fidelity is None else repr(fidelity))
    shared = float(spare * Fraction(shared_promise(_matrix(kinds, everywhere))))
    answer = RulesCheck(shared, dict(zip(names, promises, strict=True)))
    # A row that keeps all rules outside the block keeps the active ones, wherever the block lies.
    if _forbidden(kinds, everywhere, promises, fidelity) is None:
        return answer
    seen = set()
    for query, inside, outside, active, covered in _cases(spans, rows):
        block = 1 << len(names) if covered and fidelity is not None else 0
        columns = frozenset([(kind & active) | block for kind in inside] + [kind & active for kind in outside])
        if (active, columns) not in seen:
            seen.add((active, columns))
            weights = _forbidden(columns, active, promises, fidelity if block else None)
            if weights is not None:
                acting = [i for i in range(len(names)) if active >> i & 1]
                named = {names[i]: float(weight) for i, weight in zip(acting, weights, strict=False)}
                own = float(weights[-1]) if block else None
                return RulesCheck(shared, answer.promises, query, named, own)
    return answer


def _forbidden(kinds: Any, active: int, promises: Sequence[float], fidelity: float | None) -> Sequence[Fraction] | None:
    """Weights that forbid the active rules' promises, the fidelity's last; None if some row keeps them all."""
    wanted = [promise for i, promise in enumerate(promises) if active >> i & 1]
    block = 0
    if fidelity is not None:
        wanted.append(fidelity)
        block = 1 << len(promises)
    # Each promise can put its mass on a key of its own target.
    if sum(Fraction(repr(promise)) for promise in wanted) <= 1:
        return None
    columns = {kind for kind in kinds if kind & (active | block)}
    if block and not any(kind & block for kind in columns):
        columns.add(block)
    return forbidding_weights(_matrix(columns, active | block), wanted)


def _matrix(kinds: Any, rows: int) -> list[list[int]]:
    """One row per bit of `rows`, one column per kind."""
    columns = sorted(kinds)
    return [[kind >> bit & 1 for kind in columns] for bit in range(rows.bit_length()) if rows >> bit & 1]


def _spans(targets: Sequence[Sequence[int]], queries: Sequence[range], context: int) -> list[_Span]:
    held: dict[int, int] = {0: 0, context: 0}
    active: dict[int, int] = {}
    for i, (keys, acting) in enumerate(zip(targets, queries, strict=True)):
        ends = [keys.start, keys.stop] if isinstance(keys, range) else [key + j for key in keys for j in (0, 1)]
        for changes, places in ((held, ends), (active, [acting.start, acting.stop])):
            for place in places:
                # Where one range ends and the next starts, the two changes cancel.
                changes[place] = changes.get(place, 0) ^ 1 << i
    spans, of_key, of_query = [], 0, 0
    for start, stop in pairwise(sorted({*held, *active})):
        of_key ^= held.get(start, 0)
        of_query ^= active.get(start, 0)
        spans.append(_Span(start, stop, of_key, of_query))
    return spans


def _cases(spans: list[_Span], rows: CausalRows) -> Iterator[tuple[int, set[int], set[int], int, bool]]:
    """Yields one query per span: the kinds of keys in and before its block, the active rules, whether it is promised.

    Of the queries of a span, the one whose block starts last has the fewest kinds in its block and the most before it.
    A key in the block serves the fidelity too, so the others can keep whatever this query can.
    """
    starts = [span.start for span in spans]
    for span in sorted(spans, key=lambda span: -span.active.bit_count()):
        if not span.active:
            continue
        start = rows.start_until(span.stop - rows.own_keys)
        query = min(span.stop - 1, start + rows.most - 1)
        covered = start > 0 and query >= span.start
        if not covered:
            start, query = 0, span.stop - 1
        first, last = bisect_right(starts, start) - 1, bisect_right(starts, query)
        inside = {other.held for other in spans[first:last]}
        outside = {other.held for other in spans[: first + (spans[first].start < start)]}
        yield query, inside, outside, span.active, covered
