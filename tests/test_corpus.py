"""Texts, their split, their tokens, and the configuration that names them."""

import pytest
from tokenizers import Tokenizer

from empirical.config import CorpusConfig, load_config, run_config, save_config
from empirical.corpus import END_OF_TEXT, load_corpus, load_tokenizer, token_windows, train_tokenizer
from empirical.docstrings import library_docstrings
from theory.errors import DomainError, InputError


def test_default_corpus_is_split_without_loss():
    corpus = load_corpus(CorpusConfig())
    assert corpus.characters > 100_000
    assert sum(map(len, corpus.training)) + sum(map(len, corpus.held_out)) == corpus.characters
    share = sum(map(len, corpus.held_out)) / corpus.characters
    assert 0.07 < share < 0.13
    assert not set(corpus.held_out) & set(corpus.training)
    assert load_corpus(CorpusConfig()).sha256 == corpus.sha256


def test_docstrings_are_read_and_not_run(tmp_path):
    long = "A docstring that is long enough to be worth reading."
    (tmp_path / "a.py").write_text(f'"""{long}"""\nraise SystemExit\ndef f():\n    """short"""\n')
    (tmp_path / "b.py").write_text(f'class C:\n    """{long}"""\n    def f(self):\n        r"""{long}\\w Again."""\n')
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "c.py").write_text(f'"""{long} Of a test."""')
    first, second = library_docstrings(tmp_path)
    assert first.strip() == long
    assert second.strip() == long + "\\w Again."


def test_the_library_is_a_larger_corpus():
    corpus = load_corpus(CorpusConfig(builtin="docstrings"))
    assert corpus.characters > 2 * load_corpus(CorpusConfig()).characters
    assert corpus.name.startswith("docstrings of Python 3.")
    assert not set(corpus.held_out) & set(corpus.training)


def test_files_are_read_and_hashed(tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("Attention, bitte. " * 2000)
    second.write_text("Ünïcode reads too. " * 2000, encoding="utf-8")
    corpus = load_corpus(CorpusConfig(text=(str(first), str(second))))
    assert corpus.name == "a.txt, b.txt"
    changed = load_corpus(CorpusConfig(text=(str(second), str(first))))
    assert changed.sha256 != corpus.sha256


def test_tokenizer_gives_every_text_back():
    corpus = load_corpus(CorpusConfig())
    tokenizer = train_tokenizer(corpus.training, 400)
    assert tokenizer.get_vocab_size() == 400
    assert tokenizer.token_to_id(END_OF_TEXT) == 0
    text = "Zwölf Boxkämpfer, 1 < 2 and\ttabs \U0001f600\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_windows_cover_the_stream_in_order():
    tokenizer = train_tokenizer(["aaaa bbbb"], 257)
    windows = token_windows(tokenizer, ["abc", "de"], 3, "text")
    letters = [tokenizer.token_to_id(letter) for letter in "abc"]
    assert windows.tolist() == [letters, [0, tokenizer.token_to_id("d"), tokenizer.token_to_id("e")]]


def test_tokenizer_of_a_model_folder(tmp_path):
    tokenizer = train_tokenizer(["some words are some words"], 300)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(str(tmp_path)).encode("some words").ids == tokenizer.encode("some words").ids
    old = tmp_path / "old"
    old.mkdir()
    tokenizer.model.save(str(old))
    assert load_tokenizer(str(old)).encode("some words").ids == tokenizer.encode("some words").ids
    assert isinstance(load_tokenizer(str(old)), Tokenizer)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read text"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"short", "too few"),
    ],
)
def test_a_text_that_cannot_be_used_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_corpus(CorpusConfig(text=(str(path),)))
    assert "\n" not in str(caught.value)


def test_a_text_shorter_than_the_context():
    tokenizer = train_tokenizer(["aaaa"], 257)
    with pytest.raises(InputError, match="4 tokens are fewer than the context of 5"):
        token_windows(tokenizer, ["abc"], 5, "text")


@pytest.mark.parametrize(("name", "content"), [("tokenizer.json", "{}"), ("config.json", "{}")])
def test_a_folder_without_a_tokenizer(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="tokenizer"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "modle is not an option"),
        ({"corpus": {"builtin": "novels"}}, "corpus.builtin='novels'"),
        ({"model": {"depth": 3}}, "model.depth is not an option"),
        ({"model": {"layers": 0}}, "model.layers=0: .*greater than or equal to 1"),
        ({"model": {"width": 30, "heads": 4}}, "width 30 must be a multiple of heads 4"),
        ({"locality": {"schedule": "steep"}}, "locality.schedule='steep': must be one of distributed"),
        ({"locality": {"largest_dial": 1.2}}, "locality.largest_dial=1.2: .*less than or equal to 1"),
        ({"locality": {"temperature": 0}}, "locality.temperature=0: .*greater than 0"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate=nan: .*finite"),
        ({"training": {"steps": None}}, "training: give steps or max_seconds"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_a_wrong_choice_names_value_and_law(values, message):
    with pytest.raises(DomainError, match=message) as caught:
        run_config(values)
    assert "\n" not in str(caught.value)


def test_configuration_survives_its_file(tmp_path):
    config = run_config({"seed": 4, "locality": {"schedule": "cubic"}, "corpus": {"text": ["a.txt"]}})
    save_config(config, tmp_path / "run.json")
    assert load_config(tmp_path / "run.json") == config
