"""Random and mutated rule files give rules or one line of InputError, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository import ROOT
from ruled_texts import FORMULAS, TARGETS, rule_file

from empirical.rules.check import check
from empirical.rules.rule_file import parse_rules
from theory.errors import InputError

EXAMPLE = (ROOT / "examples" / "RULES.toml").read_text(encoding="utf-8")
PIECES = st.one_of(
    st.sampled_from([
        "'", '"', "'''", '"""', "\\", "\n", "\r\n", "\r", "[", "]", "[[rule]]", "rule", "=", "(", ")", "not ", " and ",
        " or ", "== 3", "< 0", "text", "block ", "own block", "tokens(", "anchors(", 'matches("', "class(", "(a+)+$",
        "1e999", "-1", "nan", "true", "9" * 30, "\\u0000", "\\ud800", "\u2063", "\ufeff", "\x00", "é", "🙂", "#", ",",
        "{", "}", ".", '"0-3"', "all", "strength = 0.0\n", "fidelity = 0.9\n", "layers = [0]\n",
        "[anchors]\nx = ", '{ file = "no.json" }', '{ file = "no.json", label = "a" }', "anchors.x.file = '.'\n",
        "(" * 50, "not " * 300,
    ]),
    st.text(max_size=5),
)  # fmt: skip


@st.composite
def files(draw):
    """A rule file, good or with some of its characters replaced, removed, doubled or moved."""
    random = st.lists(st.tuples(FORMULAS, TARGETS, st.sampled_from([None, 0.1, 0.6])), min_size=1, max_size=3)
    written = random.map(lambda rules: rule_file([(w[0], t[0], f) for w, t, f in rules]))
    text = draw(st.one_of(st.just(EXAMPLE), written, st.text(max_size=60)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 10, 60])))
        piece = draw(st.one_of(PIECES, st.just(text[start:stop] * 2), st.just("")))
        text = text[:start] + piece + text[stop:]
    return text


def one_line_or_rules(text):
    try:
        rules = parse_rules(text, "R.toml")
    except InputError as error:
        line = str(error)
        assert line.startswith("R.toml")
        # As an output shows it, also if a terminal takes other characters for line ends.
        assert len(line.splitlines()) == 1
        return None
    assert check(rules).possible in (True, False)
    return rules


@settings(max_examples=60)
@given(files())
def test_mutated_files(text):
    one_line_or_rules(text)


@pytest.mark.slow
@settings(max_examples=500)
@given(files())
def test_500_mutated_files(text):
    one_line_or_rules(text)


def test_example_is_good():
    assert len(one_line_or_rules(EXAMPLE)) == 3


def test_planted_exception_is_found(monkeypatch):
    """The property fails if reading a file raises anything else."""
    from empirical.rules import rule_file as reading

    monkeypatch.setattr(reading, "parse_target", lambda text, anchors: {}[text])
    with pytest.raises(KeyError):
        one_line_or_rules(EXAMPLE)
