"""One visual grammar: every colour is in the table, every text can be read at paper width."""

import matplotlib
import numpy as np
import pytest
from drawn_rows import rows_of
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from figures.catalogue import MODULES
from figures.names import NAMES
from figures.pictures.style import COLOURS, COLUMN, MAP, PAGE, RAMP, SMALLEST, look

RAMP_COLOURS = {to_hex(colour) for colour in matplotlib.colormaps[RAMP](np.arange(256))}
MAP_COLOURS = {to_hex(colour) for colour in matplotlib.colormaps[MAP](np.arange(256))}
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


# Drawing is slow: every second figure by default.
SOME = [each if place % 2 == 0 else pytest.param(each, marks=pytest.mark.slow) for place, each in enumerate(NAMES)]


@pytest.mark.parametrize("name", SOME)
def test_figures_use_the_grammar(name):
    figure = MODULES[name].draw(rows_of(name))
    assert colours_of(figure) - (ALLOWED | MAP_COLOURS if name == "maps" else ALLOWED) == set()
    assert figure.get_figwidth() in (COLUMN, PAGE)
    assert min(text.get_fontsize() for text in words_of(figure)) >= SMALLEST
    # An exponent is 0.7 times as high as its line.
    figure.draw_without_rendering()
    assert [text.get_text() for text in words_of(figure) if "^" in text.get_text()] == []


def test_a_colour_outside_the_table_is_found():
    with look():
        axis = Figure().subplots()
        axis.plot([0, 1], color=COLOURS["measured"])
        assert colours_of(axis.figure) - ALLOWED == set()
        axis.plot([0, 1], color="#0072B3")
    assert colours_of(axis.figure) - ALLOWED == {"#0072b3"}


# Machado, Oliveira and Fernandes 2009: linear RGB as seen without one kind of cone.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3),
}


def lab(colour, seen):
    """CIELAB of a colour seen through a matrix on linear RGB."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = xyz @ np.clip(np.array(seen) @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLIND)
def test_colour_blind_readers_can_tell_data_apart(kind):
    """A difference of 10 is seen at a glance; the hues of one panel are further apart than that."""
    data = [
        COLOURS[each]
        for each in ("bound", "weaker bound", "measured", "predicted", "distributed", "localist", "graded")
    ]
    seen = [lab(colour, BLIND[kind]) for colour in [*data, COLOURS["violation"]]]
    apart = [np.linalg.norm(a - b) for index, a in enumerate(seen) for b in seen[:index]]
    assert min(apart) > 10
    # Red and green of one lightness cannot be told apart without the green cones.
    assert kind != "deuteranopia" or np.linalg.norm(lab("#A06000", BLIND[kind]) - lab("#6F7800", BLIND[kind])) < 15


def test_each_meaning_that_a_panel_can_mix_has_its_own_colour():
    data = ("bound", "weaker bound", "measured", "predicted", "distributed", "localist", "graded", "violation")
    areas = ("guaranteed", "possible", "impossible", "between bounds")
    assert len({COLOURS[each] for each in data}) == len(data)
    assert len({COLOURS[each] for each in areas}) == len(areas)
