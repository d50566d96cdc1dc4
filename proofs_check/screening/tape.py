"""Claims as a list of operations: written once, run on every batch; what several sides share is computed once.

The list is written by evaluating each side on placeholders that record what is done to them, so `theory.lowering`
alone says what an expression means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sympy import Expr, Symbol, true

from theory.lowering import Target, evaluate, relation

Operation = Callable[..., Any]


class Placeholder:
    """The number that a line of the tape will hold."""

    __slots__ = ("line", "tape")

    def __init__(self, tape: Tape, line: int) -> None:
        self.tape, self.line = tape, line

    def __add__(self, other: Any) -> Placeholder:
        return self.tape.record(_add, self, other)

    def __mul__(self, other: Any) -> Placeholder:
        return self.tape.record(_multiply, self, other)

    def __truediv__(self, other: Any) -> Placeholder:
        return self.tape.record(_divide, self, other)

    def __rtruediv__(self, other: Any) -> Placeholder:
        return self.tape.record(_divide, self.tape.constant(other), self)

    def __pow__(self, other: Any) -> Placeholder:
        return self.tape.record(_raise, self, other)


def _add(a: Any, b: Any) -> Any:
    return a + b


def _multiply(a: Any, b: Any) -> Any:
    return a * b


def _divide(a: Any, b: Any) -> Any:
    return a / b


def _raise(a: Any, b: Any) -> Any:
    return a**b


class _Condition(NamedTuple):
    lhs: Any
    rhs: Any
    rel_op: str


def _branch(sign: str | None, numbers: Iterator[Any]) -> tuple[Any, Operation, Any]:
    condition = true if sign is None else _Condition(next(numbers), next(numbers), sign)
    return condition, lambda number: number, next(numbers)


class Tape:
    """Operations in order; each names the lines it reads."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lines: list[tuple[Operation, tuple[int, ...]]] = []
        self._known: dict[Any, Placeholder] = {}
        self._letters: dict[int, Symbol] = {}
        self._recording = Target(
            target.name,
            self.constant,
            {node: self._recorder(operation) for node, operation in target.operations.items()},
            self._choose,
        )

    def _recorder(self, operation: Operation) -> Operation:
        return lambda *arguments: self.record(operation, *arguments)

    def constant(self, value: Any) -> Placeholder:
        """A number of the expression."""
        number = self._target.number(value)
        return self._line((Tape.constant, value), lambda: number, ())

    def record(self, operation: Operation, *arguments: Any) -> Placeholder:
        """One operation on placeholders and plain integers."""
        lines = tuple(x.line if isinstance(x, Placeholder) else None for x in arguments)
        if None in lines:
            # Only the exponent of a power is a plain integer.
            base, exponent = arguments
            return self._line((operation, lines, exponent), lambda x: operation(x, exponent), (base.line,))
        return self._line((operation, lines), operation, lines)

    def _choose(self, branches: list[tuple[Any, Operation, Expr]]) -> Placeholder:
        # The sides of every condition and every branch go on the tape; the target chooses among the numbers.
        arguments: list[Placeholder] = []
        shapes: list[str | None] = []
        for condition, walk, branch in branches:
            if condition == true:
                shapes.append(None)
                arguments.append(walk(branch))
            else:
                left, sign, right = relation(condition, walk)
                shapes.append(sign)
                arguments += [left, right, walk(branch)]

        def operation(*numbers: Any) -> Any:
            held = iter(numbers)
            return self._target.choose([_branch(shape, held) for shape in shapes])

        return self.record(operation, *arguments)

    def _line(self, key: Any, operation: Operation, lines: tuple[Any, ...]) -> Placeholder:
        if key not in self._known:
            self._known[key] = Placeholder(self, len(self._lines))
            self._lines.append((operation, lines))
        return self._known[key]

    def add(self, expr: Expr) -> int:
        """Puts an expression on the tape; returns its line. Raises `UnknownNode` as `evaluate` does."""
        letters = {}
        for letter in expr.free_symbols:
            letters[letter] = self._line(letter, lambda: None, ())
            self._letters[letters[letter].line] = letter
        return int(evaluate(expr, letters, self._recording).line)

    def letter_at(self, line: int) -> Symbol | None:
        """The letter on a line, None if it holds no letter."""
        return self._letters.get(line)

    def line_of(self, letter: Symbol) -> int:
        """The line of a letter."""
        return self._known[letter].line

    def operation_at(self, line: int) -> tuple[Operation, tuple[int, ...]]:
        """What a line does, and the lines it reads."""
        return self._lines[line]


class Run:
    """The numbers on a tape for one batch, each computed on first access.

    `known` is for the caller: what it has found on this run.
    """

    def __init__(self, tape: Tape, letter: Callable[[Symbol], Any]) -> None:
        self._tape, self._letter = tape, letter
        self._numbers: dict[int, Any] = {}
        self.known: dict[Any, Any] = {}

    def only(self, rows: Any) -> Run:
        """The same tape on some of the rows, recomputed from the letters."""
        return Run(self._tape, lambda letter: self._letter_on(letter, rows))

    def _letter_on(self, letter: Symbol, rows: Any) -> Any:
        return self.number(self._tape.line_of(letter))[rows]

    def number(self, line: int) -> Any:
        """The number on a line."""
        if line not in self._numbers:
            self._numbers[line] = self._work_out(line)
        return self._numbers[line]

    def _work_out(self, line: int) -> Any:
        letter = self._tape.letter_at(line)
        if letter is not None:
            return self._letter(letter)
        operation, lines = self._tape.operation_at(line)
        return operation(*[self.number(each) for each in lines])
