"""The versions of a rule file while a text grows: read before the first pass, and again where the file has changed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedModel

from empirical.attention.text import Text
from empirical.rules.rule_file import Rule, anchors_of_files, parse_rules
from empirical.steering.firings import Firings, Plan
from theory.errors import DomainError, InputError, LocalistError

# A file written twice within one tick of the clock can keep its time and size, so a young one is read at every pass.
_YOUNG = 2_000_000_000


@dataclass(frozen=True)
class RuleChange:
    """A version of a rule file that took effect, with its `text`, or one that was refused, with the reason.

    `position` tokens stood before the pass that it came before. `sha256` is the version's hash (`version_of`), None
    where the file could not be read. `anchors` are the texts that were taken from files of anchors.
    """

    position: int
    sha256: str | None
    text: str | None = None
    refusal: str | None = None
    anchors: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Content:
    """What a rule file holds, and the texts of the entries that it takes from files of anchors."""

    data: bytes
    anchors: dict[str, list[str]]

    @property
    def version(self) -> str:
        return version_of(self.data, self.anchors)

    def change(self, position: int) -> RuleChange:
        return RuleChange(position, self.version, self.data.decode(), anchors=self.anchors)


def version_of(data: bytes, anchors: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 of a rule file's bytes, followed by the texts of anchors that it takes from files, if any."""
    more = json.dumps({name: list(texts) for name, texts in anchors.items()}, sort_keys=True) if anchors else ""
    return hashlib.sha256(data + more.encode()).hexdigest()


class FilePlan:
    """The rules of a file as a plan; with `watch` it and its files of anchors may be replaced between two passes.

    `planned` makes a plan of rules, and raises LocalistError for rules that it refuses. A version takes effect at the
    pass before which it was found, and reads the text so far anew. A version with a mistake is refused once, when it is
    found; the rules before it stay. `on_change` receives each version. Raises InputError and what `planned` raises for
    a first version with a mistake.
    """

    def __init__(
        self,
        path: Path,
        planned: Callable[[Sequence[Rule]], Plan],
        watch: bool = False,
        on_change: Callable[[RuleChange], None] | None = None,
    ) -> None:
        self._path, self._planned, self._watch, self._on_change = path, planned, watch, on_change
        self._files: tuple[Path, ...] = ()
        self._last: _Content | None = None
        self._content = self._read()
        # Without a stamp the first look reads the files again: one may have changed while they were read.
        self._stamp: tuple[object, ...] | None = None
        self._plan = self._of(self._content)
        self.version = self._found = self._content.version

    def begin(self) -> None:
        """Tell `on_change` which version is in force before a text."""
        self._tell(self._content.change(0))

    def firings(self, text: Text) -> Firings | None:
        """What the version in force says of this pass. Raises DomainError as its plan."""
        if self._watch:
            self._look(text.positions.shape[1] - text.queries)
        return self._plan.firings(text)

    def _look(self, position: int) -> None:
        stamp, digest = self._stamped(), None
        if stamp is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            content = self._read()
            digest = content.version
            if digest == self._found:
                return
            plan = None if digest == self.version else self._of(content)
        except LocalistError as error:
            # The next pass reads again: what is missing may be a file of anchors that was never seen.
            self._stamp = None
            # A file that cannot be read has no hash, and is known by the reason.
            found = digest or str(error)
            if found != self._found:
                self._tell(RuleChange(position, digest, refusal=str(error)))
            self._found = found
            return
        self._found = digest
        if plan is not None:
            self.version, self._plan, self._content = digest, plan, content
            self._tell(content.change(position))

    def _tell(self, change: RuleChange) -> None:
        if self._on_change is not None:
            self._on_change(change)

    def _stamped(self) -> tuple[object, ...] | None:
        """What differs where a file was changed; None where the content itself must be compared."""
        stamps: list[object] = []
        for path in (self._path, *self._files):
            try:
                found = os.stat(path)
            except (OSError, ValueError):
                return None
            if time.time_ns() - found.st_mtime_ns < _YOUNG:
                return None
            stamps += [path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev]
        return tuple(stamps)

    def _read(self) -> _Content:
        data, last = self._bytes(), self._last
        if last is not None and last.data == data and not last.anchors:
            return last
        # Bytes that are no text are refused by `_of`.
        taken = anchors_of_files(data.decode(errors="replace"), str(self._path))
        self._files = tuple(path for path, _ in taken.values())
        self._last = _Content(data, {name: texts for name, (_, texts) in taken.items()})
        return self._last

    def _bytes(self) -> bytes:
        if self._watch and self._path.exists() and not self._path.is_file():
            # A pipe gives its content once, and may keep the pass waiting.
            raise InputError(f"cannot watch {self._path}: it is not a file")
        try:
            return self._path.read_bytes()
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self._path}: {getattr(error, 'strerror', None) or error}") from error

    def _of(self, content: _Content) -> Plan:
        try:
            text = content.data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self._path} is not UTF-8 text") from error
        return self._planned(parse_rules(text, str(self._path), content.anchors))


def check_places(rules: Sequence[Rule], model: PreTrainedModel) -> None:
    """Raises DomainError for a rule that names a layer or a head which the model lacks."""
    config = model.config.get_text_config()
    # A model with other heads in each layer has no such number; it is asked when a rule fires.
    heads = getattr(config, "num_attention_heads", None)
    counts = {"layer": config.num_hidden_layers, "head": heads if isinstance(heads, int) else math.inf}
    for rule in rules:
        for what, places in (("layer", rule.layers), ("head", rule.heads)):
            if places and max(places) >= counts[what]:
                raise DomainError(f"rule {rule.name!r} names {what} {max(places)} of {counts[what]}; they count from 0")
