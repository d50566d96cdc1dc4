"""Has pytest decide each function of a test file that is marked with `@localist.bound`.

pytest loads this module wherever localist is installed, so it imports nothing that is slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proofs_check.marked import Bound
from theory.errors import LocalistError


class NotEstablished(Exception):
    """A bound has a lower status than its test asks for, or could not be decided."""


class BoundItem(pytest.Item):
    """One marked bound of a test file; it passes if its status is at least the one asked for."""

    def __init__(self, *, bound: Bound, **where: Any) -> None:
        super().__init__(**where)
        self.bound = bound

    def runtest(self) -> None:
        """Runs every method on the bound. Raises `NotEstablished` with what they found."""
        from proofs_check.findings import Effort
        from proofs_check.own_bounds import decide, statement_of

        effort = Effort(samples=self.bound.samples, seed=self.bound.seed)
        try:
            found = decide(statement_of(self.bound, self.name), Path(self.path).parent, effort, self.bound.rows)
        except LocalistError as error:
            raise NotEstablished(str(error)) from None
        if not found.status.at_least(self.bound.at_least):
            raise NotEstablished("\n".join(_lines(found, self.bound)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:
        """What the methods found, in place of a traceback; a traceback for a defect."""
        known = isinstance(excinfo.value, NotEstablished)
        return str(excinfo.value) if known else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file and the line of the marked function."""
        return self.path, self.bound.make.__code__.co_firstlineno - 1, self.name


def _lines(found: Any, bound: Bound) -> Iterator[str]:
    yield f"{found.id} is {found.status.value}; asked for: {bound.at_least.value}"
    yield from (f"  {reason}" for reason in found.reasons)
    yield from (f"  {method}: {what}" for method, what in found.findings)
    yield from (f"  mutant {each.clause}, {each.mutation}: {each.verdict.value}" for each in found.mutants)


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """A marked bound becomes a test, whatever its name."""
    return BoundItem.from_parent(collector, name=name, bound=obj) if isinstance(obj, Bound) else None
