"""Shared by the tests of generation under rules: models in folders, and what a log holds."""

from __future__ import annotations

import json
from functools import cache

from families import tiny_decoder

from empirical.training.corpus import python_topics, train_tokenizer

VOCABULARY = 300
RULES = """
[[rule]]
name = "start"
when = 'not class(space)'
target = 'first token'
fidelity = {least}

[[rule]]
name = "back"
when = 'seen_before'
target = 'tokens(position > 1)'
fidelity = 0.2
layers = [1]
"""
KEPT = RULES.format(least=0.7)


@cache
def tokenizer():
    """A byte-level tokenizer of English prose."""
    return train_tokenizer(python_topics()[:3], VOCABULARY)


def save_decoder(family, folder, **changes):
    """A tiny random decoder in a folder, with its tokenizer."""
    tiny_decoder(family, vocabulary=VOCABULARY, **changes).save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def events(*files):
    """The lines of a log, and those of each kind."""
    found = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return found, lambda kind: [each for each in found if each["event"] == kind]
