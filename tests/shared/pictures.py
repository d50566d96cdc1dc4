"""Reads lines and texts off a drawn figure."""

from figures.pictures.style import ALARM


def drawn_in_red(figure):
    """Lines in the colour reserved for contradictions."""
    return [line for axis in figure.axes for line in axis.lines if line.get_color() == ALARM]


def texts(figure):
    """Titles and notes of all panels, as one string."""
    found = [axis.get_title(loc="left") for axis in figure.axes]
    return " ".join(found + [text.get_text() for axis in figure.axes for text in axis.texts])
