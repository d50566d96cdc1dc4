"""A tiny decoder with a text, and simulations on them."""

from __future__ import annotations

import sys

import pytest
from checked_shapes import BLOCK, CONTEXT, SEQUENCES
from families import tiny_decoder
from rule_texts import SEVERAL
from tiny import one_thread, tiny  # noqa: F401

from empirical.checkers.simulate import simulate
from empirical.training.corpus import load_corpus, train_tokenizer
from localist import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("decoder")
    tiny_decoder("gpt2", vocabulary=300).save_pretrained(path)
    train_tokenizer(load_corpus(tiny().corpus).training[:20], 300).save(str(path / "tokenizer.json"))
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(load_corpus(tiny().corpus).held_out)[:4000], encoding="utf-8")
    return path


@pytest.fixture
def simulated(folder, text, tmp_path):
    """Simulates a checker of these rules."""

    def run(rules=SEVERAL, missed=(0.3,), **options):
        path = tmp_path / "RULES.toml"
        path.write_text(rules, encoding="utf-8")
        options = {
            "text": text,
            "block": BLOCK,
            "context": CONTEXT,
            "sequences": SEQUENCES,
            "progress": False,
        } | options
        return simulate(path, folder, missed=missed, **options)

    return run


@pytest.fixture
def call(folder, text, tmp_path, monkeypatch, capsys):
    """Runs the program; returns its status, output and errors."""

    def run(rules, *words):
        path = tmp_path / "RULES.toml"
        path.write_text(rules, encoding="utf-8")
        given = ["--text", text, "--block", BLOCK, "--context", CONTEXT, "--sequences", SEQUENCES, *words]
        monkeypatch.setattr(sys, "argv", ["localist", "rules", "simulate", *map(str, (path, folder, *given))])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run
