"""Compares committed figures with what would be drawn today, by the values drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from figures.drawing import Picture, gather, picture
from figures.stamp import FORMATS
from figures.values import differences
from theory.errors import DomainError, InputError
from theory.files import read_json


def check_all(names: Sequence[str], folders: Sequence[Path], committed: Path) -> tuple[dict[str, list[str]], list[str]]:
    """What is stale in each of the named figures, by name, and the figures that have neither records nor a copy.

    A figure is stale if its committed values differ from those drawn from the records, if its records do not match
    their manifest, or if a picture beside it shows other values than committed. Raises InputError, DomainError.
    """
    if not committed.is_dir():
        raise InputError(
            f"no committed figures at {committed}. Make them with `localist figures --all --out {committed}`."
        )
    found, left_out = gather(names, folders, where_possible=True, verify=False)
    stale: dict[str, list[str]] = {}
    absent = []
    for name in names:
        path = committed / f"{name}.json"
        if name in left_out:
            if path.is_file():
                stale[name] = [f"committed, but cannot be drawn: {left_out[name]}"]
            else:
                absent.append(name)
            continue
        if not path.is_file():
            stale[name] = [f"{path} is missing"]
            continue
        try:
            stale[name] = _stale(picture(name, found.get(name)), committed)
        except DomainError as error:
            stale[name] = [f"cannot be drawn any more: {error}"]
    return stale, absent


def _stale(made: Picture, committed: Path) -> list[str]:
    recorded = read_json(committed / f"{made.name}.json")
    values = made.values
    found = [made.material.damage] if made.material.damage else []
    found += differences(recorded.get("values", []), values)
    if recorded.get("caption") != made.caption.text:
        found.append("the caption differs from the statements'")
    digest = str(recorded.get("values_sha256"))
    pictures = [path for suffix in FORMATS if (path := committed / f"{made.name}.{suffix}").is_file()]
    found += [
        f"{path.name} does not show the committed values" for path in pictures if digest.encode() not in _bytes(path)
    ]
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
