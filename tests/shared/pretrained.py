"""Folders of random decoders with a tokenizer, and short runs from them."""

from families import tiny_decoder

from empirical.config import run_config
from empirical.training.corpus import train_tokenizer
from empirical.training.train import train

VOCABULARY = 300


def stock(folder, family, tokenizer=None, **changes):
    """The folder of a random decoder, with a tokenizer."""
    tiny_decoder(family, vocabulary=VOCABULARY, **changes).save_pretrained(folder)
    (tokenizer or train_tokenizer(["a b c"], VOCABULARY)).save(str(folder / "tokenizer.json"))
    return folder


def trained(folder, weights, **changes):
    """A finished run from these weights; `changes` replace values part by part."""
    values = {
        "model": {"pretrained": str(weights), "context": 64},
        "locality": {"schedule": "linear", "largest_dial": 0.9, "block": 8},
        "training": {"steps": 3, "batch": 4, "warmup_steps": 0, "learning_rate": 1e-3},
    }
    for part, choices in changes.items():
        values[part] = {**values.get(part, {}), **choices}
    return train(run_config(values), folder, progress=False)
