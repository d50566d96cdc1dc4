"""Words the claim that a certificate's nodes make. Shares no code with the search."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.replay.boxes import Side, children, shown

# How tightly a text binds: sums, products, powers, single words.
_SUM, _PRODUCT, _POWER, _WORD = range(4)
# A side with more nodes than this is too long to read, and not written out.
_LONGEST = 2000


def worded(nodes: list[list[Any]], lhs: int, relation: str, rhs: int, domain: Mapping[str, Side]) -> str:
    """The claim in words: its two sides, and where each letter ranges."""
    where = shown(dict(domain))
    return f"{_side(nodes, lhs)} {relation} {_side(nodes, rhs)}" + (f" for {where}" if where else "")


def _side(nodes: list[list[Any]], index: int) -> str:
    sizes: dict[int, int] = {}

    def size(i: int) -> int:
        if i not in sizes:
            sizes[i] = 1 + sum(size(part) for part in children(nodes[i]))
        return sizes[i]

    return f"(an expression of {size(index)} parts)" if size(index) > _LONGEST else _text(nodes, index, _SUM)


def _text(nodes: list[list[Any]], index: int, at_least: int) -> str:
    text, tightness = _written(nodes, index)
    return text if tightness >= at_least else f"({text})"


def _written(nodes: list[list[Any]], index: int) -> tuple[str, int]:
    op, *parts = nodes[index]
    if op in ("x", "pi", "nothing"):
        return (parts[0] if parts else op), _WORD
    if op == "q":
        value = Fraction(parts[0])
        return str(value), _SUM if value < 0 else _WORD if value.denominator == 1 else _PRODUCT
    if op == "+":
        text = " + ".join(_text(nodes, part, _SUM) for part in parts)
        return text.replace("+ -", "- "), _SUM
    if op == "*":
        if nodes[parts[0]] == ["q", "-1"] and len(parts) > 1:
            return "-" + "*".join(_text(nodes, part, _POWER) for part in parts[1:]), _SUM
        return "*".join(_text(nodes, part, _POWER) for part in parts), _PRODUCT
    if op == "^":
        power = str(parts[1]) if parts[1] > 0 else f"({parts[1]})"
        return f"{_text(nodes, parts[0], _WORD)}^{power}", _POWER
    inner = [_text(nodes, part, _SUM) for part in children(nodes[index])]
    if op == "root":
        return (f"sqrt({inner[0]})" if parts[0] == 2 else f"root({parts[0]}, {inner[0]})"), _WORD
    if op == "case":
        return f"({inner[1]} if {inner[0]} {parts[0]} 0 else {inner[2]})", _WORD
    return f"{op}({', '.join([str(parts[0])] * (op == 'moment') + inner)})", _WORD
