"""What follows a broken promise: it is marked, or it ends the text at that token."""

import re

import pytest
import torch
import typer
from families import tiny_decoder
from ruled_folders import events, save_decoder, tokenizer
from tiny import one_thread  # noqa: F401

import localist
from empirical.measuring.generate import generate, replay
from empirical.measuring.generate_command import generate as command
from empirical.steering.firing_log import firing_log
from empirical.steering.steered import BrokenPromise
from theory.errors import DomainError, LocalistError

PROMPT = "One of them is"
# At position 10 two disjoint targets share a row, so both cannot have 0.7 of it; no promise of that row is met.
LATE = """
[[rule]]
name = "start"
when = 'position > 9'
target = 'first token'
fidelity = 0.7
layers = [1]
heads = [2]

[[rule]]
name = "others"
when = 'position > 9'
target = 'tokens(position > 0)'
fidelity = 0.7
layers = [1]
heads = [2]

[[rule]]
name = "kept"
when = 'position > 4'
target = 'tokens(position > 1)'
fidelity = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_decoder("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "RULES.toml"
    path.write_text(LATE, encoding="utf-8")
    return path


def test_a_text_stops_at_the_pass_that_broke_a_promise(folder, rules, tmp_path):
    log = tmp_path / "log.jsonl"
    given = {"tokens": 20, "rules": rules}
    (marked,) = generate(folder, PROMPT, **given)
    (stopped,) = generate(folder, PROMPT, **given, on_broken="stop", log=log)
    assert marked.stopped is None
    assert marked.broken > 2
    start = len(tokenizer().encode(PROMPT).ids)
    # Position 10 is the last one read, and no token follows from it.
    assert marked.text.startswith(stopped.text)
    _, of = events(log)
    kept = [token for each in of("pass") for token in each["tokens"][0]]
    assert len(kept) == 11
    assert tokenizer().decode(kept[start:], skip_special_tokens=False) == stopped.text
    assert (stopped.broken, of("pass")[-1]["broken"]) == (3, 3)
    assert [each["position"] for each in of("firing") if each["status"] == "impossible"] == [10, 10, 10]
    assert stopped.stopped == of("end")[0]["stopped"]
    line = r"rule 'start' broke its promise at position 10, layer 1, head 2: fidelity 0\.\d+ of 0\.7 \(impossible\)"
    assert re.fullmatch(line, stopped.stopped)
    assert replay(folder, log).differences == 0


def test_the_command_prints_what_was_kept_and_gives_status_1(folder, rules, capsys):
    with pytest.raises(typer.Exit) as end:
        command(str(folder), prompt=PROMPT, tokens=20, rules=rules, on_broken="stop")
    assert end.value.exit_code == 1
    shown = capsys.readouterr()
    assert PROMPT in shown.out
    assert "3 promises broken" in shown.out
    assert shown.err.startswith("stopped: rule 'start' broke its promise at position 10, layer 1, head 2: fidelity")


def test_a_promise_broken_in_the_prompt_leaves_no_token(folder, rules, capsys):
    prompt = "One of them is longer than ten tokens, and a promise breaks at once"
    (found,) = generate(folder, prompt, tokens=5, rules=rules, on_broken="stop")
    assert (found.text, found.loss) == ("", None)
    with pytest.raises(typer.Exit):
        command(str(folder), prompt=prompt, tokens=5, rules=rules, on_broken="stop")
    assert "no token" in capsys.readouterr().out


def test_no_other_dial_follows_a_stop(folder, rules):
    assert len(generate(folder, PROMPT, tokens=20, rules=rules, on_broken="stop", dials=[0.0, 0.5], block=4)) == 1
    assert len(generate(folder, PROMPT, tokens=20, rules=rules, dials=[0.0, 0.5], block=4)) == 2


def test_kept_promises_do_not_stop(folder, rules):
    rules.write_text(LATE.replace("0.7", "0.1"), encoding="utf-8")
    (found,) = generate(folder, PROMPT, tokens=20, rules=rules, on_broken="stop")
    assert (found.broken, found.stopped) == (0, None)
    assert found.firings > 50


def test_ruled_raises_with_the_firing_after_logging_it(rules, tmp_path):
    model = tiny_decoder("gpt2", vocabulary=300)
    ids = torch.tensor([tokenizer().encode(PROMPT).ids])
    with (
        pytest.raises(BrokenPromise, match="rule 'start' broke its promise at position 10") as caught,
        firing_log(tmp_path / "log.jsonl") as write,
        localist.ruled(model, rules, tokenizer(), on_pass=write, on_change=write.change, on_broken="raise") as log,
    ):
        model.generate(ids, max_new_tokens=20, min_new_tokens=20, do_sample=False)
    assert isinstance(caught.value, LocalistError)
    firing = caught.value.firing
    assert (firing.rule, firing.position, firing.layer, firing.head, firing.promise) == ("start", 10, 1, 2, 0.7)
    assert firing in list(log.passes[-1])
    _, of = events(tmp_path / "log.jsonl")
    assert of("pass")[-1]["broken"] == 3
    # The model is its own again, and nothing of the pass is left.
    assert model.config._attn_implementation == "eager"
    assert model.generate(ids, max_new_tokens=3, do_sample=False).shape[1] == ids.shape[1] + 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"on_broken": "stop"}, "on_broken stop has no effect without rules: give rules too"),
        ({"watch_rules": True}, "watch_rules has no effect without rules: give rules too"),
        ({"log_bytes": 9}, "log_bytes 9 has no effect without log: give log too"),
        ({"rules": "RULES", "log_bytes": 9}, "log_bytes 9 has no effect without log: give log too"),
        ({"rules": "RULES", "on_broken": "halt"}, "on_broken 'halt' must be 'mark' or 'stop'"),
    ],
)
def test_options_without_effect_are_refused(folder, rules, given, reason):
    given = {name: rules if value == "RULES" else value for name, value in given.items()}
    with pytest.raises(DomainError) as refused:
        generate(folder, PROMPT, tokens=2, **given)
    assert str(refused.value) == reason


def test_ruled_refuses_another_word(rules):
    model = tiny_decoder("gpt2", vocabulary=300)
    with (
        pytest.raises(DomainError, match="on_broken 'stop' must be 'mark' or 'raise'"),
        localist.ruled(model, rules, tokenizer(), on_broken="stop"),
    ):
        pass
