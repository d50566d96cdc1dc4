"""A log of rules: which promises were broken, what each rule did, and whether the log agrees with itself."""

from __future__ import annotations

import heapq
import math
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from empirical.steering.firing_log import part, part_numbers
from empirical.steering.log_lines import EndLine, FiringLine, LogLine, RefusedLine, RulesLine, TextLine
from empirical.steering.newton import TOLERANCE
from empirical.steering.read_log import CutOff, LoggedPass, read_log
from figures.report.found import Part
from figures.report.shown import File, Shown, Verdict, count, ident, number, prose
from theory.errors import InputError
from theory.files import parse_toml, sha256_of
from theory.pages import Cell, details, table, text

# Bytes of the largest log that is read, over all its files; lines of a table; firings listed; rules drawn.
MOST_BYTES, MOST_LINES, WORST, DRAWN = 200_000_000, 300, 20, 20
STATUSES = {"met": "met", "no_key": "without a visible key", "impossible": "impossible", "unsolved": "unsolved"}
RULE_COLUMNS = (
    *("rule", "promise", "layer", "firings", *STATUSES.values()),
    *("mean before", "mean after", "least after", "largest strength (nats)"),
)
FIRING_COLUMNS = (
    *("status", "rule", "promise", "fidelity before", "fidelity after", "strength (nats)"),
    *("text", "position", "layer", "head"),
)
# Fidelities are sums of rounded weights.
ROUNDING = 1e-4
_SAID = (
    "A firing is one row of attention, of one query in one head, in which a rule acted. Before and after are the "
    "share of the row's attention on the rule's target; a promise is the least share after. A promise is met as "
    "measured in that row."
)


@dataclass
class _Sums:
    """What the firings of one rule in one layer add up to."""

    statuses: Counter[str] = field(default_factory=Counter)
    before: float = 0.0
    after: float = 0.0
    least: float = math.inf
    strength: float = -math.inf

    def add(self, line: FiringLine) -> None:
        self.statuses[line.status] += 1
        self.before, self.after = self.before + line.before, self.after + line.after
        self.least, self.strength = min(self.least, line.after), max(self.strength, line.strength)


@dataclass
class _Log:
    """What a log says, added up line by line."""

    head: LogLine | None = None
    texts: int = 0
    passes: int = 0
    tokens: int = 0
    sums: dict[tuple[str, float | None, int], _Sums] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    cut_off: bool = False
    contradictions: int = 0
    first_contradiction: str = ""
    worst: list[tuple[tuple[bool, float], FiringLine]] = field(default_factory=list)

    def add(self, entry: Any) -> None:
        """Take an entry of `read_log`."""
        if isinstance(entry, LoggedPass):
            self._add_pass(entry)
        elif isinstance(entry, LogLine):
            self.head = entry
        elif isinstance(entry, TextLine):
            self.texts += 1
        elif isinstance(entry, RulesLine):
            self.versions[entry.sha256] = entry.text
        elif isinstance(entry, RefusedLine):
            self.refused.append(f"after {entry.position} tokens: {entry.reason}")
        elif isinstance(entry, EndLine) and entry.stopped is not None:
            self.stopped.append(entry.stopped)
        elif isinstance(entry, CutOff):
            self.cut_off = True

    def _add_pass(self, entry: LoggedPass) -> None:
        line = entry.line
        self.passes, self.tokens = self.passes + 1, self.tokens + len(line.tokens[0])
        broken = sum(each.status != "met" for each in entry.firings)
        for name, said, found in (("firings", line.firings, len(entry.firings)), ("broken", line.broken, broken)):
            if said != found:
                self._contradicted(f"the pass at position {line.position} counts {said} {name} and lists {found}")
        for each in entry.firings:
            self._add_firing(each)

    def _add_firing(self, line: FiringLine) -> None:
        where = f"rule {line.rule!r} at position {line.position}, layer {line.layer}, head {line.head}"
        if not all(-ROUNDING <= each <= 1 + ROUNDING for each in (line.before, line.after)):
            self._contradicted(f"{where}: a fidelity of {line.before:g} before and {line.after:g} after")
        elif line.status == "met" and line.promise is not None and line.after < line.promise - TOLERANCE:
            self._contradicted(f"{where}: said to be met at {line.after:g}, below its promise of {line.promise:g}")
        if not math.isfinite(line.strength):
            self._contradicted(f"{where}: a strength of {line.strength:g} nats")
        self.sums.setdefault((line.rule, line.promise, line.layer), _Sums()).add(line)
        met = line.status == "met"
        # How far a promise is missed, or what it costs to keep it.
        size = -line.strength if met else line.after - (line.promise or 0.0)
        self.worst.append(((met, -math.inf if math.isnan(size) else size), line))
        if len(self.worst) >= 100 * WORST:
            self.worst = self.listed()

    def _contradicted(self, what: str) -> None:
        self.contradictions += 1
        self.first_contradiction = self.first_contradiction or what

    def listed(self) -> list[tuple[tuple[bool, float], FiringLine]]:
        """The firings that miss their promise by most, then those with the largest strength, the first ones first."""
        return heapq.nsmallest(WORST, self.worst, key=lambda each: each[0])

    @property
    def statuses(self) -> Counter[str]:
        """Firings by status."""
        return sum((each.statuses for each in self.sums.values()), Counter())

    def silent(self) -> list[str]:
        """Names of rules, of any version, that never fired."""
        fired = {rule for rule, *_ in self.sums}
        return [each for each in dict.fromkeys(_names(self.versions.values())) if each not in fired]


def _names(texts: Iterable[str]) -> Iterator[str]:
    """Names of the rules in rule files that can be read."""
    for each in texts:
        try:
            rules = parse_toml(each, Path("rules")).get("rule")
        except InputError:
            continue
        for rule in rules if isinstance(rules, list) else ():
            if isinstance(rule, dict) and isinstance(rule.get("name"), str):
                yield rule["name"]


def show(found: Part) -> Shown:
    """Verdicts, rules and worst firings of a log, over all its files. Raises InputError."""
    paths = [found.path, *(part(found.path, number) for number in part_numbers(found.path))]
    if (size := sum(path.stat().st_size for path in paths)) > MOST_BYTES:
        raise InputError(f"{found.path} and its parts have {size:,} bytes, more than the {MOST_BYTES:,} that are read")
    log = _Log()
    for entry in read_log(found.path):
        log.add(entry)
    assert log.head is not None, "read_log refuses a log without its first line"
    model = log.head.model or "MODEL"
    facts = {name: value for name, value in log.head if name not in ("event", "schema_")}
    facts |= {"texts begun": log.texts, "passes": log.passes, "tokens": log.tokens}
    return Shown(
        title=f"{found.name}: a log of rules on {model}",
        verdicts=_verdicts(log),
        body=[f"<p>{text(_SAID)}</p>", _strips(log), *_rules(log), *_firings(log), *_versions(log)],
        files=[File(path.name, sha256_of(path), "no hash covers it: shown as found") for path in paths],
        facts=facts,
        commands=[shlex.join(["localist", "generate", model, "--replay", found.place])],
    )


def _verdicts(log: _Log) -> list[Verdict]:
    found, statuses = [], log.statuses
    firings = statuses.total()
    if broken := firings - statuses["met"]:
        named = ", ".join(
            f"{statuses[each]:,} {STATUSES[each]}" for each in STATUSES if each != "met" and statuses[each]
        )
        rules = sorted({rule for (rule, *_), sums in log.sums.items() if sums.statuses.total() > sums.statuses["met"]})
        why = f"{named}. Rules: {', '.join(rules[:10])}{', ...' * (len(rules) > 10)}. The worst are listed below."
        found.append(Verdict("bad", f"{broken:,} of {firings:,} firings do not keep their promise.", why))
    if log.contradictions:
        said = f"The log contradicts itself in {log.contradictions:,} places."
        why = f"The first: {log.first_contradiction}. It was changed, or there is a defect."
        found.append(Verdict("bad", said, why))
    if not firings:
        found.append(Verdict("warn", "No rule fired.", "Nothing was measured of any rule."))
    elif not broken and not log.contradictions:
        promised = sum(sums.statuses.total() for (_, promise, _), sums in log.sums.items() if promise is not None)
        said = f"Every promise was kept in {promised:,} firings."
        if not promised:
            said = f"No rule promised anything in {firings:,} firings."
        why = "As measured in this run: it says nothing of other texts or models."
        found.append(Verdict("good" if promised else "", said, why))
    if firings and (silent := log.silent()):
        said = f"{len(silent)} rules never fired: {', '.join(silent[:10])}{', ...' * (len(silent) > 10)}."
        found.append(Verdict("warn", said, "Nothing was measured of them."))
    if log.cut_off:
        why = "Its last text has no end, or texts are missing. Whole passes are shown; what followed is not known."
        found.append(Verdict("warn", "The log is cut off.", why))
    if log.refused:
        said = f"{len(log.refused):,} versions of the rules were refused, and the one before stayed in force."
        found.append(Verdict("warn", said, prose(log.refused[:3])))
    if log.stopped:
        found.append(Verdict("warn", f"{len(log.stopped):,} texts were stopped.", prose(log.stopped[:3])))
    why = "A log has no hash: changes cannot be noticed here. `localist generate MODEL --replay LOG` decides it again."
    found.append(Verdict("", "The log is not sealed.", why))
    return found


def _rules(log: _Log) -> Iterator[str]:
    yield "<h4>Rules by layer</h4>"
    lines: list[list[Cell]] = []
    for (rule, promise, layer), sums in list(log.sums.items())[:MOST_LINES]:
        firings = sums.statuses.total()
        line: list[Cell] = [rule, number(promise), ident(layer), count(firings)]
        line += [count(sums.statuses[each]) for each in STATUSES]
        numbers = (sums.before / firings, sums.after / firings, sums.least, sums.strength)
        lines.append([*line, *(number(each) if math.isfinite(each) else "not finite" for each in numbers)])
    yield table(RULE_COLUMNS, lines, "sortable", attributes={"data-table": "rules", "aria-label": "Rules by layer"})
    if len(log.sums) > MOST_LINES:
        yield f'<p class="faint">and {len(log.sums) - MOST_LINES:,} more</p>'


def _firings(log: _Log) -> Iterator[str]:
    if not log.worst:
        return
    said = "Those that miss their promise by most, then those that took the largest strength to keep it."
    yield f"<h4>Worst firings</h4><p>{text(said)}</p>"
    lines: list[list[Cell]] = []
    for _, each in log.listed():
        line: list[Cell] = [STATUSES[each.status], each.rule]
        numbers = (each.promise, each.before, each.after, each.strength)
        line += [number(value, 6) if value is None or math.isfinite(value) else "not finite" for value in numbers]
        lines.append([*line, *map(ident, (each.text, each.position, each.layer, each.head))])
    attributes = {"data-table": "firings", "aria-label": "Worst firings"}
    yield table(FIRING_COLUMNS, lines, "sortable", wrapped=["rule"], attributes=attributes)


def _versions(log: _Log) -> Iterator[str]:
    yield "<h4>Rules in force</h4>"
    for sha256, rules in log.versions.items():
        yield details(f"version {sha256[:12]}", f"<pre>{text(rules)}</pre>")


def _strips(log: _Log) -> str:
    """A line per rule from 0 to 1: mean share before and after, least after, and the promise."""
    groups: dict[tuple[str, float | None], list[_Sums]] = {}
    for (rule, promise, _), sums in log.sums.items():
        groups.setdefault((rule, promise), []).append(sums)
    drawn = []
    for (rule, promise), parts in list(groups.items())[:DRAWN]:
        firings = sum(each.statuses.total() for each in parts)
        before, after = (sum(getattr(each, name) for each in parts) / firings for name in ("before", "after"))
        least = min(each.least for each in parts)
        if not all(map(math.isfinite, (before, after, least))):
            continue
        said = f"mean before {before:.3f}, after {after:.3f}, least after {least:.3f}"
        said += "" if promise is None else f", promised {promise:g}"
        wanted = "" if promise is None else f'<line class="promised" {_x(promise, "x1")} {_x(promise, "x2")} y2="24"/>'
        marks = f'<line class="axis" {_x(0, "x1")} {_x(1, "x2")} y1="12" y2="12"/>{wanted}'
        marks += f'<circle class="before" {_x(before, "cx")} cy="12" r="5"/>'
        marks += f'<line class="after" {_x(least, "x1")} {_x(after, "x2")} y1="12" y2="12"/>'
        marks += f'<circle class="after" {_x(after, "cx")} cy="12" r="5"/>'
        svg = f'<svg role="img" aria-label="{text(said)}" width="100%" height="24">{marks}</svg>'
        drawn.append(f"<div><b>{text(rule)}</b> <small>{text(said)}</small>{svg}</div>")
    if not drawn:
        return ""
    key = "From 0 to 1. Open circle: mean before; filled: mean after, with a line to the least; upright: the promise."
    return f'<figure class="strips">{"".join(drawn)}<figcaption>{text(key)}</figcaption></figure>'


def _x(value: float, name: str) -> str:
    """A place from 0 to 1 with room for the marks at both ends."""
    return f'{name}="{2 + 96 * min(1.0, max(0.0, value)):.2f}%"'
