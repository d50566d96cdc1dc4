"""A log run again: the same decisions, and every changed line is found."""

import json
import re
from random import Random

import pytest
import typer
from ruled_folders import KEPT, RULES, events, save_decoder
from tiny import one_thread  # noqa: F401

from empirical.measuring import generate as generating
from empirical.measuring.generate import generate, replay
from empirical.measuring.generate_command import generate as command
from empirical.steering.growth import Sampler
from empirical.steering.replay import _same
from theory.errors import DomainError, InputError, LocalistError

PROMPT = "One of them is"
NEW = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("replay")


@pytest.fixture(scope="module")
def folder(root):
    return save_decoder("llama", root)


@pytest.fixture(scope="module")
def lines(root, folder):
    """The lines of a log of a text whose rules are replaced by others, and by a broken file, meanwhile."""
    rules = root / "RULES.toml"
    rules.write_text(KEPT, encoding="utf-8")

    written = iter(["", "", RULES.format(least=0.6), "", "[[rule", *[""] * NEW])
    chosen = Sampler.chosen

    def replacing(self, ids, logits):
        if text := next(written):
            rules.write_text(text, encoding="utf-8")
        return chosen(self, ids, logits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sampler, "chosen", replacing)
        generate(folder, PROMPT, tokens=NEW, rules=rules, watch_rules=True, log=root / "log.jsonl")
    return (root / "log.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


@pytest.fixture
def again(folder, lines, tmp_path):
    """Replays the log after a change of its lines."""

    def run(change=lambda lines: None):
        changed = list(lines)
        change(changed)
        (tmp_path / "log.jsonl").write_text("".join(changed), encoding="utf-8")
        return replay(folder, tmp_path / "log.jsonl")

    return run


def of(lines, kind):
    """Numbers of the lines of a kind."""
    return [number for number, line in enumerate(lines) if json.loads(line)["event"] == kind]


def edited(kind, which, **fields):
    """Changes fields of one line of a kind; a function gets the old value."""

    def change(lines):
        number = of(lines, kind)[which]
        line = json.loads(lines[number])
        line |= {name: value(line[name]) if callable(value) else value for name, value in fields.items()}
        lines[number] = json.dumps(line) + "\n"

    return change


def dropped(kind, which):
    def change(lines):
        del lines[of(lines, kind)[which]]

    return change


def test_the_same_decisions_are_made_again(again, lines):
    found = again()
    assert (found.differences, found.shown, found.cut_off) == (0, [], False)
    assert (found.texts, found.passes, found.firings) == (1, NEW, len(of(lines, "firing")))
    assert found.firings > 50
    # One version more and a refused one, so what is replayed includes a reload.
    assert len(of(lines, "rules")) == 2
    assert len(of(lines, "refused")) == 1


def nudged(factor):
    return lambda value: value * factor + 1e-7


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (edited("firing", 5, strength=nudged(1.000001)), r"strength .* in the log, .* in the replay"),
        (edited("firing", -1, strength=lambda value: value * (1 + 1e-8) + 1e-11), "strength"),
        (edited("firing", 3, before=nudged(1)), "before"),
        (edited("firing", 3, after=nudged(1)), "after"),
        (edited("firing", 7, status="impossible"), "status met in the log, impossible in the replay|status impossible"),
        (edited("firing", 2, promise=0.65), "promise 0.65 in the log"),
        (edited("firing", 4, head=17), "is in the log and not in the replay"),
        (edited("firing", 4, rule="other"), "rule 'other' .* is in the log and not in the replay"),
        (dropped("firing", 6), "is in the replay and not in the log"),
        (edited("pass", 2, firings=lambda value: value + 1), "firings"),
        (edited("pass", 2, broken=1), "broken 1 in the log, 0 in the replay"),
        (edited("pass", 4, tokens=[[7]]), "token 7 in the log"),
        (edited("end", 0, last=7), "token 7 in the log"),
        (edited("log", 0, seed=5), "token"),
        (edited("log", 0, temperature=3.0), "token"),
        (edited("text", 0, dials=[0.5, 0.5]), "before"),
    ],
)
def test_a_changed_line_is_found(again, change, line):
    found = again(change)
    assert found.differences > 0
    assert any(re.search(line, each) for each in found.shown), found.shown


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (dropped("log", 0), "line 1: not the first line of a firing log"),
        (dropped("text", 0), "line 2: a text is missing"),
        (dropped("rules", 0), "line 3: the pass names other rules than those in force"),
        (dropped("rules", 1), "the pass names other rules than those in force"),
        (dropped("pass", 0), "a firing that follows no pass"),
        (dropped("pass", 6), "position [0-9]+ follows [0-9]+ tokens"),
        (dropped("pass", -1), f"{NEW} passes have ended, and {NEW - 1} are in the log"),
        (edited("rules", 1, text=RULES.format(least=0.3)), "the text of the rules has another hash"),
        (edited("rules", 1, position=3), "position 3 follows"),
        (edited("refused", 0, position=1), "position 1 follows"),
        (edited("pass", 1, rules="0" * 64), "the pass names other rules than those in force"),
        (edited("pass", 1, tokens=[[7], [7]]), "2 texts: the replay takes one text at a time"),
        (edited("pass", 1, tokens=[[300]]), "exceeds the model's vocabulary"),
        (edited("end", 0, passes=3), "3 passes have ended"),
        (edited("log", 0, schema=2), "schema"),
        (edited("log", 0, model_sha256="0" * 64), "was written with another model"),
        (edited("log", 0, seed=None), "seed and temperature are missing"),
        (edited("firing", 1, strength="1"), r"line 6: strength: Input should be a valid number"),
        (edited("firing", 1, more=1), "more"),
        (edited("pass", 0, event="other"), "line 4: "),
        (lambda lines: lines.insert(3, "{\n"), "line 4 is not JSON"),
        (lambda lines: lines.insert(3, "[" * 10**5 + "\n"), "line 4 is not JSON"),
        (lambda lines: lines.insert(3, "3\n"), "line 4"),
        (lambda lines: lines.insert(1, lines[0]), "line 2: a second first line"),
        (lambda lines: lines.insert(2, lines[1]), "line 3: a text begins before"),
        (lambda lines: lines.clear(), "holds no line of a firing log"),
    ],
)
def test_a_damaged_log_is_refused(again, change, reason):
    with pytest.raises(InputError, match=reason) as refused:
        again(change)
    assert "\n" not in str(refused.value)


def test_a_log_cut_off_anywhere_is_replayed_up_to_its_last_whole_pass(again, lines):
    whole = "".join(lines)
    # In a firing, after a firing, in a pass's own line, and before the end.
    starts = [sum(map(len, lines[:number])) for number in of(lines, "pass")]
    ends = [sum(map(len, lines[: number + 1])) for number in of(lines, "firing")]
    cases = [(ends[-1], NEW), (ends[-1] - 1, NEW - 1), (ends[-2], NEW - 1), (starts[3] + 9, 3), (starts[3], 3)]
    for length, passes in cases:

        def cut(lines, length=length):
            lines[:] = [whole[:length]]

        found = again(cut)
        assert (found.passes, found.cut_off, found.differences) == (passes, True, 0)


def test_a_part_that_is_missing_is_found(folder, lines, tmp_path):
    half = len(lines) // 2
    (tmp_path / "log.jsonl").write_text("".join(lines[:half]), encoding="utf-8")
    (tmp_path / "log.jsonl.2").write_text("".join(lines[half:]), encoding="utf-8")
    with pytest.raises(InputError, match=r"log\.jsonl\.2 exists and .*log\.jsonl\.1 does not"):
        replay(folder, tmp_path / "log.jsonl")
    (tmp_path / "log.jsonl.2").rename(tmp_path / "log.jsonl.1")
    assert replay(folder, tmp_path / "log.jsonl").differences == 0


def test_each_dial_of_a_log_is_replayed(folder, tmp_path):
    (tmp_path / "RULES.toml").write_text(KEPT, encoding="utf-8")
    given = {"rules": tmp_path / "RULES.toml", "log": tmp_path / "log.jsonl", "block": 5, "temperature": 0.0}
    texts = generate(folder, PROMPT, tokens=NEW, dials=[0.0, 0.9, 1.0], **given)
    found = replay(folder, tmp_path / "log.jsonl")
    assert (found.texts, found.passes, found.differences) == (3, 3 * NEW, 0)
    assert found.firings == sum(each.firings for each in texts)
    kept, of_kind = events(tmp_path / "log.jsonl")
    assert [each["position"] for each in of_kind("rules")] == [0, 0, 0]
    # Whole texts that are missing are missed, also all of them.
    ends = [number for number, each in enumerate(kept, 1) if each["event"] in ("log", "end")]
    assert len(ends) == 4
    for texts, end in enumerate(ends):
        lines = (json.dumps(each) + "\n" for each in kept[:end])
        (tmp_path / "log.jsonl").write_text("".join(lines), encoding="utf-8")
        found = replay(folder, tmp_path / "log.jsonl")
        assert (found.texts, found.passes, found.differences) == (texts, texts * NEW, 0)
        assert found.cut_off == (texts < 3)


def test_another_model_is_refused(folder, lines, tmp_path):
    (tmp_path / "log.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "other").mkdir()
    other = save_decoder("llama", tmp_path / "other", rms_norm_eps=1e-3)
    with pytest.raises(InputError, match=r"was written with another model than .*other"):
        replay(other, tmp_path / "log.jsonl")


def test_the_command_says_what_differs(folder, lines, tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(lines), encoding="utf-8")
    command(str(folder), replay=log)
    assert capsys.readouterr().out.endswith(f"firings, {NEW} passes, 1 texts; differences: 0\n")
    changed = list(lines)
    edited("firing", 5, strength=9.0)(changed)
    log.write_text("".join(changed[:-1]), encoding="utf-8")
    with pytest.raises(typer.Exit) as end:
        command(str(folder), replay=log)
    assert end.value.exit_code == 1
    shown = capsys.readouterr().out
    assert "strength 9.0 in the log" in shown
    assert "cut off: replayed up to its last whole pass" in shown
    with pytest.raises(typer.Exit):
        command(str(folder), replay=log, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["differences"], found["cut_off"], found["passes"]) == (1, True, NEW)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"prompt": "a"}, "--prompt a"),
        ({"seed": 3}, "--seed 3"),
        ({"tokens": 5}, "--tokens 5"),
        ({"on_broken": "stop"}, "--on-broken stop"),
        ({"watch_rules": True}, "--watch-rules"),
        ({"block": 4}, "--block 4"),
    ],
)
def test_a_replay_takes_no_other_option(folder, tmp_path, given, option):
    with pytest.raises(DomainError, match=f"^{option} has no effect on a replay"):
        command(str(folder), replay=tmp_path / "log.jsonl", **given)


@pytest.mark.parametrize("path", ["missing.jsonl", "."])
def test_a_log_that_cannot_be_read(folder, tmp_path, path):
    with pytest.raises(InputError, match="cannot read"):
        replay(folder, tmp_path / path)


def test_numbers_that_count_as_the_same():
    assert _same(1.0, 1.0 + 1e-10)
    assert not _same(1.0, 1.0 + 1e-8)
    assert _same(float("nan"), float("nan"))
    assert not _same(float("nan"), 1.0)
    assert not _same(None, 0.5)


@pytest.mark.slow
def test_mutated_logs_end_in_one_line(folder, lines, tmp_path, monkeypatch):
    model, data, log = generating.load_decoder(folder), "".join(lines).encode(), tmp_path / "log.jsonl"
    monkeypatch.setattr(generating, "load_decoder", lambda source: model)
    random, found, refused = Random(0), {"same": 0, "different": 0}, []
    for number in range(500):
        changed, at = bytearray(data), random.randrange(len(data))
        if number % 3 == 0:
            changed[at] = random.randrange(256)
        elif number % 3 == 1:
            del changed[at : at + random.randrange(1, 40)]
        else:
            changed[at:at] = random.choice([b"9", b"-", b"null", b"NaN", b"1e999", b"[[", b'"', b"\n", b"\xff"])
        log.write_bytes(changed)
        try:
            found["different" if replay(folder, log).differences else "same"] += 1
        except LocalistError as error:
            refused.append(str(error))
    # Versions of programs may be changed, and digits beyond the tolerance.
    assert found["same"] < 50
    assert 10 < found["different"] < len(refused)
    assert not any("\n" in each for each in refused)
