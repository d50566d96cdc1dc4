"""A random decoder beside a text and rules."""

import pytest
from audits import RULES, TEXT
from pretrained import stock


@pytest.fixture
def decoder(tmp_path):
    """The folder of a tiny Llama, beside `text.txt` and `RULES.toml`."""
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "RULES.toml").write_text(RULES)
    return stock(tmp_path / "llama", "llama")
