"""Rules whose anchors are those of a file of `localist anchors`."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from anchor_files import anchor_file
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rule_file import complaint, place, text

from empirical import anchor_file as reader
from empirical.anchor_file import read_anchors
from empirical.rules.check import check_rules
from empirical.rules.firing import Rules, TokenText
from empirical.rules.rule_file import parse_rules, read_rules
from empirical.steering.rule_plan import plan_of
from empirical.training.corpus import train_tokenizer
from theory.errors import InputError

FOUND = {"fruit": ["apple", "?pear", "fig"], "sea": ["wave"]}
TOKENS = ["apple", " apple", "  apple", "Apple", "pear", " fig", "fig ", "wave", "x"]


def ruled_by(folder, entry):
    """The rules of a file whose target is the anchors of this entry."""
    path = folder / "RULES.toml"
    path.write_text(text(f"[anchors]\nx = {entry}\n", target="""'anchors("x")'"""))
    return path


def chosen(path):
    """Which of TOKENS are keys of the target."""
    found = Rules(read_rules(path)).targets(TokenText(TOKENS, np.zeros(len(TOKENS), dtype=int)))[0]
    return [token for token, here in zip(TOKENS, found, strict=True) if here]


def test_words_match_with_and_without_one_space(tmp_path):
    anchor_file(tmp_path / "A.json", FOUND)
    assert chosen(ruled_by(tmp_path, '{ file = "A.json" }')) == ["apple", " apple", " fig", "wave"]
    assert chosen(ruled_by(tmp_path, '{ file = "A.json", label = "fruit" }')) == ["apple", " apple", " fig"]


def test_tokens_of_a_model_match_exactly(tmp_path):
    anchor_file(tmp_path / "A.json", {"fruit": [" apple", "fig"]}, model="m")
    assert chosen(ruled_by(tmp_path, '{ file = "A.json" }')) == [" apple"]


def test_planted_reader_of_words_is_seen(tmp_path, monkeypatch):
    anchor_file(tmp_path / "A.json", FOUND)
    monkeypatch.setattr(reader.AnchorFile, "token_texts", property(lambda file: {a.text: a.text for a in file.anchors}))
    assert chosen(ruled_by(tmp_path, '{ file = "A.json" }')) != ["apple", " apple", " fig", "wave"]


def test_the_file_says_the_same_as_a_list(tmp_path):
    anchor_file(tmp_path / "A.json", FOUND)
    by_file = read_rules(ruled_by(tmp_path, '{ file = "A.json" }'))
    by_list = read_rules(ruled_by(tmp_path, '["apple", " apple", "fig", " fig", "wave", " wave"]'))
    assert by_file == by_list


def test_the_path_is_relative_to_the_rule_file(tmp_path, monkeypatch):
    (tmp_path / "rules").mkdir()
    anchor_file(tmp_path / "A.json", FOUND)
    path = ruled_by(tmp_path / "rules", '{ file = "../A.json" }')
    monkeypatch.chdir("/")
    assert "wave" in chosen(path)
    monkeypatch.chdir(tmp_path)
    # Also for those who check, and those who steer.
    assert check_rules(path.relative_to(tmp_path)).possible
    tokenizer = train_tokenizer(["wave wave, wave"], 300)
    plan = plan_of(path, tokenizer)
    ids = tokenizer.encode("wave wave").ids
    assert [plan._text_of(each) for each in ids] == ["wave", " wave"]
    assert plan._rules.targets(TokenText(["wave", " wave"], np.zeros(2, dtype=int))).all()


@pytest.mark.parametrize(
    ("entry", "mistake", "law"),
    [
        ("3", "3", 'anchors.x=3: must be a list of texts, or a table such as { file = "ANCHORS.json" }'),
        ('"A.json"', 'A.json"\n', "anchors.x='A.json': must be a list of texts, or a table"),
        ("{}", "{}", "anchors.x.file: must be given"),
        ("{ file = 3 }", "3", "anchors.x.file=3: must be a valid string"),
        ('{ file = "" }', '" }', "anchors.x.file='': must have at least 1 character"),
        ('{ file = "A.json", lable = "sea" }', 'sea"', "anchors.x.lable='sea': no such key; is it misspelt?"),
        ('{ file = "A.json", label = "land" }', 'land"', "label 'land' must be one of ['fruit', 'sea', 'sky']"),
        ('{ file = "A.json", label = "sky" }', 'sky"', "no anchor of label 'sky' is confirmed"),
        ('{ file = "no.json" }', "no.json", "no.json: No such file or directory"),
        (r'{ file = "a\nb" }', "a\\", "a b: No such file or directory"),
        (r'{ file = "a\u0000b" }', "a\\", "embedded null byte"),
        ('{ file = "." }', '." }', "must be a file"),
        ('{ file = "pipe" }', "pipe", "must be a file"),
        ('{ file = "empty.json" }', "empty", "no anchor is confirmed"),
        ('{ file = "labels.json" }', "labels", "kind None must be 'anchors', as `localist anchors` writes"),
    ],
)
def test_mistakes_have_their_place(tmp_path, monkeypatch, entry, mistake, law):
    monkeypatch.chdir(tmp_path)
    anchor_file(tmp_path / "A.json", FOUND | {"sky": ["?blue"]})
    anchor_file(tmp_path / "empty.json", {"sky": ["?blue"]})
    (tmp_path / "labels.json").write_text('{"labels": ["a"]}')
    os.mkfifo(tmp_path / "pipe")
    source = text(f"[anchors]\nx = {entry}\n", target="""'anchors("x")'""")
    said = complaint(source)
    assert said.startswith(f"R.toml, {place(source, mistake)}: anchors.x")
    assert law in said
    assert len(said.splitlines()) == 1


def of(**changes):
    """The labels of a file with one anchor."""
    return {"labels": [{"label": "a", "anchors": [{"text": "b", "id": None, "confirmed": True} | changes]}]}


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"schema": 2}, "schema 2 must be 1"),
        ({"schema": True}, "schema True must be 1"),
        ({"kind": "rows"}, "kind 'rows' must be 'anchors'"),
        ({"labels": "fruit"}, "labels: must be a valid list"),
        ({"labels": [{"label": "a"}]}, "labels.0.anchors: must be given"),
        (
            {"labels": [{"label": "a", "anchors": [{"text": "", "id": None, "confirmed": True}]}]},
            "must have at least 1",
        ),
        ({"labels": [{"label": "a", "anchors": [{"text": "b", "id": None, "confirmed": 1}]}]}, "must be a valid bool"),
        ({"labels": [{"label": "a", "anchors": [{"text": "b", "id": -1, "confirmed": True}]}]}, "must be greater than"),
        ({"labels": [{"label": "a", "anchors": [{"text": "b", "id": 1, "confirmed": True}]}]}, "must be null, as the"),
        ({"labels": [{"label": "a", "anchors": [{"text": "\ud800", "id": None, "confirmed": True}]}]}, "valid string"),
        ({"labels": [{"label": "a", "anchors": []}] * 2}, "labels must not repeat one"),
        ({"labels": []}, "no anchor is confirmed"),
        ({"model": "m"}, "the id of anchor 'apple' must be a token of the file's model"),
    ],
)
def test_other_files_are_refused(tmp_path, changes, law):
    path = anchor_file(tmp_path / "A.json", FOUND, **changes)
    if "model" in changes:
        path.write_text(json.dumps(json.loads(anchor_file(path, FOUND).read_text()) | changes))
    with pytest.raises(InputError) as refused:
        read_anchors(path)
    assert law in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert len(str(refused.value).splitlines()) == 1


def test_what_the_file_holds(tmp_path):
    found = read_anchors(anchor_file(tmp_path / "A.json", FOUND))
    assert found.words
    assert [(each.text, each.id, each.label) for each in found.anchors] == [
        ("apple", None, "fruit"),
        ("fig", None, "fruit"),
        ("wave", None, "sea"),
    ]
    assert found.of_label("sea").token_texts == {"wave": "wave", " wave": "wave"}


@st.composite
def mutated(draw):
    """A good file of anchors, of which parts are replaced, removed or doubled."""
    content = json.dumps(
        {
            "schema": 1,
            "kind": "anchors",
            "model": None,
            "labels": [{"label": "a", "anchors": [{"text": "b", "id": None, "confirmed": True}]}],
        }
    )
    pieces = st.sampled_from(
        [
            '"',
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "null",
            "true",
            "1e999",
            "NaN",
            "-1",
            "9" * 5000,
            "\\ud800",
            "\x00",
            "é",
            "\\",
        ]
    )
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.sampled_from([0, 1, 2, 5, 30])))
        content = content[:start] + draw(st.one_of(pieces, st.just(content[start:stop] * 2))) + content[stop:]
    return content


def outcome(content, folder):
    """The rules that take their anchors from a file with this content, or the line that refuses it."""
    (folder / "A.json").write_text(content)
    source = text('[anchors]\nx = { file = "A.json" }\n', target="""'anchors("x")'""")
    try:
        return parse_rules(source, str(folder / "R.toml"))
    except InputError as error:
        return str(error)


def placed(found, folder):
    """Whether there are rules, or one line with the place of the file's entry."""
    if isinstance(found, str):
        return found.startswith(f"{folder / 'R.toml'}, line 7, column 15: anchors.x: ") and len(found.splitlines()) == 1
    return len(found) == 1


@settings(max_examples=60)
@given(mutated())
def test_mutated_anchor_files(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    assert placed(outcome(content, folder), folder)


@pytest.mark.slow
@settings(max_examples=500)
@given(mutated())
def test_500_mutated_anchor_files(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    assert placed(outcome(content, folder), folder)


def test_planted_exception_in_the_reader_is_found(monkeypatch, tmp_path):
    content = anchor_file(tmp_path / "A.json", FOUND).read_text()
    assert isinstance(outcome(content, tmp_path), list)
    assert not placed("a line without a place", tmp_path)
    monkeypatch.setattr(reader, "parse_json", lambda text, path: {}[text])
    with pytest.raises(KeyError):
        outcome(content, tmp_path)
