"""Settings from files and command-line options, validated strictly, with one clear line per error.

A validator's message writes a setting as `{name}`; it is replaced by the option if the user typed one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from theory.errors import DomainError

Kind = TypeVar("Kind", bound=BaseModel)

# Validation context for recorded values: a record lists every setting, also those without effect.
RECORDED = {"recorded": True}

# A setting in a validator's message.
_CHOICE = re.compile(r"\{(\w+)\}")
# What pydantic adds to a place for a member of a union: a dial per layer, or one per head of it.
_MEMBER = re.compile(r"float|tuple\[.*\]")


class Settings(BaseModel):
    """A table of settings; refuses unknown names, values of another type, infinities and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: Any) -> Any:
        """Convert lists to tuples, which TOML and JSON lack."""
        if not isinstance(values, dict):
            return values
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    def _chosen(self, info: ValidationInfo, *names: str) -> str | None:
        """The first of `names` that was given; None in a record."""
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
    """Plain values as settings of this kind. Raises DomainError with the value and the rule it breaks.

    `typed` maps each setting given on the command line to its option, such as `{"locality.block": "--block"}`.
    """
    try:
        return kind.model_validate(values, context=RECORDED if recorded else None)
    except ValidationError as error:
        first, options = error.errors()[0], typed or {}
        name = ".".join(str(part) for part in first["loc"] if not _MEMBER.fullmatch(str(part)))
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
    """Message for the first invalid value, without its location; settings in `typed` are named by their options."""
    options = {choice.rpartition(".")[2]: option for choice, option in (typed or {}).items()}
    message = error.errors()[0]["msg"].removeprefix("Value error, ")
    return _CHOICE.sub(lambda found: options.get(found[1], found[1]), message)
