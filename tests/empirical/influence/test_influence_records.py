"""The table of the last layer's influence in docs/measurements.md is that of the committed answers."""

import json
import re

import pytest
from repository import ROOT

ROWS = re.findall(
    r"^\| (distributed|localist), (?:its own \([\d.]+\)|(\d+)) \| ([\d.]+) % \| ([\d.]+) % \|.*\|([^|]*)\|$",
    (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_every_answer_has_its_row():
    names = {f"{run}-{bias or 'own'}" for run, bias, *_ in ROWS}
    assert names == {path.stem for path in (ROOT / "records" / "influence").glob("*.json")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1] or 'own'}")
def test_a_row_states_the_recorded_shares(row):
    run, bias, certified, vacuous, largest = row
    told = json.loads((ROOT / "records" / "influence" / f"{run}-{bias or 'own'}.json").read_text(encoding="utf-8"))
    shares = [f"{float(certified):.1f}", f"{float(vacuous):.1f}"]
    assert shares == [f"{100 * told[name]:.1f}" for name in ("certified_share", "vacuous_share")]
    assert (told["violations"], told["rows"]) == (0, 5376)
    recorded = [told["divergence_share_max"], told["range_share_max"]]
    assert largest.strip() == ("" if None in recorded else f"{recorded[0]:.1e}, {recorded[1]:.3f}".replace("e-0", "e-"))
