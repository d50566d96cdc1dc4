"""The replay's reading of a claim in sympy's spelling, and its comparison with a certificate's nodes.

The text is parsed, never run. Sums, products, `Max` and `Min` may list their parts in any order; everything else
must agree node by node. Shares no code with the search.
"""

from __future__ import annotations

import ast
from fractions import Fraction
from math import prod
from typing import Any

from proofs_check.inequalities.replay.boxes import Broken, children, data_of

RELATIONS = {"GreaterThan": ">=", "StrictGreaterThan": ">", "LessThan": "<=", "StrictLessThan": "<"}
_FUNCTIONS = {"exp": "exp", "log": "log", "cos": "cos", "sin": "sin", "acos": "acos", "asin": "asin", "Abs": "abs"}
_FUNCTIONS |= {"tan": "tan", "atan": "atan", "LambertW": "lambertw"}
_FUNCTIONS |= {"Logistic": "logistic", "Logit": "logit", "BinaryEntropy": "entropy", "BinaryDivergence": "kl"}
_UNORDERED = {"Add": "+", "Mul": "*", "Max": "max", "Min": "min"}
# A float's decimal exponent has at most this many digits: a longer one would become a huge integer.
_EXPONENT = 5
# A root of higher order, such as the float exponent 0.1 means, is read as an exponential of a logarithm.
_HIGHEST_ROOT = 64


class Stated:
    """The stated claim as nodes of its own: the relation and the nodes of its two sides.

    Hyperbolic functions are written in exponentials.
    """

    def __init__(self, text: str) -> None:
        self.nodes: list[list[Any]] = []
        self._whole: dict[str, bool] = {}
        try:
            name, sides = _call(ast.parse(text, mode="eval").body)
        except (SyntaxError, ValueError, MemoryError) as error:
            raise Broken(f"the stated claim cannot be read: {error}") from None
        if name not in RELATIONS or len(sides) != 2:
            raise Broken(f"the stated claim is not an inequality but {name}")
        self.relation = RELATIONS[name]
        self.lhs, self.rhs = (self._read(side) for side in sides)

    @property
    def integers(self) -> set[str]:
        """The letters that are assumed to be integers."""
        return {letter for letter, whole in self._whole.items() if whole}

    def _node(self, *node: Any) -> int:
        self.nodes.append(list(node))
        return len(self.nodes) - 1

    def _number(self, value: Fraction) -> int:
        return self._node("q", str(value))

    def _read(self, written: ast.expr) -> int:
        name, args = _call(written)
        if name in ("Symbol", "Dummy"):
            letter = _literal(args[0], str)
            words = {word.arg: word.value for word in written.keywords} if isinstance(written, ast.Call) else {}
            whole = "integer" in words and _literal(words["integer"], bool)
            if self._whole.setdefault(letter, whole) is not whole:
                raise Broken(f"the stated claim has two letters {letter}")
            return self._node("x", letter)
        if name in ("Integer", "Rational"):
            return self._number(Fraction(*(_literal(arg, int) for arg in args)))
        if name == "Float":
            return self._number(_float(_literal(args[0], str), written))
        if name in ("pi", "E"):
            return self._node("pi") if name == "pi" else self._node("exp", self._number(Fraction(1)))
        if name == "Pow":
            return self._power(*args)
        if name == "Moment":
            return self._node("moment", _literal(_call(args[0])[1][0], int), self._read(args[1]))
        if name == "Piecewise":
            return self._cases(args)
        if name in ("sinh", "cosh", "tanh"):
            return self._in_exponentials(name, self._read(*args))
        if name in _UNORDERED and args:
            return self._node(_UNORDERED[name], *map(self._read, args))
        if name not in _FUNCTIONS:
            raise Broken(f"the stated claim has {name}, which has no meaning here")
        return self._node(_FUNCTIONS[name], *map(self._read, args))

    def _power(self, base: ast.expr, exponent: ast.expr) -> int:
        if _call(base)[0] == "E":
            return self._node("exp", self._read(exponent))
        inner, by = self._read(base), self._read(exponent)
        power = Fraction(self.nodes[by][1]) if self.nodes[by][0] == "q" else None
        if power is None or power.denominator > _HIGHEST_ROOT:
            return self._node("exp", self._node("*", by, self._node("log", inner)))
        if power.denominator != 1:
            inner = self._node("root", power.denominator, inner)
        return inner if power.numerator == 1 else self._node("^", inner, power.numerator)

    def _cases(self, pairs: list[ast.expr]) -> int:
        if not pairs:
            return self._node("nothing")
        value, condition = _call(pairs[0])[1]
        name, sides = _call(condition)
        if name in ("true", "false"):
            return self._read(value) if name == "true" else self._cases(pairs[1:])
        if name not in RELATIONS:
            raise Broken(f"the stated claim has the condition {name}, which has no meaning here")
        first, second = map(self._read, sides)
        gap = self._node("+", first, self._node("*", self._number(Fraction(-1)), second))
        return self._node("case", RELATIONS[name], gap, self._read(value), self._cases(pairs[1:]))

    def _in_exponentials(self, name: str, inner: int) -> int:
        minus = self._number(Fraction(-1))
        up, down = self._node("exp", inner), self._node("exp", self._node("*", minus, inner))
        if name == "tanh":
            rise, total = self._node("+", up, self._node("*", minus, down)), self._node("+", up, down)
            return self._node("*", rise, self._node("^", total, -1))
        half, other = self._number(Fraction(1, 2)), self._number(Fraction(-1 if name == "sinh" else 1, 2))
        return self._node("+", self._node("*", half, up), self._node("*", other, down))


def _call(written: ast.expr) -> tuple[str, list[ast.expr]]:
    if isinstance(written, ast.Name):
        return written.id, []
    if not isinstance(written, ast.Call) or not isinstance(written.func, ast.Name):
        raise Broken("the stated claim is not in sympy's spelling")
    return written.func.id, written.args


def _literal(written: ast.expr, kind: type) -> Any:
    value = ast.literal_eval(written)
    if type(value) is not kind:
        raise Broken(f"the stated claim has {value!r} in a wrong place")
    return value


def _float(digits: str, written: ast.expr) -> Fraction:
    """The number of `precision` bits nearest to the digits: the value of the float that sympy spelt so."""
    words = {word.arg: word.value for word in written.keywords} if isinstance(written, ast.Call) else {}
    bits = _literal(words["precision"], int)
    if len(digits.lower().partition("e")[2].lstrip("+-")) > _EXPONENT:
        raise Broken(f"the stated claim has a number of unusual size: {digits}")
    value = Fraction(digits)
    if not value:
        return value
    unit = Fraction(2) ** (value.numerator.bit_length() - value.denominator.bit_length() - bits - 1)
    while abs(round(value / unit)).bit_length() > bits:
        unit *= 2
    return round(value / unit) * unit


class Matching:
    """Compares nodes of a certificate with those of a stated claim."""

    def __init__(self, nodes: list[list[Any]], stated: Stated) -> None:
        self._nodes, self._stated = nodes, stated
        self._known: dict[tuple[int, int], bool] = {}

    def same(self, index: int, said: int) -> bool:
        """Whether a node equals the stated one, down to the letters."""
        if (index, said) not in self._known:
            self._known[index, said] = self._equal(index, said)
        return self._known[index, said]

    def _equal(self, index: int, said: int) -> bool:
        ours, theirs = self._nodes[index], self._stated.nodes[said]
        if ours[0] == theirs[0] == "q":
            return Fraction(ours[1]) == Fraction(theirs[1])
        if data_of(ours) != data_of(theirs):
            return False
        if ours[0] in _UNORDERED.values():
            mine, number = _parts(self._nodes, index)
            others, other_number = _parts(self._stated.nodes, said)
            return number == other_number and self._same_parts(mine, others)
        mine, others = children(ours), children(theirs)
        return len(mine) == len(others) and all(map(self.same, mine, others))

    def _same_parts(self, mine: list[int], others: list[int]) -> bool:
        """Whether each part has its own counterpart; equality is transitive, so any counterpart will do."""
        left = list(others)
        for part in mine:
            found = next((other for other in left if self.same(part, other)), None)
            if found is None:
                return False
            left.remove(found)
        return not left


def _parts(nodes: list[list[Any]], index: int) -> tuple[list[int], Fraction | None]:
    """The parts of a sum, `Max` or `Min`; for a product, its other factors and the product of its numbers.

    sympy spells the coefficient -1/2 as two factors, and nodes take the parts of `Max` and `Min` two at a time.
    """
    op, *parts = nodes[index]
    if op in ("max", "min"):
        return [inner for part in parts for inner in (_parts(nodes, part)[0] if nodes[part][0] == op else [part])], None
    if op == "+":
        return list(parts), None
    numbers = [Fraction(nodes[part][1]) for part in parts if nodes[part][0] == "q"]
    return [part for part in parts if nodes[part][0] != "q"], prod(numbers, start=Fraction(1))
