"""`localist measure MODEL --text FILE` on decoders of other families than the project's own."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from families import tiny_decoder
from measured import BLOCK, CONTEXT, FAMILIES
from scipy.linalg import hadamard
from tiny import one_thread  # noqa: F401
from transformers import AutoConfig, AutoModelForCausalLM

from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.measure_command import local_heads
from empirical.measuring.measure_command import measure as command
from empirical.measuring.records import read_records
from empirical.measuring.watch import watch
from empirical.training.corpus import load_tokenizer, python_topics, train_tokenizer
from empirical.training.segments import GrowingBlocks
from theory.errors import DomainError, InputError

WINDOWS = 6


def _options(folders: Path, **changes: Any) -> dict[str, Any]:
    options = {"text": folders / "text.txt", "block": BLOCK, "context": CONTEXT, "sequences": WINDOWS}
    return {**options, "progress": False, **changes}


@pytest.mark.parametrize("family", FAMILIES)
def test_records_agree_with_a_watched_pass(family: str, folders: Path, tmp_path: Path) -> None:
    records = measure(folders / family, **_options(folders, out_dir=tmp_path))
    assert records.violations == records.undecided == 0
    tokens = load_tokenizer(str(folders / family)).encode((folders / "text.txt").read_text()).ids
    windows = torch.tensor(tokens[: WINDOWS * CONTEXT]).view(WINDOWS, CONTEXT)
    model = tiny_decoder(family, vocabulary=300)
    with torch.no_grad(), watch(model, block=BLOCK) as rows:
        loss = model(windows, labels=windows).loss.item()
    frame = rows.frame()
    assert list(records.rows["rows"]) == list(frame["rows"])
    for name in ("entropy", "fidelity", "leak"):
        assert records.rows[f"{name}_mean"].to_numpy() == pytest.approx(frame[name].to_numpy(), abs=1e-5)
    assert records.rows["margin_min"].to_numpy() == pytest.approx(frame["least_margin"].to_numpy(), abs=1e-5)
    assert records.manifest["passes"][0]["loss"] == pytest.approx(loss, abs=1e-5)
    assert records.manifest["model"]["architecture"] == type(model).__name__
    assert records.manifest["model"]["heads"] == 4
    assert records.manifest["text"]["name"] == "text.txt"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_moved_dial_is_predicted_in_the_first_layer(family: str, folders: Path, tmp_path: Path) -> None:
    options = _options(folders, out_dir=tmp_path, precision="float64")
    records = measure_dial(folders / family, [0.0, 0.6], **options)
    first = records.rows[records.rows["layer"] == 0]
    for name in ("entropy", "fidelity"):
        assert first[f"prediction_error_{name}"].max() < 1e-10
    assert first["prediction_error_shift"].max() < 1e-10
    assert records.violations == 0
    moved = first[first["dial"] == 0.6]
    assert (moved["fidelity_mean"].to_numpy() > first[first["dial"] == 0]["fidelity_mean"].to_numpy()).all()


def test_dials_of_a_file_are_measured(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = [(0.0, 0.9, 0.5, 1.0), 0.7]
    path = tmp_path / "dials.json"
    path.write_text(json.dumps({"dials": plan}))
    options = _options(folders, out=tmp_path / "out", dials=path)
    del options["progress"]
    command(model=str(folders / "llama"), **options)
    capsys.readouterr()
    records = read_records(tmp_path / "out")
    assert records.rows["dial"].tolist() == [0.0, 0.9, 0.5, 1.0] + [0.7] * 4
    assert records.manifest["passes"][0]["dials"] == [list(plan[0]), plan[1]]
    # In the first layer, whose inputs are fixed, each head is as with its dial for all.
    moved = measure_dial(folders / "llama", [0.0, 0.9, 0.5, 1.0], **_options(folders, out_dir=tmp_path / "dial"))
    first = moved.rows[moved.rows["layer"] == 0].set_index(["dial", "head"])
    expected = [first.loc[(dial, head), "fidelity_mean"] for head, dial in enumerate(plan[0])]
    assert records.rows["fidelity_mean"][:4].tolist() == pytest.approx(expected, abs=1e-6)
    for changes, message in (({"dial": "0.5"}, "give one of them"), ({"shape": "linear"}, "give --dial too")):
        with pytest.raises(DomainError, match=message):
            command(model=str(folders / "llama"), **options, **changes)
    with pytest.raises(DomainError, match="1 dials were given for 2 layers"):
        measure(folders / "llama", dials=[0.5], **_options(folders, out_dir=tmp_path))


def test_the_command_prints_a_table_and_json(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"text": folders / "text.txt", "block": 24, "context": CONTEXT, "sequences": 2}
    command(model=str(folders / "gemma2"), out=tmp_path / "table", **options)
    assert "attention rows of gemma2" in capsys.readouterr().out
    command(model=str(folders / "gemma2"), out=tmp_path / "json", as_json=True, **options)
    found = json.loads(capsys.readouterr().out)
    assert found["violations"] == 0
    # Layer 0 slides over 12 tokens, so its rows are mostly inside a block of 24.
    assert set(found["local_heads"]) <= {f"{layer}.{head}" for layer in range(2) for head in range(4)}
    assert found["records"] == str(tmp_path / "json")


def test_heads_that_are_local_without_a_dial_are_listed(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One head's queries and keys are a code of the token's block, orthogonal between blocks."""
    model = tiny_decoder("gpt2", vocabulary=300)
    with torch.no_grad():
        attention = model.transformer.h[0].attn.c_attn
        model.transformer.wpe.weight.zero_()
        model.transformer.wpe.weight[:, :8] = 30 * torch.from_numpy(hadamard(8)).float()[torch.arange(128) // BLOCK % 8]
        attention.weight[:, :8], attention.weight[:, 32:40] = 10 * torch.eye(32)[:, :8], 10 * torch.eye(32)[:, :8]
    model.save_pretrained(tmp_path / "model")
    shutil.copy(folders / "llama" / "tokenizer.json", tmp_path / "model")
    options = {"text": folders / "text.txt", "block": BLOCK, "context": CONTEXT, "sequences": 2}
    command(model=str(tmp_path / "model"), **options, as_json=True)
    assert "0.0" in json.loads(capsys.readouterr().out)["local_heads"]
    command(model=str(tmp_path / "model"), **options)
    shown = " ".join(capsys.readouterr().out.split())
    assert "local by nature, layer.head: 0.0 (at dial 0, in 95 % of the rows: fidelity of 0.9 or more, and" in shown


def _heads(**columns: list[float]) -> SimpleNamespace:
    count = len(columns["fidelity_q05"])
    usual = {"layer": [0] * count, "head": list(range(count)), "dial": [0.0] * count, "dial_largest": [0.0] * count}
    usual |= {"soft_margin_q05": [1.0] * count, "mean_margin_q05": [-1.0] * count}
    return SimpleNamespace(rows=pd.DataFrame(usual | columns))


def test_a_head_is_local_by_nature_only_above_its_share_of_the_keys() -> None:
    # A fidelity of 0.95 is no more than the share of a block with 19 of 20 keys.
    shares = [0.1, 0.0, -0.1, math.nan, math.nan]
    margins = [-1.0, -1.0, -1.0, 0.1, -0.1]
    found = local_heads(_heads(fidelity_q05=[0.95] * 5, soft_margin_q05=shares, mean_margin_q05=margins))
    assert found == ["0.0", "0.3"]
    assert local_heads(_heads(fidelity_q05=[0.9, 0.89])) == ["0.0"]


def test_heads_are_listed_once_from_the_pass_with_the_least_dial() -> None:
    moved = {"head": [0, 0, 1, 1], "dial_largest": [0.9, 0.5, 0.9, 0.5]}
    assert local_heads(_heads(fidelity_q05=[0.5, 0.95, 0.95, 0.5], **moved)) == ["0.0"]
    assert local_heads(_heads(fidelity_q05=[0.95], dial=[0.5])) is None


def test_a_uniform_head_is_never_local_by_nature(folders: Path, tmp_path: Path) -> None:
    """The second block sees one token outside: its share of the keys is above 0.9 in most rows."""
    model = tiny_decoder("gpt2", vocabulary=300)
    with torch.no_grad():
        for layer in model.transformer.h:
            layer.attn.c_attn.weight[:, :64] = 0
            layer.attn.c_attn.bias[:64] = 0
    tokens = load_tokenizer(str(folders / "llama")).encode((folders / "text.txt").read_text()).ids
    sight = {"text": folders / "text.txt", "context": 120, "sequences": 1, "blocks": f"ending-at:{tokens[0]}"}
    model.save_pretrained(tmp_path / "model")
    shutil.copy(folders / "llama" / "tokenizer.json", tmp_path / "model")
    records = measure(tmp_path / "model", **sight, progress=False)
    assert local_heads(records) == []
    np.testing.assert_allclose(records.rows["soft_margin_max"], 0, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"block": CONTEXT}, DomainError, r"block 48 must lie in \[1, 48\), below the context"),
        ({"block": 0}, DomainError, r"block 0 must lie in \[1, 48\)"),
        ({"context": 4096}, DomainError, r"context 4096 must lie in \[2, 128\], the positions"),
        ({"sequences": 0}, DomainError, "sequences 0 must be at least 1"),
        ({"precision": "float8"}, DomainError, "precision 'float8' must be one of"),
        ({"text": Path("missing.txt")}, InputError, "cannot read text missing.txt"),
        ({"text": None}, DomainError, "block 8 is for a text"),
        ({"text": None, "block": None, "blocks": "sentences"}, DomainError, "blocks sentences is for a text"),
        ({"blocks": "sentences"}, DomainError, "block 8 is the length of windows, and blocks 'sentences' follow"),
        ({"block": None, "blocks": "words"}, DomainError, "blocks 'words' must be one of sentences, paragraphs, start"),
        ({"block": None, "blocks": "segments"}, DomainError, "blocks 'segments' must be one of sentences, paragraphs"),
        ({"block": None, "blocks": "ending-at:"}, DomainError, "blocks 'ending-at:' must name tokens from 0 to 299"),
        ({"block": None, "blocks": "ending-at:300"}, DomainError, "'ending-at:300' must name tokens from 0 to 299"),
        ({"block": None, "blocks": "ending-at:1,-2"}, DomainError, "'ending-at:1,-2' must name tokens from 0 to 299"),
        ({"block": None, "blocks": "ending-at:299"}, DomainError, "no row has keys off its block"),
        ({"text": None, "block": None, "context": None}, InputError, "run.json"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], error: type[Exception], reason: str, folders: Path) -> None:
    with pytest.raises(error, match=reason):
        measure(folders / "llama", **_options(folders, **changes))


@pytest.mark.parametrize("kind", ["sentences", "paragraphs", "starting-at", "ending-at"])
def test_blocks_follow_the_text(kind: str, folders: Path, tmp_path: Path) -> None:
    """Records agree with a watched pass over block ids that are found here token by token."""
    tokenizer = load_tokenizer(str(folders / "llama"))
    tokens = tokenizer.encode((folders / "text.txt").read_text()).ids[: WINDOWS * CONTEXT]
    marked = sorted(set(tokens))[3:9]
    ids, block = [], 0
    cuts = GrowingBlocks(kind, tokenizer).extend(tokens) if kind in ("sentences", "paragraphs") else tokens
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place % CONTEXT else None
        begins = {"starting-at": token in marked, "ending-at": before in marked}
        block += begins.get(kind, bool(place) and cuts[place] != cuts[place - 1])
        ids.append(block)
    blocks = kind if kind in ("sentences", "paragraphs") else f"{kind}:{','.join(map(str, marked))}"
    records = measure(folders / "llama", **_options(folders, block=None, blocks=blocks, out_dir=tmp_path))
    windows = torch.tensor(tokens).view(WINDOWS, CONTEXT)
    model = tiny_decoder("llama", vocabulary=300)
    with torch.no_grad(), watch(model, blocks=torch.tensor(ids).view(WINDOWS, CONTEXT)) as rows:
        model(windows)
    frame = rows.frame()
    assert list(records.rows["rows"]) == list(frame["rows"])
    assert records.rows["fidelity_mean"].to_numpy() == pytest.approx(frame["fidelity"].to_numpy(), abs=1e-5)
    assert records.violations == 0
    assert (records.manifest["model"]["blocks"], records.manifest["model"]["block"]) == (blocks, None)


def test_sentences_need_a_byte_level_tokenizer(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "llama", tmp_path / "model")
    stated = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps({**stated, "decoder": None}))
    with pytest.raises(DomainError, match="blocks that follow the text need a byte-level tokenizer"):
        measure(tmp_path / "model", **_options(folders, block=None, blocks="sentences"))


def test_a_model_without_attention_is_refused(folders: Path, tmp_path: Path) -> None:
    config = AutoConfig.for_model("mamba", vocab_size=300, hidden_size=32, num_hidden_layers=2)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    shutil.copy(folders / "llama" / "tokenizer.json", tmp_path / "model")
    with pytest.raises(DomainError, match=r"^MambaForCausalLM has no attention heads: there are no rows to measure$"):
        measure(tmp_path / "model", **_options(folders))
    model = _folder(folders, tmp_path, "lfm2", layer_types=["conv", "conv"])
    with pytest.raises(DomainError, match=r"^Lfm2ForCausalLM does not dispatch its attention"):
        measure(model, **_options(folders))


def test_scores_that_are_not_numbers_are_refused(folders: Path, tmp_path: Path) -> None:
    model = tiny_decoder("llama", vocabulary=300)
    with torch.no_grad():
        model.get_parameter("model.layers.1.self_attn.q_proj.weight")[0, 0] = math.nan
    model.save_pretrained(tmp_path / "model")
    shutil.copy(folders / "llama" / "tokenizer.json", tmp_path / "model")
    with pytest.raises(DomainError, match="the attention of layer 1 is not a number"):
        measure(tmp_path / "model", **_options(folders))
    assert not (tmp_path / "model" / "measured").exists()


def test_a_short_text_is_refused(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Too short.")
    with pytest.raises(InputError, match="tokens are fewer than the context of 48"):
        measure(folders / "llama", **_options(folders, text=tmp_path / "short.txt"))


def test_a_tokenizer_of_another_model_is_refused(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "llama", tmp_path / "model")
    train_tokenizer(python_topics()[:3], 400).save(str(tmp_path / "model" / "tokenizer.json"))
    with pytest.raises(InputError, match=r"must lie in \[0, 300\), the vocabulary"):
        measure(tmp_path / "model", **_options(folders))


def test_a_violated_bound_sets_the_exit_status(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.measuring import checks

    honest = checks.bounds.leak_max
    monkeypatch.setattr(checks.bounds, "leak_max", lambda n, m, separation: honest(n, m, separation + 3))
    with pytest.raises(typer.Exit) as ended:
        command(
            model=str(folders / "llama"),
            text=folders / "text.txt",
            block=BLOCK,
            context=CONTEXT,
            sequences=1,
            out=tmp_path,
        )
    assert ended.value.exit_code == 1


def _folder(folders: Path, tmp_path: Path, family: str, **changes: Any) -> Path:
    model = tiny_decoder(family, vocabulary=300, **changes)
    model.save_pretrained(tmp_path / "model")
    shutil.copy(folders / "llama" / "tokenizer.json", tmp_path / "model")
    return tmp_path / "model"


def test_layers_without_attention_have_no_records(folders: Path, tmp_path: Path) -> None:
    model = _folder(folders, tmp_path, "lfm2", layer_types=["conv", "full_attention"])
    records = measure(model, **_options(folders))
    assert set(records.rows["layer"]) == {1}
    assert records.violations == 0


def test_queries_that_see_only_their_block_are_refused(folders: Path, tmp_path: Path) -> None:
    model = _folder(folders, tmp_path, "mistral", sliding_window=1)
    with pytest.raises(DomainError, match="no row has keys off its block"):
        measure(model, **_options(folders))


def test_the_manifest_states_the_blocks_that_were_measured(folders: Path, tmp_path: Path) -> None:
    model = _folder(folders, tmp_path, "gpt2")
    config = json.loads((model / "config.json").read_text())
    settings = {"dials": [0.5, 0.9], "block": 5, "temperature": 1.0, "schedule": None, "blocks": "sentences"}
    (model / "config.json").write_text(json.dumps({**config, "localist": settings}))
    stated = measure(model, **_options(folders)).manifest["model"]
    assert (stated["blocks"], stated["block"], stated["dials"]) == ("windows", BLOCK, [0.5, 0.9])
