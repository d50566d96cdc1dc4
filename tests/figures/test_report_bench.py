"""`localist report` on reports of `localist bench`, and on JSON files that are none."""

import json
import shutil

import pytest
from recorded import REFERENCE
from reports import EVIL, TIME, Page, read, tops

from empirical.seal import sealed
from figures.report import found as finding
from figures.report.page import report
from theory.errors import InputError
from theory.files import read_json

BENCH = REFERENCE.parent / "bench"


@pytest.fixture
def bench(tmp_path):
    """A copy of a recorded bench, and what changes it."""
    folder = shutil.copytree(BENCH, tmp_path / "bench", ignore=shutil.ignore_patterns("gate*", "gpt2*"))
    path = folder / "llama-cpu.json"

    def change(**changes):
        path.write_text(json.dumps(read_json(path) | changes))
        return path

    return change


@pytest.mark.usefixtures("plain")
def test_times_are_those_of_the_records(bench):
    shown, results = read(bench()), read_json(BENCH / "llama-cpu.json")["results"]
    names = ("seconds", "time / plain", "CPU time / plain")
    for line, each in zip(shown.rows("bench"), results, strict=True):
        assert [line[name] for name in names] == [each[name] for name in ("seconds", "ratio", "processor_ratio")]
        assert line["MiB beyond plain"] == each.get("extra_mib", "")
    assert ("warn", "Variants that were not timed: 8.") in tops(bench())
    assert ("warn", "Some medians are of 3 rounds only.") in tops(bench())
    assert ("", "llama-cpu.json is not sealed.") in tops(bench())
    said = next(said for _, said in tops(bench()) if said.startswith("Time for measuring"))
    assert "entropy and fidelity of every row 1.15; margins and ranges too 1.22 to 1.28" in said


@pytest.mark.usefixtures("plain")
def test_the_command_is_that_of_the_documentation():
    said = " ".join((BENCH.parents[1] / "docs" / "measurements.md").read_text(encoding="utf-8").split())
    html = report(BENCH, TIME).html
    assert report(BENCH, TIME).kinds == ("bench",)
    for stated, made in (
        ("--key-heads 4 --tokens 1024 --tokens 2048 --tokens 4096 --rounds 3 --max-seconds 330", "llama-cpu"),
        ("--training-attention 1024 --training-attention 2048 --training-attention 4096 --rounds 21", "gate"),
    ):
        assert stated in said
        command = next(each for each in html.split("<code>") if each.startswith("localist bench") and _of(made) in each)
        for word in stated.replace("--", "|--").split("|")[1:]:
            assert word.strip() in command


def _of(name):
    return "--training-attention" if name == "gate" else "--key-heads 4"


def test_the_figure_of_costs_is_drawn(bench):
    html = report(bench(), TIME).html
    assert 'alt="Figure cost.' in html


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"results": []}, "results"),
        ({"results": [{"task": "measuring"}]}, "results"),
        ({"threads": "two"}, "threads"),
        ({"device": None}, "device"),
        ({"versions": [1]}, "versions"),
        ({"surprise": 1}, "surprise"),
        ({"max_seconds": float("nan")}, "max_seconds"),
        ({"sha256": "0" * 64}, "does not match the hash in it"),
    ],
)
def test_wrong_types_are_refused_in_one_line(bench, changes, line):
    with pytest.raises(InputError) as refused:
        report(bench(**changes))
    assert line in str(refused.value)
    assert "llama-cpu.json" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["tokens", "rounds", "seconds", "ratio", "processor_ratio", "extra_mib", "dropout"])
@pytest.mark.parametrize("value", ["1", EVIL, [1], float("inf"), -2e9, None])
def test_a_wrong_number_of_a_result_is_refused(bench, name, value):
    results = read_json(BENCH / "llama-cpu.json")["results"]
    if name == "extra_mib" and (value is None or value == -2e9):
        return
    with pytest.raises(InputError, match=rf"results.*{name}"):
        report(bench(results=[*results, results[0] | {name: value}]))


@pytest.mark.usefixtures("plain")
def test_results_that_cannot_be_compared_are_refused(bench):
    first, second, *others = read_json(BENCH / "llama-cpu.json")["results"]
    with pytest.raises(InputError, match="the plain pass has ratio None, not 1"):
        report(bench(results=[second, *others]))
    with pytest.raises(InputError, match=r"the plain pass has ratio 1\.5, not 1"):
        report(bench(results=[first | {"ratio": 1.5}, second, *others]))
    with pytest.raises(InputError, match="has 'fused' twice"):
        report(bench(results=[first, second, second, *others]))


@pytest.mark.usefixtures("plain")
def test_markup_in_a_bench_is_text(bench):
    about = read_json(BENCH / "llama-cpu.json")
    results = [each | {"task": EVIL} for each in about["results"][:4]]
    results[1] |= {"variant": EVIL}
    skipped = [each | {"variant": EVIL} for each in about["skipped"]]
    path = bench(device=EVIL, versions={EVIL: EVIL}, results=results, skipped=skipped)
    html = report(path, TIME).html
    assert EVIL not in html
    assert html.count("&lt;script&gt;") > 8
    assert Page(html).seen.count("script") == 1


@pytest.mark.usefixtures("plain")
def test_a_file_that_is_no_record_is_named_and_a_damaged_one_refused(bench, monkeypatch):
    other = bench().with_name("other.json")
    other.write_text('{"kind": "else"}')
    assert ("warn", "other.json is no record that a report knows: it is not shown.") in tops(other.parent)
    for damaged, why in (("{", "is not JSON"), ("[1]", "must hold one JSON object"), ("[" * 100_000, "nested")):
        other.write_text(damaged)
        with pytest.raises(InputError, match=rf"other\.json .*{why}"):
            report(other.parent)
    monkeypatch.setattr(finding, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"has 100,000 bytes, more than the 1,000"):
        report(other)


@pytest.mark.usefixtures("plain")
def test_a_sealed_bench_is_not_said_to_be_unsealed(bench):
    path = bench(**sealed(read_json(BENCH / "llama-cpu.json")))
    assert not [said for _, said in tops(path) if "sealed" in said]
    assert "its content matches the hash in it" in report(path).html
