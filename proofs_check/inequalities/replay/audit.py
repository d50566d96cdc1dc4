"""Checks the argument of every box of a certificate again. Shares no code with the search."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from flint import ctx

from proofs_check.inequalities.replay import boxes
from proofs_check.inequalities.replay.algebra import Algebra
from proofs_check.inequalities.replay.boxes import Box, Broken, Side, children, data_of, letters_below, natural
from proofs_check.inequalities.replay.forms import Forms
from proofs_check.inequalities.replay.leaves import Leaves, enough
from proofs_check.inequalities.replay.nodes import read
from proofs_check.inequalities.replay.quotients import Quotient
from proofs_check.inequalities.replay.ranges import Nowhere, Range
from proofs_check.inequalities.replay.reading import Reading
from proofs_check.inequalities.replay.stated import Matching, Stated
from proofs_check.inequalities.replay.wording import worded

_DOUBLINGS = 3
_STATEMENT = {"srepr", "sha256", "relation", "lhs", "rhs", "domain"}
_PAYLOAD = {"format", "statement", "substitution", "nodes", "difference", "aliases", "pieces", "tree", "boxes"}
_PAYLOAD |= {"versions"}


class Audit:
    """The check of one certificate."""

    def __init__(self, payload: Mapping[str, Any], given: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> None:
        statement = payload["statement"]
        _only({"through": None, **payload}, _PAYLOAD | {"through"}, "a certificate")
        _only(statement, _STATEMENT, "a statement")
        text = boxes.spelt([statement["srepr"], {n: statement["domain"][n] for n in sorted(statement["domain"])}])
        if hashlib.sha256(text.encode()).hexdigest() != statement["sha256"]:
            raise Broken("the statement's hash does not match")
        if statement["relation"] not in (">=", ">", "<=", "<"):
            raise Broken(f"relation {statement['relation']!r} is not one of the four inequalities")
        self.nodes: list[list[Any]] = [boxes.valid_node(node, i) for i, node in enumerate(payload["nodes"])]
        self.strict = statement["relation"] in (">", "<")
        self.difference = int(payload["difference"])
        self.tree = payload["tree"]
        domain = {name: boxes.read_side(side) for name, side in statement["domain"].items()}
        bigger, smaller = statement["lhs"], statement["rhs"]
        if statement["relation"] in ("<=", "<"):
            bigger, smaller = smaller, bigger
        used = letters_below(self.nodes, bigger) | letters_below(self.nodes, smaller)
        self.box: Box = {name: domain[name] for name in used}
        self._domain, self._sides = dict(self.box), (bigger, smaller)
        self._changed: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for name, change in given:
            self._change(name, change, boxes.part_above(name, change, self.box))
        for name, change in payload["substitution"].items():
            self._change(name, change, boxes.image(change, self.box[name]) if name in self.box else None)
        through = payload.get("through") or {"by": "nothing", "factor": None}
        _only(through, {"by", "factor"}, "a way to compare the sides")
        self._by: str = through["by"]
        self._factor: int | None = through["factor"]
        unknown = letters_below(self.nodes, self.difference) - set(self.box)
        if unknown:
            raise Broken(f"letters {sorted(unknown)} have no domain")
        self.algebra = Algebra(sorted(self.box), _nonnegative(self.box))
        stated = Stated(statement["srepr"])
        self._integers = stated.integers & used
        self.claim = self._derived_claim(statement, stated, {name: domain[name] for name in used})
        self._bigger = self._check_difference(bigger, smaller)
        self.aliases = self._checked_aliases(payload["aliases"])
        self.pieces = [
            Forms(
                self.nodes,
                self.difference,
                self._written_factor,
                self._factor is not None,
                self.algebra,
                piece,
                self.aliases,
            )
            for piece in payload["pieces"]
        ]
        self.leaves = 0

    def _written_factor(self, algebra: Algebra) -> Quotient:
        """The factor taken out of the difference, in the letters that replace those of the claim."""
        moved = {name: self._moved(name, algebra) for name in self._changed}
        one = algebra.number(Fraction(1))
        return one if self._factor is None else read(algebra, self.nodes, self._factor, moved, {})

    def _change(self, name: str, change: Mapping[str, Any], side: Side | None) -> None:
        new = change["new"]
        if name not in self.box or side is None or new in self.box or new in self._changed:
            raise Broken(f"the change of {name} does not replace a letter of the claim by a new one")
        del self.box[name]
        self.box[new] = side
        self._changed[name] = (new, change)

    def _derived_claim(self, statement: Mapping[str, Any], stated: Stated, domain: Box) -> str:
        """The claim that the nodes make, in words; `Broken` unless it is the one stated."""
        lhs, relation, rhs = statement["lhs"], statement["relation"], statement["rhs"]
        claim = worded(self.nodes, lhs, relation, rhs, domain)
        same = Matching(self.nodes, stated).same
        if stated.relation != relation or not (same(lhs, stated.lhs) and same(rhs, stated.rhs)):
            raise Broken(f"the claim stated is not the one replayed, which is {claim}")
        return claim

    def run(self) -> int:
        """Checks every leaf; returns their number."""
        waiting: list[tuple[Any, Box, dict[int, bool]]] = [(self.tree, self.box, {})]
        while waiting:
            cell, box, taken = waiting.pop()
            if "either" in cell:
                first, second = cell["parts"]
                kink = natural(cell["either"])
                # The kink has one of its two values, so the claim holds if it holds with either.
                waiting += [(first, box, {**taken, kink: True}), (second, box, {**taken, kink: False})]
                continue
            if "cut" in cell:
                name, at, after = cell["cut"]
                first, second = cell["parts"]
                lower, upper = boxes.cut(box[name], Fraction(at), after)
                waiting += [(first, {**box, name: lower}, taken), (second, {**box, name: upper}, taken)]
                continue
            self._check_leaf(cell, box, taken)
            self.leaves += 1
        return self.leaves

    def _check_difference(self, bigger: int, smaller: int) -> int:
        """Checks that the difference is the claim's larger side minus the smaller, after the changes of letters.

        Both may stand under a logarithm or an exponential, or be raised to a power: these rise. Returns the larger
        side's node.
        """
        node = self.nodes[self.difference]
        if node[0] != "+" or len(node) != 3:
            raise Broken("the difference is not one side minus the other")
        minus = self.nodes[node[2]]
        if minus[0] != "*" or len(minus) != 3 or self.nodes[minus[1]] != ["q", "-1"]:
            raise Broken("the difference is not one side minus the other")
        sides = [node[1], minus[2]]
        if self._by != "nothing":
            shape = [self._by] if self._by in ("log", "exp") else ["^", natural(int(self._by))]
            if any(data_of(self.nodes[side]) != shape for side in sides):
                raise Broken(f"the sides are not compared through {self._by}")
            sides = [children(self.nodes[side])[0] for side in sides]
        self._check_alike(bigger, sides[0])
        self._check_alike(smaller, sides[1])
        return sides[0]

    def _check_alike(self, old: int, new: int) -> None:
        waiting, seen = [(old, new)], set()
        while waiting:
            a, b = pair = waiting.pop()
            if pair in seen:
                continue
            seen.add(pair)
            first, second = self.nodes[a], self.nodes[b]
            if first[0] == "x" and first[1] in self._changed:
                self._check_change(first[1], b)
                continue
            inner, outer = children(first), children(second)
            if len(inner) != len(outer) or data_of(first) != data_of(second):
                raise Broken("the difference is not the claim's")
            waiting += zip(inner, outer, strict=True)

    def _check_change(self, name: str, index: int) -> None:
        algebra = self.algebra

        def same() -> bool:
            return algebra.vanishes(read(algebra, self.nodes, index, {}, {}) - self._moved(name, algebra))

        if not algebra.decide(same):
            raise Broken(f"{name} is not replaced by what the change says")

    def _moved(self, name: str, algebra: Algebra) -> Quotient:
        """A letter, written in those that replace it."""
        if name not in self._changed:
            return algebra.letter(name)
        new, change = self._changed[name]
        t, one = self._moved(new, algebra), algebra.number(Fraction(1))
        kind = change["kind"]
        if kind == "above":
            return self._moved(change["other"], algebra) + t
        moved = {"reciprocal": lambda: one / t, "lambert": lambda: t * algebra.exp(t)}.get(kind, lambda: t)()
        return algebra.number(Fraction(change["shift"])) + algebra.number(Fraction(change["sign"])) * moved

    def _checked_aliases(self, pairs: list[list[int]]) -> dict[int, list[int]]:
        """The aliases of each node, all found equal to it by algebra."""
        found: dict[int, list[int]] = {}
        for node, other in pairs:
            if letters_below(self.nodes, other) - set(self.box):
                raise Broken("an alias uses letters without a domain")
            if any(
                self.nodes[i][0] == "moment" for i in boxes.below(self.nodes, node) | boxes.below(self.nodes, other)
            ):
                raise Broken("an alias must not contain a moment")

            def agree(node: int = node, other: int = other) -> bool:
                gap = read(self.algebra, self.nodes, node, {}, {}) - read(self.algebra, self.nodes, other, {}, {})
                return self.algebra.vanishes(gap)

            if not self.algebra.decide(agree):
                raise Broken("an alias does not have the value of its node")
            found.setdefault(natural(node), []).append(natural(other))
        return found

    def _check_leaf(self, cell: Mapping[str, Any], box: Box, taken: Mapping[int, bool]) -> None:
        leaf = cell["leaf"]
        if leaf["method"] == "gap":
            self._gap(leaf["details"]["letter"], box)
            return
        failure: Exception = Broken("no precision given")
        for doubling in range(_DOUBLINGS):
            with ctx.workprec(min(4096, int(cell["precision"])) << doubling):
                try:
                    self._argue(leaf, box, taken)
                    return
                except (Broken, Nowhere) as error:
                    failure = error
        raise Broken(f"the {leaf['method']} argument fails on {boxes.shown(box)}: {failure}")

    def _value(self, whole: Reading) -> Range | None:
        """The range of the difference; None where it has values by the claim's own letters on all of the domain."""
        try:
            return whole.range_of(self.difference)
        except Nowhere:
            sides = [Reading(self.nodes, self._domain, {}).range_of(side) for side in self._sides]
            if self._by == "log" and not all(side.above_zero() for side in sides):
                raise
            return None

    def _gap(self, name: str, box: Box) -> None:
        """An integer letter has no value between two integers."""
        least, most, least_missed, most_missed = box[name]
        if name not in self._integers or least is None or most is None:
            raise Broken(f"{name} is not an integer letter with two ends")
        first, last = -(-least // 1), most // 1
        first, last = first + (least_missed and first == least), last - (most_missed and last == most)
        if first <= last:
            raise Broken(f"{name} may be {first}")

    def _argue(self, leaf: Mapping[str, Any], box: Box, taken: Mapping[int, bool]) -> None:
        whole = Reading(self.nodes, box, self.aliases)
        value = self._value(whole)
        power = int(self._by) if self._by.isdigit() else 1
        if power < 1 or (power % 2 == 0 and not whole.range_of(self._bigger).not_below_zero()):
            raise Broken("the larger side is raised to an even power and may be below 0")
        if self._factor is not None:
            # Its letters may be the claim's own, or those that replace them.
            letters = Reading(self.nodes, {**self._domain, **box}, {})
            if not letters.range_of(self._factor).above_zero():
                raise Broken("the factor taken out may not be above 0")
        if leaf["piece"] == -1:
            if leaf["method"] != "direct" or leaf["faces"]:
                raise Broken("only an enclosure works across a kink")
            if value is None:
                raise Broken("the difference may have no value")
            enough(value, self.strict)
            return
        forms = self.pieces[natural(leaf["piece"])]
        for index, side in forms.choices.items():
            if taken.get(index, whole.branch(index)) is not side:
                raise Broken("a kink does not take the branch it is said to")
        strict, settled = self.strict, Leaves(self.nodes, self.aliases, forms)
        for name, end in leaf["faces"]:
            box, gained = settled.slide(box, name, end)
            strict = strict and not gained

        settled.argue(leaf, box, strict)


def _only(found: Mapping[str, Any], expected: set[str], what: str) -> None:
    """Raises `Broken` unless the entries are exactly those that are read: an unread entry could say anything."""
    if odd := sorted(set(found) ^ expected):
        raise Broken(f"{what} has missing or unknown entries: {', '.join(odd)}")


def _nonnegative(box: Box) -> frozenset[str]:
    """The letters whose interval holds no number below 0."""
    return frozenset(name for name, side in box.items() if side[0] is not None and side[0] >= 0)
