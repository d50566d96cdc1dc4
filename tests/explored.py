"""Random settings of the explorer, and its answers compared with those of `localist check`."""

from __future__ import annotations

import math
import random
import tomllib

import scripts

from figures.explorer.page import model
from theory.design.run_check import check_run
from theory.design.run_file import parse_run
from theory.design.run_layers import layer_promise, layer_setting

ANSWER = """
const answer = (texts) => {
  const found = complaints({ ...DEFAULTS, ...texts });
  if (Object.keys(found).length) return { complaints: found };
  const value = parsed({ ...DEFAULTS, ...texts });
  const numbers = evaluateState(value);
  return { ...numbers, layers: undefined, file: runFile(value), row_command: rowCommand(value, numbers) };
};
const link = (texts) => readFragment(fragmentOf({ ...DEFAULTS, ...texts })).texts;
"""
SCHEDULES = ["distributed", "localist", "linear", "quadratic", "cubic", "quartic", "quintic"]


def answers(states, folder, code=None):
    """The page's answer to each state, given by those texts that differ from the defaults."""
    return scripts.called((code or model()) + ANSWER, [["answer", [state]] for state in states], folder)


def states(count, seed):
    """Random settings, extremes included, as the texts of the fields."""
    draw = random.Random(seed)

    def any_of(extremes, usual):
        return draw.choice(extremes) if draw.random() < 0.25 else usual

    for _ in range(count):
        context = any_of([2, 3, 64, 10**6, 10**12], int(10 ** draw.uniform(1, 6)) + 2)
        block = any_of([1, context - 1, context // 2 or 1], draw.randint(1, context - 1))
        own = min(draw.choice([1, 1, 1, draw.randint(1, 64)]), block, context - block)
        layers = any_of([2, 200], draw.randint(2, 48))
        margin = any_of([0.0, -1e-300, 1e-300, 300.0, 700.0, -700.0, 1e300], draw.uniform(-5, 30))
        temperature = any_of([1e-3, 1e3], 2 ** draw.uniform(-3, 3))
        spread = any_of([None, 1e-3], draw.uniform(0, 40))
        if spread is not None and margin > spread * temperature:
            spread = None if margin / temperature > 1e300 else margin / temperature * draw.uniform(1.001, 2)
        yield {
            "context": str(context),
            "block": str(block),
            "own_keys": str(own),
            "layers": str(layers),
            "localised_layers": str(draw.randint(1, layers)),
            "schedule": draw.choice(SCHEDULES),
            "dial": repr(any_of([0.0, 1 - 2**-53, 1e-300, 0.5], 1 - 2 ** -draw.uniform(0, 30))),
            "margin": repr(margin),
            "temperature": repr(temperature),
            "penalty": repr(any_of([0.0, 700.0, 1e-300, 1e300], draw.uniform(0, 20))),
            "logit_range": "" if spread is None else repr(spread),
            "fidelity": repr(any_of([1e-300, 1 - 2**-53, 0.5, 1e-9], draw.uniform(0.01, 0.999999))),
        }


def number(value):
    return math.inf if value == "Infinity" else -math.inf if value == "-Infinity" else value


def close(found, exact, scale=0.0):
    """Whether a number is right to 1e-9; `scale` is the size of terms that cancel in it."""
    found = number(found)
    if exact is None or not math.isfinite(exact):
        return exact == found or (exact is None and not (found is not None and math.isfinite(found)))
    return abs(found - exact) <= 1e-9 * abs(exact) + 1e-14 * scale + 1e-300


def lead(answer):
    """Distance of the separation from its threshold, over the size of its terms."""
    have, need = number(answer["separation"]), answer["needed"]
    return abs(have - need) / (1 + abs(have) + abs(need)) if math.isfinite(have) else 1.0


def compared(answer):
    """The names of what differs between the page's answer and that of `check` to the page's own run file."""
    run = parse_run(tomllib.loads(answer["file"]))
    exact, promise = check_run(run), layer_promise(run)
    binding, layer = exact.binding, exact.layers[exact.binding.layer]
    far, setting = binding.fidelity, layer_setting(run, float(run.locality.margin), layer.dial)
    # Terms of the separation, which may cancel in it.
    terms = (abs(setting.margin) + setting.penalty) / setting.temperature + 800
    wrong = {
        "row": answer["row"] != {"query": far.query, "keys": far.keys, "own": far.own},
        "layer": answer["layer"] != binding.layer,
        "dial": not close(answer["dial"], layer.dial),
        "separation": not close(answer["separation"], binding.separation, 1 / (1 - layer.dial)),
        "needed": not close(answer["needed"], binding.separation_needed, 100),
        "leak_max": not close(answer["leak_max"], layer.leak_max),
        "fidelity_min": not close(answer["fidelity_min"], layer.fidelity_min),
        "entropy_max": not close(answer["entropy_max"], layer.entropy_max_nats),
        "entropy_min": not close(answer["entropy_min"], layer.entropy_min_nats),
        "share": not close(answer["share"], binding.share),
        "margin_needed": not close(
            answer["margin_needed"], promise.smallest_margin(setting), setting.temperature * terms + setting.penalty
        ),
        "dial_needed": dial_differs(answer["dial_needed"], layer.dial_needed, terms),
        "verdict": answer["verdict"] not in ("too close", layer.standing.value),
        "undecided": answer["verdict"] == "too close" and not near(run, setting, answer),
        "guaranteed": answer["verdict"] != "too close" and (answer["verdict"] == "guaranteed") != exact.guaranteed,
    }
    return [name for name, differs in wrong.items() if differs]


def dial_differs(found, exact, scale):
    if found >= 1 - 2**-50:
        # There the page names no dial.
        return exact is not None and exact < 1 - 2**-49
    return not close(found, exact, scale)


def near(run, setting, answer):
    """Whether the setting, or the best that its range allows, lies within rounding of the threshold."""
    if lead(answer) <= 1e-12:
        return True
    if run.locality.logit_range is None:
        return False
    best = setting.at_range(run.locality.logit_range).at(layer_promise(run).rows.farthest).nats()
    return abs(best - answer["needed"]) <= 1e-12 * (1 + abs(best) + abs(answer["needed"]))
