"""The command line: exit statuses, one object with --json, and one line for a mistake."""

import json

import pytest
from typer.testing import CliRunner

from localist.cli import app


def run(*words):
    return CliRunner().invoke(app, ["audit", *map(str, words)])


@pytest.fixture
def words(decoder):
    return [decoder, "--text", decoder.parent / "text.txt", "--block", 8, "--context", 48, "--sequences", 4]


def test_kept_promises_end_with_status_0_and_the_report(words, decoder):
    found = run(*words, "--promise", "fidelity>=1e-30")
    assert found.exit_code == 0, found.output
    assert "kept as measured, NOT GUARANTEED" in found.stdout
    assert {path.name for path in (decoder / "audited").iterdir()} == {"report.json", "report.html"}
    assert run("--verify", decoder / "audited" / "report.json").exit_code == 0


def test_a_broken_promise_ends_with_status_1(words, tmp_path):
    found = run(*words, "--promise", "fidelity>=0.9", "--out", tmp_path / "out", "--json")
    assert found.exit_code == 1
    shown = json.loads(found.stdout)
    assert shown.pop("folder") == str(tmp_path / "out")
    assert shown == json.loads((tmp_path / "out" / "report.json").read_text())
    assert shown["promises"][0]["verdict"] == "broken"
    assert "broken as measured" in run(*words, "--promise", "fidelity>=0.9").stdout


def test_verify_lists_differences(words, decoder):
    run(*words)
    report = decoder / "audited" / "report.json"
    report.write_text(report.read_text().replace('"kept": true', '"kept": false'))
    found = run("--verify", report)
    assert found.exit_code == 1
    assert "kept: the report says false, found true" in found.stdout
    shown = json.loads(run("--verify", report, "--json").stdout)
    assert (shown["same"], shown["repeated"]) == (False, True)
    assert {"field": "kept", "stated": False, "found": True} in shown["differences"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--promise", "fidelity=0.9"], "promise 'fidelity=0.9', column 9: =0.9 must be >="),
        (["--confidence", "1"], "--confidence 1.0: must be less than 1"),
        (["--sequences", "0"], "--sequences 0: must be greater than or equal to 1"),
        (["--precision", "float16"], "precision 'float16' must be one of float32, float64"),
        (["--rules", "missing.toml"], "cannot read missing.toml"),
    ],
)
def test_a_mistake_is_one_line(line, words, changes, message):
    assert message in line("audit", *words, *changes)


def test_options_without_effect_are_refused(line, decoder):
    text = decoder.parent / "text.txt"
    assert "--seed 3 is of a draw of windows" in line("audit", decoder, "--text", text, "--seed", 3)
    assert "MODEL must be given" in line("audit")
    assert "--promise must be left out" in line("audit", "--verify", "report.json", "--promise", "fidelity>=0.9")
    assert "--out must be left out" in line("audit", "--verify", "report.json", "--out", "x")
    assert "--block 8 is for a text" in line("audit", decoder, "--block", 8)


def test_a_report_that_is_none_is_refused(line, tmp_path):
    path = tmp_path / "report.json"
    path.write_text("{}")
    assert "must be a report of kind 'audit' and schema 1, found null and null" in line("audit", "--verify", path)
    path.write_text("[")
    assert "is not JSON" in line("audit", "--verify", path)
