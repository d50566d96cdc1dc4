"""`localist report` on logs of rules: broken promises first, contradictions, parts, hostile lines."""

import hashlib
import json

import pytest
from reports import EVIL, TIME, Page, alter, read, tops

from figures.report import logged
from figures.report.page import report
from theory.errors import InputError

RULES = '[[rule]]\nname = "own"\n\n[[rule]]\nname = "push"\n\n[[rule]]\nname = "silent"\n'
VERSION = hashlib.sha256(RULES.encode()).hexdigest()


def firing(**changes):
    line = {"event": "firing", "text": 0, "position": 1, "layer": 0, "head": 0, "rule": "own", "promise": 0.5}
    return line | {"before": 0.25, "after": 0.5, "strength": 1.5, "status": "met"} | changes


def lines_of(*firings, **changes):
    """A log of one pass over three tokens."""
    broken = sum(each["status"] != "met" for each in firings)
    head = {"event": "log", "schema": 1, "localist": "0.1.0", "torch": "2", "model": "gpt2 small", "texts": 1}
    counts = {"firings": len(firings), "broken": broken} | changes
    return [
        head,
        {"event": "text", "dials": [0.0, 0.5]},
        {"event": "rules", "position": 0, "sha256": VERSION, "text": RULES},
        {"event": "pass", "position": 0, "tokens": [[1, 2, 3]], "rules": VERSION, **counts},
        *firings,
        {"event": "end", "passes": 1, "last": None, "stopped": None},
    ]


def write(folder, lines, name="log.jsonl"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / name


PUSH = firing(rule="push", promise=None, layer=1, before=0.1, after=0.3, strength=0.5)
BROKEN = firing(position=2, head=1, after=0.3, status="impossible")


def test_a_broken_promise_stands_first_with_its_rule_and_row(tmp_path):
    write(tmp_path / "run", lines_of(firing(), PUSH, BROKEN))
    found = report(tmp_path / "run", TIME)
    assert found.kinds == ("log",)
    assert found.verdicts[0].tone == "bad"
    assert found.verdicts[0].said == "1 of 3 firings do not keep their promise."
    assert found.verdicts[0].why.startswith("1 impossible. Rules: own.")
    assert ("warn", "1 rules never fired: silent.") in tops(tmp_path / "run")
    shown = Page(found.html)
    first, second = shown.rows("rules")
    assert (first["rule"], first["firings"], first["met"], first["impossible"]) == ("own", 2, 1, 1)
    assert (first["mean before"], first["mean after"], first["least after"]) == (0.25, 0.4, 0.3)
    assert (second["rule"], second["promise"], second["layer"]) == ("push", "", 1)
    assert [(each["status"], each["position"]) for each in shown.rows("firings")] == [
        *(("impossible", 2), ("met", 1), ("met", 1))
    ]
    labels = [value for name, value in shown.attributes if name == "aria-label"]
    assert "mean before 0.250, after 0.400, least after 0.300, promised 0.5" in labels
    assert "localist generate &#x27;gpt2 small&#x27; --replay run/log.jsonl" in found.html


def test_a_kept_promise_is_said_to_be_measured_and_no_more(tmp_path):
    path = write(tmp_path / "run", lines_of(firing(), PUSH))
    first = next(each for each in report(path).verdicts if each.tone == "good")
    assert first.said == "Every promise was kept in 1 firings."
    assert "it says nothing of other texts" in first.why
    assert ("", "The log is not sealed.") in tops(path)
    write(tmp_path / "run", lines_of(PUSH))
    assert ("", "No rule promised anything in 1 firings.") in tops(path)
    write(tmp_path / "run", lines_of())
    assert ("warn", "No rule fired.") in tops(path)
    assert "good" not in [tone for tone, _ in tops(path)]


@pytest.mark.parametrize(
    ("firings", "changes", "why"),
    [
        ([firing(after=0.4)], {}, "said to be met at 0.4, below its promise of 0.5"),
        ([firing(after=float("nan"))], {}, "a fidelity of 0.25 before and nan after"),
        ([firing(before=1.5)], {}, "a fidelity of 1.5 before"),
        ([firing(strength=float("inf"))], {}, "a strength of inf nats"),
        ([firing()], {"firings": 0}, "counts 0 firings and lists 1"),
        ([BROKEN], {"broken": 0}, "counts 0 broken and lists 1"),
    ],
)
def test_a_log_that_contradicts_itself_is_never_fine(tmp_path, firings, changes, why):
    path = write(tmp_path / "run", lines_of(*firings, **changes))
    found = [each for each in report(path).verdicts if each.said == "The log contradicts itself in 1 places."]
    assert [each.tone for each in found] == ["bad"]
    assert why in found[0].why
    assert "good" not in [tone for tone, _ in tops(path)]


def test_parts_are_read_as_one_log(tmp_path, monkeypatch):
    lines = lines_of(firing(), BROKEN)
    write(tmp_path / "run", lines[:4])
    write(tmp_path / "run", lines[4:5], "log.jsonl.1")
    write(tmp_path / "run", lines[5:], "log.jsonl.2")
    shown = read(tmp_path / "run")
    assert shown.rows("rules")[0]["firings"] == 2
    assert [each["file"] for each in shown.rows("files")] == ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    monkeypatch.setattr(logged, "MOST_BYTES", 100)
    with pytest.raises(InputError, match=r"more than the 100 that are read"):
        report(tmp_path / "run")
    monkeypatch.undo()
    (tmp_path / "run" / "log.jsonl.1").unlink()
    with pytest.raises(InputError, match=r"log\.jsonl\.1 does not: a part is missing"):
        report(tmp_path / "run")
    (tmp_path / "run" / "log.jsonl").unlink()
    with pytest.raises(InputError, match=r"cannot read .*log\.jsonl: No such file"):
        report(tmp_path / "run")


def test_a_cut_off_log_refused_rules_and_a_stop_are_cautions(tmp_path):
    lines = lines_of(firing())
    refused = {"event": "refused", "position": 3, "sha256": None, "reason": "line 2: no such key"}
    path = write(tmp_path / "run", [*lines[:-1], refused])
    assert {("warn", "The log is cut off.")} <= set(tops(path))
    caution = next(each for each in report(path).verdicts if "refused" in each.said)
    assert (caution.tone, caution.why) == ("warn", "After 3 tokens: line 2: no such key.")
    write(tmp_path / "run", [*lines[:-1], lines[-1] | {"stopped": "rule 'own' broke its promise"}])
    assert ("warn", "1 texts were stopped.") in tops(path)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"layer": 0', '"layer": "0"', "log.jsonl, line 5: layer"),
        ('"before": 0.25', '"before": 1' + "0" * 400, "log.jsonl, line 5: before"),
        ('"status": "met"', '"status": "fine"', "log.jsonl, line 5: status"),
        ('"event": "pass"', '"event": "passed"', "log.jsonl, line 4: "),
        ('"schema": 1', '"schema": 2', "log.jsonl, line 1: schema"),
        ('name = \\"own\\"', 'name = \\"one\\"', "line 3: the text of the rules has another hash"),
        ('"tokens": [[1, 2, 3]]', '"tokens": [[1, 2, 3], [1]]', "line 4: 2 texts"),
        ("{", "[", "neither a JSON report nor the first file of a log"),
        ('{"event": "text"', '[{"event": "text"', "line 2 is not JSON"),
    ],
)
def test_damaged_logs_are_refused_in_one_line(tmp_path, old, new, line):
    path = write(tmp_path / "run", lines_of(firing()))
    if new == "[":
        path.write_text(json.dumps([1, 2]) + "\n")
    else:
        alter(path, old, new)
    with pytest.raises(InputError) as refused:
        report(path)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    # In its folder too, or named there as what is not shown.
    if new == "[":
        write(tmp_path / "run", lines_of(firing()), "other.jsonl")
        assert ("warn", "log.jsonl is no record that a report knows: it is not shown.") in tops(tmp_path / "run")
    else:
        with pytest.raises(InputError):
            report(tmp_path / "run")


def test_markup_in_a_log_is_text(tmp_path):
    rules = f"[[rule]]\nname = '''{EVIL}'''\n"
    lines = lines_of(firing(rule=EVIL), firing(rule=EVIL, status="unsolved", after=0.1))
    lines[0] |= {"model": EVIL, "localist": EVIL}
    lines[2] |= {"text": rules, "sha256": hashlib.sha256(rules.encode()).hexdigest()}
    lines[3] |= {"rules": lines[2]["sha256"]}
    lines[-1] |= {"stopped": EVIL}
    lines.insert(-1, {"event": "refused", "position": 3, "sha256": None, "reason": EVIL})
    html = report(write(tmp_path / "run", lines), TIME).html
    assert EVIL not in html
    assert html.count("&lt;script&gt;") > 8
    assert Page(html).seen.count("script") == 1


def test_half_a_surrogate_pair_is_shown_as_its_code(tmp_path):
    path = write(tmp_path / "run", lines_of(firing(rule="a\ud800b")))
    html = report(path, TIME).html
    assert "a\\ud800b" in html
    assert html.encode("utf-8")


def test_many_rules_are_cut_and_counted(tmp_path):
    firings = [firing(rule=f"rule {each}", strength=float(each)) for each in range(logged.MOST_LINES + 5)]
    html = report(write(tmp_path / "run", lines_of(*firings)), TIME).html
    shown = Page(html)
    assert len(shown.rows("rules")) == logged.MOST_LINES
    assert "and 5 more" in html
    assert [each["strength (nats)"] for each in shown.rows("firings")][:2] == [304.0, 303.0]
