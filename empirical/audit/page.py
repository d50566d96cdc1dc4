"""A report as one HTML file: no script, no network, readable in light and dark and on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from empirical.audit.sentences import LIMITS
from empirical.audit.wording import (
    EXCEPTION_COLUMNS,
    LAYER_COLUMNS,
    bound_lines,
    cells,
    check_line,
    exception_rows,
    headline,
    layer_rows,
    more_exceptions,
    promise_lines,
    rule_lines,
    verdict,
)

_STYLE = """
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

_TONES = {"guaranteed": "good", "kept": "warn", "broken": "bad", "undecided": "warn", "not fired": "warn"}
_WRAPPED = {"bounded by", "what", "title", "sentence", "name", "sha256"}


def page(about: dict[str, Any]) -> str:
    """The HTML of a report with its time. Every text of it is escaped."""
    made = about["manifest"]
    name = made["model"]["name"]
    parts = [
        f"<h1>Audit of {_text(name)}</h1>",
        f'<p class="answer {_tone(about)}">{_text(headline(about))}</p>',
        f'<p class="faint">Written <time>{_text(about["time"])}</time>. Entropies and ranges are in nats.</p>',
        *_promises(about),
        *_rules(about),
        *_layers(about),
        *_exceptions(about),
        *_methods(about),
        *_manifest(about),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>Audit of {_text(name)}</title><style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _tone(about: dict[str, Any]) -> str:
    if not about["kept"]:
        return "bad"
    return "good" if all(each["verdict"] == "guaranteed" for each in about["promises"]) else "warn"


def _promises(about: dict[str, Any]) -> Iterable[str]:
    yield "<h2>Promises</h2>"
    if not about["promises"]:
        yield "<p>None was given.</p>"
    for each in about["promises"]:
        yield _card(each["promise"], verdict(each), _TONES[each["verdict"]], promise_lines(each, about))


def _rules(about: dict[str, Any]) -> Iterable[str]:
    if about["rules"] is None:
        return
    yield "<h2>Rules</h2>"
    for each in about["rules"]["rules"]:
        said = {"kept": "kept as measured, NOT GUARANTEED: nothing follows for other texts"}.get(
            each["verdict"], each["verdict"]
        )
        yield _card(each["name"], said, _TONES.get(each["verdict"], ""), rule_lines(each, about))
    yield f"<p>{_text(check_line(about['rules']['check']))}</p>"
    yield _list(f"assumed by rules check: {line}" for line in about["rules"]["check"]["assumes"])


def _layers(about: dict[str, Any]) -> Iterable[str]:
    yield "<h2>Layers and heads</h2>"
    yield (
        '<p class="faint">Each layer shows the worst of its heads, and means over heads and rows. “weights” holds for '
        "every text; the rest was measured. A2 and A8 bound the fidelity from below, A4 the entropy from above, and A5 "
        "from below.</p>"
    )
    yield _list(bound_lines(about))
    yield _table(LAYER_COLUMNS, layer_rows(about))
    for layer in sorted({line["layer"] for line in about["heads"]}):
        heads = [line for line in about["heads"] if line["layer"] == layer]
        rows = [cells([each], f"{layer}.{each['head']}") for each in heads]
        yield f"<details><summary>heads of layer {layer}</summary>{_table(LAYER_COLUMNS, rows)}</details>"


def _exceptions(about: dict[str, Any]) -> Iterable[str]:
    yield f"<h2>Exceptions</h2><p>{_text(more_exceptions(about))}</p>"
    if about["exceptions"]["count"]:
        yield _table(EXCEPTION_COLUMNS, exception_rows(about), "left")


def _methods(about: dict[str, Any]) -> Iterable[str]:
    yield "<h2>What each number rests on</h2><dl>"
    yield "".join(f"<dt>{_text(key)}</dt><dd>{_text(said)}</dd>" for key, said in about["methods"].items())
    yield "</dl>"
    rows = [[each["id"], each["title"], each["kind"], each["status"]] for each in about["statements"]]
    yield f"<details><summary>statements</summary>{_table(('id', 'title', 'kind', 'status'), rows, 'left')}</details>"
    yield _list(LIMITS)


def _manifest(about: dict[str, Any]) -> Iterable[str]:
    made = about["manifest"]
    files = list(made["files"]["model"].items())
    named = [each for key in ("text", "rules") if (each := made["files"][key])]
    named += (made["files"]["rules"] or {}).get("anchors", {}).values()
    files += [(each["name"], each["sha256"]) for each in named]
    yield f"<h2>Manifest</h2><p><code>{_text(made['command'])}</code></p>"
    yield _table(("name", "sha256"), [list(each) for each in files], "left")
    facts = {"windows": f"{len(made['windows']['measured'])} of {made['windows']['of']}"}
    facts |= {name: made[name] for name in ("dtype", "device", "threads", "processor", "tokens_sha256")}
    facts |= made["versions"] | {"sha256 of the content": about["sha256"]}
    pairs = "".join(f"<dt>{_text(key)}</dt><dd><code>{_text(value)}</code></dd>" for key, value in facts.items())
    yield f"<details><summary>versions and settings</summary><dl>{pairs}</dl></details>"


def _card(title: str, said: str, tone: str, lines: Sequence[tuple[str, str]]) -> str:
    pairs = "".join(f"<dt>{_text(key)}</dt><dd>{_text(line)}</dd>" for key, line in lines)
    head = f'<h3><code>{_text(title)}</code></h3><p class="verdict">{_text(said)}</p>'
    return f'<section class="card {tone}">{head}<dl>{pairs}</dl></section>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in columns)
    wraps = [' class="wrap"' if name in _WRAPPED else "" for name in columns]
    body = "".join(
        "<tr>" + "".join(f"<td{wrap}>{_text(cell)}</td>" for wrap, cell in zip(wraps, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _text(value: Any) -> str:
    return escape(str(value))
