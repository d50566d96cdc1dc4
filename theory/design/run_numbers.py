"""The kinds of number that a run file holds, and what all its tables have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from theory.numbers.checked import MOST_KEYS

Solve = Literal["solve"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Real = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Dial = Annotated[float, Field(ge=0, lt=1, strict=True)]
Unit = Annotated[float, Field(gt=0, lt=1, strict=True)]
Count = Annotated[int, Field(ge=1, le=MOST_KEYS, strict=True)]


class Table(BaseModel):
    """A table of the file; unknown keys, text for numbers and numbers for text are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
