"""The answer of `localist rules check`: which rules can fire together, and what they can promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from empirical.rules.meeting import MOST_RULES, MOST_SETS, Meeting
from empirical.rules.predicates import Matches
from empirical.rules.promises import Verdict, judge, least_reduction
from empirical.rules.rule_file import Rule, read_rules
from empirical.rules.run_side import promises_of, require_fits, shape_of
from empirical.rules.token_theory import Shape
from theory.design.rounded import at_least, at_most
from theory.design.run_file import Run
from theory.display import MOST_ROWS, Card, Displayed, Table, decided
from theory.errors import InputError
from theory.numbers.checked import as_written

SCHEMA = 1


@dataclass(frozen=True)
class SetCheck:
    """One maximal set of rules that can fire in one row; `verdict` is None if none of them promises a fidelity."""

    rules: tuple[int, ...]
    verdict: Verdict | None


@dataclass(frozen=True, repr=False)
class RulesCheck(Displayed):
    """The whole answer. `rules` are those of the file, then what a run promises by itself.

    `complete`: every maximal set was found. `change`: reductions of promises, by rule, of least total, after which
    every smaller promise is possible; None if there is no conflict, or the linear program is too large.
    """

    rules: tuple[Rule, ...]
    of_file: int
    sets: tuple[SetCheck, ...]
    complete: bool
    total: Fraction
    change: dict[int, Fraction] | None
    assumes: tuple[str, ...]

    @property
    def conflicts(self) -> tuple[SetCheck, ...]:
        """The sets whose promises no finite strengths are certain to meet."""
        return tuple(each for each in self.sets if each.verdict is not None and not each.verdict.possible)

    @property
    def possible(self) -> bool | None:
        """Whether every row can meet all promises made in it; None if this is not decided."""
        if self.conflicts:
            return False
        # One key of each target is enough if all promises fit into one row.
        return True if self.complete or self.total < 1 else None

    def card(self) -> Card:
        """What a notebook shows."""
        names = [rule.name for rule in self.rules]
        conflicts = self.conflicts
        said = [in_words(each.verdict, names) for each in conflicts[:MOST_ROWS] if each.verdict]
        said += [f"and {len(conflicts) - MOST_ROWS} more conflicts"] if len(conflicts) > MOST_ROWS else []
        said += [change_in_words(self)] if said else []
        said += [] if self.complete else [f"not every set of rules was looked at: {LIMITS} at most"]
        rows = [
            [rule.name, "" if rule.fidelity is None else rule.fidelity, "" if rule.strength is None else rule.strength]
            for rule in self.rules
        ]
        return Card(
            f"promises of {len(self.rules)} rules",
            decided(self.possible, "possible together", "impossible together", "not decided"),
            [*(f"{each[0].upper()}{each[1:]}." for each in said), *(f"Assumed: {each}." for each in self.assumes)],
            (Table(("rule", "promised fidelity", "strength, nats"), rows),),
        )

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints; rules are named, numbers are exact fractions as floats."""
        names = [rule.name for rule in self.rules]
        return {
            "schema": SCHEMA,
            "rules": [_described(rule, index >= self.of_file) for index, rule in enumerate(self.rules)],
            "sets": [_set_json(each, names) for each in self.sets],
            "complete": self.complete,
            "conflicts": [in_words(each.verdict, names) for each in self.conflicts if each.verdict],
            "change": None if self.change is None else {names[i]: float(x) for i, x in self.change.items()},
            "total_change": None if self.change is None else float(sum(self.change.values())),
            "assumes": list(self.assumes),
            "possible": self.possible,
        }


def check_rules(path: Path, run: Run | None = None) -> RulesCheck:
    """Checks a rule file, by itself or beside a run's promises. Raises InputError."""
    rules = read_rules(path)
    if run is None:
        return check(rules)
    require_fits(rules, run, str(path))
    return check(rules, promises_of(run), shape_of(run), str(path))


def check(rules: Sequence[Rule], beside: Sequence[Rule] = (), shape: Shape | None = None, file: str = "") -> RulesCheck:
    """Checks rules beside promises that are not to be changed; with a `shape`, a rule that never fires is refused."""
    everything = (*rules, *beside)
    names = [rule.name for rule in everything]
    if shape is not None and (both := set(names[: len(rules)]) & set(names[len(rules) :])):
        raise InputError(f"{file}: rule {min(both)!r} must have another name than a promise of the run")
    meeting = Meeting(everything, shape or Shape())
    if shape is not None:
        for index, rule in enumerate(rules):
            if not meeting.can_act(index):
                raise InputError(f"{file}: rule {rule.name!r} can never fire in this run: no query meets its condition")
    promises = {i: as_written(rule.fidelity) for i, rule in enumerate(everything) if rule.fidelity is not None}
    found, complete = meeting.maximal_sets()
    sets, conflicting = [], []
    for acting in found:
        wanted = {index: promises[index] for index in acting if index in promises}
        kinds = meeting.kinds(list(wanted))
        verdict = judge(kinds, wanted) if wanted else None
        sets.append(SetCheck(acting, verdict))
        if verdict is not None and not verdict.possible:
            conflicting.append((kinds, list(wanted)))
    kept = range(len(rules), len(everything))
    change = least_reduction(conflicting, promises, kept) if conflicting else None
    total = sum(promises.values(), Fraction(0))
    return RulesCheck(everything, len(rules), tuple(sets), complete, total, change, _assumed(everything, beside))


def in_words(verdict: Verdict, names: Sequence[str]) -> str:
    """E2's certificate as a sentence: `rules A and B ask for 1.3 of a row that has 1`."""
    counted = [names[index] for index in verdict.weights]
    asking = _listed(counted) + (" asks" if len(counted) == 1 else " ask")
    if set(verdict.weights.values()) != {Fraction(1)}:
        asking = f"{_listed(counted)}, counted {_listed([str(y) for y in verdict.weights.values()])} times, ask"
    said = f"{'rule' if len(counted) == 1 else 'rules'} {asking} for {decimal(verdict.asked)} of a row that has 1"
    return said if verdict.asked > 1 else f"{said}: no finite strengths reach that, as long as another key is seen"


def change_in_words(answer: RulesCheck) -> str:
    """The smallest change that ends all conflicts, as a sentence."""
    if answer.change is None:
        return f"smallest change: not computed, the linear program of {len(answer.conflicts)} conflicts is too large"
    if not answer.change:
        return "smallest change: promise less in each conflict, by any amount"
    parts = [
        f"{answer.rules[index].name} below {decimal(as_written(answer.rules[index].fidelity or 0) - loss, at_least)}"
        for index, loss in answer.change.items()
    ]
    total = sum(answer.change.values(), Fraction(0))
    return f"smallest change: promise {_listed(parts)}, {decimal(total)} less in all"


def decimal(value: Fraction, rounded: Callable[[float, int], str] = at_most) -> str:
    """A fraction in at most six digits: exact if these are enough, else rounded up, or by `at_least` down.

    >>> decimal(Fraction(13, 10)), decimal(Fraction(1, 3)), decimal(Fraction(1, 3), at_least)
    ('1.3', '0.333334', '0.333333')
    """
    short = f"{float(value):.6g}"
    return short if Fraction(short) == value else rounded(float(value), 6)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _assumed(rules: Sequence[Rule], beside: Sequence[Rule]) -> tuple[str, ...]:
    said = ["each query sees every earlier token of its text, and attends to each of them with a mass above 0"]
    if sum(rule.fidelity is not None for rule in rules) > 1:
        said.append("targets overlap only where this is shown; elsewhere the worst case, disjoint targets, is taken")
    formulas = [each for rule in rules for each in (rule.when, rule.target.formula) if each is not None]
    if any(isinstance(each, Matches) for formula in formulas for each in formula.predicates.values()):
        said.append("a token text may match any of the regular expressions together, unless a formula names the text")
    if any(rule.strength is not None for rule in rules):
        said.append("a rule with a strength promises no fidelity")
    if any(rule.target.formula is None and rule.layers is not None for rule in beside):
        said.append("the run's fidelity is due in its last localised layers")
    return tuple(said)


def _described(rule: Rule, of_run: bool) -> dict[str, object]:
    chosen = {
        name: None if each is None else sorted(each) for name, each in (("layers", rule.layers), ("heads", rule.heads))
    }
    return {"name": rule.name, "fidelity": rule.fidelity, "strength": rule.strength, **chosen, "of_run": of_run}


def _set_json(each: SetCheck, names: Sequence[str]) -> dict[str, object]:
    verdict = each.verdict
    return {
        "rules": [names[index] for index in each.rules],
        "shared_sup": None if verdict is None else float(verdict.shared),
        "asked": None if verdict is None else float(verdict.asked),
        "certificate": None if verdict is None else {names[i]: float(y) for i, y in verdict.weights.items()},
        "possible": verdict is None or verdict.possible,
    }


LIMITS = f"{MOST_RULES} rules and {MOST_SETS} sets"
