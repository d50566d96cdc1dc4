"""What a reader of a drawn figure sees of it."""

from figures.style import ALARM


def drawn_in_red(figure):
    """Lines in the colour that is kept for what must not be."""
    return [line for axis in figure.axes for line in axis.lines if line.get_color() == ALARM]


def texts(figure):
    """Titles and notes of every panel, as one string."""
    found = [axis.get_title(loc="left") for axis in figure.axes]
    return " ".join(found + [text.get_text() for axis in figure.axes for text in axis.texts])
