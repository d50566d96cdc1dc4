"""D4's interval in `localist anchors`: the copies in each block are counted, and both ends of the interval bind."""

import json
import math

import numpy as np
import pytest
from pretrained import stock
from scipy.sparse import csr_array

from empirical.anchors import copies as module
from empirical.anchors.command import _lines
from empirical.anchors.copies import copy_targets
from empirical.anchors.find import find_anchors
from empirical.training.corpus import train_tokenizer
from theory.errors import DomainError

D4 = {"leak": 0.1, "entropy": 2.5, "others": 1000, "separation": 8.0}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text whose blocks hold 0 to 6 copies of their label's word, and the copies."""
    folder, rng = tmp_path_factory.mktemp("copies"), np.random.default_rng(0)
    labels = rng.permutation(["a", "b", "b"] * 60).tolist()
    copies = rng.integers(7, size=len(labels)).tolist()
    blocks = [
        " ".join(["word" + label] * count + rng.choice(["x", "y", "z"], size=4).tolist())
        for label, count in zip(labels, copies, strict=True)
    ]
    (folder / "text.txt").write_text("\n\n".join(blocks))
    (folder / "labels.json").write_text(json.dumps({"labels": labels}))
    return folder, np.array(labels), np.array(copies)


def found(folder, **options):
    return find_anchors(folder / "text.txt", blocks="paragraphs", labels=folder / "labels.json", **options)


def check_counts(about, labels, copies):
    least, most = about["both"]
    inside = (copies >= least) & (copies <= most)
    for each, here in [
        (about["measured"], labels != ""),
        *((each, labels == each["label"]) for each in about["labels"]),
    ]:
        assert each["blocks"] == here.sum()
        assert each["mean"] == pytest.approx(copies[here].mean())
        assert (each["least"], each["most"]) == (copies[here].min(), copies[here].max())
        assert each["inside"] == inside[here].sum()
    assert 0 < about["measured"]["inside"] < len(copies)


def test_copies_are_counted_and_compared(text):
    folder, labels, copies = text
    about = found(folder, **D4)["copies"]
    assert [each["label"] for each in about["labels"]] == ["a", "b"]
    check_counts(about, labels, copies)
    assert (about["for_leak"], about["both"][0]) == (4, 4)


@pytest.mark.parametrize("planted", ["presence", "label"])
def test_planted_errors_of_the_count_are_seen(text, monkeypatch, planted):
    folder, labels, copies = text
    real = module.measured_copies

    def broken(blocks, choice):
        counts = csr_array((blocks.counts > 0).astype(np.int64)) if planted == "presence" else blocks.counts
        turned = 1 - blocks.labels if planted == "label" else blocks.labels
        return real(type(blocks)(blocks.presence, turned, blocks.names, blocks.blocks, counts), choice)

    monkeypatch.setattr(module, "measured_copies", broken)
    with pytest.raises(AssertionError):
        check_counts(found(folder, **D4)["copies"], labels, copies)


def keeps(copies, leak, entropy, others, separation):
    """Whether the two-level row of so many copies keeps both: every other key is the separation below."""
    outside = others * math.exp(-separation) / (copies + others * math.exp(-separation))
    nats = -(1 - outside) * math.log((1 - outside) / copies) - outside * math.log(outside / others)
    return outside <= leak and nats <= entropy


def test_both_ends_bind(text):
    about = found(text[0], **D4)["copies"]
    least, most = about["both"]
    kept = [copies for copies in range(1, 40) if keeps(copies, **D4)]
    assert kept == list(range(least, most + 1))


def test_separation_is_the_margin_times_the_scale(text, tmp_path):
    folder, *_ = text
    model = stock(tmp_path / "model", "llama", train_tokenizer([(folder / "text.txt").read_text()], 280))
    options = {"leak": 0.1, "entropy": 2.5, "others": 1000}
    about = found(folder, model=model, scale=9.0, **options)
    margin = about["geometry"]["one_per_label"]["margin"]
    assert about["copies"]["separation"] == 9.0 * margin
    same = found(folder, model=model, separation=9.0 * margin, **options)["copies"]
    assert same | {"scale": 9.0} == about["copies"]


def test_an_empty_interval_has_no_block(text):
    about = found(text[0], **D4 | {"entropy": 2.0})
    assert about["copies"]["both"] is None
    assert about["copies"]["measured"]["inside"] == 0
    (line,) = [each for each in _lines(about) if each.startswith("D4")]
    assert "none (the leak needs 4 or more, the entropy allows 2 to 2)" in line
    about = found(text[0], **D4 | {"entropy": 1.0})
    assert any("none (the leak needs 4 or more, no number keeps the entropy)" in each for each in _lines(about))


def test_lines_name_interval_counts_and_assumption(text):
    lines = _lines(found(text[0], **D4))
    (start,) = [index for index, each in enumerate(lines) if each.startswith("D4")]
    assert lines[start].endswith("nats: 4 to 8 (the leak needs 4 or more, the entropy allows 1 to 8)")
    assert "inside the interval in" in lines[start + 1]
    assert lines[-1].startswith("assumed: the anchors of a block are equal copies")
    assert not any("D4" in each for each in _lines(found(text[0])))


def test_without_two_anchors_the_margin_is_unknown(text, tmp_path):
    folder, labels, _ = text
    model = stock(tmp_path / "model", "llama", train_tokenizer([(folder / "text.txt").read_text()], 280))
    (tmp_path / "labels.json").write_text(json.dumps({"labels": np.random.default_rng(1).permutation(labels).tolist()}))
    about = find_anchors(
        folder / "text.txt",
        blocks="paragraphs",
        labels=tmp_path / "labels.json",
        model=model,
        leak=0.1,
        entropy=2.5,
        others=1000,
        scale=9.0,
    )
    assert about["confirmed"] == 0
    assert about["copies"]["separation"] is about["copies"]["measured"]["inside"] is None
    assert any("D4: no interval: fewer than two labels have an anchor" in each for each in _lines(about))


def test_large_numbers_are_shown(text):
    about = found(text[0], **D4 | {"others": 10**12, "separation": -700.0, "entropy": 700.0})
    assert about["copies"]["for_leak"] > 10**310
    assert any("e+31" in each for each in _lines(about))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"leak": None}, "D4 takes all of --leak, --entropy and --others, and one of --separation and --scale"),
        ({"entropy": None}, "D4 takes all of"),
        ({"others": None}, "D4 takes all of"),
        ({"separation": None}, "and one of --separation and --scale"),
        ({"scale": 1.0}, "and one of --separation and --scale"),
        ({"separation": None, "scale": 1.0}, "scale 1 multiplies D1's margin, which takes embeddings: give --model"),
        ({"separation": None, "scale": 0.0}, "scale=0 must be positive"),
        ({"separation": math.nan}, "separation=nan must be finite"),
        ({"others": 0}, "others=0 must be at least 1"),
        ({"leak": 1.0}, r"leak=1 must lie in \(0, 1\)"),
        ({"entropy": -1.0}, r"entropy=-1 must lie in \[0, 700\]"),
    ],
)
def test_bad_questions_are_refused(change, law):
    with pytest.raises(DomainError, match=law):
        copy_targets(**{"scale": None} | D4 | change, has_model=False)
    assert copy_targets(None, None, None, None, None, has_model=False) is None
