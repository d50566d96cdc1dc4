"""The file that `localist anchors --out` writes, as rules and training read it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from theory.errors import InputError
from theory.files import parse_json, read_text
from theory.numbers.checked import abbreviated

SCHEMA = 1
KIND = "anchors"


class _Part(BaseModel):
    # What else the file says, such as p-values, changes nothing here.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Anchor(_Part):
    text: Annotated[str, Field(min_length=1)]
    id: Annotated[int, Field(ge=0)] | None
    confirmed: bool


class _Label(_Part):
    label: Annotated[str, Field(min_length=1)]
    anchors: list[_Anchor]


class _File(_Part):
    model: str | None
    labels: list[_Label]


@dataclass(frozen=True)
class Anchor:
    """A confirmed anchor: its text, its token in the model's vocabulary (None for a word), and its label."""

    text: str
    id: int | None
    label: str


@dataclass(frozen=True)
class AnchorFile:
    """The confirmed anchors of a file, at least one; `words` says that they were found without a model."""

    path: Path
    sha256: str
    words: bool
    labels: tuple[str, ...]
    anchors: tuple[Anchor, ...]

    def of_label(self, label: str) -> AnchorFile:
        """The anchors of one label. Raises InputError if the file does not have it, or confirms none of it."""
        if label not in self.labels:
            known = abbreviated(list(self.labels))
            raise InputError(f"{self.path}: label {abbreviated(label)} must be one of {known}")
        found = tuple(each for each in self.anchors if each.label == label)
        if not found:
            raise InputError(f"{self.path}: no anchor of label {abbreviated(label)} is confirmed")
        return replace(self, anchors=found)

    @property
    def token_texts(self) -> dict[str, str]:
        """The token texts that count as an anchor, each with the anchor's text.

        A model's token has one text. A word has two: as it is, and with the one space that most tokenizers put into
        the token of a word that follows another.
        """
        spaces = ("", " ") if self.words else ("",)
        return {space + each.text: each.text for each in self.anchors for space in spaces}


def read_anchors(path: Path) -> AnchorFile:
    """The confirmed anchors of a file of `localist anchors`. Raises InputError: one line."""
    if path.exists() and not path.is_file():
        # A pipe or a device may have no end.
        raise InputError(f"{path} must be a file")
    text = read_text(path)
    found = parse_json(text, path)
    if found.get("kind") != KIND:
        raise InputError(
            f"{path}: kind {abbreviated(found.get('kind'))} must be {KIND!r}, as `localist anchors` writes"
        )
    if type(found.get("schema")) is not int or found["schema"] != SCHEMA:
        raise InputError(f"{path}: schema {abbreviated(found.get('schema'))} must be {SCHEMA}")
    try:
        file = _File.model_validate(found)
    except ValidationError as error:
        raise InputError(f"{path}: {_complaint(error)}") from None
    labels = tuple(each.label for each in file.labels)
    if len(set(labels)) < len(labels):
        raise InputError(f"{path}: labels must not repeat one")
    words = file.model is None
    for label in file.labels:
        for each in label.anchors:
            if (each.id is None) != words:
                law = "null, as the file names no model" if words else "a token of the file's model"
                raise InputError(f"{path}: the id of anchor {abbreviated(each.text)} must be {law}")
    anchors = tuple(
        Anchor(each.text, each.id, label.label) for label in file.labels for each in label.anchors if each.confirmed
    )
    if not anchors:
        raise InputError(f"{path}: no anchor is confirmed")
    return AnchorFile(path, hashlib.sha256(text.encode("utf-8")).hexdigest(), words, labels, anchors)


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"] if not isinstance(part, str) or part.isidentifier())
    law = first["msg"].replace("Input should", "must").replace("String should", "must").replace("List should", "must")
    return f"{place}: must be given" if first["type"] == "missing" else f"{place}: {law}"
