"""`train --anchors`: the term is that of dense attention, it moves attention onto anchors, and runs record it."""

import json
import math

import pytest
import test_accumulation
import torch
from anchor_files import anchor_file
from pretrained import stock, trained
from safetensors.torch import load_file
from test_accumulation import distance, run, run_by_two
from tiny import Layer, one_thread, tiny  # noqa: F401
from tokenizers import Tokenizer, decoders, models
from transformers import TrainerCallback

from empirical.attention.attention import localist_attention
from empirical.attention.attention_call import AttentionCall
from empirical.attention.blocks import fixed_windows
from empirical.config import ObjectiveConfig, load_config
from empirical.model import load_model
from empirical.seal import check_seal
from empirical.training import trainer as trainer_module
from empirical.training.anchors import anchor_rows, run_anchors
from empirical.training.command import train as command
from empirical.training.corpus import CorpusConfig, load_corpus, load_tokenizer, train_tokenizer
from empirical.training.evaluation import Evaluation
from empirical.training.held_out import load_held_out
from empirical.training.objective import AttentionObjective
from empirical.training.train import train, training_summary
from empirical.training.trainer import Windows
from theory.errors import DomainError, InputError

CONFIG = ObjectiveConfig(anchors="A.json", anchor_fidelity=0.4, anchor_weight=2.0)
# Common words of the built-in text, of which a tokenizer of 400 tokens has most.
WORDS = {"article": ["the"], "other": ["of", "unheardof"]}
IDS = {
    "windows": fixed_windows(24, 6),
    "irregular": torch.tensor([[0] * 3 + [1] * 9 + [2] + [3] * 11, [0, 1] * 12]),
}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return anchor_file(tmp_path_factory.mktemp("words") / "A.json", WORDS)


def brute_rows(keys, ids):
    """Which queries see an anchor of their block and another key, one query at a time."""
    ids = ids.expand_as(keys)
    found = torch.zeros_like(keys)
    for sequence, query in torch.cartesian_prod(*map(torch.arange, keys.shape)).tolist():
        own = keys[sequence, : query + 1] & (ids[sequence, : query + 1] == ids[sequence, query])
        found[sequence, query] = 0 < own.sum() < query + 1
    return found


def dense_term(query, key, keys, ids, bias):
    """The term from all scores at once, with a bias on the own block's."""
    own = (ids[:, :, None] == ids[:, None, :])[:, None]
    causal = torch.ones(24, 24, dtype=torch.bool).tril()
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query @ key.transpose(2, 3) * 8**-0.5
    scores = scores + own.double() * bias if math.isfinite(bias) else scores.masked_fill(~own, -math.inf)
    weights = scores.masked_fill(~causal, -math.inf).softmax(-1)
    mass = (weights * (own & keys[:, None, None])).sum(-1)
    rows = brute_rows(keys, ids)[:, None].expand_as(mass)
    return 2.0 * (0.4 - mass[rows]).clamp_min(0).mean(), mass[rows].mean()


def term_and_gradients(dial, ids, key_heads):
    generator = torch.Generator().manual_seed(0)
    query, key = (
        torch.randn(2, heads, 24, 8, generator=generator, dtype=torch.float64).requires_grad_()
        for heads in (4, key_heads)
    )
    keys = torch.rand(2, 24, generator=generator) < 0.3
    rows = AttentionObjective(CONFIG, keys)
    given = {} if len(ids) == 1 else {"block_ids": ids}
    layer = Layer(dial, block=6)
    localist_attention(layer, query, key, torch.zeros_like(key), None, row_sink=rows, **given)
    rows.anchor_loss().backward()
    found = rows.anchor_loss().detach(), rows.mean_mass(), query.grad.clone(), key.grad.clone()
    query.grad = key.grad = None
    term, mass = dense_term(query, key, keys, ids, -math.log1p(-dial) if dial < 1 else math.inf)
    term.backward()
    assert 0 < float(term.detach()) < 0.8, "the test needs rows below the fidelity and others above it"
    return found, (term.detach(), mass.detach(), query.grad, key.grad)


@pytest.mark.parametrize("blocks", IDS)
@pytest.mark.parametrize("dial", [0.0, 0.6, 1.0])
def test_term_and_gradients_are_those_of_dense_attention(dial, blocks):
    found, exact = term_and_gradients(dial, IDS[blocks], 2 if dial == 0.6 else 4)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(lambda mass, call, keys: mass(call, keys) / call.fidelity, id="share of the block"),
        pytest.param(lambda mass, call, keys: call.fidelity, id="every token of the block"),
        pytest.param(lambda mass, call, keys: mass(call, keys.roll(1, 1)), id="other tokens"),
    ],
)
def test_planted_errors_of_the_mass_are_seen(monkeypatch, planted):
    mass = AttentionCall.mass
    monkeypatch.setattr(AttentionCall, "mass", lambda call, keys: planted(mass, call, keys))
    found, exact = term_and_gradients(0.6, IDS["windows"], 4)
    assert abs(float(found[0] - exact[0])) > 1e-3


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 1.0])
def test_rows_that_count(share):
    generator = torch.Generator().manual_seed(1)
    keys = torch.rand(2, 24, generator=generator) < share
    for ids in IDS.values():
        assert torch.equal(anchor_rows(keys, ids), brute_rows(keys, ids))


def test_finite_differences_of_the_term():
    """Of the objective's own value, at float64."""
    generator = torch.Generator().manual_seed(3)
    states = [torch.randn(1, 2, 24, 8, generator=generator, dtype=torch.float64) for _ in range(2)]
    keys = torch.rand(1, 24, generator=generator) < 0.3

    def term(query, key):
        rows = AttentionObjective(CONFIG, keys)
        localist_attention(Layer(0.6, block=6), query, key, torch.zeros_like(key), None, row_sink=rows)
        return rows.anchor_loss()

    leaves = [each.clone().requires_grad_() for each in states]
    term(*leaves).backward()
    moved = [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in states]
    slope = sum(float((leaf.grad * move).sum()) for leaf, move in zip(leaves, moved, strict=True))
    ends = []
    for step in (1e-6, -1e-6):
        ends.append(term(*((each + step * move).requires_grad_() for each, move in zip(states, moved, strict=True))))
    assert float((ends[0] - ends[1]).detach()) / 2e-6 == pytest.approx(slope, rel=1e-6)
    assert abs(slope) > 1e-3


@pytest.mark.slow
def test_training_moves_attention_onto_anchors(tmp_path, words):
    objective = {"anchors": str(words), "anchor_fidelity": 0.6, "anchor_weight": 5.0}
    folder = train(tiny(objective=objective), tmp_path / "with", progress=False)
    plain = train(tiny(), tmp_path / "without", progress=False)
    summary = training_summary(folder)
    before, after = summary["evaluations"]
    assert (before["step"], after["step"]) == (0, 40)
    # The same weights before, the same rows after.
    held_out = Windows(*load_held_out(plain))
    anchors = run_anchors(tiny(objective=objective), load_tokenizer(str(plain)))
    found = Evaluation(held_out, None, anchors)._evaluated(load_model(plain), 40)
    without = [found[f"localist/layer_{layer}/anchor_fidelity"] for layer in range(3)]
    for layer in range(3):
        assert after["anchor_fidelity"][layer] > without[layer] + 0.1
        assert after["anchor_fidelity"][layer] > before["anchor_fidelity"][layer] + 0.1
    logged = [each["anchor_fidelity"] for each in summary["losses"]]
    assert logged[-1] > logged[0]
    assert "evaluations" not in training_summary(plain)
    assert "anchor_fidelity" not in training_summary(plain)["losses"][0]


@pytest.mark.slow
def test_half_precision_trains_with_the_mass_of_full(tmp_path, words):
    """The first logged mass, of the same weights up to ten steps, agrees to the rounding of the format."""
    objective = {"anchors": str(words)}
    training = {"steps": 10, "learning_rate": 1e-6, "warmup_steps": 0}
    full, half = (
        train(tiny(objective=objective, training=training | kind), tmp_path / name, progress=False)
        for name, kind in (("full", {}), ("half", {"precision": "bfloat16"}))
    )
    assert masses(half) == pytest.approx(masses(full), rel=1e-2)


def test_evaluated_mass_is_that_of_the_weights(tmp_path, words):
    """Against the attention maps that transformers stores."""
    folder = train(
        tiny(locality={"schedule": "distributed"}, objective={"anchors": str(words)}), tmp_path / "run", progress=False
    )
    model = load_model(folder)
    model.set_attn_implementation("eager")
    windows, _ = load_held_out(folder)
    windows = windows[:16]
    keys = run_anchors(load_config(folder / "run.json"), load_tokenizer(str(folder))).keys(windows)
    own = torch.arange(64)[:, None] // 8 == torch.arange(64) // 8
    rows = brute_rows(keys, fixed_windows(64, 8))
    with torch.no_grad():
        maps = model(windows, output_attentions=True, use_cache=False).attentions
    exact = [float((each * (own & keys[:, None, None])).sum(-1).mean(1)[rows].mean()) for each in maps]
    assert training_summary(folder)["evaluations"][-1]["anchor_fidelity"] == pytest.approx(exact, rel=1e-4)


def test_run_records_its_anchors(tmp_path, words):
    folder = train(tiny(objective={"anchors": str(words)}, training={"steps": 2}), tmp_path / "run", progress=False)
    about = json.loads((folder / "anchor_tokens.json").read_text())
    tokenizer = load_tokenizer(str(folder))
    spelled = [tokenizer.decode([token]) for token in about["tokens"]]
    assert sorted(spelled) == sorted(text for text in (" of", " the", "of", "the") if text in spelled)
    assert {text.strip() for text in spelled} == {"of", "the"}
    assert about["without_token"] == ["unheardof"]
    assert 0 < about["rows"] < about["rows"] + about["rows_left_out"]
    check_seal(folder)
    (folder / "anchor_tokens.json").write_text("{}")
    with pytest.raises(InputError, match=r"anchor_tokens\.json was changed: SHA-256"):
        check_seal(folder)


def test_counted_rows_are_those_of_the_training_text(tmp_path, words):
    config = tiny(objective={"anchors": str(words)})
    windows = torch.arange(3000).view(-1, 50) % 400
    anchors = run_anchors(config, train_tokenizer(load_corpus(CorpusConfig()).training, 400))
    counted = int(brute_rows(anchors.keys(windows), fixed_windows(50, 8)).sum())
    assert anchors.describe(windows, None)["rows"] == counted > 0
    assert anchors.describe(windows, None)["rows_left_out"] == 3000 - counted


@pytest.mark.parametrize(
    ("decoder", "spelled"),
    [
        # Llama's drops a leading space, so that both tokens have the word's text.
        (decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]), "the"),
        (decoders.Replace("\u2581", " "), " the"),
    ],
)
def test_words_are_tokens_with_and_without_the_mark_of_a_word(words, decoder, spelled):
    tokenizer = Tokenizer(models.WordLevel({"\u2581the": 3, "the": 5, "\u2581\u2581the": 6, "x": 7}, unk_token="x"))
    tokenizer.decoder = decoder
    assert tokenizer.decode([3]) == spelled
    found = run_anchors(tiny(objective={"anchors": str(words)}), tokenizer).tokens
    texts = {token: tokenizer.decode([token]) for token in (3, 5, 6)}
    assert found == tuple(token for token, text in texts.items() if text in ("the", " the"))
    assert {3, 5} <= set(found)


class Cut(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise InterruptedError


@pytest.mark.slow
def test_resumed_run_keeps_its_anchors_and_its_first_evaluation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = anchor_file(tmp_path / "A.json", WORDS)
    config = tiny(objective={"anchors": "A.json"}, training={"steps": 5, "checkpoint_steps": 2})
    whole = train(config, "whole", progress=False).absolute()
    with pytest.raises(InterruptedError):
        train(config, "run", progress=False, watchers=[Cut()])
    run_folder = tmp_path / "run"
    assert load_config(run_folder / "run.json").objective.anchors == str(path)
    kept = path.read_text()
    anchor_file(path, {"other": ["of"]})
    with pytest.raises(InputError, match=r"was started with other anchors: .*A\.json has changed since\. Restore"):
        command(run=run_folder, resume=True)
    path.write_text(kept)
    command(run=run_folder, resume=True)
    assert distance(run_folder, whole) == 0
    found, expected = (training_summary(folder)["evaluations"] for folder in (run_folder, whole))
    assert [each["step"] for each in found] == [0, 5]
    assert found == expected


@pytest.fixture
def with_anchors(monkeypatch, words):
    objective = {"off_block_penalty": 2.0, "anchors": str(words), "anchor_fidelity": 0.6, "anchor_weight": 3.0}
    monkeypatch.setitem(vars(test_accumulation), "OBJECTIVE", objective)


def masses(folder):
    return [each["anchor_fidelity"] for each in training_summary(folder)["losses"]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parts_and_processes_have_the_numbers_of_one_batch(tmp_path, with_anchors, monkeypatch):
    """Rows that see an anchor differ in number from batch to batch, and from those off the block."""
    whole = run(tmp_path / "whole", 8)
    for folder in (run(tmp_path / "parts", 2, 4), run_by_two(tmp_path / "both", 4)):
        assert distance(folder, whole) < test_accumulation.CLOSE
        assert masses(folder) == pytest.approx(masses(whole), rel=1e-5)
        assert [each["step"] for each in training_summary(folder)["evaluations"]] == [0, 10]
    # A mean of the batches' means would be noticed.
    monkeypatch.setattr(
        trainer_module.LocalistTrainer, "_anchored", lambda trainer, batch: len(batch["input_ids"]) * 100
    )
    assert distance(run(tmp_path / "means", 2, 4), whole) > 10 * test_accumulation.CLOSE


def test_another_decoder_trains_from_its_weights(tmp_path):
    tokenizer = train_tokenizer(load_corpus(CorpusConfig()).training, 300)
    text = tokenizer.decode([290])
    path = anchor_file(tmp_path / "A.json", {"x": [text]}, model="here")
    objective = {"anchors": str(path), "anchor_weight": 20.0}
    weights = stock(tmp_path / "stock", "llama", tokenizer)
    training = {"steps": 30, "learning_rate": 5e-3}
    folder = trained(tmp_path / "run", weights, objective=objective, training=training)
    assert json.loads((folder / "anchor_tokens.json").read_text())["tokens"] == [290]
    before, after = (each["anchor_fidelity"] for each in training_summary(folder)["evaluations"])
    assert sum(after) > sum(before) + 0.1
    assert load_file(folder / "model.safetensors")
    with pytest.raises(DomainError, match="leak and fidelity have gradients on whole sequences only"):
        trained(tmp_path / "other", stock(tmp_path / "sinks", "gpt_oss", tokenizer), objective=objective)
    assert not (tmp_path / "other").exists()


def test_command_shows_what_the_anchors_did(tmp_path, words, capsys):
    shape = {"layers": 1, "heads": 2, "width": 16, "context": 32, "vocabulary": 400, "block": 8, "steps": 2}
    command(run=tmp_path / "run", anchors=str(words), anchor_fidelity=0.7, as_json=True, **shape)
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    about = json.loads((tmp_path / "run" / "anchor_tokens.json").read_text())
    assert shown["anchors_without_token"] == ["unheardof"]
    assert (shown["anchor_rows"], shown["rows_without_anchor"]) == (about["rows"], about["rows_left_out"])
    evaluated = training_summary(tmp_path / "run")["evaluations"]
    assert [shown["anchor_fidelity_before"]] == evaluated[0]["anchor_fidelity"]
    assert [shown["anchor_fidelity"]] == evaluated[-1]["anchor_fidelity"]


def test_objective_with_anchors_needs_the_tokens():
    with pytest.raises(DomainError, match="needs to know which tokens are anchors"):
        AttentionObjective(CONFIG)
    with pytest.raises(DomainError, match="saw no anchors"):
        AttentionObjective(CONFIG, torch.zeros(1, 24, dtype=torch.bool)).anchor_loss()
