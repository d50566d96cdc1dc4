"""Runs from the weights of many families: finished folders like GPT-2's, groups on their own weights, refusals."""

import json

import pytest
import torch
from families import FAMILIES, tiny_decoder
from pretrained import VOCABULARY, stock, trained
from safetensors.torch import load_file
from tiny import one_thread  # noqa: F401
from transformers import AutoConfig, AutoModelForCausalLM

from empirical.attention.attach import Attachment, dial
from empirical.attention.block_kinds import WindowBlocks
from empirical.config import run_config
from empirical.measuring.generate import generate
from empirical.measuring.measure import measure
from empirical.measuring.watch import watch
from empirical.model import load_decoder, load_model
from empirical.training import base
from empirical.training.base import check_base
from empirical.training.corpus import CorpusConfig, load_corpus, train_tokenizer
from empirical.training.projections import query_and_key
from empirical.training.train import train, training_summary
from empirical.training.trainer import DivergedError
from theory.errors import DomainError, InputError

TRAINED = ("llama", "mistral", "qwen2", "gpt_neox", "opt", "phi3", "gpt_oss")
DIALS = [0.5, 1.0]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(load_corpus(CorpusConfig()).training, VOCABULARY)


@pytest.mark.parametrize("family", TRAINED)
def test_run_of_another_family_is_opened_like_one_of_gpt2(tmp_path, tokenizer, family):
    weights = stock(tmp_path / "stock", family, tokenizer)
    folder = trained(tmp_path / "run", weights, locality={"temperature": 1.5})
    kept = json.loads((folder / "config.json").read_text())
    assert kept["model_type"] == family
    settings = {"schedule": "linear", "dials": [0.0, 0.9], "block": 8, "blocks": "windows", "temperature": 1.5}
    assert kept["localist"] == settings
    before, after = (load_file(path / "model.safetensors") for path in (weights, folder))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    records = measure(folder, sequences=2, progress=False)
    assert (records.violations, records.undecided) == (0, 0)
    assert records.rows.groupby("layer")["dial"].first().tolist() == [0.0, 0.9]
    assert generate(folder, "The import statement", tokens=3)[0].dials == (0.0, 0.9)
    model = load_model(folder)
    with watch(model, block=8) as rows:
        model(torch.arange(64)[None])
    assert rows.frame().groupby("layer")["dial"].first().tolist() == [0.0, 0.9]


@pytest.mark.parametrize("family", FAMILIES)
def test_loaded_folder_applies_its_dials(tmp_path, family):
    """The model's own forward pass equals that of the stock model inside `dial`, also on padded texts."""
    folder = stock(tmp_path / "stock", family)
    config = json.loads((folder / "config.json").read_text())
    localist = {"dials": DIALS, "block": 8, "temperature": 1.0}
    (folder / "config.json").write_text(json.dumps(config | {"localist": localist}))
    plain = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    tokens = torch.randint(3, VOCABULARY, (2, 30), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(tokens)
    mask[1, :7] = 0
    found = {}
    for model in (load_model(folder), load_decoder(folder)):
        for padding in (None, mask):
            with torch.no_grad():
                logits = model(tokens, attention_mask=padding).logits
                with dial(plain, DIALS, block=8):
                    expected = plain(tokens, attention_mask=padding).logits
                undialled = plain(tokens, attention_mask=padding).logits
            real = mask.bool() if padding is not None else torch.ones_like(mask).bool()
            torch.testing.assert_close(logits[real], expected[real], rtol=0, atol=2e-4)
            found[padding is None] = (logits - undialled)[real].abs().max()
    assert min(found.values()) > 0.01, "the dials must make a difference"


# The weights `(heads, head, width)` of queries and keys in a layer, read off the sources of transformers.
HEAD = 8
NAMED = {"llama": "model.layers", "mistral": "model.layers", "opt": "model.decoder.layers", "gpt_oss": "model.layers"}


def by_hand(family, weights, layer):
    if family == "gpt_neox":
        # Each head's query, key and value side by side.
        each = weights[f"gpt_neox.layers.{layer}.attention.query_key_value.weight"].view(4, 3, HEAD, -1)
        return each[:, 0], each[:, 1]
    if family == "phi3":
        each = weights[f"model.layers.{layer}.self_attn.qkv_proj.weight"]
        return each[: 4 * HEAD].view(4, HEAD, -1), each[4 * HEAD : 6 * HEAD].view(2, HEAD, -1)
    each = (weights[f"{NAMED[family]}.{layer}.self_attn.{name}_proj.weight"] for name in "qk")
    return tuple(matrix.view(-1, HEAD, matrix.shape[1]) for matrix in each)


@pytest.mark.parametrize("family", ["llama", "mistral", "opt", "gpt_oss", "gpt_neox", "phi3"])
def test_groups_are_those_of_the_family_s_own_weights(tmp_path, tokenizer, family):
    weights = stock(tmp_path / "stock", family, tokenizer)
    # Sgd with this rate and penalty empties the groups with the smallest norms.
    penalised = {"objective": {"group_penalty": 68.0, "feature_blocks": 4}}
    training = {"optimizer": "sgd", "learning_rate": 0.02, "steps": 2, "weight_decay": 0.0}
    folder = trained(tmp_path / "run", weights, **penalised, training=training)
    before, after = (load_file(path / "model.safetensors") for path in (weights, folder))
    report = json.loads((folder / "groups.json").read_text())
    assert report["weights_in_a_group"] == 8 * HEAD
    seen = set()
    for each in report["groups"]:
        matrix = ("query", "key").index(each["matrix"])
        columns = slice(8 * each["feature_block"], 8 * each["feature_block"] + 8)
        start, end = (by_hand(family, each_weights, each["layer"])[matrix] for each_weights in (before, after))
        group = (each["head"], slice(None), columns)
        assert each["norm_start"] == pytest.approx(float(torch.linalg.norm(start[group])), rel=1e-5)
        assert bool((end[group] == 0).all()) == (each["extinct_step"] is not None)
        seen.add((each["layer"], matrix, each["head"], each["feature_block"]))
    shapes = [len(matrix) for layer in range(2) for matrix in by_hand(family, before, layer)]
    assert len(seen) == len(report["groups"]) == 4 * sum(shapes)
    extinct = [each["extinct_step"] is not None for each in report["groups"]]
    assert 0 < sum(extinct) < len(extinct), "the test needs extinct groups and others"
    # A head collapses with the whole of its query weights, or of the key weights that it shares.
    lost = set()
    for layer in range(2):
        queries, keys = by_hand(family, after, layer)
        for head in range(len(queries)):
            if not queries[head].any() or not keys[head * len(keys) // len(queries)].any():
                lost.add((layer, head))
    assert {(each["layer"], each["head"]) for each in report["collapsed_heads"]} == lost


def test_every_weight_of_a_head_belongs_to_its_projection():
    """Changing one weight of a head's projection changes that head's queries, and no other's."""
    for family in ("gpt2", "gpt_neox", "qwen3", "gemma2"):
        model = tiny_decoder(family)
        for layer, pair in enumerate(query_and_key(model)):
            for matrix, projection in zip(("query", "key"), pair, strict=True):
                before = heads_of(model, layer, matrix)
                projection.weight[5, 1, 3] += 1.0
                moved = (heads_of(model, layer, matrix) != before).any(-1).any(-1)[0]
                assert moved.tolist() == [head == 1 for head in range(projection.heads)]
                projection.weight[5, 1, 3] -= 1.0


@torch.no_grad()
def heads_of(model, layer, matrix):
    """A layer's queries or keys `(1, heads, tokens, head)`."""
    found = {}
    with Attachment(model, WindowBlocks(4), on_call=lambda call: found.update({call.layer: call})).attached():
        model(torch.arange(3, 9)[None], use_cache=False)
    return getattr(found[layer], matrix)


def test_refuses_groups_where_heads_share_their_weights(tmp_path):
    """OLMo-2 normalises the queries of all heads together."""
    message = "Olmo2ForCausalLM: the weights of the heads' queries and keys in layer 0 cannot be told apart"
    weights = stock(tmp_path / "stock", "olmo2")
    with pytest.raises(DomainError, match=message):
        trained(tmp_path / "run", weights, objective={"group_penalty": 1.0})
    assert not (tmp_path / "run" / "run.json").exists()
    trained(tmp_path / "without", weights, training={"steps": 1})


@pytest.mark.parametrize("family", ["bloom", "gptj"])
def test_refuses_a_decoder_that_does_not_dispatch_its_attention(tmp_path, family):
    weights = stock(tmp_path / "stock", family)
    with pytest.raises(DomainError, match="does not dispatch its attention") as caught:
        trained(tmp_path / "run", weights)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "run.json").exists()


def test_refuses_a_model_that_sees_later_tokens(tmp_path):
    shape = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = AutoConfig.for_model("bert", **shape, intermediate_size=32)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "stock")
    train_tokenizer(["a b c"], VOCABULARY).save(str(tmp_path / "stock" / "tokenizer.json"))
    with pytest.raises(DomainError, match="not causal: localist attention is causal self-attention"):
        trained(tmp_path / "run", tmp_path / "stock")


@pytest.mark.parametrize(
    ("family", "changes", "settings", "kind", "message"),
    [
        ("llama", {"max_position_embeddings": 32}, {}, DomainError, "context 64 must be at most the 32 positions of "),
        ("mistral", {}, {"objective": {"off_block_penalty": 1.0}}, DomainError, "MistralForCausalLM cannot be trained"),
        ("gemma2", {}, {"objective": {"fidelity_floor": 0.5}}, DomainError, "Gemma2ForCausalLM cannot be trained"),
        (
            "llama",
            {},
            {"objective": {"group_penalty": 1.0, "feature_blocks": 5}},
            DomainError,
            "feature_blocks 5 must divide the width 32",
        ),
        ("qwen2", {"dtype": "nan"}, {}, DivergedError, "the loss is nan at step 1"),
    ],
)
def test_refuses_weights_that_do_not_fit(tmp_path, family, changes, settings, kind, message):
    broken = changes.pop("dtype", None)
    weights = stock(tmp_path / "stock", family, **changes)
    if broken:
        model = load_decoder(weights)
        model.get_input_embeddings().weight.data[:] = torch.nan
        model.save_pretrained(weights)
    with pytest.raises(kind, match=message) as caught:
        trained(tmp_path / "run", weights, **settings)
    assert "\n" not in str(caught.value)


def test_refuses_a_tokenizer_with_more_tokens_than_the_weights(tmp_path, tokenizer):
    weights = tmp_path / "stock"
    tiny_decoder("llama", vocabulary=280).save_pretrained(weights)
    tokenizer.save(str(weights / "tokenizer.json"))
    with pytest.raises(InputError, match="the tokenizer has 300 tokens, the weights 280"):
        trained(tmp_path / "run", weights)


def test_refuses_dials_for_another_number_of_layers(tmp_path):
    folder = stock(tmp_path / "stock", "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"localist": {"dials": [0.5], "block": 8, "temperature": 1.0}})
    )
    for load in (load_model, load_decoder):
        with pytest.raises(InputError, match="1 dials were given for 2 layers"):
            load(folder)


def test_refuses_a_model_that_drops_keywords():
    """Blocks that follow the text would silently be windows."""
    model = tiny_decoder("llama", attention="localist", vocabulary=VOCABULARY)
    model.config.localist = {"dials": DIALS, "block": 8, "temperature": 1.0}
    objective, windows = run_config({}).objective, torch.arange(32)[None]
    check_base(model, objective, windows, None)
    forward = type(model).forward
    model.forward = lambda input_ids=None, use_cache=None, **kwargs: forward(model, input_ids, use_cache=use_cache)
    with pytest.raises(DomainError, match="does not hand keyword arguments on to its attention"):
        check_base(model, objective, windows, None)


@pytest.mark.parametrize(
    ("family", "names"), [("llama", {"attention_dropout"}), ("opt", {"dropout", "attention_dropout"})]
)
def test_runs_have_the_dropout_chosen(tmp_path, family, names, monkeypatch):
    weights = stock(tmp_path / "stock", family)
    for dropout in (0.0, 0.25):
        folder = trained(tmp_path / f"run{dropout}", weights, model={"dropout": dropout}, training={"steps": 1})
        kept = json.loads((folder / "config.json").read_text())
        assert {kept[name] for name in names} == {dropout}
    monkeypatch.setattr(base, "dropouts", lambda config: [])
    with pytest.raises(DomainError, match=r"dropout 0\.25 has no effect: \w+ has none"):
        trained(tmp_path / "run", weights, model={"dropout": 0.25})


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt_oss"])
def test_half_precision_trains_other_decoders(tmp_path, family):
    """Rotary positions leave queries and keys in float32 beside values in bfloat16."""
    weights = stock(tmp_path / "stock", family)
    folder = trained(tmp_path / "run", weights, training={"precision": "bfloat16", "steps": 10})
    assert {each.dtype for each in load_file(folder / "model.safetensors").values()} == {torch.float32}
    assert training_summary(folder)["final_loss"] < 10


@pytest.mark.slow
def test_blocks_may_follow_the_text(tmp_path, tokenizer):
    weights = stock(tmp_path / "stock", "llama", tokenizer)
    for kind in ("sentences", "segments"):
        locality = {"blocks": kind, "schedule": "localist"} | ({"block": 8} if kind == "segments" else {})
        folder = train(
            run_config(
                {
                    "model": {"pretrained": str(weights), "context": 64},
                    "locality": locality,
                    "objective": {"off_block_penalty": 1.0},
                    "training": {"steps": 10, "batch": 4},
                }
            ),
            tmp_path / kind,
            progress=False,
        )
        assert training_summary(folder)["losses"][0]["leak"] > 0
        assert measure(folder, sequences=2, progress=False).violations == 0
