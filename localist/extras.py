"""Finds the extra of this project that installs a missing library."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

# Libraries whose modules have another name.
_DISTRIBUTIONS = {"re2": "google-re2", "z3": "z3-solver"}


def advice(module: str) -> str | None:
    """One line on how to install a library of an optional feature; None for any other module."""
    try:
        declared = requires("localist") or []
    except PackageNotFoundError:
        return None
    top = module.partition(".")[0]
    wanted = _DISTRIBUTIONS.get(top, top).replace("_", "-").lower()
    for line in declared:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        if extra and name.replace("_", "-").lower() == wanted:
            return f"{wanted} is not installed. Install it with pip install 'localist[{extra[1]}]'"
    return None
