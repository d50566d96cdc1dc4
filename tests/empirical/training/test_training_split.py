"""Training uses only the training part of a text: for its tokenizer, its sequences, its blocks and its loss."""

import json

import pytest
import torch
from tiny import one_thread, tiny  # noqa: F401
from tokenizers import Tokenizer

from empirical.config import CorpusConfig
from empirical.model import load_model
from empirical.training.corpus import PIECE_CHARACTERS, load_corpus, token_windows
from empirical.training.held_out import load_held_out
from empirical.training.segments import window_blocks
from empirical.training.train import LocalistTrainer, train, training_summary

# Letter pairs that occur nowhere else: the tokenizer joins them only if it is trained on them.
ONLY_TRAINING, ONLY_HELD_OUT = "qxzjq", "wvkzw"
SHARE = 0.25


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text in which every fourth piece, the held-out ones, has its own marker."""
    pieces = []
    for index in range(12):
        marker = ONLY_HELD_OUT if index % 4 == 3 else ONLY_TRAINING
        words = f"{marker} is here. The rain on the plain of {marker}. " * 60
        pieces.append(words[: PIECE_CHARACTERS + 50].rstrip() + "\n\n")
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(pieces))
    corpus = load_corpus(CorpusConfig(text=(str(path),), held_out=SHARE))
    assert all(ONLY_HELD_OUT in piece and ONLY_TRAINING not in piece for piece in corpus.held_out)
    assert all(ONLY_TRAINING in piece and ONLY_HELD_OUT not in piece for piece in corpus.training)
    assert (len(corpus.held_out), len(corpus.training)) == (3, 9)
    return path


@pytest.fixture(scope="module")
def watched(text, tmp_path_factory):
    """A run, and every batch whose loss was computed."""
    batches = []
    ordinary = LocalistTrainer.compute_loss

    def watching(self, model, inputs, *args, **kwargs):
        batches.append({name: value.clone() for name, value in inputs.items()})
        return ordinary(self, model, inputs, *args, **kwargs)

    config = tiny(
        corpus={"text": [str(text)], "held_out": SHARE},
        locality={"blocks": "sentences"},
        training={"steps": 24, "batch": 4},
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LocalistTrainer, "compute_loss", watching)
        folder = train(config, tmp_path_factory.mktemp("run") / "run", progress=False)
    return config, folder, batches


def read(tokenizer, windows):
    return [tokenizer.decode(window, skip_special_tokens=False) for window in windows.tolist()]


def test_tokenizer_is_trained_on_the_training_part_only(watched):
    _, folder, _ = watched
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert len(tokenizer.encode(ONLY_TRAINING).ids) == 1
    assert len(tokenizer.encode(ONLY_HELD_OUT).ids) == len(ONLY_HELD_OUT)


def test_batches_and_held_out_sequences_come_from_their_parts(watched):
    _, folder, batches = watched
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    seen = [window for batch in batches for window in read(tokenizer, batch["input_ids"])]
    # The last batch of an epoch may be smaller.
    assert 24 * 3 < len(seen) <= 24 * 4
    assert sum(ONLY_TRAINING in window for window in seen) > 48
    assert not any(ONLY_HELD_OUT in window for window in seen)
    kept = read(tokenizer, load_held_out(folder)[0])
    assert sum(ONLY_HELD_OUT in window for window in kept) > len(kept) / 2
    assert not any(ONLY_TRAINING in window for window in kept)


def test_training_predicts_every_token_of_the_training_part(watched):
    config, folder, batches = watched
    corpus = load_corpus(config.corpus)
    windows = {tuple(window) for batch in batches for window in batch["input_ids"].tolist()}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    whole = token_windows(tokenizer, corpus.training, config.model.context, corpus.name)
    # Twenty-four batches of four cover all sequences more than once.
    assert windows == {tuple(window) for window in whole.tolist()}
    assert len(windows) > 8
    for batch in batches:
        assert torch.equal(batch["labels"], batch["input_ids"])


def test_blocks_belong_to_their_sequences(watched):
    config, folder, batches = watched
    corpus = load_corpus(config.corpus)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    held_out, blocks = load_held_out(folder)
    assert torch.equal(blocks, window_blocks(config.locality, tokenizer, corpus.held_out_pieces, held_out))
    ends = {tokenizer.token_to_id(".")}
    for batch in batches:
        for window, ids in zip(batch["input_ids"].tolist(), batch["block_ids"].tolist(), strict=True):
            starts = [place for place in range(1, len(ids)) if ids[place] != ids[place - 1]]
            # A block begins after a full stop, or after the token that ends a piece.
            assert starts
            assert all({window[place - 1], window[place - 2]} & (ends | {0}) for place in starts)


def test_losses_are_those_of_the_training_part(watched):
    """The training marker is predicted far better than the held-out one."""
    _, folder, _ = watched
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = load_model(folder)
    losses = {}
    for marker in (ONLY_TRAINING, ONLY_HELD_OUT):
        ids = torch.tensor([tokenizer.encode(f"The rain on the plain of {marker}. " * 4).ids[:40]])
        with torch.no_grad():
            losses[marker] = float(model(input_ids=ids, labels=ids).loss)
    assert losses[ONLY_TRAINING] < losses[ONLY_HELD_OUT] - 0.5


def test_manifest_describes_the_held_out_part(watched):
    config, folder, _ = watched
    described = load_corpus(config.corpus).describe()
    assert json.loads((folder / "corpus.json").read_text()) == described
    assert training_summary(folder)["corpus"] == described
    assert described["held_out_asked"] == SHARE
