"""Small pictures, of which only bytes, metadata and values are looked at; a browser for pages, and a run to report."""

import shutil

import pytest
from reports import PROMISE
from scripts import CHROMIUM, QUIET
from tiny import tiny

from empirical.audit.files import write_audit
from empirical.audit.manifest import Options
from empirical.calibration.calibrate import calibrate
from empirical.measuring.maps import measure_maps
from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.truncation import measure_truncation
from empirical.training.train import train
from figures.pictures import style
from figures.report import page


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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run with every record inside."""
    run = train(tiny(training={"steps": 2}), tmp_path_factory.mktemp("made") / "run", progress=False)
    few = {"sequences": 3, "progress": False}
    measure(run, rows_file=run / "measured" / "rows.parquet", **few)
    measure_dial(run, [0.0, 0.5], **few)
    measure_truncation(run, 0.9, sequences=3)
    measure_maps(run, [(0, 0)])
    calibrate(run, fit=1, check=2, levels=(0.0, 0.5, 1.0), progress=False)
    write_audit(run, options=Options(sequences=3, promises=(PROMISE,)), progress=False)
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


@pytest.fixture
def plain(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(page, "figures_of", lambda paths, room: ("", []))
