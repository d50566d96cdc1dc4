"""A trained GPT-2 and a Llama with grouped keys: promises, reloads and replays as a user meets them."""

import json

import pytest
import torch
import typer
from replacing import check_replacements
from ruled_folders import RULES, events, save_decoder
from steering import check_rows
from tiny import one_thread, tiny  # noqa: F401

import localist
from empirical.measuring.generate import replay
from empirical.measuring.generate_command import generate as command
from empirical.model import load_decoder
from empirical.steering import steered as module
from empirical.steering import steered_call
from empirical.steering.strengths import Status
from empirical.training.corpus import load_tokenizer, python_topics
from empirical.training.train import train, training_summary

pytestmark = pytest.mark.slow
BLOCK, NEAR = 16, 1e-5
PROMISES = f"""
{RULES.format(least=0.3)}
[[rule]]
name = "pieces"
when = 'matches("[aeiou]") and block_position > 1'
target = 'own block'
fidelity = 0.45

[[rule]]
name = "push"
when = 'block > 1'
target = 'block 1'
strength = 0.7
heads = [0, 3]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A GPT-2 that was trained until it knows more than the frequencies of tokens."""
    shape = {"layers": 4, "heads": 4, "width": 96, "context": 160, "vocabulary": 600}
    locality = {"schedule": "linear", "largest_dial": 0.9, "block": BLOCK}
    config = tiny(model=shape, locality=locality, training={"steps": 120, "batch": 8, "learning_rate": 3e-3})
    folder = train(config, tmp_path_factory.mktemp("runs") / "trained", progress=False)
    assert training_summary(folder)["final_loss"] < 5.0
    return folder


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folder(request, trained, tmp_path_factory):
    if request.param == "gpt2":
        return trained
    changes = {"max_position_embeddings": 160, "num_hidden_layers": 3}
    return save_decoder("llama", tmp_path_factory.mktemp("llama"), **changes)


def check(firings, count):
    """Every promise is met to 1e-5, or the row has no key of its target."""
    assert len(firings) > count
    assert {each.rule for each in firings} == {"start", "back", "pieces", "push"}
    for each in firings:
        assert each.status in (Status.MET, Status.NO_KEY)
        assert each.promise is None or each.status == Status.NO_KEY or each.after >= each.promise - NEAR
    assert sum(each.strength > 0 for each in firings) > count / 20


def test_every_promise_is_met_in_passes_and_in_decode_steps(folder, tmp_path, monkeypatch):
    """Each row is also computed from its definition, and what is impossible would need a certificate."""
    (tmp_path / "RULES.toml").write_text(PROMISES, encoding="utf-8")
    model, tokenizer = load_decoder(folder), load_tokenizer(str(folder))
    ids = torch.tensor(tokenizer.encode(python_topics()[5]).ids[: 2 * 96]).view(2, 96)
    compared = []

    def steer(call, firings):
        output, rows = steered_call.steer(call, firings)
        if rows is not None:
            compared.append(check_rows(call, firings, output, rows, NEAR))
        return output, rows

    monkeypatch.setattr(module, "steer", steer)
    ruled = {"block": BLOCK, "dials": getattr(model.config, "localist", {}).get("dials")}
    with torch.no_grad(), localist.ruled(model, tmp_path / "RULES.toml", tokenizer, **ruled) as whole:
        model(ids)
    check(list(whole), 1000)
    given = {"max_new_tokens": 40, "min_new_tokens": 40, "do_sample": False, "pad_token_id": 0}
    with localist.ruled(model, tmp_path / "RULES.toml", tokenizer, **ruled) as log:
        model.generate(ids, attention_mask=torch.ones_like(ids), **given)
    check(list(log), 1500)
    assert max(each.position for each in log) == 96 + 40 - 2
    assert sum(compared) == len(list(whole)) + len(list(log))


def test_the_command_keeps_promises_and_its_log_is_replayed(folder, tmp_path, capsys):
    rules, log = tmp_path / "RULES.toml", tmp_path / "log.jsonl"
    rules.write_text(PROMISES, encoding="utf-8")
    given = {"prompt": "The import statement", "tokens": 120, "rules": rules, "watch_rules": True, "as_json": True}
    command(str(folder), **given, on_broken="stop", block=BLOCK, log=log, log_bytes=50_000)
    (shown,) = json.loads(capsys.readouterr().out)["continuations"]
    assert (shown["broken"], shown["stopped"]) == (0, None)
    parts = [log, *sorted(tmp_path.glob("log.jsonl.*"), key=lambda each: int(each.suffix[1:]))]
    assert len(parts) > 3
    _, of = events(*parts)
    assert len(of("firing")) == shown["firings"]
    assert len(of("pass")) == 120
    command(str(folder), replay=log)
    assert capsys.readouterr().out.endswith("120 passes, 1 texts; differences: 0\n")
    changed = parts[-1].read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(number for number, line in enumerate(changed) if json.loads(line).get("strength"))
    line = json.loads(changed[at])
    changed[at] = json.dumps(line | {"strength": line["strength"] * (1 + 1e-8)}) + "\n"
    parts[-1].write_text("".join(changed), encoding="utf-8")
    with pytest.raises(typer.Exit) as end:
        command(str(folder), replay=log)
    assert end.value.exit_code == 1
    assert "differences: 1" in capsys.readouterr().out


def test_the_rule_file_is_replaced_a_hundred_times(folder, tmp_path):
    block = BLOCK if getattr(load_decoder(folder).config, "localist", None) else 64
    found, of = check_replacements(folder, tmp_path / "RULES.toml", tmp_path / "log.jsonl", 100, block)
    assert (len(of("rules")), len(of("refused"))) == (68, 33)
    again = replay(folder, tmp_path / "log.jsonl")
    assert (again.differences, again.passes, again.firings) == (0, 101, found.firings)
