"""A text column of a Hugging Face dataset: a name on the hub, or a folder of text, CSV, JSON or Parquet files."""

from __future__ import annotations

import os
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from empirical.hub import hub_is_reachable
from theory.errors import InputError, first_line


def dataset_text(name: str, subset: str | None, split: str, column: str) -> list[str]:
    """The column's texts in order, one document per row; rows without text are skipped. Raises InputError.

    `split` may be a slice in the library's syntax, such as `train[:5000]`. Datasets with their own code are refused.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"dataset {name} needs the datasets library. Install it with pip install 'localist[datasets]'."
        ) from error
    if not Path(name).exists() and not constants.HF_HUB_OFFLINE and not hub_is_reachable():
        raise InputError(
            f"dataset {name} is not a folder here, and {constants.ENDPOINT} cannot be reached. "
            "Set HF_HUB_OFFLINE=1 to use datasets downloaded before."
        )
    bars = datasets.utils.logging.is_progress_bar_enabled()
    datasets.utils.logging.disable_progress_bar()
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
            rows: Any = datasets.load_dataset(name, subset, split=split)
    # The library, its formats and the network each have their own error types.
    except Exception as error:
        raise InputError(f"cannot load dataset {name}: {first_line(error)}") from error
    finally:
        if bars:
            datasets.utils.logging.enable_progress_bar()
    if column not in rows.column_names:
        raise InputError(f"dataset {name} has no column {column!r}, only {', '.join(rows.column_names)}")
    values = rows[column]
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts:
        raise InputError(f"dataset {name}: column {column!r} of {split!r} holds no text")
    return texts
