"""The GPU kernel, interpreted without a GPU: against the reference, and with planted errors."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from families import tiny_decoder

from empirical.attention import row_pass, row_pieces
from empirical.attention.attach import Attachment
from empirical.attention.block_kinds import WindowBlocks
from empirical.attention.blocks import fixed_windows
from empirical.attention.reference import reference_rows
from empirical.attention.rounding import EXP_ULPS, Arithmetic
from empirical.attention.row_numbers import GAPS
from empirical.attention.sight import Sight
from empirical.measuring.rows import RowMeter

row_kernel = pytest.importorskip("empirical.attention.row_kernel", exc_type=ImportError)
triton = pytest.importorskip("triton")
tl = triton.language

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def states(tokens, head, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, tokens, head, generator=generator).to(DEVICE, dtype) for _ in range(3)]


def guarded(values):
    """The same tensor, followed by memory that must not be read."""
    room = values.new_full((values.numel() + 64,), math.nan)
    room[: values.numel()] = values.flatten()
    return room[: values.numel()].view(values.shape)


def irregular(tokens):
    generator = torch.Generator().manual_seed(1)
    return torch.stack((torch.arange(tokens) // 5, torch.randint(0, 4, (tokens,), generator=generator))).to(DEVICE)


@pytest.mark.parametrize("keep", ["all", "block", "rest"])
@pytest.mark.parametrize(
    ("tokens", "head"),
    [(1, 64), (65, 16), pytest.param(150, 40, marks=pytest.mark.slow), pytest.param(200, 128, marks=pytest.mark.slow)],
)
def test_kernel_and_pieces_give_the_same_rows(keep, tokens, head):
    """Tiles have the sizes used on a GPU; rows that keep no key are meaningless in both and not compared."""
    bias = 0.7 if keep == "all" else 0.0
    ids = irregular(tokens)
    arguments = (*states(tokens, head), Sight.whole(ids), head**-0.5, bias, keep, keep == "all")
    kernel, pieces = row_kernel.run_kernel(*arguments), row_pieces.run_pieces(*arguments)
    mixed = (ids[:, :, None] != ids[:, None, :]).tril().any(-1)
    kept = (mixed if keep != "block" else torch.ones_like(mixed))[:, None].expand(-1, 3, -1)
    names = ["output", "log_sum", "mean_score", "fidelity", "leak"]
    names += GAPS if keep == "all" else []
    for name in names:
        found, right = getattr(kernel, name)[kept], getattr(pieces, name)[kept]
        assert not found.isnan().any()
        torch.testing.assert_close(found, right, rtol=2e-5, atol=2e-5, check_dtype=False)
    # A row that keeps no key attends to nothing.
    assert kernel.output.isfinite().all()
    if keep == "rest":
        assert (kernel.output[~kept] == 0).all()


def test_rows_of_transposed_states_with_shared_blocks():
    """The memory layout is that of GPT-2."""
    query, key, value = (each.transpose(1, 2).contiguous().transpose(1, 2) for each in states(150, 80))
    ids = fixed_windows(150, 16, DEVICE)
    kernel = row_kernel.run_kernel(query, key, value, Sight.whole(ids), 0.1, 0.3, "all", True)
    truth = reference_rows(query, key, value, ids, 0.1, 0.3)
    assert kernel.arithmetic == Arithmetic(torch.float32, tile=row_kernel.KEYS)
    for name in ("entropy", "fidelity", "leak", "mean_margin"):
        found, right = getattr(kernel, name)[:, :, 16:].double(), getattr(truth, name)[:, :, 16:]
        torch.testing.assert_close(found, right, rtol=0, atol=1e-5, check_dtype=False)


def test_half_formats_match_the_reference():
    """Only float16: the interpreter multiplies the bits of bfloat16 as if they were integers."""
    query, key, value = states(150, 64, torch.float16)
    ids = fixed_windows(150, 16, DEVICE)
    kernel = row_kernel.run_kernel(query, key, value, Sight.whole(ids), 0.125, 0.3, "all", True)
    truth = reference_rows(query, key, value, ids, 0.125, 0.3)
    assert kernel.output.dtype == torch.float16
    assert kernel.arithmetic == Arithmetic(torch.float32, tile=row_kernel.KEYS, tensor_cores=True)
    torch.testing.assert_close(kernel.entropy, truth.entropy, rtol=0, atol=1e-5)
    torch.testing.assert_close(kernel.margin[:, :, 16:], truth.margin[:, :, 16:], rtol=0, atol=1e-5)


TOKENS, HEADS = 150, 4


def sights(window=TOKENS, dropped=(0, 0), padded=(0, 0), queries=TOKENS):
    """Sights of two texts of `TOKENS` keys in irregular blocks.

    Each query sees the last `window` keys up to its own, without the first `dropped` and the last `padded` of its text.
    """
    ids = irregular(TOKENS)
    place = torch.arange(TOKENS, device=DEVICE)
    own = place[TOKENS - queries :, None]
    low, high = (torch.tensor(each, device=DEVICE)[:, None, None] for each in (dropped, padded))
    visible = (place <= own) & (place > own - window) & (place >= low) & (place < TOKENS - high)
    return Sight(ids, ids[:, TOKENS - queries :], visible, first=low.flatten())


def inputs(sight, key_heads=HEADS, dtype=torch.float32):
    """Queries, keys and values for a sight; memory beside the keys must not be read."""
    generator = torch.Generator().manual_seed(2)

    def random(heads, tokens):
        return guarded(torch.randn(2, heads, tokens, 12, generator=generator).to(DEVICE, dtype))

    query, key, value = (
        random(*shape) for shape in ((HEADS, sight.own.shape[1]), (key_heads, TOKENS), (key_heads, TOKENS))
    )
    # Far scores decide the extremes of some rows.
    key[:, :, ::40] *= 4
    return query, key, value


SINKS = torch.tensor([2.0, -3.0, 0.5, 6.0], device=DEVICE)
EVERYTHING = sights(window=140, dropped=(0, 37), padded=(4, 0), queries=140)
CASES = {
    "whole": (Sight.whole(irregular(TOKENS)), HEADS, {}),
    "grouped queries": (Sight.whole(irregular(TOKENS)), 2, {}),
    "one key head": (Sight.whole(irregular(TOKENS)), 1, {}),
    "soft cap": (Sight.whole(irregular(TOKENS)), HEADS, {"softcap": 1.5}),
    "high soft cap": (Sight.whole(irregular(TOKENS)), HEADS, {"softcap": 50.0}),
    "sinks": (Sight.whole(irregular(TOKENS)), HEADS, {"sinks": SINKS}),
    "sliding window": (sights(window=70), HEADS, {}),
    "short sliding window": (sights(window=3), HEADS, {}),
    "padding on the left": (sights(dropped=(0, 70)), HEADS, {}),
    "padding on the right": (sights(padded=(33, 0)), HEADS, {}),
    "cache": (sights(queries=9), HEADS, {}),
    "last token": (sights(dropped=(20, 0), queries=1), HEADS, {}),
    "everything": (EVERYTHING, 2, {"softcap": 1.5, "sinks": SINKS}),
    "everything but sinks": (EVERYTHING, 2, {"softcap": 1.5}),
}


def largest_error(made, truth, sight, sinks):
    """Largest error over the rows with a key in their block and one off it."""
    n, m = sight.counts(2)
    kept = ((m > 0) & (m < n + (sinks is not None)))[:, None].expand(-1, HEADS, -1)
    assert kept.any()
    names = ("output", "entropy", "fidelity", "leak", *GAPS)
    pairs = ((getattr(made, name).double()[kept], getattr(truth, name)[kept]) for name in names)
    # Both are infinite where there is no such key.
    gaps = ((found - right).masked_fill(found == right, 0) for found, right in pairs)
    return max(float(gap.abs().nan_to_num(math.inf).max()) for gap in gaps)


@pytest.mark.parametrize(
    "name", [each if "everything" in each else pytest.param(each, marks=pytest.mark.slow) for each in CASES]
)
def test_what_decoders_need_equals_the_reference(name):
    sight, key_heads, options = CASES[name]
    states = inputs(sight, key_heads)
    made = row_kernel.run_kernel(*states, sight, 0.25, 0.7, "all", True, **options)
    pieces = row_pieces.run_pieces(*states, sight, 0.25, 0.7, "all", True, **options)
    truth = reference_rows(*states, sight, 0.25, 0.7, **options)
    for found in (made, pieces):
        assert largest_error(found, truth, sight, options.get("sinks")) < 1e-5
    assert made.output.isfinite().all()
    tile, capped, sink = row_kernel.KEYS, "softcap" in options, "sinks" in options
    assert made.arithmetic == Arithmetic(torch.float32, tile=tile, softcap=capped, sink=sink)


@pytest.mark.parametrize("keep", ["block", "rest"])
@pytest.mark.parametrize("name", ["sinks", "sliding window", "everything"])
def test_restricted_rows_of_decoders_equal_those_of_the_pieces(name, keep):
    sight, key_heads, options = CASES[name]
    arguments = (*inputs(sight, key_heads), sight, 0.25, 0.0, keep, False)
    kernel, pieces = (run(*arguments, **options) for run in (row_kernel.run_kernel, row_pieces.run_pieces))
    n, m = sight.counts(2)
    # A sink alone is a row too.
    some = m > 0 if keep == "block" else (n > 0) if "sinks" in options else (m < n)
    kept = some[:, None].expand(-1, HEADS, -1)
    for field in ("output", "log_sum", "mean_score", "fidelity", "leak"):
        found, right = getattr(kernel, field)[kept], getattr(pieces, field)[kept]
        torch.testing.assert_close(found, right, rtol=2e-5, atol=2e-5, check_dtype=False)


def test_a_half_format_is_rounded_once_beside_a_sink():
    sight, key_heads, options = CASES["sinks"]
    states = inputs(sight, key_heads, torch.float16)
    made = row_kernel.run_kernel(*states, sight, 0.25, 0.7, "all", True, **options)
    truth = reference_rows(*states, sight, 0.25, 0.7, **options)
    assert made.output.dtype == torch.float16
    assert float((made.entropy - truth.entropy).abs().max()) < 1e-5
    # Weights are rounded to the format before they meet the values.
    assert float((made.output - truth.output).abs().max()) < 4e-3


def planted(right, wrong, folder):
    """The kernel's module with a part of its source replaced."""
    source = Path(row_kernel.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    path = folder / "planted.py"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@triton.jit
def _tanh_of(values, results, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    tl.store(results + at, row_kernel._tanh(tl.load(values + at)))


def tanh_error(values):
    """Largest relative error of the kernel's hyperbolic tangent, in units of 2**-24."""
    results = torch.empty_like(values)
    _tanh_of[(1,)](values, results, len(values))
    right = torch.tanh(values.double())
    return float(((results - right) / right).abs().max()) * 2**24


def test_hyperbolic_tangent_is_within_its_error_bound(tmp_path, monkeypatch):
    near = torch.linspace(0.5, 0.75, 1 << 15, device=DEVICE)
    far = torch.logspace(-30, 4, 1 << 15, device=DEVICE)
    for values in (near, -near, far, -far):
        assert tanh_error(values) <= 2 * EXP_ULPS
    # Without the polynomial small scores would lose their digits.
    wrong = planted("tl.abs(x) < 0.625", "tl.abs(x) < 0.0", tmp_path)
    monkeypatch.setattr(row_kernel, "_tanh", wrong._tanh)
    assert tanh_error(far) > 1e3


PLANTED = {
    "a sum is not rescaled to the new largest score": ("inside = inside * shrink + tl", "inside = inside + tl"),
    "the mean score is not": ("weighted = weighted * shrink", "weighted = weighted"),
    "the output is not": ("attended = attended * shrink[:, None]", "attended = attended"),
    "a future key is visible": ("(others[None, :] < last", "(others[None, :] <= last"),
    "a key before the window is visible": ("(others[None, :] >= first", "(others[None, :] >= -1 + first"),
    "the first tile is lost": ("tl.min(first) // KEYS * KEYS", "(tl.min(first) + KEYS - 1) // KEYS * KEYS"),
    "far tiles are counted twice": ("for start in range(split, stop", "for start in range(whole, stop"),
    "a tile that shares a block counts as far": (
        "(off - whole, 0) // KEYS * KEYS",
        "(off - whole, 0) // KEYS * KEYS + KEYS",
    ),
    "a tile with a hidden key counts as far": ("+ KEYS - 1) // KEYS * KEYS", ") // KEYS * KEYS"),
    "the bias is on the wrong keys": ("tl.where(same, plain + bias, plain)", "tl.where(same, plain, plain + bias)"),
    "columns beyond the head are read": ("there[:, None] & (columns[None, :] < HEAD)", "there[:, None]"),
    "another sequence's blocks": ("sequence = (lane // heads) * each", "sequence = lane * 0"),
    "queries have the blocks of the first keys": ("tl.load(own + mine", "tl.load(ids + places"),
    "extremes of far tiles are lost": ("low = tl.minimum(low, tl.min(plain, 1))", "low = low"),
    "another group's keys": ("(lane // shared) * keys", "(lane // heads) * keys"),
    "scores without their cap": ("plain = softcap * _tanh(plain)", "plain = softcap * plain"),
    "a cap of another slope": ("scale if softcap is None else scale / softcap", "scale"),
    "extremes without the sink": ("score, bias, sinks)", "score, bias)"),
    "sums without the sink": ("finished(numbers, sinks,", "finished(numbers, None,"),
}


# Found where no head has a sink: the text's first token is the sink key.
PLANTED_FIRST_TOKEN = {
    "far tiles count the sink key": ("tl.where(others[None, :] == sink_key, -UNSEEN, plain)", "plain"),
    "other tiles count it": ("others_kept &= others[None, :] != sink_key", "others_kept = others_kept"),
    "its score has no scale": ("features[None, :], 1) * scale", "features[None, :], 1)"),
    "its score has no cap": ("score = softcap * _tanh(score)", "score = softcap * score"),
    "it is singled out in the block too": ("(sink_key < last) & ~same", "(sink_key < last)"),
    "it is singled out unseen": ("off = (first <= sink_key) &", "off ="),
    "the sink key of another sequence": ("tl.load(sink + sequence)", "tl.load(sink)"),
    "the sink key of another head": ("tl.load(key + at_keys + place", "tl.load(key + place"),
}


# Every fifth by `make test`, all by `make test-slow`: the interpreter takes a second for each.
SOME = [
    name if place % 15 == 0 else pytest.param(name, marks=pytest.mark.slow)
    for place, name in enumerate(PLANTED | PLANTED_FIRST_TOKEN)
]


@pytest.mark.parametrize("name", SOME)
def test_planted_errors_are_found(name, tmp_path):
    wrong = planted(*(PLANTED | PLANTED_FIRST_TOKEN)[name], tmp_path)
    sight, key_heads, options = CASES["everything" if name in PLANTED else "everything but sinks"]
    arguments = (*inputs(sight, key_heads), sight, 0.25, 0.7)
    truth = reference_rows(*arguments, **options)
    assert (
        largest_error(wrong.run_kernel(*arguments, "all", True, **options), truth, sight, options.get("sinks")) > 1e-3
    )


def test_a_wrong_sink_key_is_found_in_the_pieces(monkeypatch):
    sight, key_heads, options = CASES["everything but sinks"]
    arguments = (*inputs(sight, key_heads), sight, 0.25, 0.7)
    truth = reference_rows(*arguments, **options)
    right = Sight.first_token
    monkeypatch.setattr(Sight, "first_token", lambda sight, batch: right(sight, batch) + 1)
    assert largest_error(row_pieces.run_pieces(*arguments, "all", True, **options), truth, sight, None) > 1e-3


def test_only_intervals_of_keys_are_for_the_kernel(monkeypatch):
    """Any other visibility falls back to the pieces, with the same rows."""
    monkeypatch.setattr(row_pass, "has_kernel", lambda device: True)
    interval = sights(window=70)
    hole = interval.visible.clone()
    hole[1, 120, 100] = False
    holed = Sight(interval.ids, interval.own, hole)
    assert holed.intervals is None
    states = inputs(interval)
    assert row_pass.pass_rows(*states, interval, 0.25).arithmetic.tile == row_kernel.KEYS
    found = row_pass.pass_rows(*states, holed, 0.25, ranges=True)
    assert found.arithmetic.tile is None
    assert largest_error(found, reference_rows(*states, holed, 0.25, 0.0), holed, None) < 1e-5
    empty = sights(dropped=(0, 20)).intervals
    assert (empty[0][1, :20] == TOKENS).all()
    assert (empty[1][1, :20] == 0).all()


@pytest.mark.parametrize(
    "family", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("llama", "mistral", "gemma2")), "gpt_oss"]
)
def test_rows_of_decoders_come_from_the_kernel(family, monkeypatch):
    """Padded and then continued from a cache; tiles of 16 make far ones occur in short texts."""
    model = tiny_decoder(family).to(DEVICE)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, 90, (2, 40), generator=generator).to(DEVICE)
    mask = torch.ones_like(tokens)
    mask[1, :7] = 0
    runs = []
    for tile in (None, 16):
        monkeypatch.setattr(row_pass, "has_kernel", lambda device, tile=tile: tile is not None)
        monkeypatch.setattr(row_kernel, "QUERIES", 16)
        monkeypatch.setattr(row_kernel, "KEYS", 16)
        rows = []
        with (
            torch.no_grad(),
            Attachment(model, WindowBlocks(8), on_call=lambda c, r=rows: r.append(RowMeter()(c))).attached(),
        ):
            made = model(tokens[:, :37], attention_mask=mask[:, :37], use_cache=True)
            model(tokens[:, 37:], attention_mask=mask, past_key_values=made.past_key_values)
        assert {each.arithmetic.tile for each in rows} == {tile}
        runs.append(rows)
    for found, right in zip(*reversed(runs), strict=True):
        for name in ("entropy", "fidelity", "leak", *GAPS):
            np.testing.assert_allclose(getattr(found, name), getattr(right, name), rtol=0, atol=2e-5)
