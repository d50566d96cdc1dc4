"""The models and the text of `measured`."""

from pathlib import Path

import pytest
from families import tiny_decoder
from measured import FAMILIES

from empirical.training.corpus import python_topics, train_tokenizer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per family, each with a tokenizer, and a text."""
    root = tmp_path_factory.mktemp("decoders")
    tokenizer = train_tokenizer(python_topics()[:3], 300)
    (root / "text.txt").write_text(python_topics()[0][:3000])
    for family in FAMILIES:
        tiny_decoder(family, vocabulary=300).save_pretrained(root / family)
        tokenizer.save(str(root / family / "tokenizer.json"))
    return root
