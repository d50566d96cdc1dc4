"""`localist anchors`: planted words and tokens, labels from a file or from marking tokens, and what is refused."""

import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planted import LABELS, planted_text
from pretrained import stock
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_array

from empirical.anchors.find import find_anchors
from empirical.anchors.geometry import geometry
from empirical.anchors.labelled import labelled_blocks, read_labels
from empirical.anchors.tokens import model_tokens, word_tokens
from empirical.training.corpus import train_tokenizer
from localist import cli
from theory.errors import DomainError, InputError
from theory.numbers.anchor_bounds import information_needed

VOCABULARY = 300


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_text(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    """A decoder and a text of turns that begin with <q> or <a>; "why" is in most turns of <q>, "so" of <a>.

    Returns the model's folder, the text, the option for its blocks, and the text's planted words.
    """
    folder = tmp_path_factory.mktemp("chat")
    rng = np.random.default_rng(0)
    turns = ["preface"]
    for _ in range(120):
        mark, word = [("<q>", " why"), ("<a>", " so")][rng.integers(2)]
        turns.append(mark + "".join(rng.choice([" n", " m", " k", " l"], size=3)) + word * int(rng.random() < 0.8))
    content = "".join(turns)
    tokenizer = train_tokenizer([content], VOCABULARY - 2)
    tokenizer.add_special_tokens(["<q>", "<a>"])
    model = stock(folder / "model", "llama", tokenizer)
    (folder / "chat.txt").write_text(content)
    marks = ",".join(str(tokenizer.token_to_id(mark)) for mark in ("<q>", "<a>"))
    return model, folder / "chat.txt", f"starting-at:{marks}"


def run(monkeypatch, capsys, *words):
    """Status, standard output and standard error of the program."""
    monkeypatch.setattr(sys, "argv", ["localist", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_planted_words_are_found_and_written(planted, monkeypatch, capsys, tmp_path):
    text, labels = planted
    arguments = ["anchors", "--text", text, "--blocks", "paragraphs", "--labels", labels, "--out", tmp_path / "a.json"]
    status, shown, _ = run(monkeypatch, capsys, *arguments, "--json")
    about = json.loads(shown)
    assert status == 0
    assert json.loads((tmp_path / "a.json").read_text()) == about
    assert (about["schema"], about["kind"], about["blocks_used"]) == (1, "anchors", 240)
    for label in about["labels"]:
        first = label["anchors"][0]
        assert (first["text"], first["id"]) == (f"planted{label['label']}", None)
        assert first["confirmed"]
        assert first["chosen"]["p"] == first["confirming"]["p"] == about["smallest_p"]
        assert first["chosen"]["share_elsewhere"] == 0
    pointer = about["pointer"]
    assert pointer["information_needed"] == information_needed(3, 0.1)
    assert pointer["label_entropy"] == pytest.approx(np.log(3))
    # Fano: no pointer carries less than its own error needs; labels are equally frequent here.
    assert pointer["measured_information"] >= information_needed(3, pointer["measured_error"]) - 1e-12
    status, shown, _ = run(monkeypatch, capsys, *arguments)
    assert status == 0
    assert all(f"planted{label}"[:8] in shown for label in LABELS)
    assert f"{about['permutations']} permutations: no p-value is below" in shown


def test_shuffled_labels_confirm_nothing_and_exit_with_1(planted, monkeypatch, capsys, tmp_path):
    text, labels = planted
    shuffled = np.random.default_rng(0).permutation(json.loads(labels.read_text())["labels"]).tolist()
    (tmp_path / "shuffled.json").write_text(json.dumps({"labels": shuffled}))
    arguments = ["anchors", "--text", text, "--blocks", "paragraphs", "--labels", tmp_path / "shuffled.json"]
    status, shown, _ = run(monkeypatch, capsys, *arguments)
    assert status == 1
    assert "0 chosen, 0 confirmed" in shown
    assert "no anchor for: 'city', 'fruit', 'sea'" in shown


def test_the_same_seed_gives_the_same_anchors(planted):
    text, labels = planted
    first, again, other = (find_anchors(text, blocks="paragraphs", labels=labels, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["labels"] != other["labels"]


def test_marking_tokens_are_labels_and_no_candidates(chat, monkeypatch, capsys):
    model, text, blocks = chat
    arguments = ["anchors", "--text", text, "--model", model, "--blocks", blocks, "--least", 3]
    status, shown, _ = run(monkeypatch, capsys, *arguments, "--json")
    about = json.loads(shown)
    assert status == 0
    # The preface has no label.
    assert about["blocks_of_the_text"] == about["blocks_used"] + 1 == 121
    words = {label["label"]: label["anchors"][0]["text"].strip() for label in about["labels"]}
    assert words == {"<q>": "why", "<a>": "so"}
    texts = [each["text"] for label in about["labels"] for each in label["anchors"]]
    assert not {"<q>", "<a>"} & set(texts)
    assert "input embeddings, one per label: 2 anchors in 32 dimensions" in run(monkeypatch, capsys, *arguments)[1]


def test_geometry_is_that_of_the_embeddings(chat):
    model, text, blocks = chat
    about = find_anchors(text, blocks=blocks, model=model, least=3)
    tokens = [each["id"] for label in about["labels"] for each in label["anchors"][:1]]
    weights = load_file(model / "model.safetensors")["model.embed_tokens.weight"].double()
    cosine = float(torch.nn.functional.cosine_similarity(weights[tokens[0]], weights[tokens[1]], dim=0))
    found = about["geometry"]["one_per_label"]
    assert found["coherence"] == pytest.approx(cosine, abs=1e-12)
    assert found["margin"] == pytest.approx(1 - cosine, abs=1e-12)
    assert (found["coherence_possible"], found["capacity"]) == (-1.0, 64)


def test_geometry_of_known_vectors():
    assert geometry(np.eye(3)[:1]) is None
    simplex = np.array([[1, 0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
    found = geometry(simplex)
    assert found["coherence"] == pytest.approx(found["coherence_possible"])
    assert found["margin"] == pytest.approx(1.5)
    # The largest inner product of two, not of one with itself or of the first two.
    assert geometry(np.vstack([simplex, [[0.6, 0.8]]]))["coherence"] == pytest.approx(0.6)


def test_blocks_that_end_with_a_token():
    tokens = model_tokens(train_tokenizer(["a. b! "], 280), "a. b! a. b! a")
    ids = ",".join(str(tokens.tokenizer.token_to_id(mark)) for mark in ".!")
    found = labelled_blocks(tokens, None, f"ending-at:{ids}", None)
    assert (found.blocks, found.names, found.labels.tolist()) == (5, ("!", "."), [1, 0, 1, 0])
    present = [[tokens.spelled[each] for each in np.flatnonzero(row)] for row in found.presence.toarray()]
    assert all("a" in "".join(row) for row in present[0::2])
    assert not any({".", "!"} & set(row) for row in present)


def test_presence_is_counted_once_per_block(tmp_path):
    text = word_tokens("x x y\n\ny, z\n\nx\n\nx")
    (tmp_path / "labels.json").write_text('{"labels": ["a", "b", "a", "b"]}')
    found = labelled_blocks(text, None, "paragraphs", tmp_path / "labels.json")
    assert text.spelled == (",", "x", "y", "z")
    assert isinstance(found.presence, csr_array)
    assert found.presence.toarray().tolist() == [[0, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]


def test_a_label_that_occurs_once_is_left_out(tmp_path):
    (tmp_path / "labels.json").write_text('{"labels": ["a", "b", "c", "a", "b"]}')
    found = labelled_blocks(word_tokens("u\n\nv\n\nw\n\nu\n\nv"), None, "paragraphs", tmp_path / "labels.json")
    assert (found.blocks, found.names, found.labels.tolist()) == (5, ("a", "b"), [0, 1, 0, 1])
    assert found.presence.shape == (4, 3)


def test_labels_that_differ_in_a_nul_are_different(tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps({"labels": ["a", "a\0", "a", "a\0"]}))
    found = labelled_blocks(word_tokens("u\n\nv\n\nw\n\nu"), None, "paragraphs", tmp_path / "labels.json")
    assert (found.names, found.labels.tolist()) == (("a", "a\0"), [0, 1, 0, 1])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["labels", "x"]), inner, max_size=2),
)


@given(content=JSON)
def test_any_other_file_of_labels_is_one_line(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "drawn.json"
    path.write_text(json.dumps(content))
    labels = content.get("labels") if isinstance(content, dict) and len(content) == 1 else None
    if isinstance(labels, list) and len(labels) == 2 and all(isinstance(each, str) and each for each in labels):
        assert read_labels(path, 2) == labels
    else:
        with pytest.raises(InputError, match=r"\A[^\n]+\Z"):
            read_labels(path, 2)


REFUSED = {
    "no blocks": ([], "say what a block is: give either --block, its length in tokens, or --blocks"),
    "both": (["--block", 4, "--blocks", "sentences"], "say what a block is: give either --block"),
    "no labels": (["--blocks", "paragraphs"], "blocks 'paragraphs' have no label that recurs: each is a block of its"),
    "windows": (["--block", 8], "blocks of 8 tokens have no label that recurs: each is a block of its own"),
    "empty window": (["--block", 0], "block 0 must be an integer from 1 to"),
    "words": (["--blocks", "starting-at:1"], "blocks 'starting-at:1' name tokens of a model: give --model too"),
    "kind": (["--blocks", "verses", "--labels", "L"], "blocks 'verses' must be one of sentences, paragraphs"),
    "missing": (["--blocks", "paragraphs", "--labels", "none.json"], "cannot read none.json: No such file"),
    "number": (["--block", 10**6, "--labels", "L"], "240 labels must be 1, one per block of the text"),
    "error": (["--blocks", "paragraphs", "--labels", "L", "--error", 2], r"error=2 must lie in [0, 1]"),
    "level": (["--blocks", "paragraphs", "--labels", "L", "--level", 1], "level 1 must lie in [1e-09, 1)"),
    "permutations": (["--blocks", "paragraphs", "--labels", "L", "--permutations", 3], "permutations 3 must be at"),
    "model": (
        ["--block", 8, "--labels", "L", "--model", "none"],
        "cannot load a tokenizer from none: it is not a folder",
    ),
    "folder": (["--blocks", "paragraphs", "--labels", "L", "--out", "."], "cannot write .: Is a directory"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line(case, planted, line):
    text, labels = planted
    words, law = REFUSED[case]
    assert law in line("anchors", "--text", text, *[labels if word == "L" else word for word in words])


@pytest.mark.parametrize(
    ("content", "law"),
    [
        ("[1]", "must hold one JSON object, found list"),
        ("{", "is not JSON"),
        ("{}", "`labels` must be a list of texts, none of them empty"),
        ('{"labels": "abc"}', "`labels` must be a list of texts, none of them empty"),
        ('{"labels": ["a", 1]}', "`labels` must be a list of texts, none of them empty"),
        ('{"labels": ["a", ""]}', "`labels` must be a list of texts, none of them empty"),
        ('{"labels": [], "names": 1}', '"names" is unknown; the object must hold `labels` alone'),
        ('{"labels": ["a", "a"]}', "2 labels must be 240, one per block of the text"),
        (
            json.dumps({"labels": [str(index) for index in range(240)]}),
            "in two or more of the text's 240 blocks: 0. There",
        ),
        (json.dumps({"labels": ["a"] * 239 + ["b"]}), "in two or more of the text's 240 blocks: 1. There"),
    ],
)
def test_bad_labels_are_one_line(content, law, planted, line, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(content)
    assert law in line("anchors", "--text", planted[0], "--blocks", "paragraphs", "--labels", path)


def test_an_embedding_without_direction_is_refused(chat, line, tmp_path):
    model, text, blocks = chat
    weights = load_file(model / "model.safetensors")
    weights["model.embed_tokens.weight"][:] = 0
    for each in model.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    arguments = ["anchors", "--text", text, "--model", tmp_path, "--blocks", blocks, "--least", 3]
    assert "must be finite and not zero" in line(*arguments)


def test_labels_of_tokens_that_never_recur_are_refused(chat):
    model, text, blocks = chat
    with pytest.raises(DomainError, match=r"in two or more of the text's \d+ blocks: 1\. There must be at least 2"):
        find_anchors(text, model=model, blocks=blocks.partition(",")[0])
