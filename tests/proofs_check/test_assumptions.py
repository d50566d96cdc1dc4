"""What statements assume: printed, hashed, kept by what is drawn, noticed where it is broken, and the same in Coq."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from sympy import Interval, Le, Naturals

from proofs_check import kernel
from proofs_check.deciding.deciding import Letters, decide_assumptions, decide_clause
from proofs_check.evidence import statement_hash
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.anchors import AnchorSet, CopiedAnchor, planar_head
from proofs_check.instances.contexts import Context
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.layer_stacks import Layer, LayerStack
from proofs_check.instances.pointers import PointerChannel
from proofs_check.instances.priced_layers import PricedLayers
from proofs_check.instances.rules import Checker, ReloadedChecker, RuleSet, Situation, Version
from proofs_check.instances.schedules import ScheduleInstance
from proofs_check.instances.sparse_rows import SparseRow
from proofs_check.instances.surviving_blocks import SurvivingBlock
from proofs_check.instances.weights.adam_runs import AdamRun
from proofs_check.instances.weights.heads import Head, Sequence, opposed
from proofs_check.instances.weights.stationary_heads import StationaryHead
from proofs_check.instances.weights.weight_blocks import Descent
from proofs_check.instances.window_samples import WindowSample
from proofs_check.kernel.kinds import COQ_KINDS
from proofs_check.kernel.printing import assumptions_to_coq, clause_to_coq
from proofs_check.methods.sampling import sample
from proofs_check.mutants.statement_mutants import DROPPED
from theory.lowering import UnknownNode
from theory.statement import Assumption
from theory.statements.about import ABOUT
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.listing import describe, print_statement
from theory.symbols import NONNEGATIVE, POSITIVE, UNIT, VOCABULARY, d

ASSUMING = [statement for statement in CATALOGUE if statement.assumptions]


def verdict_on(statement, instance):
    kind = KINDS[statement.about]
    return decide_assumptions(statement, Letters(instance, kind.definitions), kind.structure)


def test_every_kind_of_instance_is_described():
    assert ABOUT.keys() == KINDS.keys() >= {statement.about for statement in CATALOGUE}


@pytest.mark.parametrize("statement", ASSUMING, ids=lambda s: s.id)
def test_what_the_public_strategy_draws_keeps_every_assumption(statement):
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(KINDS[statement.about].strategy())
    def drawn(instance):
        assert verdict_on(statement, instance) is Verdict.PROVED

    drawn()


def direction(x):
    return (Fraction(x), Fraction(0))


SCHEDULE = ScheduleInstance(3, 1, 2, Fraction(1), Fraction(1, 2), 1, (Fraction(1, 2),) * 3, (1, 1, 1))
RUN = Descent((Fraction(1),), ((Fraction(1),),), Fraction(1), Fraction(2), buffer=(Fraction(0),))
ADAM = AdamRun((Fraction(1),), ((Fraction(1),),), (Fraction(1),), Fraction(2))
HEAD = planar_head(Fraction(1), Fraction(0), Fraction(1), temperature=Fraction(1), leak_target=Fraction(1, 10))
STATIONARY = StationaryHead(
    Head((Sequence(*(opposed(Fraction(1)),) * 3),), ((Fraction(1),),), ((Fraction(1),),), 1), Fraction(1), Fraction(1)
)
ONE = (Fraction(1),)
BLOCK = SurvivingBlock(ONE, (ONE,), (ONE, ONE), 1)
CONTEXT = Context(tuple((Fraction(0),) * (query + 1) for query in range(4)), 2, 1, Fraction(1, 2))
RULES = RuleSet(
    (1, 1),
    ((True, False), (False, True)),
    (Fraction(2),) * 2,
    (Fraction(1, 2),) * 2,
    (1, 1),
    (Fraction(0),) * 2,
    (0, 1),
    Fraction(1),
)
SPARSE = SparseRow((Fraction(0),) * 3, 1, (1, 1), (Fraction(1),) * 2)
FIRED, MISSED = (Situation(1, fired, Fraction(1, 2), Fraction(1, 2)) for fired in (True, False))
HALF = Fraction(1, 2)
PRICED = PricedLayers((Fraction(4),) * 2, (HALF,) * 2, Fraction(1), Fraction(1), (HALF,) * 2, 0, HALF, (0,))
STACK = LayerStack((Layer(1, 1, 1, Fraction(1), 0),) * 2, (0, 1, 2, 3), (0, 2, 2, 3), 2, 3)
COPIED = CopiedAnchor(Fraction(0), (Fraction(-1),), 2, 1, 3, Fraction(1), HALF)
RELOADED = ReloadedChecker((Version(Checker((FIRED, MISSED)), 1, 2, Fraction(1, 4), HALF),) * 2, 0, HALF)
SAMPLE = WindowSample((ONE,) * 3, (1,) * 3, 2, HALF, HALF, 2, 2, 1)

# Statement, an instance that keeps its assumptions, and one that breaks one of them.
BROKEN = {
    "query off its anchor": ("D1", HEAD, replace(HEAD, query=(Fraction(0), Fraction(1)))),
    "keys of unequal norms": ("D1", HEAD, replace(HEAD, lengths=(Fraction(1), Fraction(2)))),
    "anchor of length 2": ("D1", HEAD, replace(HEAD, anchors=(direction(2), *HEAD.anchors[1:]))),
    "anchors of two lengths": (
        "D2",
        AnchorSet((direction(1), direction(-1)), Fraction(1, 2)),
        AnchorSet((direction(1), direction(-2)), Fraction(1, 2)),
    ),
    "one anchor": (
        "D2",
        AnchorSet((direction(1), direction(-1)), Fraction(1, 2)),
        AnchorSet((direction(1),), Fraction(1, 2)),
    ),
    "one target more often": (
        "D3",
        PointerChannel(((2, 1), (1, 2)), Fraction(1, 2)),
        PointerChannel(((4, 2), (1, 2)), Fraction(1, 2)),
    ),
    "one block": ("D3", PointerChannel(((1, 0), (0, 1)), Fraction(1, 2)), PointerChannel(((1,),), Fraction(1, 2))),
    "a copy with another score": ("D4", COPIED, replace(COPIED, stray=Fraction(1))),
    "few copies that are many": ("D4", COPIED, replace(COPIED, few=3)),
    "many copies that are few": ("D4", COPIED, replace(COPIED, many=1)),
    "each version with the whole error": ("E4", RELOADED, replace(RELOADED, error=Fraction(1, 4))),
    "one layer, steeper": ("F3", SCHEDULE, replace(SCHEDULE, layers=1)),
    "one layer": ("F1", SCHEDULE, replace(SCHEDULE, layers=1)),
    "one layer, deep": ("F2", SCHEDULE, replace(SCHEDULE, layers=1)),
    "not the steeper": ("F3", SCHEDULE, replace(SCHEDULE, steeper=1)),
    "a weight of 0": ("F3", SCHEDULE, replace(SCHEDULE, weights=(1, 0, 1))),
    "proximal step first": ("C4", RUN, replace(RUN, proximal_first=True)),
    "another metric": ("C4", RUN, replace(RUN, metric=Fraction(2))),
    "beta_1^2 at beta_2": ("C5", ADAM, replace(ADAM, beta1=Fraction(1, 2), beta2=Fraction(1, 4))),
    "weight decay above 1": ("C5", ADAM, replace(ADAM, decay=Fraction(3, 2))),
    "Adam's proximal step first": ("C5", ADAM, replace(ADAM, proximal_first=True)),
    "Adam's metric": ("C5", ADAM, replace(ADAM, metric=Fraction(1, 2))),
    "query bias": ("C3", STATIONARY, replace(STATIONARY, head=replace(STATIONARY.head, query_bias=ONE))),
    "second live block": (
        "C3",
        STATIONARY,
        replace(STATIONARY, head=replace(STATIONARY.head, key=(ONE, ONE), query=(ONE, ONE))),
    ),
    "query bias below uniform attention": (
        "C7",
        STATIONARY,
        replace(STATIONARY, head=replace(STATIONARY.head, query_bias=ONE)),
    ),
    "second live block below uniform attention": (
        "C7",
        STATIONARY,
        replace(STATIONARY, head=replace(STATIONARY.head, key=(ONE, ONE), query=(ONE, ONE))),
    ),
    "key bias": ("C6", BLOCK, replace(BLOCK, key_bias=ONE)),
    "empty target": ("E2", RULES, replace(RULES, targets=((True, False), (False, False)))),
    "always fires": ("E3", Checker((FIRED, MISSED)), Checker((FIRED, FIRED))),
    "never fires": ("E3", Checker((FIRED, MISSED)), Checker((MISSED, MISSED))),
    "key in no group": ("B5", SPARSE, replace(SPARSE, sizes=(1,), penalties=ONE)),
    "too few own keys": ("A7", CONTEXT, replace(CONTEXT, least_own=3)),
    "one priced layer": (
        "F4",
        PRICED,
        replace(PRICED, weights=PRICED.weights[1:], leaks=PRICED.leaks[1:], others=PRICED.others[1:]),
    ),
    "a layer that weighs less than nothing": ("F4", PRICED, replace(PRICED, weights=(Fraction(4), Fraction(-1)))),
    "shifted windows": ("H4", STACK, replace(STACK, layers=(STACK.layers[0], replace(STACK.layers[1], start=1)))),
    "the own window changed": ("H4", STACK, replace(STACK, changed=(0, 1, 0, 3))),
    "a likelier window": ("H5", SAMPLE, replace(SAMPLE, chances=(1, 1, 2))),
    "a violation not counted": ("H5", SAMPLE, replace(SAMPLE, uncounted=1)),
    "a rank too many": ("H5", SAMPLE, replace(SAMPLE, rank=3)),
    "more violations than windows": ("H5", SAMPLE, replace(SAMPLE, seen=3)),
    "too small a corpus": ("H5", SAMPLE, replace(SAMPLE, population=1)),
    "too short": ("A7", CONTEXT, replace(CONTEXT, scores=CONTEXT.scores[:2])),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_planted_instance_that_breaks_an_assumption_is_noticed(name):
    key, kept, broken = BROKEN[name]
    statement = find(key)
    assert verdict_on(statement, kept) is Verdict.PROVED
    assert verdict_on(statement, broken) is Verdict.REFUTED
    clause, letters = statement.claim[0], Letters(broken, KINDS[statement.about].definitions)
    assert decide_clause(clause, letters, Verdict.REFUTED) is Verdict.VACUOUS


def test_every_assumption_that_an_instance_can_break_is_planted_broken():
    free = {
        (statement.id, each.name)
        for statement in ASSUMING
        for each in statement.assumptions
        if each.condition is not None or KINDS[statement.about].structure[each.name].__name__ != "built_in"
    }
    assert len(BROKEN) >= len(free)
    assert {key for key, _, _ in BROKEN.values()} == {key for key, _ in free}
    assert {(key, name) for key, _, name in DROPPED} <= free


def test_an_assumption_nobody_knows_is_an_error():
    unknown = replace(find("F3"), assumptions=(Assumption("moonlight", "the moon shines"),))
    with pytest.raises(KeyError, match="moonlight"):
        sample(unknown, rows=5)
    with pytest.raises(UnknownNode, match="moonlight"):
        clause_to_coq(unknown, unknown.claim[0])


def test_instances_astray_are_drawn_and_counted():
    result = sample(find("F3"), rows=60, random_seed=1)
    assert 0 < result.astray < result.rows
    assert result.clean


def test_rows_have_no_assumptions_which_the_float_methods_would_not_see():
    assert [s.id for s in CATALOGUE if s.about in ("row", "row beside another") and s.assumptions] == []


@pytest.mark.parametrize("statement", ASSUMING, ids=lambda s: s.id)
def test_assumptions_are_printed_everywhere(statement, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    print_statement(statement)
    printed = capsys.readouterr().out
    described = describe(statement)
    for each, shown in zip(statement.assumptions, described["assumptions"], strict=True):
        assert each.sentence in printed
        assert shown["sentence"] == each.sentence
        if each.condition is None:
            assert each.sentence in statement.to_latex()
        else:
            assert str(each.condition) in printed
            assert shown["latex"] in statement.to_latex()
            assert each.condition.free_symbols <= {v.symbol for v in statement.variables}
    assert all(sentence in printed for sentence in ABOUT[statement.about])


def test_assumptions_are_part_of_the_hash():
    statement = find("F3")
    seen = {statement_hash(replace(statement, assumptions=statement.assumptions[:n])) for n in range(5)}
    assert len(seen) == 5
    reworded = replace(statement.assumptions[-1], sentence="leaks may move")
    assert statement_hash(replace(statement, assumptions=(*statement.assumptions[:-1], reworded))) not in seen
    assert statement_hash(
        replace(find("A2"), assumptions=(Assumption("low", "d is low", Le(d, 0)),))
    ) != statement_hash(find("A2"))


PROVED = [statement for statement in CATALOGUE if kernel.has_proofs(statement)]


@pytest.mark.parametrize("statement", PROVED, ids=lambda s: s.id)
def test_coq_prints_the_statements_own_assumptions_as_hypotheses(statement):
    kind = COQ_KINDS[statement.about]
    printed = assumptions_to_coq(statement)
    assert len(printed) + sum(each.name in kind.built_in for each in statement.structure) == len(statement.assumptions)
    for clause in statement.claim:
        told = clause_to_coq(statement, clause)
        assert told.startswith(f"forall a : {kind.type}, " + " -> ".join(["possible a", *printed]) + " -> ")


def source(kind):
    return (kernel.FOLDER / f"{kind.module}.v").read_text()


def conjuncts_of_possible(kind):
    module = "Row" if kind.module == "Beside" else kind.module
    text = (kernel.FOLDER / f"{module}.v").read_text()
    (body,) = re.findall(r"Definition possible \(a : \w+\) : Prop :=(.*?)\.\n", text, re.S)
    parts, depth, current = [], 0, ""
    for token in re.split(r"(/\\|\(|\))", " ".join(body.split())):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "/\\" and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += token
    return [*parts, current.strip()]


def domain_in_coq(letter):
    domain, name = VOCABULARY[letter].domain, f"{letter.name} a"
    if domain == NONNEGATIVE:
        return f"0 <= {name}"
    if domain == POSITIVE:
        return f"0 < {name}"
    signs = {UNIT: "0 < {} < 1", Interval.Ropen(0, 1): "0 <= {} < 1", Interval.Lopen(0, 1): "0 < {} <= 1"}
    return signs.get(domain, "0 <= {} <= 1").format(name)


# Conjuncts that are about the parts of an instance, and the words of a letter's meaning which they say.
PARTS = {
    "0 < temperature a": "temperature",
    "(forall i, 0 <= strength a i)": "strength of one rule",
    "(forall j, 0 <= other a j)": "an arbitrary row",
    "0 < sum (other a) (each a)": "an arbitrary row",
    "(forall i, 0 <= given_up a i)": "promises met by an arbitrary row",
    "(forall i, 0 <= other a i <= 1)": "arbitrary dials in [0, 1]",
    "NoDup (picked a)": "N_f arbitrary layers",
    "(forall i, In i (picked a) -> (i < layers a)%nat)": "N_f arbitrary layers",
    "(position a < tokens a)%nat": "at a position",
    "(forall l, In l (stacked a) -> 0 <= dial l <= 1)": "dial of the layers",
    "(early a < length (at_work a))%nat": "fewer than T_q",
    "(forall v, In v (versions a) -> 0 < error v)": "the error of each one's binomial bound",
    "(forall x y, Rabs (activation a x - activation a y) <= steepest a * Rabs (x - y))": "activation's largest slope",
    "(forall g, In g (groups a) -> 0 < penalty g)": "lambda_g / sqrt(m_g)",
    "sum (above a (nu_B a)) (block a) = tau a": "sum over B of max(s - nu_B, 0) is tau",
}


@pytest.mark.parametrize("about", COQ_KINDS)
def test_possible_asks_for_domains_and_what_the_kind_is_and_nothing_else(about):
    kind = COQ_KINDS[about]
    assert conjuncts_of_possible(kind) == list(kind.possible)
    for conjunct, reason in kind.possible.items():
        if isinstance(reason, str):
            assert reason in ABOUT[about]
        elif VOCABULARY[reason].domain == Naturals:
            assert re.fullmatch(r"\(0 < \w+ a\)%nat", conjunct)
        elif conjunct in PARTS:
            assert PARTS[conjunct] in VOCABULARY[reason].meaning
        else:
            assert conjunct == domain_in_coq(reason)


@pytest.mark.parametrize("about", COQ_KINDS)
def test_what_coq_builds_in_or_names_is_defined_there(about):
    kind = COQ_KINDS[about]
    for name in [*kind.structure.values(), *kind.built_in.values()]:
        assert re.search(rf"^Definition {name}\b", source(kind), re.M)


@pytest.mark.parametrize("about", COQ_KINDS)
def test_coq_knows_every_structural_assumption_of_its_kinds(about):
    kind = COQ_KINDS[about]
    asked = {each.name for statement in PROVED if statement.about == about for each in statement.structure}
    assert asked == kind.structure.keys() | kind.built_in.keys()
