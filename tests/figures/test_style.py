"""One visual grammar: every colour is in the table, every text can be read at paper width."""

import matplotlib
import numpy as np
import pytest
from drawn_rows import rows_of
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from figures.catalogue import MODULES
from figures.names import NAMES
from figures.pictures.style import COLOURS, COLUMN, PAGE, RAMP, SMALLEST, look

RAMP_COLOURS = {to_hex(colour) for colour in matplotlib.colormaps[RAMP](np.arange(256))}
ALLOWED = {colour.lower() for colour in COLOURS.values()} | RAMP_COLOURS


def colours_of(figure):
    """Every colour of what the panels and legends show, as hexadecimal digits."""
    found = set()
    for axis in figure.axes:
        for line in axis.lines:
            found |= {line.get_color(), line.get_markerfacecolor(), line.get_markeredgecolor()}
        for each in axis.collections:
            # The faces of what shows a number are those of its map.
            mapped = each.get_array() is not None
            faces = each.to_rgba(each.get_array()).reshape(-1, 4) if mapped else each.get_facecolor()
            found |= {tuple(colour) for colour in (*faces, *each.get_edgecolor())}
        for patch in axis.patches:
            found |= {patch.get_facecolor(), patch.get_edgecolor()}
        for image in axis.images:
            found.add(tuple(image.get_cmap()(0.5)))
    found |= {text.get_color() for text in words_of(figure)}
    visible = [colour for colour in found if isinstance(colour, str) or len(colour) == 3 or colour[3] > 0]
    return {to_hex(colour) for colour in visible if not (isinstance(colour, str) and colour == "none")}


def words_of(figure):
    """Every text with letters on the figure."""
    return [text for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]


@pytest.mark.parametrize("name", NAMES)
def test_figures_use_the_grammar(name):
    figure = MODULES[name].draw(rows_of(name))
    assert colours_of(figure) - ALLOWED == set()
    assert figure.get_figwidth() in (COLUMN, PAGE)
    assert min(text.get_fontsize() for text in words_of(figure)) >= SMALLEST


def test_a_colour_outside_the_table_is_found():
    with look():
        axis = Figure().subplots()
        axis.plot([0, 1], color=COLOURS["measured"])
        assert colours_of(axis.figure) - ALLOWED == set()
        axis.plot([0, 1], color="#0072B3")
    assert colours_of(axis.figure) - ALLOWED == {"#0072b3"}


def test_each_meaning_that_a_panel_can_mix_has_its_own_colour():
    data = ("bound", "weaker bound", "measured", "predicted", "distributed", "localist", "graded", "violation")
    areas = ("guaranteed", "possible", "impossible", "between bounds")
    assert len({COLOURS[each] for each in data}) == len(data)
    assert len({COLOURS[each] for each in areas}) == len(areas)
