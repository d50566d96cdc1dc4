"""Blocks that follow the text: where they begin, runs trained and measured with them, refused input."""

import json

import pytest
import torch
from tiny import one_thread, tiny  # noqa: F401

from empirical.config import run_config
from empirical.locality import LocalityConfig
from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.passes import run_pass
from empirical.model import build_model
from empirical.training.corpus import CorpusConfig, Piece, load_corpus, python_topics, token_windows, train_tokenizer
from empirical.training.held_out import load_held_out
from empirical.training.segments import block_ids, change_points, window_blocks
from empirical.training.train import train
from theory.errors import DomainError, InputError

TEXT = 'One two. Three four!  "Five?" Six\n\nSeven 3.5 eight'


def blocks_of(text, kind, **options):
    """The text of each block, from the block ids of its tokens."""
    tokenizer = train_tokenizer([text], 300)
    piece = Piece("t", 0, text)
    tokens = len(tokenizer.encode(text).ids) + 1
    windows = token_windows(tokenizer, [text], tokens, "t")
    ids = window_blocks(LocalityConfig(blocks=kind, **options), tokenizer, [piece], windows)[0].tolist()
    found = {}
    for token, block in zip(windows[0].tolist()[:-1], ids[:-1], strict=True):
        found.setdefault(block, []).append(token)
    return [tokenizer.decode(tokens).strip() for tokens in found.values()]


def test_sentences_and_paragraphs():
    assert blocks_of(TEXT, "sentences") == ["One two.", "Three four!", '"Five?"', "Six", "Seven 3.5 eight"]
    assert blocks_of(TEXT, "paragraphs") == ['One two. Three four!  "Five?" Six', "Seven 3.5 eight"]


def test_places_marked_by_the_user(tmp_path):
    path = tmp_path / "blocks.json"
    path.write_text(json.dumps({"t": [0, 4, 9]}))
    found = blocks_of(TEXT, "file", block_file=str(path))
    assert "".join(found).startswith("Onetwo.Three")
    assert len(found) == 3


def test_block_file_names_texts_by_path_or_its_end(tmp_path):
    tokenizer = train_tokenizer(["abcdefgh"], 257)
    windows = token_windows(tokenizer, ["abcdefgh", "abcdefgh"], 18, "t")
    pieces = [Piece("/x/a.txt", 0, "abcdefgh"), Piece("/y/a.txt", 0, "abcdefgh")]

    def ids(marks, chosen):
        path = tmp_path / "blocks.json"
        path.write_text(json.dumps(marks))
        locality = LocalityConfig(blocks="file", block_file=str(path))
        return window_blocks(locality, tokenizer, chosen, windows[:, : 9 * len(chosen)]).tolist()

    once, twice = [0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 1, 1, 2, 2, 2, 2, 2, 2]
    for name in ("/x/a.txt", "a.txt", "x/a.txt", "./a.txt", "../x/a.txt"):
        assert ids({name: [3]}, pieces[:1]) == [once]
    second = [block + 2 for block in twice]
    assert ids({"a.txt": [3], "y/a.txt": [1, 3]}, pieces) == [once + second]
    assert ids({"y/a.txt": [1, 3], "x/a.txt": [3]}, pieces) == [once + second]
    with pytest.raises(InputError, match=r'"a.txt" fits /x/a.txt and /y/a.txt: give more of the path'):
        ids({"a.txt": [3]}, pieces)
    for other in ("b.txt", "z/a.txt", "/a.txt", ".txt", ".", ".."):
        with pytest.raises(InputError, match=r"no entry for /x/a.txt"):
            ids({other: [3]}, pieces[:1])


def test_marked_places_count_from_the_document(tmp_path):
    path = tmp_path / "blocks.json"
    path.write_text(json.dumps({"t": [100, 104]}))
    tokenizer = train_tokenizer(["abcdefgh"], 257)
    windows = token_windows(tokenizer, ["abcdefgh"], 9, "t")
    locality = LocalityConfig(blocks="file", block_file=str(path))
    ids = window_blocks(locality, tokenizer, [Piece("t", 100, "abcdefgh")], windows)
    assert ids.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 1]]


def test_every_piece_begins_a_block():
    tokenizer = train_tokenizer(["ab"], 257)
    windows = token_windows(tokenizer, ["ab", "cd"], 6, "t")
    ids = window_blocks(
        LocalityConfig(blocks="sentences"), tokenizer, [Piece("t", 0, "ab"), Piece("t", 9, "cd")], windows
    )
    assert ids.tolist() == [[0, 0, 0, 1, 1, 1]]


def test_block_ids_start_at_0_in_every_sequence():
    starts = torch.tensor([[True, False, True], [False, True, False]])
    assert block_ids(starts).tolist() == [[0, 0, 1], [0, 1, 1]]


def test_change_points_find_planted_segments():
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(40, 16, generator=generator) * 0.1
    # Embeddings of a topic's tokens share a direction.
    for topic in range(4):
        embedding[10 * topic : 10 * topic + 10, topic] += 1
    lengths = (9, 5, 11, 7)
    topics = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths))
    windows = (10 * topics + torch.randint(0, 10, (32,), generator=generator))[None]
    assert torch.equal(change_points(windows, embedding, 8), topics[None])
    assert change_points(windows, embedding, 32).unique().tolist() == [0]
    shuffled = windows[:, torch.randperm(32, generator=generator)]
    assert not torch.equal(change_points(shuffled, embedding, 8), topics[None])


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(python_topics())[:40000])
    return path


def test_trains_and_measures_a_run_with_sentences(tmp_path, text):
    config = tiny(corpus={"text": [str(text)]}, locality={"blocks": "sentences"}, training={"steps": 3})
    folder = train(config, tmp_path / "run", progress=False)
    windows, ids = load_held_out(folder)
    assert ids.shape == windows.shape
    assert (ids[:, 1:] - ids[:, :-1]).unique().tolist() == [0, 1]
    records = measure(folder, progress=False)
    assert records.violations == 0
    # Rows have keys off their block from the second sentence of their sequence on.
    assert records.rows["rows"].iloc[0] == (ids > 0).sum()
    moved = measure_dial(folder, [0.5, 1.0], progress=False)
    first = moved.rows[moved.rows["layer"] == 0]
    assert first["prediction_error_fidelity"].max() < 1e-5
    assert moved.violations == 0


def test_trains_with_segments_of_a_trained_model(tmp_path, text):
    base = train(tiny(corpus={"text": [str(text)]}, training={"steps": 2}), tmp_path / "base", progress=False)
    config = run_config(
        {
            "model": {"pretrained": str(base), "context": 64},
            "corpus": {"text": [str(text)]},
            "locality": {"blocks": "segments", "block": 8},
            "training": {"steps": 2},
        }
    )
    folder = train(config, tmp_path / "run", progress=False)
    assert (load_held_out(folder)[1].max(1).values == 64 / 8 - 1).all()
    assert measure(folder, progress=False).violations == 0


def test_refuses_blocks_as_long_as_the_sequences():
    model = build_model(tiny().model, LocalityConfig(block=8), 400, 0)
    windows = torch.zeros(2, 16, dtype=torch.long)
    with pytest.raises(DomainError, match="no row has keys off its block"):
        run_pass(model, windows, [0.0] * 3, lambda batch: None, blocks=windows)
    halves = torch.arange(16).expand(2, -1) // 8
    taken = []
    run_pass(model, windows, [0.0] * 3, taken.append, blocks=halves)
    assert [each.rows.keys.shape for each in taken] == [(2, 8)] * 2 * 3


@pytest.mark.parametrize(
    ("locality", "message"),
    [
        ({"blocks": "chapters"}, "blocks='chapters'"),
        ({"blocks": "file"}, "must be given together"),
        ({"block_file": "a.json"}, "must be given together"),
        ({"blocks": "segments"}, "need trained token embeddings"),
    ],
)
def test_refuses_incomplete_settings(locality, message):
    with pytest.raises(DomainError, match=message):
        run_config({"locality": locality})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON"),
        ("[]", "one JSON object"),
        ('{"t": 3}', "must be a list"),
        ('{"t": [true]}', "whole numbers"),
        ('{"t": [-1]}', "whole numbers"),
        ('{"t": [3, 3]}', "must increase"),
        ('{"u": [3]}', "no entry for t"),
        ('{"t": [3, 1' + "0" * 30 + "]}", "must be at most 9223372036854775807"),
        ('{"t": [3], "a\\nb": [true]}', r'"a\\nb" must be a list of characters'),
        ('{"t": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_malformed_block_file_is_one_line(tmp_path, content, message):
    path = tmp_path / "blocks.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        blocks_of(TEXT, "file", block_file=str(path))
    assert "\n" not in str(caught.value)


def test_pieces_state_their_place_in_the_document():
    corpus = load_corpus(CorpusConfig())
    topics = python_topics()
    for piece in (*corpus.training_pieces[:50], *corpus.held_out_pieces[:20]):
        document = topics[int(piece.document.split()[-1])]
        assert document[piece.start : piece.start + len(piece.text)] == piece.text
