"""A report in words and table cells, for terminal and page alike; bounds are rounded so that they still hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from empirical.audit.sentences import VERDICTS, WEIGHTS
from theory.design.rounded import at_least, at_most

LAYER_COLUMNS = (
    "layer",
    "dial",
    "bounded by",
    "weights: fidelity",
    "weights: entropy",
    "measured: fidelity",
    "mean",
    "A2 mean",
    "A8 mean",
    "entropy mean",
    "A4 mean",
    "A5 mean",
    "rows",
    "violated",
    "undecided",
)
EXCEPTION_COLUMNS = ("what", "status", "window", "position", "token", "layer", "head", "value")


def headline(about: dict[str, Any]) -> str:
    """The answer in one line."""
    if not about["promises"] and about["rules"] is None:
        said = "no bound violated" if about["kept"] else "a bound violated or undecided"
        return f"{said}; no promise was given"
    if not about["kept"]:
        return "NOT KEPT: a promise, a rule or a bound was broken or left undecided"
    if about["promises"] and all(each["verdict"] == "guaranteed" for each in about["promises"]):
        return "kept, and every promise is guaranteed by the weights"
    return "kept in every measured row that it asks for; NOT GUARANTEED for other texts, but where it says so"


def promise_lines(each: dict[str, Any], about: dict[str, Any]) -> list[tuple[str, str]]:
    """What is said of a promise: pairs of the method's key and a sentence."""
    wide = f"{each['rows_kept']:,} of {each['rows']:,} rows keep it, {each['rows_broken']:,} break it, "
    wide += f"{each['rows_undecided']:,} are undecided"
    return [("weights", _weights(each)), ("measured", wide), *_unseen(each["unseen"], about)]


def rule_lines(each: dict[str, Any], about: dict[str, Any]) -> list[tuple[str, str]]:
    """What is said of a rule, as of a promise."""
    where = f"in layers {_ranged(each['layers'])}, heads {_ranged(each['heads'])}"
    if each["promise"] is None:
        return [("rules", f"adds {each['strength']:g} nats {where} and promises nothing; {each['firings']:,} firings")]
    said = f"{each['firings']:,} firings {where}: {each['met']:,} met, {each['no_key']:,} without a visible key, "
    said += f"{each['impossible']:,} impossible, {each['unsolved']:,} unsolved"
    if each["fidelity_least"] is not None:
        said += f"; least fidelity {each['fidelity_least']:.7g} for a promise of {each['promise']:g}"
    if not each["firings"]:
        return [("rules", f"never fired {where}: nothing was measured of it")]
    return [("rules", said), *_unseen(each["unseen"], about, "firings")]


def check_line(check: dict[str, Any]) -> str:
    """The answer of `rules check`."""
    if check["possible"]:
        return "rules check: possible in every row, under its assumptions"
    if check["possible"] is None:
        return "rules check: NOT DECIDED"
    return "; ".join([f"rules check: CONFLICT: {', '.join(check['conflicts'])}", *filter(None, [check["change"]])])


def verdict(each: dict[str, Any]) -> str:
    """The verdict of a promise in words."""
    return VERDICTS[each["verdict"]]


def rule_verdict(each: dict[str, Any]) -> str:
    """The verdict of a rule in words."""
    return VERDICTS["kept"] if each["verdict"] == "kept" else str(each["verdict"])


def layer_rows(about: dict[str, Any]) -> list[list[str]]:
    """One line of `LAYER_COLUMNS` per layer: the least guaranteed and measured of its heads, and means over heads."""
    layers = sorted({line["layer"] for line in about["heads"]})
    return [cells([line for line in about["heads"] if line["layer"] == layer], f"{layer}") for layer in layers]


def cells(heads: Sequence[dict[str, Any]], name: str) -> list[str]:
    """The cells of `LAYER_COLUMNS` for one or several heads, under a name."""
    weights = [each["weights"] for each in heads]
    measured, bounds = [each["measured"] for each in heads], [each["bounds_mean"] for each in heads]
    dials = sorted({each["dial"] for each in heads})
    return [
        name,
        " to ".join(f"{dial:.4g}" for dial in dict.fromkeys((dials[0], dials[-1]))),
        " ".join(dict.fromkeys(name for each in heads for name in each["statements"])),
        _worst([each["fidelity_min"] for each in weights], min, "≥", at_least),
        _worst([each["entropy_max"] for each in weights], max, "≤", at_most),
        _worst([each["fidelity_least"] for each in measured], min, "", at_least),
        _mean(each["fidelity_mean"] for each in measured),
        *(_mean(each[name] for each in bounds) for name in ("A2", "A8")),
        _mean(each["entropy_mean"] for each in measured),
        *(_mean(each[name] for each in bounds) for name in ("A4", "A5")),
        *(f"{sum(each[name] for each in heads):,}" for name in ("rows", "violations", "undecided")),
    ]


def exception_rows(about: dict[str, Any]) -> list[list[str]]:
    """The worst exceptions as lines of `EXCEPTION_COLUMNS`."""
    return [
        [
            f"{each['kind']}: {each['what']}",
            each["status"],
            *(f"{each[name]}" for name in ("sequence", "position")),
            ascii(each["token"]),
            *(f"{each[name]}" for name in ("layer", "head")),
            "" if each["value"] is None else f"{each['value']:.6g}",
        ]
        for each in about["exceptions"]["worst"]
    ]


def more_exceptions(about: dict[str, Any]) -> str:
    """How many exceptions there are, and where those stand that are not shown."""
    found = about["exceptions"]
    if not found["count"]:
        return "none"
    hidden = found["count"] - len(found["worst"])
    more = f", and {hidden:,} more in {found['file'] or 'report.json'}" if hidden else ""
    return f"{found['count']:,} exceptions, the worst of each kind below{more}"


def bound_lines(about: dict[str, Any]) -> list[str]:
    """What the measured rows say of the bounds, whether the model is isolated, and where weights decide nothing."""
    found = about["measured"]
    lines = [
        f"{found['violations']:,} violations of a bound in {found['rows']:,} measured rows, "
        f"{found['undecided']:,} rows undecided"
    ]
    if "isolation" in about["methods"]:
        lines.append(about["methods"]["isolation"])
    return [*_statements(about), *lines, *_undecided_heads(about)]


def _statements(about: dict[str, Any]) -> list[str]:
    """Which statements bound the rows of which layers, and how well each is established."""
    layers: dict[tuple[str, ...], list[int]] = {}
    for each in about["heads"]:
        bounding = layers.setdefault(tuple(each["statements"]), [])
        bounding += [] if each["layer"] in bounding else [each["layer"]]
    lines = [f"rows of layers {_ranged(found)} are bounded by {' '.join(names)}" for names, found in layers.items()]
    statuses: dict[str, list[str]] = {}
    for each in about["statements"]:
        statuses.setdefault(each["status"], []).append(each["id"])
    said = "; ".join(f"{status}: {' '.join(names)}" for status, names in statuses.items())
    return [*lines, f"{said} (status in this version; `localist verify --strict` decides it anew, an audit does not)"]


def _undecided_heads(about: dict[str, Any]) -> list[str]:
    """Why the weights of some heads decide nothing: one sentence per reason."""
    reasons: dict[str, list[str]] = {}
    for each in about["heads"]:
        if not each["weights"]["decided"]:
            reasons.setdefault(each["weights"]["reason"], []).append(f"{each['layer']}.{each['head']}")
    found = []
    for why, heads in reasons.items():
        named = ", ".join(heads[:6]) + ", ..." * (len(heads) > 6)
        found.append(f"NOT DECIDED from the weights in {len(heads)} heads ({named}): {why}")
    return found


def _weights(each: dict[str, Any]) -> str:
    said = WEIGHTS[each["weights"]]
    if each["weights"] == "guaranteed":
        return f"{said}, in {each['heads']} heads"
    said += (
        f": {each['heads_guaranteed']} of {each['heads']} heads are guaranteed, {each['heads_not_decided']} not decided"
    )
    said = "; ".join([said, *each["reasons"]])
    if each["weights"] == "not decided":
        return said
    bias = ""
    if each["bias_needed"] is not None:
        bias = f"a bias of {at_most(each['bias_needed'], 4)} nats would be enough, and so would dial 1"
    if each["dial_needed"] is not None:
        dial = f"a dial of {each['dial_needed']!r} in every head that it names would be enough for the promise"
        return f"{said}; {dial}"
    return "; ".join([said, *filter(None, [bias]), "no one dial below 1 in float64 is known to be enough"])


def _unseen(unseen: dict[str, Any], about: dict[str, Any], what: str = "rows") -> list[tuple[str, str]]:
    seen = f"{unseen['violations']:,} of {unseen['windows']:,} windows violate it"
    if "whole" in about["methods"]:
        found = [("whole", f"{seen}: these are all windows of the text")]
    else:
        most = f"at most {unseen['of_this_text']:,} of the text's {unseen['population']:,} at confidence"
        found = [("draw", f"{seen}; {most} {unseen['confidence']!r}, by the random draw alone")]
    share = f"at most a share of {at_most(unseen['share_at_most'], 4)} of the source's windows at confidence "
    found.append(("share", f"{share}{unseen['confidence']!r}, IF the windows are independent draws from it"))
    if (new := unseen["new_window"]) is None:
        return [*found, ("new", f"nothing is said of one new window: {unseen['no_new_window']}")]
    share = at_least(new["share"], 4)
    said = f"one new window keeps it in a share of at least {share} of its {what} with probability at least "
    return [*found, ("new", f"{said}{at_least(new['probability'], 4)}, IF it is exchangeable with these")]


def _worst(values: Sequence[float | None], choose: Any, sign: str, rounded: Any) -> str:
    if any(each is None for each in values):
        return "not decided"
    return f"{sign}{rounded(choose(values), 2)}"


def _mean(values: Iterable[float | None]) -> str:
    known = [each for each in values if each is not None]
    return f"{sum(known) / len(known):.3f}" if known else ""


def _ranged(numbers: Sequence[int]) -> str:
    whole = numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1
    return f"{numbers[0]}-{numbers[-1]}" if whole else ", ".join(map(str, numbers))
