"""Seals: the SHA-256 of each file of a folder, so that a file changed afterwards is noticed before it is used.

A checkpoint is sealed with all its files, a finished run with those that measuring, generating and fine-tuning read.
A folder without a seal, such as one of stock GPT-2 weights, has nothing to be held against. A seal tells of damage and
of edits; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from theory.errors import InputError
from theory.files import read_json, sha256_of, write_text_atomically

SEAL_NAME = "sha256.json"

# Files of a run, or of another model's folder, that change what is computed from it.
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
    "training.json",
)


def read_files(folder: Path) -> list[Path]:
    """The files of a run's folder that change what is computed from it."""
    return sorted({path for pattern in _READ for path in folder.glob(pattern) if path.is_file()})


def digests_of(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file by its name. Raises InputError."""
    return {path.name: sha256_of(path) for path in paths}


def write_seal(folder: Path, digests: dict[str, str]) -> None:
    """Write down what the folder's files are. Raises InputError."""
    write_text_atomically(folder / SEAL_NAME, json.dumps(digests, indent=2) + "\n")


def finish_run(folder: Path, name: str, text: str) -> None:
    """Seal a run and write the file that says that it is finished, which is part of the seal. Raises InputError."""
    kept = [path for path in read_files(folder) if path.name != name]
    # The seal first: a run that is finished has one.
    write_seal(folder, digests_of(kept) | {name: hashlib.sha256(text.encode("utf-8")).hexdigest()})
    write_text_atomically(folder / name, text)


def reseal(folder: Path, name: str) -> None:
    """Take a file that was rewritten on purpose into the folder's seal, if there is one. Raises InputError."""
    stated = read_seal(folder)
    if stated is not None:
        write_seal(folder, stated | digests_of([folder / name]))


def read_seal(folder: Path) -> dict[str, str] | None:
    """What the folder's seal says of its files, None where there is no seal. Raises InputError."""
    path = folder / SEAL_NAME
    if not path.exists():
        return None
    stated = read_json(path)
    if not stated or not all(isinstance(digest, str) for digest in stated.values()):
        raise InputError(f"{path} must hold the SHA-256 of each file of {folder}")
    return stated


def damage(folder: Path) -> tuple[Path, str] | None:
    """The first file that is not as the folder's seal says and what is wrong with it; None where all are.

    A file that would be read and is not sealed is wrong as well. Raises InputError where the seal cannot be read.
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
    """Raise InputError where a file of a sealed folder is not as it was sealed; a folder without a seal passes."""
    found = damage(folder)
    if found:
        path, what = found
        raise InputError(
            f"{path} {what}. A finished run's files must stay as training wrote them: bring it back, "
            f"or delete {folder / SEAL_NAME} to use the folder unsealed."
        )
