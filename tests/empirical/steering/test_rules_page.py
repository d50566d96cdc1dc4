"""The examples of `docs/rules.md` about a run are run."""

import re
from typing import get_args

import pytest
import torch
from families import tiny_decoder
from repository import ROOT
from ruled_folders import KEPT, VOCABULARY, events, save_decoder, tokenizer
from tiny import one_thread  # noqa: F401
from typer.testing import CliRunner

import localist
from empirical.steering.log_lines import Line
from localist.cli import app

PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


def blocks(language, section):
    """Blocks of code in a section, up to the next of the same or a higher level."""
    level, _ = section.split(" ", 1)
    text = PAGE.split(f"\n{section}\n")[1]
    text = re.split(rf"\n#{{1,{len(level)}}} ", text)[0]
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the rule file and the model that the page names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RULES.toml").write_text(KEPT, encoding="utf-8")
    (tmp_path / "MODEL").mkdir()
    save_decoder("gpt2", tmp_path / "MODEL")
    return tmp_path


def test_the_python_examples(here):
    model = tiny_decoder("llama", vocabulary=VOCABULARY)
    batch = {"input_ids": torch.tensor([tokenizer().encode("It is").ids]), "max_new_tokens": 8}
    given = {"model": model, "tokenizer": tokenizer(), "localist": localist}
    first, constrained = blocks("python", "## During a run")
    exec(first, given | {"batch": batch})
    del batch["max_new_tokens"]
    names = given | {"batch": batch}
    exec(constrained, names)
    new = names["ids"][0, batch["input_ids"].shape[1] :]
    assert len(new) == 8
    assert not (new % 2).any()
    assert len(list(names["log"])) > 50
    assert names["text"].firings > 20


def test_the_commands(here):
    generate, replay = (line for block in blocks("sh", "## During a run") for line in block.splitlines())
    for line, shown in ((generate, "rules fired"), (replay, "differences: 0")):
        done = CliRunner().invoke(app, [each.strip('"') for each in line.split()[1:]])
        assert done.exit_code == 0, done.output
        assert shown in done.output
    assert events(here / "firings.jsonl")[1]("firing")


def test_the_page_names_every_event_of_a_log():
    kinds = {each.model_fields["event"].default for each in get_args(get_args(Line)[0])}
    table = PAGE.split("\n### The log\n")[1].split("```")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == kinds
