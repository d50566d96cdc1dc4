"""The versions of a rule file while a text grows: read before the first pass, and again where the file has changed."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from empirical.attention.text import Text
from empirical.rules.rule_file import Rule, parse_rules
from empirical.steering.firings import Firings, Plan
from theory.errors import DomainError, InputError, LocalistError

# A file written twice within one tick of the clock can keep its time and size, so a young one is read at every pass.
_YOUNG = 2_000_000_000


@dataclass(frozen=True)
class RuleChange:
    """A version of a rule file that took effect, with its `text`, or one that was refused, with the reason.

    `position` tokens stood before the pass that it came before. `sha256` is the hash of the file's bytes, None where
    the file could not be read.
    """

    position: int
    sha256: str | None
    text: str | None = None
    refusal: str | None = None


class FilePlan:
    """The rules of a file as a plan; with `watch` the file may be replaced between two passes.

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
        self._stamp, self._content = self._stamped(), self._read()
        self._plan = self._of(self._content)
        self.version = self._found = hashlib.sha256(self._content).hexdigest()

    def begin(self) -> None:
        """Tell `on_change` which version is in force before a text."""
        self._tell(RuleChange(0, self.version, self._content.decode()))

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
            data = self._read()
            digest = hashlib.sha256(data).hexdigest()
            if digest == self._found:
                return
            plan = None if digest == self.version else self._of(data)
        except LocalistError as error:
            # A file that cannot be read has no hash, and is known by the reason.
            found = digest or str(error)
            if found != self._found:
                self._tell(RuleChange(position, digest, refusal=str(error)))
            self._found = found
            return
        self._found = digest
        if plan is not None:
            self.version, self._plan, self._content = digest, plan, data
            self._tell(RuleChange(position, digest, data.decode()))

    def _tell(self, change: RuleChange) -> None:
        if self._on_change is not None:
            self._on_change(change)

    def _stamped(self) -> tuple[int, ...] | None:
        """What differs where the file was changed; None where the content itself must be compared."""
        try:
            found = os.stat(self._path)
        except (OSError, ValueError):
            return None
        if time.time_ns() - found.st_mtime_ns < _YOUNG:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev

    def _read(self) -> bytes:
        if self._watch and self._path.exists() and not self._path.is_file():
            # A pipe gives its content once, and may keep the pass waiting.
            raise InputError(f"cannot watch {self._path}: it is not a file")
        try:
            return self._path.read_bytes()
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self._path}: {getattr(error, 'strerror', None) or error}") from error

    def _of(self, data: bytes) -> Plan:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self._path} is not UTF-8 text") from error
        return self._planned(parse_rules(text, str(self._path)))


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
