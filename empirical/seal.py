"""Seals: the SHA-256 of each file of a folder, or of a report's content, so that a change is noticed before it is used.

A checkpoint's seal covers all its files, a finished run's those that measuring, generating and fine-tuning read.
A folder without a seal, such as stock GPT-2 weights, is not checked. A report of one JSON file holds the SHA-256 of
all its other content. A seal detects damage and edits; it is not a signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from theory.errors import InputError
from theory.files import read_json, sha256_of, write_text_atomically

SEAL_NAME = "sha256.json"
# Field of a report's own seal.
SEAL = "sha256"

# Files of a run or another model folder that affect results computed from it.
_READ = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "tokenizer.json",
    "run.json",
    "corpus.json",
    "groups.json",
    "lora.json",
    "anchor_tokens.json",
    "training.json",
)


def read_files(folder: Path) -> list[Path]:
    """Files of a run's folder that affect results computed from it."""
    return sorted({path for pattern in _READ for path in folder.glob(pattern) if path.is_file()})


def digests_of(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, by file name. Raises InputError."""
    return {path.name: sha256_of(path) for path in paths}


def write_seal(folder: Path, digests: dict[str, str]) -> None:
    """Write the folder's seal: the digests of its files. Raises InputError."""
    write_text_atomically(folder / SEAL_NAME, json.dumps(digests, indent=2) + "\n")


def finish_run(folder: Path, name: str, text: str) -> None:
    """Seal a run and write the file that marks it as finished; the seal covers that file too. Raises InputError."""
    kept = [path for path in read_files(folder) if path.name != name]
    # The seal first: every finished run has one.
    write_seal(folder, digests_of(kept) | {name: hashlib.sha256(text.encode("utf-8")).hexdigest()})
    write_text_atomically(folder / name, text)


def reseal(folder: Path, name: str) -> None:
    """Update the folder's seal, if any, for a file rewritten on purpose. Raises InputError."""
    stated = read_seal(folder)
    if stated is not None:
        write_seal(folder, stated | digests_of([folder / name]))


def read_seal(folder: Path) -> dict[str, str] | None:
    """Digests in the folder's seal, by file name; None without a seal. Raises InputError."""
    path = folder / SEAL_NAME
    if not path.exists():
        return None
    stated = read_json(path)
    if not stated or not all(isinstance(digest, str) for digest in stated.values()):
        raise InputError(f"{path} must hold the SHA-256 of each file of {folder}")
    return stated


def damage(folder: Path) -> tuple[Path, str] | None:
    """The first file that differs from the folder's seal, and how; None if all match.

    A file of `read_files` that the seal lacks counts as a difference. Raises InputError if the seal cannot be read.
    """
    stated = read_seal(folder)
    if stated is None:
        return None
    for name, digest in stated.items():
        path = folder / Path(name).name
        try:
            found = sha256_of(path)
        except InputError:
            return path, "is missing"
        if found != digest:
            return path, f"was changed: SHA-256 {found[:12]}, sealed {digest[:12]}"
    added = [path for path in read_files(folder) if path.name not in stated and path.name != SEAL_NAME]
    return (added[0], "was added") if added else None


def check_seal(folder: Path) -> None:
    """Raise InputError if a file of a sealed folder differs from its seal; a folder without a seal passes."""
    found = damage(folder)
    if found:
        path, what = found
        raise InputError(
            f"{path} {what}. A finished run's files must stay as training wrote them: restore it, "
            f"or delete {folder / SEAL_NAME} to use the folder unsealed."
        )


def content_hash(about: dict[str, Any]) -> str:
    """SHA-256 of a report's content without its seal."""
    content = {name: value for name, value in about.items() if name != SEAL}
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode("ascii")).hexdigest()


def sealed(about: dict[str, Any]) -> dict[str, Any]:
    """A report with the seal of its content."""
    return about | {SEAL: content_hash(about)}


def check_content(path: Path, about: dict[str, Any]) -> bool:
    """Whether the report in a file has a seal. Raises InputError if its content does not match it."""
    if SEAL not in about:
        return False
    if content_hash(about) != about[SEAL]:
        raise InputError(f"{path} was changed since it was written: its content does not match the hash in it")
    return True
