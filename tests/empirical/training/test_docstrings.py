"""Docstrings as a text: files that cannot be parsed as Python are skipped."""

import pytest

from empirical.training.docstrings import library_docstrings

GOOD = '"""A docstring that is long enough to be one of the documents."""\n'


@pytest.mark.parametrize(
    "content",
    [b"def", b"\0", b"\xff", b"-" * 100_000 + b"1", b"(" * 5_000, b"a" + b".b" * 100_000],
    ids=["syntax", "nul", "no text", "unary", "parentheses", "attributes"],
)
def test_skips_files_that_cannot_be_parsed(tmp_path, content):
    (tmp_path / "bad.py").write_bytes(content)
    (tmp_path / "good.py").write_text(GOOD)
    assert library_docstrings(tmp_path) == ["A docstring that is long enough to be one of the documents.\n\n"]
