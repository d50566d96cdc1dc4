"""Values show themselves: every text escaped, a verdict with a sign, long tables cut with their length told."""

import xml.etree.ElementTree as ElementTree

import pytest
from shown import short, shown

import localist
from theory.design.guarantee import Design, Targets
from theory.design.row_check import check_row
from theory.display import MOST_ROWS, Badge, Card, Markup, Table, Tone, as_html, bounds_badge, decided
from theory.mathml import block
from theory.statements.about import ABOUT

HOSTILE = "<script>alert('x')</script> & \"q\""


class Shown:
    def __init__(self, card):
        self._repr_html_ = lambda: as_html(card)


def test_every_text_of_a_card_is_escaped():
    table = Table([HOSTILE], [[HOSTILE], [Badge(HOSTILE)]], HOSTILE)
    card = Card(HOSTILE, Badge(HOSTILE, Tone.NO), [HOSTILE], [table])
    assert "<script" not in as_html(card)
    assert shown(Shown(card)).count(HOSTILE) == 7
    # What is not escaped would be seen.
    assert "<script" in as_html(Card(Markup(HOSTILE)))


def test_half_a_surrogate_pair_is_shown_as_its_code():
    assert as_html(Card("a\ud800b", Badge("\ud800"))).encode("utf-8").count(rb"\ud800") == 2


def test_a_long_table_is_cut_and_says_so():
    rows = [[f"row {index}"] for index in range(MOST_ROWS + 7)]
    text = shown(Shown(Card("t", tables=[Table(["name"], rows)])))
    assert f"row {MOST_ROWS - 1} and 7 more rows" in text
    assert f"row {MOST_ROWS} " not in text
    assert "and 93 more rows" in shown(Shown(Card("t", tables=[Table(["name"], rows[:7], of=100)])))
    assert "more rows" not in shown(Shown(Card("t", tables=[Table(["name"], rows[:MOST_ROWS])])))


def test_no_verdict_is_told_by_colour_alone():
    words = [Badge("same", tone)._repr_html_() for tone in (Tone.YES, Tone.NO, Tone.OPEN)]
    assert [sign for word in words for sign in "✓✗?" if f">{sign} same<" in word] == ["✓", "✗", "?"]


def test_none_is_not_success():
    assert decided(None, "yes", "no").tone is Tone.OPEN
    assert [decided(answer, "yes", "no").words for answer in (True, False)] == ["yes", "no"]


@pytest.mark.parametrize(
    ("counts", "tone"),
    [((9, 0, 0), Tone.YES), ((9, 0, 1), Tone.OPEN), ((9, 1, 1), Tone.NO), ((9, 1, 0), Tone.NO), ((0, 0, 0), Tone.OPEN)],
)
def test_undecided_and_missing_rows_are_not_success(counts, tone):
    assert bounds_badge(*counts).tone is tone


@pytest.mark.parametrize("statement", localist.CATALOGUE, ids=lambda statement: statement.id)
def test_a_statement_shows_all_that_it_says(statement):
    text = shown(statement)
    assert short(statement).startswith(f"<Statement [{statement.kind.value}] {statement.id} {statement.name}: ")
    for said in (statement.title, *ABOUT[statement.about], *(each.sentence for each in statement.assumptions)):
        assert " ".join(said.split()) in text
    for clause in statement.claim:
        assert f"{clause.name}" in text
        assert block(clause.holds) in statement._repr_html_()
    assert all(variable.meaning in text for variable in statement.variables)
    # A statement is not its own proof.
    assert "proved" not in text.replace("proved by", "")


def test_a_statement_is_latex_too():
    leak = next(each for each in localist.CATALOGUE if each.id == "A2")
    assert leak.to_latex() in leak._repr_latex_()
    assert leak._repr_latex_().startswith("$")
    assert leak._repr_latex_().endswith("$")


def test_mathml_that_sympy_leaves_malformed_is_mended():
    from sympy import Symbol
    from sympy.printing.mathml import mathml

    claim = Symbol("x") < 1
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(mathml(claim, printer="presentation"))
    assert "".join(ElementTree.fromstring(block(claim)).itertext()) == "x<1"


OPEN = {
    "model": {"layers": 12, "context": 1024},
    "locality": {"block": 64, "margin": "solve", "schedule": "quintic", "dial": 0.99},
    "targets": {"fidelity": 0.9, "localised_layers": 1},
}


def run(margin, **targets):
    values = {**OPEN, "locality": {**OPEN["locality"], "margin": margin}, "targets": {**OPEN["targets"], **targets}}
    return localist.parse_run(values)


def test_a_design_and_its_check_show_the_answer():
    design = localist.design_run(localist.parse_run(OPEN))
    assert "✓ found" in shown(design)
    assert str(design.solved[0].value) in shown(design)
    check = localist.check_run(design.run)
    assert short(check) == "<RunCheck [guaranteed] run of 12 layers, context 1024, margin 4.45899 nats>"
    assert "✓ guaranteed" in shown(check)
    assert "961 keys, 1 of its own block" in shown(check)


def test_a_check_that_fails_says_what_is_unmet():
    check = localist.check_run(run(2.0))
    assert "✗ not guaranteed Unmet: " in shown(check)
    assert check.unmet[0] in shown(check)


def test_a_design_without_an_answer_says_why():
    design = localist.design_run(run("solve", entropy_bits=1.0))
    assert design.run is None
    assert "✗ none exists" in shown(design)
    assert "floor log m" in shown(design)


def test_a_check_without_a_target_claims_nothing():
    values = {key: part for key, part in OPEN.items() if key != "targets"}
    check = localist.check_run(localist.parse_run({**values, "locality": {**OPEN["locality"], "margin": 9.0}}))
    assert "? no target was given" in shown(check)
    assert "guaranteed" not in shown(check)


@pytest.mark.parametrize(
    ("margin", "spread", "verdict"),
    [(9.0, None, "✓ guaranteed"), (3.0, None, "? not guaranteed, possible for some rows"), (3.0, 4.0, "✗ impossible")],
)
def test_one_row_shows_whether_it_keeps_its_target(margin, spread, verdict):
    answer = check_row(Design(1024, 64, margin=margin), Targets(0.9), spread)
    assert f"nats {verdict} " in shown(answer)
    assert str(answer.thresholds["margin"].value) in shown(answer)
    assert verdict[2:] in short(answer)


def test_promises_of_rules_show_the_weights_that_forbid_them():
    values = {**OPEN, "locality": {**OPEN["locality"], "margin": 9.0}}
    targets = {name: {"keys": f"{start}:{start + 64}", "promise": 0.7} for name, start in (("a", 0), ("b", 64))}
    check = localist.check_run(localist.parse_run(values | {"rules": targets}))
    assert "✗ impossible at query" in shown(check.rules)
    assert "All promises of the rules together: impossible" in shown(check)
