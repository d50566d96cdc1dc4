"""What every kind of instance has: a readable text, a strategy, the letters' definitions, checks of assumptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Definition


class Instance:
    """A dataclass of exact numbers; prints its fields, but for those at their default."""

    @property
    def levels(self) -> int:
        """How many different exponentials its exact forms contain."""
        return 0

    def __str__(self) -> str:
        values = ((each, getattr(self, each.name)) for each in fields(self))  # type: ignore[arg-type]
        shown_fields = (f"{each.name} {shown(value)}" for each, value in values if value != each.default)
        return ", ".join(shown_fields).replace("_", " ")


def shown(value: Any) -> str:
    """An exact number to six digits, a tuple or an instance in brackets, anything else as it prints."""
    if isinstance(value, tuple | Instance):
        return f"({', '.join(map(shown, value)) if isinstance(value, tuple) else value})"
    return f"{float(value):.6g}" if isinstance(value, Fraction) else str(value)


def built_in(instance: Any) -> bool:
    """True: the type of the instance enforces the assumption."""
    return True


@dataclass(frozen=True)
class InstanceKind:
    """How to draw an instance, and the value of every letter on it, from definitions alone.

    `structure` checks, by name, the assumptions that are not relations of letters. `strategy` draws instances that keep
    every assumption, `astray` instances that break one, to which no true statement applies.
    """

    strategy: Callable[[], st.SearchStrategy[Any]]
    definitions: Mapping[Symbol, Definition]
    structure: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    astray: Callable[[], st.SearchStrategy[Any]] | None = None

    def instances(self) -> st.SearchStrategy[Any]:
        """The strategy for the methods: one instance in four breaks an assumption, if the kind has such instances."""
        lawful = self.strategy()
        if self.astray is None:
            return lawful
        astray = self.astray()
        return st.integers(0, 3).flatmap(lambda drawn: astray if drawn == 3 else lawful)

    def each(self, look: Callable[[Any], None], instances: int, random_seed: int, shrink: bool = False) -> None:
        """Draws that many instances and passes each to `look`.

        The same seed draws the same instances if the same modules are loaded (see `methods.sampling.sample`). An error
        in `look` ends the drawing and is raised, from the shrunk instance if `shrink` is set.
        """

        @seed(random_seed)
        @settings(
            max_examples=instances,
            database=None,
            deadline=None,
            # The seed decides even if a profile derandomises, which derives the seed from the function's name.
            derandomize=False,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        )
        @given(self.instances())
        def draw(instance: Any) -> None:
            look(instance)

        draw()
