"""Pictures in tests are small: only their bytes, metadata and values are looked at."""

import pytest

from figures.pictures import style


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Writes PNGs with few pixels."""
    monkeypatch.setitem(style.RC, "savefig.dpi", 40)
