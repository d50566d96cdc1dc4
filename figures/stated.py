"""Numbers that papers state in their abstracts, from one file: marked in figures, apart from what was measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from theory.errors import InputError
from theory.files import read_toml

STATED_NAME = "reference_values.toml"
# The quantity that a sweep measures too.
RATIO = "perplexity over the distributed configuration's"


def read_stated(path: Path) -> pd.DataFrame:
    """One row per number: `paper` and version, `quantity`, `configuration`, `value`, `quote`. Raises InputError."""
    try:
        lines = [
            {
                "paper": f"arXiv {each['paper']}v{int(each['version'])}",
                "quantity": str(each["quantity"]),
                "configuration": str(each.get("configuration", "")),
                "value": float(each["value"]),
                "quote": str(each["quote"]),
            }
            for each in read_toml(path)["value"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold stated numbers: {type(error).__name__} {error}") from error
    for line in lines:
        # Word for word: a number that the quotation lacks was not stated.
        if f"{line['value']:g}" not in str(line["quote"]):
            raise InputError(f"{path}: {line['value']:g} is not in the quotation {line['quote']!r}")
    return pd.DataFrame(lines)


def with_stated(tasks: pd.DataFrame, stated: pd.DataFrame) -> pd.DataFrame:
    """The tasks of a sweep with what papers state of their perplexity: the quotation in `stated`, and `stated_in`."""
    chosen = stated[stated["quantity"] == RATIO].drop_duplicates("configuration")
    known = chosen[["configuration", "quote", "paper"]].rename(columns={"quote": "stated", "paper": "stated_in"})
    return tasks.merge(known, on="configuration", how="left", validate="many_to_one")
