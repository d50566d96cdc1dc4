"""`generate --rules`: promises kept while a text grows, and the log of every firing."""

import json
import shutil

import pytest
import torch
import typer
from rule_texts import CONFLICT, OWN
from ruled_folders import events
from tiny import one_thread, tiny  # noqa: F401

from empirical.config import ModelConfig
from empirical.locality import LocalityConfig
from empirical.measuring.generate import generate
from empirical.measuring.generate_command import generate as command
from empirical.model import build_model, save_model
from empirical.training.corpus import load_corpus, train_tokenizer
from theory.errors import DomainError, InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    shape = ModelConfig(layers=2, heads=2, width=32, context=48, vocabulary=300)
    save_model(build_model(shape, LocalityConfig(block=5), 300, 0), path)
    train_tokenizer(load_corpus(tiny().corpus).training[:20], 300).save(str(path / "tokenizer.json"))
    return path


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "RULES.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_promises_are_kept_and_every_firing_is_logged(folder, rules, tmp_path, capsys):
    log = tmp_path / "firings.jsonl"
    command(str(folder), prompt="def value", tokens=12, rules=rules, log=log, as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)["continuations"]
    _, of = events(log)
    lines = of("firing")
    assert shown["broken"] == 0
    assert len(lines) == shown["firings"] > 20
    assert {line["status"] for line in lines} == {"met"}
    assert all(line["after"] >= 0.8 - 1e-5 for line in lines)
    assert max(line["position"] for line in lines) > 10


def test_rules_change_the_rows_and_not_the_model(folder, rules):
    plain, ruled, again = (generate(folder, "def value", tokens=9, rules=each) for each in (None, rules, None))
    assert plain == again
    assert ruled[0].loss != plain[0].loss
    assert plain[0].firings == 0 < ruled[0].firings


def test_a_broken_promise_is_counted_and_gives_status_1(folder, rules, tmp_path, capsys):
    rules.write_text(CONFLICT, encoding="utf-8")
    log = tmp_path / "firings.jsonl"
    with pytest.raises(typer.Exit) as end:
        command(str(folder), prompt="def value", tokens=9, rules=rules, log=log)
    assert end.value.exit_code == 1
    assert "promises broken" in capsys.readouterr().out
    _, of = events(log)
    assert "impossible" in {each["status"] for each in of("firing")}
    assert sum(each["broken"] for each in of("pass")) == sum(each["status"] != "met" for each in of("firing"))


def test_a_log_that_cannot_be_written_stops_before_the_first_token(folder, rules, tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.steering.growth.Growth.grow", lambda *args: pytest.fail("a token was generated"))
    for log, reason in ((tmp_path / "none" / "log.jsonl", "No such file"), (rules, "File exists")):
        with pytest.raises(InputError, match=reason):
            generate(folder, "def", tokens=3, rules=rules, log=log)
    assert rules.read_text(encoding="utf-8") == OWN


def test_a_log_needs_rules(folder, tmp_path):
    with pytest.raises(DomainError, match="give rules too"):
        generate(folder, "def", tokens=3, log=tmp_path / "log.jsonl")


def test_rules_take_no_pickled_model(folder, rules, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    torch.save({}, copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(InputError):
        generate(copy, "def", tokens=3, rules=rules)
