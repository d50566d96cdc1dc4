"""The file `RULES.toml`: its tables, their laws, and errors with line and column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import z3
from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from empirical.anchor_file import read_anchors
from empirical.rules.formula import Formula, FormulaError, Target, parse_formula, parse_target
from empirical.rules.source import place_of
from empirical.rules.token_theory import Shape, TokenTheory, possible
from theory.design.run_errors import toml_key
from theory.design.run_numbers import NonNegative, Table, Unit
from theory.errors import InputError
from theory.files import parse_toml, read_text
from theory.numbers.checked import abbreviated

MOST_RULES = 1000
# Above the layers and heads of any model.
_MOST_INDEX = 10**4
Index = Annotated[int, Field(ge=0, le=_MOST_INDEX, strict=True)]
# What pydantic adds to a place for each member of a union.
_UNIONS = {"constrained-str", "list[constrained-int]", "list[text]", "table[file]"}
Texts = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Chosen = Annotated[str, Field(pattern=r"^(all|[0-9]{1,5}(-[0-9]{1,5})?)$")] | list[Index]


class RuleTable(Table):
    """`[[rule]]`: where `when` holds, attention goes to `target`.

    `fidelity` promises that much attention mass; `strength` adds that many nats to the target's scores and promises
    nothing. Exactly one of the two must be given.
    """

    name: Annotated[str, Field(min_length=1, max_length=100, description="Unique name")]
    when: Annotated[str, Field(description="Formula over the query's predicates")]
    target: Annotated[str, Field(description='own block, block N, first token, tokens(FORMULA) or anchors("NAME")')]
    fidelity: Annotated[Unit | None, Field(description="Promised attention mass on the target")] = None
    strength: Annotated[NonNegative | None, Field(description="Nats added to the target's scores")] = None
    layers: Annotated[Chosen, Field(description='"all", one number, a range such as "8-11", or a list; from 0')] = "all"
    heads: Annotated[Chosen, Field(description="As layers")] = "all"

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable() or name != name.strip():
            raise ValueError("must be printable, on one line, and neither start nor end with a space")
        return name

    @field_validator("layers", "heads")
    @classmethod
    def _some(cls, chosen: str | list[int]) -> str | list[int]:
        numbers = indices(chosen)
        if numbers is not None and not numbers:
            raise ValueError("must name at least one, with the smaller end of a range first")
        if numbers is not None and max(numbers) > _MOST_INDEX:
            raise ValueError(f"must be at most {_MOST_INDEX}")
        if isinstance(chosen, list) and len(chosen) > len(set(chosen)):
            raise ValueError("must not repeat a number")
        return chosen

    @model_validator(mode="after")
    def _one_wish(self) -> RuleTable:
        if (self.fidelity is None) == (self.strength is None):
            raise ValueError("exactly one of fidelity and strength must be given")
        return self


class AnchorTable(Table):
    """Anchors that `localist anchors` found and confirmed.

    A word matches a token with or without one space before it, a model's token exactly its text.
    """

    file: Annotated[str, Field(min_length=1, description="File of `localist anchors --out`, relative to the rule file")]
    label: Annotated[str | None, Field(min_length=1, description="Anchors of this label alone, else of all")] = None


def _list_or_table(value: Any) -> Any:
    if not isinstance(value, list | dict):
        raise ValueError('must be a list of texts, or a table such as { file = "ANCHORS.json" }')
    return value


Anchors = Annotated[
    Annotated[Texts, Tag("list[text]")] | Annotated[AnchorTable, Tag("table[file]")],
    Discriminator(lambda value: "list[text]" if isinstance(value, list) else "table[file]"),
    BeforeValidator(_list_or_table),
]


class RuleFile(Table):
    """Rules in order, and the token texts that `anchors("NAME")` refers to."""

    rule: Annotated[list[RuleTable], Field(min_length=1, max_length=MOST_RULES, description="Rules, as `[[rule]]`")]
    anchors: Annotated[
        dict[str, Anchors], Field(description="By name: lists of token texts, or files of `localist anchors`")
    ] = Field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule, read: its formulas, its promise or its strength in nats, and its layers and heads (None: all)."""

    name: str
    when: Formula
    target: Target
    fidelity: float | None = None
    strength: float | None = None
    layers: frozenset[int] | None = None
    heads: frozenset[int] | None = None


def indices(chosen: str | list[int]) -> frozenset[int] | None:
    """The numbers that `layers` or `heads` choose; None for all.

    >>> sorted(indices("8-11")), indices("all")
    ([8, 9, 10, 11], None)
    """
    if isinstance(chosen, list):
        return frozenset(chosen)
    if chosen == "all":
        return None
    first, _, last = chosen.partition("-")
    return frozenset(range(int(first), int(last or first) + 1))


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file. Raises InputError: one line with the place in the file and the law broken."""
    return parse_rules(read_text(path), str(path))


def anchors_of_files(text: str, name: str) -> dict[str, tuple[Path, list[str]]]:
    """The entries of `[anchors]` that name files: each with its file and the texts taken from it.

    Empty for a text that is no rule file. Raises InputError for a file that cannot be used.
    """
    text = text.replace("\r\n", "\n")
    try:
        file = RuleFile.model_validate(parse_toml(text, Path(name)))
    except (InputError, ValidationError, RecursionError):
        return {}
    tables = {each: given for each, given in file.anchors.items() if isinstance(given, AnchorTable)}
    taken = _Formulas(name, text, file, None).anchors if tables else {}
    return {each: (Path(name).parent / given.file, list(taken[each])) for each, given in tables.items()}


def parse_rules(text: str, name: str = "rules", anchors: Mapping[str, Sequence[str]] | None = None) -> list[Rule]:
    """The rules in the text of a file called `name`; files of anchors are relative to its folder.

    With `anchors` the texts of these entries are given, and no file is read. Raises InputError.
    """
    # TOML reads both line ends alike.
    text = text.replace("\r\n", "\n")
    tables = parse_toml(text, Path(name))
    try:
        file = RuleFile.model_validate(tables)
    except ValidationError as error:
        raise InputError(f"{name}{_complaint(error, text)}") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply") from None
    reader, names = _Formulas(name, text, file, anchors), [rule.name for rule in file.rule]
    for index, each in enumerate(names):
        if each in names[:index]:
            raise InputError(f"{name}{place_of(text, ['rule', index, 'name'])}: rule name {each!r} must be unique")
    return [reader.rule(index) for index in range(len(file.rule))]


class _Formulas:
    """Reads the formulas of a file's rules and checks each rule by itself."""

    def __init__(self, name: str, text: str, file: RuleFile, given: Mapping[str, Sequence[str]] | None) -> None:
        self.name, self.text, self.file, self._given = name, text, file, given
        self.anchors = {each: self._texts(each, given) for each, given in file.anchors.items()}

    def _texts(self, name: str, given: Sequence[str] | AnchorTable) -> Sequence[str]:
        """The token texts of an entry of `[anchors]`. Raises InputError with its place."""
        if not isinstance(given, AnchorTable):
            return given
        if self._given is not None:
            if name not in self._given:
                raise InputError(f"{self.name}: anchors.{toml_key(name)}: its texts are missing")
            return self._given[name]
        key = "file"
        try:
            found = read_anchors(Path(self.name).parent / given.file)
            if given.label is not None:
                key = "label"
                found = found.of_label(given.label)
        except InputError as error:
            place = place_of(self.text, ["anchors", name, key])
            # A path can hold line ends.
            said = " ".join(str(error).split())
            raise InputError(f"{self.name}{place}: anchors.{toml_key(name)}: {said}") from None
        return list(found.token_texts)

    def rule(self, index: int) -> Rule:
        """One rule of the file. Raises InputError."""
        table = self.file.rule[index]
        try:
            when = parse_formula(table.when)
        except FormulaError as error:
            raise self._error(index, "when", error) from None
        try:
            target = parse_target(table.target, self.anchors)
        except FormulaError as error:
            raise self._error(index, "target", error) from None
        self._check(index, when, target)
        layers, heads = indices(table.layers), indices(table.heads)
        return Rule(table.name, when, target, table.fidelity, table.strength, layers, heads)

    def _check(self, index: int, when: Formula, target: Target) -> None:
        chosen = target.formula
        theory = TokenTheory([when] if chosen is None else [when, chosen], Shape())
        query, key = theory.token("query"), theory.token("key")
        solver, holds = theory.solver(query.laws), query.satisfies(when)
        if possible(solver, holds) is False:
            raise self._error(index, "when", FormulaError(0, "is contradictory: it holds at no token"))
        solver.push()
        solver.add(z3.Not(holds))
        if possible(solver) is False:
            raise self._error(index, "when", FormulaError(0, "always holds: a condition must tell tokens apart"))
        solver.pop()
        if chosen is None:
            return
        solver.add(key.laws, key.satisfies(chosen))
        if possible(solver) is False:
            raise self._error(index, "target", FormulaError(0, "is contradictory: it holds at no token"))
        solver.add(holds, theory.sees(query, key))
        if possible(solver) is False:
            law = "can never be visible: no query at which the rule's condition holds sees such a key"
            raise self._error(index, "target", FormulaError(0, law))

    def _error(self, index: int, field: str, error: FormulaError) -> InputError:
        place = place_of(self.text, ["rule", index, field], error.at)
        return InputError(f"{self.name}{place}: rule {self.file.rule[index].name!r}: {field}: {error.law}")


def _complaint(error: ValidationError, text: str) -> str:
    """Place, value and law of the first mistake in the tables."""
    complaints = error.errors(include_url=False)
    # An unknown key is usually a misspelt one, and the reason why another is missing.
    first = next((each for each in complaints if each["type"] == "extra_forbidden"), complaints[0])
    keys = _keys(first)
    # A union complains once per member.
    law = " or ".join(dict.fromkeys(_law(each) for each in complaints if _keys(each) == keys))
    given = first["input"]
    shown = f"={abbreviated(given)}" if isinstance(given, str | int | float | list) else ""
    named = ".".join(toml_key(str(key)) for key in keys)
    around = keys[:-1] if first["type"] == "missing" else keys
    # A table stands where its first key does.
    place = place_of(text, [*around, *list(given)[:1]] if isinstance(given, dict) else keys)
    return f"{place}: {f'{named}{shown}: ' if named else ''}{law}"


def _keys(complaint: Any) -> list[str | int]:
    return [key for key in complaint["loc"] if key not in _UNIONS]


def _law(complaint: Any) -> str:
    match complaint["type"]:
        case "missing":
            return "must be given"
        case "extra_forbidden":
            return "no such key; is it misspelt?"
    message = complaint["msg"].removeprefix("Value error, ")
    return re.sub(r"^(Input|List|String) should", "must", message)
