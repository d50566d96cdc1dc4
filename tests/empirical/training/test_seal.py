"""Sealed runs: a changed file is refused before it is used, and the manifest states the model that ran."""

import json
import re
import shutil

import pytest
from safetensors.torch import load_file, save_file
from test_pretrained import stock_weights
from tiny import one_thread, tiny  # noqa: F401

from empirical.config import load_config, run_config
from empirical.measuring.generate import generate
from empirical.measuring.measure import measure, measure_dial
from empirical.model import load_model
from empirical.seal import SEAL_NAME, check_seal, finish_run, read_seal, reseal
from empirical.training.train import is_finished, train
from theory.errors import InputError
from theory.files import sha256_of

FILES = {
    "config.json",
    "corpus.json",
    "generation_config.json",
    "groups.json",
    "held_out.safetensors",
    "model.safetensors",
    "run.json",
    "tokenizer.json",
    "training.json",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = tiny(objective={"group_penalty": 1.0}, training={"steps": 2})
    return train(config, tmp_path_factory.mktemp("sealed") / "run", progress=False)


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def edited(path):
    """Changes one value in the file, so that only the seal reveals the change."""
    data = bytearray(path.read_bytes())
    if path.suffix == ".json":
        place = list(re.finditer(rb'[0-9"](?=\s*[,}\n])', data))[-1].start()
        new = {b'"': b'"'}.get(bytes(data[place : place + 1]))
        # Another digit, or one more letter in a text: still valid JSON.
        data[place : place + 1] = b'x"' if new else (b"7" if data[place] != ord("7") else b"3")
    else:
        data[-1] ^= 1
    path.write_bytes(data)


def test_finished_run_has_a_seal_of_every_file_that_is_read(finished):
    stated = json.loads((finished / SEAL_NAME).read_text())
    assert set(stated) == FILES == {path.name for path in finished.iterdir() if path.is_file()} - {SEAL_NAME}
    assert stated == {name: sha256_of(finished / name) for name in FILES}
    check_seal(finished)


def uses(run, tmp_path):
    """Every use that reads a finished run."""
    start = {"model": {"pretrained": str(run), "context": 64}, "training": {"steps": 1, "batch": 2}}
    return {
        "measure": lambda: measure(run, sequences=1, progress=False),
        "measure --dial": lambda: measure_dial(run, [0.5], sequences=1, progress=False),
        "generate": lambda: generate(run, "A", tokens=1),
        "train --resume": lambda: train(load_config(run / "run.json"), run, resume=True, progress=False),
        "train --model": lambda: train(run_config(start), tmp_path / "next", progress=False),
        "load_model": lambda: load_model(run),
    }


@pytest.mark.parametrize("name", sorted(FILES))
def test_refuses_a_changed_file(run, name):
    edited(run / name)
    with pytest.raises(
        InputError, match=rf"{name} was changed: SHA-256 \w{{12}}, sealed \w{{12}}. A finished"
    ) as caught:
        measure(run, sequences=1, progress=False)
    assert "\n" not in str(caught.value)
    assert not (run / "measured").exists()
    with pytest.raises(InputError, match=rf"{name} was changed"):
        load_model(run)


def test_every_use_refuses_a_changed_run(run, tmp_path):
    edited(run / "model.safetensors")
    for use in uses(run, tmp_path).values():
        with pytest.raises(InputError, match=r"model.safetensors was changed"):
            use()
    assert not (run / "dial").exists()


@pytest.mark.parametrize("name", ["corpus.json", "generation_config.json", "groups.json"])
def test_refuses_a_missing_file(run, name):
    (run / name).unlink()
    with pytest.raises(InputError, match=rf"{name} is missing. A finished run's files must stay"):
        load_model(run)


@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "adapter_config.json"])
def test_refuses_an_added_file_that_would_be_read(run, name):
    shutil.copy(run / ("model.safetensors" if name.endswith("s") else "groups.json"), run / name)
    with pytest.raises(InputError, match=rf"{name} was added. A finished run's files must stay"):
        load_model(run)


def test_other_files_do_not_break_the_seal(run):
    for name in ("notes.json", "lock", "rows.csv"):
        (run / name).write_text("{}")
    records = measure(run, sequences=1, progress=False)
    assert records.manifest["seal"] == "intact"
    assert records.manifest["files"] == read_seal(run)
    assert records.manifest["weights_sha256"] == sha256_of(run / "model.safetensors")
    # Measuring writes into the run and does not break the seal.
    check_seal(run)


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"config.json": 3}'])
def test_refuses_a_malformed_seal(run, text):
    (run / SEAL_NAME).write_text(text)
    with pytest.raises(InputError, match=re.escape(SEAL_NAME)):
        measure(run, sequences=1, progress=False)


def test_refuses_a_file_that_the_seal_lacks(run):
    stated = json.loads((run / SEAL_NAME).read_text())
    del stated["held_out.safetensors"]
    (run / SEAL_NAME).write_text(json.dumps(stated))
    with pytest.raises(InputError, match=r"held_out.safetensors was added"):
        measure(run, sequences=1, progress=False)


def test_edited_configuration_is_refused_or_recorded_as_it_ran(run, capsys):
    """The settings of `config.json` decide what runs, not those of `run.json`."""
    from empirical.measuring.measure_command import measure as command

    stated = json.loads((run / "config.json").read_text())
    stated["localist"] |= {"block": 16, "temperature": 2.0, "dials": [0.5, 0.25, 0.0], "schedule": None}
    (run / "config.json").write_text(json.dumps(stated))
    with pytest.raises(InputError, match=r"config.json was changed"):
        measure(run, sequences=1, progress=False)
    (run / SEAL_NAME).unlink()
    command(model=run, sequences=2)
    assert "unsealed: the run has no sha256.json" in capsys.readouterr().out
    records = measure(run, sequences=2, progress=False)
    model = records.manifest["model"]
    assert (model["block"], model["temperature"], model["dials"]) == (16, 2.0, [0.5, 0.25, 0.0])
    assert (model["layers"], model["heads"], model["width"], model["vocabulary"]) == (3, 2, 32, 400)
    assert records.manifest["passes"][0]["dials"] == [0.5, 0.25, 0.0]
    assert records.manifest["seal"] == "unsealed"
    assert records.manifest["files"] == {name: sha256_of(run / name) for name in FILES}
    # The manifest also keeps the configuration of the training.
    assert records.manifest["config"]["locality"]["block"] == 8
    assert (records.rows["rows"] == 2 * (64 - 16)).all()
    assert list(records.rows["dial"]) == [0.5, 0.5, 0.25, 0.25, 0.0, 0.0]


def test_manifest_states_the_model_that_ran(run):
    model = measure(run, sequences=1, progress=False).manifest["model"]
    assert model == {
        "architecture": "GPT2LMHeadModel",
        "layers": 3,
        "heads": 2,
        "width": 32,
        "vocabulary": 400,
        "positions": 64,
        "context": 64,
        "dials": pytest.approx([0.0, 0.9 / 32, 0.9]),
        "block": 8,
        "blocks": "windows",
        "temperature": 1.0,
        "schedule": "quintic",
    }


def test_measures_and_hashes_weights_in_several_files(run):
    whole = measure(run, sequences=1, out_dir=run / "whole", progress=False)
    weights = load_file(run / "model.safetensors")
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[:7], "model-00002-of-00002.safetensors": names[7:]}
    for part, held in parts.items():
        save_file({name: weights[name] for name in held}, run / part, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: part for part, held in parts.items() for name in held}}
    (run / "model.safetensors.index.json").write_text(json.dumps(index))
    (run / "model.safetensors").unlink()
    (run / SEAL_NAME).unlink()
    split = measure(run, sequences=1, out_dir=run / "split", progress=False)
    assert split.digest == whole.digest
    assert set(parts) <= set(split.manifest["files"])
    assert split.manifest["weights_sha256"] != whole.manifest["weights_sha256"]


def test_stock_weights_need_no_seal(tmp_path):
    stock = stock_weights(tmp_path / "stock")
    assert read_seal(stock) is None
    assert load_model(stock).config.n_layer == 1
    assert generate(stock, "a b", tokens=1)


def test_run_is_finished_once_it_is_sealed(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")

    def killed(path, text):
        if path.name == "training.json":
            raise KeyboardInterrupt
        path.write_text(text)

    monkeypatch.setattr("empirical.seal.write_text_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        finish_run(tmp_path, "training.json", "{}\n")
    assert (tmp_path / SEAL_NAME).exists()
    assert not is_finished(tmp_path)
    monkeypatch.undo()
    finish_run(tmp_path, "training.json", "{}\n")
    check_seal(tmp_path)
    assert set(read_seal(tmp_path)) == {"config.json", "training.json"}


def test_reseal_accepts_a_rewritten_file(run):
    (run / "run.json").write_text((run / "run.json").read_text() + "\n")
    reseal(run, "run.json")
    check_seal(run)
    edited(run / "config.json")
    reseal(run, "run.json")
    with pytest.raises(InputError, match=r"config.json was changed"):
        check_seal(run)
    (run / SEAL_NAME).unlink()
    reseal(run, "run.json")
    assert read_seal(run) is None
