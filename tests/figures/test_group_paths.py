"""Figure `paths`: ceilings and promises of C4 and C5 against recorded norms, and what is a fault in them."""

import numpy as np
import pandas as pd
import pytest
from drawn_rows import rows_of
from pictures import drawn_in_red
from recorded import REFERENCE

from figures.pictures import paths
from figures.sources import material, read_all
from theory.errors import DomainError, InputError
from theory.numbers.extinction_steps import adam_update_bound


@pytest.fixture(scope="module")
def rows():
    return rows_of("paths")


def labels(figure, panel):
    return [text.get_text() for text in figure.axes[panel].get_legend().get_texts()]


@pytest.mark.parametrize("record", ["descent-0.008", "adamw-40"])
def test_ceiling_is_the_statements_and_holds(rows, record):
    part = rows[rows["record"] == record]
    (run,) = paths._runs(part)
    first = part[part["group"] == 3]
    ceiling, wanted = run.ceilings()[3], float(first["norm"].iloc[0])
    for step, rate in enumerate(first["rate"].iloc[1:], 1):
        push = np.sqrt(128) * float(adam_update_bound(step)) if record.startswith("adam") else first["longest"].iloc[0]
        wanted = max(0.0, wanted - rate * (run.penalty - push))
        assert ceiling[step] == pytest.approx(wanted, abs=1e-12)
    # The first step at which the ceiling is zero is the recorded promise.
    assert int((ceiling == 0).argmax()) == first["promised"].iloc[0]
    assert np.all((run.norms <= run.ceilings() + 1e-6) | np.isnan(run.norms))
    assert (run.extinct <= run.promised).all()


@pytest.mark.parametrize(
    ("damage", "faults"),
    [
        (lambda part: part.assign(norm=part["norm"] * np.where(part["step"] > 0, 1.2, 1)), {"above the ceiling: 16"}),
        (lambda part: part.assign(extinct=part["promised"] + 2), {"above the ceiling: 16"}),
        (lambda part: part.assign(extinct=np.nan), {"above the ceiling: 16"}),
        (lambda part: part.assign(promised=part["promised"] + 1), {"promises that differ: 16"}),
        (lambda part: part.assign(promised=np.nan), {"promises that differ: 16"}),
        # The statement of the other optimizer promises something else.
        (lambda part: part.assign(optimizer="sgd"), {"promises that differ: 16"}),
    ],
)
def test_planted_errors_are_faults_and_red(rows, damage, faults):
    part = rows[rows["record"] == "adamw-40"]
    assert paths.faults(part) == []
    damaged = damage(part)
    found = paths.faults(damaged)
    assert {line.split("blocks ")[-1].split("recorded ")[-1] for line in found} == faults
    red = drawn_in_red(paths.draw(damaged))
    assert bool(red) == ("above the ceiling: 16" in faults)


def test_legends_say_what_was_promised_and_what_was_measured(rows):
    figure = paths.draw(rows)
    assert labels(figure, 0)[1:] == [
        "0.002: zero from step 124, not promised",
        "0.008: zero from step 40, promised from 66",
        "ceiling at 0.008 (C4)",
    ]
    assert labels(figure, 1)[1:] == ["measured: all zero from 0.002 on", "promised (C4): all zero from 0.008 on"]
    assert labels(figure, 3)[1:] == ["measured: all zero from 6 on", "promised (C5): all zero from 35.1 on"]
    few = rows[rows["penalty"].isin([2.0, 4.0])]
    assert labels(paths.draw(few), 1)[1] == "measured: at none of these penalties"


def test_a_penalty_counts_only_if_all_larger_ones_do():
    runs = [type("Run", (), {"penalty": penalty})() for penalty in (1.0, 2.0, 3.0)]
    assert paths._from(runs, [True, False, True]) == 3.0
    assert paths._from(runs, [True, True, False]) is None
    assert paths._from(runs, [False, True, True]) == 2.0


def test_c4_says_nothing_of_a_block_that_came_back(rows):
    """Its gradient while it was zero is not in the record; C5 holds all the same."""
    for record, faults in (("descent-0.008", []), ("adamw-40", ["AdamW: penalty 40: blocks above the ceiling: 1"])):
        part = rows[rows["record"] == record].copy()
        part.loc[(part["group"] == 3) & (part["step"] == 200), "norm"] = 0.1
        part.loc[part["group"] == 3, "extinct"] = np.nan
        assert paths.faults(part) == faults


def test_runs_of_two_models_or_one_penalty_are_left_out(tmp_path):
    source = REFERENCE.parent / "paths" / "adamw-2.json"
    for name, change in (("a", None), ("b", ('"group_penalty": 2.0', '"group_penalty": 3.0')), ("c", None)):
        (tmp_path / name).mkdir()
        text = source.read_text()
        (tmp_path / name / "groups.json").write_text(text.replace(*change) if change else text)
    two = read_all([tmp_path / "a", tmp_path / "b"])
    assert sorted(material(two, "groups", "paths").rows["penalty"].unique()) == [2.0, 3.0]
    with pytest.raises(InputError, match=r"c/groups\.json is another run of 'adamw' with penalty 2: name one"):
        material(read_all([tmp_path]), "groups", "paths")
    (tmp_path / "c" / "groups.json").write_text(
        source.read_text().replace('"norm_start": 0.2', '"norm_start": 0.3').replace(": 2.0", ": 4.0", 1)
    )
    with pytest.raises(InputError, match=r"c/groups\.json began with other weights than the runs beside it"):
        material(read_all([tmp_path]), "groups", "paths")


def test_refuses_runs_that_it_cannot_tell_apart(rows):
    part = rows[rows["record"] == "adamw-40"]
    twice = pd.concat([part, part.assign(record="other")])
    with pytest.raises(DomainError, match="two runs of 'adamw' have the penalty 40: name one"):
        paths.draw(twice)
    with pytest.raises(DomainError, match="no statement about the optimizer 'lion'"):
        paths.faults(part.assign(optimizer="lion"))
