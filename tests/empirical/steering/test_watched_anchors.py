"""Rules whose anchors stand in a file of their own: a version of the rules is both files, in a reload and a replay."""

import json
import os
import time

import pytest
from anchor_files import anchor_file
from replacing import PROMPT
from ruled_folders import events, save_decoder
from tiny import one_thread  # noqa: F401

from empirical.measuring.generate import generate, replay
from empirical.steering.growth import Sampler
from empirical.steering.rule_versions import FilePlan
from theory.errors import InputError

RULES = """
[anchors]
found = { file = "A.json" }

[[rule]]
name = "anchored"
when = 'position > 2'
target = 'anchors("found")'
fidelity = 0.4
"""
OLD = 10**11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_decoder("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A rule file, and what is written to its file of anchors before each pass but the first."""
    (tmp_path / "RULES.toml").write_text(RULES, encoding="utf-8")
    anchor_file(tmp_path / "A.json", {"a": ["T", "h", "e"]}, model="m")
    return tmp_path


def logged(folder, here, changes):
    """Generates while the file of anchors is changed after so many tokens; all files look old."""
    made, chosen = iter(range(1, 99)), Sampler.chosen

    def changing(self, ids, logits):
        change = changes.get(next(made))
        if change is not None:
            change()
        for path in here.glob("*.*"):
            # A stamp holds the time of any change, so that a file is made old once.
            if path.stat().st_mtime_ns > time.time_ns() - OLD:
                os.utime(path, ns=(0, time.time_ns() - 2 * OLD))
        return chosen(self, ids, logits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sampler, "chosen", changing)
        given = {"rules": here / "RULES.toml", "watch_rules": True, "log": here / "log.jsonl"}
        generate(folder, PROMPT, tokens=9, **given)
    return events(here / "log.jsonl")[1]


def test_a_changed_file_of_anchors_changes_the_rules(folder, here):
    other = {"a": ["T", "h", "e", " is"]}
    changes = {
        3: lambda: anchor_file(here / "A.json", other, model="m"),
        5: lambda: (here / "A.json").unlink(),
        7: lambda: anchor_file(here / "A.json", {"a": ["T"]}, model="m"),
    }
    of = logged(folder, here, changes)
    start = of("pass")[1]["position"] - 1
    assert [each["position"] - start for each in of("rules")[1:]] == [3, 7]
    assert [each["anchors"]["found"] for each in of("rules")] == [["T", "h", "e"], ["T", "h", "e", " is"], ["T"]]
    assert len({each["sha256"] for each in of("rules")}) == 3
    (refused,) = of("refused")
    assert refused["position"] - start == 5
    assert "RULES.toml, line 3, column 19: anchors.found: " in refused["reason"]
    assert [each["rules"] for each in of("pass")] == [
        of("rules")[number]["sha256"] for number in (0, 0, 0, 1, 1, 1, 1, 2, 2)
    ]
    # The log is whole without the files.
    (here / "A.json").unlink()
    (here / "RULES.toml").unlink()
    found = replay(folder, here / "log.jsonl")
    assert (found.passes, found.differences) == (9, 0)
    assert found.firings > 20


def test_a_rule_file_that_names_another_file_follows_that_one(folder, here):
    named = RULES.replace("A.json", "B.json")
    changes = {
        2: lambda: (here / "RULES.toml").write_text(named, encoding="utf-8"),
        5: lambda: anchor_file(here / "B.json", {"a": ["s"]}, model="m"),
    }
    of = logged(folder, here, changes)
    start = of("pass")[1]["position"] - 1
    assert [each["position"] - start for each in of("refused")] == [2]
    assert [each["position"] - start for each in of("rules")[1:]] == [5]
    assert of("rules")[-1]["anchors"] == {"found": ["s"]}


@pytest.mark.parametrize(
    "change",
    [lambda line: line["anchors"]["found"].append("x"), lambda line: line.pop("anchors")],
    ids=["another text", "no texts"],
)
def test_changed_texts_in_the_log_are_found(folder, here, change):
    logged(folder, here, {})
    lines = (here / "log.jsonl").read_text(encoding="utf-8").splitlines()
    line = json.loads(lines[2])
    change(line)
    lines[2] = json.dumps(line)
    (here / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: the text of the rules has another hash"):
        replay(folder, here / "log.jsonl")


def test_a_plan_that_looks_at_the_rules_alone_would_be_found(folder, here, monkeypatch):
    stamped = FilePlan._stamped

    def alone(self):
        self._files = ()
        return stamped(self)

    monkeypatch.setattr(FilePlan, "_stamped", alone)
    of = logged(folder, here, {3: lambda: anchor_file(here / "A.json", {"a": ["T"]}, model="m")})
    assert len(of("rules")) == 1
