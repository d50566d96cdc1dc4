"""Texts, their split and their tokens."""

import hashlib
import json
import socket
import sys
import threading
import types

import pytest
from tokenizers import Tokenizer

from empirical.config import CorpusConfig
from empirical.hub import hub_is_reachable
from empirical.model import load_model
from empirical.training.corpus import END_OF_TEXT, load_corpus, load_tokenizer, token_windows, train_tokenizer
from empirical.training.docstrings import library_docstrings, package_docstrings
from theory.errors import InputError


def test_default_corpus_is_split_completely():
    corpus = load_corpus(CorpusConfig())
    assert corpus.characters > 100_000
    assert sum(map(len, corpus.training)) + sum(map(len, corpus.held_out)) == corpus.characters
    share = sum(map(len, corpus.held_out)) / corpus.characters
    assert 0.07 < share < 0.13
    assert not set(corpus.held_out) & set(corpus.training)
    assert load_corpus(CorpusConfig()).sha256 == corpus.sha256


@pytest.mark.parametrize("share", [0.03, 0.1, 0.25, 0.3, 0.4, 0.5])
def test_held_out_share_is_the_requested_one(share):
    corpus = load_corpus(CorpusConfig(held_out=share))
    out, rest = len(corpus.held_out), len(corpus.training)
    assert share * (out + rest) - 1 < out <= share * (out + rest)
    described = corpus.describe()
    assert described["held_out_asked"] == share
    assert described["held_out_share"] == pytest.approx(sum(map(len, corpus.held_out)) / corpus.characters, abs=1e-6)
    assert described["held_out_share"] == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("share", "every"), [(0.1, 10), (0.2, 5), (0.25, 4), (0.05, 20), (0.5, 2)])
def test_unit_fraction_holds_out_every_nth_piece(share, every):
    """The recorded runs were split like this."""
    whole = load_corpus(CorpusConfig(held_out=share))
    pieces = sorted(whole.training_pieces + whole.held_out_pieces, key=lambda piece: (_number(piece), piece.start))
    assert list(whole.held_out_pieces) == pieces[every - 1 :: every]


def _number(piece):
    return int(piece.document.split()[-1])


def test_docstrings_are_read_without_running_code(tmp_path):
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


@pytest.mark.slow
def test_standard_library_is_a_larger_corpus():
    corpus = load_corpus(CorpusConfig(builtin="docstrings"))
    assert corpus.characters > 2 * load_corpus(CorpusConfig()).characters
    assert corpus.name.startswith("docstrings of Python 3.")
    assert not set(corpus.held_out) & set(corpus.training)


LONG = "A docstring that is long enough to be worth reading."


def install(site, name, version, files):
    """Writes a package as an installer does, with a list of its files."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with two installed packages and no others."""
    install(tmp_path, "Zeta_One", "2.0", {"zeta/b.py": f'"""{LONG} Z b."""', "zeta/a.py": f'"""{LONG} Z a."""\n1 / 0'})
    install(
        tmp_path,
        "alpha",
        "1.5",
        {
            "alpha.py": f'"""{LONG} A."""\nraise SystemExit',
            "tests/t.py": f'"""{LONG} T."""',
            "../outside.py": "",
            "half.py": f'"""{LONG} \\ud800 half."""',
        },
    )
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    package_docstrings.cache_clear()
    yield tmp_path
    package_docstrings.cache_clear()


@pytest.mark.usefixtures("site")
def test_packages_are_read_in_order_without_running_code():
    documents, versions = package_docstrings()
    assert versions == {"alpha": "1.5", "zeta-one": "2.0"}
    assert [each.removeprefix(LONG).split() for each in documents] == [["A."], ["half."], ["Z", "a."], ["Z", "b."]]
    chosen, only = package_docstrings(("Zeta.One",))
    assert only == {"zeta-one": "2.0"}
    assert chosen == documents[2:]


@pytest.mark.usefixtures("site")
def test_packages_and_their_versions_are_recorded(monkeypatch):
    monkeypatch.setattr("empirical.training.corpus.PIECE_CHARACTERS", 20)
    corpus = load_corpus(CorpusConfig(builtin="packages", held_out=0.4))
    assert corpus.describe()["packages"] == {"alpha": "1.5", "zeta-one": "2.0"}
    assert len(str(corpus.describe()["sha256"])) == 64
    assert "packages" not in load_corpus(CorpusConfig()).describe()


@pytest.mark.usefixtures("site")
def test_missing_package_is_one_line():
    with pytest.raises(InputError, match="package numpi is not installed"):
        load_corpus(CorpusConfig(builtin="packages", packages=("numpi",)))


class Column(list):
    column_names = ("text", "label")

    def __getitem__(self, name):
        return list(self)


def stub(monkeypatch, load):
    """Replaces the `datasets` library by one with this `load_dataset`."""
    module = types.ModuleType("datasets")
    module.load_dataset = load
    switches = {"is_progress_bar_enabled": bool, "disable_progress_bar": bool, "enable_progress_bar": bool}
    module.utils = types.SimpleNamespace(logging=types.SimpleNamespace(**switches))
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_reads_a_dataset(tmp_path, monkeypatch):
    asked = []

    def load(name, subset, split):
        asked.append((name, subset, split))
        return Column(["One story. " * 400, "", None, "Another one. " * 400])

    stub(monkeypatch, load)
    corpus = load_corpus(CorpusConfig(dataset=str(tmp_path), subset="small", split="train[:4]", held_out=0.4))
    assert asked == [(str(tmp_path), "small", "train[:4]")]
    assert corpus.name == f"{tmp_path} small train[:4] text"
    assert corpus.characters == 400 * 24
    with pytest.raises(InputError, match=r"has no column 'story', only text, label"):
        load_corpus(CorpusConfig(dataset=str(tmp_path), column="story"))


def test_unavailable_dataset_is_one_line(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("Dataset scripts are no longer supported\nand more")

    stub(monkeypatch, refuse)
    with pytest.raises(InputError, match=r"cannot load dataset .*: Dataset scripts are no longer supported$"):
        load_corpus(CorpusConfig(dataset=str(tmp_path)))
    stub(monkeypatch, lambda *args, **kwargs: Column([" "]))
    with pytest.raises(InputError, match="holds no text"):
        load_corpus(CorpusConfig(dataset=str(tmp_path)))
    monkeypatch.setattr("empirical.training.hub_text.hub_is_reachable", lambda: False)
    with pytest.raises(InputError, match=r"dataset some/name is not a folder here, and .* cannot be reached"):
        load_corpus(CorpusConfig(dataset="some/name"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'localist\[datasets\]'"):
        load_corpus(CorpusConfig(dataset="some/name"))


@pytest.mark.slow
def test_reads_a_folder_of_files_as_a_dataset(tmp_path, monkeypatch):
    """Uses the real library, which runs no code from the folder."""
    pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.jsonl").write_text("".join(json.dumps({"text": f"Story {i}. " * 300}) + "\n" for i in range(5)))
    corpus = load_corpus(CorpusConfig(dataset=str(data), split="train[:4]", held_out=0.4))
    assert corpus.characters == 4 * 300 * len("Story 0. ")
    scripted = tmp_path / "scripted"
    scripted.mkdir()
    (scripted / "scripted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError, match="cannot load dataset"):
        load_corpus(CorpusConfig(dataset=str(scripted)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("load", [load_model, load_tokenizer], ids=["weights", "tokenizer"])
def test_unreachable_hub_is_one_line(load, monkeypatch):
    for module in ("model", "training.corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *host, **_: looked_up.append(host))
    with pytest.raises(InputError, match=r"not a folder here, not in the local cache, and \S+ cannot be reached$"):
        load("nobody-has/a-model-of-this-name")
    # transformers looks once even if told not to; a retry would wait for seconds.
    assert len(looked_up) <= 1


def test_silent_hub_times_out(monkeypatch):
    monkeypatch.setattr("empirical.hub.PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert not hub_is_reachable.__wrapped__(), "the server accepts the connection and sends nothing"
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        assert hub_is_reachable.__wrapped__()
        # close() alone does not wake the thread that accepts connections.
        server.shutdown(socket.SHUT_RDWR)
    assert not hub_is_reachable.__wrapped__(), "no server must answer"


def answer(server):
    """Answers every request with an empty page."""
    while True:
        try:
            call, _ = server.accept()
        except OSError:
            return
        with call:
            call.recv(4096)
            call.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_reads_and_hashes_files(tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("Attention, bitte. " * 2000)
    second.write_text("Ünïcode reads too. " * 2000, encoding="utf-8")
    corpus = load_corpus(CorpusConfig(text=(str(first), str(second))))
    assert corpus.name == "a.txt, b.txt"
    changed = load_corpus(CorpusConfig(text=(str(second), str(first))))
    assert changed.sha256 != corpus.sha256


def test_hash_depends_on_every_text_and_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.training.corpus.PIECE_CHARACTERS", 5)
    paths = tmp_path / "a.txt", tmp_path / "b.txt"

    def corpus(*texts):
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        return load_corpus(CorpusConfig(text=tuple(map(str, paths)), held_out=0.5))

    one, other = "Zwölf Boxkämpfer jagen ", "Viktor quer über den Sylter Deich. "
    found = corpus(one, other)
    assert found.sha256 == hashlib.sha256(one.encode() + b"\0" + other.encode()).hexdigest()
    assert found.characters == len(one + other)
    assert corpus(one + other[:7], other[7:]).sha256 != found.sha256
    assert corpus(other, one).sha256 != found.sha256
    assert corpus(one, other[:-1] + "!").sha256 != found.sha256


def test_tokenizer_round_trips_every_text():
    corpus = load_corpus(CorpusConfig())
    tokenizer = train_tokenizer(corpus.training, 400)
    assert tokenizer.get_vocab_size() == 400
    assert tokenizer.token_to_id(END_OF_TEXT) == 0
    text = "Zwölf Boxkämpfer, 1 < 2 and\ttabs \U0001f600\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_token_windows_cover_the_stream_in_order():
    tokenizer = train_tokenizer(["aaaa bbbb"], 257)
    windows = token_windows(tokenizer, ["abc", "de"], 3, "text")
    letters = [tokenizer.token_to_id(letter) for letter in "abc"]
    assert windows.tolist() == [letters, [0, tokenizer.token_to_id("d"), tokenizer.token_to_id("e")]]


def test_loads_the_tokenizer_of_a_model_folder(tmp_path):
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
def test_unusable_text_is_one_line(tmp_path, content, message):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_corpus(CorpusConfig(text=(str(path),)))
    assert "\n" not in str(caught.value)


def test_refuses_a_text_shorter_than_the_context():
    tokenizer = train_tokenizer(["aaaa"], 257)
    with pytest.raises(InputError, match="4 tokens are fewer than the context of 5"):
        token_windows(tokenizer, ["abc"], 5, "text")


@pytest.mark.parametrize(("name", "content"), [("tokenizer.json", "{}"), ("config.json", "{}")])
def test_refuses_a_folder_without_a_tokenizer(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="tokenizer"):
        load_tokenizer(str(tmp_path))
