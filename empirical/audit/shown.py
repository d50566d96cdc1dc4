"""A report that shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from empirical.audit import wording
from theory.display import Badge, Card, Displayed, Table, Tone, bounds_badge

_TONES = {"guaranteed": Tone.YES, "broken": Tone.NO, "undecided": Tone.OPEN}
# Words of a badge; the sentences beside it say what each rests on.
_WORDS = {
    "guaranteed": "guaranteed",
    "kept": "kept as measured, not guaranteed",
    "broken": "broken",
    "undecided": "not decided",
}


class AuditReport(Displayed, dict[str, Any]):
    """A report as plain JSON, which shows itself; `Displayed` gives its `repr`."""

    def card(self) -> Card:
        """What a notebook shows: promises and rules, then layers, then the worst exceptions."""
        promised = self["promises"] or self["rules"] is not None
        found = self["measured"]
        badge = bounds_badge(found["rows"], found["violations"], found["undecided"])
        if promised:
            sure = all(each["verdict"] == "guaranteed" for each in self["promises"]) and self["rules"] is None
            kept = Badge("kept and guaranteed", Tone.YES) if sure else Badge(_WORDS["kept"])
            badge = kept if self["kept"] else Badge("not kept", Tone.NO)
        lines = [
            *([each["promise"], _badge(each), _said(wording.promise_lines(each, self))] for each in self["promises"]),
            *(
                [f"rule {each['name']}", _badge(each), _said(wording.rule_lines(each, self))]
                for each in (self["rules"] or {"rules": ()})["rules"]
            ),
        ]
        tables = [Table(("promise", "verdict", "what it rests on"), lines)] if lines else []
        tables.append(Table(wording.LAYER_COLUMNS, wording.layer_rows(self), "layers, with the worst of their heads"))
        if count := self["exceptions"]["count"]:
            worst = wording.exception_rows(self)
            tables.append(Table(wording.EXCEPTION_COLUMNS, worst, "worst exceptions", of=count))
        said = [wording.headline(self), *wording.bound_lines(self)]
        return Card(f"audit of {self['manifest']['model']['name']}", badge, said, tables)


def _badge(each: dict[str, Any]) -> Badge:
    answer = each["verdict"]
    return Badge(_WORDS.get(answer, answer), _TONES.get(answer, Tone.PLAIN))


def _said(lines: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{method}: {line}" for method, line in lines)
