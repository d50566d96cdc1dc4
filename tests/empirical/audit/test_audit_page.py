"""The page needs no network and no script, escapes every text, and says what is not guaranteed."""

import copy
import re
from html.parser import HTMLParser

import pytest
from audits import audited
from repository import ROOT

from empirical.audit.page import page
from empirical.audit.sentences import METHODS, STATUSES, VERDICTS, WEIGHTS

EVIL = '<script>alert("x")</script>&\'<img src=http://evil>'


class Tags(HTMLParser):
    """Collects tags and attributes, and checks that what is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(shown):
    tags = Tags()
    tags.feed(shown)
    tags.close()
    assert tags.open == []
    return tags


def texts(value, place=""):
    """Holder, key and place of every text in a JSON value; the places of a list are one."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        inner = f"{place}.{key}" if isinstance(value, dict) else f"{place}[]"
        if isinstance(each, str):
            yield value, key, inner
        elif isinstance(each, dict | list):
            yield from texts(each, inner)


@pytest.fixture
def about(decoder):
    return audited(decoder, rules=decoder.parent / "RULES.toml", sequences=3)[0]


def test_the_page_loads_nothing_and_runs_nothing(about):
    shown = page(about)
    tags = read(shown)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(tags.seen)
    assert not re.search(r"https?:|url\(|@import|src=|href=", shown)
    assert {name for name, _ in tags.attributes} <= {"lang", "charset", "name", "content", "class", "open"}
    assert "prefers-color-scheme: dark" in shown
    assert ("name", "viewport") in tags.attributes


def test_every_text_is_escaped(about):
    """Each text of the report is replaced by markup, one at a time."""
    tags = set(read(page(about)).seen)
    reached = 0
    for place in {place for _, _, place in texts(about)}:
        planted = copy.deepcopy(about)
        holder, key = next((holder, key) for holder, key, each in texts(planted) if each == place)
        # Words that the page looks up.
        if holder[key] in (*WEIGHTS, *VERDICTS):
            continue
        holder[key] = EVIL
        shown = page(planted)
        assert set(read(shown).seen) <= tags
        assert EVIL not in shown
        reached += "&lt;script&gt;" in shown
    assert reached > 30


def test_an_unescaped_text_would_be_found(about, monkeypatch):
    monkeypatch.setattr("theory.pages.escape", str)
    about["manifest"]["model"]["name"] = EVIL
    assert EVIL in page(about)


def test_what_is_not_guaranteed_stands_in_the_card(about):
    text = " ".join(read(page(about)).text)
    assert text.count("NOT GUARANTEED by the weights") == 2
    for sentence in about["methods"].values():
        assert sentence in text
    assert "IF the windows are independent draws" in text
    assert about["sha256"] in text
    assert "digits <b>" in text


def test_a_report_without_promises_says_so(decoder):
    text = " ".join(read(page(audited(decoder, promises=(), sequences=1)[0])).text)
    assert "no bound violated; no promise was given" in text


def test_sentences_of_assumptions_name_them():
    assert "independent draws" in METHODS["share"]
    assert "exchangeable" in METHODS["new"]
    assert "drawn at random" in METHODS["draw"]
    assert "nothing of other texts" in METHODS["measured"]
    assert VERDICTS["kept"].count("NOT GUARANTEED") == 1


def test_statuses_are_those_of_the_page_of_claims():
    claims = (ROOT / "CLAIMS.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+) \| [^|]* \| ([a-z-]+) \|", claims, re.MULTILINE))
    assert {name: rows[name] for name in STATUSES} == STATUSES
