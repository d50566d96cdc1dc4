"""Instances for the comparison of Coq's definitions with those of the methods, and how they are written in Coq."""

from fractions import Fraction

from proofs_check.instances.anchors import CopiedAnchor, planar_head
from proofs_check.instances.distant_keys import DistantKeys
from proofs_check.instances.last_layers import LastLayer
from proofs_check.instances.layer_stacks import Layer, LayerStack
from proofs_check.instances.moved_logits import MovedLogits
from proofs_check.instances.priced_layers import PricedLayers
from proofs_check.instances.rules import Checker, ReloadedChecker, RuleSet, Situation, Version
from proofs_check.instances.sparse_rows import SparseRow
from proofs_check.instances.truncated_layers import LayerHead, TruncatedLayer


def number(value):
    value = Fraction(value)
    return f"({value.numerator} / {value.denominator})"


def listed(items):
    return "[" + "; ".join(items) + "]"


def checker_in_coq(checker):
    return listed(
        f"Situation {number(s.weight)} {str(s.fired).lower()} {number(s.plain)} {number(s.ruled)}"
        for s in checker.situations
    )


def copied_in_coq(copied):
    numbers = " ".join(map(number, (copied.temperature, copied.leak_target)))
    outside = listed(map(number, copied.outside))
    sizes = f"{copied.copies} {copied.few} {copied.many}"
    return f"Copied {number(copied.score)} {number(copied.stray)} {outside} {sizes} {numbers}"


def distant_in_coq(row):
    sizes = f"{row.block} {len(row.contents) - row.block}"
    numbers = " ".join(map(number, (row.slope, row.temperature, row.leak_target)))
    return f"Distant.Distant {sizes} {entries_in_coq(row.contents)} {numbers}"


def logits_in_coq(logits):
    return f"Logits.Logits {len(logits.before)} {entries_in_coq(logits.before)} {entries_in_coq(logits.moves)}"


def anchored_in_coq(head):
    width = len(head.anchors[0])
    anchors = functions_in_coq(map(entries_in_coq, head.anchors))
    query = f"(fun c => {number(head.scale)} * sqrt {width} * {anchors} 0%nat c)"
    keys = listed(f"Anchored.Key {owner} {entries_in_coq(vector)}" for owner, vector in head.keys)
    numbers = f"{number(head.temperature)} {number(head.leak_target)}"
    return f"Anchored.Anchored {width} {len(head.anchors)} {anchors} {query} {keys} {numbers}"


def truncated_in_coq(layer):
    heads = layer.heads
    scores = functions_in_coq([entries_in_coq(head.scores) for head in heads])
    values = functions_in_coq([functions_in_coq(map(entries_in_coq, head.values)) for head in heads], "fun _ => 0")
    rows = functions_in_coq([functions_in_coq(map(entries_in_coq, head.projection)) for head in heads], "fun _ => 0")
    sizes = f"{layer.block} {len(heads[0].scores) - layer.block} {len(heads)} {len(heads[0].projection)} "
    sizes += str(len(heads[0].projection[0]))
    return f"Truncated.Truncated {sizes} {scores} {values} {rows} {number(layer.temperature)} 0"


def last_in_coq(model):
    """Without biases; ReLU is written without a maximum, which would double the terms."""
    gains = map(entries_in_coq, model.gains)
    first, tokens = (functions_in_coq(map(entries_in_coq, rows)) for rows in (model.first, model.tokens))
    second = functions_in_coq(map(entries_in_coq, zip(*model.second, strict=True)))
    numbers = " ".join(map(number, (model.stabiliser, model.allowed, model.range_allowed)))
    none = "(fun _ => 0)"
    return (
        f"Last.Last ({truncated_in_coq(model.layer)}) {entries_in_coq(model.residual)} {next(gains)} {none} "
        f"{len(model.second)} {first} {none} (fun x => (x + Rabs x) / 2) 1 {second} {none} {next(gains)} {none} "
        f"{len(model.tokens)} {tokens} {numbers}"
    )


def sparse_in_coq(row):
    """`SPARSE` with its masses, which are those of heights 1, 2, 3 and 4, 2 less the penalties' parts."""
    keys = iter(range(row.block, len(row.scores)))
    groups = listed(
        f"Sparse.Group {listed(f'{next(keys)}%nat' for _ in range(size))} {number(penalty)}"
        for size, penalty in zip(row.sizes, row.penalties, strict=True)
    )
    numbers = f"{entries_in_coq(row.scores)} {number(row.temperature)} {number(row.block_level)}"
    masses = entries_in_coq(Fraction(part, 48) for part in (5, 10, 12, 16, 5))
    sizes = f"{row.block} {len(row.scores) - row.block}"
    return f"Sparse.Sparse {sizes} {groups} {numbers} {masses} {entries_in_coq(row.weights)}"


def priced_in_coq(layers):
    weights, leaks, others = map(entries_in_coq, (layers.weights, layers.leaks, layers.others))
    prices = f"{number(layers.price)} {number(layers.price_more)}"
    picked = listed(f"{layer}%nat" for layer in layers.picked)
    last = f"{others} {layers.layer} {number(layers.fidelity)} {picked}"
    return f"PricedLayers {len(layers.leaks)} {weights} {leaks} {prices} {last}"


def reloaded_in_coq(reloaded):
    versions = listed(
        f"Version {checker_in_coq(v.checker)} {v.times} {v.measured} {number(v.error)} {number(v.claimed)}"
        for v in reloaded.versions
    )
    return f"Reloaded.Reloaded {versions} {reloaded.early} {number(reloaded.error)}"


def rounding_in_coq(stack):
    """What the first of two layers makes of its output at a position, as the polynomial through all points met."""
    first, met = stack.layers[0], {}
    for tokens, seen in ((stack.tokens, range(3)), (stack.changed, range(3)), (stack.tokens, stack.own)):
        for position, output in first.outputs({p: tokens[p] for p in seen}, stack.window).items():
            point = 4 * output + tokens[position]
            met[point] = Fraction(round(point) % 7)
    points, text = list(met), "0"
    values = list(met.values())
    for order in range(1, len(points)):
        for i in reversed(range(order, len(points))):
            values[i] = (values[i] - values[i - 1]) / (points[i] - points[i - order])
    for point, value in reversed(list(zip(points, values, strict=True))):
        text = f"({number(value)} + (4 * nth 0 y 0 + x - {number(point)}) * {text})"
    return f"(fun x y => {text})"


def stack_in_coq(stack):
    layers = [
        f"(Layer R [Head R (fun x x' p p' => ln 2 * ({layer.query * layer.key} * x * x' + INR p' - INR p)) "
        f"(fun x => {layer.value} * x)] {number(layer.dial)} {layer.start} {rounding_in_coq(stack)})"
        for layer in stack.layers
    ]
    tokens = " ".join(map(entries_in_coq, (stack.tokens, stack.changed)))
    sizes = f"{stack.window} {len(stack.tokens)}"
    return f"Stack.Stack R {layers[0]} {listed(layers[1:])} {sizes} {tokens} {stack.position} (fun y => nth 0 y 0)"


def entries_in_coq(entries):
    text = "0"
    for i, value in reversed(list(enumerate(entries))):
        text = f"if Nat.eqb i {i} then {number(value)} else {text}"
    return f"(fun i => {text})"


def functions_in_coq(rows, other="0"):
    text = f"(fun _ _ => {other})"
    for i, row in reversed(list(enumerate(rows))):
        text = f"(fun i => if Nat.eqb i {i} then {row} else {text} i)"
    return text


def rules_in_coq(rules):
    targets = []
    for target in rules.targets:
        inside = " || ".join(f"Nat.eqb j {j}" for j, held in enumerate(target) if held)
        targets.append(f"(fun j => {inside})%bool")
    strengths = "0"
    for i, gain in reversed(list(enumerate(rules.gains))):
        strengths = f"if Nat.eqb i {i} then {number(rules.temperature)} * ln {number(gain)} else {strengths}"
    spared = [f * share for f, share in zip(rules.fidelities(rules.other), rules.given_up, strict=True)]
    return (
        f"RuleSet {len(rules.weights)} {len(rules.targets)} {entries_in_coq(rules.weights)} "
        f"{functions_in_coq(targets, 'false')} (fun i => {strengths}) {entries_in_coq(rules.promises)} "
        f"{entries_in_coq(rules.other_weights)} {entries_in_coq(spared)} {rules.pair[0]} {rules.pair[1]} 0 "
        f"{number(rules.temperature)}"
    )


DISTANT = DistantKeys(
    contents=(Fraction(1, 2), Fraction(-1), Fraction(3, 4), Fraction(1, 3), Fraction(-1, 5)),
    block=2,
    slope=Fraction(2, 3),
    temperature=Fraction(3, 4),
    leak_target=Fraction(2, 5),
)
LOGITS = MovedLogits(
    before=(Fraction(1, 2), Fraction(-1), Fraction(2)), moves=(Fraction(-1, 3), Fraction(3, 4), Fraction(1, 4))
)
CHECKER = Checker(
    (
        Situation(2, True, Fraction(1, 4), Fraction(3, 4)),
        Situation(3, False, Fraction(1, 3), Fraction(1, 2)),
        Situation(1, True, Fraction(1, 8), Fraction(5, 8)),
        Situation(4, False, Fraction(1, 6), Fraction(7, 8)),
    )
)
PRICED = PricedLayers(
    weights=(Fraction(25, 16), Fraction(9, 4)),
    leaks=(Fraction(4, 5), Fraction(1, 2)),
    price=Fraction(1),
    price_more=Fraction(9, 4),
    others=(Fraction(1, 4), Fraction(3, 4)),
    layer=0,
    fidelity=Fraction(3, 4),
    picked=(0,),
)
RELOADED = ReloadedChecker(
    (
        Version(CHECKER, 2, 2, Fraction(1, 3), Fraction(4, 5)),
        Version(Checker(CHECKER.situations[2:]), 1, 1, Fraction(1, 4), Fraction(1, 2)),
    ),
    1,
    Fraction(3, 4),
)
COPIED = CopiedAnchor(
    score=Fraction(3, 4),
    outside=(Fraction(1, 2), Fraction(-1, 3)),
    copies=3,
    few=2,
    many=4,
    temperature=Fraction(2, 3),
    leak_target=Fraction(1, 5),
)
STACK = LayerStack(
    layers=(Layer(1, -1, 2, Fraction(1, 2), 1), Layer(0, 1, 1, Fraction(1), 1)),
    tokens=(1, 2, 1),
    changed=(2, 2, 1),
    window=2,
    position=2,
)
ANCHORED = planar_head(
    Fraction(3, 2), Fraction(1, 8), Fraction(5, 4), temperature=Fraction(1, 2), leak_target=Fraction(1, 5)
)
TRUNCATED = TruncatedLayer(
    (
        LayerHead(
            (Fraction(1), Fraction(1, 2), Fraction(-1)),
            ((Fraction(1), Fraction(0)), (Fraction(2), Fraction(-1)), (Fraction(1, 2), Fraction(3))),
            ((Fraction(1),), (Fraction(2),)),
        ),
        LayerHead(
            (Fraction(0), Fraction(3, 2), Fraction(1)),
            ((Fraction(-1), Fraction(1)), (Fraction(1), Fraction(1, 3)), (Fraction(0), Fraction(2))),
            ((Fraction(2),), (Fraction(4),)),
        ),
    ),
    2,
    Fraction(3, 4),
)
LAST = LastLayer(
    layer=TruncatedLayer(
        (
            LayerHead(
                (Fraction(1), Fraction(-1, 2)), ((Fraction(1),), (Fraction(3),)), ((Fraction(1, 2), Fraction(-1)),)
            ),
        ),
        1,
        Fraction(3, 4),
    ),
    residual=(Fraction(2), Fraction(-1)),
    gains=((Fraction(3, 2), Fraction(-1)), (Fraction(1, 2), Fraction(2))),
    first=((Fraction(1),), (Fraction(-1, 2),)),
    second=((Fraction(1, 3), Fraction(-1)),),
    tokens=((Fraction(1), Fraction(0)), (Fraction(-1), Fraction(1, 2))),
    stabiliser=Fraction(1, 4),
    allowed=Fraction(1, 2),
    range_allowed=Fraction(3),
)
SPARSE = SparseRow(
    scores=tuple(map(Fraction, (1, 2, 3, 4, 2))),
    block=2,
    sizes=(2, 1),
    penalties=(Fraction(1), Fraction(1)),
    temperature=Fraction(48, 5),
    weights=(1, 3, 2, 5, 4),
)
RULES = RuleSet(
    weights=(2, 3, 1),
    targets=((True, False, False), (False, False, True)),
    gains=(Fraction(3), Fraction(2)),
    promises=(Fraction(3, 4), Fraction(1, 2)),
    other_weights=(4, 1, 3),
    given_up=(Fraction(1, 4), Fraction(0)),
    pair=(0, 2),
    temperature=Fraction(1, 2),
)
# Kinds, each with its instance, how it is written and the modules it needs.
# Kind: an instance, how it is written, and the modules of its letters.
FURTHER = {
    "sparse row": (SPARSE, sparse_in_coq, "Vectors Sparse"),
    "rule set": (RULES, rules_in_coq, "Rules RulesFacts E2"),
    "set of priced layers": (PRICED, priced_in_coq, "Priced PricedFacts"),
    "last layer": (LAST, last_in_coq, "Vectors Matrices Last"),
    "truncated layer": (TRUNCATED, truncated_in_coq, "Vectors Truncated H1"),
    "anchored head": (ANCHORED, anchored_in_coq, "Vectors Anchored"),
    "layer stack": (STACK, stack_in_coq, "Stack"),
    "copied anchor": (COPIED, copied_in_coq, "Row Copies"),
    "reloaded checker": (RELOADED, reloaded_in_coq, "Checker Reloaded E4"),
    "checker": (CHECKER, checker_in_coq, "Checker"),
    "row by distance": (DISTANT, distant_in_coq, "Distant"),
    "moved logits": (LOGITS, logits_in_coq, "Logits"),
}
