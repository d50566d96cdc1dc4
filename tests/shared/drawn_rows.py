"""Rows that each figure can be drawn from."""

from functools import cache

import pandas as pd
from recorded import REFERENCE, recorded_rows

from empirical.sweep.summary import read_summary
from figures.catalogue import MODULES
from figures.names import MADE, RANDOM
from figures.pictures import random_rows
from figures.sources import material, read_all


@cache
def committed():
    """The committed records."""
    return read_all([REFERENCE.parent])


def rows_of(name):
    """Rows that the figure is drawn from."""
    if name in RANDOM:
        made = random_rows.make_rows(per_family=20)
        return random_rows.joined(made, material(committed(), MODULES[name].ALSO, name).rows)
    if name in MADE:
        return MODULES[name].make_rows()
    if name == "schedules":
        return read_summary(REFERENCE).summary
    if name not in ("dial", "layers", "heads"):
        return material(committed(), MODULES[name].KIND, name).rows
    rows = recorded_rows(dials=(0.0, 0.5, 1.0)) if name == "dial" else recorded_rows()
    return pd.concat([rows.assign(configuration=each) for each in ("linear", "quintic")], ignore_index=True)
