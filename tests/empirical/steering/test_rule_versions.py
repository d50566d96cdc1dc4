"""A rule file that is replaced while a text grows: every version takes effect or is refused, and nothing is lost."""

import os
import time

import pytest
import torch
from families import tiny_decoder
from replacing import BROKEN, PROMPT, Replacing, check_replacements, in_force, planned_contents, sha256, write
from ruled_folders import RULES, save_decoder, tokenizer
from tiny import one_thread  # noqa: F401
from transformers import LogitsProcessor, LogitsProcessorList

import localist
from empirical.attention.text import Text
from empirical.measuring.generate import replay
from empirical.rules.rule_file import parse_rules
from empirical.steering.rule_plan import RulePlan, planned_for
from empirical.steering.rule_versions import FilePlan
from theory.errors import DomainError, InputError


@pytest.fixture(scope="module", params=["gpt2", pytest.param("llama", marks=pytest.mark.slow)])
def folder(request, tmp_path_factory):
    return save_decoder(request.param, tmp_path_factory.mktemp(request.param))


def test_nothing_is_lost_when_the_file_is_replaced_before_every_token(folder, tmp_path):
    found, of = check_replacements(folder, tmp_path / "RULES.toml", tmp_path / "log.jsonl", 30)
    assert found.broken == 0
    assert len(of("firing")) > 100
    assert replay(folder, tmp_path / "log.jsonl").differences == 0


@pytest.mark.slow
def test_a_hundred_replacements_in_one_generation(folder, tmp_path):
    found, of = check_replacements(folder, tmp_path / "RULES.toml", tmp_path / "log.jsonl", 100)
    assert len(of("rules")) == 68
    assert len(of("refused")) == 33
    replayed = replay(folder, tmp_path / "log.jsonl")
    assert (replayed.differences, replayed.passes, replayed.firings) == (0, 101, found.firings)


def test_a_plan_that_misses_a_version_would_be_found(folder, tmp_path, monkeypatch):
    looked = FilePlan._look

    def late(self, position):
        if position % 7:
            looked(self, position)

    monkeypatch.setattr(FilePlan, "_look", late)
    with pytest.raises(AssertionError):
        check_replacements(folder, tmp_path / "RULES.toml", tmp_path / "log.jsonl", 12)


def text_of(*tokens):
    ids = torch.tensor([tokens])
    places = torch.arange(len(tokens))[None]
    return Text(1, 1, places, places // 64, None, ids, [])


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "RULES.toml"
    write(found, RULES.format(least=0.5))
    return found


def plan(path, told, watch=True):
    return FilePlan(path, planned_for(tiny_decoder("gpt2", vocabulary=300), tokenizer()), watch, told.append)


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_file_is_refused_once_and_the_old_rules_stay(path, reason):
    told = []
    watched = plan(path, told)
    before = watched.version
    write(path, BROKEN[reason])
    for _ in range(3):
        watched.firings(text_of(*range(5)))
    (change,) = told
    assert reason in change.refusal
    assert (change.position, change.text, watched.version) == (4, None, before)
    # Restored: these rules never went.
    write(path, RULES.format(least=0.5))
    watched.firings(text_of(*range(6)))
    assert told == [change]
    write(path, BROKEN[reason])
    watched.firings(text_of(*range(7)))
    assert [each.position for each in told] == [4, 6]


@pytest.mark.parametrize("reason", [each for each in BROKEN if BROKEN[each] is not None])
def test_a_start_refuses_what_a_reload_refuses(path, reason):
    write(path, BROKEN[reason])
    with (
        pytest.raises((InputError, DomainError), match=reason),
        localist.ruled(tiny_decoder("gpt2", vocabulary=300), path, tokenizer()),
    ):
        pass


def test_a_file_that_is_not_watched_is_read_once(path):
    told = []
    unwatched = plan(path, told, watch=False)
    write(path, BROKEN["not TOML"])
    unwatched.firings(text_of(*range(5)))
    assert told == []


def test_a_pipe_is_not_watched(path):
    told = []
    watched = plan(path, told)
    path.unlink()
    os.mkfifo(path)
    watched.firings(text_of(*range(5)))
    (change,) = told
    assert change.refusal.endswith("it is not a file")
    with pytest.raises(InputError, match="cannot watch"):
        plan(path, told)


def test_a_change_within_one_tick_of_the_clock_is_seen(path):
    told = []
    watched = plan(path, told)
    stamp = path.stat()
    write(path, RULES.format(least=0.6), in_place=True)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    watched.firings(text_of(1, 2))
    assert [each.text for each in told] == [RULES.format(least=0.6)]


def test_an_old_file_is_not_read_again(path, monkeypatch):
    told, reads = [], []
    os.utime(path, ns=(0, time.time_ns() - 10**10))
    watched = plan(path, told)
    watched.firings(text_of(1))
    monkeypatch.setattr(FilePlan, "_bytes", lambda self: reads.append(1) or path.read_bytes())
    watched.firings(text_of(1, 2))
    assert reads == []
    os.utime(path, ns=(0, time.time_ns() - 9**10))
    watched.firings(text_of(1, 2, 3))
    assert (reads, told) == ([1], [])


def test_new_rules_read_the_whole_text_so_far(path):
    told = []
    watched = plan(path, told)
    ids = tokenizer().encode("One word and one word and another").ids
    watched.firings(text_of(*ids[:-1]))
    write(path, RULES.format(least=0.6))
    found = watched.firings(text_of(*ids))
    whole = RulePlan(parse_rules(RULES.format(least=0.6)), lambda each: tokenizer().decode([each])).firings(
        text_of(*ids)
    )
    assert [each.name for each in found.rules] == [each.name for each in whole.rules]
    assert torch.equal(found.fires, whole.fires)
    assert torch.equal(found.targets, whole.targets)


def test_ruled_watches_in_the_generation_of_transformers(path):
    class Hook(LogitsProcessor):
        def __init__(self, hook):
            self.hook = hook

        def __call__(self, input_ids, scores):
            return self.hook(input_ids, scores)

    model, told, passes = tiny_decoder("llama", vocabulary=300), [], []
    contents = planned_contents(8)
    hook = Hook(Replacing(path, contents))
    ids = torch.tensor([tokenizer().encode(PROMPT).ids])
    with localist.ruled(model, path, tokenizer(), 8, watch=True, on_change=told.append, on_pass=passes.append) as log:
        model.generate(
            ids, max_new_tokens=9, min_new_tokens=9, do_sample=False, logits_processor=LogitsProcessorList([hook])
        )
    texts = in_force(RULES.format(least=0.5), contents)
    assert [each.version for each in passes] == [sha256(each) for each in texts]
    assert len(told) == 9
    for done, text in zip(passes, texts, strict=True):
        assert {each.promise for each in done} <= {rule.fidelity for rule in parse_rules(text)}
    assert [each.version for each in log.passes] == [each.version for each in passes if each.layers]


def test_only_a_file_is_watched():
    rules = parse_rules(RULES.format(least=0.5))
    model = tiny_decoder("gpt2", vocabulary=300)
    with pytest.raises(DomainError, match="give its path"), localist.ruled(model, rules, tokenizer(), watch=True):
        pass
