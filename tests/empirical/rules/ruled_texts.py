"""Random rules and texts, each formula with a plain Python function that says what it means."""

from __future__ import annotations

import json
import re

import numpy as np
from hypothesis import strategies as st

from empirical.rules.firing import TokenText

# Some are named by formulas, some not; two differ by a space only.
WORDS = ["a", " a", "b", "Ab", "7", " 12", ".", "!?", "\n", "x1"]
CLASS = {
    "digit": lambda w: w.strip().isdigit(),
    "punctuation": lambda w: bool(re.fullmatch(r"[.!?]+", w.strip())),
    "space": lambda w: w != "" and w.strip() == "",
    "word": lambda w: w.strip().isalpha(),
    "capitalised": lambda w: w.strip().isalpha() and w.strip()[0].isupper(),
}
SIGNS = {
    "==": lambda x, n: x == n,
    "!=": lambda x, n: x != n,
    "<": lambda x, n: x < n,
    "<=": lambda x, n: x <= n,
    ">": lambda x, n: x > n,
    ">=": lambda x, n: x >= n,
}
TEXT, PLACE = "text", ("position", "block_position", "block")


def _text(word, sign):
    return f"text {sign} {json.dumps(word)}", lambda t: SIGNS[sign](t["text"], word)


def _place(place, sign, n):
    return f"{place} {sign} {n}", lambda t: SIGNS[sign](t[place], n)


PREDICATES = st.one_of(
    st.builds(_text, st.sampled_from(WORDS[:5]), st.sampled_from(["==", "!="])),
    st.builds(_place, st.sampled_from(PLACE), st.sampled_from(sorted(SIGNS)), st.integers(0, 5)),
    st.sampled_from(sorted(CLASS)).map(lambda c: (f"class({c})", lambda t: CLASS[c](t["text"]))),
    st.sampled_from(["^a", "[0-9]", "b$", "^ ?a$"]).map(
        lambda e: (f'matches("{e}")', lambda t: re.search(e, t["text"]) is not None)
    ),
    st.just(("seen_before", lambda t: t["seen_before"])),
)


def _joined(word, parts):
    texts, functions = zip(*parts, strict=True)
    join = all if word == "and" else any
    return f"({f' {word} '.join(texts)})", lambda t: join(each(t) for each in functions)


FORMULAS = st.recursive(
    PREDICATES,
    lambda inner: st.one_of(
        inner.map(lambda f: (f"not {f[0]}", lambda t: not f[1](t))),
        st.builds(_joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=4,
)
TARGETS = st.one_of(
    st.just(("own block", lambda k, q: k["block"] == q["block"])),
    st.just(("first token", lambda k, q: k["position"] == 0)),
    st.integers(0, 2).map(lambda n: (f"block {n}", lambda k, q: k["block"] == n)),
    st.just(('anchors("few")', lambda k, q: k["text"] in ("a", "7"))),
    FORMULAS.map(lambda f: (f"tokens({f[0]})", lambda k, q: f[1](k))),
)
ANCHORS = '[anchors]\nfew = ["a", "7"]\n'


@st.composite
def texts(draw, size=10):
    """Tokens of a text, as a `TokenText` and as dictionaries."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=size))
    steps = draw(st.lists(st.sampled_from([0, 0, 1, 3]), min_size=len(words), max_size=len(words)))
    blocks = np.cumsum(steps)
    tokens, number, start = [], 0, 0
    for i, word in enumerate(words):
        if i and blocks[i] != blocks[i - 1]:
            number, start = number + 1, i
        tokens.append(
            {
                "text": word,
                "position": i,
                "block": number,
                "block_position": i - start,
                "seen_before": word in words[:i],
            }
        )
    return TokenText(words, blocks), tokens


def rule_file(rules):
    """The text of a rule file: `(when, target, fidelity or None)` each; a rule without a fidelity has a strength."""
    lines = [ANCHORS]
    for i, (when, target, fidelity) in enumerate(rules):
        wish = "strength = 1.0" if fidelity is None else f"fidelity = {fidelity}"
        lines.append(f"[[rule]]\nname = 'r{i}'\nwhen = '''{when}'''\ntarget = '''{target}'''\n{wish}\n")
    return "".join(lines)
