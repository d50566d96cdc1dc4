"""Writes the pages that follow from the code: `python docs/generate.py`. A test compares them with the code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from empirical.rules.rule_file import RuleFile
from empirical.sweep.plan import SweepConfig
from theory.design.run_file import Run
from theory.statements.catalogue import CATALOGUE
from theory.statements.markdown import page

FOLDER = Path(__file__).parent
_SIGNS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<", "pattern": "matching"}


def pages() -> dict[str, str]:
    """The text of every generated page by its file's name."""
    return {
        "theory.md": page(CATALOGUE),
        "run-file.md": _fields("RUN.toml", "`localist check` and `localist design` read it.", Run),
        "sweep-file.md": _fields("SWEEP.toml", "`localist sweep` reads it.", SweepConfig),
        "rule-file.md": _fields("RULES.toml", "`localist rules check` reads it; see `docs/rules.md`.", RuleFile),
    }


def _fields(file: str, use: str, model: type[BaseModel]) -> str:
    lines = [f"# The fields of {file}\n", f"{use} Unknown keys are refused. Written by `docs/generate.py`.\n"]
    seen: set[type[BaseModel]] = set()
    lines += _table(model, "", seen)
    return "\n".join(lines)


def _table(model: type[BaseModel], place: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    schema = model.model_json_schema()
    yield f"## {f'`[{place}]`' if place else 'Top level'}\n"
    yield f"{inspect.cleandoc(model.__doc__ or '')}\n"
    described = any(field.description for field in model.model_fields.values())
    yield "| key | value | default |" + " meaning |" * described
    yield "|---|---|---|" + "---|" * described
    below = []
    for name, field in model.model_fields.items():
        inner = _models(field.annotation)
        prefix = f"{place}.{name}" if place else name
        below += [(each, prefix + (".NAME" if _is_mapping(field.annotation) else "")) for each in inner]
        value = "a table, see below" if inner else _value(schema["properties"][name])
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        yield f"| `{name}` | {value} | {default} |" + f" {field.description or ''} |" * described
    yield ""
    for each, prefix in below:
        yield from _table(each, prefix, seen)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict


def _default(value: Any) -> str:
    if value is None or value == {} or isinstance(value, BaseModel):
        return "left out"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{list(value) if isinstance(value, tuple) else value}`".replace("'", '"')


def _value(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_value(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f'`"{each}"`' for each in schema["enum"])
    if "const" in schema:
        return f'`"{schema["const"]}"`'
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    kind["object"] = "table"
    words = kind.get(schema.get("type", ""), "list")
    if "prefixItems" in schema:
        return f"list of: {'; '.join(_value(each) for each in schema['prefixItems'])}"
    if schema.get("type") == "array" and "items" in schema:
        least = f" at least {schema['minItems']}" if "minItems" in schema else ""
        words = f"list of{least}: {_value(schema['items'])}"
    limits = [f"{sign} {schema[key]}" for key, sign in _SIGNS.items() if key in schema]
    return f"{words} {', '.join(limits)}".strip().replace("|", r"\|")


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
