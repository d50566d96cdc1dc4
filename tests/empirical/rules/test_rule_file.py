"""Rule files: what they mean, and one line with line and column for each mistake."""

from __future__ import annotations

import pytest

from empirical.rules.rule_file import parse_rules, read_rules
from theory.errors import InputError

GOOD = {"name": "'a'", "when": "'block == 3'", "target": "'own block'", "fidelity": "0.5"}


def text(extra="", **fields):
    """A file of one rule; each field is TOML."""
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in {**GOOD, **fields}.items()) + extra


def complaint(source):
    with pytest.raises(InputError) as refused:
        parse_rules(source, "R.toml")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_rule_is_read():
    rule = parse_rules(text(layers='"8-11"', heads="[0, 2]"))[0]
    assert (rule.name, rule.fidelity, rule.strength) == ("a", 0.5, None)
    assert (sorted(rule.layers), sorted(rule.heads)) == ([8, 9, 10, 11], [0, 2])
    assert rule.target.formula is None
    assert str(rule.when.logic) == "block == 3"


END = "'\ntarget"


def place(source, mistake):
    """Line and column at which a part of the source begins, the last one if there are several."""
    before = source[: source.rindex(mistake)]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


@pytest.mark.parametrize(
    ("when", "mistake", "law"),
    [
        ("""'txt == "a"'""", "txt", "unknown predicate 'txt'"),
        ("""'text == "a" and word(x)'""", "word", "unknown predicate 'word'"),
        ("""'position < 3 or seen'""", "seen", "unknown predicate 'seen'"),
        (r'''"text == \"a\" and txt"''', "txt", "unknown predicate 'txt'"),
        (r'''"text == \"\u00e9\" and txt"''', "txt", "unknown predicate 'txt'"),
        ("""'''\n text == "a" and\n  class(foo)'''""", "foo", "class 'foo' must be one of digit"),
        ('"""\\\n   text == \\"a\\" \\\n  and txt"""', "txt", "unknown predicate 'txt'"),
        ("""'text == "a" and text == "b"'""", 'text == "a"', "is contradictory: it holds at no token"),
        ("""'position < 3 and position > 5'""", "position < 3", "is contradictory"),
        ("""'position > 3 and position < 5 and position != 4'""", "position > 3", "is contradictory"),
        ("""'block == 1 and block == 2'""", "block == 1", "is contradictory"),
        ("""'block == 0 and block_position < 3 and position > 5'""", "block == 0", "is contradictory"),
        ("""'block_position == 4 and position < 4'""", "block_position == 4", "is contradictory"),
        ("""'class(digit) and class(word)'""", "class(digit)", "is contradictory"),
        ("""'class(capitalised) and not class(word)'""", "class(cap", "is contradictory"),
        ("""'text == "A" and matches("^a")'""", "text", "is contradictory"),
        ("""'position == 0 and seen_before'""", "position", "is contradictory"),
        ("""'position >= 0'""", "position", "always holds"),
        ("""'text != "a" or text != "b"'""", 'text != "a"', "always holds"),
        ("""'not (block > 2 and block < 2)'""", "not", "always holds"),
        (r"""'matches("(a+)\1")'""", '"(a+)', "the regular expression is refused: invalid escape sequence"),
        ("""'matches("(?=a)b")'""", '"(?=', "the regular expression is refused: invalid perl operator"),
        ("""'matches("(a{1000}){1000}")'""", '"(a', "the regular expression is refused: "),
        ("""'matches("(")'""", '"("', "the regular expression is refused: missing )"),
        (f"""'matches("{"a" * 1001}")'""", '"aaa', "it has 1001 characters: at most 1000 are allowed"),
        ("""'block == 1 and'""", END, "ends too early"),
        ("""'block == 1 )'""", ")", "unexpected ')'"),
        ("""''""", END, "ends too early"),
        ("""'text == "a'""", '"a', "has no closing quote"),
        ("""'text = "a"'""", '= "a"', "unexpected '='"),
        ("""'text < "a"'""", "<", "text is compared by == or !=, not by <"),
        ("""'text == 3'""", "3", "text is compared with a text in quotes"),
        ("""'block == "a"'""", '"a"', "block is compared with a number"),
        ("""'block == 99999999999999'""", "99999999999999", "must be at most 1000000000000"),
        (r"""'text == "\q"'""", '"\\q', "a backslash must be followed by"),
        (r"""'text == "\ud800"'""", '"\\ud', "half of a surrogate pair"),
        ("""'matches(word)'""", "word", "matches takes a text in quotes"),
        (f"'{'(' * 60}block == 1{')' * 60}'", "(" * 20 + "b", "parentheses are nested deeper than 40"),
        (f"'not {'block == 1 or ' * 400}block == 2'", "not", "has 5614 characters: at most 4000 are allowed"),
    ],
)
def test_mistakes_in_conditions(when, mistake, law):
    source = text(when=when)
    said = complaint(source)
    assert said.startswith(f"R.toml, {place(source, mistake)}: rule 'a': when: ")
    assert law in said


@pytest.mark.parametrize(
    ("when", "target", "mistake", "law"),
    [
        ("'block == 3'", "'own blok'", "own blok", "target 'own blok' must be one of: own block, block N"),
        ("'block == 3'", "'blok 4'", "blok", "target 'blok 4' must be one of"),
        ("'block == 3'", "'tokens(seen)'", "seen", "unknown predicate 'seen'"),
        ("'block == 3'", """'anchors("no")'""", '"no"', "anchors 'no' must be a list of [anchors]; the file has none"),
        ("'block == 3'", "'tokens(block == 1 and block == 2)'", "tokens", "is contradictory"),
        ("'position < 10'", "'tokens(position >= 10)'", "tokens", "can never be visible"),
        ("'block == 1'", "'block 3'", "block 3", "can never be visible"),
        ("'block == 0 and position == 4'", "'tokens(block_position == 5)'", "tokens", "can never be visible"),
        ("""'text == "a" and not seen_before and position > 5'""", """'tokens(text == "a" and position < 3)'""",
         "tokens", "can never be visible"),
    ],
)  # fmt: skip
def test_mistakes_in_targets(when, target, mistake, law):
    source = text(when=when, target=target)
    said = complaint(source)
    assert said.startswith(f"R.toml, {place(source, mistake)}: rule 'a': target: ")
    assert law in said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "R.toml: rule: must be given"),
        ("rule = 3", "R.toml, line 1, column 8: rule=3: must be a valid list"),
        ("rule = []", "R.toml, line 1, column 8: rule=[]: must have at least 1 item after validation, not 0"),
        (text("layrs = 3\n"), "R.toml, line 6, column 9: rule.0.layrs=3: no such key; is it misspelt?"),
        (text("strength = 1.0\n"), "R.toml, line 2, column 9: rule.0: exactly one of fidelity and strength must be "
         "given"),
        (text(fidelity="1"), "R.toml, line 5, column 12: rule.0.fidelity=1: must be less than 1"),
        (text(fidelity="nan"), "R.toml, line 5, column 12: rule.0.fidelity=nan: must be less than 1"),
        (text("layers = '11-8'\n"), "R.toml, line 6, column 11: rule.0.layers='11-8': must name at least one, with the "
         "smaller end of a range first"),
        (text("layers = '0-99999'\n"), "R.toml, line 6, column 11: rule.0.layers='0-99999': must be at most 10000"),
        (text("heads = [1, 1]\n"), "R.toml, line 6, column 9: rule.0.heads=[1, 1]: must not repeat a number"),
        (text() + text(), "R.toml, line 7, column 9: rule name 'a' must be unique"),
        (text("[anchors]\nx = []\n"), "R.toml, line 7, column 5: anchors.x=[]: must have at least 1 item after "
         "validation, not 0"),
        (text(name="' a'"), "R.toml, line 2, column 9: rule.0.name=' a': must be printable, on one line, and neither "
         "start nor end with a space"),
        ("[[rule]]\nname = 'a'\n", "R.toml, line 2, column 9: rule.0.when: must be given"),
    ],
)  # fmt: skip
def test_mistakes_in_tables(source, said):
    assert complaint(source) == said


def test_mistake_in_the_second_rule_is_found_there():
    said = complaint(text() + "\n# a comment\n" + text(name="'b'", when="'nothing'"))
    assert said.startswith("R.toml, line 10, column 9: rule 'b': when: unknown predicate 'nothing'")


def test_text_that_is_not_toml(tmp_path):
    path = tmp_path / "R.toml"
    path.write_text("[[rule]\n")
    with pytest.raises(InputError, match="is not TOML"):
        read_rules(path)
    with pytest.raises(InputError, match="cannot read"):
        read_rules(tmp_path / "none.toml")


@pytest.mark.parametrize("when", [r'matches("(a+)+$")', r'matches("(a|aa)*b")', r'matches("a*a*a*a*a*b")'])
def test_patterns_that_backtrack_are_matched_in_linear_time(when):
    """Python's own engine takes years for the first two on such a text."""
    rule = parse_rules(text(when=f"'{when}'"))[0]
    (predicate,) = rule.when.predicates.values()
    from empirical.rules.predicates import holds_for

    assert not holds_for(predicate, "a" * 100_000 + "!")
