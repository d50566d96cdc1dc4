"""Tables of choices from files and options: checked strictly, and one clear line for whatever is wrong.

In a validator's message a choice stands as `{name}`, so that whoever typed it as an option reads that option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from theory.errors import DomainError

Kind = TypeVar("Kind", bound=BaseModel)

# Validation context of values that a record holds. It gives every choice, those too that others leave without effect.
RECORDED = {"recorded": True}

# A choice in a validator's message.
_CHOICE = re.compile(r"\{(\w+)\}")


class Settings(BaseModel):
    """A table of choices: unknown names, values of another type, infinities and NaN are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: Any) -> Any:
        """TOML and JSON have no tuples."""
        if not isinstance(values, dict):
            return values
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    def _chosen(self, info: ValidationInfo, *names: str) -> str | None:
        """The first of these that was given, None in a record."""
        if info.context == RECORDED:
            return None
        return next((name for name in names if name in self.model_fields_set), None)


def checked(
    kind: type[Kind],
    values: Any,
    where: str,
    *,
    recorded: bool = False,
    typed: Mapping[str, str] | None = None,
) -> Kind:
    """Plain values as this kind of settings. Raises DomainError, which names the value and the law.

    `typed` gives the option of each choice that was typed as one, such as `{"locality.block": "--block"}`.
    """
    try:
        return kind.model_validate(values, context=RECORDED if recorded else None)
    except ValidationError as error:
        first, options = error.errors()[0], typed or {}
        name = ".".join(str(part) for part in first["loc"])
        shown = "" if isinstance(first["input"], dict | BaseModel) else f"{first['input']!r}"
        if first["type"] == "extra_forbidden":
            raise DomainError(f"{where}: {name} is not an option") from error
        message = first_message(error, options)
        for choice, option in options.items():
            if name == choice or name.startswith(f"{choice}."):
                raise DomainError(f"{option} {shown}: {message}") from error
        if message != first_message(error):
            raise DomainError(message) from error
        place = f"{name}={shown}" if name and shown else name
        raise DomainError(": ".join(part for part in (where, place, message) if part)) from error


def first_message(error: ValidationError, typed: Mapping[str, str] | None = None) -> str:
    """What is wrong with the first value, without its place; choices that were typed as options are named as those."""
    options = {choice.rpartition(".")[2]: option for choice, option in (typed or {}).items()}
    message = error.errors()[0]["msg"].removeprefix("Value error, ")
    return _CHOICE.sub(lambda found: options.get(found[1], found[1]), message)
