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


def outcome(text):
    """The rules of a file, and whether they are possible; or the line that refuses it."""
    try:
        rules = parse_rules(text, "R.toml")
    except InputError as error:
        return str(error)
    return rules, check(rules).possible


def decided(found):
    """Whether rules were decided, or refused in one line."""
    if isinstance(found, str):
        # As an output shows it, also if a terminal takes other characters for line ends.
        return found.startswith("R.toml") and len(found.splitlines()) == 1
    return found[1] in (True, False)


@settings(max_examples=60)
@given(files())
def test_mutated_files(text):
    assert decided(outcome(text))


@pytest.mark.slow
@settings(max_examples=500)
@given(files())
def test_500_mutated_files(text):
    assert decided(outcome(text))


def test_example_is_good():
    assert len(outcome(EXAMPLE)[0]) == 3


def test_planted_exception_is_found(monkeypatch):
    """The property fails if reading a file raises anything else."""
    from empirical.rules import rule_file as reading

    monkeypatch.setattr(reading, "parse_target", lambda text, anchors: {}[text])
    with pytest.raises(KeyError):
        outcome(EXAMPLE)


def test_planted_answers_are_found():
    assert not decided("R.toml: a line\nand another")
    assert not decided("another file's line")
    assert not decided(([], None))
