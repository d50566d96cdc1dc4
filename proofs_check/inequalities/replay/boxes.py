"""Reads the boxes and nodes of a certificate, strictly. Shares no code with the search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

Side = tuple[Fraction | None, Fraction | None, bool, bool]
Box = dict[str, Side]
# A number, the name of a letter, or the index of a node without letters.
Place = Mapping[str, Fraction | str | int]


class Broken(Exception):
    """A defect of a certificate."""


def spelt(document: Any) -> str:
    """The document in canonical JSON."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def natural(x: Any) -> int:
    """The number, if it is whole and not negative."""
    if type(x) is not int or x < 0:
        raise Broken(f"{x!r} must be a whole number")
    return x


def valid_node(node: Any, index: int) -> list[Any]:
    """The node, if it names only earlier ones and has the shape of its kind."""
    op, *parts = node
    shapes = {"x": str, "q": str}
    if op in shapes:
        if len(parts) != 1 or type(parts[0]) is not str:
            raise Broken(f"node {index} is malformed")
        if op == "q":
            Fraction(parts[0])
        return [op, *parts]
    if op in ("pi", "nothing"):
        return [op]
    if op == "case" and parts[0] not in ("<", "<=", ">", ">="):
        raise Broken(f"node {index} compares by {parts[0]!r}")
    if op == "^" and type(parts[1]) is not int:
        raise Broken(f"node {index} has a power that is not whole")
    if op in ("root", "moment") and (type(parts[0]) is not int or parts[0] < (2 if op == "root" else 0)):
        raise Broken(f"node {index} has a wrong order")
    below = children([op, *parts])
    if len(below) != _ARITY.get(op, len(below)) or not below:
        raise Broken(f"node {index} has a wrong number of parts")
    if op not in _ARITY and op not in ("+", "*"):
        raise Broken(f"node {index} is of no known kind: {op!r}")
    for part in below:
        if type(part) is not int or not 0 <= part < index:
            raise Broken(f"node {index} names what does not come before it")
    return [op, *parts]


_ARITY = dict.fromkeys(("^", "root", "moment", "exp", "log", "logistic", "logit", "entropy", "abs"), 1)
_ARITY |= {
    **dict.fromkeys(("cos", "sin", "tan", "acos", "asin", "atan", "lambertw"), 1),
    "kl": 2,
    "max": 2,
    "min": 2,
    "case": 3,
}


def children(node: list[Any]) -> list[int]:
    """The nodes that a node names."""
    op, *parts = node
    if op in ("x", "q", "pi", "nothing"):
        return []
    if op == "^":
        return parts[:1]
    return parts[1:] if op in ("root", "moment", "case") else parts


def data_of(node: list[Any]) -> list[Any]:
    """The entries of a node other than the nodes it names."""
    op, *parts = node
    if op in ("x", "q"):
        return [op, parts[0]]
    if op == "^":
        return [op, parts[1]]
    return [op, parts[0]] if op in ("root", "moment", "case") else [op]


def below(nodes: list[list[Any]], index: int) -> set[int]:
    """A node and all nodes that it depends on."""
    seen: set[int] = set()
    waiting = [index]
    while waiting:
        i = waiting.pop()
        if i not in seen:
            seen.add(i)
            waiting += children(nodes[i])
    return seen


def letters_below(nodes: list[list[Any]], index: int) -> set[str]:
    """The letters that a node depends on."""
    return {nodes[i][1] for i in below(nodes, index) if nodes[i][0] == "x"}


def read_side(side: Mapping[str, Any]) -> Side:
    """A letter's interval; `Broken` if it is empty."""
    least = None if side["low"] == "-inf" else Fraction(side["low"])
    most = None if side["high"] == "inf" else Fraction(side["high"])
    least_missed, most_missed = side["low_open"], side["high_open"]
    if type(least_missed) is not bool or type(most_missed) is not bool:
        raise Broken("an end must be open or closed")
    if (least is None and not least_missed) or (most is None and not most_missed):
        raise Broken("an infinite end is open")
    if least is not None and most is not None and (least > most or (least == most and (least_missed or most_missed))):
        raise Broken("the domain is empty")
    return least, most, least_missed, most_missed


def image(change: Mapping[str, Any], side: Side) -> Side:
    """The new letter's side; `Broken` unless the change maps it onto all of the old letter's side."""
    least, most, least_missed, most_missed = side
    shift, sign, kind = Fraction(change["shift"]), change["sign"], change["kind"]
    if sign not in (1, -1) or kind not in ("reciprocal", "lambert"):
        raise Broken("the change of a letter is of no known kind")
    if kind == "lambert":
        if shift != 0 or sign != 1 or least != 0 or most is not None:
            raise Broken("the change does not start at the end")
        return side
    end, missed, far = (least, least_missed, most) if sign == 1 else (most, most_missed, least)
    if end is None or far is not None:
        raise Broken("a change of a letter needs one finite end")
    gap = sign * (end - shift)
    if gap < 0 or (gap == 0 and not missed):
        raise Broken("the change does not reach the end")
    return (Fraction(0), 1 / gap, True, missed) if gap else (Fraction(0), None, True, True)


def part_above(name: str, change: Mapping[str, Any], box: Box) -> Side:
    """The side of `t >= 0` that covers a case: `name = other + t`, or `name = shift + sign t`."""
    least, most = box[name][:2] if name in box else (None, None)
    if change["kind"] == "above":
        other = box[change["other"]][0] if change["other"] != name else None
        far = None if most is None or other is None else most - other
    else:
        shift, end = change["shift"], most if change["sign"] == 1 else least
        far = None if end is None else (end - shift) * change["sign"]
    if far is not None and far < 0:
        raise Broken("a case holds no point")
    return Fraction(0), far, False, far is None


def cut(side: Side, at: Fraction, after: bool) -> tuple[Side, Side]:
    """The two parts of a side cut at a number; the number belongs to the first part if `after`."""
    least, most, least_missed, most_missed = side
    if not closure_holds(side, at) or type(after) is not bool:
        raise Broken("a box is cut outside itself")
    return (least, at, least_missed, not after), (at, most, after, most_missed)


def holds(side: Side, x: Fraction) -> bool:
    """Whether a number lies in a side."""
    least, most, least_missed, most_missed = side
    above = least is None or x > least or (x == least and not least_missed)
    return above and (most is None or x < most or (x == most and not most_missed))


def closure_holds(side: Side, x: Fraction) -> bool:
    """Whether a number lies in a side or at its ends."""
    return (side[0] is None or x >= side[0]) and (side[1] is None or x <= side[1])


def joined(a: Side, b: Side) -> Side:
    """The smallest side that holds both."""
    least: Fraction | None = None
    most: Fraction | None = None
    least_missed = most_missed = True
    if a[0] is not None and b[0] is not None:
        least = min(a[0], b[0])
        least_missed = all(side[2] for side in (a, b) if side[0] == least)
    if a[1] is not None and b[1] is not None:
        most = max(a[1], b[1])
        most_missed = all(side[3] for side in (a, b) if side[1] == most)
    return least, most, least_missed, most_missed


def apart(low: Side, high: Side) -> bool | None:
    """None if `low` does not lie below `high`; else whether they share no number."""
    if low[1] is None or high[0] is None or low[1] > high[0]:
        return None
    return low[1] < high[0] or low[3] or high[2]


def pinned(box: Box) -> dict[str, Fraction | str | int]:
    """The letters whose side is a single number, with that number."""
    return {name: side[0] for name, side in box.items() if side[0] is not None and side[0] == side[1]}


def shown(box: Box) -> str:
    """A box as text."""
    sides = []
    for name, (least, most, least_missed, most_missed) in sorted(box.items()):
        low, high = "-inf" if least is None else least, "inf" if most is None else most
        sides.append(f"{name} in {'(' if least_missed else '['}{low}, {high}{')' if most_missed else ']'}")
    return ", ".join(sides)
