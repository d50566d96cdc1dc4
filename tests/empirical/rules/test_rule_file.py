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


@pytest.mark.parametrize(
    ("when", "line", "column", "law"),
    [
        ("""'txt == "a"'""", 3, 9, "unknown predicate 'txt'"),
        ("""'text == "a" and word(x)'""", 3, 26, "unknown predicate 'word'"),
        ("""'position < 3 or seen'""", 3, 26, "unknown predicate 'seen'"),
        (r'''"text == \"a\" and txt"''', 3, 27, "unknown predicate 'txt'"),
        (r'''"text == \"\u00e9\" and txt"''', 3, 32, "unknown predicate 'txt'"),
        ("""'''\n text == "a" and\n  class(foo)'''""", 5, 9, "class 'foo' must be one of digit"),
        ('"""\\\n   text == \\"a\\" \\\n  and txt"""', 5, 7, "unknown predicate 'txt'"),
        ("""'text == "a" and text == "b"'""", 3, 9, "is contradictory: it holds at no token"),
        ("""'position < 3 and position > 5'""", 3, 9, "is contradictory"),
        ("""'position > 3 and position < 5 and position != 4'""", 3, 9, "is contradictory"),
        ("""'block == 1 and block == 2'""", 3, 9, "is contradictory"),
        ("""'block == 0 and block_position < 3 and position > 5'""", 3, 9, "is contradictory"),
        ("""'block_position == 4 and position < 4'""", 3, 9, "is contradictory"),
        ("""'class(digit) and class(word)'""", 3, 9, "is contradictory"),
        ("""'class(capitalised) and not class(word)'""", 3, 9, "is contradictory"),
        ("""'text == "A" and matches("^a")'""", 3, 9, "is contradictory"),
        ("""'position == 0 and seen_before'""", 3, 9, "is contradictory"),
        ("""'position >= 0'""", 3, 9, "always holds"),
        ("""'text != "a" or text != "b"'""", 3, 9, "always holds"),
        ("""'not (block > 2 and block < 2)'""", 3, 9, "always holds"),
        (r"""'matches("(a+)\1")'""", 3, 17, "the regular expression is refused: invalid escape sequence"),
        ("""'matches("(?=a)b")'""", 3, 17, "the regular expression is refused: invalid perl operator"),
        ("""'matches("(a{1000}){1000}")'""", 3, 17, "the regular expression is refused: "),
        ("""'matches("(")'""", 3, 17, "the regular expression is refused: missing )"),
        (f"""'matches("{"a" * 1001}")'""", 3, 17, "it has 1001 characters: at most 1000 are allowed"),
        ("""'block == 1 and'""", 3, 23, "ends too early"),
        ("""'block == 1 )'""", 3, 20, "unexpected ')'"),
        ("""''""", 3, 9, "ends too early"),
        ("""'text == "a'""", 3, 17, "has no closing quote"),
        ("""'text = "a"'""", 3, 14, "unexpected '='"),
        ("""'text < "a"'""", 3, 14, "text is compared by == or !=, not by <"),
        ("""'text == 3'""", 3, 17, "text is compared with a text in quotes"),
        ("""'block == "a"'""", 3, 18, "block is compared with a number"),
        ("""'block == 99999999999999'""", 3, 18, "must be at most 1000000000000"),
        (r"""'text == "\q"'""", 3, 17, "a backslash must be followed by"),
        (r"""'text == "\ud800"'""", 3, 17, "half of a surrogate pair"),
        ("""'matches(word)'""", 3, 17, "matches takes a text in quotes"),
        (f"'{'(' * 60}block == 1{')' * 60}'", 3, 49, "parentheses are nested deeper than 40"),
        (f"'{'block == 1 or ' * 400}block == 2'", 3, 9, "has 5610 characters: at most 4000 are allowed"),
    ],
)
def test_mistakes_in_conditions(when, line, column, law):
    said = complaint(text(when=when))
    assert said.startswith(f"R.toml, line {line}, column {column}: rule 'a': when: ")
    assert law in said


@pytest.mark.parametrize(
    ("when", "target", "column", "law"),
    [
        ("'block == 3'", "'own blok'", 11, "target 'own blok' must be one of: own block, block N"),
        ("'block == 3'", "'blok 3'", 11, "target 'blok 3' must be one of"),
        ("'block == 3'", "'tokens(seen)'", 18, "unknown predicate 'seen'"),
        ("'block == 3'", """'anchors("no")'""", 19, "anchors 'no' must be a list of [anchors]; the file has none"),
        ("'block == 3'", "'tokens(block == 1 and block == 2)'", 11, "is contradictory"),
        ("'position < 10'", "'tokens(position >= 10)'", 11, "can never be visible"),
        ("'block == 1'", "'block 3'", 11, "can never be visible"),
        ("'block == 0 and position == 4'", "'tokens(block_position == 5)'", 11, "can never be visible"),
        ("""'text == "a" and not seen_before and position > 5'""", """'tokens(text == "a" and position < 3)'""", 11,
         "can never be visible"),
    ],
)  # fmt: skip
def test_mistakes_in_targets(when, target, column, law):
    said = complaint(text(when=when, target=target))
    assert said.startswith(f"R.toml, line 4, column {column}: rule 'a': target: ")
    assert law in said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "R.toml: rule: must be given"),
        ("rule = 3", "R.toml, line 1, column 8: rule=3: must be a valid list"),
        ("rule = []", "R.toml, line 1, column 8: rule=[]: must have at least 1 item after validation, not 0"),
        (text("layrs = 3\n"), "R.toml, line 6, column 9: rule.0.layrs=3: no such key; is it misspelt?"),
        (text("strength = 1.0\n"), "R.toml, line 2, column 8: rule.0: exactly one of fidelity and strength must be given"),
        (text(fidelity="1"), "R.toml, line 5, column 12: rule.0.fidelity=1: must be less than 1"),
        (text(fidelity="nan"), "R.toml, line 5, column 12: rule.0.fidelity=nan: must be greater than 0"),
        (text("layers = '11-8'\n"), "R.toml, line 6, column 10: rule.0.layers='11-8': must name at least one, with the "
         "smaller end of a range first"),
        (text("layers = '0-99999'\n"), "R.toml, line 6, column 10: rule.0.layers='0-99999': must be at most 10000"),
        (text("heads = [1, 1]\n"), "R.toml, line 6, column 9: rule.0.heads=[1, 1]: must not repeat a number"),
        (text() + text(), "R.toml, line 1, column 1: rule name 'a' must be unique"),
        (text("[anchors]\nx = []\n"), "R.toml, line 7, column 5: anchors.x=[]: must have at least 1 item after "
         "validation, not 0"),
        (text(name="' a'"), "R.toml, line 2, column 8: rule.0.name=' a': must be printable, on one line, and neither "
         "start nor end with a space"),
        ("[[rule]]\nname = 'a'\n", "R.toml, line 2, column 8: rule.0.when: must be given"),
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
