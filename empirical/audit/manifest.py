"""What an audit was made of and with: hashes, options, versions, threads; names of files without their folders."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from empirical.audit.promises import parse_promise
from empirical.environment import environment
from empirical.locality import SIZED
from empirical.measuring.subject import Subject
from empirical.measuring.work import digest_of
from empirical.rules.rule_file import anchors_of_files
from empirical.seal import read_files
from empirical.settings import Settings
from theory.files import read_text, sha256_of

# Tokenizers of other formats than `tokenizer.json`.
_VOCABULARY = ("vocab.json", "merges.txt")


class Options(Settings):
    """The options that change an audit's numbers, with their defaults."""

    block: int | None = None
    blocks: str | None = None
    context: int | None = None
    sequences: Annotated[int | None, Field(ge=1)] = None
    precision: str = "float32"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    promises: tuple[str, ...] = ()

    def written(self) -> list[str]:
        """The options as words of the command line, defaults left out."""
        words: list[str] = []
        for name, value in self:
            if name != "promises" and value != type(self).model_fields[name].default:
                words += [f"--{name}", f"{value}"]
        for promise in self.promises:
            words += ["--promise", str(parse_promise(promise))]
        return words


def manifest(
    subject: Subject,
    model: Path | str,
    text: Path | None,
    rules: Path | None,
    options: Options,
    windows: Sequence[int],
) -> dict[str, Any]:
    """The manifest of an audit, as plain JSON. Raises InputError for a file that cannot be read."""
    words = ["localist", "audit", name_of(model)]
    for option, path in (("--text", text), ("--rules", rules)):
        words += [] if path is None else [option, path.name]
    return {
        "command": shlex.join([*words, *options.written()]),
        "options": options.model_dump(mode="json"),
        "model": {
            "name": name_of(model),
            "architecture": type(subject.model).__name__,
            "layers": subject.layers,
            "heads": subject.heads,
            "context": subject.windows.shape[1],
            "blocks": subject.kind,
            "block": subject.block if subject.kind in SIZED else None,
            "dials": [list(dial) if isinstance(dial, Sequence) else dial for dial in subject.dials],
            "seal": subject.about["seal"],
        },
        "files": {
            "model": model_files(model),
            "text": named_file(text),
            "rules": rule_file(rules),
        },
        "tokens_sha256": digest_of(subject),
        "windows": {"measured": list(windows), "of": len(subject.windows)},
        "dtype": str(subject.model.dtype).removeprefix("torch."),
        "device": subject.model.device.type,
        "threads": torch.get_num_threads(),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "versions": environment(),
    }


def model_files(model: Path | str) -> dict[str, str]:
    """SHA-256 of each file of a model's folder that affects the numbers; none for a model of the hub."""
    folder = Path(model)
    if not folder.is_dir():
        return {}
    more = [folder / name for name in _VOCABULARY if (folder / name).is_file()]
    return {path.name: sha256_of(path) for path in sorted({*read_files(folder), *more})}


def named_file(path: Path | None) -> dict[str, Any] | None:
    """Name and SHA-256 of a file."""
    return None if path is None else {"name": path.name, "sha256": sha256_of(path)}


def rule_file(path: Path | None) -> dict[str, Any] | None:
    """Name and SHA-256 of a rule file and of the files of anchors that it names, by entry of `[anchors]`."""
    if path is None:
        return None
    files = {entry: named_file(file) for entry, (file, _) in anchors_of_files(read_text(path), str(path)).items()}
    return {"name": path.name, "sha256": sha256_of(path), "anchors": files}


def name_of(model: Path | str) -> str:
    """The name of a model's folder, or its name on the hub."""
    folder = Path(model)
    return folder.resolve().name if folder.is_dir() else str(model)
