"""Parts that the HTML pages of reports share: escaping, cards, tables, lists, and the style in light and dark.

A page is one text that needs no network. Every function takes plain text and returns markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

# Text, or the text of a number and the number that it shows, by which a table is sorted.
Cell = str | tuple[str, float]

STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --faint: #5b6470; --page: #ffffff; --card: #f4f6f8;
  --line: #d5dae0; --good: #12693a; --warn: #8a5300; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e8eaed; --faint: #a3acb8; --page: #14171a; --card: #1e2327;
  --line: #3a424b; --good: #6fd49b; --warn: #f0b45c; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; }
.answer { font-weight: 600; font-size: 1.1rem; margin: 0; }
.card { background: var(--card); border: 1px solid var(--line); border-left-width: 5px; border-radius: 6px;
  padding: .75rem 1rem; margin: .75rem 0; }
.good { border-left-color: var(--good); } .warn { border-left-color: var(--warn); }
.bad { border-left-color: var(--bad); }
.good > .verdict, .answer.good { color: var(--good); } .warn > .verdict, .answer.warn { color: var(--warn); }
.bad > .verdict, .answer.bad { color: var(--bad); }
.verdict { font-weight: 600; margin: .1rem 0 .4rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem .9rem; margin: 0; }
dt { color: var(--faint); } dd { margin: 0; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; text-align: right; border-top: 1px solid var(--line); vertical-align: top;
  white-space: nowrap; }
thead th { border-top: 0; background: var(--card); white-space: normal; vertical-align: bottom; }
.left th, .left td { text-align: left; }
td.wrap { white-space: normal; min-width: 10rem; max-width: 26rem; text-align: left; }
details { margin: .4rem 0; } summary { cursor: pointer; padding: .2rem 0; }
code { font-family: ui-monospace, monospace; font-size: .88em; overflow-wrap: anywhere; }
.faint { color: var(--faint); font-size: .9rem; }
@media (max-width: 36rem) { dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: .5rem; } }
"""

_META = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'


def document(title: str, parts: Iterable[str], *, style: str = "", head: str = "", script: str = "") -> str:
    """A whole page. `style` follows the shared one, `head` is further markup of the head, `script` ends the body."""
    start = f"{_META}{head}<title>{text(title)}</title><style>{STYLE}{style}</style>"
    end = f"<script>\n{script}</script>\n" if script else ""
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{start}</head>\n<body>\n{body}\n{end}</body></html>\n'


def card(title: str, said: str, tone: str, lines: Sequence[tuple[str, str]]) -> str:
    """A titled verdict with pairs of a key and a sentence; the tone is good, warn, bad or empty."""
    head = f'<h3><code>{text(title)}</code></h3><p class="verdict">{text(said)}</p>'
    return f'<section class="card {tone}">{head}{pairs(lines)}</section>'


def pairs(lines: Iterable[tuple[str, Any]], *, code: bool = False) -> str:
    """A list of keys and what is said of them, `code` for values such as hashes."""
    start, end = ("<dd><code>", "</code></dd>") if code else ("<dd>", "</dd>")
    return "<dl>" + "".join(f"<dt>{text(key)}</dt>{start}{text(said)}{end}" for key, said in lines) + "</dl>"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    kind: str = "",
    *,
    wrapped: Iterable[str] = (),
    attributes: Mapping[str, str] | None = None,
) -> str:
    """A table that scrolls sideways if it is too wide; `wrapped` columns break their lines."""
    wrapping = set(wrapped)
    starts = ['<td class="wrap"' if name in wrapping else "<td" for name in columns]
    head = "".join(f"<th>{text(name)}</th>" for name in columns)
    lines = ("".join(start + _cell(cell) for start, cell in zip(starts, row, strict=True)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    about = "".join(f' {name}="{text(value)}"' for name, value in (attributes or {}).items())
    start = f'<div class="scroll"><table class="{kind}"{about}>'
    return f"{start}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def listed(lines: Iterable[str]) -> str:
    """A list of sentences; empty without any."""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def details(title: str, inner: str) -> str:
    """Markup that a click on its title opens."""
    return f"<details><summary>{text(title)}</summary>{inner}</details>"


def text(value: Any) -> str:
    """A value as text that no browser takes for markup.

    >>> print(text("a < " + chr(0xD800)))
    a &lt; \\ud800
    """
    # JSON can hold halves of surrogate pairs, which no file can.
    return escape(str(value).encode("utf-8", "backslashreplace").decode("utf-8"))


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f">{text(cell)}</td>"
    shown, value = cell
    return f' data-value="{value!r}">{text(shown)}</td>'
