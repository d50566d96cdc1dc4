"""The explorer's numbers and verdicts are those of `localist check`; within rounding of a threshold it does not decide.

The page's code runs in node, or else in Chromium, without the page.
"""

from __future__ import annotations

import functools
import json
import math
import shlex
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import scripts
from explored import ANSWER, answers, compared, states
from typer.testing import CliRunner

from figures.explorer.page import model
from localist.cli import app
from theory.design.guarantee import Targets, smallest_float
from theory.design.run_check import check_run
from theory.design.run_file import parse_run
from theory.design.run_layers import layer_promise, layer_setting

# Impossible in the first layers, guaranteed in the last ones.
RISING = {"layers": "200", "schedule": "linear"}


def differences(count, seed, folder, code=None):
    """Settings whose answers differ, as they are found."""
    cases = [RISING, *states(count, seed)]
    for state, answer in zip(cases, answers(cases, folder, code), strict=True):
        assert "complaints" not in answer, (state, answer)
        if wrong := compared(answer):
            yield state, wrong


def test_numbers_and_verdicts_are_those_of_check(tmp_path):
    assert list(differences(40, 0, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_numbers_and_verdicts_of_1000_settings_are_those_of_check(seed, tmp_path):
    assert list(differences(1000, seed, tmp_path)) == []


PLANTED = {
    "the last row binds": ("farthest: candidates[0]", "farthest: candidates.at(-1)"),
    "the first layer binds": ("value.layers - value.localised_layers;", "0;"),
    "no penalty": ("separationOf(margin, penalty,", "separationOf(margin, 0,"),
    "entropy of the farthest row": ("for (const row of rows.candidates)", "for (const row of [rows.farthest])"),
    "entropy kept by the farthest row": (
        "...rows.candidates.map((row) => entropyKept",
        "...[rows.farthest].map((row) => entropyKept",
    ),
    "entropy needed by the farthest row": ("const needed = rows.candidates.map", "const needed = [rows.farthest].map"),
    "blocks of the largest size": ("Math.floor(position / least) * most", "Math.floor(position / most) * most"),
    "never impossible": ("[POSSIBLE, TOO_CLOSE, IMPOSSIBLE][missed + 1]", "POSSIBLE"),
    "layers between others": ("if (same) for", "if (true) for"),
    "no floor": ("if (row.others === 0 || atFloor(row, bits)) return Infinity;", ""),
    "nats for bits": ("entropyReach(d, bits * Math.LN2", "entropyReach(d, bits"),
    "other layers": ("localised_layers = ${value.localised_layers}", "localised_layers = ${value.layers}"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_planted_error_is_found(planted, tmp_path):
    right, wrong = PLANTED[planted]
    assert model().count(right) == 1
    assert next(differences(25, 0, tmp_path, model().replace(right, wrong)), None)


@functools.cache
def at_thresholds(count, seed):
    """Settings whose margin or logit range lies within a few roundings of its threshold, and 1e-13 from it."""
    found = []
    for state in states(count, seed):
        state |= {"logit_range": "", "penalty": repr(min(float(state["penalty"]), 30.0))}
        run = parse_run(tomllib.loads(answers_file(state)))
        dial, tau = check_run(run).layers[-run.localised_layers].dial, run.locality.temperature
        promise, setting = layer_promise(run), layer_setting(run, 0.0, dial)
        smallest = promise.smallest_margin(setting)
        if smallest is None or abs(smallest) > 1e300:
            continue
        found += [state | {"margin": repr(margin)} for margin in beside(smallest)]
        for spread in (each for range_needed in ranges_needed(promise, setting, tau) for each in beside(range_needed)):
            if spread >= 0:
                found.append(state | {"logit_range": repr(spread), "margin": repr((spread - 1) * tau)})
    return found


def ranges_needed(promise, setting, tau):
    """The logit ranges below which a target is missed whatever the scores, one per target."""
    fidelity = replace(promise, targets=Targets(promise.targets.fidelity))
    if fidelity.any:
        # The range that the fidelity needs, over the temperature, is the margin that it needs.
        yield fidelity.smallest_margin(setting) / tau
    entropy = replace(promise, targets=Targets(None, promise.targets.entropy_bits))

    def reached(spread):
        return not entropy.missed(setting, np.array([setting.dial]), spread)[0]

    if entropy.any and reached(1e6):
        yield smallest_float(reached, 0.0, 1e6)


def beside(value):
    yield from (value - 1e-13, value + 1e-13)
    for ulps in (-4, -1, 0, 1, 4):
        moved = value
        for _ in range(abs(ulps)):
            moved = math.nextafter(moved, math.copysign(math.inf, ulps))
        yield moved


def answers_file(state):
    sizes = {"block": state["block"]}
    if state["block_least"]:
        sizes = {"block_least": state["block_least"], "block_most": state["block"]}
    sizes |= {name: state[name] for name in ("dial", "penalty", "temperature")}
    asked = ("fidelity", "entropy_bits", "localised_layers", "own_keys")
    locality = "".join(f"{name} = {text}\n" for name, text in sizes.items())
    targets = "".join(f"{name} = {state[name]}\n" for name in asked if state[name])
    return (
        f"[model]\nlayers = {state['layers']}\ncontext = {state['context']}\n"
        f'[locality]\nmargin = 0.0\nschedule = "{state["schedule"]}"\n{locality}[targets]\n{targets}'
    )


@functools.cache
def exact_verdict(file):
    exact = check_run(parse_run(tomllib.loads(file)))
    return exact.layers[exact.binding.layer].standing.value


def wrong_at_thresholds(count, folder, code=None, seed=3):
    found = answers(at_thresholds(count, seed), folder, code)
    wrong, undecided = 0, 0
    for answer in found:
        undecided += answer["verdict"] == "too close"
        wrong += answer["verdict"] not in ("too close", exact_verdict(answer["file"]))
    return wrong, undecided / len(found)


def test_no_verdict_is_wrong_at_a_threshold(tmp_path):
    wrong, undecided = wrong_at_thresholds(8, tmp_path)
    assert wrong == 0
    assert undecided > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30, 34))
def test_no_verdict_is_wrong_at_the_thresholds_of_100_settings(seed, tmp_path):
    assert wrong_at_thresholds(100, tmp_path, seed=seed)[0] == 0


def test_deciding_within_rounding_is_found(tmp_path):
    right = "const ROUNDINGS = 64 * 2 ** -53;"
    assert model().count(right) == 1
    wrong, undecided = wrong_at_thresholds(8, tmp_path, model().replace(right, "const ROUNDINGS = 0;"))
    assert wrong > 0
    assert undecided < 0.5


def test_setting_on_the_threshold_is_too_close(tmp_path):
    # k/m = 1 at a margin of 0 is exactly a fidelity of 1/2, which `check` calls guaranteed.
    even = {"context": "2", "block": "1", "margin": "0", "dial": "0", "fidelity": "0.5"}
    (answer,) = answers([even], tmp_path)
    assert answer["verdict"] == "too close"
    assert check_run(parse_run(tomllib.loads(answer["file"]))).guaranteed is True


def test_row_command_decides_as_the_page(tmp_path):
    cases = [state for state in states(60, 5) if float(state["margin"]) < 1e299][:25]
    # Equal scores are the hardest row that a separation below 0 allows.
    cases.append({"margin": "-2", "dial": "0.5", "fidelity": "", "entropy_bits": "9.9"})
    decided = set()
    for answer in answers(cases, tmp_path):
        if not answer["row_command"]:
            assert answer["entropy_row"]["keys"] == answer["entropy_row"]["own"]
            continue
        program, *arguments = shlex.split(answer["row_command"])
        assert program == "localist"
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code in (0, 1), result.output
        if answer["verdict"] != "too close":
            assert json.loads(result.output)["guaranteed"] == (answer["verdict"] == "guaranteed")
            decided.add((answer["verdict"], answer["binds"]))
    assert decided >= {(verdict, binds) for verdict in ("guaranteed", "possible") for binds in ("fidelity", "entropy")}
    assert "--margin=0.0" in answer["row_command"]


COMPLAINTS = [
    ({"context": "1"}, "context", "1 must be from 2 to 1e12 keys"),
    ({"context": "12.5"}, "context", "12.5 is not a whole number"),
    ({"block": ""}, "block", "an empty field is not a whole number"),
    ({"block": "1024"}, "block", "1024 must be smaller than the context, 1024"),
    ({"own_keys": "65"}, "own_keys", "65 must be at most the block, 64"),
    ({"block_least": "65"}, "block_least", "65 must be at most the largest block, 64"),
    ({"block_least": "0"}, "block_least", "0 must be at least 1, or empty"),
    ({"context": "70", "block_least": "62", "own_keys": "9"}, "own_keys", "9 must leave a row that has a key outside"),
    ({"entropy_bits": "-1"}, "entropy_bits", "-1 must be at least 0, or empty"),
    ({"entropy_bits": "6 bits"}, "entropy_bits", "6 bits is not a number"),
    ({"fidelity": ""}, "fidelity", "a fidelity or an entropy must be given"),
    ({"context": "70", "own_keys": "9"}, "own_keys", "9 must leave a row that has a key outside its block"),
    ({"localised_layers": "13"}, "localised_layers", "13 must be at most the layers, 12"),
    ({"layers": "10001"}, "layers", "10001 must be from 2 to 10000"),
    ({"margin": "1e400"}, "margin", "1e400 is too large"),
    ({"margin": "8.1"}, "margin", "8.1 must be at most the logit range times the temperature, 8 × 1"),
    ({"margin": "nan"}, "margin", "nan is not a number"),
    ({"temperature": "0"}, "temperature", "0 must be above 0"),
    ({"penalty": "-1"}, "penalty", "-1 must be at least 0"),
    ({"dial": "1"}, "dial", "1 must be at least 0 and below 1"),
    ({"fidelity": "1"}, "fidelity", "1 must lie between 0 and 1, or be empty"),
    ({"logit_range": "-1"}, "logit_range", "-1 must be at least 0, or empty"),
    ({"schedule": "steep"}, "schedule", "steep must be one of distributed, localist, linear"),
    ({"margin": "x" * 99}, "margin", "x" * 20 + "… is not a number"),
]


def test_each_mistake_has_one_line_by_its_field(tmp_path):
    found = answers([state for state, _, _ in COMPLAINTS], tmp_path)
    for answer, (state, name, line) in zip(found, COMPLAINTS, strict=True):
        assert list(answer["complaints"]) == [name], state
        assert answer["complaints"][name].startswith(line)
        assert "\n" not in answer["complaints"][name]


def test_margin_at_the_range_is_judged_without_rounding(tmp_path):
    # 3 times 0.1 rounds up to 0.30000000000000004, which float64's 0.1 times 3 exactly lies below.
    above = {"margin": "0.30000000000000004", "logit_range": "3", "temperature": "0.1"}
    below = above | {"margin": "0.3"}
    first, second = answers([above, below], tmp_path)
    assert list(first["complaints"]) == ["margin"]
    assert "complaints" not in second


LINKS = {
    "#margin=abc": "margin: abc is not a number; the default is used",
    "#colour=red": "colour=red: no such setting",
    "#margin": "margin: no such setting",
    "#margin=%E0%A4%A": "margin: %E0%A4%A cannot be read",
    "#block=4096": "block: 4096 must be smaller than the context, 1024; the default is used",
    "#__proto__=1": "__proto__=1: no such setting",
    "#context=32&block=16": None,
    "": None,
}


def test_malformed_links_are_told_and_leave_a_valid_state(tmp_path):
    calls = [["readFragment", [link]] for link in LINKS]
    for read, (link, line) in zip(scripts.called(model(), calls, tmp_path), LINKS.items(), strict=True):
        assert (read["problems"][0] if read["problems"] else None) == line, link
    cases = [read["texts"] for read in scripts.called(model(), calls, tmp_path)]
    assert all("complaints" not in answer for answer in answers(cases, tmp_path))


def test_links_carry_the_state(tmp_path):
    cases = list(states(50, 9))
    assert scripts.called(model() + ANSWER, [["link", [state]] for state in cases], tmp_path) == cases


def test_settings_of_the_page_are_valid_runs(tmp_path):
    (answer,) = answers([{}], tmp_path)
    run = parse_run(tomllib.loads(answer["file"]))
    assert check_run(run).guaranteed is True
    assert answer["verdict"] == "guaranteed"
    assert check_run(run).binding.fidelity.query == 960
