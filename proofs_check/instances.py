"""The kinds of instance that statements speak about: how to draw one, and what each letter means on it.

A statement names its kind in `about`. A new kind is one more entry of `KINDS`: a hypothesis strategy and a table of
definitions; nothing else in the methods changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check import rows
from proofs_check.strategies import attention_rows

Definition = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class InstanceKind:
    """How to draw an instance, and the value of every letter on it, from definitions alone.

    An instance needs a readable `str` and an integer `levels`: how many different exponentials its exact forms hold.
    """

    strategy: Callable[[], st.SearchStrategy[Any]]
    definitions: Mapping[Symbol, Definition]


KINDS: dict[str, InstanceKind] = {
    "row": InstanceKind(attention_rows, rows.DEFINITIONS),
}
