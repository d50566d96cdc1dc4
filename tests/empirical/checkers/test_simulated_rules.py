"""`localist rules simulate`: what is measured, E3's identity, the bounds of E3 and E4, exit statuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from checked_shapes import BLOCK, CONTEXT, SEQUENCES
from rule_texts import CONFLICT, OWN, SEVERAL
from tiny import one_thread, tiny  # noqa: F401
from transformers import AutoModelForCausalLM

import localist
from empirical.checkers import simulate as module
from empirical.checkers.checker import CheckedText
from empirical.rules.rule_file import parse_rules
from empirical.steering.steered_call import SteeredRows
from empirical.training.corpus import load_tokenizer
from localist import cli
from theory.numbers.rule_bounds import mean_fidelity_min, measured_fidelity_min


def windows_of(folder, text):
    ids = load_tokenizer(str(folder)).encode(text.read_text(encoding="utf-8")).ids
    return torch.tensor(ids[: SEQUENCES * CONTEXT]).view(SEQUENCES, CONTEXT)


def plain_masses(folder, text):
    """Each due row's mass on its own block for the rule `OWN`, from the maps of eager attention."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").double().eval()
    tokenizer, windows = load_tokenizer(str(folder)), windows_of(folder, text)
    blocks, found = torch.arange(CONTEXT) // BLOCK, []
    for window in windows:
        words = [tokenizer.decode([token], skip_special_tokens=False).strip() for token in window.tolist()]
        due = torch.tensor([word.isalpha() for word in words])
        with torch.no_grad():
            maps = model(window[None], output_attentions=True).attentions
        found += [(each[0] * (blocks[:, None] == blocks)).sum(-1)[:, due] for each in maps]
    return torch.cat([each.flatten() for each in found])


def test_a_seed_gives_the_same_result(simulated):
    first = simulated(false_firings=0.1, seed=4)
    assert first == simulated(false_firings=0.1, seed=4)
    assert first["rules"] != simulated(false_firings=0.1, seed=5)["rules"]


def test_a_checker_without_errors_does_what_rules_do(simulated, folder, text):
    found = simulated(missed=(0.0,))
    model, firings, loss = AutoModelForCausalLM.from_pretrained(folder).eval(), [], 0.0
    for window in windows_of(folder, text):
        with localist.ruled(model, parse_rules(SEVERAL), load_tokenizer(str(folder)), BLOCK) as log, torch.no_grad():
            loss += float(model(window[None], labels=window[None], use_cache=False).loss) / SEQUENCES
        firings += log
    for each in found["rules"]:
        own = [firing.after for firing in firings if firing.rule == each["name"]]
        assert each["due_rows"] == len(own) > 10
        assert each["mean"] == each["fired_mean"] == pytest.approx(np.mean(own), abs=1e-12)
        assert (each["missed"], each["missed_mean"], each["false_rows"]) == (0, None, 0)
    assert found["loss"] == pytest.approx(loss, abs=1e-6)
    assert abs(found["loss"] - found["loss_without_rules"]) > 1e-3


def test_a_checker_that_misses_everything_moves_nothing(simulated, folder, text):
    found = simulated(OWN, missed=(1.0,))
    (own,) = found["rules"]
    masses = plain_masses(folder, text)
    assert own["due_rows"] == len(masses) > 100
    assert own["mean"] == pytest.approx(float(masses.mean()), abs=1e-6)
    assert own["mean"] == own["missed_mean"] == own["plain_mean"]
    assert (own["fired_mean"], own["bound"], own["nominal_bound"]) == (None, 0, 0)
    assert found["loss"] == pytest.approx(found["loss_without_rules"], abs=1e-6)


def test_the_identity_and_the_bounds(simulated):
    found = simulated(missed=(0.5, 0.2, 0.0), false_firings=0.05, sequences=None)
    assert found["holds"] is True
    assert {each["identity_holds"] for each in (*found["rules"], found["total"])} == {True}
    for each in found["rules"]:
        q = each["missed_queries"] / each["due_queries"]
        assert each["missed"] == pytest.approx(q)
        assert 0 < q < 0.5
        assert each["mean"] == pytest.approx((1 - q) * each["fired_mean"] + q * each["missed_mean"])
        if each["name"] == "push":
            assert (each["promise"], each["bound"], each["holds"]) == (None, None, None)
            continue
        assert each["bound"] == pytest.approx((1 - q) * each["promise"])
        assert each["mean"] >= each["bound"] - 1e-8
        assert each["confident_bound"] < each["bound"]
    own, first, push = found["rules"]
    # Every row of a query: two layers and four heads, or as many as the rule names.
    assert [each["due_rows"] / each["due_queries"] for each in (own, first, push)] == [8, 4, 4]
    total = found["total"]
    assert total["due_rows"] == own["due_rows"] + first["due_rows"]
    assert total["bound"] * total["due_rows"] == pytest.approx(sum(e["bound"] * e["due_rows"] for e in (own, first)))
    assert total["mean"] * total["due_rows"] == pytest.approx(sum(e["mean"] * e["due_rows"] for e in (own, first)))


def test_versions_count_for_the_queries_of_their_sequences(simulated, folder, text):
    missed = (1.0, 0.0)
    found = simulated(OWN, missed=missed)
    (own,) = found["rules"]
    halves = [simulated(OWN, missed=missed[:1], sequences=3)["rules"][0]["due_queries"]]
    halves.append(own["due_queries"] - halves[0])
    assert found["sequences_of_versions"] == [3, 3]
    assert own["missed_queries"] == halves[0]
    assert own["nominal_bound"] == pytest.approx(mean_fidelity_min(0.8, missed, halves))
    assert own["nominal_bound"] != pytest.approx(0.4)
    least = measured_fidelity_min(0.8, [halves[0], 0], halves, 0.95, halves)
    assert own["confident_bound"] == pytest.approx(least.at_least)
    assert own["missed_at_most"] == pytest.approx(least.missed.tolist())


def test_hard_misses_keep_the_identity_and_not_its_independent_form(simulated):
    found = simulated(OWN, missed=(0.3,), kind="hardest")
    (own,) = found["rules"]
    assert own["missed_queries"] == int(0.3 * own["due_queries"])
    assert own["identity_holds"]
    assert own["missed_mean"] < own["plain_mean"] - 0.05
    assert own["if_independent"] - own["mean"] > 0.01
    (drawn,) = simulated(OWN, missed=(0.3,))["rules"]
    assert abs(drawn["if_independent"] - drawn["mean"]) < abs(own["if_independent"] - own["mean"]) / 2
    # E4 counts independent misses.
    assert (found["confidence"], own["confident_bound"], own["missed_at_most"]) == (None, None, None)


def test_hard_misses_have_the_least_fidelity_of_their_version(simulated, monkeypatch):
    seen = []
    run = module._Checked.run
    monkeypatch.setattr(module._Checked, "run", lambda *args: seen.append(args[1:]) or run(*args))
    own = parse_rules(OWN)
    found = module._Fidelities()
    add = found.add
    monkeypatch.setattr(module, "_Fidelities", lambda: found)
    means = {}

    def kept(number, due, passes):
        add(number, due, passes)
        means[number] = dict(zip(due[0].nonzero()[0].tolist(), found._means[-1].tolist(), strict=True))

    monkeypatch.setattr(found, "add", kept)
    simulated(OWN, missed=(0.5, 0.25), kind="hardest")
    assert len(own) == 1
    for version, share in ((0, 0.5), (1, 0.25)):
        numbers = range(3 * version, 3 * version + 3)
        missed = {(number, query) for number, _, m, _ in seen[SEQUENCES:] for query in m[0].nonzero()[0].tolist()}
        inside = [means[n][q] for n in numbers for q in means[n] if (n, q) in missed]
        outside = [means[n][q] for n in numbers for q in means[n] if (n, q) not in missed]
        assert len(inside) == int(share * (len(inside) + len(outside)))
        assert max(inside) <= min(outside)


def test_false_firings_move_rows_that_are_not_due(simulated):
    (never,) = simulated(OWN, missed=(0.0,))["rules"]
    (always,) = simulated(OWN, missed=(0.0,), false_firings=1.0)["rules"]
    assert (never["false_rows"], never["false_before"], never["false_after"]) == (0, None, None)
    # Every query sees a key of its own block.
    assert always["false_queries"] + always["due_queries"] == SEQUENCES * CONTEXT
    assert always["due_rows"] == never["due_rows"]
    assert always["false_before"] < 0.8 <= always["false_after"] + 1e-8


def test_misses_counted_as_fired_are_found(call, monkeypatch):
    firings = CheckedText.firings

    def planted(said, missed, false, device):
        return firings(said, missed & False, false, device)

    assert call(OWN, "--missed", "0.3")[0] == 0
    monkeypatch.setattr(CheckedText, "firings", planted)
    status, out, _err = call(OWN, "--missed", "0.3")
    assert status == 1
    assert "rule 'own': E3's identity fails" in out
    assert "fails" in out.splitlines()[-1]


def test_fired_rows_counted_as_missed_are_found(simulated, monkeypatch):
    firings = CheckedText.firings
    monkeypatch.setattr(
        CheckedText, "firings", lambda said, missed, false, device: firings(said, said.due, false, device)
    )
    found = simulated(OWN, missed=(0.3,))
    assert found["holds"] is False
    assert not found["rules"][0]["identity_holds"]


def test_broken_promises_void_the_bounds(call):
    status, out, _ = call(CONFLICT, "--missed", "0.1", "--json")
    found = json.loads(out)
    assert (status, found["holds"]) == (1, None)
    for each in found["rules"]:
        assert each["broken_rows"] > 0
        assert each["identity_holds"]
        assert (each["bound"], each["nominal_bound"], each["confident_bound"], each["holds"]) == (None,) * 4
    status, out, _ = call(CONFLICT, "--missed", "0.1")
    assert (status, out.splitlines()[-1]) == (1, "undecided")
    assert f"rule 'start': {found['rules'][0]['broken_rows']:,} of its due rows did not keep the promise" in out


def test_a_mean_below_its_bound_fails(call, monkeypatch):
    """As if the solver had called every broken promise met."""
    monkeypatch.setattr(SteeredRows, "met", property(lambda rows: torch.ones_like(rows.status, dtype=torch.bool)))
    status, out, _ = call(CONFLICT, "--missed", "0")
    assert (status, out.splitlines()[-1]) == (1, "fails")
    assert "the mean is below its bound" in out


def test_false_firings_can_break_a_promise_that_is_due(simulated):
    """Two rules that are never due together, and cannot share a row."""
    rules = CONFLICT.replace("position > 4'", "position > 4 and class(word)'", 1)
    rules = rules.replace("'position > 4'", "'position > 4 and not class(word)'")
    assert simulated(rules, missed=(0.0,))["holds"] is True
    found = simulated(rules, missed=(0.0,), false_firings=0.2)
    assert found["holds"] is None
    assert found["rules"][0]["broken_rows"] > 0


def test_rules_with_strengths_alone_decide_nothing(call):
    rules = OWN.replace("fidelity = 0.8", "strength = 1.0")
    status, out, _ = call(rules, "--missed", "0.1")
    assert (status, out.splitlines()[-1]) == (1, "undecided")
    assert "rule 'own' has a strength and promises nothing" in out


def test_a_rule_that_is_due_nowhere_is_named(call):
    rules = OWN + OWN.replace('"own"', '"never"').replace("class(word)", 'text == "no such token"')
    status, out, _ = call(rules, "--missed", "0.1")
    assert status == 0
    assert "rule 'never' is due nowhere" in out


def test_the_result_is_written_as_it_is_printed(call, tmp_path):
    out = tmp_path / "new" / "result.json"
    status, shown, _ = call(SEVERAL, "--missed", "0.2,0.1", "--out", out, "--json")
    assert status == 0
    found = json.loads(shown)
    assert json.loads(out.read_text()) == found
    assert found["missed"] == [0.2, 0.1]
    assert [each["name"] for each in found["rules"]] == ["own", "first", "push"]
    for each in (*found["rules"], found["total"]):
        assert each.keys() == found["entries"].keys()


def test_an_interruption_writes_nothing(call, tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Tally, "add", interrupted)
    status, _, _err = call(OWN, "--missed", "0.2", "--out", tmp_path / "new" / "result.json")
    assert status == cli.INTERRUPTED
    assert not (tmp_path / "new").exists()
