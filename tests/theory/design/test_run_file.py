"""`RUN.toml`: every error is one line with its place, and no file gives a traceback."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest
import tomlkit
from hypothesis import example, given, settings
from hypothesis import strategies as st
from runs import RUN, run_values

from localist import cli
from theory.design.run_check import check_run
from theory.design.run_design import design_run
from theory.design.run_file import filled_in, open_settings, parse_run, read_run
from theory.errors import InputError, LocalistError

BROKEN = [
    ("layers = 6", "layers = 1", "line 3: model.layers=1: must be greater than or equal to 2"),
    ("layers = 6", "layers = 6.0", "model.layers=6.0: must be a whole number"),
    ("block = 32", "block = 256", "locality.block=256 must be smaller than model.context=256"),
    ("block = 32", "blok = 32", "line 9: locality.blok: no such key"),
    ("margin = 6.5", "", "exactly one of margin and anchors must be given"),
    ("margin = 6.5", "margin = nan", "locality.margin=nan: must be"),
    ("margin = 6.5", 'margin = "solv"', "locality.margin='solv': must be 'solve' or must be a number"),
    ('"cubic"', '"sextic"', "locality.schedule='sextic': must be"),
    ("dial = 0.97", "dial = 1.0", "locality.dial=1.0: must be"),
    ("dial = 0.97", "dial = true", "locality.dial=True"),
    ('"adamw"', '"adam"', "line 17: optimizer.kind='adam': must be 'proximal-sgd' or 'adamw'"),
    ('"adamw"', '"proximal-sgd"', "proximal-sgd needs gradient_bound"),
    ("penalty = 300.0", "penalty = 300.0\nmomentum = 0.9", "adamw takes no momentum"),
    ("penalty = 300.0", "penalty = 300.0\nbetas = [0.99, 0.9]", "beta1^2 < beta2"),
    ("[256, 1024]", "[]", "optimizer.group_sizes=[]"),
    ("[256, 1024]", "[256, 0]", "optimizer.group_sizes.1=0"),
    ('"0:32"', '"0-32"', "rules.subject.keys='0-32'"),
    ('"0:32"', '"32:0"', "rules.subject.keys must name at least one key"),
    ('"0:32"', '"0:3200"', "rules.subject.keys: key 3199 must be below model.context=256"),
    ("promise = 0.1", "promise = 1.5", "rules.subject.promise=1.5: must be less than 1"),
    ("[model]", "[modle]", "line 2: modle: no such key"),
    ("fidelity = 0.8", "fidelity = 0", "targets.fidelity=0: must be greater than 0"),
    ("localised_layers = 2", "localised_layers = 20", "targets.localised_layers=20 must be at most model.layers=6"),
    ("[targets]", "[[targets]]", "targets=[{"),
    ("[targets]", "[targets", "is not TOML"),
    ("context = 256", f"context = {10**400}", "model.context=1000000"),
    ("context = 256", "context = 1000000000001", "must be less than or equal to 1000000000000"),
    ("context = 256", f"context = {'9' * 5000}", "is not TOML"),
    ("context = 256", f"context = 0x{'f' * 5000}", "model.context=a number of very many digits: must be"),
    ("margin = 6.5", f"margin = 0x{'f' * 5000}", "locality.margin=a number of very many digits: must be"),
    ("layers = 6", "layers = 1000000000", "model.layers=1000000000: must be less than or equal to 10000"),
    ("steps = 4000", "steps = 1000000000000", "must be less than or equal to 10000000"),
    ("[256, 1024]", f"[{10**400}]", "optimizer.group_sizes.0=1000000"),
    ('"0:32"', '"0:100000000000"', "rules.subject.keys: key 99999999999 must be below model.context=256"),
    ('"0:32"', f'"0:{"9" * 300}"', "rules.subject.keys: key 99999"),
    ('"0:32"', f'"0:{"9" * 5000}"', "4300 digits"),
    ("margin = 6.5", "margin = 9.1", "margin=9.1 must be at most logit_range=9.0 times temperature=1.0"),
    (
        "margin = 6.5",
        "anchors = {number = 8, coherence = 0.0, scale = 9.5}",
        "margin=9.5 must be at most logit_range=9.0 times",
    ),
    ("block = 32", "block = 32\nblock_least = 8", "block_least and block_most must be left out beside it"),
    ("block = 32", "block_least = 8", "block must be given, or both block_least and block_most"),
    ("block = 32", "block_least = 9\nblock_most = 8", "block_least=9 must be at most block_most=8"),
    (
        "block = 32",
        "block_least = 9\nblock_most = 256",
        "locality.block_most=256 must be smaller than model",
    ),
    ("fidelity = 0.8", "fidelity = 0.8\nown_keys = 33", "targets.own_keys=33 must be at most 32, the keys of a block"),
    ("[rules.subject]", '[rules."a\\nb c"]\nkeys = 3\npromise = 0.5\n[rules.subject]', 'rules."a\\nb c".keys=3'),
    ("[rules.subject]", '[rules."a\\nb"]\nkeys = []\npromise = 0.5\n[rules.subject]', 'rules."a\\nb".keys must name'),
    ("[rules.subject]", "[rules.float]\nkeys = 3\npromise = 0.5\n[rules.subject]", "rules.float.keys=3"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_error_is_one_line_with_its_place(tmp_path, monkeypatch, capsys, old, new, message):
    assert old in RUN
    path = tmp_path / "RUN.toml"
    path.write_text(RUN.replace(old, new, 1))
    monkeypatch.setattr(sys, "argv", ["localist", "check", str(path)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert message in printed.err


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"[" * 5000])
def test_unreadable_file_is_one_line(tmp_path, content):
    path = tmp_path / "RUN.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"RUN\.toml"):
        read_run(path)


@settings(max_examples=200)
@given(st.dictionaries(st.text(), st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1, max_size=3))
@example({"prädikat": 0.5, "😀": 0.5, "": 0.1, 'a"b\\c\x7f\x00\r\n\u2028': 0.2, "[/x]": 0.3, "٣": 5e-324})
def test_fills_in_files_with_any_rule_names(promises):
    rules = {name: {"keys": "3:5", "promise": promise} for name, promise in promises.items()}
    values = run_values() | {"rules": rules}
    still_open = {**values, "locality": {**values["locality"], "margin": "solve", "dial": "solve"}}
    text = filled_in(tomlkit.dumps(still_open), parse_run(values))
    assert parse_run(tomllib.loads(text)) == parse_run(values)


def test_filling_in_keeps_comments_and_order():
    text = RUN.replace("margin = 6.5", 'margin = "solve"  # nats')
    text = text.replace("[targets]", "# Each localised layer.\n[targets]")
    assert filled_in(text, parse_run(tomllib.loads(RUN))) == text.replace('"solve"', "6.5")


def test_file_written_by_design_can_be_read(tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "RUN.toml", tmp_path / "SOLVED.toml"
    text = RUN.replace("[rules.subject]", '[rules."prädikat"]').replace("[rules.verb]", '[rules."😀"]')
    path.write_text(text.replace("margin = 6.5", 'margin = "solve"'), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["localist", "design", str(path), "--out", str(out)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0, capsys.readouterr()
    assert set(read_run(out).rules) == {"prädikat", "😀"}
    assert open_settings(read_run(out)) == []


def test_check_names_open_settings():
    run = parse_run(run_values(locality__margin="solve", optimizer__steps="solve"))
    assert open_settings(run) == ["locality.margin", "optimizer.steps"]
    with pytest.raises(InputError, match=r"locality.margin, optimizer.steps must be given here"):
        check_run(run)


def test_refuses_own_keys_that_leave_no_row():
    values = {"model": {"layers": 2, "context": 33}, "locality": {"block": 32, "margin": 1.0}}
    assert parse_run(values | {"targets": {"own_keys": 1}}).rows.any
    with pytest.raises(InputError, match=r"targets.own_keys=2 leaves no row"):
        parse_run(values | {"targets": {"own_keys": 2}})


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5000),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["solve", "cubic", "adamw", "0:5", ""]),
    st.lists(st.integers(-1, 300), max_size=4),
    st.dictionaries(st.sampled_from(["keys", "promise", "scale", "number"]), st.integers(0, 9), max_size=3),
)
paths = st.sampled_from(
    [f"{table}__{key}" for table, content in tomllib.loads(RUN).items() for key in content]
    + ["locality__anchors", "locality__sparse", "locality__penalty", "optimizer__momentum", "optimizer__gradient_bound"]
    + ["locality__block_least", "locality__block_most", "targets__own_keys", "rules__verb__queries"]
    + ["model", "locality", "optimizer", "rules", "targets", "extra", "targets__entropy_bits", "optimizer__betas"]
)


@settings(max_examples=150)
@given(st.dictionaries(paths, scalars, min_size=1, max_size=3))
def test_any_file_gives_a_run_or_one_line(changes):
    nested = {name: value for name, value in changes.items() if "__" in name}
    whole = {name: value for name, value in changes.items() if "__" not in name}
    values = run_values(**nested)
    values.update(whole)
    answer, complaint = {}, ""
    try:
        run = parse_run(values)
        answer = design_run(run).to_json() if open_settings(run) else check_run(run).to_json()
    except LocalistError as error:
        complaint = str(error)
    assert "\n" not in complaint
    assert bool(answer) != bool(complaint)
    json.dumps(answer, allow_nan=False)
