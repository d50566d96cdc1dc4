"""The report in a browser: sorted tables, keyboard, a map that opens, narrow and dark screens, no network."""

import pytest
from recorded import REFERENCE, recorded, recorded_rows
from scripts import CHROMIUM

from figures.report import page as pages
from figures.report.page import report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium, an optional program, is not installed")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The report of the recorded sweep, with a figure."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report(REFERENCE).html, encoding="utf-8")
    return path.as_uri()


def opened(browser, address, **context):
    """The page, whose errors and requests are collected."""
    shown = browser.new_context(**context).new_page()
    shown.errors, shown.requests = [], []
    shown.on("pageerror", lambda error: shown.errors.append(str(error)))
    shown.on("console", lambda message: shown.errors.append(message.text))
    shown.on("request", lambda request: shown.requests.append(request.url))
    shown.goto(address)
    return shown


def column(shown, table, name):
    """Values of a column as the page shows them: numbers, texts, and "" for what is undefined."""
    return shown.evaluate(
        """([table, name]) => {
          const element = document.querySelector(`table[data-table="${table}"]`);
          const at = [...element.tHead.rows[0].cells].findIndex((each) => each.textContent === name);
          const cells = [...element.tBodies[0].rows].map((row) => row.cells[at]);
          return cells.map((cell) => ('value' in cell.dataset ? Number(cell.dataset.value) : cell.textContent));
        }""",
        [table, name],
    )


def heading(shown, table, name):
    return shown.locator(
        f'table[data-table="{table}"] th', has=shown.get_by_role("button", name=name, exact=True)
    ).first


def test_a_heading_sorts_its_column_up_and_down_and_says_so(browser, address):
    shown = opened(browser, address)
    before = column(shown, "summary", "perplexity")
    assert before != sorted(before)
    shown.locator("summary", has_text="localist, largest dial 0.9").click()
    perplexity = heading(shown, "summary", "perplexity")
    perplexity.get_by_role("button").click()
    assert column(shown, "summary", "perplexity") == sorted(before)
    assert perplexity.get_attribute("aria-sort") == "ascending"
    # By keyboard, downwards.
    perplexity.get_by_role("button").focus()
    shown.keyboard.press("Enter")
    assert column(shown, "summary", "perplexity") == sorted(before, reverse=True)
    assert perplexity.get_attribute("aria-sort") == "descending"
    names = column(shown, "summary", "schedule")
    heading(shown, "summary", "schedule").get_by_role("button").click()
    assert column(shown, "summary", "schedule") == sorted(names)
    assert perplexity.get_attribute("aria-sort") is None
    assert shown.errors == []
    assert [each for each in shown.requests if not each.startswith(("file:", "data:"))] == []
    # Pictures are drawn, not broken.
    assert shown.evaluate("[...document.images].every((each) => each.complete && each.naturalWidth > 100)")
    assert shown.evaluate("document.images.length") > 1


def test_undefined_numbers_stay_last_in_both_directions(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "figures_of", lambda paths, room: ("", []))
    rows = recorded_rows()
    rows.loc[rows["layer"] == 1, [each for each in rows.columns if each.startswith("bound_fidelity_margin")]] = float(
        "nan"
    )
    rows.loc[rows["layer"] == 2, "bound_fidelity_margin"] = 0.25
    recorded(tmp_path / "run" / "measured", rows)
    path = tmp_path / "report.html"
    path.write_text(report(tmp_path / "run").html, encoding="utf-8")
    shown = opened(browser, path.as_uri())
    assert column(shown, "layers", "A2: at least") == [0.5, "", 0.25]
    for expected in ([0.25, 0.5, ""], [0.5, 0.25, ""]):
        heading(shown, "layers", "A2: at least").get_by_role("button").click()
        assert column(shown, "layers", "A2: at least") == expected
    assert shown.errors == []


def test_the_map_opens_by_keyboard_and_names_its_cells(browser, address):
    shown = opened(browser, address)
    layer = shown.locator("details.layer").first
    strip = layer.get_by_role("img").first
    assert strip.get_attribute("aria-label").startswith("fidelity: head 0: 0.26, head 1: 0.20")
    assert not layer.locator("table").first.is_visible()
    layer.locator("summary").focus()
    shown.keyboard.press("Enter")
    assert layer.locator("table").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_phone_scrolls_tables_and_not_the_page(browser, address, scheme):
    shown = opened(browser, address, viewport={"width": 360, "height": 800}, color_scheme=scheme)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[scheme]


def test_without_script_everything_is_readable(browser, address):
    shown = opened(browser, address, java_script_enabled=False)
    headings = shown.locator('table[data-table="summary"] th').all_text_contents()
    assert headings[:3] == ["compared at", "schedule", "largest dial"]
    assert shown.locator("pre.command").last.text_content() == "localist report reference"
