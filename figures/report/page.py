"""The report as one HTML file: verdicts, then each record with its tables, its map, its figures and its files."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from empirical.environment import environment
from empirical.seal import read_seal
from figures.report import audited, benched, calibrated, logged, measured, runs, swept, truncated
from figures.report.embedded import figures_of
from figures.report.found import Part, parts_of
from figures.report.head_map import head_maps, openings
from figures.report.shown import FAULTS, TONES, File, Shown, Verdict, prose
from theory.errors import InputError, LocalistError
from theory.files import sha256_of
from theory.pages import details, document, pairs, table, text

# Bytes of a whole page.
LIMIT = 2_000_000
# No script, picture or style from elsewhere, and no connection.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_HEAD = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
_FOLDER = Path(__file__).parent


def _unknown(part: Part) -> Shown:
    """A file beside records that is none itself: it is named, so that nothing is left out in silence."""
    said = f"{part.path.name} is no record that a report knows: it is not shown."
    file = File(part.path.name, sha256_of(part.path), "not a known record")
    return Shown(f"{part.name}: not a record", [Verdict("warn", said)], files=[file])


_SHOW: dict[str, Callable[[Part], Shown]] = {
    "run": runs.show,
    "rows": measured.show,
    "sweep": swept.show,
    "audit": audited.show,
    "calibration": calibrated.show,
    "truncation": truncated.show,
    "bench": benched.show,
    "log": logged.show,
    "other": _unknown,
}
_ANSWERS = {
    "bad": "Not as it should be: a bound, a promise or a record. See the problems below.",
    "open": "Nothing is known to be wrong, but something is undecided, which is not kept: see below.",
    "warn": "Nothing is known to be wrong, but read the cautions below.",
    "good": "Nothing wrong was found in what was measured.",
    "": "There is nothing to judge here: no promise and no bound.",
}
_INTRODUCTION = (
    "How far each head of a model attends locally, and what is known of it. Each attention row says how one position "
    "of the text spreads its attention; its fidelity is the share that stays in the position's own block of the text."
)
_TIMES = "How long measuring and localist layers take on one machine, beside the same model without them."
_HASHES = "A hash shows damage and edits. It is no signature: who can write the files can write the hashes."
WORDS = {
    "attention row": "how one query, a position of the text in one head, spreads its attention over the keys it sees",
    "block": "the part of the text around a query that counts as near it, such as a window of tokens or a sentence",
    "fidelity": "the share of a row's attention that stays in the query's own block, from 0 to 1; the rest is its leak",
    "entropy": "how evenly a row spreads its attention, in nats: 0 on one key, log n on n keys alike",
    "dial": "a number from 0 to 1 that turns attention towards the block: 0 changes nothing, 1 cuts off all other keys",
    "bound": "a number that a theorem gives for each row, such as A4 for its entropy; `localist theorems A4` shows it",
    "violated": "a row beyond its bound by more than the rounding error: theorems allow none",
    "undecided": "a row whose rounding error is too large to tell; it counts neither as kept nor as violated",
}


@dataclass(frozen=True)
class Report:
    """The page's text, and the verdicts at its top."""

    html: str
    verdicts: tuple[Verdict, ...]
    kinds: tuple[str, ...]

    @property
    def faults(self) -> tuple[Verdict, ...]:
        """The verdicts for which the answer is no."""
        return tuple(each for each in self.verdicts if each.tone in FAULTS)


def report(root: Path, time: datetime | None = None) -> Report:
    """The report of a folder; equal folders of one name give equal pages but for the time. Raises InputError.

    The page names the folder, not where it lies.
    """
    found = parts_of(root)
    shown = [_show(part) for part in found]
    name = root.resolve().name
    pairs_of = list(zip(found, shown, strict=True))
    stale = [verdict for part, each in pairs_of if (verdict := _stale(root, part, each))]
    script, style = ((_FOLDER / file).read_text(encoding="utf-8") for file in ("report.js", "report.css"))
    paths = [path for each in shown for path in each.drawn_from]

    def whole(pictures: str, faults: Sequence[str]) -> Report:
        verdicts = [*stale, *(each for one in shown for each in one.verdicts), *_drawn(faults)]
        # Within a tone as they come.
        verdicts.sort(key=lambda each: list(TONES).index(each.tone))
        introduction = _INTRODUCTION if any(part.kind != "bench" for part in found) else _TIMES
        parts = _parts(name, introduction, verdicts, shown, pictures, time or datetime.now(UTC))
        html = document(f"Report on {name}", parts, style=style, head=_HEAD, script=script)
        return Report(html, tuple(verdicts), tuple(dict.fromkeys(part.kind for part in found)))

    size = len(whole("", []).html.encode())
    if size > LIMIT:
        raise InputError(f"the report on {root} takes {size:,} bytes, more than {LIMIT:,}: report its folders singly")
    # Verdicts on figures need room too.
    return whole(*figures_of(paths, LIMIT - size - 50_000))


def _show(part: Part) -> Shown:
    try:
        return _SHOW[part.kind](part)
    except LocalistError:
        raise
    # A record may lack whatever its kind has, since anyone can write one.
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{part.path} is no record of kind {part.kind!r}: {type(error).__name__} {error}") from error


def _drawn(faults: Sequence[str]) -> list[Verdict]:
    """What the figures mark in red, beside what the records say of the same rows."""
    found = []
    for tone, chosen in (
        ("bad", [each for each in faults if "undecided" not in each]),
        ("open", [each for each in faults if "undecided" in each]),
    ):
        if chosen:
            found.append(Verdict(tone, "Figures mark what contradicts the theory or is left open.", prose(chosen)))
    return found


def _stale(root: Path, part: Part, shown: Shown) -> Verdict | None:
    """A caution if a record was made from other files than those in the run's folder."""
    folder = root if root.is_dir() else root.parent
    sealed = read_seal(folder) if part.path != folder else None
    changed = [name for name, digest in (sealed or {}).items() if shown.made_from.get(name, digest) != digest]
    if not changed:
        return None
    why = f"It was made from another {', '.join(changed)} than the folder holds now. Make it again."
    return Verdict("warn", f"“{shown.title}” is out of date.", why)


def _parts(
    name: str, introduction: str, verdicts: Sequence[Verdict], shown: Sequence[Shown], pictures: str, time: datetime
) -> Iterator[str]:
    worst = verdicts[0].tone if verdicts else ""
    yield f"<header><h1>Report on {text(name)}</h1>"
    yield f'<p class="answer {worst}">{text(_ANSWERS[worst])}</p>'
    stamp = text(time.isoformat(timespec="seconds"))
    yield f"<p>{text(introduction)}</p>"
    version = text(environment()["localist"])
    yield f'<p class="faint">localist {version}, written <time>{stamp}</time>. Entropies are in nats.</p>'
    yield f"{details('The words used here', pairs(WORDS.items()))}</header>"
    yield "<main>"
    yield '<section aria-labelledby="verdicts"><h2 id="verdicts">Verdicts</h2>'
    sources = {id(each): at for at, one in enumerate(shown) for each in one.verdicts} if len(shown) > 1 else {}
    for each in verdicts:
        at = sources.get(id(each))
        yield _verdict(each, at, "" if at is None else shown[at].title)
    yield "</section>"
    contents = "".join(f'<li><a href="#part-{at}">{text(one.title)}</a></li>' for at, one in enumerate(shown))
    if pictures:
        contents += '<li><a href="#figures">Figures</a></li>'
    contents += '<li><a href="#files">Files and versions</a></li><li><a href="#commands">Commands</a></li>'
    yield f'<nav aria-label="Contents"><ul>{contents}</ul></nav>'
    for at, one in enumerate(shown):
        yield from _record(at, one)
    if pictures:
        yield f'<section aria-labelledby="figures"><h2 id="figures">Figures</h2>{pictures}</section>'
    yield from _files(shown)
    yield from _commands(name, shown)
    yield "</main>"


def _verdict(each: Verdict, at: int | None, source: str) -> str:
    why = f"<p>{text(each.why)}</p>" if each.why else ""
    word = f"<span>{TONES[each.tone]}:</span>"
    said = f'<p class="verdict">{word} {text(each.said)}</p>'
    link = "" if at is None else f'<p class="faint"><a href="#part-{at}">{text(source)}</a></p>'
    return f'<div class="card {each.tone}" data-tone="{each.tone}">{said}{why}{link}</div>'


def _record(at: int, shown: Shown) -> Iterator[str]:
    if not (shown.body or shown.maps):
        title = f'<h2 id="part-{at}">{text(shown.title)}</h2>'
        yield f"<section>{title}<p>Its settings and files are listed below.</p></section>"
        return
    yield f'<section aria-labelledby="part-{at}"><h2 id="part-{at}">{text(shown.title)}</h2>'
    if shown.maps:
        down = "its heads and their worst recorded rows" if openings(shown.maps) else "its heads"
        yield f"<h3>Map of layers and heads</h3><p>One line per layer, one cell per head. A layer opens to {down}.</p>"
        yield head_maps(shown.maps)
        yield "<h3>Numbers</h3>"
    yield from shown.body
    yield "</section>"


def _files(shown: Sequence[Shown]) -> Iterator[str]:
    yield '<section aria-labelledby="files"><h2 id="files">Files and versions</h2>'
    yield f'<p class="faint">{text(_HASHES)}</p>'
    for each in shown:
        lines = [[file.name, file.sha256, file.checked] for file in each.files]
        attributes = {"data-table": "files", "aria-label": f"Files of {each.title}"}
        yield f"<h3>{text(each.title)}</h3>"
        yield table(("file", "SHA-256", "checked"), lines, "left hashes", wrapped=["SHA-256"], attributes=attributes)
        if each.facts:
            facts = ((key, "none" if said is None else said) for key, said in each.facts.items())
            yield details("settings and versions", pairs(facts, code=True))
    yield "</section>"


def _commands(name: str, shown: Sequence[Shown]) -> Iterator[str]:
    yield '<section aria-labelledby="commands"><h2 id="commands">Commands that make it again</h2>'
    where = f"Run them in the folder that holds {name}, with its texts beside it."
    where += " They write where these records lie; --out puts theirs elsewhere."
    yield f"<p>{text(where)} Equal numbers need equal versions and threads.</p>"
    commands = dict.fromkeys(each for one in shown for each in one.commands)
    for each in [*commands, shlex.join(["localist", "report", name])]:
        yield f'<pre class="command" tabindex="0"><code>{text(each)}</code></pre>'
    yield "</section>"
