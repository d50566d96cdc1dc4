"""How answers show themselves in a notebook: a title, a verdict, sentences and tables, as HTML without a script.

A class that inherits from `Displayed` says what it shows as a `Card`; `repr` is the card's first line. Text is escaped,
unless it is `Markup`. Styles stand on the elements, since viewers of notebooks remove style sheets. The colours of the
page are kept, light or dark; a verdict has its own ground and ink, and a sign, so that no verdict is told by colour
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from theory.pages import text as escaped

# Rows of a table that are shown.
MOST_ROWS = 50

_FRAME = "border:1px solid #888;border-radius:6px;padding:.6em .9em;margin:.3em 0;max-width:60em;overflow-x:auto"
_BADGE = "display:inline-block;padding:.05em .55em;border-radius:4px;border:1px solid #222;color:#222;background:"
_CELL = "padding:.15em .6em;text-align:left;font-variant-numeric:tabular-nums"


class Tone(Enum):
    """What a verdict says: yes, no, not decided, or something else; with its sign and its ground."""

    YES = ("✓", "#9fd3c7")
    NO = ("✗", "#b9b9b9")
    OPEN = ("?", "#f3ebd3")
    PLAIN = ("", "#fff")


class Markup(str):
    """HTML that is shown as it is."""


@dataclass(frozen=True)
class Badge:
    """A verdict in a few words, and what it says."""

    words: str
    tone: Tone = Tone.PLAIN

    def _repr_html_(self) -> str:
        sign, ground = self.tone.value
        return f'<b style="{_BADGE}{ground}">{f"{sign} " if sign else ""}{escaped(self.words)}</b>'


@dataclass(frozen=True)
class Table:
    """Rows of texts, numbers, `Markup` and `Badge`s under headings; `of` is the number of rows if not all are given."""

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    title: str = ""
    of: int | None = None


@dataclass(frozen=True)
class Card:
    """What a value shows: its title and verdict, then sentences, then tables."""

    title: str
    verdict: Badge | None = None
    said: Sequence[str] = ()
    tables: Sequence[Table] = ()


class Displayed:
    """A value that shows itself as its card."""

    __slots__ = ()

    def card(self) -> Card:
        """What is shown."""
        raise NotImplementedError

    def __repr__(self) -> str:
        shown = self.card()
        verdict = f" [{shown.verdict.words}]" if shown.verdict else ""
        return f"<{type(self).__name__}{verdict} {shown.title}>"

    def _repr_html_(self) -> str:
        return as_html(self.card())


def as_html(card: Card) -> str:
    """A card as one `div`.

    >>> "<b>a &lt; b</b>" in as_html(Card("a < b"))
    True
    """
    badge = "" if card.verdict is None else f" {card.verdict._repr_html_()}"
    said = "".join(f'<div style="margin:.3em 0">{_text(each)}</div>' for each in card.said)
    tables = "".join(map(_table, card.tables))
    return f'<div style="{_FRAME}"><b>{_text(card.title)}</b>{badge}{said}{tables}</div>'


def decided(answer: bool | None, yes: str, no: str, undecided: str = "not asked") -> Badge:
    """The badge of a decision; None is not success."""
    if answer is None:
        return Badge(undecided, Tone.OPEN)
    return Badge(yes, Tone.YES) if answer else Badge(no, Tone.NO)


def bounds_badge(rows: int, violations: int, undecided: int) -> Badge:
    """What measured rows say of the bounds: a violation is said first, then rows left undecided.

    >>> bounds_badge(100, 0, 0).words, bounds_badge(100, 0, 3).words
    ('no violation of a bound', '3 rows undecided, no violation')
    """
    if violations:
        also = f", {undecided} undecided" if undecided else ""
        return Badge(f"{violations} rows violate a bound{also}", Tone.NO)
    if undecided:
        return Badge(f"{undecided} rows undecided, no violation", Tone.OPEN)
    return Badge("no violation of a bound", Tone.YES) if rows else Badge("no rows", Tone.OPEN)


def _table(table: Table) -> str:
    shown = table.rows[:MOST_ROWS]
    total = len(table.rows) if table.of is None else table.of
    caption = f'<caption style="text-align:left">{_text(table.title)}</caption>' if table.title else ""
    head = "".join(f'<th scope="col" style="{_CELL}">{_text(each)}</th>' for each in table.headings)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown)
    more = f"<div>and {total - len(shown)} more rows</div>" if total > len(shown) else ""
    start = '<table style="margin:.4em 0;border-collapse:collapse">'
    return f"{start}{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _cell(value: object) -> str:
    # A badge in a narrow cell would break into lines.
    whole = ";white-space:nowrap" if isinstance(value, Badge) else ""
    return f'<td style="{_CELL}{whole}">{_text(value)}</td>'


def _text(value: object) -> str:
    if isinstance(value, Badge):
        return value._repr_html_()
    if isinstance(value, Markup):
        return value
    return escaped(f"{value:.6g}" if isinstance(value, float) else value)
