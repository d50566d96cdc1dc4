"""A report as one HTML file: no script, no network, readable in light and dark and on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from empirical.audit import wording
from empirical.audit.sentences import LIMITS
from theory import pages
from theory.pages import card, details, document, listed, pairs, text

_TONES = {"guaranteed": "good", "kept": "warn", "broken": "bad", "undecided": "warn", "not fired": "warn"}
_WRAPPED = {"bounded by", "what", "title", "sentence", "name", "sha256"}


def page(about: dict[str, Any]) -> str:
    """The HTML of a report with its time. Every text of it is escaped."""
    made = about["manifest"]
    name = made["model"]["name"]
    parts = [
        f"<h1>Audit of {text(name)}</h1>",
        f'<p class="answer {_tone(about)}">{text(wording.headline(about))}</p>',
        f'<p class="faint">Written <time>{text(about["time"])}</time>. Entropies and ranges are in nats.</p>',
        *_promises(about),
        *_rules(about),
        *_layers(about),
        *_exceptions(about),
        *_methods(about),
        *_manifest(about),
    ]
    return document(f"Audit of {name}", parts)


def _tone(about: dict[str, Any]) -> str:
    if not about["kept"]:
        return "bad"
    return "good" if all(each["verdict"] == "guaranteed" for each in about["promises"]) else "warn"


def _promises(about: dict[str, Any]) -> Iterable[str]:
    yield "<h2>Promises</h2>"
    if not about["promises"]:
        yield "<p>None was given.</p>"
    for each in about["promises"]:
        yield card(each["promise"], wording.verdict(each), _TONES[each["verdict"]], wording.promise_lines(each, about))


def _rules(about: dict[str, Any]) -> Iterable[str]:
    if about["rules"] is None:
        return
    yield "<h2>Rules</h2>"
    for each in about["rules"]["rules"]:
        yield card(
            each["name"], wording.rule_verdict(each), _TONES.get(each["verdict"], ""), wording.rule_lines(each, about)
        )
    yield f"<p>{text(wording.check_line(about['rules']['check']))}</p>"
    yield listed(f"assumed by rules check: {line}" for line in about["rules"]["check"]["assumes"])


def _layers(about: dict[str, Any]) -> Iterable[str]:
    yield "<h2>Layers and heads</h2>"
    yield (
        '<p class="faint">Each layer shows the worst of its heads, and means over heads and rows. “weights” holds for '
        "every text; the rest was measured. A2 and A8 bound the fidelity from below, A4 the entropy from above, and A5 "
        "from below.</p>"
    )
    yield listed(wording.bound_lines(about))
    yield _table(wording.LAYER_COLUMNS, wording.layer_rows(about))
    for layer in sorted({line["layer"] for line in about["heads"]}):
        heads = [line for line in about["heads"] if line["layer"] == layer]
        rows = [wording.cells([each], f"{layer}.{each['head']}") for each in heads]
        yield details(f"heads of layer {layer}", _table(wording.LAYER_COLUMNS, rows))


def _exceptions(about: dict[str, Any]) -> Iterable[str]:
    yield f"<h2>Exceptions</h2><p>{text(wording.more_exceptions(about))}</p>"
    if about["exceptions"]["count"]:
        yield _table(wording.EXCEPTION_COLUMNS, wording.exception_rows(about), "left")


def _methods(about: dict[str, Any]) -> Iterable[str]:
    yield f"<h2>What each number rests on</h2>{pairs(about['methods'].items())}"
    rows = [[each["id"], each["title"], each["kind"], each["status"]] for each in about["statements"]]
    yield details("statements", _table(("id", "title", "kind", "status"), rows, "left"))
    yield listed(LIMITS)


def _manifest(about: dict[str, Any]) -> Iterable[str]:
    made = about["manifest"]
    files = list(made["files"]["model"].items())
    named = [each for key in ("text", "rules") if (each := made["files"][key])]
    named += (made["files"]["rules"] or {}).get("anchors", {}).values()
    files += [(each["name"], each["sha256"]) for each in named]
    yield f"<h2>Manifest</h2><p><code>{text(made['command'])}</code></p>"
    yield _table(("name", "sha256"), [list(each) for each in files], "left")
    facts = {"windows": f"{len(made['windows']['measured'])} of {made['windows']['of']}"}
    facts |= {name: made[name] for name in ("dtype", "device", "threads", "processor", "tokens_sha256")}
    facts |= made["versions"] | {"sha256 of the content": about["sha256"]}
    yield details("versions and settings", pairs(facts.items(), code=True))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    return pages.table(columns, rows, kind, wrapped=_WRAPPED)
