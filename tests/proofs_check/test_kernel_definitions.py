"""The letters' definitions in Coq and those of the instances: the two must agree in value.

Everything the kernel proves is about the definitions in `proofs_check/kernel/coq/`. Here Coq itself encloses the
value of every letter on an instance, with the tactic of Debian's
package `libcoq-interval`, at the value that Arb finds.
"""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from coq_instances import FURTHER, entries_in_coq, functions_in_coq, listed, number
from coq_tactics import BEFORE, FIRST, HEAD, MORE
from flint import ctx

from proofs_check import kernel
from proofs_check.deciding.deciding import ArbArithmetic
from proofs_check.instances.chosen_keys import ChosenKeys
from proofs_check.instances.contexts import Context
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.pointers import PointerChannel
from proofs_check.instances.rows import AttentionRow
from proofs_check.instances.schedules import ScheduleInstance
from proofs_check.instances.surviving_blocks import SurvivingBlock
from proofs_check.instances.weights.adam_runs import AdamRun
from proofs_check.instances.weights.heads import Head, Sequence
from proofs_check.instances.weights.stationary_heads import StationaryHead
from proofs_check.instances.weights.weight_blocks import Descent, WeightBlock
from proofs_check.kernel.build import Build, CoqError
from proofs_check.kernel.kinds import COQ_KINDS, coq_name

TOLERANCE = Fraction(1, 10**9)


def row_in_coq(row):
    keys = [
        f"Key {number(s)} {number(v)} {number(t)} {number(w)}"
        for s, v, t, w in zip(row.scores, row.values, row.seen, row.weights, strict=True)
    ]
    numbers = (row.temperature, row.dial, row.penalty, row.leak_target, row.fidelity_target, row.other_dial)
    return f"Row {listed(keys[: row.block])} {listed(keys[row.block :])} {' '.join(map(number, numbers))}"


def chosen_in_coq(row):
    sides = ((row.block, row.counted), (row.outside, row.singled))
    parts = (part for scores, chosen in sides for part in (scores[:chosen], scores[chosen:]))
    return f"Chosen {' '.join(listed(map(number, part)) for part in parts)} {number(row.temperature)}"


def schedule_in_coq(schedule):
    numbers = (schedule.exponent, schedule.steeper, schedule.largest, schedule.needed)
    return (
        f"Schedule {schedule.layers} {schedule.layer} {' '.join(map(number, numbers))} "
        f"{entries_in_coq(schedule.leaks)} {entries_in_coq(schedule.weights)}"
    )


def matrix_in_coq(rows):
    return functions_in_coq(map(entries_in_coq, rows))


def descent_in_coq(run):
    gradients = listed(map(entries_in_coq, run.gradients))
    numbers = (run.rate, run.penalty, run.momentum)
    # Steps count from 1.
    rates = entries_in_coq((Fraction(0), *run.schedule))
    start, buffer = entries_in_coq(run.weights), entries_in_coq(run.buffer)
    return f"Descent {len(run.weights)} {start} {buffer} {gradients} {' '.join(map(number, numbers))} {rates}"


def adam_in_coq(run):
    # Steps count from 1.
    gradients = matrix_in_coq(((), *run.gradients))
    rates = entries_in_coq((Fraction(0), *run.rates))
    numbers = map(number, (run.penalty, run.beta1, run.beta2, run.epsilon, run.decay))
    return (
        f"Run {len(run.weights)} {entries_in_coq(run.weights)} {len(run.gradients)} {gradients} {rates} "
        f"{' '.join(numbers)} {str(run.amsgrad).lower()} {run.warmup}"
    )


def whole_head_in_coq(head):
    sequences = listed(
        f"Head.Sequence {len(s.inputs)} {matrix_in_coq(s.inputs)} {matrix_in_coq(s.values)} {matrix_in_coq(s.pull)}"
        for s in head.batch
    )
    sizes = f"{head.split} {len(head.query) - head.split} {head.width} {len(head.batch[0].values[0])}"
    weights = f"{matrix_in_coq(head.query)} {matrix_in_coq(head.key)}"
    biases = f"{entries_in_coq(head.query_bias)} {entries_in_coq(head.key_bias)}"
    rest = f"{str(head.causal).lower()} {number(head.temperature)} {entries_in_coq(head.vector)}"
    return f"Head.Head {sequences} {sizes} {weights} {biases} {rest}"


def point_in_coq(point):
    head = f"({whole_head_in_coq(point.head)})"
    # A loss with the slope `pull` in the outputs, which falls on the way from the origin to this point.
    fall = f"fun c => Head.stack Head.pull t c * (Head.stack o t c - Head.stack (Head.output {head}) t c)"
    loss = f"fun o => Rabs ({number(point.slack)} + sum (fun t => sum ({fall}) [0%nat]) (Head.stacked {head}))"
    penalties = f"(Head.g_Q {head}) (Head.g_K {head}) {number(point.penalty)}"
    return f"Point {head} ({loss}) 0 (fun _ => Rabs_pos _) 0 (fun _ _ => Rabs_pos _) {penalties}"


def context_in_coq(context):
    sizes = f"{len(context.scores)} {context.window} {context.least_own}"
    return f"Context.Context {sizes} {matrix_in_coq(context.scores)} {number(context.leak_target)}"


def head_in_coq(head):
    inside = listed(map(entries_in_coq, head.features[: head.block]))
    outside = listed(map(entries_in_coq, head.features[head.block :]))
    weights = f"{len(head.query)} {len(head.key)} {entries_in_coq(head.query)} {matrix_in_coq(head.key)}"
    return f"Head {weights} {inside} {outside} {number(head.temperature)}"


def channel_in_coq(channel):
    return f"Channel {len(channel.weights)} {matrix_in_coq(channel.weights)} {number(channel.allowed)}"


def weights_in_coq(block):
    pairs = zip(block.weights, block.gradient, strict=True)
    entries = listed(f"Coordinate {number(w)} {number(g)}" for w, g in pairs)
    return f"Weights {entries} {number(block.penalty)} {number(block.rate)}"


ROW = AttentionRow(
    scores=(Fraction(3, 2), Fraction(1, 4), Fraction(-1), Fraction(1, 2), Fraction(-1, 3)),
    block=2,
    temperature=Fraction(1, 2),
    dial=Fraction(1, 3),
    penalty=Fraction(1, 4),
    leak_target=Fraction(1, 5),
    fidelity_target=Fraction(7, 9),
    other_dial=Fraction(3, 5),
    values=(Fraction(1, 3), Fraction(2), Fraction(5), Fraction(-1), Fraction(1, 7)),
    seen=(Fraction(5, 4), Fraction(1, 2), Fraction(-2), Fraction(3, 4), Fraction(0)),
    weights=(1, 3, 2, 5, 4),
)
CHOSEN = ChosenKeys(
    block=(Fraction(1, 2), Fraction(2), Fraction(-1)),
    outside=(Fraction(1, 4), Fraction(3, 2), Fraction(-2), Fraction(1)),
    counted=2,
    singled=1,
    temperature=Fraction(3, 4),
)
SCHEDULE = ScheduleInstance(
    layers=4,
    exponent=2,
    steeper=3,
    largest=Fraction(9, 10),
    needed=Fraction(1, 3),
    layer=2,
    leaks=(Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), Fraction(3, 5)),
    weights=(1, 2, 3, 5),
)
BLOCK = WeightBlock((Fraction(3), Fraction(-1, 2)), (Fraction(1, 4), Fraction(2, 3)), Fraction(1, 2), Fraction(3, 4))
CHANNEL = PointerChannel(((5, 1, 2), (1, 4, 1), (3, 2, 7)), Fraction(2, 5))
DESCENT = Descent(
    weights=(Fraction(3, 2), Fraction(-1)),
    gradients=((Fraction(1, 2), Fraction(1, 3)),),
    rate=Fraction(1, 2),
    penalty=Fraction(4, 5),
    momentum=Fraction(1, 4),
    buffer=(Fraction(1, 3), Fraction(-1, 5)),
    rates=(Fraction(1, 4),),
)
ADAM = AdamRun(
    weights=(Fraction(3, 2), Fraction(-1)),
    gradients=((Fraction(1, 2), Fraction(1, 3)), (Fraction(-1, 5), Fraction(2))),
    rates=(Fraction(1, 4), Fraction(1, 2)),
    penalty=Fraction(1, 3),
    beta1=Fraction(1, 2),
    beta2=Fraction(3, 5),
    epsilon=Fraction(1, 8),
    decay=Fraction(1, 10),
    amsgrad=True,
    warmup=1,
)
CONTEXT = Context(
    scores=tuple(tuple(Fraction(3 * key - 2 * query, 4) for key in range(query + 1)) for query in range(5)),
    window=2,
    least_own=1,
    leak_target=Fraction(2, 3),
)
# Its matrices have one column, and so norms that Coq knows.
WHOLE_HEAD = Head(
    batch=(
        Sequence(
            inputs=((Fraction(1), Fraction(1, 2)), (Fraction(-1), Fraction(1, 3))),
            values=((Fraction(2),), (Fraction(-1, 2),)),
            pull=((Fraction(1, 3),), (Fraction(1),)),
        ),
        Sequence(
            inputs=((Fraction(2), Fraction(0)), (Fraction(1, 2), Fraction(-1))),
            values=((Fraction(1, 4),), (Fraction(1),)),
            pull=((Fraction(-1),), (Fraction(1, 2),)),
        ),
    ),
    query=((Fraction(1, 2),), (Fraction(-1),)),
    key=((Fraction(2, 3),), (Fraction(1),)),
    split=1,
    temperature=Fraction(3, 4),
    causal=True,
    vector=(Fraction(1), Fraction(-2)),
    query_bias=(Fraction(1, 5),),
    key_bias=(Fraction(-1, 3),),
)
POINT = StationaryHead(
    Head(
        batch=(
            Sequence(
                ((Fraction(1),), (Fraction(-1),)),
                ((Fraction(2),), (Fraction(-1),)),
                ((Fraction(-1),), (Fraction(1, 2),)),
            ),
        ),
        query=((Fraction(1, 2),),),
        key=((Fraction(2, 3),),),
        split=1,
        temperature=Fraction(3, 4),
    ),
    slack=Fraction(1, 4),
    penalty=Fraction(1, 3),
)
HEAD_LEFT = SurvivingBlock(
    query=(Fraction(1, 2), Fraction(-1), Fraction(2, 3), Fraction(1)),
    key=(
        (Fraction(1), Fraction(1, 3), Fraction(0), Fraction(2)),
        (Fraction(-1), Fraction(1), Fraction(1, 2), Fraction(1)),
    ),
    features=((Fraction(1), Fraction(2)), (Fraction(1, 2), Fraction(1)), (Fraction(-1), Fraction(1, 4))),
    block=1,
    temperature=Fraction(3, 4),
)


INSTANCES = {
    "row": (ROW, row_in_coq, "Row"),
    "row beside another": (ROW, row_in_coq, "Beside"),
    "row with chosen keys": (CHOSEN, chosen_in_coq, "Chosen"),
    "pointer channel": (CHANNEL, channel_in_coq, "Channel"),
    "context": (CONTEXT, context_in_coq, "Context"),
    "schedule": (SCHEDULE, schedule_in_coq, "Schedule ScheduleFacts"),
    "descent": (DESCENT, descent_in_coq, "Descent"),
    "adam run": (ADAM, adam_in_coq, "Adam"),
    "head": (WHOLE_HEAD, whole_head_in_coq, "Matrices Head"),
    "stationary head": (POINT, point_in_coq, "Matrices Stationary"),
    "surviving block": (HEAD_LEFT, head_in_coq, "Surviving"),
    "weight block": (BLOCK, weights_in_coq, "Weights"),
    **FURTHER,
}


def has_interval():
    coqc = shutil.which("coqc")
    if coqc is None:
        return False
    where = subprocess.run([coqc, "-where"], capture_output=True, text=True, check=True).stdout.strip()
    return (Path(where) / "user-contrib" / "Interval").is_dir()


needs_interval = pytest.mark.skipif(
    not has_interval(), reason="coqc and its interval tactic, optional programs, are not installed"
)


def games(name, value):
    """The proof of a game's value on the rule set; empty for another letter."""
    payoff = {"f_star": "member", "y_star": "member", "g_star": "excess", "g_y": "excess"}.get(name)
    if payoff is None:
        return ""
    first = Fraction(1, 2) if payoff == "member" else Fraction(5, 8)
    columns, rows = entries_in_coq((first, Fraction(0), 1 - first)), entries_in_coq((Fraction(1, 2),) * 2)
    return f"game {name} ({payoff} instance) {columns} {rows} {number(value)}"


def goals(about, added=Fraction(0)):
    instance, printed, modules = INSTANCES[about]
    with ctx.workprec(200):
        found = {
            coq_name(letter): Fraction(float(KINDS[about].definitions[letter](instance, ArbArithmetic())))
            for letter in COQ_KINDS[about].letters
        }
    if about == "stationary head":
        # The instance has the loss 0 at the origin, Coq has it `L_0` at the point: they agree on what lies between.
        lift = found["L_0"] + found["lambda_g"] * (found["w_Q"] + found["w_K"]) - found["J_W"]
        found |= {name: found[name] + lift for name in ("J_W", "J_o")}
        # Any lower bound of the loss.
        found.pop("L_least", None)
    powers, kept, written = MORE.get(about, ("", "", ""))
    head = HEAD.format(modules=modules, powers=powers, kept=kept, written=written)
    lines = [head, f"Definition instance : {COQ_KINDS[about].type} := {printed(instance)}."]
    lines.append(BEFORE.get(about, ""))
    for name, value in sorted(found.items()):
        proof = games(name, value) or FIRST.get(name, "") + "evaluate"
        lines.append(f"Goal Rabs ({name} instance - {number(value + added)}) <= {number(TOLERANCE)}. {proof}. Qed.")
    return "\n".join(lines) + "\n"


def test_every_kind_with_definitions_in_coq_has_an_instance_here():
    assert INSTANCES.keys() == COQ_KINDS.keys()


@pytest.mark.slow
@needs_interval
@pytest.mark.parametrize("about", INSTANCES)
def test_every_letter_has_the_same_value(about, tmp_path):
    build = Build(kernel.FOLDER, tmp_path)
    for module in INSTANCES[about][2].split():
        build.require(module)
    goals_of_all = goals(about)
    assert "interval" in goals_of_all
    # `CoqError` where a value is another: `test_another_value_is_refused`.
    build.compile("Values", goals_of_all)


@pytest.mark.slow
@needs_interval
def test_another_value_is_refused(tmp_path):
    build = Build(kernel.FOLDER, tmp_path)
    build.require("Row")
    with pytest.raises(CoqError, match=r"Unable to prove|Numerical evaluation failed"):
        build.compile("Values", goals("row", added=Fraction(1, 10**6)))
