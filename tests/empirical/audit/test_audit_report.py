"""A report says what an independent computation finds, and nothing that its method does not support."""

import gzip
import hashlib
import json
import shutil

import pytest
import torch
from audits import audited, dialled
from families import tiny_decoder
from pretrained import stock, trained
from transformers import AutoModelForCausalLM

from empirical.audit import exceptions, measured, report
from empirical.audit.files import FILE_NAME, REPORT_NAME, write_audit
from empirical.audit.manifest import Options
from empirical.audit.report import content_hash, drawn
from empirical.audit.verify import verify_report
from empirical.audit.weight_range import HeadRange
from empirical.audit.wording import promise_lines
from empirical.measuring.subject import open_decoder
from theory.errors import DomainError, InputError
from theory.numbers.unseen import violation_count_max, violation_share_max


def eager(folder):
    """Fidelity and entropy of every row with a key off its block, by (sequence, layer, head, position)."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").double()
    windows = open_decoder(folder, folder.parent / "text.txt", block=8, context=48).windows
    found = {}
    for number, tokens in enumerate(windows):
        with torch.no_grad():
            maps = model(tokens[None], output_attentions=True).attentions
        for layer, rows in enumerate(maps):
            for head, position in ((h, q) for h in range(rows.shape[1]) for q in range(8, 48)):
                row = rows[0, head, position, : position + 1]
                inside = row[position - position % 8 :].sum().item()
                found[number, layer, head, position] = inside, -(row * row.log()).nan_to_num().sum().item()
    return found


def test_promises_are_counted_as_by_an_independent_computation(decoder):
    about, _ = audited(decoder, sequences=None)
    rows = eager(decoder)
    fidelity, entropy = about["promises"]
    broken = {key for key, (inside, _) in rows.items() if key[1] == 1 and inside < 0.01}
    assert fidelity["rows"] == sum(key[1] == 1 for key in rows)
    assert (fidelity["rows_broken"], fidelity["rows_undecided"]) == (len(broken), 0)
    assert entropy["rows"] == len(rows)
    assert entropy["rows_broken"] == sum(nats > 3.2 for _, nats in rows.values())
    listed = [each for each in about["exceptions"]["rows"] if each["what"] == fidelity["promise"]]
    assert {tuple(each[name] for name in ("sequence", "layer", "head", "position")) for each in listed} == broken
    for each in listed:
        place = tuple(each[name] for name in ("sequence", "layer", "head", "position"))
        assert each["value"] == pytest.approx(rows[place][0], abs=1e-5)
    assert about["exceptions"]["count"] == fidelity["rows_broken"] + entropy["rows_broken"]
    assert (fidelity["verdict"], about["kept"]) == ("broken", False)
    least = min(inside for key, (inside, _) in rows.items() if key[1:3] == (1, 2))
    (head,) = (line for line in about["heads"] if (line["layer"], line["head"]) == (1, 2))
    assert head["measured"]["fidelity_least"] == pytest.approx(least, abs=1e-5)


def test_what_holds_on_unseen_text_counts_windows(decoder):
    about, _ = audited(decoder, sequences=6, promises=("fidelity>=1e-30",), confidence=0.8)
    (promise,) = about["promises"]
    unseen, population = promise["unseen"], about["manifest"]["windows"]["of"]
    assert (unseen["windows"], unseen["violations"], unseen["population"]) == (6, 0, population)
    assert unseen["of_this_text"] == violation_count_max(0, 6, population, 0.8)
    assert unseen["share_at_most"] == float(violation_share_max(0, 6, 0.8))
    assert unseen["new_window"]["probability"] == pytest.approx(1 - 1 / 7)
    assert (promise["weights"], promise["verdict"], about["kept"]) == ("not guaranteed", "kept", True)
    assert {"draw", "share", "new"} <= set(about["methods"])
    assert "drawn at random" in about["methods"]["draw"]
    assert "Consecutive windows of one text are not known to be" in about["methods"]["new"]


def test_all_windows_need_no_draw(decoder):
    about, _ = audited(decoder, promises=("fidelity>=1e-30",))
    assert "whole" in about["methods"]
    assert "draw" not in about["methods"]


def test_two_audits_differ_in_time_alone(decoder, tmp_path):
    texts = []
    for place in ("one", "elsewhere/deeper"):
        folder = tmp_path / place / "llama"
        shutil.copytree(decoder, folder)
        for name in ("text.txt", "RULES.toml"):
            shutil.copy(tmp_path / name, folder.parent)
        _, out = audited(folder, rules=folder.parent / "RULES.toml", sequences=4)
        text = (out / REPORT_NAME).read_text()
        lines = text.splitlines()
        assert lines[1].startswith(' "time": ')
        texts.append("\n".join(lines[:1] + lines[2:]))
        assert str(tmp_path) not in text
    assert texts[0] == texts[1]


def test_a_dial_of_one_everywhere_is_guaranteed_and_isolated(decoder):
    dialled(decoder, [1.0, 1.0])
    about, _ = audited(decoder, block=None, promises=("fidelity>=1", "entropy<=2.08"))
    certain, possible = about["promises"]
    assert (certain["verdict"], certain["weights"]) == ("guaranteed", "guaranteed")
    # log 8 = 2.0794...
    assert possible["verdict"] == "guaranteed"
    assert about["isolated"]
    assert about["heads"][0]["statements"] == ["A4", "H4"]
    assert "isolation" in about["methods"]
    assert about["kept"]


def test_the_dial_that_a_report_names_makes_the_promise_guaranteed(tmp_path):
    """Also of a model with trained-size weights scaled down, so that float64 has such a dial."""
    (tmp_path / "text.txt").write_text("a b c " * 200)
    folder = stock(tmp_path / "gpt2", "gpt2")
    model = AutoModelForCausalLM.from_pretrained(folder)
    for block in model.transformer.h:
        block.attn.c_attn.weight.data *= 0.3
    model.save_pretrained(folder)
    (before,) = audited(folder, promises=("fidelity>=0.9",))[0]["promises"]
    assert (before["weights"], before["heads_guaranteed"]) == ("not guaranteed", 0)
    dialled(folder, [before["dial_needed"]] * 2)
    after, _ = audited(folder, promises=("fidelity>=0.9",))
    assert after["promises"][0]["verdict"] == "guaranteed"
    assert min(line["weights"]["fidelity_min"] for line in after["heads"]) == pytest.approx(0.9, abs=1e-9)
    assert all(line["measured"]["fidelity_least"] > 0.9 for line in after["heads"])
    dialled(folder, [before["dial_needed"] * 0.99] * 2)
    less = audited(folder, promises=("fidelity>=0.9",))[0]["promises"][0]
    assert less["weights"] == "not guaranteed"


def test_one_layer_below_dial_one_is_not_isolated(decoder):
    dialled(decoder, [1.0, 0.99])
    about, _ = audited(decoder, block=None, promises=("fidelity>=1",))
    (promise,) = about["promises"]
    assert (promise["weights"], promise["heads_guaranteed"]) == ("not guaranteed", 4)
    assert promise["verdict"] != "guaranteed"
    assert not about["isolated"]
    assert "isolation" not in about["methods"]
    assert [line["statements"][-1] for line in about["heads"]] == ["A4"] * 4 + ["B2"] * 4


def test_a_finished_run_is_audited_on_its_held_out_sequences(tmp_path):
    run = trained(tmp_path / "run", stock(tmp_path / "weights", "gpt2"))
    options = Options(promises=("fidelity>=0.9 in layers 1",), sequences=3)
    about, out = write_audit(run, options=options, progress=False)
    made = about["manifest"]
    assert (made["files"]["text"], made["model"]["seal"]) == (None, "intact")
    assert "held_out.safetensors" in made["files"]["model"]
    assert made["command"] == "localist audit run --sequences 3 --promise 'fidelity>=0.9 in layers 1'"
    assert [line["dial"] for line in about["heads"]] == [0.0] * 4 + [0.9] * 4
    assert about["heads"][4]["statements"] == ["A1", "A2", "A3", "A4", "A5", "A7", "A8", "B1", "B2"]
    assert verify_report(out / REPORT_NAME, progress=False).same


def test_a_model_whose_path_is_unknown_is_not_decided(tmp_path):
    (tmp_path / "text.txt").write_text("a b c " * 200)
    about, _ = audited(stock(tmp_path / "cohere", "cohere"), promises=("fidelity>=1e-9",))
    (promise,) = about["promises"]
    assert (promise["weights"], promise["heads_not_decided"]) == ("not decided", 8)
    assert promise["verdict"] == "kept"
    (reason,) = promise["reasons"]
    assert reason == about["heads"][0]["weights"]["reason"]
    assert reason.startswith("what CohereAttention does")
    assert reason in dict(promise_lines(promise, about))["weights"]


def test_a_wrong_bound_from_the_weights_shows_in_the_measured_rows(decoder, monkeypatch):
    def slipped(model):
        return [[HeadRange(each.score / 50) for each in layer] for layer in honest(model)]

    honest = report.head_ranges
    about, _ = audited(decoder, promises=())
    assert about["kept"]
    monkeypatch.setattr(report, "head_ranges", slipped)
    about, _ = audited(decoder, promises=())
    assert about["measured"]["violations"] > 0
    assert not about["kept"]
    assert "range of the weights" in {each["what"] for each in about["exceptions"]["worst"]}


def test_a_violated_bound_is_an_exception(decoder, monkeypatch):
    honest = measured.Judged.checks.func

    def slipped(judged):
        found = honest(judged)
        found["entropy_range"].violated[0, 0] = True
        return found

    checks = type(measured.Judged.checks)(slipped)
    checks.__set_name__(measured.Judged, "checks")
    monkeypatch.setattr(measured.Judged, "checks", checks)
    about, _ = audited(decoder, promises=(), sequences=2)
    assert about["measured"]["violations"] == 4
    assert about["exceptions"]["counts"] == {"bound": 4}
    assert about["exceptions"]["rows"][0]["what"].startswith("A5: ")
    assert not about["kept"]


def test_rounding_leaves_rows_undecided_and_that_is_no_success(decoder):
    rows = eager(decoder)
    least = min(inside for inside, _ in rows.values())
    about, _ = audited(decoder, promises=(f"fidelity>={least:.9g}",))
    (promise,) = about["promises"]
    assert (promise["rows_broken"], promise["rows_undecided"] > 0) == (0, True)
    assert (promise["verdict"], about["kept"]) == ("undecided", False)
    assert {each["status"] for each in about["exceptions"]["rows"]} == {"undecided"}


def test_beyond_a_limit_every_exception_is_in_the_file(decoder, monkeypatch):
    whole, out = audited(decoder)
    listed = whole["exceptions"]["rows"]
    assert not (out / FILE_NAME).exists()
    monkeypatch.setattr(exceptions, "INLINE", 10)
    monkeypatch.setattr("empirical.audit.files.INLINE", 10)
    about, out = audited(decoder)
    lines = gzip.decompress((out / FILE_NAME).read_bytes())
    assert [json.loads(line) for line in lines.splitlines()] == listed
    found = about["exceptions"]
    assert (found["rows"], found["file"], found["count"]) == (None, FILE_NAME, len(listed))
    assert found["sha256"] == hashlib.sha256(lines).hexdigest() == whole["exceptions"]["sha256"]
    # The worst are the worst.
    values = sorted(each["value"] for each in listed if each["what"].startswith("fidelity"))
    worst = [each["value"] for each in found["worst"] if each["what"].startswith("fidelity")]
    assert worst == values[: exceptions.WORST]


def test_an_interrupted_audit_leaves_the_former_report(decoder, monkeypatch):
    _, out = audited(decoder)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(measured, "beyond_weights", interrupted)
    with pytest.raises(KeyboardInterrupt):
        audited(decoder)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_rules_are_counted_as_they_steer(decoder):
    about, _ = audited(decoder, rules=decoder.parent / "RULES.toml", promises=())
    digits, push = about["rules"]["rules"]
    assert digits["firings"] == digits["met"] > 0
    assert digits["fidelity_least"] == pytest.approx(0.3, abs=1e-5)
    assert (digits["verdict"], digits["layers"], digits["heads"]) == ("kept", [0, 1], [0, 1, 2, 3])
    assert (push["verdict"], push["promise"], push["heads"]) == ("strength", None, [0])
    assert about["rules"]["check"]["possible"] is True
    assert about["kept"]


def test_a_rule_that_cannot_be_met_is_an_exception(decoder):
    rules = decoder.parent / "hard.toml"
    rules.write_text(
        "[[rule]]\nname = 'a'\nwhen = 'block > 0'\ntarget = 'first token'\nfidelity = 0.7\n"
        "[[rule]]\nname = 'b'\nwhen = 'block > 0'\ntarget = 'own block'\nfidelity = 0.7\n"
    )
    about, _ = audited(decoder, rules=rules, promises=(), sequences=1)
    first = about["rules"]["rules"][0]
    assert first["impossible"] == first["firings"] == 2 * 4 * 40
    assert first["verdict"] == "broken"
    assert about["rules"]["check"]["conflicts"] == ["rules a and b ask for 1.4 of a row that has 1"]
    assert about["exceptions"]["counts"] == {"rule": 2 * first["firings"]}
    assert not about["kept"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"promises": ("fidelity>=0.9 in layers 2",)}, "names layer 2 of 2"),
        ({"promises": ("fidelity>=0.9 in heads 4",)}, "names head 4 of 4"),
        ({"promises": ("fidelity>=0.9", "fidelity >= 0.9")}, "a promise was given twice"),
        ({"sequences": 1000}, "sequences 1000 must be at most the text's"),
        ({"block": 64}, "block 64 must lie in [1, 48)"),
    ],
)
def test_what_the_model_lacks_is_refused_before_measuring(decoder, changes, message, monkeypatch):
    monkeypatch.setattr(report, "measure_rows", None)
    with pytest.raises(DomainError) as refused:
        audited(decoder, **changes)
    assert message in str(refused.value)
    assert not (decoder / "audited").exists()


def test_rules_about_layers_that_are_not_there_are_refused_before_measuring(decoder, monkeypatch):
    monkeypatch.setattr(report, "measure_rows", None)
    rules = decoder.parent / "RULES.toml"
    rules.write_text(rules.read_text().replace("heads = [0]", "heads = [0]\nlayers = '7'"))
    with pytest.raises(DomainError, match="rule 'push' names layer 7 of 2"):
        audited(decoder, rules=rules)
    rules.write_text("[[rule]]\nname = 3")
    with pytest.raises(InputError, match=r"RULES\.toml, line 2"):
        audited(decoder, rules=rules)


def test_the_draw_is_that_of_the_seed():
    assert drawn(5, None, 0) == [0, 1, 2, 3, 4]
    assert drawn(100, 10, 1) == drawn(100, 10, 1) != drawn(100, 10, 2)
    assert len(set(drawn(100, 10, 1))) == 10


def test_the_hash_covers_all_but_the_time(decoder):
    about, _ = audited(decoder, sequences=1)
    assert content_hash(about) == about["sha256"] == content_hash(about | {"time": "later"})
    assert content_hash(about | {"kept": not about["kept"]}) != about["sha256"]
    assert tiny_decoder("llama").config.num_attention_heads == about["manifest"]["model"]["heads"]
