"""An audit's report shows itself in a notebook, with every text escaped and no more said than was decided."""

import copy
import json

import pytest
from audits import RULES, TEXT, audited
from pretrained import stock
from shown import short, shown

from empirical.audit.shown import AuditReport

EVIL = '<script>alert("x")</script> & <img src=x>'


@pytest.fixture(scope="module")
def about(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    (folder / "text.txt").write_text(TEXT)
    (folder / "RULES.toml").write_text(RULES)
    return audited(stock(folder / "llama", "llama"), rules=folder / "RULES.toml", sequences=2)[0]


def changed(about, **changes):
    return AuditReport(copy.deepcopy(dict(about)) | changes)


def test_a_report_shows_promises_rules_layers_and_exceptions(about):
    text = shown(about)
    for each in about["promises"]:
        assert each["promise"] in text
    assert "rule digits <b>" in text
    assert "NOT GUARANTEED by the weights" in text
    assert "violations of a bound in" in text
    assert "worst exceptions" in text or not about["exceptions"]["count"]
    assert short(about).startswith("<AuditReport [")
    # It is the plain object that is written.
    assert json.loads(json.dumps(about)) == about


def test_verdicts_have_their_own_signs(about):
    verdicts = ("guaranteed", "kept", "broken", "undecided")
    promises = [about["promises"][0] | {"verdict": each} for each in verdicts]
    text = shown(changed(about, promises=promises, kept=False))
    for said in ("✗ not kept", "✓ guaranteed", " kept as measured, not guaranteed", "✗ broken", "? not decided"):
        assert said in text
    assert "✓ kept" not in text


@pytest.mark.parametrize(
    ("changes", "badge"),
    [
        ({"kept": True}, "kept as measured, not guaranteed"),
        ({"kept": False}, "not kept"),
        ({"kept": True, "rules": None, "promises": []}, "no violation of a bound"),
        ({"kept": False, "rules": None, "promises": [], "measured": {"violations": 2}}, "2 rows violate a bound"),
        ({"kept": False, "rules": None, "promises": [], "measured": {"undecided": 2}}, "2 rows undecided"),
    ],
)
def test_the_badge_says_what_was_decided(about, changes, badge):
    changes = changes | {
        "measured": about["measured"] | {"violations": 0, "undecided": 0} | changes.get("measured", {})
    }
    assert badge in changed(about, **changes).card().verdict.words
    guaranteed = [each | {"verdict": "guaranteed"} for each in about["promises"]]
    sure = changed(about, kept=True, rules=None, promises=guaranteed)
    assert sure.card().verdict.words == "kept and guaranteed"


def test_every_text_is_escaped(about):
    planted = changed(about)
    planted["manifest"]["model"]["name"] = EVIL
    for each in (*planted["promises"], *planted["rules"]["rules"]):
        for key in {"promise", "name"} & set(each):
            if isinstance(each[key], str):
                each[key] = EVIL
    for each in planted["exceptions"]["worst"]:
        each |= {"what": EVIL, "token": EVIL}
    for each in planted["heads"]:
        each["weights"] |= {"decided": False, "reason": EVIL}
    html = planted._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") > 4
    shown(planted)
