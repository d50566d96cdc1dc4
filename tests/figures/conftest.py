"""Small pictures, of which only bytes, metadata and values are looked at; and a browser for pages."""

import pytest
from scripts import CHROMIUM, QUIET

from figures.pictures import style


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Writes PNGs with few pixels."""
    monkeypatch.setitem(style.RC, "savefig.dpi", 40)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, driven by playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
