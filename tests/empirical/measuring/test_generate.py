"""Cached generation equals passes over the whole text at every dial, and seeds make it repeatable."""

import json
import shutil

import pytest
import torch
from families import tiny_decoder
from tiny import one_thread, tiny  # noqa: F401

from empirical.attention.attach import Attachment
from empirical.attention.block_kinds import GivenBlocks, WindowBlocks
from empirical.config import ModelConfig
from empirical.locality import LocalityConfig
from empirical.measuring.generate import TextBlocks, continued, generate
from empirical.measuring.generate_command import generate as command
from empirical.measuring.measure_command import measure as measure_command
from empirical.model import build_model, load_model, save_model
from empirical.seal import SEAL_NAME
from empirical.training.corpus import Piece, load_corpus, load_tokenizer, train_tokenizer
from empirical.training.segments import GrowingBlocks, window_blocks
from theory.errors import DomainError, InputError, LocalistError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    shape = ModelConfig(layers=2, heads=2, width=32, context=48, vocabulary=300)
    model = build_model(shape, LocalityConfig(schedule="linear", block=5), 300, 0)
    with torch.no_grad():
        # Random weights of the usual size give nearly uniform attention, on which a dial has little effect.
        for block in model.transformer.h:
            block.attn.c_attn.weight *= 20
    save_model(model, path)
    train_tokenizer(load_corpus(tiny().corpus).training[:20], 300).save(str(path / "tokenizer.json"))
    return path


@pytest.mark.parametrize("dial", [0.0, 0.7, 1.0])
def test_cached_steps_equal_full_passes(folder, dial):
    model = load_model(folder).double()
    start = torch.arange(7)[None]
    with Attachment(model, WindowBlocks(5), [dial, dial]).attached(), torch.no_grad():
        ids, surprise = continued(model, start, 30, temperature=1.0, seed=0)
        whole = model(ids, use_cache=False).logits.log_softmax(-1)
        nats = -whole[0, 6:-1].gather(1, ids[0, 7:, None]).mean().item()
        greedy, _ = continued(model, start, 30, temperature=0.0, seed=0)
        best = model(greedy, use_cache=False).logits[0, 6:-1].argmax(-1)
    assert surprise == pytest.approx(nats, rel=1e-12)
    assert torch.equal(greedy[0, 7:], best)


TEXT = """One sentence. Another one! (A third?)  Is it so... "Yes." It is.

  A paragraph with Zwölf Boxkämpfer \U0001f600. \U0001f600 begins this one.


The last. """


@pytest.mark.parametrize("kind", ["sentences", "paragraphs"])
def test_growing_text_has_the_blocks_of_the_whole_text(folder, kind):
    tokenizer = load_tokenizer(str(folder))
    ids = tokenizer.encode(TEXT).ids
    whole = window_blocks(LocalityConfig(blocks=kind), tokenizer, [Piece("a", 0, TEXT)], torch.tensor([ids]))
    growing = GrowingBlocks(kind, tokenizer)
    found = [block for token in ids for block in growing.extend([token])]
    assert found == whole[0].tolist()
    assert found[-1] >= 2
    assert GrowingBlocks(kind, tokenizer).extend(ids) == found
    ends = GrowingBlocks(kind, tokenizer).extend([0, *ids[:2], 0, ids[0]])
    assert ends == [0, 1, 1, 1, 2], "the token that ends a text belongs to that text"


@pytest.mark.parametrize("kind", ["sentences", "paragraphs"])
def test_cached_steps_equal_full_passes_with_blocks_of_the_text(folder, kind):
    model, tokenizer = load_model(folder).double(), load_tokenizer(str(folder))
    start = torch.tensor([tokenizer.encode("One. Two.\n\nThree. Four").ids])
    dials = [0.5, 0.9]
    with Attachment(model, TextBlocks(kind, lambda: GrowingBlocks(kind, tokenizer)), dials).attached():
        ids, surprise = continued(model, start, 20, 1.0, 0)
    given = GivenBlocks(torch.tensor([GrowingBlocks(kind, tokenizer).extend(ids[0].tolist())]))
    found = []
    for blocks in (given, WindowBlocks(5)):
        with Attachment(model, blocks, dials).attached(), torch.no_grad():
            found.append(model(ids, use_cache=False).logits.log_softmax(-1))
    whole, other = found
    first = start.shape[1]
    nats, wrong = (-each[0, first - 1 : -1].gather(1, ids[0, first:, None]).mean().item() for each in (whole, other))
    assert surprise == pytest.approx(nats, rel=1e-12)
    assert surprise != pytest.approx(wrong, rel=1e-9), "the test needs blocks that change the output"


def test_refuses_blocks_undefined_for_a_growing_text(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert not (copy / SEAL_NAME).exists(), "the folder must not be a sealed run"
    config = json.loads((copy / "config.json").read_text())
    for kind, message in (("file", "of kind 'file'"), ("segments", "is not a run")):
        config["localist"]["blocks"] = kind
        (copy / "config.json").write_text(json.dumps(config))
        with pytest.raises(LocalistError, match=message):
            generate(copy, "a", tokens=3)
    with pytest.raises(DomainError, match="still growing"):
        GrowingBlocks("segments", load_tokenizer(str(folder)))
    config["localist"]["blocks"] = "sentences"
    (copy / "config.json").write_text(json.dumps(config))
    assert generate(copy, "One. Two", tokens=3)[0].text


def test_dials_per_head_are_those_of_the_file(folder, tmp_path, capsys):
    plan = [0.5, (0.0, 1.0)]
    path = tmp_path / "dials.json"
    path.write_text(json.dumps({"dials": plan}))
    (own,) = generate(folder, "import", plan=plan, tokens=10)
    assert own.dials == tuple(plan)
    command(model=str(folder), prompt="import", dials=path, tokens=10, as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)["continuations"]
    assert shown == {"dials": [0.5, [0.0, 1.0]], "text": own.text, "nats_per_token": own.loss}
    command(model=str(folder), prompt="import", dials=path, tokens=1)
    assert "dials 0.5, (0 1)" in capsys.readouterr().out
    with pytest.raises(DomainError, match="give one of them"):
        command(model=str(folder), prompt="import", dials=path, dial="0.5", tokens=1)
    with pytest.raises(DomainError, match="give one of them"):
        generate(folder, "import", dials=[0.5], plan=plan, tokens=1)
    with pytest.raises(DomainError, match="3 dials were given for 2 heads"):
        generate(folder, "import", plan=[0.5, (0.0, 0.5, 1.0)], tokens=1)


def test_dial_changes_the_continuation(folder):
    low, high = generate(folder, "The value of", dials=[0.0, 1.0], tokens=20)
    assert low.loss != high.loss
    assert high.dials == (1.0, 1.0)


def test_own_dials_and_seeds_are_repeatable(folder):
    (own,) = generate(folder, "import", tokens=10)
    assert own.dials == (0.0, 0.9)
    assert generate(folder, "import", tokens=10)[0] == own
    assert generate(folder, "import", tokens=10, seed=1)[0] != own
    (spread,) = generate(folder, "import", dials=[0.9], shape="linear", tokens=10)
    assert spread == own


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 0}, "tokens 0"),
        ({"tokens": 5, "seed": -1}, "seed -1"),
        ({"tokens": 5, "seed": 10**23}, "seed 10000000000"),
        ({"tokens": 48}, "exceed the model's 48 positions"),
        ({"temperature": -1.0}, "temperature -1"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"tokens": 5, "dials": [1.5]}, r"1.5 .*\[0, 1\]"),
        ({"tokens": 5, "dials": [0.5], "shape": "steep"}, "'steep' must be one of"),
    ],
)
def test_refuses_values_out_of_range(folder, options, message):
    with pytest.raises(DomainError, match=message) as caught:
        generate(folder, "a", **options)
    assert "\n" not in str(caught.value)


def test_prompt_and_continuation_may_fill_all_positions(folder):
    prompt = "The value of a name"
    before = len(load_tokenizer(str(folder)).encode(prompt).ids)
    assert before > 2
    (found,) = generate(folder, prompt, tokens=48 - before, temperature=0.0)
    (shorter,) = generate(folder, prompt, tokens=47 - before, temperature=0.0)
    assert found.text.startswith(shorter.text)
    message = f"^a prompt of {before} tokens and {49 - before} new ones exceed the model's 48 positions"
    with pytest.raises(DomainError, match=message):
        generate(folder, prompt, tokens=49 - before)


def test_folder_without_a_model_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        generate(tmp_path, "a")


def test_tiny_temperature_takes_the_likeliest_token(folder):
    likeliest = generate(folder, "The", tokens=5, temperature=0.0)
    assert generate(folder, "The", tokens=5, temperature=1e-320) == likeliest


def test_shape_may_be_an_exponent(folder):
    assert generate(folder, "The", dials=[0.8], shape="2", tokens=2) == generate(
        folder, "The", dials=[0.8], shape="quadratic", tokens=2
    )


def test_refuses_a_shape_without_a_dial(folder):
    for command_of in (command, measure_command):
        with pytest.raises(DomainError, match=r"shape linear spreads a .* give --dial too"):
            command_of(folder, shape="linear")


def test_command_prints_continuations(folder, capsys):
    command(folder, prompt="def", dial="0,1", tokens=5, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert [each["dials"] for each in shown["continuations"]] == [[0, 0], [1, 1]]
    command(folder, tokens=5, temperature=0)
    assert "nats per token" in capsys.readouterr().out


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss"])
def test_any_decoder_is_continued_with_the_dial_moved(family, folder, tmp_path):
    model = tiny_decoder(family, vocabulary=300)
    model.save_pretrained(tmp_path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    plain, hard = generate(tmp_path, "The value", dials=[0.0, 1.0], block=8, tokens=20, temperature=0.0)
    start = torch.tensor([load_tokenizer(str(folder)).encode("The value").ids])
    expected = model.generate(start, max_new_tokens=20, do_sample=False, eos_token_id=None)
    assert plain.text == load_tokenizer(str(folder)).decode(expected[0, start.shape[1] :].tolist(), False)
    assert hard.loss != plain.loss
    assert generate(tmp_path, "The value", tokens=20, temperature=0.0)[0].text == plain.text
