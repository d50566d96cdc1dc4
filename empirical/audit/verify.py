"""Repeats the audit of a report and lists every difference by the place of its field."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from empirical.audit.exceptions import FILE_NAME, collected
from empirical.audit.files import PAGE_NAME
from empirical.audit.manifest import Options, model_files, named_file, rule_file
from empirical.audit.page import page
from empirical.audit.report import KIND, SCHEMA, audit, content_hash
from empirical.settings import checked
from theory.errors import DomainError, InputError
from theory.files import read_json, read_text

# Shown on the terminal; --json has all.
_SHOWN = 50
_LONGEST = 60


@dataclass(frozen=True)
class Difference:
    """One field that differs: its place, what the report says, and what was found."""

    place: str
    stated: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.place}: the report says {_short(self.stated)}, found {_short(self.found)}"


@dataclass(frozen=True)
class Verified:
    """The differences; `repeated` says whether the audit was repeated, which it is not for files that changed."""

    differences: tuple[Difference, ...]
    repeated: bool

    @property
    def same(self) -> bool:
        """Whether the audit was repeated and nothing differs."""
        return self.repeated and not self.differences

    def to_json(self, report: str) -> dict[str, Any]:
        """The object that `--json` prints."""
        listed = [{"field": each.place, "stated": each.stated, "found": each.found} for each in self.differences]
        return {"report": report, "same": self.same, "repeated": self.repeated, "differences": listed}

    def lines(self, report: Path) -> Iterator[str]:
        """What the terminal shows."""
        yield from map(str, self.differences[:_SHOWN])
        if len(self.differences) > _SHOWN:
            yield f"and {len(self.differences) - _SHOWN} more (--json lists all)"
        if self.same:
            yield f"{report}: repeated, and nothing differs but the time"
        elif not self.repeated:
            yield f"{report}: not repeated, because files have changed since"
        else:
            yield f"{report}: repeated, and {len(self.differences)} fields differ"


def verify_report(
    report: Path,
    *,
    model: Path | str | None = None,
    text: Path | None = None,
    rules: Path | None = None,
    progress: bool = True,
) -> Verified:
    """Check the hashes of a report and of its files, and repeat its audit with its options and number of threads.

    Files that are not given are sought by their recorded names: the model around and beside the report, text and rules
    beside the report, beside the model and in the current folder. Raises InputError for what is no report of this
    version and for files that are not found.
    """
    stated = read_json(report)
    options, threads = _options(stated, report)
    made = stated["manifest"]
    source = _model(made, model, report)
    near = [report.resolve().parent, Path(source).resolve().parent, Path()]
    paths = {name: _file(made, name, given, report, near) for name, given in (("text", text), ("rules", rules))}
    changed = list(_compared(made["files"].get("model"), model_files(source), "manifest.files.model"))
    for name, found in (("text", named_file(paths["text"])), ("rules", rule_file(paths["rules"]))):
        for part, value in (found or {}).items():
            # Another name alone is no other content; the repeated audit will list it.
            if part != "name":
                changed += _compared(made["files"][name].get(part), value, f"manifest.files.{name}.{part}")
    differences = [*_edited(stated), *changed]
    if changed:
        return Verified((*differences, *_beside(stated, report)), repeated=False)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with tempfile.TemporaryDirectory() as folder, collected(Path(folder)) as exceptions:
            again = audit(
                source, exceptions, text=paths["text"], rules=paths["rules"], options=options, progress=progress
            )
    finally:
        torch.set_num_threads(before)
    # The hash differs with the content, whose differences are listed; an edited report was found above.
    content = {name: value for name, value in stated.items() if name not in ("time", "sha256")}
    again.pop("sha256")
    differences += _compared(content, again, "")
    return Verified((*differences, *_beside(stated, report)), repeated=True)


def _options(stated: dict[str, Any], report: Path) -> tuple[Options, int]:
    """The recorded options and number of threads. Raises InputError for another kind of file."""
    if stated.get("kind") != KIND or stated.get("schema") != SCHEMA:
        kind, schema = (_short(stated.get(name)) for name in ("kind", "schema"))
        raise InputError(f"{report} must be a report of kind {KIND!r} and schema {SCHEMA}, found {kind} and {schema}")
    made = stated.get("manifest")
    if not isinstance(made, dict) or not isinstance(made.get("files"), dict):
        raise InputError(f"{report}: manifest must be an object with files")
    threads = made.get("threads")
    if type(threads) is not int or not 1 <= threads <= 4096:
        raise InputError(f"{report}: manifest.threads is {_short(threads)}, which must be an integer from 1 to 4096")
    try:
        return checked(Options, made.get("options"), "manifest.options", recorded=True), threads
    except DomainError as error:
        raise InputError(f"{report}: {error}") from error


def _edited(stated: dict[str, Any]) -> Iterator[Difference]:
    """Whether the content is that of the hash in it."""
    if (found := content_hash(stated)) != stated.get("sha256"):
        yield Difference("sha256", stated.get("sha256"), found)


def _beside(stated: dict[str, Any], report: Path) -> Iterator[Difference]:
    """The page and the exceptions beside the report, which must be those that it describes."""
    shown = report.with_name(PAGE_NAME)
    if shown.is_file():
        try:
            expected = page(stated)
        # Whatever an edited report lacks.
        except Exception as error:
            yield Difference(PAGE_NAME, "a page of this report", f"no page can be made: {type(error).__name__}")
            return
        if read_text(shown) != expected:
            yield Difference(PAGE_NAME, "the page of this report", "another page")
    described = stated.get("exceptions")
    if isinstance(described, dict) and described.get("file") is not None:
        yield from _kept_exceptions(described, report.with_name(FILE_NAME))


def _kept_exceptions(described: dict[str, Any], path: Path) -> Iterator[Difference]:
    try:
        with gzip.open(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, ValueError) as error:
        found = f"not readable: {type(error).__name__}"
    if found != described.get("sha256"):
        yield Difference(FILE_NAME, described.get("sha256"), found)


def _model(made: dict[str, Any], given: Path | str | None, report: Path) -> Path | str:
    if given is not None:
        return given
    described = made.get("model")
    name = described.get("name") if isinstance(described, dict) else None
    if not made["files"].get("model"):
        raise InputError(f"the model of {report} was no folder: say with MODEL where it is")
    if not isinstance(name, str) or Path(name).name != name:
        raise InputError(f"{report}: manifest.model.name is {_short(name)}, which must be a folder's name")
    folders = [report.resolve().parent, report.resolve().parent.parent]
    candidates = [*(folder for folder in folders if folder.name == name), *(folder / name for folder in folders)]
    return _first([*candidates, Path(name)], name, "MODEL", report)


def _file(made: dict[str, Any], name: str, given: Path | None, report: Path, near: Sequence[Path]) -> Path | None:
    described = made["files"].get(name)
    if described is None:
        if given is not None:
            raise DomainError(f"--{name} {given} must be left out: the audit of {report} had none")
        return None
    recorded = described.get("name") if isinstance(described, dict) else None
    if not isinstance(recorded, str) or Path(recorded).name != recorded:
        raise InputError(f"{report}: manifest.files.{name}.name is {_short(recorded)}, which must be a file's name")
    if given is not None:
        return given
    return _first([folder / recorded for folder in near], recorded, f"--{name}", report)


def _first(candidates: Sequence[Path], name: str, option: str, report: Path) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise InputError(f"{name} is not found near {report}: say with {option} where it is")


def _compared(stated: Any, found: Any, place: str) -> Iterator[Difference]:
    """The places at which two JSON values differ."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in dict.fromkeys((*stated, *found)):
            yield from _compared(stated.get(name, _ABSENT), found.get(name, _ABSENT), f"{place}.{name}".lstrip("."))
    elif isinstance(stated, list) and isinstance(found, list):
        for index in range(max(len(stated), len(found))):
            one, other = (each[index] if index < len(each) else _ABSENT for each in (stated, found))
            yield from _compared(one, other, f"{place}[{index}]")
    elif type(stated) is not type(found) or stated != found:
        yield Difference(place, stated, found)


_ABSENT = "nothing"


def _short(value: Any) -> str:
    text = value if value is _ABSENT else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
