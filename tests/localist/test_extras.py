"""The core works without the libraries of the extras. A missing library's error names the extra to install."""

import subprocess
import sys

import pytest
from repository import ROOT

OPTIONAL = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "matplotlib", "pandas", "distributed")


def without(code, *missing):
    """Runs Python code in a process where these modules cannot be imported."""
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in missing)
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {hidden}{code}"], capture_output=True, text=True, cwd=ROOT
    )


def command(*words):
    return f"sys.argv = {['localist', *words]!r}; from localist.cli import main; main()"


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--keys", "1024", "--block", "64", "--margin", "6", "--target-fidelity", "0.9"),
        ("theorems", "A4"),
        ("verify", "A2", "--rows", "5"),
        ("train", "--help"),
        ("figures", "--help"),
    ],
    ids=" ".join,
)
def test_core_needs_no_extra(words):
    done = without(command(*words), *OPTIONAL)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (("train", "run"), "torch", "train"),
        (("measure", "run"), "transformers", "train"),
        (("figures", "thresholds"), "matplotlib", "figures"),
    ],
)
def test_missing_library_error_names_its_extra(tmp_path, words, missing, extra):
    done = without(f"import os; os.chdir({str(tmp_path)!r}); {command(*words)}", missing)
    assert done.returncode == 2
    assert done.stderr == f"error: {missing} is not installed. Install it with pip install 'localist[{extra}]'\n"


def test_library_call_names_the_missing_extra():
    done = without("import localist; localist.load_model", "torch")
    assert "localist.load_model: torch is not installed. Install it with pip install 'localist[train]'" in done.stderr


def test_import_localist_loads_no_library():
    code = "import localist; print([m for m in ('numpy', 'sympy', 'torch', 'theory') if m in sys.modules])"
    assert without(code).stdout == "[]\n"


def test_every_public_name_loads():
    import localist

    assert [name for name in localist.__all__ if not hasattr(localist, name)] == []
    assert set(localist.__all__) <= set(dir(localist))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        localist.nothing  # noqa: B018
