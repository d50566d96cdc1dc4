"""`measure --rows --sample` and `measure --maps`: single rows and attention maps that are small enough to keep."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from eager import eager_rows
from tiny import one_thread, tiny  # noqa: F401
from transformers import LlamaConfig, LlamaForCausalLM

from empirical.attention.attach import Attachment
from empirical.attention.block_kinds import WindowBlocks
from empirical.measuring.maps import COLUMNS, DIGITS, _table, measure_maps, parse_heads, read_maps
from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.measure_command import measure as command
from empirical.measuring.row_file import read_rows
from empirical.training.train import train
from theory.errors import DomainError, InputError

PLACE = ["layer", "head", "sequence", "position"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = tiny(locality={"largest_dial": 0.9}, training={"steps": 5})
    return train(config, tmp_path_factory.mktemp("single") / "run", progress=False)


def sampled(run, folder, sample, sequences=2):
    path = folder / f"{sample}.parquet"
    measure(run, rows_file=path, sample=sample, sequences=sequences, out_dir=folder / "out", progress=False)
    return path


def test_a_sample_holds_rows_of_the_whole_file(run, tmp_path):
    every, _ = read_rows(sampled(run, tmp_path, None))
    rows, about = read_rows(sampled(run, tmp_path, 50))
    assert about["sample"] == {"rows_of_each_pass": 50, "of": len(every), "seed": 0}
    assert about["rows"] == len(rows) == 50
    assert not rows.duplicated(PLACE).any()
    same = every.merge(rows[PLACE], on=PLACE)
    pd.testing.assert_frame_equal(same, rows[every.columns])
    # In the file's order, and nested: a larger sample holds the smaller one.
    more, _ = read_rows(sampled(run, tmp_path, 200))
    assert len(more.merge(rows[PLACE], on=PLACE)) == 50
    whole, _ = read_rows(sampled(run, tmp_path, len(every)))
    pd.testing.assert_frame_equal(whole, every)


def test_a_sample_takes_every_row_alike(run, tmp_path):
    every, _ = read_rows(sampled(run, tmp_path, None, 6))
    rows, _ = read_rows(sampled(run, tmp_path, 500, 6))
    for name in ("layer", "head", "sequence", "position"):
        chance = every[name].value_counts(normalize=True)
        found = rows[name].value_counts().reindex(chance.index, fill_value=0)
        spread = np.sqrt(500 * chance * (1 - chance))
        assert ((found - 500 * chance).abs() < 4 * spread).all(), name


def test_every_dial_keeps_the_same_rows(run, tmp_path):
    path = tmp_path / "rows.parquet"
    measure_dial(run, [0.0, 0.5, 1.0], rows_file=path, sample=30, sequences=2, out_dir=tmp_path, progress=False)
    rows, _ = read_rows(path)
    assert rows.groupby(PLACE)["dial"].apply(list).tolist() == [[0.0, 0.5, 1.0]] * 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 5}, "sample 5 says how many rows a file keeps: name it with --rows"),
        ({"sample": 0, "rows_file": "rows.parquet"}, "sample 0 must lie between 1 and the 336 rows of a pass"),
        ({"sample": 337, "rows_file": "rows.parquet"}, "sample 337 must lie between 1 and the 336 rows of a pass"),
    ],
)
def test_samples_that_no_pass_has_are_refused(run, tmp_path, options, message):
    if "rows_file" in options:
        options["rows_file"] = tmp_path / options["rows_file"]
    with pytest.raises(DomainError, match=message):
        measure(run, sequences=1, out_dir=tmp_path / "out", progress=False, **options)


def test_a_changed_row_file_is_refused(run, tmp_path):
    path = sampled(run, tmp_path, 20)
    table = pq.read_table(path)
    place = table.column_names.index("leak")
    leaks = table["leak"].to_numpy().copy()
    leaks[3] += 1e-9
    stated = pq.read_metadata(path).metadata
    pq.write_table(table.set_column(place, table.field("leak"), [leaks]).replace_schema_metadata(stated), path)
    with pytest.raises(InputError, match="does not match the SHA-256 of its rows in its metadata"):
        read_rows(path)
    pd.DataFrame({"leak": leaks}).to_parquet(path)
    with pytest.raises(InputError, match="is not a file of `localist measure --rows`"):
        read_rows(path)


def test_maps_are_the_eager_models(run, tmp_path):
    manifest = measure_maps(run, [(2, 1), (0, 0)], out_dir=tmp_path)
    table, stated = read_maps(tmp_path)
    assert manifest == stated | {"path": str(tmp_path / "maps.csv")}
    assert list(table.columns) == [*COLUMNS, *(f"k{key}" for key in range(64))]
    layers, _ = eager_rows(run, [0.0, 0.9 * 0.5**5, 0.9], 1)
    for (layer, head), part in table.groupby(["layer", "head"]):
        assert part["dial"].iloc[0] == (0.9 if layer == 2 else 0.0)
        assert part["block"].tolist() == [query // 8 for query in range(64)]
        weights = part.filter(regex="^k").to_numpy()
        assert (np.isnan(weights) == ~np.tri(64, dtype=bool)).all()
        weights = np.nan_to_num(weights)
        own = np.arange(64)[:, None] // 8 == np.arange(64) // 8
        fidelity = (weights * own).sum(axis=1)
        # Rounded weights, at most 8 on a block.
        expected = np.nan_to_num(layers[layer]["fidelity"][head, 0], nan=1.0)
        assert np.abs(fidelity - expected).max() < 8 * 0.5 * 10**-DIGITS + 1e-5
    assert sorted(set(zip(table["layer"], table["head"], strict=True))) == [(0, 0), (2, 1)]


def test_changed_maps_are_refused(run, tmp_path):
    measure_maps(run, [(0, 1)], out_dir=tmp_path)
    path = tmp_path / "maps.csv"
    path.write_text(path.read_text().replace("1.0", "0.9", 1))
    with pytest.raises(InputError, match="does not match its manifest"):
        read_maps(tmp_path)
    assert len(read_maps(tmp_path, verify=False)[0]) == 64
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"kind": "rows"}))
    with pytest.raises(InputError, match="is not a manifest of maps"):
        read_maps(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1", "'1' must be LAYER.HEAD"), ("0.1,x.2", "'x.2' must be"), ("0.1,0.1", "named twice"), ("", "'' must be")],
)
def test_heads_that_are_none_are_refused(text, message):
    with pytest.raises(DomainError, match=message):
        parse_heads(text)


def test_options_without_effect_on_maps_and_samples_are_refused(run, tmp_path):
    for options, message in (
        ({"dial": "0:1:0.5"}, "--dial 0:1:0.5 does not go with --maps"),
        ({"truncate": 0.1}, "--truncate 0.1 does not go with --maps"),
        ({"sequences": 2}, "--sequences 2 does not go with --maps"),
        ({"rows": tmp_path / "rows.parquet"}, "--rows .* does not go with --maps"),
    ):
        with pytest.raises(DomainError, match=message):
            command(str(run), maps="0.0", out=tmp_path, **options)
    with pytest.raises(DomainError, match=r"maps of head 3\.0: the model has 3 layers and 2 heads"):
        command(str(run), maps="3.0", out=tmp_path)
    with pytest.raises(DomainError, match="sample 3 says how many rows a file keeps"):
        command(str(run), sample=3, out=tmp_path)
    assert not list(tmp_path.glob("*"))


def test_dial_one_and_grouped_keys_have_maps():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "vocab_size": 300}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    model = LlamaForCausalLM(LlamaConfig(**sizes, **heads)).eval()
    tokens, seen = torch.arange(24)[None], []

    def take(call):
        seen.append([_table(call, head, 1.0 if head else 0.0, tokens[0]) for head in range(4)])

    with torch.no_grad(), Attachment(model, WindowBlocks(6), [(0.0, 1.0, 1.0, 1.0)], take).attached():
        model(tokens)
    with torch.no_grad():
        model.set_attn_implementation("eager")
        exact = model(tokens, output_attentions=True).attentions[0][0].numpy()
    plain, *local = (each.filter(regex="^k").fillna(0).to_numpy() for each in seen[0])
    assert np.abs(plain - exact[0]).max() < 0.6 * 10**-DIGITS
    own = np.arange(24)[:, None] // 6 == np.arange(24) // 6
    for head, weights in enumerate(local, 1):
        cut = exact[head] * own
        assert np.abs(weights - cut / cut.sum(axis=1, keepdims=True)).max() < 0.6 * 10**-DIGITS
