"""Random settings of the explorer, and its answers compared with those of `localist check`; its page in a browser."""

from __future__ import annotations

import json
import math
import random
import tomllib
from dataclasses import replace

import scripts

from figures.explorer.page import model
from theory.design.causal_rows import Row
from theory.design.guarantee import LARGEST_FLOAT, Targets, smallest_float
from theory.design.promise import entropy_most
from theory.design.run_check import check_run
from theory.design.run_file import parse_run
from theory.design.run_layers import layer_promise, layer_setting
from theory.numbers import bounds

ANSWER = """
const answer = (texts) => {
  const found = complaints({ ...DEFAULTS, ...texts });
  if (Object.keys(found).length) return { complaints: found };
  const value = parsed({ ...DEFAULTS, ...texts });
  const numbers = evaluateState(value);
  const standings = numbers.layers.map((each) => each.standing);
  return { ...numbers, layers: undefined, standings, file: runFile(value), row_command: rowCommand(value, numbers) };
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
        least = draw.choice([block, block, 1, draw.randint(1, block), max(1, block - draw.randint(0, 3))])
        own = min(draw.choice([1, 1, 1, draw.randint(1, 64)]), block, context - least)
        layers = any_of([2, 200], draw.randint(2, 48))
        margin = any_of([0.0, -1e-300, 1e-300, 300.0, 700.0, -700.0, 1e300], draw.uniform(-5, 30))
        temperature = any_of([1e-3, 1e3], 2 ** draw.uniform(-3, 3))
        spread = any_of([None, 1e-3], draw.uniform(0, 40))
        if spread is not None and margin > spread * temperature:
            spread = None if margin / temperature > 1e300 else margin / temperature * draw.uniform(1.001, 2)
        fidelity = repr(any_of([1e-300, 1 - 2**-53, 0.5, 1e-9], draw.uniform(0.01, 0.999999)))
        # From below the entropy of a full block to above that of the whole context.
        bits = any_of(
            [0.0, 1e-9, float(round(math.log2(block))), math.log2(context), math.log2(block) + 1e-6],
            draw.uniform(0.9 * math.log2(block), 1.05 * math.log2(context)),
        )
        asked = draw.choice([(fidelity, ""), ("", repr(bits)), (fidelity, repr(bits))])
        yield {
            "context": str(context),
            "block": str(block),
            "block_least": draw.choice(["", str(least)]) if least == block else str(least),
            "own_keys": str(own),
            "layers": str(layers),
            "localised_layers": str(draw.randint(1, layers)),
            "schedule": draw.choice(SCHEDULES),
            "dial": repr(any_of([0.0, 1 - 2**-53, 1e-300, 0.5], 1 - 2 ** -draw.uniform(0, 30))),
            "margin": repr(margin),
            "temperature": repr(temperature),
            "penalty": repr(any_of([0.0, 700.0, 1e-300, 1e300], draw.uniform(0, 20))),
            "logit_range": "" if spread is None else repr(spread),
            "fidelity": asked[0],
            "entropy_bits": asked[1],
        }


def number(value):
    return math.inf if value == "Infinity" else -math.inf if value == "-Infinity" else value


def close(found, exact, scale=0.0):
    """Whether a number is right to 1e-9; `scale` is the size of terms that cancel in it, infinite if all do."""
    found = number(found)
    if scale == math.inf:
        return True
    if exact is None or not math.isfinite(exact):
        return exact == found or (exact is None and not (found is not None and math.isfinite(found)))
    if found is None or not math.isfinite(found):
        return found == -math.inf and exact == -LARGEST_FLOAT
    return abs(found - exact) <= 1e-9 * abs(exact) + 1e-14 * scale + 1e-300


def compared(answer):
    """The names of what differs between the page's answer and that of `check` to the page's own run file."""
    run = parse_run(tomllib.loads(answer["file"]))
    exact, promise = check_run(run), layer_promise(run)
    binding, layer = exact.binding, exact.layers[exact.binding.layer]
    far, setting = binding.fidelity, layer_setting(run, float(run.locality.margin), layer.dial)
    tau = setting.temperature
    # Terms of the separation, which may cancel in it, and what a rounding of the entropy moves of its threshold.
    slack = spread_of_needed(answer, promise)
    terms = (abs(setting.margin) + setting.penalty) / tau + 800 + 1e14 * slack
    smallest_margin = promise.smallest_margin(setting)
    wrong = {
        "row": answer["row"] != {"query": far.query, "keys": far.keys, "own": far.own},
        "entropy_row": not close(entropy_of_shown_row(answer, promise), layer.entropy_max_nats),
        "layer": answer["layer"] != binding.layer,
        "dial": not close(answer["dial"], layer.dial),
        "separation": not close(answer["separation"], binding.separation, 1 / (1 - layer.dial)),
        "needed": not close(answer["needed"], binding.separation_needed, 100 + 1e14 * slack),
        "leak_max": not close(answer["leak_max"], layer.leak_max),
        "fidelity_min": not close(answer["fidelity_min"], layer.fidelity_min),
        "entropy_max": not close(answer["entropy_max"], layer.entropy_max_nats),
        "entropy_min": not close(answer["entropy_min"], layer.entropy_min_nats),
        "share": not close(answer["share"], binding.share),
        "margin_needed": not close(answer["margin_needed"], smallest_margin, tau * terms + setting.penalty),
        "penalty_needed": not close(
            answer["penalty_needed"], smallest_penalty(run, promise, layer.dial), tau * terms + setting.penalty
        ),
        "dial_needed": dial_differs(answer["dial_needed"], layer.dial_needed, terms),
        "verdict": answer["verdict"] not in ("too close", layer.standing.value),
        "standings": any(
            found not in ("too close", each.standing.value)
            for found, each in zip(answer["standings"], exact.layers, strict=True)
        ),
        "undecided": answer["verdict"] == "too close" and not near(run, setting, answer),
        "guaranteed": answer["verdict"] != "too close" and (answer["verdict"] == "guaranteed") != exact.guaranteed,
    }
    return [name for name, differs in wrong.items() if differs]


def entropy_of_shown_row(answer, promise):
    """The entropy bound of the row that the page names for the entropy, which is no other's than the largest."""
    shown = Row(answer["entropy_row"]["keys"], answer["entropy_row"]["own"])
    return (
        float(entropy_most(shown, number(answer["separation"]))) if shown in promise.rows.entropy_candidates() else None
    )


def around(promise, share):
    """The separations needed for entropies less and more than the target by a share of it."""
    bits = promise.targets.entropy_bits
    moved = (bits * (1 - share), bits * (1 + share))
    return [replace(promise, targets=Targets(promise.targets.fidelity, each)).separation_needed() for each in moved]


def spread_of_needed(answer, promise):
    """How far a rounding of the entropy moves the separation that it needs, which grows at both ends of the bound."""
    if promise.targets.entropy_bits is None or answer["binds"] == "fidelity":
        return 0.0
    high, low = around(promise, 1e-14)
    return 0.0 if high == low else high - low


def smallest_penalty(run, promise, dial):
    """Smallest penalty that keeps the promise, all else as in the run; None if none is enough."""
    setting = layer_setting(run, float(run.locality.margin), dial)

    def kept(penalty):
        return promise.kept(replace(setting, penalty=penalty))

    return smallest_float(kept, 0.0, LARGEST_FLOAT) if kept(LARGEST_FLOAT) else None


def dial_differs(found, exact, scale):
    if found >= 1 - 2**-50:
        # There the page names no dial.
        return exact is not None and exact < 1 - 2**-49
    return not close(found, exact, scale)


def near(run, setting, answer):
    """Whether the setting, or the best that its range allows, lies within rounding of a threshold."""
    promise, have = layer_promise(run), number(answer["separation"])
    bits, spread = promise.targets.entropy_bits, run.locality.logit_range
    needed = promise.separation_needed()
    if close_by(have, needed):
        return True
    if bits is not None:
        high, low = around(promise, 1e-13)
        if low - 1e-12 * (1 + abs(have)) <= have <= high + 1e-12 * (1 + abs(have)):
            return True
    if spread is None:
        return False
    best = setting.at_range(spread).at(promise.rows.farthest).nats()
    if promise.targets.fidelity is not None and close_by(best, answer["fidelity_needs"]):
        return True
    least = float(bounds.entropy_min(promise.rows.most_keys, min(best, LARGEST_FLOAT)))
    return bits is not None and abs(least / math.log(2) - bits) <= 1e-10 * bits


def close_by(have, need):
    return math.isfinite(have) and math.isfinite(need) and abs(have - need) <= 1e-12 * (1 + abs(have) + abs(need))


def show(page, state):
    """Puts a state into the link, as a reader who opens it does."""
    fragment = page.evaluate("(state) => fragmentOf({ ...DEFAULTS, ...state })", state)
    page.evaluate("(fragment) => { location.hash = fragment; fromLink(); }", fragment)


def answer_of(page):
    """What the page shows, as its numbers' own attributes carry it."""
    shown = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-quantity]')]
            .map((each) => [each.dataset.quantity, each.dataset.value]))"""
    )
    numbers = {name: None if text == "null" else text if "Inf" in text else float(text) for name, text in shown.items()}
    place = page.evaluate(
        "(({ row, entropy_row, binds, fidelity_needs, layer, dial, layers }) => ({ row, entropy_row, binds, "
        "fidelity_needs, layer, dial, standings: layers.map((each) => each.standing) }))(current.numbers)"
    )
    verdict, file = page.locator("#verdict").get_attribute("data-verdict"), page.locator("#run-file").text_content()
    return numbers | place | {"verdict": verdict, "file": file}


def settle(page):
    """Waits until the last of the moves within a frame is drawn."""
    page.wait_for_function("waiting === 0")


def frames(page, browser, name, moves):
    """CPU milliseconds of the main thread in each frame in which a drag moved a slider, layout and paint included."""
    slider = page.locator(f"#{name}-slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for move in range(moves):
        # Every tenth move is a leap.
        share = 0.5 + 0.4 * (-1) ** move if move % 10 == 0 else 0.1 + 0.8 * move / moves
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    page.mouse.up()
    events = [event for event in json.loads(browser.stop_tracing())["traceEvents"] if event["ph"] == "X"]
    inputs = [each for each in events if each["args"].get("data", {}).get("type") == "input"]
    tasks = [each for each in events if each["name"].endswith("RunTask")]
    return sorted(
        task["tdur"] / 1000
        for task in tasks
        if any(task["tid"] == each["tid"] and 0 <= each["ts"] - task["ts"] <= task["dur"] for each in inputs)
    )
