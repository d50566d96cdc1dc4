"""Shared by the tests of watched rules: files that are replaced between two passes, and what must not be lost."""

from __future__ import annotations

import hashlib
import os

import torch
from ruled_folders import RULES, events

from empirical.measuring.generate import generate
from empirical.model import load_decoder
from empirical.rules.rule_file import parse_rules
from empirical.steering.growth import Growth, Sampler
from empirical.steering.rule_plan import planned_for
from empirical.steering.steered import steered
from empirical.training.corpus import load_tokenizer

PROMPT = "The statement is"
BROKEN = {
    "not TOML": "[[rule",
    "sean_before": RULES.format(least=0.5).replace("'seen_before'", "'sean_before'"),
    "names layer 90 of": RULES.format(least=0.5).replace("layers = [1]", "layers = [90]"),
    "names head 90 of": RULES.format(least=0.5).replace("layers = [1]", "heads = [90]"),
    "is contradictory": RULES.format(least=0.5).replace("not class(space)", "class(word) and class(digit)"),
    "must be given": "",
    "not UTF-8": b"\xff\xfe",
    "fidelity": RULES.format(least=1.5),
    "No such file": None,
}


def write(path, content, in_place=False):
    """Replace a file, by a new one or in place; None: it is gone."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    data = content if isinstance(content, bytes) else content.encode()
    if in_place:
        path.write_bytes(data)
    else:
        path.with_suffix(".new").write_bytes(data)
        os.replace(path.with_suffix(".new"), path)


def sha256(content):
    return hashlib.sha256(content.encode()).hexdigest()


class Replacing:
    """Called between two passes as a logits processor, which leaves the logits; replaces the file each time."""

    def __init__(self, path, contents):
        self.path, self.contents, self.calls = path, contents, 0

    def __call__(self, ids, logits):
        if self.calls < len(self.contents):
            write(self.path, self.contents[self.calls], in_place=self.calls % 2 == 1)
        self.calls += 1
        return logits


def planned_contents(count):
    """So many contents for a file, each unlike the one before: in turn two that are valid and one that is broken."""
    broken = list(BROKEN.values())
    return [
        broken[number // 3 % len(broken)] if number % 3 == 2 else RULES.format(least=f"0.{300 + number}")
        for number in range(count)
    ]


class ByHand:
    """The plan of each pass, by a list of rule texts."""

    def __init__(self, model, tokenizer, texts):
        self.planned, self.texts, self.text, self.passes = planned_for(model, tokenizer), texts, None, 0

    def firings(self, text):
        if self.texts[self.passes] != self.text:
            self.text = self.texts[self.passes]
            self.plan = self.planned(parse_rules(self.text))
        self.passes += 1
        return self.plan.firings(text)


def in_force(first, contents):
    """The text of the version in force at each pass."""
    found = [first]
    for content in contents:
        found.append(found[-1] if content in BROKEN.values() else content)
    return found


def check_replacements(folder, path, log, count, block=64):
    """Generates while the file is replaced before each pass but the first; asserts that nothing was lost."""
    tokenizer, first = load_tokenizer(str(folder)), RULES.format(least=0.25)
    write(path, first)
    contents = planned_contents(count)
    told = []
    (found,) = generate(
        folder,
        PROMPT,
        tokens=count + 1,
        rules=path,
        watch_rules=True,
        on_change=told.append,
        log=log,
        logits_processor=Replacing(path, contents),
    )
    texts = in_force(first, contents)
    start = len(tokenizer.encode(PROMPT).ids)
    lines, of = events(log)
    # Every valid version took effect where it was found, and every broken one was refused with its reason.
    took = [(start + number, sha256(each)) for number, each in enumerate(contents) if each not in BROKEN.values()]
    assert [(each["position"], each["sha256"]) for each in of("rules")] == [(0, sha256(first)), *took]
    refused = [(start + number, each) for number, each in enumerate(contents) if each in BROKEN.values()]
    reasons = {content: reason for reason, content in BROKEN.items()}
    assert [each["position"] for each in of("refused")] == [position for position, _ in refused]
    for line, (_, content) in zip(of("refused"), refused, strict=True):
        assert reasons[content] in line["reason"]
        assert "\n" not in line["reason"]
    assert len(told) == len(of("rules")) + len(of("refused")) == count + 1
    # Every pass and every firing is by the version in force.
    assert [each["rules"] for each in of("pass")] == [sha256(each) for each in texts]
    promises, version = {}, None
    for line in lines:
        if line["event"] == "rules":
            promises[line["sha256"]] = {each.name: each.fidelity for each in parse_rules(line["text"])}
        elif line["event"] == "pass":
            version = line["rules"]
        elif line["event"] == "firing":
            assert line["promise"] == promises[version][line["rule"]]
            assert line["status"] == "met"
            assert line["after"] >= line["promise"] - 1e-5
    # The same text and firings as with plans switched by hand.
    model = load_decoder(folder)
    by_hand = ByHand(model, tokenizer, texts)
    ids = torch.tensor([tokenizer.encode(PROMPT).ids])
    growth = Growth(ids, Sampler(1.0, 0))
    with steered(model, by_hand, block) as hand:
        growth.grow(model, count + 1)
    assert by_hand.passes == count + 1
    assert found.text == tokenizer.decode(growth.new, skip_special_tokens=False)
    read = [token for each in of("pass") for token in each["tokens"][0]]
    assert [*read, of("end")[0]["last"]] == growth.ids[0].tolist()
    names = ("text", "position", "layer", "head", "rule", "promise", "before", "after", "strength")
    assert [[each[name] for name in names] for each in of("firing")] == [
        [getattr(each, name) for name in names] for each in hand
    ]
    return found, of
